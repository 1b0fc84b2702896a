import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { buy, send } from './support/client.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { invoicesFor, startPaywall } from './support/paywall.mjs';

const routes = [{ path: '/sold', sats: 5 }, { path: '/own-cors', sats: 5 }, { path: '/posted', methods: ['POST'], sats: 5 }];
const page = 'https://app.example.com';
const exposed = ['WWW-Authenticate', 'Retry-After', 'RateLimit', 'X-Toll-Price-Sats', 'X-Toll-Expires'];
let origin, anyOrigin, listedOrigins, withoutCors;
before(async () => {
  origin = await startRecordingOrigin({
    '/own-cors': (request, response) =>
      response
        .writeHead(200, { 'Access-Control-Allow-Origin': 'https://their.example', 'Access-Control-Expose-Headers': 'X-Own, x-toll-expires', Vary: 'Origin' })
        .end('content'),
  });
  const start = (cors) => startPaywall({ toll: { cors, routes }, vars: { ORIGIN_URL: origin.url } });
  [anyOrigin, listedOrigins, withoutCors] = [await start('*'), await start([page, 'http://localhost:5173']), await start()];
});
after(() => origin.close());

const list = (value) => value.split(', ');
const preflight = (url, path, origin = page) =>
  send(url, path, { method: 'OPTIONS', headers: { Origin: origin, 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'authorization, x-mine' }, body: 'a body' });

test('With cors in the price list, a preflight of a priced path gets 204 from the Worker, creates no invoice and is not forwarded', async () => {
  const [reached, invoicesBefore] = [origin.requests.length, await invoicesFor('/sold')];
  for (const path of ['/sold', '/posted']) {
    const { status, headers, text } = await preflight(anyOrigin.url, path);
    assert.equal(status, 204);
    assert.equal(text, '');
    assert.equal(headers['access-control-allow-origin'], '*');
    assert.equal(headers['access-control-allow-methods'], 'POST');
    assert.equal(headers['access-control-allow-headers'], 'authorization, x-mine');
  }
  assert.equal(origin.requests.length, reached);
  assert.equal(await invoicesFor('/sold'), invoicesBefore);
});

test('With cors = "*", a page of any origin can read the challenge, the refusal and the paid response', async () => {
  const unpaid = await send(anyOrigin.url, '/sold', { headers: { Origin: page } });
  const refused = await send(anyOrigin.url, '/sold', { headers: { Origin: page, authorization: 'L402 x' } });
  const { standard: authorization } = await buy(anyOrigin.url, '/sold');
  const paid = await send(anyOrigin.url, '/sold', { headers: { Origin: page, authorization } });
  assert.deepEqual([unpaid.status, refused.status, paid.status], [402, 401, 200]);
  for (const { headers } of [unpaid, refused, paid]) {
    assert.equal(headers['access-control-allow-origin'], '*');
    assert.ok(exposed.every((name) => list(headers['access-control-expose-headers']).includes(name)));
  }
});

test('With a list of origins in cors, only pages of these origins can read responses, and Vary contains Origin', async () => {
  for (const [from, allowed] of [[page, page], ['http://localhost:5173', 'http://localhost:5173'], ['https://evil.example', undefined], ['null', undefined]]) {
    for (const { headers } of [await send(listedOrigins.url, '/sold', { headers: { Origin: from } }), await preflight(listedOrigins.url, '/sold', from)]) {
      assert.equal(headers['access-control-allow-origin'], allowed, from);
      assert.ok(list(headers.vary).includes('Origin'));
      assert.equal(headers['access-control-allow-credentials'], undefined);
    }
  }
  assert.equal((await send(listedOrigins.url, '/sold')).headers['access-control-allow-origin'], undefined);
});

test('An Access-Control-Allow-Origin of the origin is kept, and Access-Control-Expose-Headers lists no header twice', async () => {
  const { standard: authorization } = await buy(anyOrigin.url, '/own-cors');
  const { headers } = await send(anyOrigin.url, '/own-cors', { headers: { Origin: page, authorization } });
  assert.equal(headers['access-control-allow-origin'], 'https://their.example');
  const names = list(headers['access-control-expose-headers']).map((name) => name.toLowerCase());
  assert.ok(names.includes('x-own') && names.includes('www-authenticate'));
  assert.equal(new Set(names).size, names.length);
});

test('The Worker adds no CORS headers to responses of free paths; without cors in the price list, it adds none to priced paths either', async () => {
  const free = await send(anyOrigin.url, '/free', { headers: { Origin: page } });
  assert.equal(free.headers['access-control-allow-origin'], undefined);
  const unpaid = await send(withoutCors.url, '/sold', { headers: { Origin: page } });
  assert.equal(unpaid.headers['access-control-allow-origin'], undefined);
  const reached = origin.requests.length;
  const { status, headers, text } = await preflight(withoutCors.url, '/sold');
  assert.deepEqual([status, text, headers['access-control-allow-origin']], [204, '', undefined]);
  // A5 (CHANGELOG): otherwise a client could make the origin work without payment.
  assert.equal(origin.requests.length, reached, 'the preflight does not reach the origin');
});

test('Pages of every origin can read the public price list, and it can be cached for a minute', async () => {
  const { status, headers, json } = await send(withoutCors.url, '/.well-known/l402');
  assert.equal(status, 200);
  assert.equal(headers['access-control-allow-origin'], '*');
  assert.equal(headers['cache-control'], 'public, max-age=60');
  assert.deepEqual(json().routes.map(({ path, methods, prices }) => [path, methods, prices]), [
    ['/sold', [], [{ sats: 5 }]],
    ['/own-cors', [], [{ sats: 5 }]],
    ['/posted', ['POST'], [{ sats: 5 }]],
  ]);
});
