// A second LNbits, and one that is killed and comes back.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startLnbits } from '../../tools/lib/lnbits.mjs';
import { freePort, pause } from '../../tools/lib/run.mjs';
import { parseChallenge, send } from './support/client.mjs';
import { startFaulty } from './support/faulty.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { pay, run, startPaywall, withoutBooks } from './support/paywall.mjs';

const toll = { settlement: 'lnbits', routes: [{ path: '/sold', sats: 5 }] };
/** The budget of 8 s, and what a busy machine adds. */
const LONGEST_MS = 9_500;
const place = {};
let origin, own;
before(async () => {
  origin = await startRecordingOrigin();
  Object.assign(place, { dataDir: join(run.folder('second'), 'lnbits'), port: await freePort() });
  own = await startLnbits(run, place);
});
after(() => origin.close());

async function challenge(url) {
  const { status, headers, json } = await send(url, '/sold');
  if (status !== 402) return undefined;
  return { ...json(), standard: parseChallenge(headers['www-authenticate']).macaroon };
}
const isOfSecond = ({ macaroon, standard }) => {
  const { caveats } = JSON.parse(Buffer.from(macaroon, 'base64url'));
  const isSecond = caveats.includes('wallet = 2');
  assert.equal(Buffer.from(standard, 'base64').includes('wallet=2'), isSecond);
  return isSecond;
};

test('a second LNbits takes over and gives back, and each is asked about its own payments', async () => {
  const [first, second] = [await startFaulty(), await startFaulty({ target: own.url })];
  const vars = { ORIGIN_URL: origin.url, LNBITS_URL: first.url, LNBITS_URL_2: second.url, LNBITS_KEY_2: own.merchant.invoiceKey };
  const { url, server, logged } = await startPaywall({ toll, vars, config: withoutBooks() });
  const show = async ({ standard }, preimage) => (await send(url, '/sold', { headers: { Authorization: `L402 ${standard}:${preimage}` } })).status;
  const asked = (lnbits, { paymentHash }) => lnbits.calls.filter(({ method, url: called, headers }) => method === 'GET' && called.endsWith(paymentHash) && headers['x-api-key']).length;

  const usual = await challenge(url);
  assert.ok(!isOfSecond(usual));
  assert.equal(second.invoices(), 0);

  const taken = [];
  for (const fault of ['refuses the connection', '502', 'does not answer']) {
    await first.pass();
    await first.fail(fault);
    const started = Date.now();
    taken.push(await challenge(url));
    assert.ok(taken.at(-1) && isOfSecond(taken.at(-1)), fault);
    assert.ok(Date.now() - started < LONGEST_MS, fault);
  }
  const asking = first.calls.length;
  const started = Date.now();
  assert.ok(isOfSecond(await challenge(url)), 'at once while the first is left alone, which would not answer');
  assert.ok(Date.now() - started < 3_000);

  await logged(/"event":"wallet","wallet":"1"/);
  const [bought] = taken;
  assert.equal(await show(bought, await own.pay(bought.invoice)), 200);
  assert.equal(asked(second, bought), 1);
  assert.equal(first.calls.length, asking);
  assert.equal(await show(usual, await pay(usual.invoice)), 503, 'its own wallet is down, and no other is asked');
  assert.equal(asked(second, usual), 0);

  await first.pass();
  let back;
  await server.until(async () => (back = await challenge(url)) && !isOfSecond(back), 40);
  await server.until(async () => (await show(usual, '')) === 200, 40);
  assert.equal(await show(back, await pay(back.invoice)), 200);
  assert.equal(asked(second, back), 0);

  await second.fail('500');
  assert.ok(!isOfSecond(await challenge(url)), 'the second is not needed');
  await server.stop();
  await Promise.all([first.close(), second.close()]);
});

test('with both down nobody waits longer than eight seconds, and both come back', async () => {
  const [first, second] = [await startFaulty(), await startFaulty({ target: own.url })];
  const vars = { ORIGIN_URL: origin.url, LNBITS_URL: first.url, LNBITS_URL_2: second.url, LNBITS_KEY_2: own.merchant.invoiceKey };
  const { url, server } = await startPaywall({ toll, vars });
  assert.ok(await challenge(url));
  await Promise.all([first.fail('does not answer'), second.fail('sends its body too slowly')]);
  const started = Date.now();
  const { status, json } = await send(url, '/sold');
  const tookMs = Date.now() - started;
  assert.equal(status, 503);
  assert.equal(json().code, 'invoice_unavailable');
  assert.ok(tookMs > 7_000 && tookMs < LONGEST_MS, `${tookMs} ms`);
  await second.pass();
  await server.until(async () => (await challenge(url)) !== undefined, 40);
  await server.stop();
  await Promise.all([first.close(), second.close()]);
});

test('LNbits is killed and started again under load: no request hangs, and the paywall recovers by itself', async () => {
  const vars = { ORIGIN_URL: origin.url, LNBITS_URL: own.url, LNBITS_KEY: own.merchant.invoiceKey };
  const paywall = await startPaywall({ toll, vars });
  const forgotten = await challenge(paywall.url);
  const seen = [];
  let isOver = false;
  const load = Array.from({ length: 4 }, async () => {
    while (!isOver) {
      const started = Date.now();
      const { status, headers } = await send(paywall.url, '/sold');
      const tookMs = Date.now() - started;
      seen.push({ status, tookMs, retryAfter: headers['retry-after'] });
      // Politely, as a client that is told to come back does not; but not in a busy loop.
      if (status === 503) await pause(50);
    }
  });
  const count = (status) => seen.filter((one) => one.status === status).length;
  await paywall.server.until(() => count(402) >= 20, 60);
  own.server.signal('SIGKILL');
  await paywall.server.until(() => count(503) >= 20, 60);
  own = await startLnbits(run, place);
  const recoveredAt = seen.length;
  await paywall.server.until(() => seen.slice(recoveredAt).filter(({ status }) => status === 402).length >= 10, 60);
  isOver = true;
  await Promise.all(load);
  assert.deepEqual([...new Set(seen.map(({ status }) => status))].sort(), [402, 503]);
  assert.ok(seen.every(({ tookMs }) => tookMs < LONGEST_MS), `${Math.max(...seen.map(({ tookMs }) => tookMs))} ms`);
  assert.ok(seen.filter(({ status }) => status === 503).every(({ retryAfter }) => Number(retryAfter) >= 1));

  // FakeWallet has forgotten what was open, and makes new invoices that can be paid.
  const lost = await send(paywall.url, '/sold', { headers: { Authorization: `L402 ${forgotten.standard}:` } });
  assert.equal(lost.json().code, 'unpaid');
  assert.notEqual(lost.json().invoice, forgotten.invoice);
  const { standard, invoice } = await challenge(paywall.url);
  const preimage = await own.pay(invoice);
  const paid = await send(paywall.url, '/sold', { headers: { Authorization: `L402 ${standard}:${preimage}` } });
  assert.equal(paid.status, 200);
  await paywall.server.stop();
});
