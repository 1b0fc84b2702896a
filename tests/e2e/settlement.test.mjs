// Whether a payment has really arrived: the two known ways to have a preimage without paying, and those who paid and have none.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { call, startLnbits } from '../../tools/lib/lnbits.mjs';
import { pause } from '../../tools/lib/run.mjs';
import { attenuate, buy, parseChallenge, send } from './support/client.mjs';
import { startFaulty } from './support/faulty.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { lnbits, pay, run, startPaywall, withoutBooks } from './support/paywall.mjs';

const routes = [
  { path: '/sold', sats: 5 },
  { path: '/other', sats: 5 },
  { path: '/twice', sats: 5, uses: 2 },
];
const state = run.folder('settlement-state');
let origin, faulty, vars, paywall, expiring, late;
before(async () => {
  origin = await startRecordingOrigin();
  faulty = await startFaulty();
  vars = { ORIGIN_URL: origin.url, LNBITS_URL: faulty.url, TOLL_SECRET: createHash('sha256').update(run.dir).digest('hex') };
  paywall = await startPaywall({ toll: { invoice_expiry: '90s', routes }, vars, state, config: withoutBooks() });
  // What is tried with them comes last, when they have expired.
  [expiring, late] = [await challenge('/sold'), await buy(paywall.url, '/sold')];
});
after(() => Promise.all([origin.close(), faulty.close()]));

async function challenge(path, base = paywall.url) {
  const { status, headers, json } = await send(base, path);
  assert.equal(status, 402);
  return { ...json(), standard: parseChallenge(headers['www-authenticate']).macaroon };
}

const show = (base, path, macaroon, preimage = '', method = 'GET') =>
  send(base, path, { method, headers: { Authorization: `L402 ${macaroon}:${preimage}` } });
const servedSold = () => origin.requests.filter(({ path }) => path === '/sold').length;
const lookUps = (hash) => faulty.calls.filter(({ method, url, headers }) => method === 'GET' && url.endsWith(hash) && headers['x-api-key']).length;
const balance = async ({ adminKey }) => (await call(`${lnbits.url}/api/v1/wallet`, 'GET', undefined, { 'X-Api-Key': adminKey })).balance;
const ZEROS = '0'.repeat(64);

function assertUnpaid({ status, json }) {
  assert.equal(status, 402);
  assert.equal(json().code, 'unpaid');
}

// The books ask LNbits by themselves, off the client's time: here only what settlement asks is counted.
test('a preimage in time opens without a question to LNbits, once it is known to keep preimages', async () => {
  const { standard, challenge: sold } = await buy(paywall.url, '/sold');
  assert.equal((await send(paywall.url, '/sold', { headers: { authorization: standard } })).status, 200);
  assert.equal(lookUps(sold.paymentHash), 0);
  const looks = faulty.calls.filter(({ url }) => url === '/api/v1/wallet').length;
  assert.equal(looks, 1, 'it was looked at once');
});

test('without its preimage a payment that has not arrived is told the same invoice and the same macaroon', async () => {
  const sold = await challenge('/sold');
  const asked = faulty.invoices();
  for (const [macaroon, preimage] of [[sold.standard, ''], [sold.standard, ZEROS], [sold.macaroon, ''], [attenuate(sold.standard, 'amount_sats=5'), '']]) {
    const reached = servedSold();
    const answer = await show(paywall.url, '/sold', macaroon, preimage);
    assertUnpaid(answer);
    assert.deepEqual(parseChallenge(answer.headers['www-authenticate']), { macaroon, invoice: sold.invoice });
    const { invoice, macaroon: again, paymentHash, amountSats, expiresAt } = answer.json();
    assert.deepEqual({ invoice, again, paymentHash, amountSats, expiresAt }, { invoice: sold.invoice, again: macaroon, paymentHash: sold.paymentHash, amountSats: 5, expiresAt: sold.expiresAt });
    assert.equal(servedSold(), reached);
  }
  const head = await show(paywall.url, '/sold', sold.standard, '', 'HEAD');
  assert.equal(head.status, 402);
  assert.equal(head.headers['www-authenticate'], 'L402');
  assert.equal(faulty.invoices(), asked, 'no invoice was made');

  const elsewhere = await show(paywall.url, '/other', sold.standard);
  assert.equal(elsewhere.status, 402);
  assert.equal(elsewhere.json().code, 'endpoint_mismatch');
  assert.notEqual(elsewhere.json().invoice, sold.invoice);

  await pay(sold.invoice);
  for (const preimage of ['', ZEROS]) {
    assert.equal((await show(paywall.url, '/sold', sold.standard, preimage)).status, 200);
    assert.equal((await show(paywall.url, '/sold', sold.macaroon, preimage)).status, 200);
  }
  assert.equal((await show(paywall.url, '/other', sold.standard)).status, 402);
});

test('LNbits’ yes is remembered and its no is not', async () => {
  const sold = await challenge('/sold');
  assertUnpaid(await show(paywall.url, '/sold', sold.standard));
  assertUnpaid(await show(paywall.url, '/sold', sold.standard));
  assert.equal(lookUps(sold.paymentHash), 2);
  await pay(sold.invoice);
  for (let time = 0; time < 3; time += 1) assert.equal((await show(paywall.url, '/sold', sold.standard)).status, 200);
  assert.equal(lookUps(sold.paymentHash), 3);
});

test('uses are counted for those without a preimage too', async () => {
  const sold = await challenge('/twice');
  assertUnpaid(await show(paywall.url, '/twice', sold.standard));
  await pay(sold.invoice);
  const statuses = [];
  for (let time = 0; time < 3; time += 1) statuses.push((await show(paywall.url, '/twice', sold.standard)).status);
  assert.deepEqual(statuses, [200, 200, 402]);
});

test('of several credentials every one that may be paid is asked about', async () => {
  const [never, sold] = [await challenge('/sold'), await challenge('/sold')];
  await pay(sold.invoice);
  for (const header of [`L402 ${never.standard}:, L402 ${sold.standard}:`, `L402 ${never.standard},${sold.standard}:`, `L402 ${never.macaroon}:${ZEROS}, LSAT ${sold.macaroon}:`]) {
    assert.equal((await send(paywall.url, '/sold', { headers: { Authorization: header } })).status, 200, header.length);
  }
  const [first, second] = [await challenge('/sold'), await challenge('/sold')];
  const answer = await send(paywall.url, '/sold', { headers: { Authorization: `L402 ${first.standard}:, L402 ${second.standard}:` } });
  assertUnpaid(answer);
  assert.equal(answer.json().invoice, first.invoice);
});

test('a macaroon that is not ours is not asked about', async () => {
  const sold = await challenge('/sold');
  const asked = faulty.calls.length;
  const [head, tail] = [sold.standard.slice(0, -6), sold.standard.slice(-6)];
  const forged = head + tail.replace(/[A-Za-z]/, (letter) => (letter === 'A' ? 'B' : 'A'));
  const answer = await show(paywall.url, '/sold', forged);
  assert.equal(answer.status, 401);
  assert.equal(answer.json().code, 'bad_signature');
  assert.equal(faulty.calls.length, asked);
});

test('an LNbits 1.5.5, which tells the preimage of an unpaid invoice to anybody, opens nothing', async () => {
  const leaky = await startLnbits(run, { dataDir: join(run.folder('leaky'), 'lnbits'), venv: 'lnbits-1.5.5' });
  const its = { ORIGIN_URL: origin.url, LNBITS_URL: leaky.url, LNBITS_KEY: leaky.merchant.invoiceKey };
  const [trusting, wary] = [
    await startPaywall({ toll: { settlement: 'preimage', routes }, vars: its, config: withoutBooks() }),
    await startPaywall({ toll: { routes }, vars: its, config: withoutBooks() }),
  ];
  const leak = async (paywall) => {
    const sold = await challenge('/sold', paywall.url);
    const { paid, preimage } = await (await fetch(`${leaky.url}/api/v1/payments/${sold.paymentHash}`)).json();
    assert.equal(paid, false);
    assert.equal(createHash('sha256').update(Buffer.from(preimage, 'hex')).digest('hex'), sold.paymentHash);
    return { sold, preimage };
  };
  const trusted = await leak(trusting);
  assert.equal((await show(trusting.url, '/sold', trusted.sold.standard, trusted.preimage)).status, 200, 'the attack is real');

  const { sold, preimage } = await leak(wary);
  for (const macaroon of [sold.standard, sold.macaroon]) {
    const reached = servedSold();
    const answer = await show(wary.url, '/sold', macaroon, preimage);
    assertUnpaid(answer);
    assert.equal(answer.json().invoice, sold.invoice);
    assert.ok(!answer.text.includes(preimage));
    assert.equal(servedSold(), reached);
  }
  await wary.logged(/"event":"wallet","wallet":"1","detail":"gives the preimages of unpaid invoices to anybody/);
  await leaky.pay(sold.invoice);
  assert.equal((await show(wary.url, '/sold', sold.standard, preimage)).status, 200);
  await Promise.all([leaky.server.stop(), trusting.server.stop(), wary.server.stop()]);
});

test('with an admin key nothing is sold, and the log says why', async () => {
  for (const [wallet, key] of [['1', 'LNBITS_KEY'], ['2', 'LNBITS_KEY_2']]) {
    const second = { LNBITS_URL_2: lnbits.url, LNBITS_KEY_2: lnbits.merchant.invoiceKey };
    const admin = await startPaywall({ toll: { routes }, vars: { ...vars, ...second, [key]: lnbits.merchant.adminKey } });
    const answers = await Promise.all(Array.from({ length: 10 }, () => send(admin.url, '/sold')));
    for (const { status, json, text } of [...answers, await send(admin.url, '/sold')]) {
      assert.equal(status, 503, key);
      assert.equal(json().code, 'not_configured');
      assert.ok(!text.includes('lnbc'));
    }
    assert.equal((await send(admin.url, '/free')).status, 200);
    await admin.logged(new RegExp(`"event":"wallet","wallet":"${wallet}","detail":"is an admin key`));
    await admin.server.stop();
  }
});

test('an expired invoice that is “paid” within the instance, for which no money moves, opens nothing', { timeout: 200_000 }, async () => {
  // Its preimage is to be had as soon as it has expired, and not before.
  while (Date.now() / 1000 < expiring.invoiceExpiresAt) await pause(20);
  const look = async () => (await (await fetch(`${lnbits.url}/api/v1/payments/${expiring.paymentHash}`, { headers: { 'X-Api-Key': lnbits.merchant.invoiceKey } })).json()).status;
  while ((await look()) !== 'failed') await pause(20);
  const had = await balance(lnbits.payer);
  const headers = { 'X-Api-Key': lnbits.payer.adminKey };
  const payment = await call(`${lnbits.url}/api/v1/payments`, 'POST', { out: true, bolt11: expiring.invoice }, headers);
  assert.equal(createHash('sha256').update(Buffer.from(payment.preimage, 'hex')).digest('hex'), expiring.paymentHash);
  assert.equal(await balance(lnbits.payer), had, 'no money moved');
  for (const macaroon of [expiring.standard, expiring.macaroon]) {
    const reached = servedSold();
    const answer = await show(paywall.url, '/sold', macaroon, payment.preimage);
    assertUnpaid(answer);
    assert.notEqual(answer.json().invoice, expiring.invoice, 'a fresh one, that can be paid');
    assert.equal(servedSold(), reached);
  }
  const trusting = await startPaywall({ toll: { settlement: 'preimage', routes }, vars, config: withoutBooks() });
  assert.equal((await show(trusting.url, '/sold', expiring.macaroon, payment.preimage)).status, 200, 'the attack is real');
  await trusting.server.stop();
});

test('what was paid in time opens after its invoice has expired, and LNbits is asked once for all isolates', { timeout: 200_000 }, async () => {
  while (Date.now() / 1000 < late.challenge.invoiceExpiresAt + 1) await pause(250);
  const options = { headers: { authorization: late.standard } };
  const hash = late.challenge.paymentHash;
  assert.equal((await send(paywall.url, '/sold', options)).status, 200);
  assert.equal(lookUps(hash), 1);
  assert.equal((await send(paywall.url, '/sold', options)).status, 200);
  assert.equal(lookUps(hash), 1);
  await paywall.server.stop();
  // Another isolate has only KV to know it from.
  const other = await startPaywall({ toll: { routes }, vars, state, config: withoutBooks() });
  assert.equal((await send(other.url, '/sold', options)).status, 200);
  assert.equal(lookUps(hash), 1);
  await other.server.stop();
});
