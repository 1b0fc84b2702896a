import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { startOrigin } from '../../demo/origin.mjs';
import { attenuate, attenuateLightningToll, buy, parseChallenge, send } from './support/client.mjs';
import { pay, settings, startPaywall } from './support/paywall.mjs';

let origin, paywall;
before(async () => {
  origin = await startOrigin(0, { priceList: () => settings().vars.TOLL });
  paywall = await startPaywall({ vars: { ORIGIN_URL: `http://127.0.0.1:${origin.address().port}` } });
});
after(() => origin.close());

test('A request without payment gets 402 with an L402 challenge header and lightning-toll’s JSON body', async () => {
  const { status, headers, json } = await send(paywall.url, '/api/joke');
  assert.equal(status, 402);
  assert.equal(headers['cache-control'], 'no-store');
  const { macaroon, invoice } = parseChallenge(headers['www-authenticate']);
  const body = json();
  assert.deepEqual(Object.keys(body), [
    'status', 'message', 'paymentHash', 'invoice', 'macaroon', 'amountSats', 'description', 'protocol', 'instructions',
    'expiresAt', 'invoiceExpiresAt', 'priceSats', 'amount_sats',
  ]);
  assert.equal(body.status, 402);
  assert.equal(body.invoice, invoice);
  assert.equal(body.amountSats, 5);
  assert.equal(body.description, 'Random joke');
  assert.equal(body.protocol, 'L402');
  const bytes = Buffer.from(macaroon, 'base64');
  // libmacaroons v2: version, location, and an identifier of 66 bytes: two bytes of version, the payment hash, and a token ID.
  const location = Buffer.from('127.0.0.1');
  const start = Buffer.concat([Buffer.from([2, 1, location.length]), location, Buffer.from([2, 66, 0, 0])]);
  assert.equal(bytes.subarray(0, start.length + 32).toString('hex'), start.toString('hex') + body.paymentHash);
  const inner = JSON.parse(Buffer.from(body.macaroon, 'base64url'));
  assert.equal(inner.id, body.paymentHash);
  assert.deepEqual(inner.caveats.slice(0, 3), [`expires_at = ${body.expiresAt}`, 'endpoint = /api/joke', 'method = GET']);
});

test('The preimage with the standard or the lightning-toll macaroon gives access, with the scheme L402 or LSAT in any letter case', async () => {
  const { preimage, challenge, standard, lightningToll, macaroons } = await buy(paywall.url, '/api/joke');
  assert.equal(createHash('sha256').update(Buffer.from(preimage, 'hex')).digest('hex'), challenge.paymentHash);
  const urlSafe = Buffer.from(macaroons.standard, 'base64').toString('base64url');
  for (const authorization of [
    standard,
    lightningToll,
    standard.replace('L402', 'LSAT'),
    lightningToll.replace('L402', 'lsat'),
    `l402 ${macaroons.standard} : ${preimage.toUpperCase()}`,
    `L402 ${urlSafe}:${preimage}`,
    `Bearer abc, ${standard}`,
    `LSAT ${macaroons.standard}:${preimage}, L402 ${macaroons.standard}:${preimage}`,
    `L402 ${macaroons.lightningToll},${macaroons.standard}:${preimage}`,
  ]) {
    const { status, headers, json } = await send(paywall.url, '/api/joke', { headers: { authorization } });
    assert.equal(status, 200, authorization.slice(0, 20));
    assert.equal(json().paidSats, 5);
    assert.equal(json().paymentHash, challenge.paymentHash);
    assert.equal(Number(headers['x-toll-expires']), challenge.expiresAt);
    assert.equal(headers['cache-control'], 'private');
    assert.equal(headers.vary, 'Authorization, Cookie, X-Toll-Authorization, Macaroon, Grpc-Metadata-Macaroon');
  }
});

test('A macaroon to which the holder added caveats, such as the preimage caveat of lnget, gives access', async () => {
  const { preimage, macaroons } = await buy(paywall.url, '/api/joke');
  const lnget = `L402 ${attenuate(macaroons.standard, `preimage=${preimage}`)}:${preimage}`;
  const soon = Math.floor(Date.now() / 1000) + 60;
  const shortened = `L402 ${attenuateLightningToll(macaroons.lightningToll, `expires_at = ${soon}`)}:${preimage}`;
  assert.equal((await send(paywall.url, '/api/joke', { headers: { authorization: lnget } })).status, 200);
  const { status, headers } = await send(paywall.url, '/api/joke', { headers: { authorization: shortened } });
  assert.equal(status, 200);
  assert.equal(Number(headers['x-toll-expires']), soon);
});

test('A credential for GET is valid for HEAD, and HEAD without a credential gets the price without an invoice', async () => {
  const { standard } = await buy(paywall.url, '/api/joke');
  assert.equal((await send(paywall.url, '/api/joke', { method: 'HEAD', headers: { authorization: standard } })).status, 200);
  for (const options of [{ method: 'HEAD' }, { headers: { 'Sec-Purpose': 'prefetch;prerender' } }]) {
    const { status, headers } = await send(paywall.url, '/api/joke', options);
    assert.equal(status, 402);
    assert.equal(headers['www-authenticate'], 'L402');
    assert.equal(headers['x-toll-price-sats'], '5');
  }
});

test('A paid POST to the demo converts the Markdown in its body to HTML or PDF', async () => {
  const markdown = '# Hallo *Welt*\n';
  const unpaid = await send(paywall.url, '/convert/html', { method: 'POST', body: markdown });
  assert.equal(unpaid.json().amountSats, 100);
  const preimage = await pay(unpaid.json().invoice);
  const headers = { authorization: `L402 ${unpaid.json().macaroon}:${preimage}` };
  const html = await send(paywall.url, '/convert/html', { method: 'POST', body: markdown, headers });
  assert.equal(html.status, 200);
  assert.equal(html.headers['content-type'], 'text/html; charset=utf-8');
  assert.equal(html.text, '<h1>Hallo <em>Welt</em></h1>\n');

  const { standard } = await buy(paywall.url, '/convert/pdf', { method: 'POST' });
  const pdf = await send(paywall.url, '/convert/pdf', { method: 'POST', body: markdown, headers: { authorization: standard } });
  assert.equal(pdf.headers['content-type'], 'application/pdf');
  assert.equal(pdf.text.slice(0, 5), '%PDF-');
  assert.ok(pdf.text.trimEnd().endsWith('%%EOF'));
});

test('The demo routes /api/time and /api/data cost what wrangler.toml says', async () => {
  assert.equal((await send(paywall.url, '/api/time')).json().amountSats, 1);
  assert.equal((await send(paywall.url, '/api/data')).json().amountSats, 21);
});

test('A path without a price gets the response of the origin, including its 404', async () => {
  const free = await send(paywall.url, '/');
  assert.equal(free.status, 200);
  assert.match(free.text, /GET +\/api\/joke +5 sats +Random joke/);
  assert.equal((await send(paywall.url, '/nothing')).status, 404);
});
