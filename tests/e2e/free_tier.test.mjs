import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pause } from '../../tools/lib/run.mjs';
import { startWrangler } from '../../tools/lib/worker.mjs';
import { buy, send } from './support/client.mjs';
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
/** How many of so many requests at once are let in. HEAD: whoever is not, needs no invoice. */
async function letIn(count, path, url, client) {
  const ask = (at) => from(client, path, url, { method: 'HEAD', headers: { 'X-Isolate': String(at % 3) } });
  const answers = await Promise.all(Array.from({ length: count }, (_, at) => ask(at)));
  assert.ok(answers.every(({ status }) => status === 200 || status === 402), answers.map(({ status }) => status).join());
  return answers.filter(({ status }) => status === 200).length;
}
async function statusesOf(requests) {
  const statuses = [];
  for (const request of requests) statuses.push((await request()).status);
  return statuses;
}

for (const free_tier of ['kv', 'durable']) {
  test(`counted in ${free_tier}, a client gets its free requests, then the price; what is left is told`, async () => {
    const url = urls[free_tier];
    for (const remaining of [2, 1, 0]) {
      const { status, headers } = await from('203.0.113.1', '/free', url);
      assert.equal(status, 200);
      assert.equal(headers['ratelimit-policy'], '"free";q=3;w=86400');
      const [, left, seconds] = headers.ratelimit.match(/^"free";r=(\d+);t=(\d+)$/);
      assert.equal(Number(left), remaining);
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

  test(`counted in ${free_tier}, an IPv6 client is its /64`, async () => {
    const addresses = ['2001:db8::1', '2001:db8:0:0:ffff::2', '2001:DB8::3', '2001:db8::4', '2001:db8:0:1::1'];
    const statuses = await statusesOf(addresses.map((address) => () => from(address, '/free', urls[free_tier])));
    assert.deepEqual(statuses, [200, 200, 200, 402, 200]);
  });

  test(`counted in ${free_tier}, a new window gives anew`, async () => {
    const ask = async () => (await from('203.0.113.3', '/short', urls[free_tier])).status;
    await until(async () => (await ask()) === 402);
    await until(async () => (await ask()) === 200);
  });

  test(`counted in ${free_tier}, a restart forgets nothing`, async () => {
    const state = run.folder('state');
    const first = await start({ free_tier }, { state });
    assert.equal(await letIn(3, '/free', first.url, '203.0.113.1'), 3);
    // KV is written behind the answers: first one, a second later the rest.
    if (free_tier === 'kv') await until(() => countedIn(state) === 3);
    await first.server.stop();
    const second = await start({ free_tier }, { state, vars: { ORIGIN_URL: origin.url, TOLL_SECRET: first.secret } });
    assert.equal((await from('203.0.113.1', '/free', second.url)).status, 402);
  });
}

test('counted in an object, a hundred requests at once get exactly what is free', async () => {
  assert.equal(await letIn(100, '/many', urls.durable, '203.0.113.4'), 20);
  assert.equal(await letIn(10, '/many', urls.durable, '203.0.113.4'), 0);
});

test('counted in KV, one isolate gives exactly what is free', async () => {
  assert.equal(await letIn(100, '/many', urls.kv, '203.0.113.4'), 20);
});

test('three isolates that share a KV give at most three times what is free, and what is free where they are asked in turn', async () => {
  const url = await startThreeIsolates();
  const burst = await letIn(120, '/many', url, '203.0.113.1');
  assert.ok(burst >= 20 && burst <= 60, `${burst} of 20`);
  let slow = 0;
  for (let at = 0; at < 7; at += 1) {
    slow += (await from('203.0.113.2', '/free', url, { headers: { 'X-Isolate': String(at % 3) } })).status === 200 ? 1 : 0;
    // Each isolate reads and writes a key at most once a second.
    await pause(1100);
  }
  assert.equal(slow, 3);
});

test('a credential is taken before a free request, and a refused one is told', async () => {
  const url = urls.kv;
  const { standard } = await buy(url, '/sold');
  const { status, json } = await from('203.0.113.5', '/free', url, { headers: { authorization: standard } });
  assert.equal(status, 402);
  assert.equal(json().code, 'endpoint_mismatch');
  assert.equal(await letIn(3, '/free', url, '203.0.113.5'), 3);
  const paid = await buy(url, '/free', { headers: { 'CF-Connecting-IP': '203.0.113.5' } });
  const { headers } = await from('203.0.113.9', '/free', url, { headers: { authorization: paid.standard } });
  assert.equal(origin.last().headers['x-toll-status'], 'paid');
  assert.equal(headers.ratelimit, undefined);
  assert.equal(await letIn(3, '/free', url, '203.0.113.9'), 3);
});

test('whose address nobody knows pays, and so does everybody where there is nothing to count in; the log says why', async () => {
  const paywall = await start({}, { config: { kv_namespaces: [] } });
  assert.equal((await from('203.0.113.1', '/free', paywall.url)).status, 402);
  await paywall.logged(/"free":"no_store"/);
  assert.equal((await from('somebody', '/free', paywall.url)).status, 402);
  await paywall.logged(/"free":"unknown_client"/);
});

test('an address that a client writes itself is no new client', async () => {
  const forged = (at) => () => {
    const headers = { 'X-Forwarded-For': `198.51.100.${at}`, 'X-Real-IP': `198.51.100.${at}`, Forwarded: `for=198.51.100.${at}` };
    return from('203.0.113.6', '/free', urls.kv, { headers });
  };
  assert.deepEqual(await statusesOf([1, 2, 3, 4, 5].map(forged)), [200, 200, 200, 402, 402]);
});

test('the client is known by the header that the owner names', async () => {
  const { url } = await start({ client_header: 'X-Edge-Client', client_ipv6_prefix: 48 });
  const ask = (at) => () =>
    send(url, '/free', { headers: { 'X-Edge-Client': `2001:db8:1:${at}::1`, 'CF-Connecting-IP': `203.0.113.${at}` } });
  assert.deepEqual(await statusesOf([1, 2, 3, 4].map(ask)), [200, 200, 200, 402]);
});

test('whoever changes addresses is charged from the thousand-and-first in a minute on', async () => {
  const paywall = await start();
  const asked = await invoicesFor('/free');
  let charged = 0;
  for (let block = 0; block < 44 && !charged; block += 1) {
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, at) => from(`10.${block}.${at}.1`, '/free', paywall.url, { method: 'HEAD' })),
    );
    charged += answers.filter(({ status }) => status === 402).length;
  }
  assert.ok(charged > 0);
  await paywall.logged(/"free":"too_many_clients"/);
  assert.equal(await invoicesFor('/free'), asked);
});

/** Three Workers of their own behind one that picks by `X-Isolate`; gives its URL. */
async function startThreeIsolates() {
  const dir = run.folder('isolates');
  const names = ['edge0', 'edge1', 'edge2'];
  const { config, secrets } = configFor({ toll: { routes }, vars: { ORIGIN_URL: origin.url } });
  const edge = {
    ...config,
    kv_namespaces: [{ binding: 'FREE_TIER', id: 'shared' }],
    durable_objects: undefined,
    migrations: undefined,
  };
  const front = {
    name: 'front',
    main: join(import.meta.dirname, 'support/front.mjs'),
    compatibility_date: '2026-11-01',
    services: names.map((service) => ({ binding: service, service })),
  };
  const files = [writeConfig(dir, front, 'front.json'), ...names.map((name) => writeConfig(dir, { ...edge, name }, `${name}.json`))];
  writeSecrets(dir, secrets);
  const args = files.flatMap((file) => ['-c', file]);
  const { url } = await startWrangler(run, [...args, '--port', '0', '--persist-to', join(dir, 'state')], { cwd: dir });
  return url;
}

async function until(condition) {
  for (const deadline = Date.now() + 20_000; !(await condition()); await pause(100)) {
    assert.ok(Date.now() < deadline, 'not in twenty seconds');
  }
}

/** What the local KV below a folder has counted in all. */
function countedIn(state) {
  const blobs = readdirSync(state, { recursive: true, withFileTypes: true }).filter((file) => file.isFile() && file.parentPath.endsWith('/blobs'));
  const values = blobs.map((file) => readFileSync(join(file.parentPath, file.name), 'utf8'));
  return Math.max(0, ...values.map((value) => Number(value.match(/^\w+:(\d+)$/)?.[1] ?? 0)));
}
