// R11 (CHANGELOG). Random sequences of calls of toll.js, through a proxy that fails at random. The Worker itself says whether a payment
// was due: with `HEAD`, which takes no use, it refuses each credential that the client has bought before.
import assert from 'node:assert/strict';
import { createServer, request as startRequest } from 'node:http';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { TollClient, TollError } from '../../www/toll.js';
import { parseChallenge, send } from './support/client.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { pay, startPaywall } from './support/paywall.mjs';

const toll = {
  challenges_per_minute: 10_000,
  invoices_per_minute: 10_000,
  routes: [
    { path: '/club/*', sats: 5, realm: 'club' },
    { path: '/club/dear', sats: 20, realm: 'club' },
    { path: '/club/service', sats: 4, realm: 'club', service: 'gpu' },
    { path: '/pack/*', sats: 3, realm: 'pack', uses: 3 },
    { path: '/pack/dear', sats: 9, realm: 'pack', uses: 3 },
    { path: '/search', price: [{ when: { query: { hd: '1' } }, sats: 9 }, { sats: 2 }], uses: 4 },
    { path: '/page/*', sats: 4 },
    { path: '/once', sats: 1, uses: 1 },
  ],
};
const paths = ['/club/1', '/club/2', '/club/dear', '/club/service', '/pack/1', '/pack/2', '/pack/dear', '/search', '/search?hd=1', '/search?q=1', '/page/1', '/page/1/', '/page/2', '/once', '/open'];

let origin, paywall;
before(async () => {
  origin = await startRecordingOrigin();
  paywall = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url } });
});
after(() => origin.close());

/** Returns a function that returns a whole number below `count`: the same sequence for the same seed (a linear congruential generator). */
function randomNumbers(seed) {
  let state = seed;
  return (count) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >> 9) % count;
  };
}

/**
 * Starts a proxy in front of the Worker. `faultOf(headers)` returns a status, `lost` for an answer that does not arrive, or nothing. Adds
 * the macaroon of each invoice to `macaroons`.
 */
async function startProxy(t, faultOf, macaroons) {
  const { hostname, port } = new URL(paywall.url);
  const server = createServer((request, response) => {
    const fault = faultOf(request.headers);
    if (typeof fault === 'number') return response.writeHead(fault, { 'Retry-After': '0' }).end();
    const forwarded = startRequest({ hostname, port, path: request.url, method: request.method, headers: request.headers }, (answer) => {
      const challenge = answer.headers['www-authenticate'] && parseChallenge(answer.headers['www-authenticate']);
      if (challenge) macaroons.set(challenge.invoice, challenge.macaroon);
      if (fault === 'lost') return response.destroy();
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    request.pipe(forwarded);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return `http://127.0.0.1:${server.address().port}`;
}

/** A wallet that pays with LNbits. Fails the test if the client has bought a credential before that the Worker accepts for the same URL. */
function startWallet(current) {
  const bought = [];
  const payInvoice = async (bolt11) => {
    const { path, abort } = current;
    for (const authorization of bought) {
      const { status } = await send(paywall.url, path, { method: 'HEAD', headers: { authorization } });
      assert.equal(status, 402, current.log.join(' '));
    }
    const preimage = await pay(bolt11);
    bought.push(`L402 ${current.macaroons.get(bolt11)}:${preimage}`);
    abort?.abort();
    return { preimage };
  };
  return { payInvoice };
}

const memoryStorage = (items = new Map()) => ({
  getItem: (name) => items.get(name) ?? null,
  setItem: (name, value) => void items.set(name, value),
  removeItem: (name) => void items.delete(name),
});

const FAULTS = {
  none: () => () => undefined,
  aborted: () => () => undefined,
  refused: (random) => (headers) => (headers.authorization && !random(6) ? [429, 503][random(2)] : undefined),
  lost: (random) => (headers) => (headers.authorization && !random(10) ? 'lost' : undefined),
};

for (const mode of Object.keys(FAULTS)) {
  test(`No call pays for what the client has bought before, and no payment blocks the host (faults: ${mode})`, { timeout: 300_000 }, async (t) => {
    for (let seed = 1; seed <= 2; seed += 1) {
      const random = randomNumbers(seed * 7919);
      for (let time = 0; time < 5; time += 1) random(2);
      const current = { log: [`seed ${seed}:`], macaroons: new Map() };
      const url = await startProxy(t, FAULTS[mode](random), current.macaroons);
      const [storage, wallet] = [memoryStorage(), startWallet(current)];
      const newTab = () => new TollClient({ wallet, storage, maxSats: 1000, budgetSatsPerHost: 1_000_000 });
      const tabs = [newTab(), newTab()];
      for (let call = 0; call < 30; call += 1) {
        const path = paths[random(paths.length)];
        const abort = mode === 'aborted' && !random(3) ? new AbortController() : undefined;
        Object.assign(current, { path, abort });
        current.log.push(path);
        const tab = tabs[random(2)];
        const answer = await tab.fetch(url + path, { signal: abort?.signal }).then(({ status }) => status, (error) => error);
        if (answer instanceof TollError && answer.code !== 'connection_failed') throw answer.cause ?? answer;
        if (mode === 'none') assert.equal(answer, 200, current.log.join(' '));
        if (!random(8)) tabs[random(2)] = newTab();
      }
    }
  });
}
