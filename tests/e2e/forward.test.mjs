import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { after, before, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { WebSocket } from 'ws';
import { buy, send } from './support/client.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { startPaywall } from './support/paywall.mjs';

const toll = {
  keep_headers: ['X-Rewrite-URL'],
  routes: [{ path: '/sold', sats: 5 }, { path: '/cached', sats: 5 }, { path: '/unstored', sats: 5 }, { path: '/socket', sats: 5 }],
};
const originToken = randomBytes(16).toString('hex');
let origin, paywall, sendSecondChunk;
before(async () => {
  const sharedCacheHeaders = {
    'Cache-Control': 'public, max-age=60, s-maxage=600',
    'CDN-Cache-Control': 'max-age=600',
    'Cloudflare-CDN-Cache-Control': 'max-age=600',
    'Surrogate-Control': 'max-age=600',
    Vary: 'Accept',
    'X-Toll-Expires': '1',
    'X_Toll_Anything': '1',
    'Set-Cookie': ['a=1', 'b=2'],
  };
  const respond = (headers) => (_, response) => response.writeHead(200, headers).end('cached?');
  origin = await startRecordingOrigin({
    '/cached': respond(sharedCacheHeaders),
    '/free/cached': respond(sharedCacheHeaders),
    '/unstored': respond({ 'Cache-Control': 'no-store' }),
    '/moved': (_, response) => response.writeHead(302, 'Elsewhere', { Location: '/else' }).end(),
    '/teapot': (_, response) => response.writeHead(418, 'I am a pot').end(),
    '/zipped': (_, response) => response.writeHead(200, { 'Content-Encoding': 'gzip' }).end(gzipSync('zipped')),
    '/dripped': (_, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      response.write('first');
      sendSecondChunk = () => response.end('second');
    },
  });
  paywall = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url, ORIGIN_TOKEN: originToken } });
});
after(() => origin.close());

test('On paid and on free paths, x-toll-* headers of the client are removed, and the Worker sets its own x-toll-* headers', async () => {
  const { standard, challenge } = await buy(paywall.url, '/sold');
  const forged = {
    'X-Toll-Status': 'paid',
    'X-Toll-Payment-Hash': 'ff',
    'X-Toll-Amount-Sats': '1000000',
    'X-Toll-Origin-Token': 'guess',
    'x-toll-invented': '1',
    X_Toll_Status: 'paid',
    'X-Toll_Client': 'me',
  };
  await send(paywall.url, '/sold', { headers: { ...forged, authorization: standard } });
  const paid = origin.last().headers;
  assert.equal(paid['x-toll-status'], 'paid');
  assert.equal(paid['x-toll-payment-hash'], challenge.paymentHash);
  assert.equal(paid['x-toll-amount-sats'], '5');
  assert.equal(paid['x-toll-origin-token'], originToken);
  assert.match(paid['x-toll-client'], /^[0-9a-f]{32}$/);

  await send(paywall.url, '/free', { headers: forged });
  const free = origin.last().headers;
  assert.equal(free['x-toll-status'], 'open');
  assert.equal(free['x-toll-payment-hash'], undefined);
  assert.equal(free['x-toll-amount-sats'], undefined);
  assert.equal(free['x-toll-origin-token'], originToken);
  for (const headers of [paid, free]) {
    for (const name of ['x-toll-invented', 'x_toll_status', 'x-toll_client']) assert.equal(headers[name], undefined, name);
  }
});

test('All requests of one IPv4 address, or of one IPv6 /64, have the same pseudonym in x-toll-client; other clients have other pseudonyms', async () => {
  const pseudonym = async (address) => {
    await send(paywall.url, '/free', { headers: { 'CF-Connecting-IP': address } });
    return origin.last().headers['x-toll-client'];
  };
  const first = await pseudonym('203.0.113.7');
  assert.equal(await pseudonym('203.0.113.7'), first);
  assert.notEqual(await pseudonym('203.0.113.8'), first);
  assert.equal(await pseudonym('2001:db8:1:2::3'), await pseudonym('2001:db8:1:2:ffff::4'));
  assert.notEqual(await pseudonym('2001:db8:1:2::3'), await pseudonym('2001:db8:1:3::3'));
});

test('L402 credentials are removed from the Authorization header, and credentials of other schemes are forwarded', async () => {
  const { standard, lightningToll } = await buy(paywall.url, '/sold');
  for (const [sent, forwarded] of [
    [standard, undefined],
    [`Bearer abc, ${standard}`, 'Bearer abc'],
    [`${lightningToll}, Bearer abc`, 'Bearer abc'],
    [`LSAT x:y, Digest username="a, b", realm="c", ${standard}`, 'Digest username="a, b", realm="c"'],
  ]) {
    const { status } = await send(paywall.url, '/sold', { headers: { authorization: sent } });
    assert.equal(status, 200);
    assert.equal(origin.last().headers.authorization, forwarded);
  }
  // On a free path, an origin may sell by L402 itself.
  for (const [sent, forwarded] of [['Bearer abc', 'Bearer abc'], ['L402 not:ours', 'L402 not:ours'], [standard, undefined], [`L402 not:ours, ${lightningToll}`, undefined]]) {
    await send(paywall.url, '/free', { headers: { authorization: sent } });
    assert.equal(origin.last().headers.authorization, forwarded, sent);
  }
});

test('Request headers that override path or method are removed, unless keep_headers lists them', async () => {
  const headers = {
    'X-Original-URL': '/sold', 'X-HTTP-Method': 'DELETE', 'X-HTTP-Method-Override': 'DELETE', 'X-Method-Override': 'DELETE',
    X_Original_URL: '/sold', 'X-Rewrite-URL': '/kept', Accept: 'text/plain',
  };
  await send(paywall.url, '/free', { headers });
  const forwardedHeaders = origin.last().headers;
  for (const name of Object.keys(headers).slice(0, 5)) assert.equal(forwardedHeaders[name.toLowerCase()], undefined, name);
  assert.equal(forwardedHeaders['x-rewrite-url'], '/kept');
  assert.equal(forwardedHeaders.accept, 'text/plain');
});

test('Path and query are forwarded unchanged', async () => {
  for (const path of ['/free?a=1&b=%20c', '/a%2Fb//c;d=e', '/caf%C3%A9', '/%zz?x=//', '/free%00']) {
    await send(paywall.url, path);
    assert.equal(origin.last().path, path);
  }
});

test('Request and response bodies are forwarded byte for byte, on a free and on a paid path', async () => {
  const body = randomBytes(3_000_000);
  const { standard } = await buy(paywall.url, '/sold', { method: 'POST' });
  for (const path of ['/free', '/sold']) {
    const { status, bytes } = await send(paywall.url, path, { method: 'POST', body, headers: { authorization: standard } });
    assert.equal(status, 200);
    assert.ok(origin.last().body.equals(body));
    assert.ok(bytes.equals(body));
  }
});

test('A response is streamed: its first bytes arrive before the origin sends the last bytes', async () => {
  const chunks = [];
  await new Promise((resolve, reject) => {
    httpRequest(`${paywall.url}/dripped`, (response) => {
      response.on('data', (chunk) => {
        chunks.push(chunk.toString());
        if (chunks.length === 1) sendSecondChunk();
      });
      response.on('end', resolve);
    }).on('error', reject).end();
  });
  assert.deepEqual(chunks, ['first', 'second']);
});

test('Redirects, status codes and content encodings of the origin are passed on unchanged', async () => {
  const moved = await send(paywall.url, '/moved');
  assert.equal(moved.status, 302);
  assert.equal(moved.headers.location, '/else');
  assert.equal((await send(paywall.url, '/teapot')).status, 418);
  const zipped = await send(paywall.url, '/zipped', { headers: { 'Accept-Encoding': 'gzip' } });
  assert.equal(zipped.headers['content-encoding'], 'gzip');
  assert.equal(gunzipSync(zipped.bytes).toString(), 'zipped');
});

test('A paid response cannot be stored by shared caches, and x-toll-* headers of the origin are removed', async () => {
  const cached = await buy(paywall.url, '/cached');
  const { headers } = await send(paywall.url, '/cached', { headers: { authorization: cached.standard } });
  assert.equal(headers['cache-control'], 'private, max-age=60');
  assert.equal(headers.vary, 'Accept, Authorization, Cookie, X-Toll-Authorization, Macaroon, Grpc-Metadata-Macaroon');
  for (const name of ['cdn-cache-control', 'cloudflare-cdn-cache-control', 'surrogate-control', 'x_toll_anything']) {
    assert.equal(headers[name], undefined, name);
  }
  assert.equal(Number(headers['x-toll-expires']), cached.challenge.expiresAt);
  assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2']);

  const unstored = await buy(paywall.url, '/unstored');
  const answer = await send(paywall.url, '/unstored', { headers: { authorization: unstored.standard } });
  assert.equal(answer.headers['cache-control'], 'private, no-store');

  const free = await send(paywall.url, '/free/cached');
  assert.equal(free.headers['cache-control'], 'public, max-age=60, s-maxage=600');
  assert.equal(free.headers['cdn-cache-control'], 'max-age=600');
  assert.equal(free.headers['x-toll-expires'], undefined);
});

test('A WebSocket is forwarded if its path is free or was paid for; otherwise its handshake gets 402', async () => {
  const { standard } = await buy(paywall.url, '/socket');
  const echo = (path, headers) =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(`${paywall.url.replace('http', 'ws')}${path}`, { headers });
      socket.on('open', () => socket.send('ping'));
      socket.on('message', (data) => {
        socket.close();
        resolve(data.toString());
      });
      socket.on('unexpected-response', (_, response) => resolve(response.statusCode));
      socket.on('error', reject);
    });
  assert.equal(await echo('/socket', { authorization: standard }), 'ping');
  assert.equal(origin.last().headers['x-toll-status'], 'paid');
  assert.equal(await echo('/free', {}), 'ping');
  assert.equal(await echo('/socket', {}), 402);
});

test('On a free path, every method is forwarded unchanged; on a priced route without `methods`, every method gets 402', async () => {
  for (const method of ['DELETE', 'PATCH', 'PROPFIND', 'PUT']) {
    await send(paywall.url, '/free', { method });
    assert.equal(origin.last().method, method);
    assert.equal((await send(paywall.url, '/sold', { method })).status, 402);
  }
});

// R1 (CHANGELOG), https://github.com/tinyproxy/tinyproxy/issues/426; R12 (CHANGELOG), https://github.com/proxykit/ProxyKit/issues/43
test('Response headers with the URL of the origin get the public URL, and X-Forwarded-Host has the port', async () => {
  let prefix = '';
  const spelled = [];
  const naming = await startRecordingOrigin({
    '/moved': (_, response) => response.writeHead(301, named()).end(),
    '/app/moved': (_, response) => response.writeHead(301, named()).end(),
    '/spelled': (_, response) => response.writeHead(301, spelled).end(),
  });
  const named = () => ({
    Location: `${naming.url}${prefix}/sold/`,
    'Content-Location': `${naming.url}${prefix}/x`,
    Link: `<${naming.url}${prefix}/a>; rel=next, <https://other.test/>; rel=x`,
    Refresh: `5; url=${naming.url}${prefix}/a`,
    'HX-Redirect': `${naming.url}${prefix}/a`,
    'X-Inertia-Location': `${naming.url}${prefix}/b`,
    SourceMap: `${naming.url}${prefix}/b.map`,
    'Alt-Svc': `h2="${new URL(naming.url).host}"`,
    'Set-Cookie': [`a=1; Domain=127.0.0.1; Path=${prefix}/x`, 'b=2; Path=/y; HttpOnly', `c=3; Domain=other.test`],
  });
  for (prefix of ['', '/app']) {
    const { url, server } = await startPaywall({ toll, vars: { ORIGIN_URL: `${naming.url}${prefix}` } });
    const { status, headers } = await send(url, '/moved');
    assert.equal(status, 301);
    assert.equal(headers.location, `${url}/sold/`);
    assert.equal(headers['content-location'], `${url}/x`);
    assert.equal(headers.link, `<${url}/a>; rel=next, <https://other.test/>; rel=x`);
    assert.equal(headers.refresh, `5; url=${url}/a`);
    assert.equal(headers['hx-redirect'], `${url}/a`);
    assert.equal(headers['x-inertia-location'], `${url}/b`);
    assert.equal(headers.sourcemap, `${url}/b.map`);
    assert.equal(headers['alt-svc'], undefined);
    assert.deepEqual(headers['set-cookie'], ['a=1; Path=/x', 'b=2; Path=/y; HttpOnly', 'c=3; Domain=other.test']);
    assert.equal(naming.last().headers['x-forwarded-host'], new URL(url).host);
    if (prefix === '') await assertSpellings(url);
    await server.stop();
  }
  async function assertSpellings(url) {
    const { port } = new URL(naming.url);
    for (const [name, value, expected] of [
      ['Location', `http://user@127.0.0.1:${port}/x`, `${url}/x`],
      ['Location', `http://127.1:${port}/x`, `${url}/x`],
      ['Location', `http:\\\\127.0.0.1:${port}\\x`, `${url}/x`],
      ['Location', `//127.0.0.1:${port}/x`, `${url}/x`],
      ['Location', 'http://127.0.0.1:1/x', 'http://127.0.0.1:1/x'],
      ['Refresh', `0; url = '${naming.url}/x'`, `0; url = '${url}/x'`],
      ['Refresh', `0, ${naming.url}/x`, `0, ${url}/x`],
      ['Link', `< ${naming.url}/x >; rel=next`, `<${url}/x>; rel=next`],
    ]) {
      spelled.splice(0, 2, name, value);
      assert.equal((await send(url, '/spelled')).headers[name.toLowerCase()], expected, `${name}: ${value}`);
    }
  }
  await naming.close();
  assert.equal((await send(paywall.url, '/moved')).headers.location, '/else');
});

// R8 (CHANGELOG)
test('With an ORIGIN_TOKEN that cannot be sent, nothing is sold, and free requests are forwarded without it', async () => {
  const { url, server, logged } = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url, ORIGIN_TOKEN: 'r\u00e9sum\u00e9-0123456789abcdef' } });
  assert.equal((await send(url, '/free')).status, 200);
  assert.equal(origin.last().headers['x-toll-origin-token'], undefined);
  const { status, json } = await send(url, '/sold');
  assert.deepEqual([status, json().code], [503, 'not_configured']);
  assert.equal((await send(url, '/_toll/health')).json().configured, false);
  await logged(/"detail":"ORIGIN_TOKEN is not sent: it must have at least 16 ASCII characters/);
  await server.stop();
});
