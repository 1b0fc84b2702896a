import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startLnbits } from '../../tools/lib/lnbits.mjs';
import { freePort, root } from '../../tools/lib/run.mjs';
import { buy, send } from './support/client.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { lnbits, run, settings, startPaywall } from './support/paywall.mjs';

const toll = { routes: [{ path: '/sold', sats: 5 }] };
let origin;
before(async () => {
  origin = await startRecordingOrigin();
});
after(() => origin.close());

/**
 * Asserts that a request gets 503 `not_configured` and is not forwarded, that the log has the reason, and that neither the
 * response nor the log contains the invoice key.
 */
async function assertNotConfigured(paywall, path, reason) {
  const reached = origin.requests.length;
  const { status, headers, json, text } = await send(paywall.url, path);
  assert.equal(status, 503, path);
  assert.equal(json().code, 'not_configured');
  assert.equal(headers['cache-control'], 'no-store');
  assert.ok(!text.includes(paywall.secret) && !text.includes(lnbits.merchant.invoiceKey));
  assert.equal(origin.requests.length, reached);
  await paywall.logged(reason);
  assert.ok(!paywall.log().includes(lnbits.merchant.invoiceKey));
}

test('If the price list is missing, or has a mistake that is not limited to one path, every path except /_toll/health gets 503', async () => {
  for (const [broken, reason] of [
    [null, /TOLL is missing/],
    [{ routes: [{ sats: 5 }] }, /TOLL\.routes\[0\]\.path/],
    [{ ...toll, macaroons: 'both' }, /TOLL\.macaroons/],
    [{ ...toll, default_sats: -1 }, /TOLL\.default_sats/],
    [{ ...toll, invoice_expiry: 300 }, /TOLL\.invoice_expiry/],
  ]) {
    const paywall = await startPaywall({ toll: broken, vars: { ORIGIN_URL: origin.url } });
    await assertNotConfigured(paywall, '/sold', reason);
    await assertNotConfigured(paywall, '/free', reason);
    const health = await send(paywall.url, '/_toll/health');
    assert.equal(health.status, 200);
    assert.equal(health.json().configured, false);
    await paywall.server.stop();
  }
});

test('If a route in the price list is invalid, its path gets 503, and other paths keep working', async () => {
  const invalid = {
    routes: [
      { path: '/sold', sats: 5 },
      { path: '/negative', sats: -5 },
      { path: '/misspelt', stas: 5 },
      { path: '/half', sats: 0.5 },
      { path: '/twice', sats: 1 },
      { path: '/TWICE/', sats: 1000 },
      { path: '/given', sats: 0 },
    ],
  };
  const paywall = await startPaywall({ toll: invalid, vars: { ORIGIN_URL: origin.url } });
  await assertNotConfigured(paywall, '/negative', /TOLL\.routes\[1\]\.sats/);
  await assertNotConfigured(paywall, '/misspelt', /TOLL\.routes\[2\]\.stas/);
  await assertNotConfigured(paywall, '/half', /TOLL\.routes\[3\]\.sats/);
  assert.equal((await send(paywall.url, '/sold')).status, 402);
  assert.equal((await send(paywall.url, '/free')).status, 200);
  assert.equal((await send(paywall.url, '/given')).status, 200);
  assert.ok((await send(paywall.url, '/twice')).status >= 400);
  await paywall.logged(/TOLL\.routes\[5\]\.path.*\/twice/);
});

test('If TOLL_SECRET, LNBITS_URL or LNBITS_KEY is missing or invalid, priced paths get 503, and free paths keep working', async () => {
  const samples = readFileSync(join(root, 'README.md'), 'utf8') + readFileSync(join(root, 'wrangler.toml'), 'utf8');
  assert.ok(!/[0-9a-f]{32}/.test(samples), 'README.md and wrangler.toml contain no sample secret');
  for (const [vars, reason] of [
    [{ TOLL_SECRET: undefined }, /TOLL_SECRET is missing/],
    [{ TOLL_SECRET: randomBytes(15).toString('hex') }, /TOLL_SECRET is shorter than 32 characters/],
    [{ TOLL_SECRET: 'a'.repeat(64) }, /TOLL_SECRET is made of fewer than 10/],
    [{ TOLL_SECRET: '0123456789abcdef0123456789abcdef' }, /TOLL_SECRET is a sample/],
    [{ TOLL_SECRET: 'change-me-to-something-quite-long-0123456789' }, /TOLL_SECRET is a sample/],
    [{ LNBITS_URL: undefined }, /LNBITS_URL is missing/],
    [{ LNBITS_URL: 'http://lnbits.example.com' }, /LNBITS_URL must be an https URL/],
    [{ LNBITS_KEY: undefined }, /LNBITS_KEY is missing/],
    [{ LNBITS_KEY: 'your key' }, /LNBITS_KEY must be the invoice key/],
    [{ LNBITS_URL_2: lnbits.url }, /LNBITS_KEY_2 is missing/],
  ]) {
    const paywall = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url, ...vars } });
    paywall.secret ??= 'no secret';
    await assertNotConfigured(paywall, '/sold', reason);
    assert.equal((await send(paywall.url, '/free')).status, 200);
    await paywall.server.stop();
  }
});

test('If ORIGIN_URL is invalid, no request is forwarded', async () => {
  const paywall = await startPaywall({ toll, vars: { ORIGIN_URL: '127.0.0.1' } });
  await assertNotConfigured(paywall, '/free', /ORIGIN_URL must be an http or https URL/);
});

test('Static assets are not served at their own paths: neither at a priced path nor at a free path', async () => {
  const www = join(run.folder('www'), 'www');
  cpSync(join(root, 'www'), www, { recursive: true });
  mkdirSync(join(www, 'api'));
  for (const file of ['api/joke', 'index.html', 'given']) writeFileSync(join(www, file), 'an asset');
  const paywall = await startPaywall({
    vars: { ORIGIN_URL: origin.url },
    config: { assets: { ...settings().assets, directory: www } },
  });
  assert.equal((await send(paywall.url, '/api/joke')).status, 402);
  for (const path of ['/', '/given']) assert.ok(!(await send(paywall.url, path)).text.includes('an asset'), path);
});

test('While LNbits is down, priced requests without a credential get 503 with Retry-After; paid credentials and free paths still work', async () => {
  const ownLnbits = await startLnbits(run, { dataDir: run.folder('own-lnbits') });
  const vars = { ORIGIN_URL: origin.url, LNBITS_URL: ownLnbits.url, LNBITS_KEY: ownLnbits.merchant.invoiceKey };
  const paywall = await startPaywall({ toll, vars });
  const challenge = (await send(paywall.url, '/sold')).json();
  const authorization = `L402 ${challenge.macaroon}:${await ownLnbits.pay(challenge.invoice)}`;
  await ownLnbits.server.stop();
  const { status, headers, json } = await send(paywall.url, '/sold');
  assert.equal(status, 503);
  assert.equal(json().code, 'invoice_unavailable');
  assert.ok(Number(headers['retry-after']) > 0);
  assert.equal((await send(paywall.url, '/free')).status, 200);
  assert.equal((await send(paywall.url, '/sold', { headers: { authorization } })).status, 200);
});

test('A request to an unresponsive LNbits times out after five seconds', async () => {
  const { createServer } = await import('node:net');
  const silent = createServer(() => {}).listen(await freePort(), '127.0.0.1');
  after(() => silent.close());
  await new Promise((resolve) => silent.once('listening', resolve));
  const vars = { ORIGIN_URL: origin.url, LNBITS_URL: `http://127.0.0.1:${silent.address().port}` };
  const paywall = await startPaywall({ toll, vars });
  const started = Date.now();
  const { status, json } = await send(paywall.url, '/sold');
  assert.equal(status, 503);
  assert.equal(json().code, 'invoice_unavailable');
  const tookMs = Date.now() - started;
  assert.ok(tookMs > 4500 && tookMs < 10_000, `${tookMs} ms`);
  await paywall.logged(/the wallet did not answer in time/);
});

test('Whether the wallet key is valid or not, the log contains no wallet key, response of LNbits, preimage or credential', async () => {
  const wrong = randomBytes(16).toString('hex');
  const paywall = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url, LNBITS_KEY: wrong } });
  assert.equal((await send(paywall.url, '/sold')).json().code, 'invoice_unavailable');
  await paywall.logged(/LNbits answered with status 404/);
  assert.ok(!paywall.log().includes(wrong) && !paywall.log().includes('Wallet not found'));

  const working = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url } });
  const { standard, preimage, challenge, macaroons } = await buy(working.url, '/sold');
  await send(working.url, '/sold', { headers: { authorization: standard } });
  await working.logged(new RegExp(`"decision":"paid".*"payment_hash":"${challenge.paymentHash.slice(0, 8)}"`));
  const log = working.log();
  for (const secret of [preimage, working.secret, lnbits.merchant.invoiceKey, challenge.invoice, ...Object.values(macaroons)]) {
    assert.ok(!log.includes(secret));
  }
});
