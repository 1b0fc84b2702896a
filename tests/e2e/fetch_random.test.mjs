// R11 (CHANGELOG). Random calls of `edgetoll fetch` with one journal, between proxies that fail at random: one in front of the Worker, and
// one in front of the client's wallet. Before each payment, the Worker says whether it was due: with `HEAD`, which takes no use, it refuses
// each credential that was bought before. At the end, without faults, each call gets its content.
//   SEEDS=number   runs so many sequences of each kind
//   CALLS=number   the calls of each sequence, besides one of each path at its end
// The log of a sequence that fails: `[0 200]` exit code and status of a command, `<paid PATH c3>` the payment for credential 3, `(c3>402 1)`
// status and `X-Toll-Uses-Remaining` of a request with it (`-` without one), `{503}` a fault.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createServer, request as startRequest } from 'node:http';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { parseChallenge, send } from './support/client.mjs';
import { newUser } from './support/command.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { lnbits, run, startPaywall } from './support/paywall.mjs';

const seeds = Number(process.env.SEEDS ?? 1);
const calls = Number(process.env.CALLS ?? 12);

/** A price list. `more` is added to each price. */
const priceList = (more = 0) => ({
  routes: [
    { path: '/club/*', sats: 5 + more, realm: 'club' },
    { path: '/club/dear', sats: 20 + more, realm: 'club' },
    { path: '/club/service', sats: 4 + more, realm: 'club', service: 'gpu' },
    { path: '/pack/*', sats: 3 + more, realm: 'pack', uses: 3 },
    { path: '/pack/dear', sats: 9 + more, realm: 'pack', uses: 3 },
    { path: '/search', price: [{ when: { query: { hd: '1' } }, sats: 9 + more }, { sats: 2 + more }], uses: 4 },
    { path: '/page/*', sats: 4 + more },
    { path: '/once', sats: 1 + more, uses: 1 },
    { path: '/trial', sats: 6 + more, free_requests: 2, free_window: '1h' },
    { path: '/strict', sats: 7 + more, honor_paid: false },
  ],
});
const paths = ['/club/1', '/club/2', '/club/dear', '/club/service', '/pack/1', '/pack/2', '/pack/dear', '/search', '/search?hd=1', '/search?q=1', '/page/1', '/page/1/', '/page/2', '/once', '/trial', '/strict', '/open'];

let origin, paywall;
before(async () => {
  origin = await startRecordingOrigin();
  paywall = await startPaywall({ toll: priceList(), vars: { ORIGIN_URL: origin.url } });
});
after(() => origin.close());

/** Returns a function that returns a whole number below `count`: the same sequence for the same seed (a linear congruential generator). */
function randomNumbers(seed) {
  let state = seed * 7919;
  const next = (count) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >> 9) % count;
  };
  for (let time = 0; time < 5; time += 1) next(2);
  return next;
}

/**
 * The kinds of sequences. `faultOf(random, headers)` returns a status that the server's proxy answers, `early` for a connection that it
 * closes, `lost` for an answer that it does not pass on, or `half` for one that it passes on in part. `walletFault(random)` does the same
 * for the wallet's proxy.
 */
const KINDS = {
  none: {},
  refused: { hasFaults: true, faultOf: (random, { authorization }) => (!random(authorization ? 5 : 15) ? [429, 502, 503][random(3)] : undefined) },
  lost: { hasFaults: true, faultOf: (random, { authorization }) => (authorization && !random(8) ? ['lost', 'early', 'half'][random(3)] : undefined) },
  wallet: { hasFaults: true, walletFault: (random) => (!random(4) ? ['lost', 500, 'early', 'half'][random(4)] : undefined) },
  killed: { hasFaults: true, isKilled: true },
  changed: { isChanged: true },
};

for (const [name, kind] of Object.entries(KINDS)) {
  test(`edgetoll fetch pays for nothing twice and is never locked out (${name})`, { timeout: 600_000 }, async (t) => {
    const results = await Promise.allSettled(Array.from({ length: seeds }, (_, at) => runSequence(t, kind, at + 1)));
    const errors = results.map(({ reason }) => reason).filter(Boolean);
    for (const error of errors) console.error(`${name}: ${error.message}`);
    if (errors.length) throw errors[0];
  });
}

async function runSequence(t, kind, seed) {
  const random = randomNumbers(seed);
  const state = { random, kind, hasFaults: false, log: [`seed ${seed}:`], offers: new Map(), bought: [], undue: [], worker: paywall.url };
  const change = kind.isChanged ? deployments() : undefined;
  state.worker = (await change?.(random)) ?? paywall.url;
  const url = await startServerProxy(t, state);
  const lnbitsUrl = await startWalletProxy(t, state);
  const user = newUser({ lnbits_url: lnbitsUrl, lnbits_admin_key: lnbits.payer.adminKey, max_sats: 1000, budget_sats_per_host: 1_000_000, budget_sats: 1_000_000 });
  const fail = (message) => assert.fail(`${message}\n${state.log.join(' ')}\njournal: ${user.journal}`);
  const checked = () => state.undue.length && fail(`paid although ${state.undue[0]}`);

  for (let call = 0; call < calls; call += 1) {
    // A client does not pay a host any more if the first three payments got errors.
    state.hasFaults = call > 1;
    const path = paths[random(paths.length)];
    const method = random(8) ? 'GET' : 'HEAD';
    const started = user.start(['fetch', '-s', '-i', '-X', method, url + path]);
    state.log.push((method === 'HEAD' ? 'HEAD ' : '') + path);
    state.stepsLeft = kind.isKilled && !random(3) ? 1 + random(8) : Infinity;
    state.kill = started.kill;
    const { code, stdout, stderr } = await started.ended;
    state.log.push(`[${code} ${stdout.slice(9, 12)}]`);
    // `HEAD` never gets an invoice.
    if (!kind.hasFaults && method !== 'HEAD' && (code || !stdout.startsWith('HTTP/1.1 200'))) fail(`${path}: ${code} ${stderr}`);
    checked();
    if (kind.isChanged && call % 6 === 5) {
      state.worker = await change(random);
      state.log.push('(deployed)');
    }
  }
  state.hasFaults = false;
  state.stepsLeft = Infinity;
  // A killed command may have left a payment that a later one looks for.
  for (const path of paths) {
    state.log.push(`last ${path}`);
    const { code, stdout, stderr } = await user.fetch('-s', '-i', url + path);
    if (code || !stdout.startsWith('HTTP/1.1 200')) fail(`at the end, ${path}: ${code} ${stdout.split('\r')[0]} ${stderr}`);
    checked();
  }
}

/** Returns a function that deploys a Worker with the storage of the last one, and with other prices and another key. */
function deployments() {
  const state = run.folder('state');
  let current, secret, previous;
  return async (random) => {
    await current?.server.stop();
    if (!secret || !random(2)) [previous, secret] = [secret, randomBytes(32).toString('hex')];
    else if (!random(2)) previous = undefined;
    const toll = priceList(current ? random(3) : 1);
    current = await startPaywall({ state, toll, vars: { ORIGIN_URL: origin.url, TOLL_SECRET: secret, TOLL_SECRET_PREVIOUS: previous } });
    return current.url;
  };
}

/** Starts a proxy in front of the Worker. It notes the path and the macaroon of each invoice. */
function startServerProxy(t, state) {
  return startProxy(t, state, (request) => {
    const fault = state.hasFaults ? state.kind.faultOf?.(state.random, request.headers) : undefined;
    if (fault) state.log.push(`{${fault}${request.headers.authorization ? '' : ' without'}}`);
    return { fault, to: state.worker };
  }, (request, answer) => {
    const header = answer.headers['www-authenticate'];
    // The challenge for `HEAD` has no invoice.
    const challenge = header?.includes('invoice=') && parseChallenge(header);
    if (challenge) state.offers.set(challenge.invoice, { path: request.url, macaroon: challenge.macaroon });
    const used = state.bought.find(({ authorization }) => authorization === request.headers.authorization);
    state.log.push(`(${request.headers.authorization ? `c${state.bought.indexOf(used)}` : '-'}>${answer.statusCode} ${answer.headers['x-toll-uses-remaining'] ?? ''})`);
  });
}

/** Starts a proxy in front of the client's wallet. Before the first payment of an invoice, it asks the Worker whether that payment is due. */
function startWalletProxy(t, state) {
  const begun = new Set();
  return startProxy(t, state, async (request, body) => {
    const { out, bolt11 } = request.method === 'POST' ? JSON.parse(body) : {};
    const fault = state.hasFaults ? state.kind.walletFault?.(state.random) : undefined;
    if (fault) state.log.push(`{wallet ${fault}}`);
    if (!out || begun.has(bolt11) || typeof fault === 'number' || fault === 'early') return { fault, to: lnbits.url };
    begun.add(bolt11);
    const { path } = state.offers.get(bolt11);
    for (const { authorization, path: boughtFor } of state.bought) {
      const { status } = await send(state.worker, path, { method: 'HEAD', headers: { authorization } });
      // 409: another request has taken the last use, and is not answered yet.
      if (![401, 402, 409].includes(status)) state.undue.push(`the credential c${state.bought.findIndex((one) => one.authorization === authorization)} bought for ${boughtFor} gets ${status} for ${path}`);
    }
    state.log.push(`<paid ${path} c${state.bought.length}>`);
    return { fault, to: lnbits.url, bolt11 };
  }, (request, answer, { bolt11 }, body) => {
    if (!bolt11) return;
    const { path, macaroon } = state.offers.get(bolt11);
    const { status, preimage } = JSON.parse(body);
    if (status === 'success') state.bought.push({ path, authorization: `L402 ${macaroon}:${preimage}` });
  });
}

/**
 * Starts a proxy. `decide` returns the fault and the server, and `note` sees each answer of the server. Each request that arrives and each
 * answer is a step. After the last step that is left, the command is killed.
 */
async function startProxy(t, state, decide, note) {
  const step = async () => {
    state.stepsLeft -= 1;
    if (state.stepsLeft === 0) await state.kill();
  };
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    await step();
    const decided = await decide(request, body);
    const { fault, to } = decided;
    if (fault === 'early') return response.destroy();
    if (typeof fault === 'number') return response.writeHead(fault, { 'Retry-After': '0' }).end();
    const { hostname, port } = new URL(to);
    const forwarded = startRequest({ hostname, port, path: request.url, method: request.method, headers: request.headers }, async (answer) => {
      const parts = [];
      for await (const part of answer) parts.push(part);
      const all = Buffer.concat(parts);
      note(request, answer, decided, all);
      await step();
      if (fault === 'lost') return response.destroy();
      const { 'transfer-encoding': _, ...headers } = answer.headers;
      if (fault === 'half') return response.writeHead(answer.statusCode, { ...headers, 'content-length': all.length + 10 }).write(all, () => response.socket?.end());
      response.writeHead(answer.statusCode, headers).end(all);
    });
    forwarded.on('error', () => response.destroy());
    forwarded.end(body);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}`;
}
