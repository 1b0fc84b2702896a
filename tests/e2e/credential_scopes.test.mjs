import assert from 'node:assert/strict';
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { attenuateLightningToll, buy, send } from './support/client.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { startPaywall } from './support/paywall.mjs';

const routes = [
  { path: '/sold', sats: 5 },
  { path: '/club/song', sats: 5, realm: 'club' },
  { path: '/club/film', sats: 50, realm: 'club' },
  { path: '/club/:any', sats: 5, realm: 'club' },
  { path: '/mine', sats: 5, bind: ['endpoint', 'method', 'ip'] },
  { path: '/any/method', sats: 5, bind: ['endpoint'] },
];
let origin, paywall;
before(async () => {
  origin = await startRecordingOrigin();
  paywall = await startPaywall({ toll: { routes }, vars: { ORIGIN_URL: origin.url } });
});
after(() => origin.close());

const sendCredential = (authorization, path, options = {}) =>
  send(paywall.url, path, { ...options, headers: { authorization, ...options.headers } });

async function assertRefused(credential, path, code, options) {
  const { status, json } = await sendCredential(credential, path, options);
  assert.equal(status, 402, path);
  assert.equal(json().code, code, path);
}

/** Mints a macaroon as a lightning-toll server with the same secret does. Returns macaroon, preimage and credential. */
function mintLightningToll(caveats) {
  const preimage = randomBytes(32);
  const id = createHash('sha256').update(preimage).digest('hex');
  const start = createHmac('sha256', paywall.secret).update(id).digest();
  const signature = caveats.reduce((key, caveat) => createHmac('sha256', key).update(caveat).digest(), start);
  const macaroon = Buffer.from(JSON.stringify({ id, caveats, signature: signature.toString('hex') })).toString('base64url');
  return { macaroon, preimage: preimage.toString('hex'), credential: `L402 ${macaroon}:${preimage.toString('hex')}` };
}

const inHours = (hours) => Math.floor(Date.now() / 1000) + hours * 3600;

test('A credential of a realm is valid for every route of the realm that costs no more than was paid, and for no route outside the realm', async () => {
  const { standard, lightningToll } = await buy(paywall.url, '/club/song');
  for (const credential of [standard, lightningToll]) {
    assert.equal((await sendCredential(credential, '/club/song')).status, 200);
    assert.equal((await sendCredential(credential, '/club/other', { method: 'POST' })).status, 200);
    await assertRefused(credential, '/club/film', 'underpaid');
    await assertRefused(credential, '/sold', 'realm_mismatch');
  }
  await assertRefused((await buy(paywall.url, '/sold')).standard, '/club/song', 'endpoint_mismatch');
  assert.equal((await sendCredential((await buy(paywall.url, '/club/film')).standard, '/club/song')).status, 200);
});

test('A credential bound to an IPv4 address is valid only for this address, and one bound to an IPv6 address only for its /64', async () => {
  const from = (address) => ({ headers: { 'CF-Connecting-IP': address } });
  const { standard, lightningToll } = await buy(paywall.url, '/mine', from('203.0.113.7'));
  for (const credential of [standard, lightningToll]) {
    assert.equal((await sendCredential(credential, '/mine', from('203.0.113.7'))).status, 200);
    await assertRefused(credential, '/mine', 'ip_mismatch', from('203.0.113.8'));
  }
  const forged = { headers: { 'CF-Connecting-IP': '203.0.113.8', 'X-Forwarded-For': '203.0.113.7' } };
  await assertRefused(standard, '/mine', 'ip_mismatch', forged);
  const v6 = await buy(paywall.url, '/mine', from('2001:db8:1:2::3'));
  assert.equal((await sendCredential(v6.standard, '/mine', from('2001:db8:1:2:ffff::9'))).status, 200);
  await assertRefused(v6.standard, '/mine', 'ip_mismatch', from('2001:db8:1:3::3'));
  await assertRefused((await buy(paywall.url, '/sold')).standard, '/mine', 'endpoint_mismatch');
  const unknown = await send(paywall.url, '/mine', from('not an address'));
  assert.equal(unknown.status, 403);
  assert.equal(unknown.json().code, 'unknown_client');
});

test('A credential of a route that does not bind the method is valid for every method', async () => {
  const { standard } = await buy(paywall.url, '/any/method');
  for (const method of ['GET', 'POST', 'DELETE']) assert.equal((await sendCredential(standard, '/any/method', { method })).status, 200);
});

test('A macaroon of a lightning-toll server with the same secret is valid only if it names a path without a realm and expires within a day', async () => {
  const caveats = (endpoint, hours = 1) => [`expires_at = ${inHours(hours)}`, `endpoint = ${endpoint}`, 'method = GET'];
  assert.equal((await sendCredential(mintLightningToll(caveats('/sold')).credential, '/sold')).status, 200);
  await assertRefused(mintLightningToll(caveats('/sold', 25)).credential, '/sold', 'foreign');
  await assertRefused(mintLightningToll(caveats('/sold')).credential, '/club/song', 'endpoint_mismatch');
  await assertRefused(mintLightningToll(caveats('/club/song')).credential, '/club/song', 'foreign');
  await assertRefused(mintLightningToll([`expires_at = ${inHours(1)}`]).credential, '/sold', 'unbound');
  await assertRefused(mintLightningToll(['endpoint = /sold', 'method = GET']).credential, '/sold', 'unbound');

  // A macaroon of a lightning-toll server does not become one of edgetoll if its holder adds the caveats of edgetoll.
  const { macaroon, preimage } = mintLightningToll(caveats('/sold', 48));
  const ownCaveats = ['amount_sats = 1000000', 'host = 127.0.0.1', `payable_until = ${inHours(1)}`];
  const disguised = ownCaveats.reduce((macaroon, caveat) => attenuateLightningToll(macaroon, caveat), macaroon);
  await assertRefused(`L402 ${disguised}:${preimage}`, '/sold', 'foreign');
});

test('A credential is refused if its payment is revoked, or if its macaroon is of another issuer and accept_foreign is false', async () => {
  const { standard, lightningToll, challenge } = await buy(paywall.url, '/sold');
  const otherIssuer = mintLightningToll([`expires_at = ${inHours(1)}`, 'endpoint = /sold', 'method = GET']);
  const stricter = await startPaywall({
    toll: { routes, revoked: [challenge.paymentHash], accept_foreign: false },
    vars: { ORIGIN_URL: origin.url, TOLL_SECRET: paywall.secret },
  });
  for (const [authorization, code] of [[standard, 'revoked'], [lightningToll, 'revoked'], [otherIssuer.credential, 'foreign']]) {
    assert.equal((await sendCredential(authorization, '/sold')).status, 200);
    const refused = await send(stricter.url, '/sold', { headers: { authorization } });
    assert.equal(refused.status, 402);
    assert.equal(refused.json().code, code);
  }
  const { standard: newCredential } = await buy(stricter.url, '/sold');
  assert.equal((await send(stricter.url, '/sold', { headers: { authorization: newCredential } })).status, 200);
});
