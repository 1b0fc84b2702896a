import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { pause } from '../../tools/lib/run.mjs';
import { TollClient, TollError, tollFetch } from '../../www/toll.js';
import { change } from './support/bolt11.mjs';
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
let origin, paywall, elsewhere, isFailing, standIn;
before(async () => {
  elsewhere = await startRecordingOrigin();
  origin = await startRecordingOrigin({
    '/hop': (request, response) => response.writeHead(302, { Location: '/again' }).end(),
    '/leaving': (request, response) => response.writeHead(302, { Location: `${elsewhere.url}/arrived` }).end(),
    '/forging': (request, response) => response.writeHead(302, { Location: `${standIn.url}/forged` }).end(),
    '/failing': (request, response) => response.writeHead(isFailing ? 503 : 200).end(),
  });
  paywall = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url } });
  standIn = await startRecordingOrigin({
    '/away': (request, response) => response.writeHead(302, { Location: `${paywall.url}/sold` }).end(),
    '/forged': (request, response) => response.writeHead(401, { 'WWW-Authenticate': 'L402' }).end(),
    '/asks': async (request, response) => {
      const header = await standIn.asks(request);
      response.writeHead(402, header === undefined ? {} : { 'WWW-Authenticate': header }).end('what the server says');
    },
  });
});
after(() => Promise.all([origin, elsewhere, standIn].map((server) => server.close())));

/** A wallet that pays really; it remembers what it paid, and how much of that at the same time. */
function wallet({ before = () => {}, after = (preimage) => preimage } = {}) {
  const paid = [];
  let now = 0;
  const payInvoice = async (bolt11) => {
    paid.push(bolt11);
    now += 1;
    payer.most = Math.max(payer.most, now);
    try {
      await before(bolt11);
      return await after(await pay(bolt11));
    } finally {
      now -= 1;
    }
  };
  const payer = { paid, payInvoice, most: 0 };
  return payer;
}

function startClient({ payer = wallet(), ...options } = {}) {
  const client = new TollClient({ wallet: payer, ...options });
  const events = [];
  for (const type of ['challenge', 'paying', 'paid', 'refused', 'reused']) {
    client.addEventListener(type, ({ detail }) => events.push({ type, ...detail }));
  }
  const told = () => events.map(({ type }) => type).join(' ');
  return { client, payer, events, told, get: (path, init) => client.fetch(paywall.url + path, init) };
}

/** A challenge of the real paywall, with an invoice that can be paid. */
const realChallenge = async (path = '/sold') => parseChallenge((await send(paywall.url, path)).headers['www-authenticate']);
const format = ({ macaroon, invoice }) => `L402 macaroon="${macaroon}", invoice="${invoice}"`;
const asks = (header) => (standIn.asks = () => header);
const failsWith = (code, more = {}) => (error) => {
  assert.ok(error instanceof TollError, error.stack);
  assert.deepEqual({ code: error.code, mayBePaid: error.mayBePaid }, { code, mayBePaid: false, ...more });
  return true;
};
async function until(probe) {
  for (let time = 0; !probe() && time < 200; time += 1) await pause(20);
  assert.ok(probe());
}
const status = async (response) => (await response).status;
const memory = (items = new Map()) => ({
  items,
  getItem: (name) => items.get(name) ?? null,
  setItem: (name, value) => void items.set(name, value),
  removeItem: (name) => void items.delete(name),
});

test('a 402 is paid and the request sent once more; the next one shows what was bought', async () => {
  const { payer, events, told, get } = startClient();
  const reached = origin.requests.length;
  assert.equal(await status(get('/sold')), 200);
  assert.equal(await status(get('/sold?page=2')), 200);
  assert.equal(payer.paid.length, 1);
  assert.equal(origin.requests.length, reached + 2);
  assert.equal(told(), 'challenge paying paid reused');
  for (const { url, sats, paymentHash } of events.slice(0, 3)) {
    assert.deepEqual([url, sats], [`${paywall.url}/sold`, 5]);
    assert.equal(paymentHash, origin.last().headers['x-toll-payment-hash']);
  }
});

test('tollFetch pays with WebLN, the one that is given or the page’s own, and shares what was bought', async () => {
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

test('what costs more than maxSats is not paid, and the 402 is at hand', async () => {
  const { payer, told, get } = startClient();
  await assert.rejects(get('/dear'), (error) => failsWith('too_expensive')(error) && error.response.status === 402);
  const response = await get('/dear').catch((error) => error.response);
  assert.equal((await response.json()).amountSats, 101);
  for (const maxSats of [4, 0, -1, NaN, null, 'much']) await assert.rejects(get('/sold', { maxSats }), failsWith('too_expensive'));
  assert.equal(told(), '');
  assert.deepEqual(payer.paid, []);
  assert.equal(await status(get('/dear', { maxSats: 101 })), 200);
});

test('budgets hold, for the client and for each host, also when payments run at the same time', async () => {
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

test('a budget gets back what the wallet says it did not pay, and nothing else', async () => {
  const refusing = (error) => ({ payInvoice: () => Promise.reject(error), paid: [] });
  const rejection = new (class RejectionError extends Error {})('no');
  for (const error of [Object.assign(new Error('no route'), { paid: false }), new Error('User rejected'), rejection]) {
    const { client, get } = startClient({ payer: refusing(error), budgetSats: 5 });
    for (let time = 0; time < 2; time += 1) await assert.rejects(get('/sold'), failsWith('payment_failed'));
    assert.equal(client.spentSats, 0);
  }
  const locked = { enable: () => Promise.reject(new Error('locked')), sendPayment: () => assert.fail() };
  const shut = startClient({ payer: locked, budgetSats: 5 });
  await assert.rejects(shut.get('/sold'), failsWith('payment_failed'));
  assert.equal(shut.client.spentSats, 0);

  const late = () => { throw new Error('timed out'); };
  const unsure = startClient({ payer: wallet({ after: late }), budgetSats: 5 });
  await assert.rejects(unsure.get('/sold'), failsWith('payment_failed', { mayBePaid: true }));
  assert.equal(unsure.client.spentSats, 5);
  await assert.rejects(unsure.get('/sold'), failsWith('over_budget'));
  assert.equal(unsure.payer.paid.length, 1);
});

test('a preimage of something else is not used, and the money may be gone', async () => {
  for (const answer of ['00'.repeat(32), '', undefined, 'abc', { preimage: null }]) {
    const { client, get, told } = startClient({ payer: wallet({ after: () => answer }) });
    await assert.rejects(get('/sold'), failsWith('wrong_preimage', { mayBePaid: true }));
    assert.equal(client.spentSats, 5);
    assert.equal(told(), 'challenge paying');
  }
});

test('many requests at once for one thing make one payment', async () => {
  const { payer, told, get } = startClient();
  const answers = await Promise.all(Array.from({ length: 8 }, () => status(get('/sold'))));
  assert.deepEqual(answers, Array(8).fill(200));
  assert.equal(payer.paid.length, 1);
  assert.equal(told(), `challenge paying paid${' reused'.repeat(7)}`);
});

test('when that payment fails the others fail with it, and nothing is paid for them', async () => {
  let asked = 0;
  const payer = { payInvoice: async () => { asked += 1; await pause(300); throw new Error('timed out'); } };
  const { get } = startClient({ payer });
  const answers = await Promise.allSettled(Array.from({ length: 4 }, () => get('/sold')));
  for (const { reason } of answers) failsWith('payment_failed', { mayBePaid: true })(reason);
  assert.equal(new Set(answers.map(({ reason }) => reason.response)).size, 4);
  assert.equal(asked, 1);
});

test('counted uses are shared by requests that run at once, and bought one after the other', async () => {
  const { payer, get } = startClient();
  const answers = await Promise.all(Array.from({ length: 5 }, () => status(get('/twice'))));
  assert.deepEqual(answers, Array(5).fill(200));
  assert.equal(payer.paid.length, 3);
  assert.equal(payer.most, 1);
  assert.equal(await status(get('/twice')), 200);
  assert.equal(payer.paid.length, 3);
});

test('a credential serves its path with its method, a realm’s every path of the realm, and none loses its place to another', async () => {
  const { payer, told, get } = startClient();
  const buys = async (sats, path, init) => {
    const before = payer.paid.length;
    assert.equal(await status(get(path, init)), 200, path);
    assert.equal(payer.paid.length - before, sats ? 1 : 0, path);
  };
  await buys(5, '/club/song');
  await buys(0, '/club/film', { method: 'POST', body: 'x' });
  await buys(5, '/sold');
  await buys(0, '/sold', { method: 'HEAD' });
  await buys(5, '/any/method');
  await buys(0, '/any/method', { method: 'DELETE' });
  await buys(7, '/pro/tool');
  for (const path of ['/club/other', '/pro/other', '/sold', '/club/song']) await buys(0, path);
  assert.ok(!told().includes('refused'));
});

test('what expired or is refused as forged is dropped, and bought again once', async () => {
  const past = Math.floor(Date.now() / 1000) - 60;
  for (const [change, expected] of [[(macaroon) => attenuate(macaroon, `toll_valid_until=${past}`), 402], [tamper, 401]]) {
    const storage = memory();
    await startClient({ storage }).get('/sold');
    const [[name, text]] = storage.items;
    storage.setItem(name, JSON.stringify(JSON.parse(text).map((kept) => ({ ...kept, macaroon: change(kept.macaroon) }))));
    const { payer, events, told, get } = startClient({ storage });
    assert.equal(await status(get('/sold')), 200);
    assert.equal(await status(get('/sold')), 200);
    assert.equal(told(), 'reused refused challenge paying paid reused');
    assert.equal(events[1].status, expected);
    assert.equal(payer.paid.length, 1);
  }
});

test('what the origin fails at takes no use, and is not bought again', async () => {
  const { payer, get } = startClient();
  isFailing = true;
  assert.equal(await status(get('/failing')), 503);
  isFailing = false;
  assert.equal(await status(get('/failing')), 200);
  assert.equal(payer.paid.length, 1);
});

test('credentials outlive a reload in a storage, and a storage that fails loses nothing', async () => {
  const storage = memory();
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

test('a listener stops a payment: the 402 is the answer, and the budget is whole', async () => {
  const { client, payer, told, get } = startClient({ budgetSats: 5 });
  client.addEventListener('challenge', (event) => event.preventDefault(), { once: true });
  const response = await get('/sold');
  assert.equal(response.status, 402);
  assert.equal((await response.json()).amountSats, 5);
  assert.equal(told(), 'challenge');
  assert.deepEqual(payer.paid, []);
  assert.equal(await status(get('/sold')), 200);
});

test('events show neither preimage nor macaroon', async () => {
  const preimages = [];
  const payer = wallet({ after: (preimage) => (preimages.push(preimage), preimage) });
  const { get, events } = startClient({ payer });
  await get('/sold');
  await get('/sold');
  assert.equal(events.length, 4);
  for (const event of events) assert.deepEqual(Object.keys(event), ['type', 'url', 'sats', 'paymentHash']);
  assert.ok(!JSON.stringify(events).includes(preimages[0]));
});

test('whoever leaves before the payment stops it, and whoever leaves during it finds the credential later', async () => {
  const early = startClient();
  const leaving = new AbortController();
  early.client.addEventListener('challenge', () => leaving.abort(), { once: true });
  await assert.rejects(early.get('/sold', { signal: leaving.signal }), { name: 'AbortError' });
  assert.deepEqual(early.payer.paid, []);
  assert.equal(early.client.spentSats, 0);

  const unlocking = new AbortController();
  const locked = { enable: async () => unlocking.abort(), sendPayment: () => assert.fail('it paid') };
  const { client, get } = startClient({ payer: locked });
  await assert.rejects(get('/sold', { signal: unlocking.signal }), { name: 'AbortError' });
  assert.equal(client.spentSats, 0);

  let release;
  const slow = startClient({ payer: wallet({ before: () => new Promise((resolve) => (release = resolve)) }) });
  const gone = new AbortController();
  slow.client.addEventListener('paying', () => setTimeout(() => gone.abort(), 50));
  await assert.rejects(slow.get('/sold', { signal: gone.signal }), { name: 'AbortError' });
  const paid = new Promise((resolve) => slow.client.addEventListener('paid', resolve));
  release();
  await paid;
  assert.equal(await status(slow.get('/sold')), 200);
  assert.equal(slow.payer.paid.length, 1);
});

test('whoever waited for a payment that was left before the wallet was asked makes it itself', async () => {
  const [leaving, asked] = [new AbortController(), []];
  const enable = () => new Promise((resolve) => asked.push(resolve));
  const { client, get } = startClient({ payer: { enable, sendPayment: async (bolt11) => ({ preimage: await pay(bolt11) }) } });
  const first = get('/sold', { signal: leaving.signal }).catch(({ name }) => name);
  await until(() => asked.length === 1);
  const second = status(get('/sold'));
  await pause(300);
  assert.equal(asked.length, 1);
  leaving.abort();
  assert.equal(await first, 'AbortError');
  asked[0]();
  await until(() => asked.length === 2);
  asked[1]();
  assert.equal(await second, 200);
  assert.equal(client.spentSats, 5);
});

test('bodies are sent again as they were, streams too; one that cannot be read is not paid for', async () => {
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

test('the caller’s own Authorization goes along', async () => {
  const { get } = startClient();
  assert.equal(await status(get('/sold', { headers: { Authorization: 'Bearer mine' } })), 200);
  assert.equal(origin.last().headers.authorization, 'Bearer mine');
});

test('a credential leaves for no other origin, neither by itself nor by a redirect', async () => {
  const { client, payer, get } = startClient();
  await get('/leaving');
  assert.equal(elsewhere.last().path, '/arrived');
  await get('/club/song');
  await client.fetch(`${elsewhere.url}/club/song`);
  assert.equal(payer.paid.length, 2);
  for (const { headers } of elsewhere.requests) assert.equal(headers.authorization, undefined);
  for (let time = 0; time < 2; time += 1) assert.equal(await status(get('/forging')), 401);
  assert.equal(payer.paid.length, 3, 'the other origin refuses what it never saw');
});

test('a redirect to a price is paid on the same origin, and not on another', async () => {
  const { client, payer, get } = startClient();
  assert.equal(await status(get('/hop')), 200);
  assert.equal(origin.last().path, '/again');
  assert.equal(payer.paid.length, 1);
  assert.equal(await status(client.fetch(`${standIn.url}/away`)), 402);
  assert.equal(payer.paid.length, 1);
});

test('a challenge is read in every form, and from the header alone', async () => {
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
      asks(header);
      const response = await client.fetch(`${standIn.url}/asks`);
      assert.equal(response.status, 402);
      assert.equal(await response.text(), 'what the server says');
      assert.equal(events.length, count, header?.slice(0, 80));
    }
  }
  assert.deepEqual(payer.paid, []);
});

test('the examples of BOLT 11 are read as it says: what they cost and their payment hash', async () => {
  const { valid, invalid } = JSON.parse(readFileSync(new URL('../vectors/bolt11.json', import.meta.url)));
  // From the text of BOLT 11: the amount in bitcoin before each example, and the payment hash.
  const HASH = '0001020304050607080900010203040506070809000102030405060708090102';
  const sats = { '2500u': 250_000, '20m': 2_000_000, '25m': 2_500_000, '10m': 1_000_000 };
  const macaroon = Buffer.from('not a standard one').toString('base64');
  const seen = async (invoice, network) => {
    const { client, events } = startClient({ maxSats: Infinity, network });
    client.addEventListener('challenge', (event) => event.preventDefault());
    asks(format({ macaroon, invoice }));
    const refusal = await client.fetch(`${standIn.url}/asks`).then(() => undefined, (error) => error);
    return { refusal, price: events[0] && [events[0].sats, events[0].paymentHash] };
  };
  const counts = { read: 0, refused: 0 };
  for (const invoice of valid.flatMap((one) => [one, one.toUpperCase()])) {
    const [, network, amount] = invoice.toLowerCase().match(/^ln(bc|tb)(\d+[munp])?1p/);
    const { refusal, price } = await seen(invoice, network);
    if (sats[amount]) assert.deepEqual(price, [sats[amount], HASH], invoice);
    else failsWith('bad_invoice')(refusal);
    counts[refusal ? 'refused' : 'read'] += 1;
  }
  // Without an amount are two of the fifteen, and one costs 967878534 msat.
  assert.deepEqual(counts, { read: 24, refused: 6 });
  for (const { invoice, lightning_invoice: verdict } of invalid) {
    const { refusal } = await seen(invoice);
    // The signature and the features are looked at by the wallet.
    if (!/InvalidFeatures|InvalidSignature/.test(verdict)) failsWith('bad_invoice')(refusal);
  }
  for (let at = 10; at < valid[1].length; at += 7) {
    const changed = valid[1].slice(0, at) + (valid[1][at] === 'q' ? 'p' : 'q') + valid[1].slice(at + 1);
    failsWith('bad_invoice')((await seen(changed)).refusal);
  }
});

test('every multiplier is exact, and fractions of a sat, other networks and strange amounts are refused', async () => {
  const challenge = await realChallenge();
  const { client, events, payer } = startClient({ maxSats: Infinity });
  client.addEventListener('challenge', (event) => event.preventDefault());
  const asked = async (prefix, by = client) => {
    events.length = 0;
    asks(format({ ...challenge, invoice: change(challenge.invoice, { prefix }) }));
    await by.fetch(`${standIn.url}/asks`);
    return events[0]?.sats;
  };
  for (const [prefix, sats] of [
    ['lnbc10n', 1], ['lnbc10000p', 1], ['lnbc1u', 100], ['lnbc1m', 100_000], ['lnbc1', 100_000_000], ['lnbc123456789012340000p', 12345678901234],
    ['lnbc20999999', 2099999900000000],
  ]) assert.equal(await asked(prefix), sats, prefix);
  for (const prefix of [
    'lnbc', 'lnbc5n', 'lnbc15n', 'lnbc10001p', 'lnbc1p', 'lnbc0', 'lnbc0u', 'lnbc010u', 'lnbc1x', 'lnbcm', 'lnbc1um', 'lntb50n', 'lntbs50n', 'lnbcrt50n',
    'lnsb50n', 'ln50n', 'bc50n',
  ]) await assert.rejects(asked(prefix), failsWith('bad_invoice'), prefix);
  for (const network of ['tb', 'tbs', 'bcrt']) {
    const test = startClient({ network });
    test.client.addEventListener('challenge', (event) => event.preventDefault());
    await asked(`ln${network}50n`, test.client);
    assert.equal(test.events[0].sats, 5);
    await assert.rejects(asked('lnbc50n', test.client), failsWith('bad_invoice'));
  }
  assert.deepEqual(payer.paid, []);
});

test('an invoice that is not the macaroon’s, or a macaroon of another host, is not paid', async () => {
  const [challenge, other] = [await realChallenge(), await realChallenge()];
  const { client, payer } = startClient();
  asks(format({ ...challenge, invoice: other.invoice }));
  await assert.rejects(client.fetch(`${standIn.url}/asks`), failsWith('bad_invoice'));
  asks(format(challenge));
  await assert.rejects(client.fetch(`${standIn.url.replace('127.0.0.1', 'localhost')}/asks`), failsWith('bad_invoice'));
  assert.deepEqual(payer.paid, []);
});

test('over plain http nothing is paid but on this machine', async () => {
  const { client, payer } = startClient();
  asks(format(await realChallenge()));
  await assert.rejects(client.fetch(`${standIn.url.replace('127.0.0.1', '0.0.0.0')}/asks`), failsWith('insecure'));
  assert.deepEqual(payer.paid, []);
});

test('a server that asks again and again is paid once for each call, and for one invoice once ever', async () => {
  const greedy = startClient();
  standIn.asks = async () => format(await realChallenge());
  const reached = standIn.requests.length;
  assert.equal(await status(greedy.client.fetch(`${standIn.url}/asks`)), 402);
  assert.equal(greedy.payer.paid.length, 1);
  assert.equal(standIn.requests.length, reached + 2);
  assert.equal(await status(greedy.client.fetch(`${standIn.url}/asks`)), 402);
  assert.equal(greedy.payer.paid.length, 2);

  const storage = memory();
  const { client, payer } = startClient({ storage });
  asks(format(await realChallenge()));
  for (let time = 0; time < 3; time += 1) assert.equal(await status(client.fetch(`${standIn.url}/asks`)), 402);
  assert.equal(payer.paid.length, 1);
  const later = startClient({ storage });
  assert.equal(await status(later.client.fetch(`${standIn.url}/asks`)), 402);
  assert.deepEqual(later.payer.paid, []);
});

test('a macaroon that cannot be read serves its own path and method', async () => {
  const { valid } = JSON.parse(readFileSync(new URL('../vectors/bolt11.json', import.meta.url)));
  const { client, payer: unpaid } = startClient({ maxSats: 1e6 });
  for (const macaroon of ['AA==', 'Ag==', 'AgJC', `Ag${'/'.repeat(40)}`, `AgL${'/'.repeat(6)}8B`, 'eyJpZCI6MX0']) {
    asks(format({ macaroon, invoice: valid[3] }));
    await assert.rejects(client.fetch(`${standIn.url}/asks`), failsWith('too_expensive'));
  }
  assert.deepEqual(unpaid.paid, []);
  const { invoice } = await realChallenge();
  const { client: paying, payer } = startClient();
  standIn.asks = ({ headers }) => (headers.authorization ? undefined : format({ macaroon: 'eyJpZCI6MX0', invoice }));
  await paying.fetch(`${standIn.url}/asks?a`);
  assert.match(standIn.last().headers.authorization, /^L402 eyJpZCI6MX0:[0-9a-f]{64}$/);
  await paying.fetch(`${standIn.url}/asks?b`);
  assert.ok(standIn.last().headers.authorization);
  await paying.fetch(`${standIn.url}/asks`, { method: 'POST' });
  assert.equal(standIn.last().headers.authorization, undefined);
  assert.equal(payer.paid.length, 1);
});
