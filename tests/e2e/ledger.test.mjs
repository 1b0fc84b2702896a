import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { call, startLnbits } from '../../tools/lib/lnbits.mjs';
import { freePort, pause } from '../../tools/lib/run.mjs';
import { buy, parseChallenge, send } from './support/client.mjs';
import { startFaulty } from './support/faulty.mjs';
import { ADMIN_TOKEN, asOperator, runCron, stats, statsWhen } from './support/operator.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { lnbits as shared, run, startPaywall } from './support/paywall.mjs';
import { SECRET, startReceiver } from './support/receiver.mjs';

const toll = {
  routes: [
    { path: '/a', sats: 5, uses: 3 },
    { path: '/b', sats: 7 },
    { path: '/free', sats: 3, free_requests: 2, free_window: '1d' },
    { path: '/waived', price: [{ when: { query: { q: 'x' } }, sats: 0 }, { sats: 9 }] },
  ],
};

let origin, lnbits;
const ended = [];
before(async () => {
  origin = await startRecordingOrigin();
  // It may call this machine.
  const env = { LNBITS_CALLBACK_URL_RULES: '', LNBITS_CALLBACK_ALLOW_PRIVATE_IPS: 'true' };
  lnbits = await startLnbits(run, { dataDir: run.folder('lnbits'), env });
});
after(async () => {
  for (const end of ended) await end();
  await origin.close();
});

/** A wallet of a test's own, whose list is what the books must come to, behind a server that can fail. */
async function startWallet() {
  const { adminkey, inkey } = await call(`${lnbits.url}/api/v1/account`, 'POST', { name: 'merchant' });
  const faulty = await startFaulty({ target: lnbits.url });
  ended.push(faulty.close);
  const headers = { 'X-Api-Key': inkey };
  const paid = async () => (await call(`${lnbits.url}/api/v1/payments/paginated?limit=1000&status=success&tag=edgetoll`, 'GET', undefined, headers)).data;
  const merchant = { invoiceKey: inkey, adminKey: adminkey };
  return { ...lnbits, merchant, faulty, paid, buy: (base, path, options) => buy(base, path, { payWith: lnbits.pay, ...options }) };
}

/** A paywall that this LNbits is asked to call back, unless a test says otherwise. */
async function start(wallet, { vars, port, ...options } = {}) {
  port ??= await freePort();
  return startPaywall({
    toll,
    port,
    ...options,
    vars: {
      LNBITS_URL: wallet.faulty.url,
      LNBITS_KEY: wallet.merchant.invoiceKey,
      ORIGIN_URL: origin.url,
      ADMIN_TOKEN,
      PUBLIC_URL: `http://127.0.0.1:${port}`,
      ...vars,
    },
  });
}

const unhooked = { PUBLIC_URL: undefined };
const show = (base, path, authorization, options) => send(base, path, { ...options, headers: { authorization } });
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

/** What the books say is what LNbits says, to the satoshi, and payment for payment. */
async function assertSameAsLnbits(base, wallet) {
  const [books, paid] = [await stats(base), await wallet.paid()];
  assert.equal(books.totalRevenue, sum(paid.map(({ amount }) => amount / 1000)));
  assert.equal(books.totalPayments, paid.length);
  for (const [route, { revenue, payments }] of Object.entries(books.endpoints)) {
    const ofRoute = paid.filter(({ extra }) => extra.route === route);
    assert.deepEqual([revenue, payments], [sum(ofRoute.map(({ amount }) => amount / 1000)), ofRoute.length], route);
  }
  assert.equal(sum(books.revenueByDay.map(({ sats }) => sats)), books.totalRevenue);
  assert.equal(sum(books.revenueByHour.map(({ sats }) => sats)), books.totalRevenue);
  const hashes = new Set(paid.map(({ payment_hash }) => payment_hash));
  for (const { paymentHash } of books.recentPayments) assert.ok(hashes.has(paymentHash));
  return books;
}

test('one payment, told by its credential many times, by the webhook twice and by the cron: one row and one callback', async () => {
  const wallet = await startWallet();
  const receiver = await startReceiver();
  ended.push(receiver.close);
  const { url } = await start(wallet, { vars: { ON_PAYMENT_URL: receiver.url, ON_PAYMENT_SECRET: SECRET } });
  const { standard, lightningToll, challenge } = await wallet.buy(url, '/b');
  const crons = [runCron(url), runCron(url)];
  const answers = await Promise.all(Array.from({ length: 32 }, (_, at) => show(url, '/b', at % 2 ? standard : lightningToll)));
  assert.ok(answers.every(({ status }) => status === 200));
  await Promise.all(crons);
  await runCron(url);
  await statsWhen(url, ({ totalPayments, callbacks }) => totalPayments === 1 && callbacks.waiting === 0);
  // LNbits sends each webhook twice, and says of the payment when it has.
  const headers = { 'X-Api-Key': wallet.merchant.invoiceKey };
  const details = async () => (await call(`${wallet.url}/api/v1/payments/${challenge.paymentHash}`, 'GET', undefined, headers)).details;
  const deadline = Date.now() + 10_000;
  while ((await details()).webhook_status === null && Date.now() < deadline) await pause(50);
  assert.equal(String((await details()).webhook_status), '204');
  const books = await assertSameAsLnbits(url, wallet);
  assert.equal(books.totalRevenue, 7);
  assert.equal(books.recentPayments.length, 1);
  assert.equal(books.uniquePayers, 1);
  assert.equal(receiver.calls.length, 1);
  assert.equal(books.totalPaid, 32, 'replays are requests, not revenue');
});

test('a payment is in the books by its webhook before anybody comes back with it', async () => {
  const wallet = await startWallet();
  const { url } = await start(wallet);
  await wallet.buy(url, '/a');
  await statsWhen(url, ({ totalPayments }) => totalPayments === 1);
  await assertSameAsLnbits(url, wallet);
});

test('where no webhook is asked for, its credential brings a payment into the books', async () => {
  const wallet = await startWallet();
  const { url } = await start(wallet, { vars: unhooked });
  const bought = await wallet.buy(url, '/a');
  assert.equal((await stats(url)).totalPayments, 0);
  assert.equal((await show(url, '/a', bought.standard)).status, 200);
  await statsWhen(url, ({ totalPayments }) => totalPayments === 1);
  await assertSameAsLnbits(url, wallet);
});

test('a payment that nobody tells of is found by the cron, in an LNbits that ignores every filter, among all else that moves there', async () => {
  const wallet = await startWallet();
  const { url } = await start(wallet, { vars: unhooked });
  await wallet.buy(url, '/a');
  await wallet.buy(url, '/b');
  const invoice = (key, body) => call(`${wallet.url}/api/v1/payments`, 'POST', { out: false, amount: 1000, ...body }, { 'X-Api-Key': key });
  const another = await invoice(wallet.merchant.invoiceKey, { memo: 'a donation', extra: { tag: 'donation', route: '/a' } });
  await wallet.pay(another.bolt11);
  const outgoing = await invoice(wallet.payer.invoiceKey, { amount: 3, extra: { tag: 'edgetoll', route: '/a' } });
  await call(`${wallet.url}/api/v1/payments`, 'POST', { out: true, bolt11: outgoing.bolt11, extra: { tag: 'edgetoll', route: '/a' } }, { 'X-Api-Key': wallet.merchant.adminKey });
  await send(url, '/b');
  wallet.faulty.fail('ignores every filter', 'GET');
  await runCron(url);
  wallet.faulty.pass();
  const books = await stats(url);
  assert.equal(books.totalRevenue, 12);
  assert.equal(books.totalPayments, 2);
  assert.deepEqual(Object.keys(books.endpoints).sort(), ['/a', '/b']);
});

test('a run goes on where the last one ended, and still finds what was paid for an older invoice', async () => {
  const wallet = await startWallet();
  const { url } = await start(wallet, { vars: unhooked });
  const invoice = parseChallenge((await send(url, '/a')).headers['www-authenticate']).invoice;
  await wallet.buy(url, '/b');
  await runCron(url);
  assert.equal((await stats(url)).totalRevenue, 7);
  const began = wallet.faulty.calls.length;
  await wallet.pay(invoice);
  await runCron(url);
  assert.equal((await assertSameAsLnbits(url, wallet)).totalRevenue, 12);
  const lists = wallet.faulty.calls.slice(began).filter(({ url }) => url.includes('status=success'));
  assert.equal(lists.length, 1, 'one page is enough');
});

test('what may still be paid is looked at before it expires, fifty at most in one run', async () => {
  const wallet = await startWallet();
  const { url } = await start(wallet, { vars: unhooked });
  const hashes = [];
  for (let at = 0; at < 52; at += 1) hashes.push((await send(url, '/b')).json().paymentHash);
  const before = wallet.faulty.calls.length;
  await runCron(url);
  const looks = wallet.faulty.calls.slice(before).map(({ url }) => url.match(/payments\/([0-9a-f]{64})$/)?.[1]).filter(Boolean);
  assert.deepEqual(looks, hashes.slice(0, 50), 'those that end first');
});

test('what was paid while LNbits was away counts once LNbits is there again', async () => {
  const wallet = await startWallet();
  const { url } = await start(wallet, { vars: unhooked });
  const bought = await wallet.buy(url, '/b');
  assert.equal((await show(url, '/b', bought.standard)).status, 200);
  await statsWhen(url, ({ totalPayments }) => totalPayments === 1);
  const another = await wallet.buy(url, '/b');
  await wallet.faulty.fail('refuses the connection');
  assert.equal((await show(url, '/b', another.standard)).status, 200);
  const seen = await statsWhen(url, ({ unsettled }) => unsettled === 1);
  assert.equal(seen.totalRevenue, 7, 'only what LNbits calls paid is revenue');
  await runCron(url);
  assert.equal((await stats(url)).unsettled, 1);
  await wallet.faulty.pass();
  await runCron(url);
  const after = await assertSameAsLnbits(url, wallet);
  assert.deepEqual([after.totalRevenue, after.unsettled], [14, 0]);
});

test('every request of a route counts as what became of it, and money is what was paid', async () => {
  const wallet = await startWallet();
  const { url } = await start(wallet);
  const [a, b] = [await wallet.buy(url, '/a'), await wallet.buy(url, '/b')];
  for (let at = 0; at < 4; at += 1) await show(url, '/a', a.standard);
  for (let at = 0; at < 2; at += 1) await show(url, '/b', b.standard);
  await show(url, '/b', `L402 ${b.macaroons.standard}:${'11'.repeat(32)}`);
  await show(url, '/b', 'L402 garbage');
  for (let at = 0; at < 3; at += 1) await send(url, '/free');
  await send(url, '/waived?q=x');
  await send(url, '/waived');
  await send(url, '/nothing');
  await send(url, '/b', { method: 'HEAD' });
  await statsWhen(url, ({ totalPayments }) => totalPayments === 2);
  const books = await assertSameAsLnbits(url, wallet);
  const counted = Object.entries(books.endpoints).map(([route, { paid, free, challenged, refused, requests }]) => [route, paid, free, challenged, refused, requests]);
  assert.deepEqual(counted.sort(), [
    ['/a', 3, 0, 2, 0, 5],
    ['/b', 2, 0, 2, 2, 6],
    ['/free', 0, 2, 1, 0, 3],
    ['/waived', 0, 1, 1, 0, 2],
  ]);
  assert.deepEqual([books.totalRequests, books.totalPaid, books.totalFree, books.totalChallenged, books.totalRefused], [16, 5, 3, 6, 2]);
});

test('when the price falls afterwards, origin and books are told what was paid, not what it costs today', async () => {
  const wallet = await startWallet();
  const state = run.folder('state');
  const vars = { TOLL_SECRET: randomBytes(32).toString('hex') };
  const dear = await start(wallet, { state, vars });
  const { standard } = await wallet.buy(dear.url, '/b');
  await dear.server.stop();
  const cheap = await start(wallet, { state, vars, toll: { routes: [{ path: '/b', sats: 2 }] } });
  assert.equal((await show(cheap.url, '/b', standard)).status, 200);
  assert.equal(origin.last().headers['x-toll-amount-sats'], '7');
  await statsWhen(cheap.url, ({ totalPayments }) => totalPayments === 1);
  assert.equal((await assertSameAsLnbits(cheap.url, wallet)).totalRevenue, 7);
});

test('the books outlive a restart, and so does a callback that could not be delivered', async () => {
  const wallet = await startWallet();
  const receiver = await startReceiver();
  ended.push(receiver.close);
  const state = run.folder('state');
  const options = { state, vars: { ON_PAYMENT_URL: receiver.url, ON_PAYMENT_SECRET: SECRET, TOLL_SECRET: randomBytes(32).toString('hex') } };
  receiver.fail(503);
  const first = await start(wallet, options);
  await wallet.buy(first.url, '/a');
  await statsWhen(first.url, ({ totalPayments, callbacks }) => totalPayments === 1 && callbacks.waiting === 1);
  await first.server.stop();
  receiver.pass();
  const second = await start(wallet, options);
  const books = await statsWhen(second.url, ({ callbacks }) => callbacks.waiting === 0, 60);
  assert.equal(books.totalRevenue, 5);
  assert.equal(receiver.taken().length, 1);
  await assertSameAsLnbits(second.url, wallet);
});

test('a receiver that is down for a while is told afterwards, in the words of lightning-toll, with a signature that others can read', async () => {
  const wallet = await startWallet();
  const receiver = await startReceiver();
  ended.push(receiver.close);
  const { url } = await start(wallet, { vars: { ON_PAYMENT_URL: receiver.url, ON_PAYMENT_SECRET: SECRET } });
  await receiver.down();
  const bought = await wallet.buy(url, '/b');
  await statsWhen(url, ({ totalPayments, callbacks }) => totalPayments === 1 && callbacks.waiting === 1);
  await receiver.up();
  receiver.fail(500);
  const deadline = Date.now() + 30_000;
  while (receiver.calls.length === 0 && Date.now() < deadline) await pause(50);
  receiver.pass();
  await statsWhen(url, ({ callbacks }) => callbacks.waiting === 0, 30);
  const [callback] = receiver.taken();
  assert.equal(receiver.taken().length, 1);
  const [payment] = (await stats(url)).recentPayments;
  const { paymentHash } = bought.challenge;
  assert.equal(callback.body, JSON.stringify({ paymentHash, amountSats: 7, endpoint: '/b', settledAt: payment.timestamp / 1000, clientId: payment.payerId }));
  assert.equal(callback.headers['content-type'], 'application/json');
  assert.equal(callback.headers['webhook-id'], paymentHash);
  await receiver.assertSigned(callback);
});

test('an LNbits that refuses to call the webhook makes the invoice without it, and is not asked again', async () => {
  const faulty = await startFaulty();
  ended.push(faulty.close);
  const { url, logged } = await start({ ...shared, faulty, merchant: shared.merchant });
  for (const expected of [2, 3, 4]) {
    assert.equal((await send(url, '/a')).status, 402);
    assert.equal(faulty.invoices(), expected);
  }
  assert.match(faulty.calls.find(({ method }) => method === 'POST').body, /"webhook":"http:\/\/127\.0\.0\.1:\d+\/_toll\/hook\/[0-9a-f]{32}\.[0-9a-f]{64}"/);
  await logged(/refuses to call PUBLIC_URL/);
});

test('a webhook is a hint: without our tag nobody is heard, and what LNbits does not call paid, or ours, is not written', async () => {
  const wallet = await startWallet();
  const { url } = await start(wallet);
  const unpaid = (await send(url, '/a')).json().paymentHash;
  const { webhook } = JSON.parse(wallet.faulty.calls.find(({ method }) => method === 'POST').body);
  const path = new URL(webhook).pathname;
  const hint = (hash, to = path, options = {}) =>
    send(url, to, { method: 'POST', body: JSON.stringify(JSON.stringify({ payment_hash: hash, status: 'success', amount: 5000 })), ...options });
  const looks = () => wallet.faulty.calls.filter(({ url }) => /payments\/[0-9a-f]{64}/.test(url)).length;
  const before = looks();
  const [nonce, tag] = path.split('/').at(-1).split('.');
  for (const forged of [`${nonce}.${'0'.repeat(64)}`, `${nonce}0.${tag}`, `${nonce}.`, nonce, `.${tag}`, '']) {
    assert.equal((await hint(unpaid, `/_toll/hook/${forged}`)).status, 404, forged);
  }
  assert.equal((await hint(unpaid, path, { method: 'GET', body: undefined })).status, 405);
  for (const body of ['', 'x', '{}', '"{}"', '[]', JSON.stringify({ payment_hash: 'zz' })]) {
    assert.equal((await hint(unpaid, path, { body })).status, 404, body);
  }
  assert.equal((await hint(unpaid, path, { body: ' '.repeat(70_000) })).status, 404);
  assert.equal(looks(), before, 'nobody was asked');
  assert.equal((await hint(unpaid)).status, 204);
  assert.equal(looks(), before + 1);
  const invoice = await call(`${wallet.url}/api/v1/payments`, 'POST', { out: false, amount: 1000, memo: 'other' }, { 'X-Api-Key': wallet.merchant.invoiceKey });
  await wallet.pay(invoice.bolt11);
  assert.equal((await hint(invoice.payment_hash)).status, 204);
  assert.equal((await hint('ab'.repeat(32))).status, 204);
  assert.deepEqual([(await stats(url)).totalRevenue, (await stats(url)).unsettled], [0, 0]);
});

test('where the books are not bound, or fail, everything is sold as ever, and only the numbers are missing', async () => {
  const wallet = await startWallet();
  const failing = { bindings: [{ name: 'LEDGER', class_name: 'InvoiceLimit' }] };
  for (const durable_objects of [{ bindings: [] }, failing]) {
    const { url } = await start(wallet, { config: { durable_objects, triggers: {} }, toll: { routes: [{ path: '/b', sats: 7 }] } });
    const bought = await wallet.buy(url, '/b');
    assert.equal((await show(url, '/b', bought.standard)).status, 200);
    for (const path of ['stats', 'metrics']) {
      const answer = await asOperator(url, path);
      assert.deepEqual([answer.status, answer.json().code, answer.headers['retry-after']], [503, 'ledger_unavailable', '5']);
    }
    await runCron(url);
    assert.equal((await show(url, '/b', bought.lightningToll)).status, 200);
  }
});
