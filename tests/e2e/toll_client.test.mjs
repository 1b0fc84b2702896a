import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, mock, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { freePort, pause } from '../../tools/lib/run.mjs';
import { TollClient, TollError, tollFetch } from '../../www/toll.js';
import { editInvoice } from './support/bolt11.mjs';
import { startBrowser } from './support/browser.mjs';
import { attenuate, parseChallenge, send, tamper } from './support/client.mjs';
import { newUser, paidDuring } from './support/command.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { pay, run, startPaywall } from './support/paywall.mjs';

const toll = {
  routes: [
    ...['/sold', '/first', '/second', '/third', '/again', '/leaving', '/forging', '/private', '/other_issuer'].map((path) => ({ path, sats: 5 })),
    { path: '/failing', sats: 5, uses: 1 },
    { path: '/dear', sats: 101 },
    { path: '/any/method', sats: 5, bind: ['endpoint'] },
    { path: '/posted', methods: ['POST'], sats_per_kib: 1 },
    { path: '/club/*', sats: 5, realm: 'club' },
    { path: '/club/dear', sats: 50, realm: 'club' },
    { path: '/pro/*', sats: 7, realm: 'pro' },
    { path: '/mixed/*', sats: 50, realm: 'mixed' },
    { path: '/mixed/three', sats: 5, realm: 'mixed', uses: 30 },
    { path: '/mixed/one', sats: 6, realm: 'mixed', uses: 1 },
    { path: '/variants', price: [{ when: { query: { hd: '1' } }, sats: 9 }, { sats: 2 }] },
    { path: '/rising/1', sats: 1, realm: 'rising' },
    { path: '/rising/2', sats: 2, realm: 'rising' },
    { path: '/rising/3', sats: 3, realm: 'rising' },
    { path: '/rising/4', sats: 4, realm: 'rising' },
    { path: '/mixed/service', sats: 4, realm: 'mixed', service: 'x' },
    { path: '/counted/*', sats: 5, uses: 10, realm: 'counted' },
    { path: '/counted/dear', sats: 50, uses: 2, realm: 'counted' },
    { path: '/once', sats: 5, uses: 1 },
    { path: '/twice', sats: 5, uses: 2 },
    { path: '/moved', sats: 5, uses: 1 },
    { path: '/cached', sats: 5, uses: 3 },
    { path: '/hundred/:number', sats: 100 },
  ],
};
let origin, paywall, otherOrigin, isFailing, stubServer;
before(async () => {
  otherOrigin = await startRecordingOrigin();
  origin = await startRecordingOrigin({
    '/open': (request, response) => response.writeHead(request.method === 'OPTIONS' ? 405 : 200, { 'Access-Control-Allow-Origin': '*' }).end(),
    '/moved': (request, response) => response.writeHead(302, { Location: '/open' }).end(),
    '/hop': (request, response) => response.writeHead(302, { Location: '/again' }).end(),
    '/leaving': (request, response) => response.writeHead(302, { Location: `${otherOrigin.url}/arrived` }).end(),
    '/forging': (request, response) => response.writeHead(302, { Location: `${stubServer.url}/forged` }).end(),
    '/private': (request, response) => response.writeHead(401, { 'WWW-Authenticate': 'Basic' }).end(),
    '/other_issuer': (request, response) => response.writeHead(401, { 'WWW-Authenticate': 'L402 macaroon="AgEB", invoice="lnbc1"' }).end(),
    '/cached': (request, response) => response.writeHead(200, { 'Cache-Control': 'max-age=60' }).end(),
    '/failing': (request, response) => response.writeHead(isFailing ? 503 : 200).end(),
  });
  paywall = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url } });
  stubServer = await startRecordingOrigin({
    '/away': (request, response) => response.writeHead(302, { Location: `${paywall.url}/sold` }).end(),
    '/forged': (request, response) => response.writeHead(401, { 'WWW-Authenticate': 'L402' }).end(),
    '/challenge': async (request, response) => {
      const header = await stubServer.challengeFor(request);
      const isPaid = header === undefined && request.headers.authorization;
      response.writeHead(isPaid ? 200 : 402, header === undefined ? {} : { 'WWW-Authenticate': header, ...stubServer.headers }).end('what the server says');
    },
  });
});
after(() => Promise.all([origin, otherOrigin, stubServer].map((server) => server.close())));

/** Returns a wallet that pays with LNbits, and records the invoices it receives and the highest number of concurrent payments. */
function wallet({ before = () => {}, after = (preimage) => preimage } = {}) {
  const paid = [];
  let pending = 0;
  const payInvoice = async (bolt11) => {
    paid.push(bolt11);
    pending += 1;
    payer.maxConcurrent = Math.max(payer.maxConcurrent, pending);
    try {
      await before(bolt11);
      return await after(await pay(bolt11));
    } finally {
      pending -= 1;
    }
  };
  const payer = { paid, payInvoice, maxConcurrent: 0, pending: () => pending };
  return payer;
}

function startClient({ payer = wallet(), ...options } = {}) {
  const client = new TollClient({ wallet: payer, ...options });
  const events = [];
  for (const type of ['challenge', 'paying', 'paid', 'refused', 'reused']) {
    client.addEventListener(type, ({ detail }) => events.push({ type, ...detail }));
  }
  const eventTypes = () => events.map(({ type }) => type).join(' ');
  return { client, payer, events, eventTypes, get: (path, init) => client.fetch(paywall.url + path, init) };
}

/** Returns a challenge of the real paywall, whose invoice can be paid. */
async function realChallenge(path = '/sold') {
  const { headers, json } = await send(paywall.url, path);
  return { ...parseChallenge(headers['www-authenticate']), paymentHash: json().paymentHash };
}
const format = ({ macaroon, invoice }) => `L402 macaroon="${macaroon}", invoice="${invoice}"`;
/** A challenge with a macaroon of an unknown format. */
const opaque = ({ invoice }) => `L402 macaroon="${Buffer.from(invoice.slice(-30)).toString('base64')}", invoice="${invoice}"`;
const setChallenges = (challengeFor, headers = {}) => Object.assign(stubServer, { challengeFor, headers });
const setChallenge = (header, headers) => setChallenges(() => header, headers);
const failsWith = (code, expected = {}) => (error) => {
  assert.ok(error instanceof TollError, error.stack);
  const { mayBePaid } = error;
  assert.deepEqual({ code: error.code, mayBePaid, ...pick(error, Object.keys(expected)) }, { code, mayBePaid: false, ...expected });
  return true;
};
const pick = (object, names) => Object.fromEntries(names.map((name) => [name, object[name]]));
async function until(probe) {
  for (let time = 0; !(await probe()) && time < 200; time += 1) await pause(20);
  assert.ok(await probe());
}
const status = async (response) => (await response).status;
const memoryStorage = (items = new Map()) => ({
  items,
  getItem: (name) => items.get(name) ?? null,
  setItem: (name, value) => void items.set(name, value),
  removeItem: (name) => void items.delete(name),
});

test('The client pays the invoice of a 402 and sends the request again; the next request uses the same credential', async () => {
  const { payer, events, eventTypes, get } = startClient();
  const reached = origin.requests.length;
  assert.equal(await status(get('/sold')), 200);
  assert.equal(await status(get('/sold?page=2')), 200);
  assert.equal(payer.paid.length, 1);
  assert.equal(origin.requests.length, reached + 2);
  assert.equal(eventTypes(), 'challenge paying paid reused');
  for (const { url, sats, paymentHash } of events.slice(0, 3)) {
    assert.deepEqual([url, sats], [`${paywall.url}/sold`, 5]);
    assert.equal(paymentHash, origin.last().headers['x-toll-payment-hash']);
  }
});

test('tollFetch pays with the given WebLN provider or with globalThis.webln, and shares credentials between calls', async () => {
  const calls = [];
  const webln = {
    enable: async () => void calls.push('enable'),
    sendPayment: async (bolt11) => {
      calls.push('sendPayment');
      return { preimage: (await pay(bolt11)).toUpperCase() };
    },
  };
  assert.equal(await status(tollFetch(new URL(`${paywall.url}/first`), { wallet: webln, maxSats: 5 })), 200);
  assert.equal(await status(tollFetch(`${paywall.url}/first`)), 200);
  assert.deepEqual(calls, ['enable', 'sendPayment']);
  globalThis.webln = webln;
  try {
    assert.equal(await status(tollFetch(new Request(`${paywall.url}/second`))), 200);
  } finally {
    delete globalThis.webln;
  }
  assert.equal(calls.length, 4);
  await assert.rejects(tollFetch(`${paywall.url}/third`), failsWith('no_wallet'));
});

test('The client pays no price above maxSats; the error has the 402 response', async () => {
  const { payer, eventTypes, get } = startClient();
  await assert.rejects(get('/dear'), (error) => failsWith('too_expensive', { amountSats: 101 })(error) && error.response.status === 402);
  const response = await get('/dear').catch((error) => error.response);
  assert.equal((await response.json()).amountSats, 101);
  for (const maxSats of [4, 0, -1, NaN, null, 'much']) await assert.rejects(get('/sold', { maxSats }), failsWith('too_expensive'));
  assert.equal(eventTypes(), '');
  assert.deepEqual(payer.paid, []);
  assert.equal(await status(get('/dear', { maxSats: 101 })), 200);
});

test('The client stays within budgetSats and budgetSatsPerHost, even with concurrent payments', async () => {
  for (const budget of [{ budgetSats: 10 }, { budgetSatsPerHost: 10 }]) {
    const { client, payer, get } = startClient(budget);
    const answers = await Promise.allSettled(['/first', '/second', '/third'].map((path) => get(path)));
    assert.equal(answers.filter(({ status }) => status === 'fulfilled').length, 2);
    failsWith('over_budget')(answers.find(({ reason }) => reason).reason);
    assert.equal(payer.paid.length, 2);
    assert.equal(client.spentSats, 10);
  }
  const { payer, client, get } = startClient({ budgetSatsPerHost: 5 });
  assert.equal(await status(get('/first')), 200);
  await assert.rejects(get('/second'), failsWith('over_budget'));
  const other = paywall.url.replace('127.0.0.1', 'localhost');
  assert.equal(await status(client.fetch(`${other}/second`)), 200);
  assert.equal(payer.paid.length, 2);
});

test('The price counts as spent, unless the wallet received no invoice or reports that nothing was paid', async (t) => {
  const refusing = (error) => ({ payInvoice: () => Promise.reject(error), paid: [] });
  const rejection = new (class RejectionError extends Error {})('no');
  for (const error of [Object.assign(new Error('no route'), { paid: false }), new Error('User rejected'), rejection]) {
    const { client, get } = startClient({ payer: refusing(error), budgetSats: 5 });
    for (let time = 0; time < 2; time += 1) await assert.rejects(get('/sold'), failsWith('payment_failed'));
    assert.equal(client.spentSats, 0);
  }
  const locked = { enable: () => Promise.reject(new Error('locked')), sendPayment: () => assert.fail() };
  const lockedClient = startClient({ payer: locked, budgetSats: 5 });
  await assert.rejects(lockedClient.get('/sold'), failsWith('payment_failed'));
  assert.equal(lockedClient.client.spentSats, 0);

  // The wallet does not say that nothing was paid, and the server does not accept the credential without a preimage.
  const seller = await startSeller(t, () => 402);
  const unsure = startClient({ payer: refusing(new Error('timed out')), budgetSats: 5 });
  await assert.rejects(unsure.client.fetch(`${seller.url}/sold`), failsWith('payment_failed', { mayBePaid: true, amountSats: 5 }));
  assert.equal(unsure.client.spentSats, 5);
  await assert.rejects(unsure.get('/first', { payAgain: true }), failsWith('over_budget'));
});

test('Concurrent requests for one path make one payment', async () => {
  const { payer, eventTypes, get } = startClient();
  const answers = await Promise.all(Array.from({ length: 8 }, () => status(get('/sold'))));
  assert.deepEqual(answers, Array(8).fill(200));
  assert.equal(payer.paid.length, 1);
  assert.equal(eventTypes(), `challenge paying paid${' reused'.repeat(7)}`);
});

test('When concurrent requests wait for one payment and it fails, all these requests fail, and the client does not pay again', async (t) => {
  const seller = await startSeller(t, () => 402);
  let attempts = 0;
  const payer = { payInvoice: async () => { attempts += 1; await pause(300); throw new Error('timed out'); } };
  const { client } = startClient({ payer });
  const answers = await Promise.allSettled(Array.from({ length: 4 }, () => client.fetch(`${seller.url}/sold`)));
  for (const { reason } of answers) failsWith('payment_failed', { mayBePaid: true })(reason);
  assert.equal(new Set(answers.map(({ reason }) => reason.response)).size, 4);
  assert.equal(attempts, 1);
});

// R11 (CHANGELOG): the credential was given up after each request for the dearer page.
test('A credential of a realm stays good for its cheaper pages after a request for a dearer page', async () => {
  const { client, payer, get } = startClient({ maxSats: 20 });
  for (let time = 0; time < 3; time += 1) {
    assert.equal(await status(get(`/club/${time}`)), 200);
    await assert.rejects(get('/club/dear'), failsWith('too_expensive', { amountSats: 50 }));
  }
  assert.deepEqual([payer.paid.length, client.spentSats], [1, 5]);

  const richer = startClient();
  for (const path of ['/club/1', '/club/dear', '/club/2', '/club/dear']) assert.equal(await status(richer.get(path)), 200);
  assert.deepEqual([richer.payer.paid.length, richer.client.spentSats], [2, 55]);

  const counting = startClient();
  for (const path of ['/counted/1', '/counted/dear', '/counted/2', '/counted/dear', '/counted/3']) assert.equal(await status(counting.get(path)), 200);
  assert.deepEqual([counting.payer.paid.length, counting.client.spentSats], [2, 55]);
});

// R11 (CHANGELOG): the credential was given up after a request for a page of the realm that needs another kind of credential.
test('A credential of a realm stays good after requests for pages that sell another number of uses or another service', async () => {
  const { payer, events, get } = startClient();
  const visit = async (...names) => {
    for (const name of names) assert.equal(await status(get(`/mixed/${name}`)), 200, name);
  };
  await visit('a', 'three', 'b', 'service', 'a', 'three', 'service', 'b');
  // A credential is not sent again to a URL for which it is not valid.
  await visit('a', 'three', 'service', 'b');
  events.length = 0;
  await visit('a', 'three', 'service', 'b');
  assert.deepEqual(events.map(({ type }) => type), Array(4).fill('reused'));
  assert.equal(payer.paid.length, 3);
  // The credential for 30 uses is spent for a page that sells one use, and stays good for its own page.
  await visit('one', 'three', 'one', 'three');
  assert.equal(payer.paid.length, 5);
});

test('After a request for a dearer query of a path, the credential for the path is used without a challenge', async () => {
  const { payer, events, get } = startClient();
  for (const path of ['/variants', '/variants?hd=1', '/variants', '/variants?hd=1']) assert.equal(await status(get(path)), 200, path);
  events.length = 0;
  for (const path of ['/variants', '/variants?hd=1']) assert.equal(await status(get(path)), 200, path);
  assert.deepEqual(events.map(({ type }) => type), ['reused', 'reused']);
  assert.equal(payer.paid.length, 2);
});

test('A payment that an older toll.js began is not made again', async () => {
  const storage = memoryStorage();
  const { payer, get } = startClient({ storage });
  assert.equal(await status(get('/twice')), 200);
  const [paymentHash] = JSON.parse(storage.getItem('toll.js'));
  const name = `toll.js ${paymentHash}`;
  const { kinds, ...stored } = JSON.parse(storage.getItem(name));
  const key = JSON.stringify(JSON.parse(stored.key).slice(0, -kinds.length));
  storage.setItem(name, JSON.stringify({ ...stored, key, state: 'sent', preimage: undefined, wasAccepted: undefined }));
  assert.equal(await status(startClient({ payer, storage }).get('/twice')), 200);
  assert.equal(payer.paid.length, 1);
});

test('If a server limits its challenges, the client sends the next stored credential', async () => {
  const routes = [
    { path: '/mixed/*', sats: 5, realm: 'mixed' },
    { path: '/mixed/service', sats: 4, realm: 'mixed', service: 'x' },
    { path: '/search', price: [{ when: { query: { hd: '2' } }, sats: 50 }, { when: { query: { hd: '1' } }, sats: 20 }, { sats: 5 }], uses: 100 },
  ];
  const { url } = await startPaywall({ toll: { challenges_per_minute: 4, routes }, vars: { ORIGIN_URL: origin.url }, config: { ratelimits: undefined } });
  const { client, payer } = startClient();
  for (const name of ['a', 'service', ...Array(8).keys()]) assert.equal(await status(client.fetch(`${url}/mixed/${name}`)), 200, name);
  assert.equal(payer.paid.length, 2);
  assert.equal((await send(url, '/mixed/a')).status, 429);

  // The two cheaper credentials are sent first, because they could be for each new query.
  const searcher = await startPaywall({ toll: { challenges_per_minute: 6, routes }, vars: { ORIGIN_URL: origin.url }, config: { ratelimits: undefined } });
  const queries = ['hd=0', 'hd=1', 'hd=2', ...Array.from({ length: 8 }, (_, at) => `hd=2&q=${at}`)];
  for (const query of queries) assert.equal(await status(client.fetch(`${searcher.url}/search?${query}`)), 200, query);
  assert.equal(payer.paid.length, 5);
});

// R11 (CHANGELOG): the credential of the other realm was sent, and then a second one of this realm was paid.
test('A credential that was answered with a passing 429 or 503 is sent again after a challenge', async (t) => {
  let failure;
  const verdict = ({ path, known }) => {
    const [answer] = [failure, (failure = undefined)];
    const isValid = Buffer.from(known.macaroon, 'base64').includes(path === '/second' ? 'pro' : 'club');
    return answer ?? (isValid ? 200 : 402);
  };
  const seller = await startSeller(t, verdict, { challengeOf: (path) => (path === '/second' ? '/pro/a' : '/club/a') });
  const { client, payer } = startClient();
  for (const path of ['/second', '/first']) assert.equal(await status(client.fetch(seller.url + path)), 200);
  // For /first, no other stored credential is left.
  for (const [path, passing, expected] of [['/sold', 429, 200], ['/second', 503, 200], ['/first', 503, 503]]) {
    failure = passing;
    assert.equal(await status(client.fetch(seller.url + path)), expected, path);
  }
  assert.equal(payer.paid.length, 2);
});

// R11 (CHANGELOG): the host was not paid any more after the second call.
test('After a passing 503 for a new credential, a dearer page is paid, and the credential stays good', async (t) => {
  let failure = 503;
  const verdict = ({ url, known }) => {
    const [answer] = [failure, (failure = undefined)];
    return answer ?? (known.invoice.startsWith('lnbc90n') || !url.endsWith('?hd=1') ? 200 : 402);
  };
  const seller = await startSeller(t, verdict, { challengeOf: (_, url) => url });
  const { client, payer } = startClient();
  for (const [url, expected] of [['/variants', 503], ['/variants?hd=1', 200], ['/variants', 200], ['/variants?hd=1', 200]]) {
    assert.equal(await status(client.fetch(seller.url + url)), expected, url);
  }
  assert.equal(payer.paid.length, 2);
});

// R11 (CHANGELOG): each call asked for a challenge first.
test('After a price has fallen, the credential is sent without a challenge', async (t) => {
  let isDear = true;
  const isHd = (url) => isDear && url.endsWith('?hd=1');
  const seller = await startSeller(t, ({ url }) => (isHd(url) ? 402 : 200), { challengeOf: (_, url) => (isHd(url) ? url : '/variants') });
  const { client, payer } = startClient({ maxSats: 5 });
  assert.equal(await status(client.fetch(`${seller.url}/variants`)), 200);
  await assert.rejects(client.fetch(`${seller.url}/variants?hd=1`), failsWith('too_expensive'));
  isDear = false;
  const before = seller.requests.length;
  for (let time = 0; time < 3; time += 1) assert.equal(await status(client.fetch(`${seller.url}/variants?hd=1`)), 200);
  assert.deepEqual([seller.requests.length - before, payer.paid.length], [4, 1]);
});

// R11 (CHANGELOG): the host was not paid any more. A call may be aborted because its page is closed.
test('After a call was aborted while its wallet paid, a dearer page is paid, and the credential stays good', async () => {
  const abort = new AbortController();
  const { client, payer, get } = startClient({ payer: wallet({ before: () => abort.abort() }) });
  await assert.rejects(get('/variants', { signal: abort.signal }), { name: 'AbortError' });
  await until(() => client.spentSats === 2 && !payer.pending());
  for (const url of ['/variants?hd=1', '/variants', '/variants?hd=1']) assert.equal(await status(get(url)), 200, url);
  assert.equal(payer.paid.length, 2);
});

// R11 (CHANGELOG): the client refused to pay this host again. The origin may be slow, and the person may press a button to stop.
test('After a call for one use was aborted or its answer was lost, the next call pays again', async (t) => {
  for (const failure of ['abort', 'connection']) {
    const abort = new AbortController();
    const spent = new Set();
    const seller = await startSeller(t, async ({ preimage, response }) => {
      if (spent.has(preimage)) return 402;
      spent.add(preimage);
      if (spent.size > 1) return 200;
      if (failure === 'abort') abort.abort();
      else response.destroy();
      return 200;
    }, { challengeOf: () => '/once' });
    const { client, payer } = startClient();
    const expected = failure === 'abort' ? { name: 'AbortError' } : failsWith('connection_failed', { mayBePaid: true });
    await assert.rejects(client.fetch(`${seller.url}/sold`, { method: 'POST', body: 'x', signal: abort.signal }), expected);
    assert.equal(await status(client.fetch(`${seller.url}/sold`, { method: 'POST', body: 'x' })), 200);
    assert.equal(await status(client.fetch(`${seller.url}/first`)), 200);
    assert.equal(payer.paid.length, 3);
  }
});

test('A host that closes the connection after each payment gets three payments at most', async (t) => {
  const known = new Set();
  const seller = await startSeller(t, ({ preimage, response }) => (known.has(preimage) ? 402 : (known.add(preimage), response.destroy(), 200)), { challengeOf: (path) => (path === '/sold' ? '/once' : path) });
  const { client, payer } = startClient();
  const codes = [];
  for (let call = 0; call < 6; call += 1) codes.push(await client.fetch(`${seller.url}/sold?${call}`).catch(({ code }) => code));
  assert.deepEqual([payer.paid.length, codes.at(-1)], [3, 'not_honoured']);
});

test('After a connection with a stored credential failed, the credential is sent again and not paid again', async (t) => {
  let isFailing = false;
  const seller = await startSeller(t, ({ response }) => (isFailing && response.destroy(), (isFailing = false), 200), { challengeOf: () => '/club/a' });
  const { client, payer } = startClient();
  assert.equal(await status(client.fetch(`${seller.url}/sold`)), 200);
  // In a page of another origin, the failure may be that of a preflight.
  globalThis.location = { origin: 'https://page.test' };
  t.after(() => delete globalThis.location);
  for (const path of ['/first', '/first', '/second']) {
    isFailing = true;
    assert.equal(await status(client.fetch(seller.url + path)), 200);
  }
  assert.equal(payer.paid.length, 1);
});

// R11 (CHANGELOG): 402, because the newer credential is for another realm.
test('HEAD gets no challenge, so the next stored credential is sent', async () => {
  const { payer, get } = startClient();
  for (const path of ['/club/1', '/pro/1']) assert.equal(await status(get(path)), 200);
  for (const path of ['/club/1', '/club/2']) assert.equal(await status(get(path, { method: 'HEAD' })), 200);
  assert.equal(payer.paid.length, 2);
});

// R11 (CHANGELOG): with two stored credentials that were too cheap, the call for the third page never ended.
test('Each page of a realm that costs more than all before is paid', { timeout: 30_000 }, async () => {
  for (const storage of [undefined, memoryStorage()]) {
    const { payer, get } = startClient({ storage });
    for (let price = 1; price <= 4; price += 1) assert.equal(await status(get(`/rising/${price}`)), 200, price);
    assert.equal(payer.paid.length, 4);
  }
});

test('Concurrent requests share a credential with limited uses, and the client buys further credentials one after the other', async () => {
  const { payer, get } = startClient();
  const answers = await Promise.all(Array.from({ length: 5 }, () => status(get('/twice'))));
  assert.deepEqual(answers, Array(5).fill(200));
  assert.equal(payer.paid.length, 3);
  assert.equal(payer.maxConcurrent, 1);
  assert.equal(await status(get('/twice')), 200);
  assert.equal(payer.paid.length, 3);
});

test('A credential is used again for its path and method, and a credential of a realm for every path of the realm', async () => {
  const { payer, eventTypes, get } = startClient();
  const assertCost = async (sats, path, init) => {
    const before = payer.paid.length;
    assert.equal(await status(get(path, init)), 200, path);
    assert.equal(payer.paid.length - before, sats ? 1 : 0, path);
  };
  await assertCost(5, '/club/song');
  await assertCost(0, '/club/film', { method: 'POST', body: 'x' });
  await assertCost(5, '/sold');
  await assertCost(0, '/sold', { method: 'HEAD' });
  await assertCost(5, '/any/method');
  await assertCost(0, '/any/method', { method: 'DELETE' });
  await assertCost(7, '/pro/tool');
  for (const path of ['/club/other', '/pro/other', '/sold', '/club/song']) await assertCost(0, path);
  assert.ok(!eventTypes().includes('refused'));
});

test('If the server refuses a stored credential as expired or forged, the client drops it and pays once for a new credential', async () => {
  const past = Math.floor(Date.now() / 1000) - 60;
  for (const [edit, expected] of [[(macaroon) => attenuate(macaroon, `toll_valid_until=${past}`), 402], [tamper, 401]]) {
    const storage = memoryStorage();
    await startClient({ storage }).get('/sold');
    for (const [name, text] of storage.items) {
      const stored = JSON.parse(text);
      if (stored.macaroon) storage.setItem(name, JSON.stringify({ ...stored, macaroon: edit(stored.macaroon) }));
    }
    const { payer, events, eventTypes, get } = startClient({ storage });
    assert.equal(await status(get('/sold')), 200);
    assert.equal(await status(get('/sold')), 200);
    assert.equal(eventTypes(), 'reused refused challenge paying paid reused');
    assert.equal(events[1].status, expected);
    assert.equal(payer.paid.length, 1);
  }
});

test('An error of the origin consumes no use, and the client does not pay again', async () => {
  const { payer, get } = startClient();
  isFailing = true;
  assert.equal(await status(get('/failing')), 503);
  isFailing = false;
  assert.equal(await status(get('/failing')), 200);
  assert.equal(payer.paid.length, 1);
});

// R2: ll-5. In Node, only a weak reference leads from the signal of the caller to a clone of a request.
test('In Node, a call can be aborted also after a garbage collection', { timeout: 60_000 }, async (t) => {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc');
  const silent = await startRecordingOrigin({ '/silent': () => {} });
  t.after(() => silent.close());
  for (const method of ['GET', 'POST']) {
    const { client } = startClient();
    const aborter = new AbortController();
    const requests = silent.requests.length;
    const call = client.fetch(`${silent.url}/silent`, { method, body: method === 'POST' ? 'x' : undefined, signal: aborter.signal });
    await until(() => silent.requests.length > requests);
    await new Promise(setImmediate);
    collectGarbage();
    aborter.abort();
    await assert.rejects(call, { name: 'AbortError' });
  }
});

// R11: ll-1
test('HEAD takes no use, also after an error of the origin', async () => {
  const { payer, client } = startClient();
  const uses = async (method) => (await client.fetch(`${paywall.url}/failing`, { method })).headers.get('X-Toll-Uses-Remaining');
  isFailing = true;
  assert.equal(await uses('GET'), '1');
  isFailing = false;
  assert.deepEqual([await uses('HEAD'), await uses('HEAD'), await uses('GET')], ['1', '1', '0']);
  assert.equal(payer.paid.length, 1);
});

// R11: ll-3
test('A use that came back is kept if a response that the server counted before arrives later', async (t) => {
  const waiting = {};
  const other = await startRecordingOrigin({ '/counted': ({ url }, response) => {
    const name = url.split('?')[1];
    const answer = () => response.writeHead(name === 'failing' ? 503 : 200).end('content');
    if (name === 'first' || name === 'last') answer();
    else waiting[name] = answer;
  } });
  t.after(() => other.close());
  const { url } = await startPaywall({ toll: { routes: [{ path: '/counted', sats: 5, uses: 3 }] }, vars: { ORIGIN_URL: other.url } });
  const { payer, client } = startClient();
  const uses = async (name) => (await client.fetch(`${url}/counted?${name}`)).headers.get('X-Toll-Uses-Remaining');
  assert.equal(await uses('first'), '2');
  const failing = uses('failing');
  await until(() => waiting.failing);
  const slow = uses('slow');
  await until(() => waiting.slow);
  waiting.failing();
  assert.equal(await failing, '1');
  waiting.slow();
  assert.equal(await slow, '0');
  assert.equal(await uses('last'), '0');
  assert.equal(payer.paid.length, 1);
});

test('Credentials in a storage survive a reload; if the storage fails, the client keeps the credentials in memory', async () => {
  const storage = memoryStorage();
  assert.equal(await status(startClient({ storage }).get('/twice')), 200);
  const later = startClient({ storage });
  assert.equal(await status(later.get('/twice')), 200);
  assert.deepEqual(later.payer.paid, []);
  assert.equal(await status(startClient({ storage }).get('/twice')), 200);
  assert.ok([...storage.items.keys()].every((name) => /^toll\.js( |$)/.test(name)));

  const full = { getItem: () => '{', setItem: () => { throw new Error('full'); }, removeItem: () => { throw new Error('full'); } };
  const { payer, get } = startClient({ storage: full });
  for (let time = 0; time < 2; time += 1) assert.equal(await status(get('/sold')), 200);
  assert.equal(payer.paid.length, 1);
});

// R11 (CHANGELOG)
test('If a storage has no room for a while, the client still sees what another client stores, and stores its own purchases later', async () => {
  const storage = memoryStorage();
  let isFull = false;
  const refuse = () => { throw new Error('full'); };
  const one = startClient({ storage: { ...storage, setItem: (...entry) => (isFull ? refuse() : storage.setItem(...entry)) } });
  const two = startClient({ storage });
  assert.equal(await status(one.get('/first')), 200);
  isFull = true;
  assert.equal(await status(one.get('/second')), 200);
  isFull = false;
  assert.equal(await status(two.get('/third')), 200);
  assert.equal(one.client.spentSats, 15);
  for (const { get } of [one, two, startClient({ storage })]) {
    for (const path of ['/first', '/second', '/third']) assert.equal(await status(get(path)), 200);
  }
  assert.deepEqual([one.payer.paid.length, two.payer.paid.length], [2, 1]);
});

// I9 (CHANGELOG)
test('With a storage that does not store, or not at once, the client keeps purchases in memory, and its budgets hold', async () => {
  const { getItem, setItem, removeItem } = memoryStorage();
  const later = (method) => async (...entry) => method(...entry);
  for (const storage of [
    { getItem: later(getItem), setItem: later(setItem), removeItem: later(removeItem) },
    { getItem: () => null, setItem: () => {}, removeItem: () => {} },
  ]) {
    const { client, payer, get } = startClient({ storage, budgetSats: 5 });
    for (let time = 0; time < 2; time += 1) assert.equal(await status(get('/sold')), 200);
    await assert.rejects(get('/first'), failsWith('over_budget'));
    assert.equal(client.spentSats, 5);
    assert.equal(payer.paid.length, 1);
  }
});

test('preventDefault on the challenge event cancels the payment: the caller gets the 402 and the budget is unchanged', async () => {
  const { client, payer, eventTypes, get } = startClient({ budgetSats: 5 });
  client.addEventListener('challenge', (event) => event.preventDefault(), { once: true });
  const response = await get('/sold');
  assert.equal(response.status, 402);
  assert.equal((await response.json()).amountSats, 5);
  assert.equal(eventTypes(), 'challenge');
  assert.deepEqual(payer.paid, []);
  assert.equal(await status(get('/sold')), 200);
});

test('Events of the client contain neither preimage nor macaroon', async () => {
  const preimages = [];
  const payer = wallet({ after: (preimage) => (preimages.push(preimage), preimage) });
  const { get, events } = startClient({ payer });
  await get('/sold');
  await get('/sold');
  assert.equal(events.length, 4);
  for (const event of events) assert.deepEqual(Object.keys(event), ['type', 'url', 'sats', 'paymentHash']);
  assert.ok(!JSON.stringify(events).includes(preimages[0]));
});

test('If a request is aborted before the payment, nothing is paid; if it is aborted during the payment, the credential is kept', async () => {
  const early = startClient();
  const abortEarly = new AbortController();
  early.client.addEventListener('challenge', () => abortEarly.abort(), { once: true });
  await assert.rejects(early.get('/sold', { signal: abortEarly.signal }), { name: 'AbortError' });
  assert.deepEqual(early.payer.paid, []);
  assert.equal(early.client.spentSats, 0);

  const abortOnEnable = new AbortController();
  const locked = { enable: async () => abortOnEnable.abort(), sendPayment: () => assert.fail('it paid') };
  const { client, get } = startClient({ payer: locked });
  await assert.rejects(get('/sold', { signal: abortOnEnable.signal }), { name: 'AbortError' });
  assert.equal(client.spentSats, 0);

  let release;
  const slow = startClient({ payer: wallet({ before: () => new Promise((resolve) => (release = resolve)) }) });
  const abortLate = new AbortController();
  slow.client.addEventListener('paying', () => setTimeout(() => abortLate.abort(), 50));
  await assert.rejects(slow.get('/sold', { signal: abortLate.signal }), { name: 'AbortError' });
  const paid = new Promise((resolve) => slow.client.addEventListener('paid', resolve));
  release();
  await paid;
  assert.equal(await status(slow.get('/sold')), 200);
  assert.equal(slow.payer.paid.length, 1);
});

test('When the paying request aborts before the wallet pays, a waiting request makes the payment', async () => {
  const [firstAbort, enableCalls] = [new AbortController(), []];
  const enable = () => new Promise((resolve) => enableCalls.push(resolve));
  const { client, get } = startClient({ payer: { enable, sendPayment: async (bolt11) => ({ preimage: await pay(bolt11) }) } });
  const first = get('/sold', { signal: firstAbort.signal }).catch(({ name }) => name);
  await until(() => enableCalls.length === 1);
  const second = status(get('/sold'));
  await pause(300);
  assert.equal(enableCalls.length, 1);
  firstAbort.abort();
  assert.equal(await first, 'AbortError');
  // The wallet has not answered the first question yet, and may never answer it.
  await until(() => enableCalls.length === 2);
  enableCalls[1]();
  assert.equal(await second, 200);
  enableCalls[0]();
  assert.equal(await status(get('/sold')), 200);
  assert.equal(client.spentSats, 5);
});

test('After a payment the request body, even a stream, is sent again unchanged; for a body that cannot be read, nothing is paid', async () => {
  const { payer, get } = startClient();
  const form = new FormData();
  form.set('file', new Blob(['content']), 'name.txt');
  const stream = () => new Blob(['a stream of ', 'some bytes']).stream();
  for (const [body, expected] of [['text', /^text$/], [form, /name="file"; filename="name.txt"[^]*content/], [stream(), /^a stream of some bytes$/]]) {
    const response = await get('/posted', { method: 'POST', body, duplex: 'half' });
    assert.equal(response.status, 200);
    assert.match(await response.text(), expected);
  }
  assert.equal(payer.paid.length, 1);
  const request = new Request(`${paywall.url}/posted`, { method: 'POST', body: 'x', headers: { 'X-Own': 'kept' } });
  assert.equal(await status(startClient().client.fetch(request)), 200);
  assert.equal(origin.last().headers['x-own'], 'kept');

  const broken = new ReadableStream({ pull: (controller) => controller.error(new Error('gone')) });
  const { client, payer: unpaid } = startClient();
  const reached = origin.requests.length;
  await assert.rejects(client.fetch(`${paywall.url}/posted`, { method: 'POST', body: broken, duplex: 'half' }), failsWith('unrepeatable_body'));
  assert.deepEqual(unpaid.paid, []);
  assert.equal(origin.requests.length, reached);
});

test('If the caller sets an Authorization header, the client sends it together with the credential', async () => {
  const { get } = startClient();
  assert.equal(await status(get('/sold', { headers: { Authorization: 'Bearer mine' } })), 200);
  assert.equal(origin.last().headers.authorization, 'Bearer mine');
});

test('The client never sends a credential to another origin, neither directly nor by a redirect', async () => {
  const { client, payer, get } = startClient();
  await get('/leaving');
  assert.equal(otherOrigin.last().path, '/arrived');
  await get('/club/song');
  await client.fetch(`${otherOrigin.url}/club/song`);
  assert.equal(payer.paid.length, 2);
  for (const { headers } of otherOrigin.requests) assert.equal(headers.authorization, undefined);
  for (let time = 0; time < 2; time += 1) assert.equal(await status(get('/forging')), 401);
  assert.equal(payer.paid.length, 3, 'a 401 from another origin does not drop the credential');
});

test('If a redirect leads to a priced path, the client pays only if the path is on the same origin', async () => {
  const { client, payer, get } = startClient();
  assert.equal(await status(get('/hop')), 200);
  assert.equal(origin.last().path, '/again');
  assert.equal(payer.paid.length, 1);
  assert.equal(await status(client.fetch(`${stubServer.url}/away`)), 402);
  assert.equal(payer.paid.length, 1);
});

test('The client finds the challenge in every valid form of the WWW-Authenticate header, and no challenge in an invalid header', async () => {
  const { macaroon, invoice } = await realChallenge();
  const both = `macaroon="${macaroon}", invoice="${invoice}"`;
  const readable = [
    `L402 ${both}`,
    `LSAT ${both}`,
    `l402 invoice="${invoice}",macaroon="${macaroon}"`,
    `L402 macaroon=${macaroon}, invoice=${invoice}`,
    `L402 version="0", token="x", ${both}`,
    `L402 Macaroon = "${macaroon}" , INVOICE = "${invoice.toUpperCase()}"`,
    `Basic realm="a, L402 b", ${`L402 ${both}`}`,
    `Negotiate YWJj==, Bearer, L402 ${both}, Digest nonce="x"`,
    `L402, LSAT ${both}`,
    `L402 macaroon="\\${macaroon}", invoice="\\${invoice}"`,
    `L402 macaroon="${Buffer.from(macaroon, 'base64').toString('base64url')}", invoice="${invoice}"`,
  ];
  const unreadable = [
    undefined, '', 'L402', `Bearer ${both}`, both, `L402 macaroon="${macaroon}"`, `L402 invoice="${invoice}"`,
    `L402 macaroon="a,b:c", invoice="${invoice}"`, `L402 macaroon="${macaroon}" , Basic invoice="${invoice}"`,
    `L402 padding="${'x'.repeat(8192)}", ${both}`,
  ];
  const { client, events, payer } = startClient();
  client.addEventListener('challenge', (event) => event.preventDefault());
  for (const [headers, count] of [[readable, 1], [unreadable, 0]]) {
    for (const header of headers) {
      events.length = 0;
      setChallenge(header);
      const response = await client.fetch(`${stubServer.url}/challenge`);
      assert.equal(response.status, 402);
      assert.equal(await response.text(), 'what the server says');
      assert.equal(events.length, count, header?.slice(0, 80));
    }
  }
  assert.deepEqual(payer.paid, []);
});

/** A time at which the examples of BOLT 11 have not expired. */
const YEAR_OF_THE_EXAMPLES = 'Thu, 01 Jun 2017 00:00:00 GMT';

test('Amount and payment hash of the valid BOLT 11 examples are parsed as specified, and malformed examples are refused', async () => {
  const { valid, invalid } = JSON.parse(readFileSync(new URL('../vectors/bolt11.json', import.meta.url)));
  // Two values from the text of BOLT 11: the payment hash, which all examples share, and the amounts in satoshis.
  const HASH = '0001020304050607080900010203040506070809000102030405060708090102';
  const sats = { '2500u': 250_000, '20m': 2_000_000, '25m': 2_500_000, '10m': 1_000_000 };
  const macaroon = Buffer.from('not a standard one').toString('base64');
  const parse = async (invoice, network) => {
    const { client, events } = startClient({ maxSats: Infinity, budgetSatsPerHost: Infinity, network });
    client.addEventListener('challenge', (event) => event.preventDefault());
    setChallenge(format({ macaroon, invoice }), { Date: YEAR_OF_THE_EXAMPLES });
    const refusal = await client.fetch(`${stubServer.url}/challenge`).then(() => undefined, (error) => error);
    return { refusal, price: events[0] && [events[0].sats, events[0].paymentHash] };
  };
  const counts = { read: 0, refused: 0 };
  for (const invoice of valid.flatMap((one) => [one, one.toUpperCase()])) {
    const [, network, amount] = invoice.toLowerCase().match(/^ln(bc|tb)(\d+[munp])?1p/);
    const { refusal, price } = await parse(invoice, network);
    if (sats[amount]) assert.deepEqual(price, [sats[amount], HASH], invoice);
    else failsWith('bad_invoice')(refusal);
    counts[refusal ? 'refused' : 'read'] += 1;
  }
  // Each of the 15 examples is parsed twice. Three examples are refused: two have no amount, and one has 967,878,534 msat, which
  // is not a whole number of satoshis.
  assert.deepEqual(counts, { read: 24, refused: 6 });
  for (const { invoice, lightning_invoice: verdict } of invalid) {
    const { refusal } = await parse(invoice);
    // The client does not check signature and features: the wallet does.
    if (!/InvalidFeatures|InvalidSignature/.test(verdict)) failsWith('bad_invoice')(refusal);
  }
  for (let at = 10; at < valid[1].length; at += 7) {
    const changed = valid[1].slice(0, at) + (valid[1][at] === 'q' ? 'p' : 'q') + valid[1].slice(at + 1);
    failsWith('bad_invoice')((await parse(changed)).refusal);
  }
});

test('The client reads every amount multiplier of an invoice exactly, and refuses fractions of a satoshi, other networks and invalid amounts', async () => {
  const challenge = await realChallenge();
  const { client, events, payer } = startClient({ maxSats: Infinity, budgetSatsPerHost: Infinity });
  client.addEventListener('challenge', (event) => event.preventDefault());
  const challengedSats = async (prefix, by = client) => {
    events.length = 0;
    setChallenge(format({ ...challenge, invoice: editInvoice(challenge.invoice, { prefix }) }));
    await by.fetch(`${stubServer.url}/challenge`);
    return events[0]?.sats;
  };
  for (const [prefix, sats] of [
    ['lnbc10n', 1], ['lnbc10000p', 1], ['lnbc1u', 100], ['lnbc1m', 100_000], ['lnbc1', 100_000_000], ['lnbc123456789012340000p', 12345678901234],
    ['lnbc20999999', 2099999900000000],
  ]) assert.equal(await challengedSats(prefix), sats, prefix);
  for (const prefix of [
    'lnbc', 'lnbc5n', 'lnbc15n', 'lnbc10001p', 'lnbc1p', 'lnbc0', 'lnbc0u', 'lnbc010u', 'lnbc1x', 'lnbcm', 'lnbc1um', 'lntb50n', 'lntbs50n', 'lnbcrt50n',
    'lnsb50n', 'ln50n', 'bc50n',
  ]) await assert.rejects(challengedSats(prefix), failsWith('bad_invoice'), prefix);
  for (const network of ['tb', 'tbs', 'bcrt']) {
    const test = startClient({ network });
    test.client.addEventListener('challenge', (event) => event.preventDefault());
    await challengedSats(`ln${network}50n`, test.client);
    assert.equal(test.events[0].sats, 5);
    await assert.rejects(challengedSats('lnbc50n', test.client), failsWith('bad_invoice'));
  }
  assert.deepEqual(payer.paid, []);
});

test('The client does not pay if the invoice does not match the macaroon, or if the macaroon is for another host', async () => {
  const [challenge, other] = [await realChallenge(), await realChallenge()];
  const { client, payer } = startClient();
  setChallenge(format({ ...challenge, invoice: other.invoice }));
  await assert.rejects(client.fetch(`${stubServer.url}/challenge`), failsWith('bad_invoice'));
  setChallenge(format(challenge));
  await assert.rejects(client.fetch(`${stubServer.url.replace('127.0.0.1', 'localhost')}/challenge`), failsWith('bad_invoice', { amountSats: 5 }));
  assert.deepEqual(payer.paid, []);
});

test('Over plain HTTP the client pays only on localhost', async () => {
  const { client, payer } = startClient();
  setChallenge(format(await realChallenge()));
  await assert.rejects(client.fetch(`${stubServer.url.replace('127.0.0.1', '0.0.0.0')}/challenge`), failsWith('insecure'));
  assert.deepEqual(payer.paid, []);
});

test('A call pays at most once, even if the server sends a new challenge after the payment; no invoice is paid twice', async () => {
  const greedy = startClient();
  setChallenges(async () => format(await realChallenge()));
  const reached = stubServer.requests.length;
  assert.equal(await status(greedy.client.fetch(`${stubServer.url}/challenge`)), 402);
  assert.equal(greedy.payer.paid.length, 1);
  assert.equal(stubServer.requests.length, reached + 2);

  const storage = memoryStorage();
  const { client, payer } = startClient({ storage });
  setChallenge(format(await realChallenge()));
  for (let time = 0; time < 3; time += 1) assert.equal(await status(client.fetch(`${stubServer.url}/challenge`)), 402);
  assert.equal(payer.paid.length, 1);
  const later = startClient({ storage });
  assert.equal(await status(later.client.fetch(`${stubServer.url}/challenge`)), 402);
  assert.deepEqual(later.payer.paid, []);
});

test('A credential whose macaroon cannot be parsed is used for the path and method it was bought for', async () => {
  const { valid } = JSON.parse(readFileSync(new URL('../vectors/bolt11.json', import.meta.url)));
  const { client, payer: unpaid } = startClient({ maxSats: 1e6 });
  for (const macaroon of ['AA==', 'Ag==', 'AgJC', `Ag${'/'.repeat(40)}`, `AgL${'/'.repeat(6)}8B`, 'eyJpZCI6MX0']) {
    setChallenge(format({ macaroon, invoice: valid[3] }), { Date: YEAR_OF_THE_EXAMPLES });
    await assert.rejects(client.fetch(`${stubServer.url}/challenge`), failsWith('too_expensive'));
  }
  assert.deepEqual(unpaid.paid, []);
  const { invoice } = await realChallenge();
  const { client: paying, payer } = startClient();
  setChallenges(({ headers }) => (headers.authorization ? undefined : format({ macaroon: 'eyJpZCI6MX0', invoice })));
  await paying.fetch(`${stubServer.url}/challenge?a`);
  assert.match(stubServer.last().headers.authorization, /^L402 eyJpZCI6MX0:[0-9a-f]{64}$/);
  await paying.fetch(`${stubServer.url}/challenge?b`);
  assert.ok(stubServer.last().headers.authorization);
  await paying.fetch(`${stubServer.url}/challenge`, { method: 'POST' });
  assert.equal(stubServer.last().headers.authorization, undefined);
  assert.equal(payer.paid.length, 1);
});

/**
 * Starts a server that sells /sold, /first and /second with challenges of the real paywall. Without a credential it answers 402.
 * Otherwise `verdict` returns the status of its answer, or `{ status, headers, challenge }`. A 402 has a new challenge by default.
 * Requests with the query `free` cost nothing.
 */
async function startSeller(t, verdict, { formatChallenge = format, challengeOf = (path) => path } = {}) {
  const issued = [];
  const answer = (path) => async (request, response) => {
    const [, scheme, macaroon, preimage] = request.headers.authorization?.match(/^(\S+) ([^:]+):(.*)$/) ?? [];
    const known = issued.find((one) => one.macaroon === macaroon);
    const isProven = sha256(preimage ?? '') === known?.paymentHash;
    if (request.url.endsWith('?free')) return response.end('content');
    const decided = scheme ? await verdict({ path, url: request.url, scheme, preimage, known, isProven, response }) : 402;
    const { status, headers, challenge = status === 402 && (await realChallenge(challengeOf(path, request.url))) } = decided.status ? decided : { status: decided };
    if (challenge) issued.push(challenge);
    response.writeHead(status, { ...(challenge && { 'WWW-Authenticate': formatChallenge(challenge) }), ...headers }).end('content');
  };
  const paths = ['/sold', '/first', '/second', '/variants'];
  const seller = await startRecordingOrigin(Object.fromEntries(paths.map((path) => [path, answer(path)])));
  t.after(() => seller.close());
  return { ...seller, credentials: () => seller.requests.map(({ headers }) => headers.authorization).filter(Boolean) };
}
const sha256 = (hex) => createHash('sha256').update(Buffer.from(hex, 'hex')).digest('hex');

// I1 (CHANGELOG). This server does what boltwall 6.0.3 does with lsat-js 2.0.6, which sees an LSAT only in a header with the word `LSAT`.
// boltwall itself cannot run here: npm cannot install its dependencies from GitHub, and it needs an LND node.
test('The client answers with the scheme of the challenge, also when it uses a stored credential', async (t) => {
  for (const scheme of ['LSAT', 'L402', 'lsat']) {
    const verdict = (sent) => (sent.scheme === scheme && sent.isProven ? 200 : 402);
    const seller = await startSeller(t, verdict, { formatChallenge: ({ macaroon, invoice }) => `${scheme} macaroon="${macaroon}", invoice="${invoice}"` });
    const storage = memoryStorage();
    const { client, payer } = startClient({ storage });
    for (let time = 0; time < 2; time += 1) assert.equal(await status(client.fetch(`${seller.url}/sold`)), 200);
    const later = startClient({ storage });
    assert.equal(await status(later.client.fetch(`${seller.url}/sold`)), 200);
    assert.deepEqual([payer.paid.length, later.payer.paid.length], [1, 0]);
    assert.equal(seller.credentials().length, 3);
  }
});

// I2 (CHANGELOG): the parameter `token` of the L402 specification of 2026, and macaroons with `.` and `~`, which RFC 9110 allows (token68).
test('The client reads the macaroon from `macaroon` or else from `token`, in the alphabet of token68', async () => {
  const { macaroon } = await realChallenge();
  const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJpZCI6MX0.c2ln-_bmF0dXJl';
  for (const [parameters, expected] of [
    [`version="0", token="${macaroon}"`, macaroon],
    [`version="0", token="${jwt}"`, jwt],
    [`token="other", macaroon="${macaroon}"`, macaroon],
    [`macaroon="", token=${jwt}`, jwt],
    ['macaroon="AZaz09-._~+/=="', 'AZaz09-._~+/=='],
  ]) {
    const { invoice } = await realChallenge();
    const { client, payer } = startClient();
    // The macaroon belongs to another invoice, so the client refuses unless it cannot read the payment hash.
    if (expected === macaroon) {
      setChallenge(`L402 ${parameters}, invoice="${invoice}"`);
      await assert.rejects(client.fetch(`${stubServer.url}/challenge`), failsWith('bad_invoice'));
      continue;
    }
    setChallenges(({ headers }) => (headers.authorization ? undefined : `L402 ${parameters}, invoice="${invoice}"`));
    await client.fetch(`${stubServer.url}/challenge`);
    assert.equal(payer.paid.length, 1, parameters);
    assert.equal(stubServer.last().headers.authorization.split(':')[0], `L402 ${expected}`);
  }
});

// R4 (CHANGELOG), lightninglabs/L402#23, getAlby/lightning-browser-extension#2946.
test('If a wallet pays without a usable preimage, the server looks up the payment; later requests use the same credential', async () => {
  const timeOut = () => { throw new Error('timed out'); };
  const answers = [...['00'.repeat(32), '', undefined, null, 'abc', {}, { preimage: null }, { preimage: {} }].map((answer) => () => answer), timeOut];
  for (const after of answers) {
    const storage = memoryStorage();
    const { client, payer, eventTypes, get } = startClient({ payer: wallet({ after }), storage });
    assert.equal(await status(get('/sold')), 200);
    assert.equal(await status(get('/sold')), 200);
    assert.equal(eventTypes(), 'challenge paying paid reused');
    assert.equal(client.spentSats, 5);
    const later = startClient({ storage });
    assert.equal(await status(later.get('/sold')), 200);
    assert.deepEqual([payer.paid.length, later.payer.paid.length], [1, 0]);
  }
  const { payer, get } = startClient({ payer: wallet({ after: () => ({}) }) });
  assert.deepEqual(await Promise.all(Array.from({ length: 4 }, () => status(get('/twice')))), [200, 200, 200, 200]);
  assert.equal(payer.paid.length, 2);
});

// R4 (CHANGELOG)
test('A preimage with white space, `0x` or upper case is sent in lower case', async (t) => {
  const seller = await startSeller(t, ({ preimage }) => (/^[0-9a-f]{64}$/.test(preimage) ? 200 : 401));
  for (const after of [
    (preimage) => ` ${preimage}\n`, (preimage) => `0x${preimage}`, (preimage) => ({ preimage: `0X${preimage.toUpperCase()}` }),
    (preimage) => preimage.replace(/../g, '$& '),
  ]) assert.equal(await status(startClient({ payer: wallet({ after }) }).client.fetch(`${seller.url}/sold`)), 200);
});

// R4 (CHANGELOG)
test('While the server does not know the payment or is busy, the client asks again after the time in `Retry-After`', async (t) => {
  const times = [];
  const seller = await startSeller(t, async ({ preimage, known }) => {
    times.push(Date.now());
    assert.equal(preimage, '');
    if (times.length === 1) return { status: 402, challenge: known };
    if (times.length === 2) return { status: 429, headers: { 'Retry-After': '1' } };
    return times.length === 3 ? { status: 503, headers: { 'Retry-After': new Date(Date.now() + 2000).toUTCString() } } : 200;
  });
  const { client, payer } = startClient({ payer: wallet({ after: () => '' }) });
  assert.equal(await status(client.fetch(`${seller.url}/sold`)), 200);
  assert.equal(times.length, 4);
  // The date has whole seconds.
  assert.ok(times[2] - times[1] >= 1000 && times[3] - times[2] >= 950, String(times));
  assert.equal(payer.paid.length, 1);
});

// R4 (CHANGELOG)
test('If the server gives no access without a preimage, errors say which payment may have been made, and nothing more is paid unless payAgain is set', async (t) => {
  for (const deny of [() => 402, () => 401, () => 400]) {
    const seller = await startSeller(t, (sent) => (sent.isProven ? 200 : deny(sent)));
    const storage = memoryStorage();
    const { client, payer, events } = startClient({ payer: wallet({ after: () => ({}) }), storage });
    const expected = () => ({ mayBePaid: true, amountSats: 5, paymentHash: events[0].paymentHash });
    await assert.rejects(client.fetch(`${seller.url}/sold`), (error) => failsWith('wrong_preimage', expected())(error) && error.response.status === 402);
    for (const other of [client, startClient({ storage, payer }).client]) {
      await assert.rejects(other.fetch(`${seller.url}/sold`), failsWith('may_be_paid', expected()));
    }
    assert.equal(payer.paid.length, 1);
    const told = startClient({ storage });
    assert.equal(await status(told.client.fetch(`${seller.url}/sold`, { payAgain: true })), 200);
    assert.equal(await status(told.client.fetch(`${seller.url}/sold`)), 200);
    assert.equal(told.payer.paid.length, 1);
  }
});

// R4 (CHANGELOG)
test('If the wallet never answers, other calls use the payment after two minutes, and do not pay again', async (t) => {
  const { setTimeout: start } = globalThis;
  const pastTwoMinutes = [];
  t.mock.method(globalThis, 'setTimeout', (run, ms, ...rest) => (ms === 120_000 ? pastTwoMinutes.push(run) && {} : start(run, ms, ...rest)));
  const invoices = [];
  const { client, get } = startClient({ payer: { payInvoice: (bolt11) => (invoices.push(bolt11), new Promise(() => {})) } });
  const abort = new AbortController();
  const first = get('/sold', { signal: abort.signal }).catch(({ name }) => name);
  await until(() => invoices.length);
  // Without a limit, the test would never end while it is red.
  const signal = AbortSignal.timeout(20_000);
  const waiting = assert.rejects(get('/sold', { signal }), failsWith('may_be_paid', { mayBePaid: true, amountSats: 5 }));
  pastTwoMinutes.forEach((run) => run());
  await waiting;
  abort.abort();
  assert.equal(await first, 'AbortError');
  await pay(invoices[0]);
  for (let time = 0; time < 2; time += 1) assert.equal(await status(get('/sold', { signal })), 200);
  assert.equal(invoices.length, 1);
  assert.equal(client.spentSats, 5);
});

// R4 (CHANGELOG)
test('If the wallet pays after its time-out, a later request uses the payment', async () => {
  let invoice;
  const { client, get, eventTypes } = startClient({ payer: { payInvoice: async (bolt11) => { invoice = bolt11; throw new Error('timed out'); } } });
  await assert.rejects(get('/sold'), failsWith('payment_failed', { mayBePaid: true, amountSats: 5 }));
  await pay(invoice);
  for (let time = 0; time < 2; time += 1) assert.equal(await status(get('/sold')), 200);
  assert.equal(eventTypes(), 'challenge paying reused paid reused');
  assert.equal(client.spentSats, 5);
});

test('If the connection fails after the payment, the error says what was paid, and the next call uses the credential', async () => {
  const { invoice, macaroon } = await realChallenge();
  let isLost = true;
  setChallenges(({ headers, socket }) => (headers.authorization ? isLost && (isLost = void socket.destroy()) : format({ macaroon, invoice })) || undefined);
  const { client, payer, events } = startClient();
  await assert.rejects(
    client.fetch(`${stubServer.url}/challenge`),
    (error) => failsWith('connection_failed', { mayBePaid: true, amountSats: 5, paymentHash: events[0].paymentHash })(error) && error.cause instanceof TypeError,
  );
  await client.fetch(`${stubServer.url}/challenge`);
  assert.ok(stubServer.last().headers.authorization);
  assert.equal(payer.paid.length, 1);
});

// I6 (CHANGELOG). Without the header `Date`, the clock of the device may be a minute fast.
test('The client does not pay an invoice that has expired, or for a macaroon that has expired or is for another host', async () => {
  const now = Math.floor(Date.now() / 1000);
  const { client, payer, events } = startClient();
  client.addEventListener('challenge', (event) => event.preventDefault());
  const challenge = await realChallenge();
  // LNbits writes the expiry into its invoices: the paywall requests 300 seconds. An invoice without this field expires after an hour.
  const expiring = (seconds) => editInvoice(challenge.invoice, { timestamp: now - 300 + seconds });
  const check = async ({ invoice = challenge.invoice, macaroon = challenge.macaroon }, isExpired, headers) => {
    events.length = 0;
    setChallenge(format({ invoice, macaroon }), headers);
    const called = client.fetch(`${stubServer.url}/challenge`);
    if (isExpired) await assert.rejects(called, failsWith('bad_invoice', { amountSats: 5 }));
    else assert.equal(await status(called), 402);
    assert.equal(events.length, isExpired ? 0 : 1);
  };
  await check({ invoice: expiring(-2) }, true);
  await check({ invoice: expiring(20) }, false);
  for (const [headers, expired, current] of [[{ Date: 'unknown' }, -90, -30], [{ Date: new Date((now + 1000) * 1000).toUTCString() }, 990, 1020]]) {
    await check({ invoice: expiring(expired) }, true, headers);
    await check({ invoice: expiring(current) }, false, headers);
  }
  const dates = (past) => [`toll_valid_until=${past}`, `valid_until = ${past}`, `expires_at=${past}`, `expiration=${past}000`];
  for (const caveat of dates(now - 2)) await check({ macaroon: attenuate(challenge.macaroon, caveat) }, true);
  for (const caveat of dates(now + 60)) await check({ macaroon: attenuate(challenge.macaroon, caveat) }, false);
  const lightningToll = (caveat) => Buffer.from(JSON.stringify({ id: challenge.paymentHash, caveats: [caveat], signature: '' })).toString('base64url');
  await check({ macaroon: lightningToll(`expires_at = ${now - 2}`) }, true);
  await check({ macaroon: lightningToll(`expires_at = ${now + 60}`) }, false);
  for (const caveat of ['host = other.example', 'Host=other.example']) await check({ macaroon: lightningToll(caveat) }, true);
  assert.deepEqual(payer.paid, []);
});

// I9 (CHANGELOG)
test('By default, the client pays at most 1,000 sats to a host in 24 hours, also after a reload', async (t) => {
  const storage = memoryStorage();
  mock.timers.enable({ apis: ['Date'], now: Date.now() - 24 * 3600 * 1000 });
  t.after(() => mock.timers.reset());
  for (let number = 0; number < 10; number += 1) assert.equal(await status(startClient({ storage }).get(`/hundred/${number}`)), 200);
  const { client, get, payer } = startClient({ storage });
  await assert.rejects(get('/sold'), failsWith('over_budget', { amountSats: 5 }));
  assert.equal(client.spentSats, 1000);
  const other = paywall.url.replace('127.0.0.1', 'localhost');
  assert.equal(await status(client.fetch(`${other}/sold`)), 200);
  mock.timers.reset();
  assert.equal(client.spentSats, 0);
  assert.equal(await status(get('/sold')), 200);
  assert.equal(payer.paid.length, 2);
});

// I9 (CHANGELOG)
test('A host that does not honour a payment is not paid again, unless payAgain is set or the host honours the payment', async (t) => {
  t.after(() => mock.timers.reset());
  let isHonest = false;
  for (const denial of [402, 401]) {
    isHonest = false;
    const seller = await startSeller(t, ({ isProven }) => (isHonest && isProven ? 200 : denial));
    const storage = memoryStorage();
    const { client, payer, events } = startClient({ storage });
    assert.equal(await status(client.fetch(`${seller.url}/sold`)), denial);
    for (const other of [client, startClient({ storage, payer }).client]) {
      for (const path of ['/sold', '/first']) {
        const called = other.fetch(seller.url + path);
        // The 401 to the stored credential has no challenge that could be paid.
        if (denial === 401 && path === '/sold') assert.equal(await status(called), 401);
        else await assert.rejects(called, (error) => failsWith('not_honoured')(error) && error.message.includes(events[0].paymentHash));
      }
    }
    assert.equal(await status(client.fetch(`${seller.url}/sold?free`)), 200);
    await assert.rejects(client.fetch(`${seller.url}/first`), failsWith('not_honoured'));
    mock.timers.enable({ apis: ['Date'], now: Date.now() + 3 * 24 * 3600 * 1000 });
    await assert.rejects(client.fetch(`${seller.url}/first`), failsWith('not_honoured'));
    mock.timers.reset();
    assert.equal(payer.paid.length, 1);
    assert.equal(await status(client.fetch(`${seller.url}/sold`, { payAgain: true })), denial);
    assert.equal(payer.paid.length, 2);
    await assert.rejects(client.fetch(`${seller.url}/first`), failsWith('not_honoured'));
    isHonest = true;
    assert.equal(await status(client.fetch(`${seller.url}/second`, { payAgain: true })), 200);
    assert.equal(await status(client.fetch(`${seller.url}/sold`)), 200);
    assert.equal(payer.paid.length, 4);
  }
});

// I9 (CHANGELOG)
test('A host that answers a payment with an error, and its credential with a new invoice, is paid once', async (t) => {
  for (const failure of [400, 403, 404, 409, 429, 500, 503]) {
    const repeated = new Set();
    const seller = await startSeller(t, ({ preimage }) => (repeated.has(preimage) ? 402 : (repeated.add(preimage), failure)));
    const storage = memoryStorage();
    const { client, payer } = startClient({ storage });
    assert.equal(await status(client.fetch(`${seller.url}/sold`)), failure);
    for (const other of [client, startClient({ storage, payer }).client, client]) {
      await assert.rejects(other.fetch(`${seller.url}/sold`), failsWith('not_honoured'));
    }
    assert.equal(payer.paid.length, 1, `${failure}`);
    assert.equal(await status(client.fetch(`${seller.url}/sold`, { payAgain: true })), failure);
    assert.equal(payer.paid.length, 2);
  }
});

// R11 (CHANGELOG): each later call got the 402 and nothing else.
test('If a server makes a challenge only without a spent credential, the client buys another one', async (t) => {
  const shown = new Set();
  for (const [init, formatChallenge] of [[{}, format], [{ method: 'POST', body: 'x' }, opaque]]) {
    const seller = await startSeller(t, ({ preimage }) => (shown.has(preimage) ? { status: 402, challenge: null } : (shown.add(preimage), 200)), { formatChallenge });
    const { client, payer } = startClient();
    for (let call = 0; call < 3; call += 1) assert.equal(await status(client.fetch(`${seller.url}/sold`, init)), 200);
    assert.equal(payer.paid.length, 3);
  }
});

// R11 (CHANGELOG): a macaroon of an unknown format was assumed to be valid for `HEAD` alone. Express and Starlette answer `HEAD` as `GET`.
test('What was bought with HEAD is not paid again for GET', async (t) => {
  const seller = await startSeller(t, () => 200, { formatChallenge: opaque });
  const { client, payer } = startClient();
  for (const method of ['HEAD', 'GET']) assert.equal(await status(client.fetch(`${seller.url}/sold`, { method })), 200);
  assert.equal(payer.paid.length, 1);
});

// R11 (CHANGELOG): the client paid again at each call.
test('X-Toll-Uses-Remaining of another origin, to which the server redirects, takes no use', async (t) => {
  const other = await startRecordingOrigin({ '/content': (_, response) => response.writeHead(200, { 'X-Toll-Uses-Remaining': '0' }).end('content') });
  t.after(() => other.close());
  const seller = await startSeller(t, () => ({ status: 302, headers: { Location: `${other.url}/content` } }));
  const { client, payer } = startClient();
  for (let call = 0; call < 2; call += 1) assert.equal(await status(client.fetch(`${seller.url}/sold`)), 200);
  assert.equal(payer.paid.length, 1);
});

// I7 (CHANGELOG): the credential of another query was given up.
for (const refusal of [402, { status: 402, challenge: null }]) {
  test(`A server that sells each query for itself is paid once for each${refusal === 402 ? '' : ', also if it makes no challenge beside a credential'}`, async (t) => {
    const soldFor = new Map();
    const seller = await startSeller(t, ({ url, preimage }) => {
      if (!soldFor.has(preimage)) soldFor.set(preimage, url);
      return soldFor.get(preimage) === url ? 200 : refusal;
    });
    const { client, payer } = startClient();
    for (const id of [1, 2, 3, 4, 1, 2, 3, 4, 1]) assert.equal(await status(client.fetch(`${seller.url}/sold?id=${id}`)), 200);
    assert.equal(payer.paid.length, 4);
  });
}

// R11 (CHANGELOG): the seventh call got 402, because the server had judged none of the five credentials that were sent at first.
test('If a server makes no challenge beside a credential, a client with credentials of many realms buys another one', async (t) => {
  const soldFor = new Map();
  let realm = 0;
  const formatChallenge = ({ macaroon, invoice }) => `L402 macaroon="${attenuate(macaroon, `realm=${realm}`)}", invoice="${invoice}"`;
  const seller = await startSeller(t, ({ preimage }) => {
    if (!soldFor.has(preimage)) soldFor.set(preimage, realm);
    return soldFor.get(preimage) === realm ? 200 : { status: 402, challenge: null };
  }, { formatChallenge });
  const { client, payer } = startClient();
  for (realm = 1; realm <= 8; realm += 1) assert.equal(await status(client.fetch(`${seller.url}/sold?realm=${realm}`)), 200, `realm ${realm}`);
  assert.equal(payer.paid.length, 8);
});

// R11 (CHANGELOG): the old credential was not sent, because it had cost less than the page costs now.
test('After a price is raised, a client with a newer credential of another realm pays nothing for what it has bought before', async (t) => {
  const state = run.folder('state');
  const [port, secret] = [await freePort(), randomBytes(32).toString('hex')];
  const deploy = (sats) => {
    const routes = [{ path: '/raised/*', sats, realm: 'raised' }, { path: '/page/*', sats }, { path: '/other', sats: 2, realm: 'other' }];
    return startPaywall({ port, state, toll: { routes }, vars: { ORIGIN_URL: origin.url, TOLL_SECRET: secret } });
  };
  const before = await deploy(3);
  const { client, payer } = startClient();
  const user = newUser();
  const buy = async (path) => {
    assert.equal(await status(client.fetch(before.url + path)), 200);
    assert.equal((await user.fetch(before.url + path)).code, 0);
  };
  for (const path of ['/raised/1', '/page/1', '/other']) await buy(path);
  await before.server.stop();
  const after = await deploy(4);
  t.after(() => after.server.stop());
  const { paid } = await paidDuring(async () => {
    for (const path of ['/raised/1', '/page/1', '/raised/2', '/raised/1']) await buy(path);
  });
  assert.deepEqual([paid, payer.paid.length], [[], 3]);
});

// I9 (CHANGELOG)
test('A host that never accepts a payment gets three payments at most, also if each challenge is for something else', async (t) => {
  const repeated = new Set();
  let services = 0;
  const formatChallenge = ({ macaroon, invoice }) => `L402 macaroon="${attenuate(macaroon, `services=s${services++}:0`)}", invoice="${invoice}"`;
  const seller = await startSeller(t, ({ preimage }) => (repeated.has(preimage) ? 402 : (repeated.add(preimage), 403)), { formatChallenge });
  const { client, payer } = startClient();
  const answers = [];
  for (let call = 0; call < 6; call++) answers.push(await client.fetch(`${seller.url}/sold`).then(({ status }) => status, ({ code }) => code));
  assert.ok(payer.paid.length <= 3, `${payer.paid.length} payments`);
  assert.equal(answers.at(-1), 'not_honoured');
});

// R11 (CHANGELOG)
test('While the wallet of one client asks for permission, another client with the same storage pays, and the first one does not pay again', async () => {
  const storage = memoryStorage();
  let allow;
  const payer = wallet();
  const asking = { enable: () => new Promise((resolve) => (allow = resolve)), sendPayment: (invoice) => payer.payInvoice(invoice) };
  const one = startClient({ storage, payer: asking });
  const paying = one.get('/sold');
  await until(() => allow);
  assert.equal(await status(startClient({ storage, payer }).get('/sold')), 200);
  allow();
  assert.equal(await status(paying), 200);
  assert.equal(payer.paid.length, 1);
  assert.equal(one.client.spentSats, 5);
});

// R11 (CHANGELOG)
test('If the server refuses all of three stored credentials for the same, the client sends two of them and pays once', async (t) => {
  const known = new Set();
  let isRotated = false;
  const seller = await startSeller(t, ({ preimage }) => (isRotated && known.has(preimage) ? 402 : (known.add(preimage), 200)));
  const storage = memoryStorage();
  for (let tab = 0; tab < 3; tab += 1) {
    const own = memoryStorage();
    assert.equal(await status(startClient({ storage: own }).client.fetch(`${seller.url}/sold`)), 200);
    for (const [name, text] of own.items) {
      const list = JSON.parse(storage.getItem('toll.js') ?? '[]');
      storage.setItem(name, name === 'toll.js' ? JSON.stringify([...list, ...JSON.parse(text)]) : text);
    }
  }
  isRotated = true;
  const { client, payer, events } = startClient({ storage });
  // Without a limit, the test would never end while it is red.
  client.addEventListener('challenge', (event) => events.length > 20 && event.preventDefault());
  assert.equal(await status(client.fetch(`${seller.url}/sold`)), 200);
  assert.equal(events.map(({ type }) => type).join(' '), 'reused refused reused refused challenge paying paid');
  assert.equal(payer.paid.length, 1);
});

// I9 (CHANGELOG). The paywall adds `X-Toll-Expires` to each paid response.
test('If the origin itself answers 401 to a paid request, the client pays the host for other requests', async () => {
  for (const path of ['/private', '/other_issuer']) {
    const { get, payer } = startClient();
    assert.equal(await status(get(path)), 401);
    assert.equal(await status(get('/sold')), 200);
    assert.equal(await status(get(path)), 401);
    assert.equal(payer.paid.length, 2, path);
  }
});

// I9, R11 (CHANGELOG). APIs of language models answer 402 if the account has no credit.
test('A 402 of the origin itself ends no credential, and both clients go on paying the host', async (t) => {
  const service = await startRecordingOrigin({ '/club/upstream': (_, response) => response.writeHead(402).end('Insufficient Balance') });
  t.after(() => service.close());
  const routes = [{ path: '/club/*', sats: 5, realm: 'club' }, { path: '/page', sats: 5 }];
  const { url } = await startPaywall({ toll: { routes }, vars: { ORIGIN_URL: service.url } });
  const paths = ['/club/upstream', '/club/1', '/club/upstream', '/club/upstream', '/club/2', '/page'];
  const expected = [402, 200, 402, 402, 200, 200];
  const { client, payer } = startClient();
  const statuses = [];
  for (const path of paths) statuses.push(await status(client.fetch(url + path)));
  assert.deepEqual([statuses, payer.paid.length], [expected, 2]);

  const user = newUser();
  const { paid } = await paidDuring(async () => {
    for (const path of paths) await user.fetch(url + path);
    assert.equal((await user.fetch(`${url}/page`)).code, 0);
  });
  assert.equal(paid.length, 2);
});

// R11 (CHANGELOG), pubky/pubky-app#2468.
test('Two clients with one storage share purchases, uses and budget, and neither restores what the other removed', async () => {
  const storage = memoryStorage();
  const [one, two] = [startClient({ storage, budgetSats: 25 }), startClient({ storage, budgetSats: 25 })];
  for (const [buyer, path] of [[one, '/first'], [two, '/second'], [one, '/third'], [two, '/sold']]) assert.equal(await status(buyer.get(path)), 200);
  for (const { get } of [one, two, startClient({ storage })]) {
    for (const path of ['/first', '/second', '/third', '/sold']) assert.equal(await status(get(path)), 200);
  }
  assert.deepEqual([one.payer.paid.length, two.payer.paid.length], [2, 2]);
  assert.equal(await status(one.get('/twice')), 200);
  assert.equal(await status(two.get('/twice')), 200);
  assert.deepEqual([one.client.spentSats, two.client.spentSats], [25, 25]);
  for (const { get } of [one, two]) await assert.rejects(get('/twice'), failsWith('over_budget'));

  // Another tab may overwrite the list of purchases in the moment in which one is added.
  const list = storage.getItem('toll.js');
  assert.equal(await status(startClient({ storage }).get('/again')), 200);
  assert.equal(one.client.spentSats, 30);
  storage.setItem('toll.js', list);
  assert.equal(one.client.spentSats, 30);
  assert.equal(startClient({ storage }).client.spentSats, 30);

  storage.items.clear();
  assert.equal(await status(two.get('/first')), 200);
  assert.equal(two.payer.paid.length, 3);
  assert.equal([...storage.items.values()].filter((text) => text.includes('"macaroon"')).length, 1);
});

// R11 (CHANGELOG)
test('Entries of the storage that another script has changed are ignored', async () => {
  for (const change of [{ endpoint: 7 }, { method: {} }, { macaroon: 'x\ny' }, { scheme: 'L402\n' }, { sats: '995', state: 'gone' }, { at: null }, { preimage: 'a\nb' }, { origin: null }]) {
    const storage = memoryStorage();
    await startClient({ storage }).get('/first');
    const [name, text] = [...storage.items].find(([, text]) => text.includes('"macaroon"'));
    storage.setItem(name, JSON.stringify({ ...JSON.parse(text), ...change }));
    const { client, payer, get } = startClient({ storage });
    assert.equal(await status(get('/free')), 200);
    assert.equal(await status(get('/first')), 200, JSON.stringify(change));
    assert.deepEqual([payer.paid.length, client.spentSats], [1, 5]);
  }
});

// R11 (CHANGELOG)
test('While one client pays, another client with the same storage does not pay for the same content', async () => {
  const storage = memoryStorage();
  let release;
  const one = startClient({ storage, payer: wallet({ before: () => new Promise((resolve) => (release = resolve)) }) });
  const paying = one.get('/sold');
  await until(() => release);
  const two = startClient({ storage });
  two.client.addEventListener('reused', release);
  assert.equal(await status(two.get('/sold')), 200);
  assert.equal(await status(paying), 200);
  assert.deepEqual(two.payer.paid, []);
  assert.equal(one.client.spentSats, 5);
});

/** Lets clients wait for a tab without a pause. Returns how often they have read the storage; each time, `look` is called. */
function skipLooks(t, look = () => {}) {
  const { setTimeout: start } = globalThis;
  const looks = { count: 0 };
  t.mock.method(globalThis, 'setTimeout', (run, ms, ...rest) => {
    // The timer of a tab that was closed would keep the test process alive.
    if (ms === 120_000) return {};
    if (ms !== 500) return start(run, ms, ...rest);
    looks.count += 1;
    look();
    return start(run, 0, ...rest);
  });
  return looks;
}

// R11 (CHANGELOG). The second server answers like lightning-toll 0.1.1: with another invoice if a credential has no preimage.
test('While the wallet of one client asks a person, another client with the same storage waits, and pays itself if the person declines', async (t) => {
  const looks = skipLooks(t);
  const seller = await startSeller(t, ({ isProven }) => (isProven ? 200 : 402));
  for (const url of [paywall.url, seller.url]) {
    for (const declines of [false, true]) {
      const storage = memoryStorage();
      let answer;
      const asked = new Promise((resolve) => (answer = resolve));
      const one = startClient({ storage, payer: wallet({ before: () => asked }) });
      const paying = one.client.fetch(`${url}/sold`).then(({ status }) => status, ({ code }) => code);
      await until(() => one.payer.paid.length);
      const two = startClient({ storage });
      looks.count = 0;
      const waiting = status(two.client.fetch(`${url}/sold`));
      // After these, the client has asked the server once.
      await until(() => looks.count > 12);
      answer(declines ? Promise.reject(new Error('User rejected')) : undefined);
      assert.equal(await waiting, 200);
      assert.equal(await paying, declines ? 'payment_failed' : 200);
      assert.equal(two.payer.paid.length, declines ? 1 : 0);
    }
  }
});

// R11 (CHANGELOG)
test('If a tab is closed while its wallet pays, another client gets access when the server has the payment', async (t) => {
  const looks = skipLooks(t);
  const storage = memoryStorage();
  let isPaid;
  const closed = startClient({ storage, payer: { payInvoice: async (bolt11) => (isPaid = !!(await pay(bolt11))) && new Promise(() => {}) } });
  closed.get('/sold').catch(() => {});
  await until(() => isPaid);
  const other = startClient({ storage });
  assert.equal(await status(other.get('/sold')), 200);
  assert.deepEqual(other.payer.paid, []);
  // The payment is known now.
  looks.count = 0;
  assert.equal(await status(other.get('/sold')), 200);
  assert.equal(looks.count, 0);
});

// R11, R4 (CHANGELOG): the use that the closed tab had taken was lost.
test('If a tab is closed while its wallet pays, another client gets all uses that the tab has paid for', async (t) => {
  skipLooks(t);
  for (const [path, uses] of [['/once', 1], ['/twice', 2]]) {
    const storage = memoryStorage();
    let isPaid;
    const closed = startClient({ storage, payer: { payInvoice: async (bolt11) => (isPaid = !!(await pay(bolt11))) && new Promise(() => {}) } });
    closed.get(path).catch(() => {});
    await until(() => isPaid);
    const other = startClient({ storage });
    for (let use = 0; use < uses; use += 1) assert.equal(await status(other.get(path)), 200);
    assert.deepEqual(other.payer.paid, [], path);
    assert.equal(await status(other.get(path)), 200);
    assert.equal(other.payer.paid.length, 1);
  }
});

// R11 (CHANGELOG)
test('While the wallet of one client pays for a single use, another client with the same storage waits and pays for itself', async () => {
  const storage = memoryStorage();
  let answer;
  const asked = new Promise((resolve) => (answer = resolve));
  const one = startClient({ storage, payer: wallet({ before: () => asked }) });
  const paying = status(one.get('/once'));
  await until(() => one.payer.paid.length);
  const two = startClient({ storage });
  const waiting = status(two.get('/once'));
  await until(() => two.eventTypes().includes('reused'));
  answer();
  assert.deepEqual(await Promise.all([paying, waiting]), [200, 200]);
  assert.deepEqual([one.payer.paid.length, two.payer.paid.length], [1, 1]);
});

// R11 (CHANGELOG)
test('A client waits at most two minutes for the wallet of another tab, also if the clock was set back', async (t) => {
  const storage = memoryStorage();
  const looks = skipLooks(t, () => mock.timers.setTime(Date.now() + 500));
  const closed = startClient({ storage, payer: { payInvoice: () => new Promise(() => {}) } });
  closed.get('/sold').catch(() => {});
  const sent = () => [...storage.items].find(([, text]) => text.includes('"isPaying":true'));
  await until(sent);
  const [name, text] = sent();
  mock.timers.enable({ apis: ['Date'], now: Date.now() });
  t.after(() => mock.timers.reset());
  storage.setItem(name, JSON.stringify({ ...JSON.parse(text), at: Date.now() + 24 * 3600 * 1000 }));
  await assert.rejects(startClient({ storage }).get('/sold'), failsWith('may_be_paid', { mayBePaid: true, amountSats: 5 }));
  assert.equal(looks.count, 240);
});

// I4 (CHANGELOG). These servers answer 401 without a challenge after a credential has expired: lightning-memory 0.7.0 with macaroons as its
// macaroon.py serializes them, and conduit-lightning 0.2.0 with those of pymacaroons 0.13.0 (libmacaroons' v1).
test('After a 401 to a credential that has expired, the client pays again', async (t) => {
  const later = new Date(Date.now() + 2 * 3600 * 1000).toUTCString();
  const expires = Math.floor(Date.now() / 1000) + 3600;
  const sized = (text) => Buffer.concat([Buffer.from([0, text.length]), Buffer.from(text, 'latin1')]);
  const packet = (text) => `${(text.length + 5).toString(16).padStart(4, '0')}${text}\n`;
  const hashOf = ({ paymentHash }) => Buffer.from(paymentHash, 'hex').toString('latin1');
  const formats = {
    'lightning-memory': (challenge) => Buffer.concat([sized(`\0\0${hashOf(challenge)}${'x'.repeat(32)}`), sized('lightning-memory'), Buffer.from([0, 1]), sized(`expires=${expires}`), Buffer.alloc(32, '7')]),
    pymacaroons: ({ paymentHash }) => Buffer.from(`${packet('location conduit')}${packet(`identifier ${paymentHash}`)}${packet(`cid expires = ${expires}`)}${packet(`signature ${'s'.repeat(32)}`)}`, 'latin1'),
    'lightning-toll': ({ paymentHash }) => Buffer.from(JSON.stringify({ id: paymentHash, caveats: [`expires_at = ${expires}`], signature: '00'.repeat(32) })),
  };
  for (const [name, macaroonFor] of Object.entries(formats)) {
    const used = new Set();
    const verdict = ({ isProven, preimage }) => (isProven && !used.has(preimage) && used.add(preimage) ? 200 : { status: 401, headers: { Date: later } });
    const formatChallenge = (challenge) => {
      challenge.macaroon = macaroonFor(challenge).toString('base64url');
      return format(challenge);
    };
    const seller = await startSeller(t, verdict, { formatChallenge });
    const { client, payer } = startClient();
    for (const payments of [1, 2]) {
      assert.equal(await status(client.fetch(`${seller.url}/sold`)), 200, name);
      assert.equal(payer.paid.length, payments);
    }
  }
});

// I4 (CHANGELOG). With Aperture, a credential pays for all paths of a service, and some of them may need a login as well.
test('A 401 for one path does not end a credential that is accepted for other paths', async (t) => {
  const seller = await startSeller(t, ({ path, isProven }) => (isProven && path !== '/second' ? 200 : 401), { challengeOf: () => '/club/1' });
  const { client, payer } = startClient();
  for (let call = 0; call < 5; call += 1) {
    assert.equal(await status(client.fetch(`${seller.url}/first`)), 200);
    assert.equal(await status(client.fetch(`${seller.url}/second`)), 401);
  }
  assert.equal(payer.paid.length, 1);
});

// I4 (CHANGELOG). The origin behind such a server may answer 401 to the paid request itself.
test('After a 401 to the first request with a credential, the client pays again only with payAgain', async (t) => {
  const seller = await startSeller(t, () => 401);
  const { client, payer } = startClient();
  const get = (options) => client.fetch(`${seller.url}/sold`, options);
  assert.equal(await status(get()), 401);
  assert.equal(await status(get()), 401);
  assert.equal(payer.paid.length, 1);
  assert.equal(await status(get({ payAgain: true })), 401);
  assert.equal(payer.paid.length, 2);
});

// I4 (CHANGELOG). l402kit 1.10.1 and pylsat 0.2.6 sell credentials for one request. Then they answer 401 and 403, as a service behind such
// a server may do for reasons of its own.
test('After a 401 or a 403 to a credential that was accepted before, the client pays again only with payAgain', async (t) => {
  for (const refusal of [401, 403]) {
    const used = new Set();
    const seller = await startSeller(t, ({ isProven, preimage }) => (isProven && !used.has(preimage) && used.add(preimage) ? 200 : refusal));
    const { client, payer } = startClient();
    const get = (options) => client.fetch(`${seller.url}/sold`, options);
    for (const expected of [200, refusal, refusal]) assert.equal(await status(get()), expected);
    assert.equal(payer.paid.length, 1);
    assert.equal(await status(get({ payAgain: true })), 200);
    assert.equal(payer.paid.length, 2);
  }
});

test('A 409 with Retry-After to a paid request is repeated: edgetoll sends it while another request has the last use', async (t) => {
  const answers = [200, { status: 409, headers: { 'Retry-After': '0' } }, 200, 409];
  const seller = await startSeller(t, () => answers.shift());
  const { client, payer } = startClient();
  for (const expected of [200, 200, 409]) assert.equal(await status(client.fetch(`${seller.url}/sold`)), expected);
  assert.deepEqual([payer.paid.length, answers.length], [1, 0]);
});

test('A page can put a client in the place of fetch', async (t) => {
  const { client, payer } = startClient();
  t.mock.method(globalThis, 'fetch', (...call) => client.fetch(...call));
  assert.equal(await status(fetch(`${paywall.url}/sold`, null)), 200);
  assert.equal(await status(fetch(`${paywall.url}/sold`)), 200);
  assert.equal(payer.paid.length, 1);
});

// R11 (CHANGELOG)
test('Purchases are removed from the storage a day after their credential has expired', async (t) => {
  const storage = memoryStorage();
  await startClient({ storage }).get('/sold');
  const count = () => [...storage.items.values()].filter((text) => text.includes('"macaroon"')).length;
  mock.timers.enable({ apis: ['Date'], now: Date.now() + 24 * 3600 * 1000 });
  t.after(() => mock.timers.reset());
  assert.equal(startClient({ storage }).client.spentSats, 0);
  assert.equal(count(), 1);
  mock.timers.setTime(Date.now() + 3600 * 1000);
  assert.equal(startClient({ storage }).client.spentSats, 0);
  assert.equal(count(), 0);
});

// R11 (CHANGELOG). Two tabs have a storage each, which the browser copies from one to the other.
test('In a browser without newer APIs, two tabs that buy at the same time keep all purchases, and stop when a caller aborts', async (t) => {
  const browser = await startBrowser();
  t.after(() => browser.close());
  const context = await browser.newContext();
  // These are newer than Safari 15, Chrome 94 or Firefox 93.
  await context.addInitScript(() => {
    for (const name of ['reason', 'throwIfAborted']) delete AbortSignal.prototype[name];
    for (const name of ['any', 'timeout']) delete AbortSignal[name];
    for (const type of [Array, String, Object.getPrototypeOf(Uint8Array)]) delete type.prototype.at;
    for (const name of ['findLast', 'toSorted']) delete Array.prototype[name];
    delete Object.hasOwn;
    delete crypto.constructor.prototype.randomUUID;
    delete globalThis.structuredClone;
    delete Navigator.prototype.locks;
  });
  const paid = [];
  await context.exposeFunction('payInvoice', async (bolt11) => (paid.push(bolt11), pay(bolt11)));
  const tabs = await Promise.all([1, 2].map(async () => {
    const page = await context.newPage();
    await page.goto(`${paywall.url}/_toll/health`);
    await page.evaluate(async () => {
      const { TollClient } = await import('/_toll/toll.js');
      globalThis.client = new TollClient({ wallet: { payInvoice }, storage: localStorage });
    });
    return page;
  }));
  const get = (page, paths) => page.evaluate((paths) => Promise.all(paths.map(async (path) => (await client.fetch(path)).status)), paths);
  const bought = [['/first', '/second'], ['/third', '/sold']];
  await Promise.all(tabs.map((page, index) => get(page, bought[index])));
  assert.equal(paid.length, 4);
  await until(async () => (await Promise.all(tabs.map((page) => page.evaluate(() => client.spentSats)))).every((sats) => sats === 20));
  for (const page of tabs) assert.deepEqual(await get(page, bought.flat()), [200, 200, 200, 200]);
  assert.equal(paid.length, 4);
  const aborted = await tabs[0].evaluate(() => {
    const abort = new AbortController();
    client.addEventListener('challenge', () => abort.abort());
    return client.fetch('/again', { signal: abort.signal }).catch(({ name }) => name);
  });
  assert.equal(aborted, 'AbortError');
  assert.equal(paid.length, 4);
});

// R4 (CHANGELOG)
test('In a browser, a request with the mode `no-cors` is not paid, because its credential would not be sent', async (t) => {
  const browser = await startBrowser();
  t.after(() => browser.close());
  const page = await browser.newPage();
  await page.goto(`${paywall.url}/_toll/health`);
  const [answered, paid] = await page.evaluate(async () => {
    const { TollClient } = await import('/_toll/toll.js');
    let paid = 0;
    const client = new TollClient({ wallet: { enable: async () => {}, sendPayment: async () => { paid += 1; } } });
    return [(await client.fetch('/sold', { mode: 'no-cors' })).status, paid];
  });
  assert.deepEqual([answered, paid], [402, 0]);
});

// R11 (CHANGELOG): the browser refused the request, because the origin answers no preflight.
test('In a browser, a page of another origin reads free paths also after it has bought a realm', async (t) => {
  const browser = await startBrowser();
  t.after(() => browser.close());
  const page = await browser.newPage();
  await page.exposeFunction('payInvoice', pay);
  const open = await startPaywall({ toll: { ...toll, cors: ['*'] }, vars: { ORIGIN_URL: origin.url } });
  await page.goto(`${paywall.url}/_toll/health`);
  const statuses = await page.evaluate(async (url) => {
    const { TollClient } = await import('/_toll/toll.js');
    const client = new TollClient({ wallet: { payInvoice } });
    const statuses = [];
    for (const path of ['/open', '/club/1', '/open', '/open', '/club/2', '/club/1']) statuses.push((await client.fetch(url + path)).status);
    return statuses;
  }, open.url.replace('127.0.0.1', 'localhost'));
  assert.deepEqual(statuses, Array(6).fill(200));
});

/** Opens a page of the paywall in a new browser, with a `client` that pays. Returns the page and the invoices that were paid. */
async function openPage(t) {
  const browser = await startBrowser();
  t.after(() => browser.close());
  const page = await browser.newPage();
  const paid = [];
  await page.exposeFunction('payInvoice', async (bolt11) => (paid.push(bolt11), pay(bolt11)));
  await page.goto(`${paywall.url}/_toll/health`);
  await page.evaluate(async () => {
    const { TollClient } = await import('/_toll/toll.js');
    globalThis.client = new TollClient({ wallet: { payInvoice } });
  });
  return { page, paid };
}

test('In a browser, a response from the cache of the browser takes none of the uses that the client counts', async (t) => {
  const { page, paid } = await openPage(t);
  const usesLeft = await page.evaluate(async () => {
    const usesLeft = [];
    for (const cache of ['default', 'default', 'default', 'default', 'default', 'reload', 'default', 'reload']) {
      usesLeft.push((await client.fetch('/cached', { cache })).headers.get('X-Toll-Uses-Remaining'));
    }
    return usesLeft;
  });
  assert.deepEqual(usesLeft, ['2', '2', '2', '2', '2', '1', '1', '0']);
  assert.equal(origin.requests.filter(({ path }) => path === '/cached').length, 3);
  assert.equal(paid.length, 1);
});

// R11, I9 (CHANGELOG). A service worker that answers a navigation gets such a redirect from `fetch`.
test('In a browser, a redirect that is not followed is access, and takes a use', async (t) => {
  const { page, paid } = await openPage(t);
  const types = await page.evaluate(async () => {
    const types = [];
    for (const path of ['/leaving', '/leaving', '/moved', '/moved', '/moved', '/first']) types.push((await client.fetch(path, { redirect: 'manual' })).type);
    return types;
  });
  assert.deepEqual(types, [...Array(5).fill('opaqueredirect'), 'basic']);
  assert.equal(paid.length, 5, 'one for /leaving, three for /moved, and one for /first');
});

// R11 (CHANGELOG). A browser shows a tab some milliseconds later what another tab has stored.
test('In a browser, two tabs whose wallets start to pay for one realm in the same moment make one payment', async (t) => {
  const browser = await startBrowser();
  t.after(() => browser.close());
  for (let time = 0; time < 5; time += 1) {
    const context = await browser.newContext();
    const [paid, ready] = [[], []];
    await context.exposeFunction('payInvoice', async (bolt11) => (paid.push(bolt11), pay(bolt11)));
    await context.exposeFunction('enable', () => new Promise((resolve) => ready.push(resolve)));
    const tabs = await Promise.all([1, 2].map(async () => {
      const page = await context.newPage();
      await page.goto(`${paywall.url}/_toll/health`);
      return page;
    }));
    const answers = tabs.map((page, index) => page.evaluate(async (path) => {
      const { TollClient } = await import('/_toll/toll.js');
      const client = new TollClient({ wallet: { enable, sendPayment: async (bolt11) => ({ preimage: await payInvoice(bolt11) }) }, storage: localStorage });
      return (await client.fetch(path)).status;
    }, `/club/${index}`));
    await until(() => ready.length === 2);
    ready.forEach((resolve) => resolve());
    assert.deepEqual(await Promise.all(answers), [200, 200]);
    assert.equal(paid.length, 1);
    await context.close();
  }
});
