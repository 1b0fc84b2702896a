// Requests to the Worker in bare `workerd`, because `wrangler dev` would normalize them before the Worker receives them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { until } from '../../tools/lib/run.mjs';
import { buy, send, sendRaw } from './support/client.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { startBareWorker } from './support/workerd.mjs';

const toll = {
  preflights: 'origin',
  routes: [
    { path: '/api/joke', sats: 5 },
    { path: '/m', methods: ['GET'], sats: 5 },
    { path: '/m', methods: ['POST'], sats: 0 },
  ],
};
let origin, url;
before(async () => {
  origin = await startRecordingOrigin();
  ({ url } = await startBareWorker({ toll, vars: { ORIGIN_URL: origin.url } }));
});
after(() => origin.close());

test('A URL that is not normalized cannot bypass the price of the path that is forwarded', async () => {
  const reached = origin.requests.length;
  for (const path of [
    '/x/../api/joke', '/api/./joke', '/api\\joke', '/x/%2e%2e/api/joke', '/api/..;/../joke', '/api/.;/../joke', '/api/;/../joke', '/api//../joke', '/api/%5c/../joke', '/x%3f/../api/joke', '/x%23/%2e%2e/api/joke', '/api/%252e%252e/../joke',
  ]) {
    const { status } = await send(url, path);
    assert.ok([400, 402].includes(status), `${path}: ${status}`);
  }
  assert.equal(origin.requests.length, reached);
});

test('A credential is valid for its host in any letter case', async () => {
  const { standard } = await buy(url, '/api/joke', { headers: { Host: 'LOCALHOST' } });
  const answer = await send(url, '/api/joke', { headers: { Host: 'localhost', authorization: standard } });
  assert.equal(answer.status, 200);
});

test('A WebSocket upgrade with another method than GET gets 400, since the runtime would forward it as GET', async () => {
  const upgrade = { Connection: 'Upgrade', Upgrade: 'WebSocket', 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==', 'Sec-WebSocket-Version': '13' };
  const reached = origin.requests.length;
  for (const method of ['POST', 'OPTIONS']) {
    const headers = { ...upgrade, 'Access-Control-Request-Method': 'GET' };
    const { status, json } = await send(url, '/m', { method, headers });
    assert.equal(status, 400, method);
    assert.equal(json().code, 'upgrade_without_get');
  }
  assert.equal(origin.requests.length, reached);
});

test('TRACE is never forwarded, since an origin that echoes it would reveal the origin token', async () => {
  const reached = origin.requests.length;
  const { status } = await send(url, '/free', { method: 'TRACE' });
  assert.ok(status >= 400);
  assert.equal(origin.requests.length, reached);
});

test('The response to a forwarded preflight has neither the body nor the Content-Type of the origin’s response', async () => {
  const headers = { 'Access-Control-Request-Method': 'GET', Origin: 'https://example.org' };
  const { status, headers: answered, text } = await send(url, '/m', { method: 'OPTIONS', headers, body: 'a body' });
  assert.equal(status, 200);
  assert.equal(text, '');
  assert.equal(answered['content-type'], undefined);
  assert.equal(origin.last().method, 'OPTIONS');
  assert.equal(origin.last().body.length, 0);
});

test('After a crash of the wasm, the next request gets a new instance, and counts of uses are kept', async () => {
  // An exception in a function that the wasm calls ends the instance, as a panic does.
  const entry = `
    import worker from './index.js';
    export * from './index.js';
    const now = Date.now;
    export default {
      ...worker,
      fetch(request, env, context) {
        if (request.headers.has('Test-Crash')) {
          Date.now = () => {
            Date.now = now;
            throw new WebAssembly.RuntimeError('unreachable');
          };
        }
        return worker.fetch(request, env, context);
      },
    };`;
  const vars = { ORIGIN_URL: origin.url, ON_PAYMENT_URL: 'not a URL' };
  const { url, server } = await startBareWorker({ toll: { routes: [{ path: '/twice', sats: 5, uses: 2 }] }, vars, entry });
  // An instance logs mistakes in the settings when it reads them.
  const instances = () => readFileSync(server.log, 'utf8').split('not_configured').length - 1;
  const { standard: authorization } = await buy(url, '/twice');
  const use = (headers) => send(url, '/twice', { headers: { authorization, ...headers } });
  assert.equal((await use()).status, 200);
  const before = instances();
  const reached = origin.requests.length;
  const crashed = await use({ 'Test-Crash': '1' });
  assert.equal(crashed.status, 500);
  assert.equal(crashed.json().code, 'internal');
  assert.equal(origin.requests.length, reached);
  assert.equal((await use()).headers['x-toll-uses-remaining'], '0');
  assert.ok(before > 0);
  assert.equal(instances(), 2 * before);
  // If the crashed instance had not reported yet that the first use is spent, this use is in flight until its lease ends.
  assert.ok([402, 409].includes((await use()).status));
  assert.equal(origin.requests.length, reached + 1);
});

test('After a crash of the wasm, callbacks of requests that were in flight do not run in the new instance', async (context) => {
  // The response of the origin to a request with `Test-Crash` crashes the future that waits for it.
  const entry = `
    import worker from './index.js';
    export * from './index.js';
    addEventListener('unhandledrejection', ({ reason }) => console.log('rejected: ' + reason.message + '.'));
    const [send, now] = [globalThis.fetch, Date.now];
    globalThis.fetch = async (request, init) => {
      const response = await send(request, init);
      if (request.headers?.has('Test-Crash')) {
        Date.now = () => {
          Date.now = now;
          throw new WebAssembly.RuntimeError('unreachable');
        };
      }
      return response;
    };
    export default worker;`;
  let respond;
  const held = await startRecordingOrigin({ '/sold/held': (_, response) => (respond = () => response.end()) });
  context.after(() => held.close());
  const toll = { routes: [{ path: '/sold/*', sats: 5, uses: 9, realm: 'sold' }] };
  const { url, server, logged } = await startBareWorker({ toll, vars: { ORIGIN_URL: held.url }, entry });
  const { standard: authorization } = await buy(url, '/sold/a');
  const use = (path, headers) => send(url, path, { headers: { authorization, ...headers } });
  const inFlight = use('/sold/held');
  await until(() => respond);
  assert.equal((await use('/sold/a', { 'Test-Crash': '1' })).status, 500);
  respond();
  assert.equal((await inFlight).status, 500);
  await logged(/rejected: Cannot invoke closure from previous WASM instance/);
  const rejected = readFileSync(server.log, 'utf8').match(/rejected: .*/g);
  assert.deepEqual(rejected.filter((line) => !/Critical error|unreachable|previous WASM instance/.test(line)), []);
  assert.equal((await use('/sold/a')).headers['x-toll-uses-remaining'], '6');
});

/** Returns the source of a module in which the class `name` has the storage and the object that `script` makes of the real ones. */
const withObject = (name, script) => `
  import worker, { ${name} as Real } from './index.js';
  export * from './index.js';
  export default worker;
  export class ${name} {
    constructor(state, env) {
      const storage = {
        get kv() { return state.storage.kv; },
        setAlarm: (at) => state.storage.setAlarm(at),
        deleteAll: () => state.storage.deleteAll(),
      };
      this.real = new Real({ storage }, env);
      this.storage = storage;
    }
    fetch(request) { ${script} }
    alarm() { return this.real.alarm(); }
  }`;

test('If the object that counts uses cannot set its alarm, no use is lost', async () => {
  const entry = withObject('Meter', `
    const { setAlarm } = this.storage;
    if (!globalThis.hasFailed) this.storage.setAlarm = () => {
      globalThis.hasFailed = true;
      this.storage.setAlarm = setAlarm;
      throw new Error('no alarm');
    };
    return this.real.fetch(request);`);
  const { url } = await startBareWorker({ toll: { routes: [{ path: '/once', sats: 5, uses: 1 }] }, vars: { ORIGIN_URL: origin.url }, entry });
  const { standard: authorization } = await buy(url, '/once');
  assert.equal((await send(url, '/once', { headers: { authorization } })).status, 503);
  const { status, headers } = await send(url, '/once', { headers: { authorization } });
  assert.deepEqual([status, headers['x-toll-uses-remaining']], [200, '0']);
});

test('The alarm of an earlier window does not delete the count of a window that has just begun', async () => {
  const entry = withObject('FreeTierCounter', `
    const response = this.real.fetch(request);
    if (globalThis.hasRung) return response;
    globalThis.hasRung = true;
    return Promise.all([response, this.alarm()]).then(([response]) => response);`);
  const toll = { free_tier: 'durable', routes: [{ path: '/few', sats: 5, free_requests: 1, free_window: '1d' }] };
  const { url } = await startBareWorker({ toll, vars: { ORIGIN_URL: origin.url }, entry });
  const statusOf = async () => (await send(url, '/few', { headers: { 'CF-Connecting-IP': '192.0.2.1' } })).status;
  assert.deepEqual([await statusOf(), await statusOf()], [200, 402]);
});

/** Starts an origin that answers every request with these bytes. */
async function startRawOrigin(context, answer) {
  const server = createServer((socket) => socket.on('error', () => {}).once('data', () => socket.end(answer())));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => server.close());
  return `http://127.0.0.1:${server.address().port}`;
}

test('An origin that answers 101 to a request without an upgrade has failed, and the use is returned', async (context) => {
  const raw = await startRawOrigin(context, () => 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n');
  const routes = [{ path: '/m', sats: 5 }, { path: '/once', sats: 5, uses: 1 }];
  const { url, logged } = await startBareWorker({ toll: { preflights: 'origin', routes }, vars: { ORIGIN_URL: raw } });
  const [sold, once] = [await buy(url, '/m'), await buy(url, '/once')];
  const preflight = { 'Access-Control-Request-Method': 'GET' };
  for (const [path, options] of [
    ['/free', {}],
    ['/m', { headers: { authorization: sold.standard } }],
    ['/m', { method: 'OPTIONS', headers: preflight }],
    ['/once', { headers: { authorization: once.standard } }],
    ['/once', { headers: { authorization: once.standard } }],
  ]) {
    const { status, json } = await send(url, path, options);
    assert.equal(status, 502, path);
    assert.equal(json().code, 'origin_unreachable');
  }
  await logged(/"decision":"paid","route":"\/m".*"code":"origin_unreachable"/);
});

test('A paid response with a tab in its reason phrase reaches the client', async (context) => {
  const zipped = gzipSync('paid for');
  const head = `HTTP/1.1 200 All\tright\r\nContent-Encoding: gzip\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: ${zipped.length}\r\n\r\n`;
  const raw = await startRawOrigin(context, () => Buffer.concat([Buffer.from(head), zipped]));
  const { url } = await startBareWorker({ toll: { routes: [{ path: '/m', sats: 5 }, { path: '/once', sats: 5, uses: 1 }] }, vars: { ORIGIN_URL: raw } });
  for (const path of ['/m', '/once']) {
    const { standard: authorization } = await buy(url, path);
    const { status, headers, bytes } = await send(url, path, { headers: { authorization, 'Accept-Encoding': 'gzip' } });
    assert.deepEqual([status, headers['set-cookie'], headers['cache-control']], [200, ['a=1', 'b=2'], 'private']);
    assert.equal(gunzipSync(bytes).toString(), 'paid for');
  }
});

test('A variable with the name of the service binding ORIGIN does not keep requests from ORIGIN_URL', async () => {
  const { url } = await startBareWorker({ toll, vars: { ORIGIN_URL: origin.url, ORIGIN: origin.url } });
  const { standard: authorization } = await buy(url, '/api/joke');
  assert.equal((await send(url, '/api/joke', { headers: { authorization } })).status, 200);
  assert.equal((await send(url, '/free')).status, 200);
});

test('If the clock goes back, invoices are created again after a minute of the new time', async () => {
  const entry = `
    import worker from './index.js';
    export * from './index.js';
    const now = Date.now;
    let ahead = 0;
    Date.now = () => now() + ahead;
    export default {
      ...worker,
      fetch(request, env, context) {
        ahead = Number(request.headers.get('Test-Ahead'));
        return worker.fetch(request, env, context);
      },
    };`;
  const { url } = await startBareWorker({ toll: { ...toll, invoices_per_minute: 2 }, vars: { ORIGIN_URL: origin.url }, entry });
  let client = 0;
  const challenge = (ahead) => send(url, '/api/joke', { headers: { 'Test-Ahead': String(ahead), 'CF-Connecting-IP': `192.0.2.${(client += 1)}` } });
  for (const expected of [402, 402, 429]) assert.equal((await challenge(120_000)).status, expected);
  const { status, headers } = await challenge(0);
  assert.equal(status, 429);
  assert.ok(headers['retry-after'] <= 65, headers['retry-after']);
  assert.equal((await challenge(66_000)).status, 402);
});

/** Sends requests of several kinds in turn, twelve of each. Returns the shortest time of each kind, in milliseconds. */
async function shortestTimes(kinds, expected) {
  const times = kinds.map(() => []);
  for (let run = 0; run < 12; run += 1) {
    for (const [at, sendRequest] of kinds.entries()) {
      const started = performance.now();
      assert.equal((await sendRequest()).status, expected);
      times[at].push(performance.now() - started);
    }
  }
  return times.map((all) => Math.min(...all));
}

// A2 (CHANGELOG): V8 needs quadratic time to normalize a text with many combining marks in the wrong order.
test('A path with thousands of combining marks costs no more CPU time than a path with as many other characters', async () => {
  const sendMarks = (marks) => () => send(url, `/free/a${marks.repeat(12_000 / marks.length)}`);
  const kinds = ['%CD%84', '%CD%84%CC%96', '%CD%84'.repeat(1_000) + '%CC%96'.repeat(1_000)];
  const [ordered, shuffled, halves] = await shortestTimes(kinds.map(sendMarks), 200);
  assert.ok(Math.max(shuffled, halves) < 2 * ordered + 2, `${shuffled} and ${halves} ms, ${ordered} ms in order`);
});

// A2 (CHANGELOG)
test('A body in chunks of one byte costs no more than ten times the CPU time of a body in one chunk', async () => {
  const body = 'a'.repeat(8_000);
  const inChunks = `${'1\r\na\r\n'.repeat(8_000)}0\r\n\r\n`;
  const head = 'POST /_toll/settle HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\n';
  const requests = [`${head}Content-Length: 8000\r\n\r\n${body}`, `${head}Transfer-Encoding: chunked\r\n\r\n${inChunks}`];
  const [whole, chunked] = await shortestTimes(requests.map((request) => () => sendRaw(url, request)), 401);
  assert.ok(chunked < 10 * whole + 5, `${chunked} ms, ${whole} ms in one chunk`);
});
