import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { freePort } from '../../tools/lib/run.mjs';
import { buy, send } from './support/client.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { run, startPaywall, writeConfig } from './support/paywall.mjs';

const toll = { routes: [{ path: '/sold', sats: 5 }] };
let origin;
before(async () => {
  origin = await startRecordingOrigin();
});
after(() => origin.close());

test('The service binding ORIGIN takes precedence over ORIGIN_URL', async () => {
  const dir = run.folder('service');
  writeFileSync(
    join(dir, 'origin.mjs'),
    'export default { fetch: async (request) => Response.json({ status: request.headers.get("x-toll-status"), body: await request.text() }) };',
  );
  const service = writeConfig(dir, { name: 'bound-origin', main: 'origin.mjs', compatibility_date: '2026-11-01' });
  const paywall = await startPaywall({
    toll,
    vars: { ORIGIN_URL: origin.url },
    config: { services: [{ binding: 'ORIGIN', service: 'bound-origin' }] },
    args: ['-c', service],
  });
  const { standard } = await buy(paywall.url, '/sold', { method: 'POST' });
  const paid = await send(paywall.url, '/sold', { method: 'POST', body: 'hello', headers: { authorization: standard } });
  assert.deepEqual(paid.json(), { status: 'paid', body: 'hello' });
  assert.equal((await send(paywall.url, '/free')).json().status, 'open');
  assert.equal(origin.requests.length, 0);
});

test('Without ORIGIN_URL and without the service binding ORIGIN, requests go to the origin of the zone', async () => {
  const host = new URL(origin.url).host;
  const paywall = await startPaywall({ toll, args: ['--local-upstream', host, '--upstream-protocol', 'http'] });
  assert.equal((await send(paywall.url, '/free?x=1')).status, 200);
  assert.equal(origin.last().path, '/free?x=1');
  assert.equal(origin.last().headers['x-toll-status'], 'open');
  const { standard } = await buy(paywall.url, '/sold', { method: 'POST' });
  const paid = await send(paywall.url, '/sold', { method: 'POST', body: 'bytes', headers: { authorization: standard } });
  assert.equal(paid.text, 'bytes');
  assert.equal(origin.last().headers['x-toll-status'], 'paid');
});

test('A request that a paywall forwards to itself gets 508', async () => {
  const looped = await startPaywall({ toll });
  // `wrangler dev` compresses the response. `fetch` decompresses it, and `send` would not.
  const answer = await fetch(`${looped.url}/free`);
  assert.equal(answer.status, 508);
  assert.equal((await answer.json()).code, 'origin_loop');
  // The Worker logs one line when it forwards the request, and another line when the request comes back and is refused.
  await looped.logged(/"decision":"open"/);
  assert.equal(looped.log().match(/"event":"request"/g).length, 2);
  assert.equal((await send(looped.url, '/sold')).status, 402);
});

test('If the origin is unreachable, a request gets 502; if the origin does not respond, 504; the credential stays valid', async () => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  await new Promise((resolve) => silent.once('listening', resolve));
  after(() => silent.close());
  const cases = [
    [`http://127.0.0.1:${await freePort()}`, 502, 'origin_unreachable'],
    [`http://127.0.0.1:${silent.address().port}`, 504, 'origin_timeout'],
  ];
  for (const [url, status, code] of cases) {
    const paywall = await startPaywall({ toll: { ...toll, origin_timeout: '500ms' }, vars: { ORIGIN_URL: url } });
    const { standard } = await buy(paywall.url, '/sold');
    const failed = await send(paywall.url, '/sold', { headers: { authorization: standard } });
    assert.equal(failed.status, status);
    assert.equal(failed.json().code, code);
    assert.equal(failed.headers['cache-control'], 'no-store');
    const repaired = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url, TOLL_SECRET: paywall.secret } });
    assert.equal((await send(repaired.url, '/sold', { headers: { authorization: standard } })).status, 200);
  }
});

test('The path of ORIGIN_URL is a prefix of every forwarded path, even if the request path looks like another host', async () => {
  const paywall = await startPaywall({ toll, vars: { ORIGIN_URL: `${origin.url}/base/` } });
  await send(paywall.url, '/free?x=1');
  assert.equal(origin.last().path, '/base/free?x=1');
  await send(paywall.url, '//evil.example/x');
  assert.equal(origin.last().path, '/base//evil.example/x');
  await send(paywall.url, '/@evil.example/x');
  assert.equal(origin.last().path, '/base/@evil.example/x');
});

// U4 (CHANGELOG)
test('Without a usable origin, priced routes get 503 instead of an invoice, and the log has the reason', async () => {
  const routes = [{ path: '/sold', sats: 5 }];
  const port = await freePort();
  for (const [ORIGIN_URL, reason] of [['origin.test', /ORIGIN_URL is invalid, so nothing is sold/], [`http://127.0.0.1:${port}`, /the origin leads back to this paywall, so nothing is sold/]]) {
    const { url, server, logged } = await startPaywall({ toll: { routes }, vars: { ORIGIN_URL }, port });
    const answer = await fetch(`${url}/sold`);
    assert.equal(answer.status, 503);
    assert.equal((await answer.json()).code, 'not_configured');
    await logged(reason);
    await server.stop();
  }
});
