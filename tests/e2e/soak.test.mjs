// Traffic of all kinds at full rate, while LNbits, the origin, Workers KV, Durable Objects and the clock fail in turn. At the end, the
// ledger must equal LNbits' own list of payments. `make soak` runs all faults; `make test` some of them.
//   EDGETOLL_SOAK_S=seconds   how long to inject faults; without it, each fault of the short run once
//   EDGETOLL_SOAK_ONLY=text   only the faults with this in their name
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { call, startLnbits } from '../../tools/lib/lnbits.mjs';
import { freePort, pause, root, until } from '../../tools/lib/run.mjs';
import { ADMIN_TOKEN, sendAsAdmin, stats } from './support/admin.mjs';
import { SECRET, startCallbackReceiver } from './support/callback_receiver.mjs';
import { startFaultProxy } from './support/fault_proxy.mjs';
import { run } from './support/paywall.mjs';
import { ORIGIN_TIMEOUT_MS, faultsOf, startKv, startOrigin } from './support/soak/faults.mjs';
import { ROUTES, newTraffic } from './support/soak/traffic.mjs';
import { OBJECTS, startBareWorker } from './support/workerd.mjs';

const SECONDS = Number(process.env.EDGETOLL_SOAK_S ?? 0);
const isShort = SECONDS === 0;
/** How long a fault lasts, and how long nothing fails after the recovery. */
const [FAULT_MS, HEALTHY_MS] = isShort ? [500, 200] : [4_000, 1_500];
const SALES_DURING_FAULT = 3;
/** The circuit breakers of a wallet stay open for at most 30 seconds. */
const MAX_RECOVERY_S = 45;
/** By how much the memory of workerd may grow from the second to the last third of a run that is longer than its warm-up. */
const [MAX_GROWTH, WARM_UP_S] = [1.15, 200];

const injected = [];
let isFailing = false;
const unpaidAtOrigin = [];
const servedHashes = new Set();

test('Whatever fails in turn, nothing unpaid is served, no payment is lost or counted twice, and each response is a documented one', async (context) => {
  const parts = await start(context);
  const { traffic, faults, worker, lnbits, receiver } = parts;
  const memory = watchMemory(worker.server.child.pid);
  context.after(memory.stop);
  const started = Date.now();
  traffic.start();
  await until(() => traffic.isHealthy());
  const recoveries = [];
  for (const fault of faults.filter((fault) => !isShort || fault.isShort)) {
    recoveries.push({ fault, ms: await inject(fault, traffic) });
    if (!isShort && Date.now() - started > SECONDS * 1000) break;
  }
  await traffic.stop();
  memory.stop();
  const seconds = (Date.now() - started) / 1000;
  await traffic.useRest(isShort ? 5 : 30);
  const ledger = await readLedger(parts);
  const paid = await paidAtLnbits(lnbits);
  // A callback of a payment that was recorded while the clock was ahead waits until that time.
  await until(async () => called(receiver).size + (ledger.callbacks = (await stats(worker.url)).callbacks).waiting >= paid.size, 30).catch(() => {});
  const zeros = findFaults({ traffic, ledger, paid, receiver });
  console.log(report({ traffic, recoveries, memory, seconds, paid, zeros }));
  for (const [name, found] of Object.entries(zeros)) assert.deepEqual(found.slice(0, 10), [], `${name}: ${found.length}`);
  if (seconds > WARM_UP_S) assert.ok(memory.growth() < MAX_GROWTH, `the memory grew by a factor of ${memory.growth()}`);
});

/** Starts LNbits, the servers that can fail, and the Worker. */
async function start(context) {
  const options = { dataDir: join(run.folder('soak'), 'lnbits'), port: await freePort() };
  let lnbits = await startLnbits(run, options);
  const [wallet, kv, receiver] = [await startFaultProxy({ target: lnbits.url }), await startKv(), await startCallbackReceiver()];
  const origin = await startOrigin(received);
  const worker = await startBareWorker({
    toll: { settlement: 'lnbits', origin_timeout: `${ORIGIN_TIMEOUT_MS}ms`, routes: ROUTES },
    vars: { ORIGIN_URL: origin.url, LNBITS_URL: wallet.url, LNBITS_KEY: lnbits.merchant.invoiceKey, ADMIN_TOKEN, ON_PAYMENT_URL: receiver.url, ON_PAYMENT_SECRET: SECRET },
    kv: kv.host,
    entry: readFileSync(join(root, 'tests/e2e/support/soak/worker.js'), 'utf8'),
    objects: { ...OBJECTS, INVOICE_LIMIT: 'InvoiceLimit', LEDGER: 'Ledger' },
  });
  const control = async (state, more = '') => {
    const text = JSON.stringify(state, (_, value) => value ?? null);
    assert.equal((await fetch(`${worker.url}/soak-control?state=${encodeURIComponent(text)}${more}`)).status, 200);
  };
  const restartLnbits = async () => {
    await lnbits.server.stop();
    lnbits = await startLnbits(run, options);
  };
  const traffic = newTraffic({ url: worker.url, pay: (invoice) => lnbits.pay(invoice), faults: injected, isFailing: () => isFailing });
  context.after(async () => {
    await worker.server.stop();
    await traffic.stop();
    await Promise.all([wallet.close(), kv.stop(), origin.stop(), receiver.close()]);
  });
  const faults = faultsOf({ wallet, restartLnbits, origin, kv, control }).filter(({ system, name }) => `${system} ${name}`.includes(process.env.EDGETOLL_SOAK_ONLY ?? ''));
  return { traffic, faults, worker, lnbits, receiver, control };
}

/** Notes a request that the origin has answered. The origin trusts the headers of edgetoll, as a real one does. */
function received({ url, headers }, isPriced) {
  const status = headers['x-toll-status'];
  if (headers['x-original-url'] || headers['x-rewrite-url']) unpaidAtOrigin.push(`${url} with a header that names another path`);
  if (status === 'paid') servedHashes.add(headers['x-toll-payment-hash']);
  else if (isPriced && (status !== 'free' || url !== '/few')) unpaidAtOrigin.push(`${url} as ${status}`);
}

/** Injects a fault for some time. Returns how many milliseconds the recovery took. */
async function inject(fault, traffic) {
  injected.push(fault);
  isFailing = true;
  await fault.begin();
  const sold = soldCount(traffic);
  await pause(FAULT_MS);
  // Sales go on during a fault that clients do not see. Without sales, it could lose no payment.
  if (fault.isUnseen) await until(() => soldCount(traffic) >= sold + SALES_DURING_FAULT, 120);
  await fault.end();
  const endedAt = Date.now();
  await until(() => traffic.isHealthy(), MAX_RECOVERY_S).catch(() => assert.fail(`no recovery after ${fault.system} ${fault.name}; ${traffic.wrong.slice(0, 10).join('; ')}`));
  const recoveredMs = Date.now() - endedAt;
  isFailing = false;
  await pause(HEALTHY_MS);
  return recoveredMs;
}

/** Returns the number of payments whose credential was used. */
function soldCount({ payments }) {
  return payments.filter(({ served }) => served > 0).length;
}

/** Runs the cron trigger until the ledger has as many payments as LNbits. Returns the ledger's statistics and all of its payments. */
async function readLedger({ worker, lnbits, control }) {
  const { size } = await paidAtLnbits(lnbits);
  await until(async () => {
    await control({}, '&cron=1');
    return (await stats(worker.url)).totalPayments >= size;
  }, 60).catch(() => {});
  const payments = [];
  for (let page, query = ''; !page || page.length; ) {
    page = (await sendAsAdmin(worker.url, `payments${query}`)).json();
    payments.push(...page);
    const last = page.at(-1);
    if (last) query = `?before_ms=${last.timestamp}&before_hash=${last.paymentHash}`;
  }
  return { payments, ...(await stats(worker.url)) };
}

/** Returns the amounts in satoshis of the payments that LNbits lists as paid, by payment hash. */
async function paidAtLnbits({ url, merchant }) {
  const rows = [];
  for (let page; !page || page.length; ) {
    const path = `${url}/api/v1/payments/paginated?limit=1000&offset=${rows.length}&status=success&tag=edgetoll&sortby=time`;
    page = (await call(path, 'GET', undefined, { 'X-Api-Key': merchant.invoiceKey })).data;
    rows.push(...page);
  }
  return new Map(rows.map(({ payment_hash: hash, amount }) => [hash, amount / 1000]));
}

/** Returns the payment hashes of the callbacks that the owner's server has accepted. */
function called(receiver) {
  return new Set(receiver.accepted().map(({ body }) => JSON.parse(body).paymentHash));
}

/** Returns what went wrong, by the promise that it breaks. */
function findFaults({ traffic, ledger, paid, receiver }) {
  const sum = (numbers) => [...numbers].reduce((total, number) => total + number, 0);
  const hashes = ledger.payments.map(({ paymentHash }) => paymentHash);
  const recorded = new Set(hashes);
  const uncalled = [...paid.keys()].filter((hash) => !called(receiver).has(hash));
  const counted = traffic.payments.filter(({ uses }) => uses !== undefined);
  return {
    'served unpaid': [...traffic.unpaidServed, ...unpaidAtOrigin, ...[...servedHashes].filter((hash) => !paid.has(hash)).map((hash) => `${hash} was not paid`)],
    'counted twice': [
      ...counted.filter(({ served, uses }) => served > uses).map(({ kind, served }) => `${kind}: ${served} times`),
      ...hashes.filter((hash, at) => hashes.indexOf(hash) < at),
      ...hashes.filter((hash) => !paid.has(hash)),
      ...(ledger.totalPayments > paid.size || ledger.totalRevenue > sum(paid.values()) ? [`${ledger.totalPayments} payments, ${ledger.totalRevenue} sats`] : []),
    ],
    lost: [
      ...[...paid.keys()].filter((hash) => !recorded.has(hash)).map((hash) => `${hash} is not in the ledger`),
      ...(uncalled.length > ledger.callbacks.waiting ? uncalled.map((hash) => `${hash} caused no callback, and none waits`) : []),
      ...counted.filter(({ served, uses, mayLoseUses }) => served < uses && !mayLoseUses).map(({ kind, served }) => `${kind}: only ${served} uses`),
      ...(ledger.totalPayments < paid.size || ledger.totalRevenue < sum(paid.values()) ? [`${ledger.totalPayments} payments, ${ledger.totalRevenue} sats`] : []),
      ...(paid.size < traffic.payments.length ? [`${paid.size} of ${traffic.payments.length} payments are in LNbits' list`] : []),
    ],
    'wrong statuses': traffic.wrong,
  };
}

/** Measures the memory of a process every second. */
function watchMemory(pid) {
  const mib = [];
  const timer = setInterval(() => mib.push(residentMib(pid)), 1_000);
  const third = (at) => median(mib.slice(Math.floor((mib.length * at) / 3), Math.ceil((mib.length * (at + 1)) / 3)));
  return {
    mib,
    stop: () => clearInterval(timer),
    /** The memory of the last third of the run, divided by that of the second third. */
    growth: () => third(2) / third(1),
    /** MiB per minute over the last two thirds, by least squares. */
    slope: () => {
      const values = mib.slice(Math.floor(mib.length / 3));
      const middle = (values.length - 1) / 2;
      const mean = values.reduce((total, value) => total + value, 0) / values.length;
      const [above, below] = values.reduce(([a, b], value, at) => [a + (at - middle) * (value - mean), b + (at - middle) ** 2], [0, 0]);
      return (60 * above) / below;
    },
  };
}

function residentMib(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

function report({ traffic, recoveries, memory, seconds, paid, zeros }) {
  const kinds = Object.entries(traffic.counts).map(([kind, outcomes]) => {
    const sorted = Object.entries(outcomes).sort(([a], [b]) => a.localeCompare(b));
    return `  ${kind.padEnd(10)} ${sorted.map(([outcome, count]) => `${outcome}: ${count}`).join(', ')}`;
  });
  const lost = traffic.payments.filter(({ uses, mayLoseUses }) => uses && mayLoseUses).reduce((total, { uses, served }) => total + uses - served, 0);
  const at = (part) => Math.round(memory.mib[Math.floor((memory.mib.length - 1) * part)]);
  return [
    `${traffic.requests()} requests in ${Math.round(seconds)} s (${Math.round(traffic.requests() / seconds)} a second), ${paid.size} payments`,
    ...kinds,
    'recovery after each fault, in ms, including a purchase',
    ...recoveries.map(({ fault, ms }) => `  ${`${fault.system} ${fault.name}`.padEnd(40)} ${ms}`),
    `memory of workerd: ${at(0)}, ${at(0.25)}, ${at(0.5)}, ${at(0.75)}, ${at(1)} MiB; ${memory.slope().toFixed(1)} MiB a minute in the last two thirds`,
    `uses of payments during which the object Meter failed that were not served: ${lost}`,
    ...Object.entries(zeros).flatMap(([name, found]) => [`${name}: ${found.length}`, ...found.slice(0, 5).map((one) => `  ${one}`)]),
  ].join('\n');
}
