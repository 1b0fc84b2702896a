import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { call, startLnbits } from '../../tools/lib/lnbits.mjs';
import { freePort, pause } from '../../tools/lib/run.mjs';
import { buy, parseChallenge, send } from './support/client.mjs';
import { startFaultProxy } from './support/fault_proxy.mjs';
import { ADMIN_TOKEN, runCron, sendAsAdmin, stats, statsWhen } from './support/admin.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { lnbits as sharedLnbits, run, startPaywall } from './support/paywall.mjs';
import { SECRET, startCallbackReceiver } from './support/callback_receiver.mjs';

const toll = {
  routes: [
    { path: '/a', sats: 5, uses: 3 },
    { path: '/b', sats: 7 },
    { path: '/free', sats: 3, free_requests: 2, free_window: '1d' },
    { path: '/waived', price: [{ when: { query: { q: 'x' } }, sats: 0 }, { sats: 9 }] },
  ],
};

let origin, lnbits;
const cleanups = [];
before(async () => {
  origin = await startRecordingOrigin();
  // By default, LNbits sends no webhooks to private addresses. These settings allow webhooks to this machine.
  const env = { LNBITS_CALLBACK_URL_RULES: '', LNBITS_CALLBACK_ALLOW_PRIVATE_IPS: 'true' };
  lnbits = await startLnbits(run, { dataDir: run.folder('lnbits'), env });
});
after(async () => {
  for (const cleanUp of cleanups) await cleanUp();
  await origin.close();
});

/**
 * Creates a wallet for one test, behind a fault proxy. `paid()` returns the paid invoices with the tag of edgetoll, which the
 * ledger must have recorded.
 */
async function startWallet() {
  const { adminkey, inkey } = await call(`${lnbits.url}/api/v1/account`, 'POST', { name: 'merchant' });
  const faultProxy = await startFaultProxy({ target: lnbits.url });
  cleanups.push(faultProxy.close);
  const headers = { 'X-Api-Key': inkey };
  const paid = async () => (await call(`${lnbits.url}/api/v1/payments/paginated?limit=1000&status=success&tag=edgetoll`, 'GET', undefined, headers)).data;
  const merchant = { invoiceKey: inkey, adminKey: adminkey };
  return { ...lnbits, merchant, faultProxy, paid, buy: (base, path, options) => buy(base, path, { payWith: lnbits.pay, ...options }) };
}

/** Starts a paywall with a PUBLIC_URL, so that LNbits sends webhooks, unless a test overrides PUBLIC_URL. */
async function start(wallet, { vars, port, ...options } = {}) {
  port ??= await freePort();
  return startPaywall({
    toll,
    port,
    ...options,
    vars: {
      LNBITS_URL: wallet.faultProxy.url,
      LNBITS_KEY: wallet.merchant.invoiceKey,
      ORIGIN_URL: origin.url,
      ADMIN_TOKEN,
      PUBLIC_URL: `http://127.0.0.1:${port}`,
      ...vars,
    },
  });
}

const withoutWebhook = { PUBLIC_URL: undefined };
const sendCredential = (base, path, authorization, options) => send(base, path, { ...options, headers: { authorization } });
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

/** Asserts that the statistics match LNbits' list of payments: sums, counts, routes and payment hashes. Returns the statistics. */
async function assertSameAsLnbits(base, wallet) {
  const [ledger, paid] = [await stats(base), await wallet.paid()];
  assert.equal(ledger.totalRevenue, sum(paid.map(({ amount }) => amount / 1000)));
  assert.equal(ledger.totalPayments, paid.length);
  for (const [route, { revenue, payments }] of Object.entries(ledger.endpoints)) {
    const ofRoute = paid.filter(({ extra }) => extra.route === route);
    assert.deepEqual([revenue, payments], [sum(ofRoute.map(({ amount }) => amount / 1000)), ofRoute.length], route);
  }
  assert.equal(sum(ledger.revenueByDay.map(({ sats }) => sats)), ledger.totalRevenue);
  assert.equal(sum(ledger.revenueByHour.map(({ sats }) => sats)), ledger.totalRevenue);
  const hashes = new Set(paid.map(({ payment_hash }) => payment_hash));
  for (const { paymentHash } of ledger.recentPayments) assert.ok(hashes.has(paymentHash));
  return ledger;
}

test('A payment reported by 32 paid requests, two webhooks and the cron trigger is recorded once and causes one callback', async () => {
  const wallet = await startWallet();
  const receiver = await startCallbackReceiver();
  cleanups.push(receiver.close);
  const { url } = await start(wallet, { vars: { ON_PAYMENT_URL: receiver.url, ON_PAYMENT_SECRET: SECRET } });
  const { standard, lightningToll, challenge } = await wallet.buy(url, '/b');
  const crons = [runCron(url), runCron(url)];
  const answers = await Promise.all(Array.from({ length: 32 }, (_, at) => sendCredential(url, '/b', at % 2 ? standard : lightningToll)));
  assert.ok(answers.every(({ status }) => status === 200));
  await Promise.all(crons);
  await runCron(url);
  await statsWhen(url, ({ totalPayments, callbacks }) => totalPayments === 1 && callbacks.waiting === 0);
  // Waits for the webhooks: LNbits sends each webhook twice, and then sets `webhook_status` of the payment.
  const headers = { 'X-Api-Key': wallet.merchant.invoiceKey };
  const details = async () => (await call(`${wallet.url}/api/v1/payments/${challenge.paymentHash}`, 'GET', undefined, headers)).details;
  const deadline = Date.now() + 10_000;
  while ((await details()).webhook_status === null && Date.now() < deadline) await pause(50);
  assert.equal(String((await details()).webhook_status), '204');
  const ledger = await assertSameAsLnbits(url, wallet);
  assert.equal(ledger.totalRevenue, 7);
  assert.equal(ledger.recentPayments.length, 1);
  assert.equal(ledger.uniquePayers, 1);
  assert.equal(receiver.calls.length, 1);
  assert.equal(ledger.totalPaid, 32, 'repeated requests do not count as revenue');
});

test('A webhook of LNbits records a payment before its credential is used', async () => {
  const wallet = await startWallet();
  const { url } = await start(wallet);
  await wallet.buy(url, '/a');
  await statsWhen(url, ({ totalPayments }) => totalPayments === 1);
  await assertSameAsLnbits(url, wallet);
});

test('Without a webhook, the first use of the credential records the payment', async () => {
  const wallet = await startWallet();
  const { url } = await start(wallet, { vars: withoutWebhook });
  const bought = await wallet.buy(url, '/a');
  assert.equal((await stats(url)).totalPayments, 0);
  assert.equal((await sendCredential(url, '/a', bought.standard)).status, 200);
  await statsWhen(url, ({ totalPayments }) => totalPayments === 1);
  await assertSameAsLnbits(url, wallet);
});

test('The cron trigger records unreported payments, but only incoming ones with the tag of edgetoll, even if LNbits ignores the filters of the request', async () => {
  const wallet = await startWallet();
  const { url } = await start(wallet, { vars: withoutWebhook });
  await wallet.buy(url, '/a');
  await wallet.buy(url, '/b');
  const invoice = (key, body) => call(`${wallet.url}/api/v1/payments`, 'POST', { out: false, amount: 1000, ...body }, { 'X-Api-Key': key });
  const donation = await invoice(wallet.merchant.invoiceKey, { memo: 'a donation', extra: { tag: 'donation', route: '/a' } });
  await wallet.pay(donation.bolt11);
  const outgoing = await invoice(wallet.payer.invoiceKey, { amount: 3, extra: { tag: 'edgetoll', route: '/a' } });
  await call(`${wallet.url}/api/v1/payments`, 'POST', { out: true, bolt11: outgoing.bolt11, extra: { tag: 'edgetoll', route: '/a' } }, { 'X-Api-Key': wallet.merchant.adminKey });
  await send(url, '/b');
  wallet.faultProxy.injectFault('ignores every filter', 'GET');
  await runCron(url);
  wallet.faultProxy.clearFault();
  const ledger = await stats(url);
  assert.equal(ledger.totalRevenue, 12);
  assert.equal(ledger.totalPayments, 2);
  assert.deepEqual(Object.keys(ledger.endpoints).sort(), ['/a', '/b']);
});

test('A second wallet sync reads only one page of the payment list, and still records a late payment of an older invoice', async () => {
  const wallet = await startWallet();
  const { url } = await start(wallet, { vars: withoutWebhook });
  const invoice = parseChallenge((await send(url, '/a')).headers['www-authenticate']).invoice;
  await wallet.buy(url, '/b');
  await runCron(url);
  assert.equal((await stats(url)).totalRevenue, 7);
  const callsBefore = wallet.faultProxy.calls.length;
  await wallet.pay(invoice);
  await runCron(url);
  assert.equal((await assertSameAsLnbits(url, wallet)).totalRevenue, 12);
  const lists = wallet.faultProxy.calls.slice(callsBefore).filter(({ url }) => url.includes('status=success'));
  assert.equal(lists.length, 1, 'one page is read');
});

// A11 (CHANGELOG)
test('A run of the cron trigger stays below 50 subrequests, and the next runs look up the other unpaid invoices', async () => {
  const wallet = await startWallet();
  const { url } = await start(wallet, { vars: withoutWebhook });
  for (let at = 0; at < 3; at += 1) await wallet.buy(url, '/a');
  const hashes = [];
  for (let at = 0; at < 52; at += 1) hashes.push((await send(url, '/b')).json().paymentHash);
  const found = new Set();
  for (let run = 0; run < 6; run += 1) {
    const callsBefore = wallet.faultProxy.calls.length;
    await runCron(url);
    const calls = wallet.faultProxy.calls.slice(callsBefore).map(({ url }) => url);
    // At most 30 requests to LNbits leave room for the calls of the ledger: two for the plan, and two for each page of the list.
    assert.ok(calls.length <= 30, `${calls.length}`);
    const lookups = calls.map((url) => url.match(/payments\/([0-9a-f]{64})$/)?.[1]).filter(Boolean);
    assert.ok(lookups.length > 0);
    for (const hash of lookups) found.add(hash);
  }
  assert.deepEqual([...found].sort(), hashes.sort());
  assert.equal((await stats(url)).totalPayments, 3);
});

// A6: mm-7. An invoice of another user of the wallet, with the tag of edgetoll and 600 keys in `extra`, makes a page of the list unreadable.
test('An invoice that cannot be read does not stop the look-ups of the others', async () => {
  const wallet = await startWallet();
  const { url } = await start(wallet, { vars: withoutWebhook });
  const { paymentHash } = (await send(url, '/b')).json();
  const extra = { tag: 'edgetoll', ...Object.fromEntries(Array.from({ length: 600 }, (_, at) => [`key${at}`, at])) };
  await call(`${wallet.url}/api/v1/payments`, 'POST', { out: false, amount: 1, extra }, { 'X-Api-Key': wallet.merchant.invoiceKey });
  const isLookedUp = () => wallet.faultProxy.calls.some(({ url }) => url.endsWith(`/payments/${paymentHash}`));
  for (let run = 0; run < 3 && !isLookedUp(); run += 1) await runCron(url);
  assert.ok(isLookedUp());
});

test('A payment whose credential is used while LNbits is down counts as revenue only after LNbits confirms the payment', async () => {
  const wallet = await startWallet();
  const { url } = await start(wallet, { vars: withoutWebhook });
  const bought = await wallet.buy(url, '/b');
  assert.equal((await sendCredential(url, '/b', bought.standard)).status, 200);
  await statsWhen(url, ({ totalPayments }) => totalPayments === 1);
  const unconfirmed = await wallet.buy(url, '/b');
  await wallet.faultProxy.injectFault('refuses the connection');
  assert.equal((await sendCredential(url, '/b', unconfirmed.standard)).status, 200);
  const during = await statsWhen(url, ({ unsettled }) => unsettled === 1);
  assert.equal(during.totalRevenue, 7, 'an unconfirmed payment is no revenue');
  await runCron(url);
  assert.equal((await stats(url)).unsettled, 1);
  await wallet.faultProxy.clearFault();
  await runCron(url);
  const after = await assertSameAsLnbits(url, wallet);
  assert.deepEqual([after.totalRevenue, after.unsettled], [14, 0]);
});

test('Requests are counted per route by outcome, and revenue is the sum of the payments', async () => {
  const wallet = await startWallet();
  const { url } = await start(wallet);
  const [a, b] = [await wallet.buy(url, '/a'), await wallet.buy(url, '/b')];
  for (let at = 0; at < 4; at += 1) await sendCredential(url, '/a', a.standard);
  for (let at = 0; at < 2; at += 1) await sendCredential(url, '/b', b.standard);
  await sendCredential(url, '/b', `L402 ${b.macaroons.standard}:${'11'.repeat(32)}`);
  await sendCredential(url, '/b', 'L402 garbage');
  for (let at = 0; at < 3; at += 1) await send(url, '/free');
  await send(url, '/waived?q=x');
  await send(url, '/waived');
  await send(url, '/nothing');
  await send(url, '/b', { method: 'HEAD' });
  await statsWhen(url, ({ totalPayments }) => totalPayments === 2);
  const ledger = await assertSameAsLnbits(url, wallet);
  const counted = Object.entries(ledger.endpoints).map(([route, { paid, free, challenged, refused, requests }]) => [route, paid, free, challenged, refused, requests]);
  assert.deepEqual(counted.sort(), [
    ['/a', 3, 0, 2, 0, 5],
    ['/b', 2, 0, 2, 2, 6],
    ['/free', 0, 2, 1, 0, 3],
    ['/waived', 0, 1, 1, 0, 2],
  ]);
  assert.deepEqual([ledger.totalRequests, ledger.totalPaid, ledger.totalFree, ledger.totalChallenged, ledger.totalRefused], [16, 5, 3, 6, 2]);
});

test('After a price change, origin and ledger get the paid amount, not the current price', async () => {
  const wallet = await startWallet();
  const state = run.folder('state');
  const vars = { TOLL_SECRET: randomBytes(32).toString('hex') };
  const expensive = await start(wallet, { state, vars });
  const { standard } = await wallet.buy(expensive.url, '/b');
  await expensive.server.stop();
  const cheap = await start(wallet, { state, vars, toll: { routes: [{ path: '/b', sats: 2 }] } });
  assert.equal((await sendCredential(cheap.url, '/b', standard)).status, 200);
  assert.equal(origin.last().headers['x-toll-amount-sats'], '7');
  await statsWhen(cheap.url, ({ totalPayments }) => totalPayments === 1);
  assert.equal((await assertSameAsLnbits(cheap.url, wallet)).totalRevenue, 7);
});

test('The ledger and undelivered callbacks survive a restart of the Worker', async () => {
  const wallet = await startWallet();
  const receiver = await startCallbackReceiver();
  cleanups.push(receiver.close);
  const state = run.folder('state');
  const options = { state, vars: { ON_PAYMENT_URL: receiver.url, ON_PAYMENT_SECRET: SECRET, TOLL_SECRET: randomBytes(32).toString('hex') } };
  receiver.fail(503);
  const first = await start(wallet, options);
  await wallet.buy(first.url, '/a');
  await statsWhen(first.url, ({ totalPayments, callbacks }) => totalPayments === 1 && callbacks.waiting === 1);
  await first.server.stop();
  receiver.recover();
  const second = await start(wallet, options);
  const ledger = await statsWhen(second.url, ({ callbacks }) => callbacks.waiting === 0, 60);
  assert.equal(ledger.totalRevenue, 5);
  assert.equal(receiver.accepted().length, 1);
  await assertSameAsLnbits(second.url, wallet);
});

test('A callback is retried until the receiver accepts it, and has lightning-toll’s body and a Standard Webhooks signature', async () => {
  const wallet = await startWallet();
  const receiver = await startCallbackReceiver();
  cleanups.push(receiver.close);
  const { url } = await start(wallet, { vars: { ON_PAYMENT_URL: receiver.url, ON_PAYMENT_SECRET: SECRET } });
  await receiver.down();
  const bought = await wallet.buy(url, '/b');
  await statsWhen(url, ({ totalPayments, callbacks }) => totalPayments === 1 && callbacks.waiting === 1);
  await receiver.up();
  receiver.fail(500);
  const deadline = Date.now() + 30_000;
  while (receiver.calls.length === 0 && Date.now() < deadline) await pause(50);
  receiver.recover();
  await statsWhen(url, ({ callbacks }) => callbacks.waiting === 0, 30);
  const [callback] = receiver.accepted();
  assert.equal(receiver.accepted().length, 1);
  const [payment] = (await stats(url)).recentPayments;
  const { paymentHash } = bought.challenge;
  assert.equal(callback.body, JSON.stringify({ paymentHash, amountSats: 7, endpoint: '/b', settledAt: payment.timestamp / 1000, clientId: payment.payerId }));
  assert.equal(callback.headers['content-type'], 'application/json');
  assert.equal(callback.headers['webhook-id'], paymentHash);
  await receiver.assertSigned(callback);
});

test('If LNbits rejects the webhook URL, invoices are created without a webhook, and the URL is not sent again for an hour', async () => {
  const faultProxy = await startFaultProxy();
  cleanups.push(faultProxy.close);
  const { url, logged } = await start({ ...sharedLnbits, faultProxy, merchant: sharedLnbits.merchant });
  for (const expected of [2, 3, 4]) {
    assert.equal((await send(url, '/a')).status, 402);
    assert.equal(faultProxy.invoiceCount(), expected);
  }
  assert.match(faultProxy.calls.find(({ method }) => method === 'POST').body, /"webhook":"http:\/\/127\.0\.0\.1:\d+\/_toll\/hook\/[0-9a-f]{32}\.[0-9a-f]{64}"/);
  await logged(/refuses to call PUBLIC_URL/);
});

test('A webhook needs a URL with a valid authentication tag, and records only a payment of edgetoll that LNbits confirms as paid', async () => {
  const wallet = await startWallet();
  const { url } = await start(wallet);
  const unpaid = (await send(url, '/a')).json().paymentHash;
  const { webhook } = JSON.parse(wallet.faultProxy.calls.find(({ method }) => method === 'POST').body);
  const path = new URL(webhook).pathname;
  const sendWebhook = (hash, to = path, options = {}) =>
    send(url, to, { method: 'POST', body: JSON.stringify(JSON.stringify({ payment_hash: hash, status: 'success', amount: 5000 })), ...options });
  const lookupCount = () => wallet.faultProxy.calls.filter(({ url }) => /payments\/[0-9a-f]{64}/.test(url)).length;
  const lookupsBefore = lookupCount();
  const [nonce, tag] = path.split('/').at(-1).split('.');
  for (const forged of [`${nonce}.${'0'.repeat(64)}`, `${nonce}0.${tag}`, `${nonce}.`, nonce, `.${tag}`, '']) {
    assert.equal((await sendWebhook(unpaid, `/_toll/hook/${forged}`)).status, 404, forged);
  }
  assert.equal((await sendWebhook(unpaid, path, { method: 'GET', body: undefined })).status, 405);
  for (const body of ['', 'x', '{}', '"{}"', '[]', JSON.stringify({ payment_hash: 'zz' })]) {
    assert.equal((await sendWebhook(unpaid, path, { body })).status, 404, body);
  }
  assert.equal((await sendWebhook(unpaid, path, { body: ' '.repeat(70_000) })).status, 404);
  assert.equal(lookupCount(), lookupsBefore, 'no lookup');
  assert.equal((await sendWebhook(unpaid)).status, 204);
  assert.equal(lookupCount(), lookupsBefore + 1);
  const invoice = await call(`${wallet.url}/api/v1/payments`, 'POST', { out: false, amount: 1000, memo: 'other' }, { 'X-Api-Key': wallet.merchant.invoiceKey });
  await wallet.pay(invoice.bolt11);
  assert.equal((await sendWebhook(invoice.payment_hash)).status, 204);
  assert.equal((await sendWebhook('ab'.repeat(32))).status, 204);
  assert.deepEqual([(await stats(url)).totalRevenue, (await stats(url)).unsettled], [0, 0]);
});

test('Without a working ledger, paid requests are served, and only requests for statistics get 503', async () => {
  const wallet = await startWallet();
  const failing = { bindings: [{ name: 'LEDGER', class_name: 'InvoiceLimit' }] };
  for (const durable_objects of [{ bindings: [] }, failing]) {
    const { url } = await start(wallet, { config: { durable_objects, triggers: {} }, toll: { routes: [{ path: '/b', sats: 7 }] } });
    const bought = await wallet.buy(url, '/b');
    assert.equal((await sendCredential(url, '/b', bought.standard)).status, 200);
    for (const path of ['stats', 'metrics', 'ledger.csv']) {
      const answer = await sendAsAdmin(url, path);
      assert.deepEqual([answer.status, answer.json().code, answer.headers['retry-after']], [503, 'ledger_unavailable', '5']);
    }
    await runCron(url);
    assert.equal((await sendCredential(url, '/b', bought.lightningToll)).status, 200);
  }
});
