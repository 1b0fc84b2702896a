import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pause, until } from '../../tools/lib/run.mjs';
import { startWrangler } from '../../tools/lib/worker.mjs';
import { attenuate, buy, send, tamper } from './support/client.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { configFor, invoicesFor, run, startPaywall, writeConfig, writeSecrets } from './support/paywall.mjs';

const routes = [
  { path: '/free', sats: 5, free_requests: 3, free_window: '1d' },
  { path: '/other', sats: 5, free_requests: 3, free_window: 86400000 },
  { path: '/short', sats: 5, free_requests: 1, free_window: '3s' },
  { path: '/many', sats: 5, free_requests: 20, free_window: '1d' },
  { path: '/sold', sats: 5 },
];
let origin;
const urls = {};
before(async () => {
  origin = await startRecordingOrigin();
  for (const free_tier of ['kv', 'durable']) urls[free_tier] = (await start({ free_tier })).url;
});
after(() => origin.close());

const start = (toll = {}, options = {}) =>
  startPaywall({ toll: { ...toll, routes }, vars: { ORIGIN_URL: origin.url }, ...options });
const from = (address, path, url, options = {}) =>
  send(url, path, { ...options, headers: { 'CF-Connecting-IP': address, ...options.headers } });
/** Sends `count` concurrent HEAD requests, which create no invoices. Returns how many requests are served. */
async function countServed(count, path, url, client) {
  const sendOne = (at) => from(client, path, url, { method: 'HEAD', headers: { 'X-Isolate': String(at % 3) } });
  const answers = await Promise.all(Array.from({ length: count }, (_, at) => sendOne(at)));
  assert.ok(answers.every(({ status }) => status === 200 || status === 402), answers.map(({ status }) => status).join());
  return answers.filter(({ status }) => status === 200).length;
}
async function statusesOf(requests) {
  const statuses = [];
  for (const request of requests) statuses.push((await request()).status);
  return statuses;
}

for (const free_tier of ['kv', 'durable']) {
  test(`With free_tier = "${free_tier}", a client gets its free requests, then 402; the header RateLimit has the number of remaining free requests`, async () => {
    const url = urls[free_tier];
    for (const remaining of [2, 1, 0]) {
      const { status, headers } = await from('203.0.113.1', '/free', url);
      assert.equal(status, 200);
      assert.equal(headers['ratelimit-policy'], '"free";q=3;w=86400');
      const [, remainingInHeader, seconds] = headers.ratelimit.match(/^"free";r=(\d+);t=(\d+)$/);
      assert.equal(Number(remainingInHeader), remaining);
      assert.ok(Number(seconds) <= 86400);
      assert.equal(headers['cache-control'], 'private');
      assert.equal(origin.last().headers['x-toll-status'], 'free');
      assert.equal(origin.last().headers['x-toll-payment-hash'], undefined);
    }
    const reached = origin.requests.length;
    const { status, headers, json } = await from('203.0.113.1', '/free', url);
    assert.equal(status, 402);
    assert.match(headers.ratelimit, /^"free";r=0;t=\d+$/);
    assert.equal(json().amountSats, 5);
    assert.equal(origin.requests.length, reached);
    assert.equal((await from('203.0.113.2', '/free', url)).status, 200, 'another client');
    assert.equal((await from('203.0.113.1', '/other', url)).status, 200, 'another route');
  });

  test(`With free_tier = "${free_tier}", the IPv6 clients of one /64 count as one client`, async () => {
    const addresses = ['2001:db8::1', '2001:db8:0:0:ffff::2', '2001:DB8::3', '2001:db8::4', '2001:db8:0:1::1'];
    const statuses = await statusesOf(addresses.map((address) => () => from(address, '/free', urls[free_tier])));
    assert.deepEqual(statuses, [200, 200, 200, 402, 200]);
  });

  test(`With free_tier = "${free_tier}", a new window grants free requests again`, async () => {
    const statusOf = async () => (await from('203.0.113.3', '/short', urls[free_tier])).status;
    await until(async () => (await statusOf()) === 402);
    await until(async () => (await statusOf()) === 200);
  });

  test(`With free_tier = "${free_tier}", the counts of free requests survive a restart of the Worker`, async () => {
    const state = run.folder('state');
    const first = await start({ free_tier }, { state });
    assert.equal(await countServed(3, '/free', first.url, '203.0.113.1'), 3);
    // The Worker writes the count to KV after the response, at most once a second, so the first write may have a count below 3.
    if (free_tier === 'kv') await until(() => countedIn(state) === 3);
    // The value is in its file before the database of the namespace has its key.
    assert.equal((await from('203.0.113.1', '/free', first.url)).status, 402);
    await first.server.stop();
    const second = await start({ free_tier }, { state, vars: { ORIGIN_URL: origin.url, TOLL_SECRET: first.secret } });
    assert.equal((await from('203.0.113.1', '/free', second.url)).status, 402);
  });
}

test('With free_tier = "durable" and free_requests = 20, exactly 20 of a hundred concurrent requests are free', async () => {
  assert.equal(await countServed(100, '/many', urls.durable, '203.0.113.4'), 20);
  assert.equal(await countServed(10, '/many', urls.durable, '203.0.113.4'), 0);
});

test('With free_tier = "kv" and free_requests = 20, one isolate grants exactly 20 of a hundred concurrent requests for free', async () => {
  assert.equal(await countServed(100, '/many', urls.kv, '203.0.113.4'), 20);
});

test('With KV, three isolates grant exactly free_requests to requests a second apart, and at most three times as many to concurrent requests', async () => {
  const url = await startThreeIsolates();
  const servedAtOnce = await countServed(120, '/many', url, '203.0.113.1');
  assert.ok(servedAtOnce >= 20 && servedAtOnce <= 60, `${servedAtOnce} of 20`);
  let servedInTurn = 0;
  for (let at = 0; at < 7; at += 1) {
    servedInTurn += (await from('203.0.113.2', '/free', url, { headers: { 'X-Isolate': String(at % 3) } })).status === 200 ? 1 : 0;
    // Each isolate reads and writes a key at most once a second, so wait until the next isolate can read the new count.
    await pause(1100);
  }
  assert.equal(servedInTurn, 3);
});

// R11 (CHANGELOG): a client with a credential for another path, or with an expired one, paid although it had free requests left.
test('A request with a credential that is not valid here gets a free request; if none is left, the response has the error code', async () => {
  const assertFree = async (client, authorization, code) => {
    const send = () => from(client, '/free', urls.kv, { headers: { authorization } });
    for (const _ of [1, 2, 3]) {
      assert.equal((await send()).status, 200);
      assert.equal(origin.last().headers['x-toll-status'], 'free');
    }
    const { status, json } = await send();
    assert.deepEqual([status, json().code], [402, code]);
  };
  const other = await buy(urls.kv, '/sold');
  await assertFree('203.0.113.51', other.standard, 'endpoint_mismatch');
  const paid = await buy(urls.kv, '/free', { headers: { 'CF-Connecting-IP': '203.0.113.51' } });
  const past = Math.floor(Date.now() / 1000) - 60;
  const expired = attenuate(paid.macaroons.standard, `toll_valid_until=${past}`);
  await assertFree('203.0.113.52', `L402 ${expired}:${paid.preimage}`, 'expired');
});

test('A request with a valid or forged credential uses up no free request', async () => {
  const url = urls.kv;
  const paid = await buy(url, '/free', { headers: { 'CF-Connecting-IP': '203.0.113.51' } });
  const { headers } = await from('203.0.113.9', '/free', url, { headers: { authorization: paid.standard } });
  assert.equal(origin.last().headers['x-toll-status'], 'paid');
  assert.equal(headers.ratelimit, undefined);
  const forged = `L402 ${tamper(paid.macaroons.standard)}:${paid.preimage}`;
  assert.equal((await from('203.0.113.9', '/free', url, { headers: { authorization: forged } })).status, 401);
  assert.equal(await countServed(3, '/free', url, '203.0.113.9'), 3);
});

test('Without a known client address, or without KV, no request is free, and the log has the reason', async () => {
  const paywall = await start({}, { config: { kv_namespaces: [] } });
  assert.equal((await from('203.0.113.1', '/free', paywall.url)).status, 402);
  await paywall.logged(/"free":"no_store"/);
  assert.equal((await from('somebody', '/free', paywall.url)).status, 402);
  await paywall.logged(/"free":"unknown_client"/);
});

test('A client gets no more free requests by forging headers such as X-Forwarded-For', async () => {
  const forged = (at) => () => {
    const headers = { 'X-Forwarded-For': `198.51.100.${at}`, 'X-Real-IP': `198.51.100.${at}`, Forwarded: `for=198.51.100.${at}` };
    return from('203.0.113.6', '/free', urls.kv, { headers });
  };
  assert.deepEqual(await statusesOf([1, 2, 3, 4, 5].map(forged)), [200, 200, 200, 402, 402]);
});

test('client_header selects the header that identifies the client', async () => {
  const { url } = await start({ client_header: 'X-Edge-Client', client_ipv6_prefix: 48 });
  const sendFrom = (at) => () =>
    send(url, '/free', { headers: { 'X-Edge-Client': `2001:db8:1:${at}::1`, 'CF-Connecting-IP': `203.0.113.${at}` } });
  assert.deepEqual(await statusesOf([1, 2, 3, 4].map(sendFrom)), [200, 200, 200, 402]);
});

test('After a thousand new clients in a minute, an isolate grants no free requests to further new clients', async () => {
  const paywall = await start();
  const invoicesBefore = await invoicesFor('/free');
  let charged = 0;
  for (let block = 0; block < 44 && !charged; block += 1) {
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, at) => from(`10.${block}.${at}.1`, '/free', paywall.url, { method: 'HEAD' })),
    );
    charged += answers.filter(({ status }) => status === 402).length;
  }
  assert.ok(charged > 0);
  await paywall.logged(/"free":"too_many_clients"/);
  assert.equal(await invoicesFor('/free'), invoicesBefore);
});

/** Starts three separate Workers behind a router that selects one by `X-Isolate`; returns the router's URL. */
async function startThreeIsolates() {
  const dir = run.folder('isolates');
  const names = ['edge0', 'edge1', 'edge2'];
  const { config, secrets } = configFor({ toll: { routes }, vars: { ORIGIN_URL: origin.url } });
  const edge = {
    ...config,
    kv_namespaces: [{ binding: 'TOLL_KV', id: 'shared' }],
    durable_objects: undefined,
    migrations: undefined,
  };
  const router = {
    name: 'router',
    main: join(import.meta.dirname, 'support/isolate_router.mjs'),
    compatibility_date: '2026-11-01',
    services: names.map((service) => ({ binding: service, service })),
  };
  const files = [writeConfig(dir, router, 'router.json'), ...names.map((name) => writeConfig(dir, { ...edge, name }, `${name}.json`))];
  writeSecrets(dir, secrets);
  const args = files.flatMap((file) => ['-c', file]);
  const { url } = await startWrangler(run, [...args, '--port', '0', '--persist-to', join(dir, 'state')], { cwd: dir });
  return url;
}

/** Returns the highest count of free requests in the local KV storage below a folder; 0 if there is none. */
function countedIn(state) {
  const blobs = readdirSync(state, { recursive: true, withFileTypes: true }).filter((file) => file.isFile() && file.parentPath.endsWith('/blobs'));
  const values = blobs.map((file) => readFileSync(join(file.parentPath, file.name), 'utf8'));
  return Math.max(0, ...values.map((value) => Number(value.match(/^\w+:(\d+)$/)?.[1] ?? 0)));
}
