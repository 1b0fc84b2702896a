import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
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
  paywall = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url } });
  bought = await buy(paywall.url, '/sold');
});
after(() => origin.close());

const show = (authorization, path = '/sold', options = {}) =>
  send(paywall.url, path, { ...options, headers: { authorization, ...options.headers } });

/** Garbage and forgeries: 401, a bare challenge, the reason, nothing at the origin. */
async function assertUnauthorized(authorization, code, path) {
  const reached = origin.requests.length;
  const { status, headers, json } = await show(authorization, path);
  assert.equal(status, 401, code);
  assert.equal(headers['www-authenticate'], 'L402');
  assert.equal(headers['cache-control'], 'no-store');
  assert.equal(json().code, code);
  assert.equal(origin.requests.length, reached);
}

/** Genuine but not good here: 402, a fresh challenge that says why, nothing at the origin. */
async function assertChallengedAnew(authorization, code, path, options) {
  const reached = origin.requests.length;
  const { status, headers, json } = await show(authorization, path, options);
  assert.equal(status, 402, code);
  assert.ok(parseChallenge(headers['www-authenticate']).invoice);
  assert.equal(json().code, code);
  assert.notEqual(json().paymentHash, bought.challenge.paymentHash);
  assert.equal(origin.requests.length, reached);
}

test('a forged macaroon is refused, in both encodings', async () => {
  const { macaroons, preimage } = bought;
  await assertUnauthorized(`L402 ${tamper(macaroons.standard)}:${preimage}`, 'bad_signature');
  const forged = JSON.parse(Buffer.from(macaroons.lightningToll, 'base64url'));
  forged.caveats[0] = 'expires_at = 4102444800';
  const encoded = Buffer.from(JSON.stringify(forged)).toString('base64url');
  await assertUnauthorized(`L402 ${encoded}:${preimage}`, 'bad_signature');
});

test('a wrong preimage is refused, one of another payment too', async () => {
  const other = await buy(paywall.url, '/sold');
  for (const macaroon of Object.values(bought.macaroons)) {
    await assertUnauthorized(`L402 ${macaroon}:${randomBytes(32).toString('hex')}`, 'wrong_preimage');
    await assertUnauthorized(`L402 ${macaroon}:${other.preimage}`, 'wrong_preimage');
    await assertUnauthorized(`L402 ${macaroon}:${'1'.repeat(64)}`, 'wrong_preimage');
    await assertUnauthorized(`L402 ${macaroon}:${bought.challenge.paymentHash}`, 'wrong_preimage');
  }
});

test('an expired credential gets a fresh challenge', async () => {
  const { macaroons, preimage } = bought;
  await assertChallengedAnew(`L402 ${attenuate(macaroons.standard, `toll_valid_until=${past}`)}:${preimage}`, 'expired');
  const expired = attenuateLightningToll(macaroons.lightningToll, `expires_at = ${past}`);
  await assertChallengedAnew(`L402 ${expired}:${preimage}`, 'expired');
});

test('a credential opens no other path and no other method', async () => {
  for (const credential of [bought.standard, bought.lightningToll]) {
    await assertChallengedAnew(credential, 'endpoint_mismatch', '/sold/too');
    await assertChallengedAnew(credential, 'method_mismatch', '/sold', { method: 'POST' });
  }
});

test('a credential opens no other host', async () => {
  for (const credential of [bought.standard, bought.lightningToll]) {
    await assertChallengedAnew(credential, 'host_mismatch', '/sold', { headers: { Host: 'localhost' } });
  }
});

test('a credential buys no dearer request than it paid for', async () => {
  const { macaroons, preimage } = bought;
  await assertChallengedAnew(`L402 ${attenuate(macaroons.standard, 'amount_sats=4')}:${preimage}`, 'underpaid');
  const cheap = attenuateLightningToll(macaroons.lightningToll, 'amount_sats = 4');
  await assertChallengedAnew(`L402 ${cheap}:${preimage}`, 'underpaid');
});

test('a raised price is not covered by what was paid before', async () => {
  const raised = { routes: [{ path: '/sold', sats: 6 }] };
  const dearer = await startPaywall({ toll: raised, vars: { ORIGIN_URL: origin.url, TOLL_SECRET: paywall.secret } });
  const { status, json } = await send(dearer.url, '/sold', { headers: { authorization: bought.standard } });
  assert.equal(status, 402);
  assert.equal(json().code, 'underpaid');
  assert.equal(json().amountSats, 6);
});

test('a credential of another deployment gets a fresh challenge where its key is unknown, and 401 where it is forged', async () => {
  const stranger = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url } });
  const { standard, lightningToll } = await buy(stranger.url, '/sold');
  await assertChallengedAnew(standard, 'unknown_key');
  await assertUnauthorized(lightningToll, 'bad_signature');
});

test('a rotated secret still verifies what it signed', async () => {
  const rotated = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url, TOLL_SECRET_PREVIOUS: paywall.secret } });
  for (const authorization of [bought.standard, bought.lightningToll]) {
    assert.equal((await send(rotated.url, '/sold', { headers: { authorization } })).status, 200);
  }
});

test('garbage is refused with its reason and makes no invoice', async () => {
  const { macaroons, preimage } = bought;
  const [counted, sold] = [await invoicesFor('/counted'), await invoicesFor('/sold')];
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
  assert.deepEqual([await invoicesFor('/counted'), await invoicesFor('/sold')], [counted, sold]);
});

test('other schemes are no credential: they get a challenge', async () => {
  for (const authorization of ['Bearer abc', 'Basic dXNlcjpwYXNz', `L402${bought.macaroons.standard}`, 'Digest username="L402 a:b", realm="x"']) {
    const { status, json } = await show(authorization);
    assert.equal(status, 402);
    assert.equal(json().code, undefined);
  }
});

test('a path with a price for other methods only is 405, and a preflight is neither charged nor answered with content', async () => {
  const wrong = await send(paywall.url, '/posted');
  assert.equal(wrong.status, 405);
  assert.equal(wrong.headers.allow, 'POST');
  assert.equal(wrong.json().code, 'method_not_allowed');
  for (const path of ['/posted', '/sold']) {
    const headers = { 'Access-Control-Request-Method': 'POST', Origin: 'https://example.org' };
    const preflight = await send(paywall.url, path, { method: 'OPTIONS', headers, body: 'echo me' });
    assert.equal(preflight.status, 200);
    assert.equal(preflight.text, '');
  }
  assert.equal((await send(paywall.url, '/sold', { method: 'OPTIONS' })).status, 402);
});

test('a priced path is not served under a spelling that the price list does not know', async () => {
  const reached = origin.requests.length;
  for (const path of [
    '//sold', '/sold/', '/sold//', '/./sold/', '/SOLD', '/sold;x=1', '/so%6cd', '/so%256cd', '/sold%20', '/sold.', '/sold%2e',
    '/sold%00', '/sold%00.png', '/%2fsold', '/x%2f..%2fsold', '/x%5c..%5csold', '/sold%3fa', '/sold%23a', '/sold%0d%0a', '/s%EF%BC%8Fold/../../sold/',
  ]) {
    const { status, json } = await send(paywall.url, path);
    assert.equal(status, 400, path);
    assert.equal(json().code, 'ambiguous_path', path);
  }
  assert.equal(origin.requests.length, reached);
});

test('letters that fold to a priced path’s letters are no way around it', async () => {
  const folding = await startPaywall({ toll: { routes: [{ path: '/kelvin', sats: 5 }, { path: '/straße', sats: 5 }] }, vars: { ORIGIN_URL: origin.url } });
  assert.equal((await send(folding.url, '/stra%C3%9Fe')).status, 402);
  assert.equal((await send(folding.url, '/%E2%84%AAelvin')).json().code, 'ambiguous_path');
  assert.equal((await send(folding.url, '/STRA%C3%9FE')).json().code, 'ambiguous_path');
});

test('a path that is too long for a credential is not sold', async () => {
  const long = await startPaywall({ toll: { routes: [{ path: '/files/*', sats: 5 }] }, vars: { ORIGIN_URL: origin.url } });
  const { standard, lightningToll } = await buy(long.url, `/files/${'x'.repeat(4000)}`);
  for (const authorization of [standard, lightningToll]) {
    assert.equal((await send(long.url, `/files/${'x'.repeat(4000)}`, { headers: { authorization } })).status, 200);
  }
  const { status, json } = await send(long.url, `/files/${'x'.repeat(4100)}`);
  assert.equal(status, 414);
  assert.equal(json().code, 'path_too_long');
});
