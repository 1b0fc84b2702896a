import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { call, startLnbits } from '../../tools/lib/lnbits.mjs';
import { freePort, pause } from '../../tools/lib/run.mjs';
import { buy, send } from './support/client.mjs';
import { startFaulty } from './support/faulty.mjs';
import { ADMIN_TOKEN, asOperator, runCron, stats, statsWhen } from './support/operator.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { run, startPaywall } from './support/paywall.mjs';

const toll = {
  routes: [
    { path: '/a', sats: 5, uses: 3 },
    { path: '/b', sats: 7 },
    { path: '/free', sats: 3, free_requests: 2, free_window: '1d' },
    { path: '/waived', price: [{ when: { query: { q: 'x' } }, sats: 0 }, { sats: 9 }] },
  ],
};

let lnbits, faulty, origin;
before(async () => {
  // A wallet of these tests' own, whose list is what the books must come to; it may call this machine.
  const env = { LNBITS_CALLBACK_URL_RULES: '', LNBITS_CALLBACK_ALLOW_PRIVATE_IPS: 'true' };
  lnbits = await startLnbits(run, { dataDir: run.folder('lnbits'), env });
  faulty = await startFaulty({ target: lnbits.url });
  origin = await startRecordingOrigin();
});
after(async () => {
  faulty.close();
  await origin.close();
});

/** A paywall that LNbits calls back, and that tells a receiver. */
async function start({ vars, ...options } = {}) {
  const port = await freePort();
  return startPaywall({
    toll,
    port,
    ...options,
    vars: {
      LNBITS_URL: faulty.url,
      LNBITS_KEY: lnbits.merchant.invoiceKey,
      ORIGIN_URL: origin.url,
      ADMIN_TOKEN,
      PUBLIC_URL: `http://127.0.0.1:${port}`,
      ...vars,
    },
  });
}

const buyAt = (base, path) => buy(base, path, { payWith: lnbits.pay });
const show = (base, path, authorization, options) => send(base, path, { ...options, headers: { authorization } });
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

/** The merchant's own list of what was paid with our tag. */
async function listed() {
  const headers = { 'X-Api-Key': lnbits.merchant.invoiceKey };
  const { data } = await call(`${lnbits.url}/api/v1/payments/paginated?limit=1000&status=success&tag=edgetoll`, 'GET', undefined, headers);
  return data;
}

test('a payment is in the books by its webhook, before anybody comes back with it', async () => {
  const { url } = await start();
  const { challenge } = await buyAt(url, '/a');
  const seen = await statsWhen(url, ({ totalPayments }) => totalPayments === 1);
  assert.equal(seen.totalRevenue, 5);
  console.log(JSON.stringify(seen));
});
