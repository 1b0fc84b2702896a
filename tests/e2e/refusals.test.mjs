import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { after, before, test } from 'node:test';
import { ADMIN_TOKEN } from './support/admin.mjs';
import { attenuate, attenuateLightningToll, buy, parseChallenge, send, tamper } from './support/client.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { invoicesFor, startPaywall } from './support/paywall.mjs';

const toll = {
  routes: [
    { path: '/sold', sats: 5 },
    { path: '/sold/too', sats: 5 },
    { path: '/counted', sats: 5 },
    { path: '/posted', methods: ['POST'], sats: 5 },
  ],
};
const past = Math.floor(Date.now() / 1000) - 10;
let origin, paywall, bought;
before(async () => {
  origin = await startRecordingOrigin();
  paywall = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url, ADMIN_TOKEN } });
  bought = await buy(paywall.url, '/sold');
});
after(() => origin.close());

const sendCredential = (authorization, path = '/sold', options = {}) =>
  send(paywall.url, path, { ...options, headers: { authorization, ...options.headers } });

/** Asserts that a malformed or forged credential gets 401 with this code and no invoice, and that the request is not forwarded. */
async function assertUnauthorized(authorization, code, path) {
  const reached = origin.requests.length;
  const { status, headers, json } = await sendCredential(authorization, path);
  assert.equal(status, 401, code);
  assert.equal(headers['www-authenticate'], 'L402');
  assert.equal(headers['cache-control'], 'no-store');
  assert.equal(json().code, code);
  assert.equal(origin.requests.length, reached);
}

/** Asserts that a credential gets 402 with this code and a new invoice, and that the request is not forwarded. */
async function assertNewChallenge(authorization, code, path, options) {
  const reached = origin.requests.length;
  const { status, headers, json } = await sendCredential(authorization, path, options);
  assert.equal(status, 402, code);
  assert.ok(parseChallenge(headers['www-authenticate']).invoice);
  assert.equal(json().code, code);
  assert.notEqual(json().paymentHash, bought.challenge.paymentHash);
  assert.equal(origin.requests.length, reached);
}

/** Sends the head of a POST and a part of its body; returns the status of the response. */
const sendPartOfBody = (path) =>
  new Promise((resolve, reject) => {
    const headers = { 'Content-Length': 100, 'Content-Type': 'application/x-www-form-urlencoded' };
    const request = httpRequest(`${paywall.url}${path}`, { method: 'POST', headers }, ({ statusCode }) => resolve(request.destroy() && statusCode));
    request.on('error', reject);
    request.write('macaroon=');
  });

// A11 (CHANGELOG)
test('A request to an own endpoint whose body does not arrive gets 408', { timeout: 20_000 }, async () => {
  assert.deepEqual(await Promise.all(['/_toll/settle', '/_toll/login'].map(sendPartOfBody)), [408, 408]);
});

test('A forged macaroon gets 401, both in the standard encoding and in lightning-toll’s encoding', async () => {
  const { macaroons, preimage } = bought;
  await assertUnauthorized(`L402 ${tamper(macaroons.standard)}:${preimage}`, 'bad_signature');
  const forged = JSON.parse(Buffer.from(macaroons.lightningToll, 'base64url'));
  forged.caveats[0] = 'expires_at = 4102444800';
  const encoded = Buffer.from(JSON.stringify(forged)).toString('base64url');
  await assertUnauthorized(`L402 ${encoded}:${preimage}`, 'bad_signature');
});

test('A wrong preimage gets 401, even if it is the preimage of another payment', async () => {
  const other = await buy(paywall.url, '/sold');
  for (const macaroon of Object.values(bought.macaroons)) {
    await assertUnauthorized(`L402 ${macaroon}:${randomBytes(32).toString('hex')}`, 'wrong_preimage');
    await assertUnauthorized(`L402 ${macaroon}:${other.preimage}`, 'wrong_preimage');
    await assertUnauthorized(`L402 ${macaroon}:${'1'.repeat(64)}`, 'wrong_preimage');
    await assertUnauthorized(`L402 ${macaroon}:${bought.challenge.paymentHash}`, 'wrong_preimage');
  }
});

test('An expired credential gets 402 with a new challenge', async () => {
  const { macaroons, preimage } = bought;
  await assertNewChallenge(`L402 ${attenuate(macaroons.standard, `toll_valid_until=${past}`)}:${preimage}`, 'expired');
  const expired = attenuateLightningToll(macaroons.lightningToll, `expires_at = ${past}`);
  await assertNewChallenge(`L402 ${expired}:${preimage}`, 'expired');
});

test('A credential is not valid for another path or method', async () => {
  for (const credential of [bought.standard, bought.lightningToll]) {
    await assertNewChallenge(credential, 'endpoint_mismatch', '/sold/too');
    await assertNewChallenge(credential, 'method_mismatch', '/sold', { method: 'POST' });
  }
});

test('A credential is not valid for another host', async () => {
  for (const credential of [bought.standard, bought.lightningToll]) {
    await assertNewChallenge(credential, 'host_mismatch', '/sold', { headers: { Host: 'localhost' } });
  }
});

test('A credential is not valid for a request that costs more than was paid', async () => {
  const { macaroons, preimage } = bought;
  await assertNewChallenge(`L402 ${attenuate(macaroons.standard, 'amount_sats=4')}:${preimage}`, 'underpaid');
  const cheap = attenuateLightningToll(macaroons.lightningToll, 'amount_sats = 4');
  await assertNewChallenge(`L402 ${cheap}:${preimage}`, 'underpaid');
});

test('With honor_paid = false, a credential bought at a lower price is refused as underpaid after a price increase', async () => {
  const raisedPrice = { routes: [{ path: '/sold', sats: 6, honor_paid: false }] };
  const afterIncrease = await startPaywall({ toll: raisedPrice, vars: { ORIGIN_URL: origin.url, TOLL_SECRET: paywall.secret } });
  const { status, json } = await send(afterIncrease.url, '/sold', { headers: { authorization: bought.standard } });
  assert.equal(status, 402);
  assert.equal(json().code, 'underpaid');
  assert.equal(json().amountSats, 6);
});

test('From a deployment with another secret, a standard macaroon gets 402 unknown_key, and a lightning-toll macaroon gets 401 bad_signature', async () => {
  const otherDeployment = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url } });
  const { standard, lightningToll } = await buy(otherDeployment.url, '/sold');
  await assertNewChallenge(standard, 'unknown_key');
  await assertUnauthorized(lightningToll, 'bad_signature');
});

test('After a rotation of TOLL_SECRET, credentials that were signed with the previous secret are still valid', async () => {
  const rotated = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url, TOLL_SECRET_PREVIOUS: paywall.secret } });
  for (const authorization of [bought.standard, bought.lightningToll]) {
    assert.equal((await send(rotated.url, '/sold', { headers: { authorization } })).status, 200);
  }
});

test('A malformed credential gets 401 with a specific code and creates no invoice', async () => {
  const { macaroons, preimage } = bought;
  const [countedInvoices, soldInvoices] = [await invoicesFor('/counted'), await invoicesFor('/sold')];
  const json = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const id = bought.challenge.paymentHash;
  for (const [credential, code] of [
    [`L402 ${tamper(macaroons.standard)}:${preimage}`, 'bad_signature'],
    [`L402 ${macaroons.standard}:${'1'.repeat(64)}`, 'wrong_preimage'],
    ['L402', 'malformed_credential'],
    ['L402 ', 'malformed_credential'],
    ['L402 :', 'malformed_credential'],
    [`L402 :${preimage}`, 'malformed_credential'],
    [`L402 ${macaroons.standard},garbage`, 'malformed_credential'],
    [`L402 ${macaroons.standard}:${preimage}:extra`, 'malformed_preimage'],
    [`L402 ${macaroons.standard}:${preimage.slice(1)}`, 'malformed_preimage'],
    [`L402 ${macaroons.standard}:${preimage}0`, 'malformed_preimage'],
    [`L402 "${macaroons.standard}:${preimage}"`, 'malformed_preimage'],
    [`L402\t${macaroons.standard}:${preimage}`, 'malformed_credential'],
    [`L402 garbage:${preimage}`, 'malformed_macaroon'],
    [`L402 \xff\xfe\x80:${preimage}`, 'malformed_macaroon'],
    [`L402 ${macaroons.standard}:\xff${preimage.slice(2)}`, 'malformed_preimage'],
    [`L402 !${macaroons.standard}:${preimage}`, 'malformed_macaroon'],
    [`L402 ${json({ id, caveats: [], signature: '00' })}:${preimage}`, 'malformed_macaroon'],
    [`L402 ${json({ id, caveats: [], signature: 5 })}:${preimage}`, 'malformed_macaroon'],
    [`L402 ${json({ id: 5, caveats: [5], signature: null })}:${preimage}`, 'malformed_macaroon'],
    [`L402 ${macaroons.standard},${'A'.repeat(8200)}:${preimage}`, 'credential_too_large'],
    [`L402 ${'A'.repeat(65536)}:${preimage}`, 'credential_too_large'],
    [`LSAT ${attenuate(macaroons.standard, 'endpoint')}:${preimage}`, 'malformed_caveat'],
    [`LSAT ${attenuate(macaroons.standard, 'Endpoint=/counted')}:${preimage}`, 'malformed_caveat'],
    [`LSAT ${attenuate(macaroons.standard, 'toll_valid_until=NaN')}:${preimage}`, 'malformed_caveat'],
    [`LSAT ${attenuate(macaroons.standard, 'toll_valid_until=9999999999')}:${preimage}`, 'widened_caveat'],
    [`LSAT ${attenuateLightningToll(macaroons.lightningToll, 'foo')}:${preimage}`, 'malformed_caveat'],
  ]) {
    const path = code.endsWith('caveat') ? '/sold' : '/counted';
    await assertUnauthorized(credential, code, path);
  }
  assert.deepEqual([await invoicesFor('/counted'), await invoicesFor('/sold')], [countedInvoices, soldInvoices]);
});

test('An Authorization header with another scheme than L402 or LSAT gets a challenge, as a request without a credential does', async () => {
  for (const authorization of ['Bearer abc', 'Basic dXNlcjpwYXNz', `L402${bought.macaroons.standard}`, 'Digest username="L402 a:b", realm="x"']) {
    const { status, json } = await sendCredential(authorization);
    assert.equal(status, 402);
    assert.equal(json().code, undefined);
  }
});

test('On a priced path, a method without a price gets 405, and a preflight gets a free response without content', async () => {
  const wrong = await send(paywall.url, '/posted');
  assert.equal(wrong.status, 405);
  assert.equal(wrong.headers.allow, 'POST');
  assert.equal(wrong.json().code, 'method_not_allowed');
  for (const path of ['/posted', '/sold']) {
    const headers = { 'Access-Control-Request-Method': 'POST', Origin: 'https://example.org' };
    const preflight = await send(paywall.url, path, { method: 'OPTIONS', headers, body: 'echo me' });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.text, '');
  }
  assert.equal((await send(paywall.url, '/sold', { method: 'OPTIONS' })).status, 402);
});

test('A path that some origin may normalize to a priced path is refused as ambiguous', async () => {
  const reached = origin.requests.length;
  for (const path of [
    '//sold', '/sold//', '/./SOLD', '/SOLD', '/sold;x=1', '/so%6cd', '/so%256cd', '/sold%20', '/sold.', '/sold%2e',
    '/sold%00', '/sold%00.png', '/%2fsold', '/x%2f..%2fsold', '/x%5c..%5csold', '/sold%3fa', '/sold%23a', '/sold%0d%0a', '/s%EF%BC%8Fold/../../sold//',
  ]) {
    const { status, json } = await send(paywall.url, path);
    assert.equal(status, 400, path);
    assert.equal(json().code, 'ambiguous_path', path);
  }
  assert.equal(origin.requests.length, reached);
});

test('A path whose Unicode letters case-fold to a priced path is refused as ambiguous', async () => {
  const folding = await startPaywall({ toll: { routes: [{ path: '/kelvin', sats: 5 }, { path: '/straße', sats: 5 }] }, vars: { ORIGIN_URL: origin.url } });
  assert.equal((await send(folding.url, '/stra%C3%9Fe')).status, 402);
  assert.equal((await send(folding.url, '/%E2%84%AAelvin')).json().code, 'ambiguous_path');
  assert.equal((await send(folding.url, '/STRA%C3%9FE')).json().code, 'ambiguous_path');
});

test('A path that is too long for a credential gets 414', async () => {
  const long = await startPaywall({ toll: { routes: [{ path: '/files/*', sats: 5 }] }, vars: { ORIGIN_URL: origin.url } });
  const { standard, lightningToll } = await buy(long.url, `/files/${'x'.repeat(4000)}`);
  for (const authorization of [standard, lightningToll]) {
    assert.equal((await send(long.url, `/files/${'x'.repeat(4000)}`, { headers: { authorization } })).status, 200);
  }
  const { status, json } = await send(long.url, `/files/${'x'.repeat(4100)}`);
  assert.equal(status, 414);
  assert.equal(json().code, 'path_too_long');
});
