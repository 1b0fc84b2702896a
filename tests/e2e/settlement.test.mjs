// The settlement check. There are two known ways to get a preimage without paying; these tests try both. They also send credentials
// that have no preimage.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { call, startLnbits } from '../../tools/lib/lnbits.mjs';
import { pause } from '../../tools/lib/run.mjs';
import { attenuate, buy, parseChallenge, send } from './support/client.mjs';
import { startFaultProxy } from './support/fault_proxy.mjs';
import { newConnection, startReceivingWallet, startRelay } from './support/nwc.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { lnbits, pay, run, startPaywall, withoutLedger } from './support/paywall.mjs';

const routes = [
  { path: '/sold', sats: 5 },
  { path: '/other', sats: 5 },
  { path: '/twice', sats: 5, uses: 2 },
];
const state = run.folder('settlement-state');
let origin, faultProxy, vars, paywall, expiring, late, nwc;
before(async () => {
  origin = await startRecordingOrigin();
  faultProxy = await startFaultProxy();
  vars = { ORIGIN_URL: origin.url, LNBITS_URL: faultProxy.url, TOLL_SECRET: createHash('sha256').update(run.dir).digest('hex') };
  // The ledger is off, because it also looks up payments at LNbits. The tests count only the lookups of settlement checks.
  paywall = await startPaywall({ toll: { invoice_expiry: '90s', routes }, vars, state, config: withoutLedger() });
  // An unpaid and a paid invoice for the last two tests, which wait until these invoices have expired.
  [expiring, late] = [await challenge('/sold'), await buy(paywall.url, '/sold')];
  nwc = await startNwcPaywall();
});
after(() => Promise.all([origin.close(), faultProxy.close(), nwc.wallet.stop()]).then(() => nwc.relay.close()));

/** Starts a paywall with a wallet that reports no state of a payment, and with an unpaid and a paid invoice. */
async function startNwcPaywall() {
  const relay = await startRelay();
  const connection = newConnection(relay);
  const wallet = await startReceivingWallet(connection, { reportsState: false });
  const own = { ORIGIN_URL: origin.url, LNBITS_URL: undefined, LNBITS_KEY: undefined, NWC_URL: connection.url };
  const { url } = await startPaywall({ toll: { invoice_expiry: '90s', routes }, vars: own, config: withoutLedger() });
  const [unpaid, paid, used] = [await challenge('/sold', url), await challenge('/sold', url), await challenge('/sold', url)];
  await pay(paid.invoice);
  await pay(used.invoice);
  assert.equal((await sendCredential(url, '/sold', used.standard)).status, 200);
  return { relay, wallet, url, unpaid, paid };
}

async function challenge(path, base = paywall.url) {
  const { status, headers, json } = await send(base, path);
  assert.equal(status, 402);
  return { ...json(), standard: parseChallenge(headers['www-authenticate']).macaroon };
}

const sendCredential = (base, path, macaroon, preimage = '', method = 'GET') =>
  send(base, path, { method, headers: { Authorization: `L402 ${macaroon}:${preimage}` } });
const servedCount = () => origin.requests.filter(({ path }) => path === '/sold').length;
const lookupCount = (hash) => faultProxy.calls.filter(({ method, url, headers }) => method === 'GET' && url.endsWith(hash) && headers['x-api-key']).length;
const balance = async ({ adminKey }) => (await call(`${lnbits.url}/api/v1/wallet`, 'GET', undefined, { 'X-Api-Key': adminKey })).balance;
/** Waits until LNbits has noticed the expiry of an invoice. */
async function untilFailed(hash) {
  const status = async () => (await call(`${lnbits.url}/api/v1/payments/${hash}`, 'GET', undefined, { 'X-Api-Key': lnbits.merchant.invoiceKey })).status;
  while ((await status()) !== 'failed') await pause(250);
}
const ZEROS = '0'.repeat(64);

function assertUnpaid({ status, json }) {
  assert.equal(status, 402);
  assert.equal(json().code, 'unpaid');
}

test('If LNbits is known to hide preimages, a preimage sent before the invoice expires gives access without a lookup', async () => {
  const { standard, challenge: issued } = await buy(paywall.url, '/sold');
  assert.equal((await send(paywall.url, '/sold', { headers: { authorization: standard } })).status, 200);
  assert.equal(lookupCount(issued.paymentHash), 0);
  const probes = faultProxy.calls.filter(({ url }) => url === '/api/v1/wallet').length;
  assert.equal(probes, 1, 'the probe ran once');
});

test('A credential without a preimage for an unpaid invoice gets 402 with the same invoice and macaroon', async () => {
  const issued = await challenge('/sold');
  const invoicesBefore = faultProxy.invoiceCount();
  for (const [macaroon, preimage] of [[issued.standard, ''], [issued.standard, ZEROS], [issued.macaroon, ''], [attenuate(issued.standard, 'amount_sats=5'), '']]) {
    const reached = servedCount();
    const answer = await sendCredential(paywall.url, '/sold', macaroon, preimage);
    assertUnpaid(answer);
    assert.deepEqual(parseChallenge(answer.headers['www-authenticate']), { macaroon, invoice: issued.invoice });
    const { invoice, macaroon: repeated, paymentHash, amountSats, expiresAt } = answer.json();
    assert.deepEqual({ invoice, repeated, paymentHash, amountSats, expiresAt }, { invoice: issued.invoice, repeated: macaroon, paymentHash: issued.paymentHash, amountSats: 5, expiresAt: issued.expiresAt });
    assert.equal(servedCount(), reached);
  }
  const head = await sendCredential(paywall.url, '/sold', issued.standard, '', 'HEAD');
  assert.equal(head.status, 402);
  assert.equal(head.headers['www-authenticate'], 'L402');
  assert.equal(faultProxy.invoiceCount(), invoicesBefore, 'no invoice was created');

  const otherPath = await sendCredential(paywall.url, '/other', issued.standard);
  assert.equal(otherPath.status, 402);
  assert.equal(otherPath.json().code, 'endpoint_mismatch');
  assert.notEqual(otherPath.json().invoice, issued.invoice);

  await pay(issued.invoice);
  for (const preimage of ['', ZEROS]) {
    assert.equal((await sendCredential(paywall.url, '/sold', issued.standard, preimage)).status, 200);
    assert.equal((await sendCredential(paywall.url, '/sold', issued.macaroon, preimage)).status, 200);
  }
  assert.equal((await sendCredential(paywall.url, '/other', issued.standard)).status, 402);
});

test('A settled payment is looked up once and then cached; an unpaid payment is looked up for each request', async () => {
  const issued = await challenge('/sold');
  assertUnpaid(await sendCredential(paywall.url, '/sold', issued.standard));
  assertUnpaid(await sendCredential(paywall.url, '/sold', issued.standard));
  assert.equal(lookupCount(issued.paymentHash), 2);
  await pay(issued.invoice);
  for (let time = 0; time < 3; time += 1) assert.equal((await sendCredential(paywall.url, '/sold', issued.standard)).status, 200);
  assert.equal(lookupCount(issued.paymentHash), 3);
});

test('The uses of a credential are counted even if the credential has no preimage', async () => {
  const issued = await challenge('/twice');
  assertUnpaid(await sendCredential(paywall.url, '/twice', issued.standard));
  await pay(issued.invoice);
  const statuses = [];
  for (let time = 0; time < 3; time += 1) statuses.push((await sendCredential(paywall.url, '/twice', issued.standard)).status);
  assert.deepEqual(statuses, [200, 200, 402]);
});

test('A request with several credentials gets access if the payment of one of these credentials is settled', async () => {
  const [unpaid, issued] = [await challenge('/sold'), await challenge('/sold')];
  await pay(issued.invoice);
  for (const header of [`L402 ${unpaid.standard}:, L402 ${issued.standard}:`, `L402 ${unpaid.standard},${issued.standard}:`, `L402 ${unpaid.macaroon}:${ZEROS}, LSAT ${issued.macaroon}:`]) {
    assert.equal((await send(paywall.url, '/sold', { headers: { Authorization: header } })).status, 200, header.length);
  }
  const [first, second] = [await challenge('/sold'), await challenge('/sold')];
  const answer = await send(paywall.url, '/sold', { headers: { Authorization: `L402 ${first.standard}:, L402 ${second.standard}:` } });
  assertUnpaid(answer);
  assert.equal(answer.json().invoice, first.invoice);
});

test('A macaroon with an invalid signature causes no lookup', async () => {
  const issued = await challenge('/sold');
  const callsBefore = faultProxy.calls.length;
  const [head, tail] = [issued.standard.slice(0, -6), issued.standard.slice(-6)];
  const forged = head + tail.replace(/[A-Za-z]/, (letter) => (letter === 'A' ? 'B' : 'A'));
  const answer = await sendCredential(paywall.url, '/sold', forged);
  assert.equal(answer.status, 401);
  assert.equal(answer.json().code, 'bad_signature');
  assert.equal(faultProxy.calls.length, callsBefore);
});

test('A preimage that LNbits 1.5.5 exposes before payment gives access only with settlement = "preimage"', async () => {
  const leaky = await startLnbits(run, { dataDir: join(run.folder('leaky'), 'lnbits'), venv: 'lnbits-1.5.5' });
  const leakyVars = { ORIGIN_URL: origin.url, LNBITS_URL: leaky.url, LNBITS_KEY: leaky.merchant.invoiceKey };
  const [preimageMode, autoMode] = [
    await startPaywall({ toll: { settlement: 'preimage', routes }, vars: leakyVars, config: withoutLedger() }),
    await startPaywall({ toll: { routes }, vars: leakyVars, config: withoutLedger() }),
  ];
  const getLeakedPreimage = async (paywall) => {
    const issued = await challenge('/sold', paywall.url);
    const { paid, preimage } = await (await fetch(`${leaky.url}/api/v1/payments/${issued.paymentHash}`)).json();
    assert.equal(paid, false);
    assert.equal(createHash('sha256').update(Buffer.from(preimage, 'hex')).digest('hex'), issued.paymentHash);
    return { issued, preimage };
  };
  const control = await getLeakedPreimage(preimageMode);
  assert.equal((await sendCredential(preimageMode.url, '/sold', control.issued.standard, control.preimage)).status, 200, 'control: the attack works');

  const { issued, preimage } = await getLeakedPreimage(autoMode);
  for (const macaroon of [issued.standard, issued.macaroon]) {
    const reached = servedCount();
    const answer = await sendCredential(autoMode.url, '/sold', macaroon, preimage);
    assertUnpaid(answer);
    assert.equal(answer.json().invoice, issued.invoice);
    assert.ok(!answer.text.includes(preimage));
    assert.equal(servedCount(), reached);
  }
  await autoMode.logged(/"event":"wallet","wallet":"1","detail":"gives the preimages of unpaid invoices to everyone/);
  await leaky.pay(issued.invoice);
  assert.equal((await sendCredential(autoMode.url, '/sold', issued.standard, preimage)).status, 200);
  await Promise.all([leaky.server.stop(), preimageMode.server.stop(), autoMode.server.stop()]);
});

test('With an admin key as LNBITS_KEY or LNBITS_KEY_2, priced routes get 503, and the log has the reason', async () => {
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
    await admin.logged(new RegExp(`"event":"wallet","wallet":"${wallet}","detail":"is configured with an admin key`));
    await admin.server.stop();
  }
});

test('After an expired invoice is “paid” inside LNbits without a transfer, its preimage gives access only with settlement = "preimage"', { timeout: 200_000 }, async () => {
  // LNbits “pays” an invoice without a transfer only after the invoice has expired.
  while (Date.now() / 1000 < expiring.invoiceExpiresAt) await pause(20);
  await untilFailed(expiring.paymentHash);
  const balanceBefore = await balance(lnbits.payer);
  const headers = { 'X-Api-Key': lnbits.payer.adminKey };
  const payment = await call(`${lnbits.url}/api/v1/payments`, 'POST', { out: true, bolt11: expiring.invoice }, headers);
  assert.equal(createHash('sha256').update(Buffer.from(payment.preimage, 'hex')).digest('hex'), expiring.paymentHash);
  assert.equal(await balance(lnbits.payer), balanceBefore, 'no money moved');
  for (const macaroon of [expiring.standard, expiring.macaroon]) {
    const reached = servedCount();
    const answer = await sendCredential(paywall.url, '/sold', macaroon, payment.preimage);
    assertUnpaid(answer);
    assert.notEqual(answer.json().invoice, expiring.invoice, 'a new, payable invoice');
    assert.equal(servedCount(), reached);
  }
  const preimageMode = await startPaywall({ toll: { settlement: 'preimage', routes }, vars, config: withoutLedger() });
  assert.equal((await sendCredential(preimageMode.url, '/sold', expiring.macaroon, payment.preimage)).status, 200, 'control: the attack works');
  await preimageMode.server.stop();
});

test('A payment before the invoice expired gives access after the expiry, with one lookup for all isolates', { timeout: 200_000 }, async () => {
  while (Date.now() / 1000 < late.challenge.invoiceExpiresAt + 1) await pause(250);
  const options = { headers: { authorization: late.standard } };
  const hash = late.challenge.paymentHash;
  assert.equal((await send(paywall.url, '/sold', options)).status, 200);
  assert.equal(lookupCount(hash), 1);
  assert.equal((await send(paywall.url, '/sold', options)).status, 200);
  assert.equal(lookupCount(hash), 1);
  await paywall.server.stop();
  // A new isolate knows the settled payment only from KV.
  const other = await startPaywall({ toll: { routes }, vars, state, config: withoutLedger() });
  assert.equal((await send(other.url, '/sold', options)).status, 200);
  assert.equal(lookupCount(hash), 1);
  await other.server.stop();
});

// A11 (CHANGELOG): the look-ups of other clients behind the same address used up those of a client whose payment is stored.
test('A stored payment gives access in a new isolate although the client has no look-up left', async () => {
  const { standard, challenge: { paymentHash } } = late;
  const limited = await startPaywall({ toll: { challenges_per_minute: 1, routes }, vars, state, config: withoutLedger() });
  const lookUp = async () => (await sendCredential(limited.url, '/sold', (await challenge('/sold', limited.url)).standard)).status;
  const statuses = [];
  while (statuses.length < 20 && statuses[statuses.length - 1] !== 429) statuses.push(await lookUp());
  assert.equal(statuses.pop(), 429);
  assert.equal((await send(limited.url, '/sold', { headers: { authorization: standard } })).status, 200);
  assert.equal(lookupCount(paymentHash), 1);
  await limited.server.stop();
});

// A11 (CHANGELOG): LNbits' extension NWC Service Provider 1.1.2 reports no state, and a time of settlement also for an expired invoice.
test('With a wallet that reports a time of settlement for expired invoices, only a payment in its list gives access', { timeout: 200_000 }, async () => {
  const { unpaid, paid, url } = nwc;
  await untilFailed(unpaid.paymentHash);
  assertUnpaid(await sendCredential(url, '/sold', unpaid.standard));
  assert.equal((await sendCredential(url, '/sold', paid.standard)).status, 200);
});
