// The Worker in the bare runtime: `wrangler dev` has a proxy in front that mends URLs and methods before we see them, and
// nobody says that every edge has.
import assert from 'node:assert/strict';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { freePort, root } from '../../tools/lib/run.mjs';
import { buy, send } from './support/client.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { lnbits, run } from './support/paywall.mjs';

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
  const dir = run.folder('workerd');
  for (const file of ['index.js', 'index_bg.wasm']) copyFileSync(join(run.dir, 'build', file), join(dir, file));
  const port = await freePort();
  const vars = {
    TOLL_SECRET: [...crypto.getRandomValues(new Uint8Array(32))].map((byte) => byte.toString(16).padStart(2, '0')).join(''),
    LNBITS_URL: lnbits.url,
    LNBITS_KEY: lnbits.merchant.invoiceKey,
    ORIGIN_URL: origin.url,
  };
  const texts = Object.entries(vars).map(([name, text]) => `(name = "${name}", text = ${JSON.stringify(text)})`);
  const bindings = [...texts, `(name = "TOLL", json = ${JSON.stringify(JSON.stringify(toll))})`];
  writeFileSync(
    join(dir, 'config.capnp'),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [(name = "index.js", esModule = embed "index.js"), (name = "index_bg.wasm", wasm = embed "index_bg.wasm")],
      compatibilityDate = "2026-11-01",
      globalOutbound = "net",
      bindings = [${bindings.join(', ')}],
    )),
    (name = "net", network = (allow = ["private", "public", "local"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
`,
  );
  const server = run.start('workerd', join(root, 'node_modules/.bin/workerd'), ['serve', join(dir, 'config.capnp')]);
  url = `http://127.0.0.1:${port}`;
  await server.until(async () => (await send(url, '/_toll/health').catch(() => undefined))?.status === 200);
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
