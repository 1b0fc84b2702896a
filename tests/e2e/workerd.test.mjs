// Requests to the Worker in bare `workerd`, because `wrangler dev` would normalize them before the Worker receives them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { buy, send } from './support/client.mjs';
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
