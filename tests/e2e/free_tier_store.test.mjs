// Free requests, with a stub in the role of Workers KV that records writes and can fail.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { send } from './support/client.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { startBareWorker } from './support/workerd.mjs';

const toll = { routes: [{ path: '/free', sats: 5, free_requests: 3, free_window: '1d' }] };
let origin;
const stores = [];
before(async () => (origin = await startRecordingOrigin()));
after(() => {
  origin.close();
  stores.forEach((store) => store.closeAllConnections() ?? store.close());
});

/** Starts a Worker with a stub for KV; `read` and `write` replace the stub's handlers of reads and writes. */
async function start({ read, write, list = {} } = {}) {
  const values = new Map();
  const puts = [];
  const store = createServer(async (request, response) => {
    const url = new URL(request.url, 'http://kv');
    let body = '';
    for await (const chunk of request) body += chunk;
    if (request.method === 'PUT') {
      puts.push({ key: url.pathname, ttl: Number(url.searchParams.get('expiration_ttl')), body });
      if (write) return write(response);
      values.set(url.pathname, body);
      return response.end();
    }
    if (read) return read(response);
    const value = values.get(url.pathname);
    return value === undefined ? response.writeHead(404).end() : response.end(value);
  });
  await new Promise((resolve) => store.listen(0, '127.0.0.1', resolve));
  stores.push(store);
  const worker = await startBareWorker({ toll: { ...toll, ...list }, vars: { ORIGIN_URL: origin.url }, kv: `127.0.0.1:${store.address().port}` });
  const statusFor = async (address = '203.0.113.1') =>
    (await send(worker.url, '/free', { method: 'HEAD', headers: { 'CF-Connecting-IP': address } })).status;
  return { ...worker, statusFor, puts, until: (probe) => worker.server.until(probe, 10) };
}
const status = (code) => (response) => response.writeHead(code).end('no');

test('The KV key of a client does not reveal the client address, is written at most once a second, and expires after the free window', async () => {
  const { statusFor, puts, until } = await start();
  assert.deepEqual([await statusFor(), await statusFor(), await statusFor(), await statusFor()], [200, 200, 200, 402]);
  await until(() => /^\w+:3$/.test(puts.at(-1)?.body));
  assert.ok(puts.length <= 2, 'a key is written once a second');
  const { key, ttl } = puts.at(-1);
  const endsAt = Math.ceil(Date.now() / 86_400_000) * 86_400_000;
  assert.match(decodeURIComponent(key), new RegExp(`^/free/[0-9a-f]{32}/${endsAt}$`));
  assert.ok(ttl >= 60 && ttl <= 86_400 + 120, `${ttl} s`);
});

// A9 (CHANGELOG)
test('The clients of one IPv6 /48 together get the free requests of four clients', async () => {
  const { statusFor, logged } = await start();
  const statuses = [];
  for (let network = 0; network < 40; network++) statuses.push(await statusFor(`2001:db8:7:${network.toString(16)}::1`));
  assert.equal(statuses.filter((status) => status === 200).length, 4 * 3);
  assert.ok(statuses.slice(12).every((status) => status === 402));
  await logged(/"free":"network_used_up"/);
  // A network has 50 new clients a minute.
  for (let network = 40; network < 60; network++) assert.equal(await statusFor(`2001:db8:7:${network.toString(16)}::1`), 402);
  await logged(/"free":"too_many_clients"/);
  assert.deepEqual([await statusFor('2001:db8:8::1'), await statusFor('203.0.113.1')], [200, 200]);
  for (const expected of [200, 200, 402, 402, 402]) assert.equal(await statusFor('2001:db8:8::1'), expected);
  assert.equal(await statusFor('2001:db8:8:1::1'), 200, 'refused requests of a neighbour do not use up the share');
});

// A9 (CHANGELOG)
test('An isolate writes at most free_tier_writes_per_day counts to KV a day, and counts the other free requests in memory', async () => {
  const { statusFor, puts, until } = await start({ list: { free_tier_writes_per_day: 20 } });
  for (let client = 0; client < 60; client++) assert.equal(await statusFor(`198.51.100.${client}`), 200);
  await until(() => puts.length === 20);
  for (const expected of [200, 200, 402]) assert.equal(await statusFor('198.51.100.59'), expected);
  assert.equal(puts.length, 20);
});

test('If KV cannot be read, no request is free, and the log has the reason', async () => {
  for (const read of [status(500), (response) => response.end('not a tally'), (response) => response.destroy()]) {
    const { statusFor, logged } = await start({ read });
    assert.equal(await statusFor(), 402);
    await logged(/"free":"store_unreadable"/);
  }
});

test('If KV does not respond, a request gets 402 after a timeout', async () => {
  const { statusFor, logged } = await start({ read: () => {} });
  const startedAt = Date.now();
  assert.equal(await statusFor(), 402);
  assert.ok(Date.now() - startedAt < 8000);
  await logged(/"free":"store_unreadable"/);
});

test('After a KV write fails with 500, the isolate grants no client a free request for a minute', async () => {
  const { statusFor, puts, logged, until } = await start({ write: status(500) });
  assert.equal(await statusFor(), 200);
  await until(() => puts.length > 0);
  await until(async () => (await statusFor()) === 402);
  assert.equal(await statusFor('203.0.113.2'), 402);
  await logged(/"free":"store_unwritable"/);
});

test('If a KV write and its retry both fail with 429, only the client whose count was not written gets no free request for a minute', async () => {
  const { statusFor, puts, logged, until } = await start({ write: status(429) });
  assert.equal(await statusFor(), 200);
  await until(() => puts.length === 2);
  await until(async () => (await statusFor()) === 402);
  await logged(/"free":"store_unwritable"/);
  assert.equal(await statusFor('203.0.113.2'), 200);
});
