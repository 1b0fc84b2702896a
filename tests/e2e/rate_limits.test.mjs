// Rate limits on invoices and settlement checks, for each client and for all clients together. The tests count the requests that
// arrive at LNbits.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ADMIN_TOKEN, sendAsAdmin, statsWhen } from './support/admin.mjs';
import { buy, parseChallenge, send } from './support/client.mjs';
import { startFaultProxy } from './support/fault_proxy.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { run, settings, startPaywall } from './support/paywall.mjs';
import { startBareWorker } from './support/workerd.mjs';

const routes = [{ path: '/sold', sats: 5 }];
let origin, faultProxy, vars;
before(async () => {
  origin = await startRecordingOrigin();
  faultProxy = await startFaultProxy();
  vars = { ORIGIN_URL: origin.url, LNBITS_URL: faultProxy.url };
});
after(() => Promise.all([origin.close(), faultProxy.close()]));

const from = (client, headers = {}) => ({ headers: { 'CF-Connecting-IP': client, ...headers } });
const minute = () => Math.floor(Date.now() / 60_000);

/** Sends `count` requests, 20 at a time; returns the responses. */
async function sendMany(count, sendRequest) {
  const answers = [];
  let next = 0;
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      while (next < count) answers.push(await sendRequest(next++));
    }),
  );
  return answers;
}

/** Asserts that every response except the 402s is a 429 with this code and a Retry-After. */
function assertRateLimited(answers, code) {
  for (const { status, headers, json } of answers.filter(({ status }) => status !== 402)) {
    assert.equal(status, 429);
    assert.equal(json().code, code);
    const seconds = Number(headers['retry-after']);
    assert.ok(seconds >= 1 && seconds <= 65, headers['retry-after']);
    assert.equal(headers['cache-control'], 'no-store');
  }
}

test('A thousand requests of one client create no more invoices than the RateLimiter binding allows', async () => {
  const { ratelimits } = settings();
  const paywall = await startPaywall({ toll: { routes, challenges_per_minute: 10 }, vars, config: { ratelimits } });
  const [startMinute, invoicesBefore] = [minute(), faultProxy.invoiceCount()];
  const answers = await sendMany(1_000, () => send(paywall.url, '/sold', from('192.0.2.1')));
  const minutes = minute() - startMinute + 1;
  const created = faultProxy.invoiceCount() - invoicesBefore;
  assert.ok(created > 0 && created <= ratelimits[0].simple.limit * minutes, `${created} in ${minutes} minutes`);
  assert.equal(answers.filter(({ status }) => status === 402).length, created);
  assertRateLimited(answers, 'too_many_challenges');
  assert.equal((await send(paywall.url, '/sold', from('192.0.2.2'))).status, 402, 'another client is not limited');
  assert.equal((await send(paywall.url, '/free', from('192.0.2.1'))).status, 200);
  await paywall.server.stop();
});

test('Without the RateLimiter binding, each isolate counts the challenges of a client on its own', async () => {
  const bare = await startBareWorker({ toll: { routes, challenges_per_minute: 10 }, vars });
  const startMinute = minute();
  const invoicesBefore = faultProxy.invoiceCount();
  const answers = await sendMany(1_000, () => send(bare.url, '/sold', from('192.0.2.1')));
  const created = faultProxy.invoiceCount() - invoicesBefore;
  assert.ok(created > 0 && created <= 10 * (minute() - startMinute + 1), `${created}`);
  assertRateLimited(answers, 'too_many_challenges');
  assert.equal((await send(bare.url, '/sold', from('192.0.2.2'))).status, 402);
  await bare.server.stop();
});

test('All clients without a known address count as one client, and so do all addresses of one IPv6 /64', async () => {
  const bare = await startBareWorker({ toll: { routes, challenges_per_minute: 3 }, vars });
  const statusOf = async (options) => (await send(bare.url, '/sold', options)).status;
  const unknownClients = [{}, { headers: { 'X-Forwarded-For': '192.0.2.9' } }, from('not an address'), {}, from('')];
  const statuses = [];
  for (const options of unknownClients) statuses.push(await statusOf(options));
  assert.deepEqual(statuses, [402, 402, 402, 429, 429]);
  const network = [];
  for (const last of [1, 2, 3, 4]) network.push(await statusOf(from(`2001:db8:0:1::${last}`)));
  assert.deepEqual(network, [402, 402, 402, 429]);
  assert.equal(await statusOf(from('2001:db8:0:2::1')), 402);
  await bare.server.stop();
});

test('The clients of one IPv6 /48 together get at most a quarter of invoices_per_minute', async () => {
  const bare = await startBareWorker({ toll: { routes, challenges_per_minute: 2, invoices_per_minute: 12 }, vars });
  const statusOf = async (client) => (await send(bare.url, '/sold', from(client))).status;
  const statuses = [];
  for (const network of [1, 2, 3, 4, 5]) statuses.push(await statusOf(`2001:db8:7:${network}::1`));
  assert.deepEqual(statuses, [402, 402, 402, 429, 429]);
  for (const client of ['2001:db8:8::1', '192.0.2.7', '192.0.2.8', '192.0.2.9', '192.0.2.10']) assert.equal(await statusOf(client), 402, client);
  await bare.server.stop();
});

test('Lookups of one payment at LNbits are limited across all clients', async () => {
  const bare = await startBareWorker({ toll: { routes, challenges_per_minute: 3 }, vars });
  const unpaid = await send(bare.url, '/sold', from('192.0.2.1'));
  const { macaroon } = parseChallenge(unpaid.headers['www-authenticate']);
  const lookupCount = () => faultProxy.calls.filter(({ method, url, headers }) => method === 'GET' && url.endsWith(unpaid.json().paymentHash) && headers['x-api-key']).length;
  const answers = await sendMany(60, (at) => send(bare.url, '/sold', from(`198.51.100.${at % 30}`, { Authorization: `L402 ${macaroon}:` })));
  assert.equal(lookupCount(), 6);
  assertRateLimited(answers, 'too_many_challenges');
  await bare.server.stop();
});

test('Look-ups for the clients of one IPv6 /48 are limited to those of four clients', async () => {
  const bare = await startBareWorker({ toll: { routes, challenges_per_minute: 1 }, vars });
  const buyAll = Array.from({ length: 30 }, async (_, at) => parseChallenge((await send(bare.url, '/sold', from(`192.0.2.${at}`))).headers['www-authenticate']).macaroon);
  const macaroons = await Promise.all(buyAll);
  const settle = async (client, macaroon) => {
    const headers = { 'Content-Type': 'application/json', 'CF-Connecting-IP': client };
    return (await send(bare.url, '/_toll/settle', { method: 'POST', headers, body: JSON.stringify({ macaroon }) })).status;
  };
  // One client may cause six look-ups, and one payment two. Requests that this limit refuses do not count for the network.
  const ofOne = [];
  for (const at of Array(28).keys()) ofOne.push(await settle('2001:db8:a::1', macaroons[at >> 1]));
  assert.deepEqual(ofOne, [...Array(6).fill(402), ...Array(22).fill(429)]);
  assert.equal(await settle('2001:db8:a:1::1', macaroons[14]), 402);
  const statuses = [];
  for (const at of Array(28).keys()) statuses.push(await settle(`2001:db8:9:${at.toString(16)}::1`, macaroons[15 + (at >> 1)]));
  assert.deepEqual(statuses, [...Array(24).fill(402), 429, 429, 429, 429]);
  assert.equal(await settle('198.51.100.1', macaroons[14]), 402);
  await bare.server.stop();
});

// A8 (CHANGELOG): with made-up preimages, the owner of a /48 used up the look-ups of clients that had paid.
test('Made-up preimages from one IPv6 /48 are looked up a quarter as often as invoices_per_minute', async () => {
  const toll = { routes: [{ path: '/sold', sats: 5, protocols: ['l402', 'x-preimage'] }], challenges_per_minute: 4, invoices_per_minute: 40 };
  const bare = await startBareWorker({ toll, vars });
  const show = async (client) => (await send(bare.url, '/sold', from(client, { 'X-Preimage': randomBytes(32).toString('hex') }))).status;
  const statuses = [];
  for (let at = 0; at < 14; at += 1) statuses.push(await show(`2001:db8:9:${at.toString(16)}::1`));
  assert.deepEqual(statuses, [...Array(10).fill(400), 429, 429, 429, 429]);
  assert.deepEqual([await show('2001:db8:8::1'), await show('198.51.100.1')], [400, 400]);
  await bare.server.stop();
});

test('All clients together get at most invoices_per_minute invoices a minute, and further requests do not reach LNbits', async () => {
  const paywall = await startPaywall({ toll: { routes, invoices_per_minute: 16 }, vars });
  // The first request to the Durable Object may be slow, and an isolate without a response in time counts on its own. So this
  // request is sent before the others.
  assert.equal((await send(paywall.url, '/sold', from('198.51.100.200'))).status, 402);
  const invoicesBefore = faultProxy.invoiceCount();
  const answers = await sendMany(60, (at) => send(paywall.url, '/sold', from(`198.51.100.${at}`)));
  assert.equal(answers.filter(({ status }) => status === 402).length, 15);
  assert.equal(faultProxy.invoiceCount() - invoicesBefore, 15);
  assertRateLimited(answers, 'too_many_invoices');
  await paywall.server.stop();
});

// A8 (CHANGELOG), https://www.w3.org/TR/fetch-metadata/
test('125 visitors of another site and 12 clients with many requests do not stop a new client, and the owner sees the limit', async () => {
  const toll = { routes, challenges_per_minute: 10, invoices_per_minute: 120 };
  const paywall = await startPaywall({ toll, vars: { ...vars, ADMIN_TOKEN } });
  const invoicesBefore = faultProxy.invoiceCount();
  const created = () => faultProxy.invoiceCount() - invoicesBefore;
  // The first request to the Durable Object may be slow, and an isolate without a response in time counts on its own.
  assert.equal((await send(paywall.url, '/sold', from('203.0.113.1'))).status, 402);

  const image = { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'no-cors', 'Sec-Fetch-Dest': 'image' };
  const visitors = await sendMany(125, (at) => send(paywall.url, '/sold', from(`198.51.100.${at}`, image)));
  for (const { status, headers } of visitors) {
    assert.deepEqual([status, headers['www-authenticate'], headers['x-toll-price-sats']], [402, 'L402', '5']);
  }
  assert.equal(created(), 1);

  const hostile = await sendMany(120, (at) => send(paywall.url, '/sold', from(`192.0.2.${at % 12}`)));
  // In each slot of five seconds, the isolate may lease up to seven invoices that it does not create.
  const before = created();
  assert.ok(before > 30 && before <= 60, `${before}`);
  assertRateLimited(hostile, 'too_many_invoices');
  const { standard } = await buy(paywall.url, '/sold', from('203.0.113.2'));
  assert.equal((await send(paywall.url, '/sold', from('203.0.113.2', { Authorization: standard }))).status, 200);
  const shown = await statsWhen(paywall.url, ({ noInvoiceLeft }) => noInvoiceLeft.requests === 121 - before);
  assert.ok(shown.now - shown.noInvoiceLeft.last < 60_000);
  const { text } = await sendAsAdmin(paywall.url, 'metrics');
  assert.ok(text.includes(`\nedgetoll_no_invoice_left_total ${121 - before}\n`));
  await paywall.server.stop();
});

// A8 (CHANGELOG)
test('While the deployment has no invoice left, a refused request does not call the Durable Object', async () => {
  const config = { main: join(run.dir, 'build/counting.mjs') };
  writeFileSync(config.main, COUNTING_WORKER);
  const paywall = await startPaywall({ toll: { routes, invoices_per_minute: 4 }, vars, config });
  const calls = () => paywall.log().match(/called InvoiceLimit/g)?.length ?? 0;
  for (const last of [1, 2, 3, 4]) assert.equal((await send(paywall.url, '/sold', from(`192.0.2.${last}`))).status, 402);
  const answers = await sendMany(50, (at) => send(paywall.url, '/sold', from(`198.51.100.${at}`)));
  assertRateLimited(answers, 'too_many_invoices');
  assert.equal(answers.filter(({ status }) => status === 429).length, 50);
  await paywall.logged(/called InvoiceLimit/);
  // The 20 requests that are sent at once may call the object before its first refusal arrives.
  assert.ok(calls() <= 4 + 20, `${calls()}`);
  await paywall.server.stop();
});

// A11 (CHANGELOG)
test('Ten challenges at once in a new isolate probe LNbits once', async () => {
  const bare = await startBareWorker({ toll: { routes }, vars });
  const callsBefore = faultProxy.calls.length;
  const answers = await Promise.all(Array.from({ length: 10 }, (_, at) => send(bare.url, '/sold', from(`192.0.2.${at}`))));
  assert.deepEqual(answers.map(({ status }) => status), Array(10).fill(402));
  const calls = faultProxy.calls.slice(callsBefore);
  assert.equal(calls.filter(({ url }) => url.endsWith('/api/v1/wallet')).length, 1, 'the probe of the key');
  assert.equal(calls.filter(({ method, headers }) => method === 'GET' && !headers['x-api-key']).length, 1, 'the probe of the preimage');
  await bare.server.stop();
});

/** The Worker with an `InvoiceLimit` that writes a log line for each call. */
const COUNTING_WORKER = `
import { InvoiceLimit as Real } from './index.js';
export * from './index.js';
export { default } from './index.js';
export class InvoiceLimit {
  constructor(...args) {
    this.real = new Real(...args);
  }
  fetch(request) {
    console.log('called InvoiceLimit');
    return this.real.fetch(request);
  }
}
`;

test('The number of invoices counted for invoices_per_minute survives a restart of the Worker', async () => {
  const options = { toll: { routes, invoices_per_minute: 2 }, vars };
  const first = await startPaywall(options);
  const startedAt = Date.now();
  for (const last of [1, 2]) assert.equal((await send(first.url, '/sold', from(`192.0.2.${last}`))).status, 402);
  await first.server.stop();
  const second = await startPaywall({ ...options, state: `${first.dir}/state` });
  const answer = await send(second.url, '/sold', from('192.0.2.3'));
  await second.server.stop();
  // On a busy machine, a restart may take more than a minute. Then the first two invoices no longer count.
  if (Date.now() - startedAt < 60_000) assert.equal(answer.status, 429);
  assertRateLimited([answer], 'too_many_invoices');
});

test('Settlement checks of credentials without a preimage are limited per client; a credential with its preimage is not limited', async () => {
  const { ratelimits } = settings();
  const paywall = await startPaywall({ toll: { routes }, vars, config: { ratelimits } });
  const startMinute = minute();
  const unpaid = await send(paywall.url, '/sold', from('192.0.2.1'));
  const { macaroon } = parseChallenge(unpaid.headers['www-authenticate']);
  const lookupCount = () => faultProxy.calls.filter(({ method, url, headers }) => method === 'GET' && url.endsWith(unpaid.json().paymentHash) && headers['x-api-key']).length;
  const answers = await sendMany(200, () => send(paywall.url, '/sold', from('192.0.2.1', { Authorization: `L402 ${macaroon}:` })));
  assert.ok(lookupCount() > 0 && lookupCount() <= 10 * (minute() - startMinute + 1), `${lookupCount()}`);
  assertRateLimited(answers, 'too_many_challenges');
  const { standard } = await buy(paywall.url, '/sold', from('192.0.2.1'));
  assert.equal((await send(paywall.url, '/sold', from('192.0.2.1', { Authorization: standard }))).status, 200, 'a paid credential is not limited');
  await paywall.server.stop();
});

test('No invoice is created for prefetches, malformed credentials, reserved paths, or HEAD and OPTIONS on a route that lists no methods', async () => {
  const paywall = await startPaywall({ toll: { routes }, vars });
  const { macaroons, preimage } = await buy(paywall.url, '/sold');
  const invoicesBefore = faultProxy.invoiceCount();
  const malformed = [
    'L402 x:y', 'L402', 'L402 :', 'LSAT a', `L402 ${macaroons.standard}:zz`, `L402 ${macaroons.standard}:${'1'.repeat(64)}`,
    `L402 AAAA:${preimage}`, `L402 ${macaroons.standard.slice(0, -8)}AAAAAAA=:${preimage}`, `L402 ${'A'.repeat(9000)}:${preimage}`,
    `L402 ${Buffer.from('{"id":"x"}').toString('base64url')}:${preimage}`, 'L402 macaroon="a", invoice="b"',
  ];
  const cases = [
    ...malformed.map((Authorization) => ['/sold', { headers: { Authorization } }, 401]),
    ['/sold', { method: 'HEAD' }, 402],
    ['/sold', { method: 'OPTIONS' }, 402],
    ['/sold', { method: 'OPTIONS', headers: { Origin: 'https://x.test', 'Access-Control-Request-Method': 'GET' } }, 204],
    ['/sold', { headers: { 'Sec-Purpose': 'prefetch;prerender' } }, 402],
    ['/sold', { headers: { Purpose: 'prefetch' } }, 402],
    ['/_toll/', {}, 404],
    ['/_toll/sold', {}, 404],
    ['/_toll/health', {}, 200],
    ['/.well-known/l402', {}, 200],
    ['/SOLD', {}, 400],
    ['/free', {}, 200],
  ];
  for (const [path, options, expected] of cases) {
    const { status, headers } = await send(paywall.url, path, options);
    assert.equal(status, expected, `${path} ${JSON.stringify(options)}`);
    assert.ok(!headers['www-authenticate']?.includes('invoice'));
  }
  assert.equal(faultProxy.invoiceCount(), invoicesBefore);
  await paywall.server.stop();
});
