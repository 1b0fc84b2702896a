// Failover to a second LNbits, and recovery after LNbits was killed.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startLnbits } from '../../tools/lib/lnbits.mjs';
import { freePort, pause } from '../../tools/lib/run.mjs';
import { ADMIN_TOKEN, runCron, sendAsAdmin } from './support/admin.mjs';
import { parseChallenge, send } from './support/client.mjs';
import { startFaultProxy } from './support/fault_proxy.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { lnbits, pay, run, startPaywall, withoutLedger } from './support/paywall.mjs';

const toll = { settlement: 'lnbits', routes: [{ path: '/sold', sats: 5 }] };
/** The Worker spends at most 8 s on its requests to LNbits. The remaining 1.5 s are a margin for a busy machine. */
const MAX_MS = 9_500;
const lnbitsOptions = {};
let origin, ownLnbits;
before(async () => {
  origin = await startRecordingOrigin();
  Object.assign(lnbitsOptions, { dataDir: join(run.folder('second'), 'lnbits'), port: await freePort() });
  ownLnbits = await startLnbits(run, lnbitsOptions);
});
after(() => origin.close());

/** Requests a priced path and returns the challenge; `undefined` if the status is not 402. */
async function challenge(url) {
  const { status, headers, json } = await send(url, '/sold');
  if (status !== 402) return undefined;
  return { ...json(), standard: parseChallenge(headers['www-authenticate']).macaroon };
}
const isFromSlot2 = ({ macaroon, standard }) => {
  const { caveats } = JSON.parse(Buffer.from(macaroon, 'base64url'));
  const isInCaveats = caveats.includes('wallet = 2');
  assert.equal(Buffer.from(standard, 'base64').includes('wallet=2'), isInCaveats);
  return isInCaveats;
};

test('While the wallet in slot 1 fails, the wallet in slot 2 creates the invoices; each payment is looked up only at the wallet that created its invoice', async () => {
  const [slot1, slot2] = [await startFaultProxy(), await startFaultProxy({ target: ownLnbits.url })];
  const vars = { ORIGIN_URL: origin.url, LNBITS_URL: slot1.url, LNBITS_URL_2: slot2.url, LNBITS_KEY_2: ownLnbits.merchant.invoiceKey };
  const { url, server, logged } = await startPaywall({ toll, vars, config: withoutLedger() });
  const sendCredential = async ({ standard }, preimage) => (await send(url, '/sold', { headers: { Authorization: `L402 ${standard}:${preimage}` } })).status;
  const lookups = (wallet, { paymentHash }) => wallet.calls.filter(({ method, url: path, headers }) => method === 'GET' && path.endsWith(paymentHash) && headers['x-api-key']).length;

  const fromSlot1 = await challenge(url);
  assert.ok(!isFromSlot2(fromSlot1));
  assert.equal(slot2.invoiceCount(), 0);

  const fromSlot2 = [];
  for (const fault of ['refuses the connection', '502', 'does not answer']) {
    await slot1.clearFault();
    await slot1.injectFault(fault);
    const started = Date.now();
    fromSlot2.push(await challenge(url));
    assert.ok(fromSlot2.at(-1) && isFromSlot2(fromSlot2.at(-1)), fault);
    assert.ok(Date.now() - started < MAX_MS, fault);
  }
  const slot1Calls = slot1.calls.length;
  const started = Date.now();
  assert.ok(isFromSlot2(await challenge(url)), 'without a wait: the circuit breaker of slot 1 is open');
  assert.ok(Date.now() - started < 3_000);

  await logged(/"event":"wallet","wallet":"1"/);
  const [bought] = fromSlot2;
  assert.equal(await sendCredential(bought, await ownLnbits.pay(bought.invoice)), 200);
  assert.equal(lookups(slot2, bought), 1);
  assert.equal(slot1.calls.length, slot1Calls);
  assert.equal(await sendCredential(fromSlot1, await pay(fromSlot1.invoice)), 503, 'the wallet of this payment is down, and the other wallet is not called');
  assert.equal(lookups(slot2, fromSlot1), 0);

  await slot1.clearFault();
  let recovered;
  await server.until(async () => (recovered = await challenge(url)) && !isFromSlot2(recovered), 40);
  await server.until(async () => (await sendCredential(fromSlot1, '')) === 200, 40);
  assert.equal(await sendCredential(recovered, await pay(recovered.invoice)), 200);
  assert.equal(lookups(slot2, recovered), 0);

  await slot2.injectFault('500');
  assert.ok(!isFromSlot2(await challenge(url)), 'slot 1 works, so slot 2 is not used');
  await server.stop();
  await Promise.all([slot1.close(), slot2.close()]);
});

test('While neither wallet responds in time, a request gets 503 after about eight seconds; when one wallet recovers, requests get invoices again', async () => {
  const [slot1, slot2] = [await startFaultProxy(), await startFaultProxy({ target: ownLnbits.url })];
  const vars = { ORIGIN_URL: origin.url, LNBITS_URL: slot1.url, LNBITS_URL_2: slot2.url, LNBITS_KEY_2: ownLnbits.merchant.invoiceKey };
  const { url, server } = await startPaywall({ toll, vars });
  assert.ok(await challenge(url));
  await Promise.all([slot1.injectFault('does not answer'), slot2.injectFault('sends its body too slowly')]);
  const started = Date.now();
  const { status, json } = await send(url, '/sold');
  const tookMs = Date.now() - started;
  assert.equal(status, 503);
  assert.equal(json().code, 'invoice_unavailable');
  assert.ok(tookMs > 7_000 && tookMs < MAX_MS, `${tookMs} ms`);
  await slot2.clearFault();
  await server.until(async () => (await challenge(url)) !== undefined, 40);
  await server.stop();
  await Promise.all([slot1.close(), slot2.close()]);
});

test('With `wallets = "spread"`, the wallets create invoices by turns, and a payment is looked up at the wallet that created its invoice', async () => {
  const slots = [await startFaultProxy(), await startFaultProxy({ target: ownLnbits.url }), await startFaultProxy()];
  const [, second, eighth] = slots;
  const vars = {
    ORIGIN_URL: origin.url, LNBITS_URL: slots[0].url,
    LNBITS_URL_2: second.url, LNBITS_KEY_2: ownLnbits.merchant.invoiceKey,
    LNBITS_URL_8: eighth.url, LNBITS_KEY_8: lnbits.merchant.invoiceKey,
  };
  const { url, server } = await startPaywall({ toll: { ...toll, wallets: 'spread' }, vars, config: withoutLedger() });
  const invoices = () => slots.map((slot) => slot.invoiceCount());
  const bought = [];
  for (let n = 0; n < 6; n += 1) bought.push(await challenge(url));
  assert.deepEqual(invoices(), [2, 2, 2]);
  const slotOf = ({ standard }) => Buffer.from(standard, 'base64').toString('latin1').match(/wallet=(\d)/)?.[1] ?? '1';
  assert.deepEqual(bought.map(slotOf), ['1', '2', '8', '1', '2', '8']);
  for (const [index, one] of bought.entries()) {
    const preimage = await (slotOf(one) === '2' ? ownLnbits.pay(one.invoice) : pay(one.invoice));
    const { status } = await send(url, '/sold', { headers: { Authorization: `L402 ${one.standard}:${preimage}` } });
    assert.equal(status, 200, `invoice ${index}`);
  }
  await eighth.injectFault('502');
  for (let n = 0; n < 3; n += 1) assert.ok(await challenge(url));
  assert.deepEqual(invoices(), [4, 3, 3], 'after the failure in slot 8, the wallet in slot 1 creates the invoice');
  await server.stop();
  await Promise.all(slots.map((slot) => slot.close()));
});

test('The cron trigger reads the payment lists of two wallets, each to its end, and counts each payment once', async () => {
  const vars = { ORIGIN_URL: origin.url, ADMIN_TOKEN, LNBITS_URL_2: ownLnbits.url, LNBITS_KEY_2: ownLnbits.merchant.invoiceKey };
  const { url, server } = await startPaywall({ toll: { ...toll, wallets: 'spread' }, vars });
  const bought = [await challenge(url), await challenge(url)];
  await pay(bought[0].invoice);
  await ownLnbits.pay(bought[1].invoice);
  const totals = async () => {
    await runCron(url);
    const { totalPayments, totalRevenue } = (await sendAsAdmin(url, 'stats')).json();
    return { totalPayments, totalRevenue };
  };
  let [last, now] = [undefined, await totals()];
  while (last?.totalPayments !== now.totalPayments) [last, now] = [now, await totals()];
  for (const { paymentHash } of bought) {
    const found = (await sendAsAdmin(url, `payments?hash=${paymentHash}`)).json();
    assert.deepEqual(found.map(({ amountSats }) => amountSats), [5]);
  }
  await server.stop();
});

test('LNbits is killed and restarted under load: no request hangs, and the paywall recovers', async () => {
  const vars = { ORIGIN_URL: origin.url, LNBITS_URL: ownLnbits.url, LNBITS_KEY: ownLnbits.merchant.invoiceKey };
  const paywall = await startPaywall({ toll, vars });
  const forgotten = await challenge(paywall.url);
  const responses = [];
  let isOver = false;
  const load = Array.from({ length: 4 }, async () => {
    while (!isOver) {
      const started = Date.now();
      const { status, headers } = await send(paywall.url, '/sold');
      const tookMs = Date.now() - started;
      responses.push({ status, tookMs, retryAfter: headers['retry-after'] });
      // This client ignores Retry-After. The pause avoids a busy loop.
      if (status === 503) await pause(50);
    }
  });
  const count = (status) => responses.filter((response) => response.status === status).length;
  await paywall.server.until(() => count(402) >= 20, 60);
  ownLnbits.server.signal('SIGKILL');
  await paywall.server.until(() => count(503) >= 20, 60);
  ownLnbits = await startLnbits(run, lnbitsOptions);
  const recoveredAt = responses.length;
  await paywall.server.until(() => responses.slice(recoveredAt).filter(({ status }) => status === 402).length >= 10, 60);
  isOver = true;
  await Promise.all(load);
  assert.deepEqual([...new Set(responses.map(({ status }) => status))].sort(), [402, 503]);
  assert.ok(responses.every(({ tookMs }) => tookMs < MAX_MS), `${Math.max(...responses.map(({ tookMs }) => tookMs))} ms`);
  assert.ok(responses.filter(({ status }) => status === 503).every(({ retryAfter }) => Number(retryAfter) >= 1));

  // The FakeWallet of LNbits loses its unpaid invoices in a restart, so the Worker creates a new invoice.
  const lost = await send(paywall.url, '/sold', { headers: { Authorization: `L402 ${forgotten.standard}:` } });
  assert.equal(lost.json().code, 'unpaid');
  assert.notEqual(lost.json().invoice, forgotten.invoice);
  const { standard, invoice } = await challenge(paywall.url);
  const preimage = await ownLnbits.pay(invoice);
  const paid = await send(paywall.url, '/sold', { headers: { Authorization: `L402 ${standard}:${preimage}` } });
  assert.equal(paid.status, 200);
  await paywall.server.stop();
});
