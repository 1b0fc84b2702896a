// What happens to free requests when Workers KV fails. The stand-in speaks KV's protocol and fails as it is told; KV itself
// cannot be asked to.
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

/** A Worker whose KV answers reads and writes with these handlers, or as KV does. */
async function start({ read, write } = {}) {
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
  const worker = await startBareWorker({ toll, vars: { ORIGIN_URL: origin.url }, kv: `127.0.0.1:${store.address().port}` });
  const ask = async (address = '203.0.113.1') =>
    (await send(worker.url, '/free', { method: 'HEAD', headers: { 'CF-Connecting-IP': address } })).status;
  return { ...worker, ask, puts, until: (probe) => worker.server.until(probe, 10) };
}
const status = (code) => (response) => response.writeHead(code).end('no');

test('a key tells nothing of the client, is written behind the answers and expires with its window', async () => {
  const { ask, puts, until } = await start();
  assert.deepEqual([await ask(), await ask(), await ask(), await ask()], [200, 200, 200, 402]);
  await until(() => /^\w+:3$/.test(puts.at(-1)?.body));
  assert.ok(puts.length <= 2, 'a key is written once a second');
  const { key, ttl } = puts.at(-1);
  const endsAt = Math.ceil(Date.now() / 86_400_000) * 86_400_000;
  assert.match(decodeURIComponent(key), new RegExp(`^/free/[0-9a-f]{32}/${endsAt}$`));
  assert.ok(ttl >= 60 && ttl <= 86_400 + 120, `${ttl} s`);
});

test('a store that cannot be read lets nobody in free, and the log says so', async () => {
  for (const read of [status(500), (response) => response.end('not a tally'), (response) => response.destroy()]) {
    const { ask, logged } = await start({ read });
    assert.equal(await ask(), 402);
    await logged(/"free":"store_unreadable"/);
  }
});

test('a store that does not answer keeps nobody waiting for long', async () => {
  const { ask, logged } = await start({ read: () => {} });
  const began = Date.now();
  assert.equal(await ask(), 402);
  assert.ok(Date.now() - began < 8000);
  await logged(/"free":"store_unreadable"/);
});

test('a store that takes no writes lets nobody in after the first that it failed', async () => {
  const { ask, puts, logged, until } = await start({ write: status(500) });
  assert.equal(await ask(), 200);
  await until(() => puts.length > 0);
  await until(async () => (await ask()) === 402);
  assert.equal(await ask('203.0.113.2'), 402);
  await logged(/"free":"store_unwritable"/);
});

test('a key that others write in the same second is tried again, then closed, and no other with it', async () => {
  const { ask, puts, logged, until } = await start({ write: status(429) });
  assert.equal(await ask(), 200);
  await until(() => puts.length === 2);
  await until(async () => (await ask()) === 402);
  await logged(/"free":"store_unwritable"/);
  assert.equal(await ask('203.0.113.2'), 200);
});
