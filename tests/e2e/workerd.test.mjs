// What `wrangler dev` would mend reaches the Worker as it was sent.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { buy, send } from './support/client.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { startBareWorker } from './support/workerd.mjs';

const toll = {
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

test('a URL that nobody serialized is priced as what is forwarded', async () => {
  const reached = origin.requests.length;
  for (const path of [
    '/x/../api/joke', '/api/./joke', '/api\\joke', '/x/%2e%2e/api/joke', '/api/..;/../joke', '/api/.;/../joke', '/api/;/../joke', '/api//../joke', '/api/%5c/../joke', '/x%3f/../api/joke', '/x%23/%2e%2e/api/joke', '/api/%252e%252e/../joke',
  ]) {
    const { status } = await send(url, path);
    assert.ok([400, 402].includes(status), `${path}: ${status}`);
  }
  assert.equal(origin.requests.length, reached);
});

test('a credential is bound to the host whatever the case of its letters', async () => {
  const { standard } = await buy(url, '/api/joke', { headers: { Host: 'LOCALHOST' } });
  const shown = await send(url, '/api/joke', { headers: { Host: 'localhost', authorization: standard } });
  assert.equal(shown.status, 200);
});

test('an upgrade is a GET, or it is nothing: the runtime would send any method as GET', async () => {
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

test('TRACE is never forwarded: an origin that echoes it would tell what it recognizes us by', async () => {
  const reached = origin.requests.length;
  const { status } = await send(url, '/free', { method: 'TRACE' });
  assert.ok(status >= 400);
  assert.equal(origin.requests.length, reached);
});

test('a preflight brings neither the origin’s content nor its other headers', async () => {
  const headers = { 'Access-Control-Request-Method': 'GET', Origin: 'https://example.org' };
  const { status, headers: answered, text } = await send(url, '/m', { method: 'OPTIONS', headers, body: 'a body' });
  assert.equal(status, 200);
  assert.equal(text, '');
  assert.equal(answered['content-type'], undefined);
  assert.equal(origin.last().method, 'OPTIONS');
  assert.equal(origin.last().body.length, 0);
});
