import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { pause } from '../../tools/lib/run.mjs';
import { TollClient, TollError, tollFetch } from '../../www/toll.js';
import { editInvoice } from './support/bolt11.mjs';
import { attenuate, parseChallenge, send, tamper } from './support/client.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { pay, startPaywall } from './support/paywall.mjs';

const toll = {
  routes: [
    ...['/sold', '/first', '/second', '/third', '/again', '/leaving', '/forging'].map((path) => ({ path, sats: 5 })),
    { path: '/failing', sats: 5, uses: 1 },
    { path: '/dear', sats: 101 },
    { path: '/any/method', sats: 5, bind: ['endpoint'] },
    { path: '/posted', methods: ['POST'], sats_per_kib: 1 },
    { path: '/club/*', sats: 5, realm: 'club' },
    { path: '/pro/*', sats: 7, realm: 'pro' },
    { path: '/twice', sats: 5, uses: 2 },
  ],
};
let origin, paywall, otherOrigin, isFailing, stubServer;
before(async () => {
  otherOrigin = await startRecordingOrigin();
  origin = await startRecordingOrigin({
    '/hop': (request, response) => response.writeHead(302, { Location: '/again' }).end(),
    '/leaving': (request, response) => response.writeHead(302, { Location: `${otherOrigin.url}/arrived` }).end(),
    '/forging': (request, response) => response.writeHead(302, { Location: `${stubServer.url}/forged` }).end(),
    '/failing': (request, response) => response.writeHead(isFailing ? 503 : 200).end(),
  });
  paywall = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url } });
  stubServer = await startRecordingOrigin({
    '/away': (request, response) => response.writeHead(302, { Location: `${paywall.url}/sold` }).end(),
    '/forged': (request, response) => response.writeHead(401, { 'WWW-Authenticate': 'L402' }).end(),
    '/challenge': async (request, response) => {
      const header = await stubServer.challengeFor(request);
      response.writeHead(402, header === undefined ? {} : { 'WWW-Authenticate': header }).end('what the server says');
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
  const payer = { paid, payInvoice, maxConcurrent: 0 };
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
const realChallenge = async (path = '/sold') => parseChallenge((await send(paywall.url, path)).headers['www-authenticate']);
const format = ({ macaroon, invoice }) => `L402 macaroon="${macaroon}", invoice="${invoice}"`;
const setChallenge = (header) => (stubServer.challengeFor = () => header);
const failsWith = (code, expected = {}) => (error) => {
  assert.ok(error instanceof TollError, error.stack);
  assert.deepEqual({ code: error.code, mayBePaid: error.mayBePaid }, { code, mayBePaid: false, ...expected });
  return true;
};
async function until(probe) {
  for (let time = 0; !probe() && time < 200; time += 1) await pause(20);
  assert.ok(probe());
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
  await assert.rejects(get('/dear'), (error) => failsWith('too_expensive')(error) && error.response.status === 402);
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

test('The price counts as spent, unless the wallet received no invoice or reports that nothing was paid', async () => {
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

  const timeOut = () => { throw new Error('timed out'); };
  const unsure = startClient({ payer: wallet({ after: timeOut }), budgetSats: 5 });
  await assert.rejects(unsure.get('/sold'), failsWith('payment_failed', { mayBePaid: true }));
  assert.equal(unsure.client.spentSats, 5);
  await assert.rejects(unsure.get('/sold'), failsWith('over_budget'));
  assert.equal(unsure.payer.paid.length, 1);
});

test('A preimage that does not match the payment hash is not used, and the payment counts as possibly made', async () => {
  for (const answer of ['00'.repeat(32), '', undefined, 'abc', { preimage: null }]) {
    const { client, get, eventTypes } = startClient({ payer: wallet({ after: () => answer }) });
    await assert.rejects(get('/sold'), failsWith('wrong_preimage', { mayBePaid: true }));
    assert.equal(client.spentSats, 5);
    assert.equal(eventTypes(), 'challenge paying');
  }
});

test('Concurrent requests for one path make one payment', async () => {
  const { payer, eventTypes, get } = startClient();
  const answers = await Promise.all(Array.from({ length: 8 }, () => status(get('/sold'))));
  assert.deepEqual(answers, Array(8).fill(200));
  assert.equal(payer.paid.length, 1);
  assert.equal(eventTypes(), `challenge paying paid${' reused'.repeat(7)}`);
});

test('When concurrent requests wait for one payment and it fails, all these requests fail, and the client does not pay again', async () => {
  let attempts = 0;
  const payer = { payInvoice: async () => { attempts += 1; await pause(300); throw new Error('timed out'); } };
  const { get } = startClient({ payer });
  const answers = await Promise.allSettled(Array.from({ length: 4 }, () => get('/sold')));
  for (const { reason } of answers) failsWith('payment_failed', { mayBePaid: true })(reason);
  assert.equal(new Set(answers.map(({ reason }) => reason.response)).size, 4);
  assert.equal(attempts, 1);
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
    const [[name, text]] = storage.items;
    storage.setItem(name, JSON.stringify(JSON.parse(text).map((stored) => ({ ...stored, macaroon: edit(stored.macaroon) }))));
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

test('Credentials in a storage survive a reload; if the storage fails, the client keeps the credentials in memory', async () => {
  const storage = memoryStorage();
  assert.equal(await status(startClient({ storage }).get('/twice')), 200);
  const later = startClient({ storage });
  assert.equal(await status(later.get('/twice')), 200);
  assert.deepEqual(later.payer.paid, []);
  assert.equal(await status(startClient({ storage }).get('/twice')), 200);
  assert.deepEqual([...storage.items.keys()], [`toll.js ${new URL(paywall.url).origin}`]);

  const full = { getItem: () => '{', setItem: () => { throw new Error('full'); }, removeItem: () => { throw new Error('full'); } };
  const { payer, get } = startClient({ storage: full });
  for (let time = 0; time < 2; time += 1) assert.equal(await status(get('/sold')), 200);
  assert.equal(payer.paid.length, 1);
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
  enableCalls[0]();
  await until(() => enableCalls.length === 2);
  enableCalls[1]();
  assert.equal(await second, 200);
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

test('Amount and payment hash of the valid BOLT 11 examples are parsed as specified, and malformed examples are refused', async () => {
  const { valid, invalid } = JSON.parse(readFileSync(new URL('../vectors/bolt11.json', import.meta.url)));
  // Two values from the text of BOLT 11: the payment hash, which all examples share, and the amounts in satoshis.
  const HASH = '0001020304050607080900010203040506070809000102030405060708090102';
  const sats = { '2500u': 250_000, '20m': 2_000_000, '25m': 2_500_000, '10m': 1_000_000 };
  const macaroon = Buffer.from('not a standard one').toString('base64');
  const parse = async (invoice, network) => {
    const { client, events } = startClient({ maxSats: Infinity, network });
    client.addEventListener('challenge', (event) => event.preventDefault());
    setChallenge(format({ macaroon, invoice }));
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
  const { client, events, payer } = startClient({ maxSats: Infinity });
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
  await assert.rejects(client.fetch(`${stubServer.url.replace('127.0.0.1', 'localhost')}/challenge`), failsWith('bad_invoice'));
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
  stubServer.challengeFor = async () => format(await realChallenge());
  const reached = stubServer.requests.length;
  assert.equal(await status(greedy.client.fetch(`${stubServer.url}/challenge`)), 402);
  assert.equal(greedy.payer.paid.length, 1);
  assert.equal(stubServer.requests.length, reached + 2);
  assert.equal(await status(greedy.client.fetch(`${stubServer.url}/challenge`)), 402);
  assert.equal(greedy.payer.paid.length, 2);

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
    setChallenge(format({ macaroon, invoice: valid[3] }));
    await assert.rejects(client.fetch(`${stubServer.url}/challenge`), failsWith('too_expensive'));
  }
  assert.deepEqual(unpaid.paid, []);
  const { invoice } = await realChallenge();
  const { client: paying, payer } = startClient();
  stubServer.challengeFor = ({ headers }) => (headers.authorization ? undefined : format({ macaroon: 'eyJpZCI6MX0', invoice }));
  await paying.fetch(`${stubServer.url}/challenge?a`);
  assert.match(stubServer.last().headers.authorization, /^L402 eyJpZCI6MX0:[0-9a-f]{64}$/);
  await paying.fetch(`${stubServer.url}/challenge?b`);
  assert.ok(stubServer.last().headers.authorization);
  await paying.fetch(`${stubServer.url}/challenge`, { method: 'POST' });
  assert.equal(stubServer.last().headers.authorization, undefined);
  assert.equal(payer.paid.length, 1);
});
