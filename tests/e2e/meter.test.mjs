// The calls of the Durable Object that counts uses: how many there are, and what happens if one fails.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { buy, send } from './support/client.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { startBareWorker } from './support/workerd.mjs';

const toll = { routes: [{ path: '/once', sats: 5, uses: 1 }, { path: '/five', sats: 5, uses: 5 }, { path: '/forty', sats: 5, uses: 40 }] };
let origin, isFailing;
before(async () => {
  origin = await startRecordingOrigin({ '/five': (request, response) => response.writeHead(isFailing ? 500 : 200).end() });
});
after(() => origin.close());

/** Starts a Worker whose Meter logs each request to it. `wrapped` is the rest of the class. */
async function start(wrapped) {
  const worker = await startBareWorker({ toll, vars: { ORIGIN_URL: origin.url }, entry: `
import * as real from './index.js';
export default real.default;
export const { NwcConnection } = real;
${wrapped}
export class Meter {
  constructor(state, env) {
    this.real = new real.Meter(wrap(state), env);
  }
  async fetch(request) {
    const text = request.headers.get('Toll-Request');
    console.log('meter ' + text);
    await beforeRequest(JSON.parse(text));
    return this.real.fetch(request);
  }
  alarm() {
    return this.real.alarm();
  }
}
` });
  const sendCredential = (path, authorization, method = 'GET') => send(worker.url, path, { method, headers: { authorization } });
  /** Returns the requests that the Meter has received. */
  const requests = () => [...worker.server.tail().matchAll(/^meter (.*)$/gm)].map(([, text]) => JSON.parse(text));
  return { ...worker, sendCredential, requests };
}

const UNCHANGED = 'const wrap = (state) => state, beforeRequest = () => {};';
const summary = ({ bought, spent, returned, take }) => [bought, spent, returned, take !== null];

test('A use costs one call of the Durable Object, the last use two, and a request after the last use none', async () => {
  const { url, sendCredential, requests, server } = await start(UNCHANGED);
  const { standard } = await buy(url, '/five');
  const remaining = [];
  for (let at = 0; at < 5; at += 1) remaining.push((await sendCredential('/five', standard)).headers['x-toll-uses-remaining']);
  assert.deepEqual(remaining, ['4', '3', '2', '1', '0']);
  await server.until(() => requests().length === 6, 10);
  assert.deepEqual(requests().map(summary), [
    [5, [], null, true],
    [5, [0], null, true],
    [5, [1], null, true],
    [5, [2], null, true],
    [5, [3], null, true],
    [5, [4], null, false],
  ]);
  for (const method of ['GET', 'HEAD', 'GET']) assert.equal((await sendCredential('/five', standard, method)).status, 402);
  assert.equal(requests().length, 6);
  await server.stop();
});

test('A spent use is reported after two seconds if no other use follows, and a returned use at once', async () => {
  const { url, sendCredential, requests, server } = await start(UNCHANGED);
  const { standard } = await buy(url, '/five');
  assert.equal((await sendCredential('/five', standard)).status, 200);
  const spentAt = Date.now();
  await server.until(() => requests().length === 2, 10);
  assert.ok(Date.now() - spentAt >= 1_500, 'too early');
  isFailing = true;
  const { status, headers } = await sendCredential('/five', standard);
  isFailing = false;
  assert.deepEqual([status, headers['x-toll-uses-remaining']], [500, '4']);
  assert.deepEqual(requests().map(summary), [[5, [], null, true], [5, [0], null, false], [5, [], null, true], [5, [], 1, false]]);
  await server.stop();
});

test('If the Durable Object does not respond in five seconds, the request gets 503 and is not forwarded, and the use comes back', async () => {
  const { url, sendCredential, requests, server } = await start(`
let isFirst = true;
const wrap = (state) => state;
const beforeRequest = async ({ take }) => {
  if (take && isFirst) {
    isFirst = false;
    await scheduler.wait(6_000);
  }
};`);
  const { standard } = await buy(url, '/once');
  const [reached, sentAt] = [origin.requests.length, Date.now()];
  const { status, json, headers } = await sendCredential('/once', standard);
  const seconds = (Date.now() - sentAt) / 1_000;
  assert.deepEqual([status, json().code, headers['retry-after']], [503, 'uses_unavailable', '5']);
  assert.ok(seconds > 4.5 && seconds < 5.9, `${seconds}`);
  assert.equal(origin.requests.length, reached);
  await server.until(() => requests().some(({ returned }) => returned === 0), 10);
  assert.equal((await sendCredential('/once', standard)).status, 200);
  assert.equal((await sendCredential('/once', standard)).status, 402);
  await server.stop();
});

test('If the storage fails, no use is taken and no request is forwarded', async () => {
  const { url, sendCredential, server } = await start(`
let failures = 2;
const beforeRequest = () => {};
const failing = (kv) => ({
  get: (key) => kv.get(key),
  put(key, value) {
    if (failures-- > 0) throw new Error('the disk is full');
    kv.put(key, value);
  },
});
const wrap = ({ storage }) => ({
  storage: { kv: failing(storage.kv), setAlarm: (ms) => storage.setAlarm(ms), deleteAll: () => storage.deleteAll() },
});`);
  const { standard } = await buy(url, '/five');
  const reached = origin.requests.length;
  for (let at = 0; at < 2; at += 1) {
    const { status, json } = await sendCredential('/five', standard);
    assert.deepEqual([status, json().code], [503, 'uses_unavailable']);
  }
  assert.equal(origin.requests.length, reached);
  const answers = await Promise.all(Array.from({ length: 10 }, () => sendCredential('/five', standard)));
  assert.equal(answers.filter(({ status }) => status === 200).length, 5);
  assert.equal(origin.requests.length, reached + 5);
  await server.stop();
});

test('Concurrent uses of a payment share a write of the storage, and none is served twice', async () => {
  const { url, sendCredential, server } = await start(`
const beforeRequest = () => {};
const logging = (kv) => ({
  get: (key) => kv.get(key),
  put(key, value) {
    console.log('write');
    kv.put(key, value);
  },
});
const wrap = ({ storage }) => ({
  storage: { kv: logging(storage.kv), setAlarm: (ms) => storage.setAlarm(ms), deleteAll: () => storage.deleteAll() },
});`);
  const { standard } = await buy(url, '/forty');
  const reached = origin.requests.length;
  const answers = await Promise.all(Array.from({ length: 60 }, () => sendCredential('/forty', standard)));
  const remaining = answers.filter(({ status }) => status === 200).map(({ headers }) => Number(headers['x-toll-uses-remaining']));
  assert.deepEqual(remaining.sort((a, b) => a - b), Array.from({ length: 40 }, (_, at) => at));
  assert.equal(origin.requests.length, reached + 40);
  const writes = server.tail().match(/^write$/gm).length;
  assert.ok(writes < 30, `${writes}`);
  await server.stop();
});
