// Requests that the Worker signs with ORIGIN_SECRET, as the origins that docs/origin-signature.md shows see them. These verify with
// libraries of other people for Node and Python.
import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createSigner, createVerifier, httpbis } from 'http-message-signatures';
import { WebSocket } from 'ws';
import { freePort, root } from '../../tools/lib/run.mjs';
import { buy, send } from './support/client.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { run, startPaywall } from './support/paywall.mjs';

const toll = { routes: [{ path: '/sold', sats: 7 }, { path: '/base/sold', sats: 7 }] };
const secret = randomBytes(32).toString('hex');

const document = readFileSync(join(root, 'docs/origin-signature.md'), 'utf8');
const examples = ['Node', 'Python'].map((name) => {
  const section = document.split(`\n## ${name}\n`)[1].split('\n## ')[0];
  const [, code] = section.match(/```\w+\n(.*?)```/s);
  const [, command] = section.match(/^Run it:\n\n {4}(.+)$/m);
  return { name, code, file: code.match(/^(?:\/\/|#) (origin\S+)$/m)[1], args: command.split(' ').slice(1) };
});
const interpreters = { Node: process.execPath, Python: join(root, '.tools/http-signatures/bin/python') };

/** Starts a documented origin. */
async function start({ name, file, code, args }, port, ORIGIN_SECRET = secret) {
  const dir = run.folder('origin');
  symlinkSync(join(root, 'node_modules'), join(dir, 'node_modules'));
  const withPort = (text) => text.replaceAll('3000', String(port));
  writeFileSync(join(dir, file), withPort(code));
  return run.start('origin', interpreters[name], args.map(withPort), { cwd: dir, env: { ...process.env, ORIGIN_SECRET } });
}

let recorder, paywall, verifiers, credential;
before(async () => {
  recorder = await startRecordingOrigin();
  paywall = await startPaywall({ toll, vars: { ORIGIN_URL: recorder.url, ORIGIN_SECRET: secret } });
  verifiers = await Promise.all(examples.map(async (example) => {
    const port = await freePort();
    const server = await start(example, port);
    const url = `http://127.0.0.1:${port}`;
    await server.until(() => fetch(url).then(() => true, () => false));
    return { name: example.name, url };
  }));
  credential = (await buy(paywall.url, '/sold')).standard;
});
after(async () => {
  await recorder.close();
});

/** Sends a request to the paywall. Returns the request that reaches the origin. */
async function forwarded(path, options) {
  const count = recorder.requests.length;
  const { status } = await send(paywall.url, path, options);
  assert.equal(recorder.requests.length, count + 1, `${path}: ${status}`);
  const { method, path: received, headers } = recorder.last();
  return { method, path: received, headers };
}

/** Returns a new request that was paid for. The origins accept it for a minute. */
const forwardedPaid = () => forwarded('/sold', { headers: { authorization: credential } });

/** Sends a request to each documented origin, and compares the statuses. */
async function assertStatus(expected, { method, path, headers }, message) {
  const { host, connection, upgrade, 'content-length': length, 'transfer-encoding': chunked, ...others } = headers;
  for (const { name, url } of verifiers) {
    const { status } = await send(url, path, { method, headers: others });
    assert.equal(status, expected, `${name}: ${message ?? `${method} ${path}`}`);
  }
}

test('The documented origins verify free and paid requests with every method, query and path', async () => {
  await assertStatus(200, await forwardedPaid());
  const { standard } = await buy(paywall.url, '/sold', { method: 'POST' });
  const authorization = standard;
  await assertStatus(200, await forwarded('/sold', { method: 'POST', body: 'hello', headers: { authorization } }));
  await assertStatus(200, await forwarded('/sold', { method: 'POST', chunks: ['hel', 'lo'], headers: { authorization } }));
  for (const method of ['DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT']) await assertStatus(200, await forwarded('/free', { method }));
  for (const path of [
    '/', '/?', '/free?', '/free?a=1&b=%20c', '/free?a=b?c=/&&=', '/free?ids[]=1|2', "/free?q='%22%zz", '/free??', '/free?a+b',
    '/a%2Fb//c;d=e', '/caf%C3%A9', '/%zz?x=//', '/free%00', "/a'b(c)*!$,:@", '/a|b^c', '/a%7Cb%5ec', '/%3F?%3f',
  ]) await assertStatus(200, await forwarded(path));
});

test('The documented origins verify the path that they receive, if ORIGIN_URL has a path', async () => {
  const based = await startPaywall({ toll, vars: { ORIGIN_URL: `${recorder.url}/x/../ba|se^/`, ORIGIN_SECRET: secret } });
  for (const path of ['/free', '/free?a=%2F', '/%2e%2E/free?']) {
    await send(based.url, path);
    await assertStatus(200, recorder.last());
  }
  assert.match(recorder.last().path, /^\/ba.*\/free/);
  await based.server.stop();
});

test('A service bound as ORIGIN receives signed requests', async () => {
  const dir = run.folder('service');
  writeFileSync(join(dir, 'origin.mjs'), 'export default { fetch: ({ method, url, headers }) => Response.json({ method, path: new URL(url).pathname, headers: Object.fromEntries(headers) }) };');
  writeFileSync(join(dir, 'wrangler.json'), JSON.stringify({ name: 'bound-origin', main: 'origin.mjs', compatibility_date: '2026-11-01' }));
  const bound = await startPaywall({
    toll,
    vars: { ORIGIN_SECRET: secret },
    config: { services: [{ binding: 'ORIGIN', service: 'bound-origin' }] },
    args: ['-c', join(dir, 'wrangler.json')],
  });
  await assertStatus(200, (await send(bound.url, '/free')).json());
  await bound.server.stop();
});

test('The first request of a WebSocket is signed', async () => {
  const socket = new WebSocket(`${paywall.url.replace('http', 'ws')}/free?x`);
  await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject));
  socket.close();
  assert.equal(recorder.last().headers.upgrade, 'websocket');
  await assertStatus(200, recorder.last());
});

test('The documented origins refuse a request that was changed on the way', async () => {
  const paid = await forwardedPaid();
  const { headers } = paid;
  assert.equal(headers['x-toll-status'], 'paid');
  const without = (name) => Object.fromEntries(Object.entries(headers).filter(([other]) => other !== name));
  const changed = (name, change) => ({ ...headers, [name]: change(headers[name]) });
  const setTime = (input) => input.replace(/created=(\d+)/, (_, created) => `created=${Number(created) + 1}`);
  for (const [message, request] of [
    ['another path', { path: '/other' }],
    ['another spelling of the path', { path: '/sol%64' }],
    ['an added query', { path: '/sold?x' }],
    ['another method', { method: 'DELETE' }],
    ['no signature', { headers: without('signature') }],
    ['no signature input', { headers: without('signature-input') }],
    ['no status', { headers: without('x-toll-status') }],
    ['no payment hash', { headers: without('x-toll-payment-hash') }],
    ['another amount', { headers: changed('x-toll-amount-sats', (sats) => `${sats}0`) }],
    ['another client', { headers: changed('x-toll-client', (client) => [...client].reverse().join('')) }],
    ['a second status', { headers: changed('x-toll-status', (status) => [status, 'paid']) }],
    ['an added header', { headers: { ...headers, 'x-toll-refund': '1' } }],
    ['a later time', { headers: changed('signature-input', setTime) }],
    ['another signature', { headers: changed('signature', (value) => value.replace(/:./, (start) => (start === ':A' ? ':B' : ':A'))) }],
    ['an uncovered amount', { headers: changed('signature-input', (input) => input.replace(' "x-toll-amount-sats"', '')) }],
    ['another label', { headers: { ...changed('signature', (value) => value.replace('toll=', 'x=')), 'signature-input': headers['signature-input'].replace('toll=', 'x=').replace('tag="edgetoll"', 'tag="x"') } }],
  ]) await assertStatus(403, { ...paid, ...request }, message);
  await assertStatus(200, paid);
});

test('The documented origins refuse requests with a right signature that is old, or does not cover enough', async () => {
  const base = { method: 'GET', path: '/sold', headers: { 'x-toll-status': 'paid', 'x-toll-amount-sats': '7' } };
  const all = ['@method', '@path', '@query', 'x-toll-status', 'x-toll-amount-sats'];
  const sign = async ({ fields = all, age = 0, key = secret, alg = 'hmac-sha256', params, ...values }) => {
    const { headers } = await httpbis.signMessage(
      {
        key: createSigner(key, 'hmac-sha256'),
        name: 'toll',
        fields,
        params: params ?? ['created', 'keyid', 'alg', 'tag'],
        paramValues: { created: new Date(Date.now() - age * 1000), keyid: 'toll', alg, tag: 'edgetoll', ...values },
      },
      { ...base, url: `http://origin${base.path}` },
    );
    return { ...base, headers };
  };
  await assertStatus(200, await sign({}), 'now');
  await assertStatus(200, await sign({ age: 45 }), 'young');
  await assertStatus(403, await sign({ age: 75 }), 'old');
  await assertStatus(403, await sign({ age: -75 }), 'from the future');
  await assertStatus(403, await sign({ params: ['keyid', 'alg', 'tag'] }), 'without a time');
  await assertStatus(403, await sign({ key: randomBytes(32).toString('hex') }), 'another secret');
  await assertStatus(403, await sign({ keyid: 'other' }), 'another key id');
  await assertStatus(403, await sign({ tag: 'other' }), 'another tag');
  await assertStatus(403, await sign({ alg: 'ed25519' }), 'another algorithm');
  for (const field of all) await assertStatus(403, await sign({ fields: all.filter((other) => other !== field) }), `without ${field}`);
});

test('Signatures of a client reach the origin and stay valid, and a client cannot replace that of edgetoll', async () => {
  const key = randomBytes(32);
  const own = { method: 'GET', url: 'http://client/free', headers: { 'x-own': 'a, b' } };
  const signed = await httpbis.signMessage(
    { key: createSigner(key, 'hmac-sha256', 'own'), name: 'sig1', fields: ['@method', 'x-own'], paramValues: { nonce: 'a, toll=("' } },
    own,
  );
  const request = await forwarded('/free', { headers: signed.headers });
  await assertStatus(200, request, 'the signature of edgetoll beside that of the client');
  const verifier = { verify: createVerifier(key, 'hmac-sha256') };
  const rules = { keyLookup: async ({ keyid }) => (keyid === 'own' ? verifier : null) };
  assert.equal(await httpbis.verifyMessage(rules, { ...own, headers: request.headers }), true);
  assert.match(request.headers['signature-input'], /^sig1=.*, toll=\(/);

  // Verifiers refuse all signatures if one has an unknown form, so such signatures are not forwarded.
  const edgetollOnly = /^toll=\("@method" "@path" "@query" "x-toll-hop" "x-toll-status" "x-toll-client"\);created=\d+;keyid="toll";alg="hmac-sha256";tag="edgetoll"$/;
  for (const headers of [
    { 'Signature-Input': 'toll=("@method");keyid="toll";tag="edgetoll"', Signature: 'toll=:AA==:' },
    { 'Signature-Input': ['toll=()', 'toll=()'], Signature: ['toll=:AA==:', 'toll=:AA==:'] },
    { Signature: 'keyId="https://example.com/a#main-key",algorithm="rsa-sha256",headers="(request-target) host",signature="AA=="' },
    { 'Signature-Input': 'a="', Signature: 'a=:AA==:' },
    { 'Signature-Input': 'a=()', Signature: 'a="' },
    { 'Signature-Input': 'a=()' },
    { signature_input: 'toll=()', Signature: 'toll=:AA==:' },
  ]) {
    const { headers: received, ...rest } = await forwarded('/free', { headers });
    await assertStatus(200, { ...rest, headers: received }, JSON.stringify(headers));
    assert.match(received['signature-input'], edgetollOnly);
    assert.match(received.signature, /^toll=:[A-Za-z0-9+/]{43}=:$/);
    assert.equal(received.signature_input, undefined);
  }
});

test('The signature of a client that is not ours, but claims to be, is not accepted', async () => {
  const { headers } = await httpbis.signMessage(
    { key: createSigner('a secret of the client', 'hmac-sha256', 'toll'), name: 'sig1', fields: ['@method'], params: ['keyid', 'alg', 'tag'], paramValues: { tag: 'edgetoll' } },
    { method: 'GET', url: 'http://client/free', headers: {} },
  );
  await assertStatus(403, { method: 'GET', path: '/free', headers: { ...headers, 'x-toll-status': 'paid' } });
});

test('The token is covered, and a request without ORIGIN_SECRET, or with a weak one, is not signed', async () => {
  const token = randomBytes(32).toString('hex');
  const both = await startPaywall({ toll, vars: { ORIGIN_URL: recorder.url, ORIGIN_SECRET: secret, ORIGIN_TOKEN: token } });
  await send(both.url, '/free');
  const request = recorder.last();
  await assertStatus(200, request);
  await assertStatus(403, { ...request, headers: { ...request.headers, 'x-toll-origin-token': `${token}0` } }, 'another token');
  await both.server.stop();

  const weak = await startPaywall({ toll, vars: { ORIGIN_URL: recorder.url, ORIGIN_SECRET: 'qwertz' } });
  const signature = 'keyId="client",signature="AA=="';
  await send(weak.url, '/free', { headers: { signature } });
  assert.equal(recorder.last().headers.signature, signature);
  assert.equal(recorder.last().headers['signature-input'], undefined);
  assert.equal((await send(weak.url, '/sold')).status, 503);
  await weak.logged(/"detail":"ORIGIN_SECRET is shorter than 32 characters/);
  await weak.server.stop();
});

test('The signature is the HMAC of the signature base of RFC 9421', async () => {
  const { method, path, headers } = await forwardedPaid();
  const [, input, list] = headers['signature-input'].match(/^toll=((\(.*?\)).*)$/);
  const values = { '@method': method, '@path': path, '@query': '?', ...headers };
  const names = list.slice(1, -1).replaceAll('"', '').split(' ');
  const lines = names.map((name) => `"${name}": ${values[name]}`);
  const hmac = createHmac('sha256', secret).update([...lines, `"@signature-params": ${input}`].join('\n')).digest('base64');
  assert.equal(headers.signature, `toll=:${hmac}:`);
  assert.ok(Math.abs(Number(input.match(/created=(\d+)/)[1]) - Date.now() / 1000) < 120);
});

for (const example of examples) {
  test(`The documented origin for ${example.name} sees who paid and how much, and serves nothing if ORIGIN_SECRET is short`, async () => {
    const port = await freePort();
    const { url, server } = await startPaywall({ toll, vars: { ORIGIN_URL: `http://127.0.0.1:${port}`, ORIGIN_SECRET: secret } });
    const short = await start(example, port, 'abcde');
    await short.ended();
    assert.match(short.tail(), /set ORIGIN_SECRET to at least 32 random characters/);
    const origin = await start(example, port);
    await origin.until(() => fetch(`http://127.0.0.1:${port}`).then(() => true, () => false));
    const { standard, challenge } = await buy(url, '/sold');
    const answer = await send(url, '/sold', { headers: { authorization: standard, 'X-Toll-Amount-Sats': '999' } });
    assert.equal(answer.status, 200, answer.text);
    const { client, ...payment } = answer.json();
    assert.deepEqual(payment, { status: 'paid', amountSats: 7, paymentHash: challenge.paymentHash });
    assert.match(client, /^[0-9a-f]+$/);
    await origin.stop();
    await server.stop();
  });
}
