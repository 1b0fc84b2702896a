// Measures how many payments per second the ledger records, how this changes with the payments that it has, and how many invoices per
// second LNbits creates, in one run on this machine.
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { call } from '../tools/lib/lnbits.mjs';
import { root, writeJson } from '../tools/lib/run.mjs';
import { startWrangler } from '../tools/lib/worker.mjs';
import { table } from './lib.mjs';

const MS = 3000;
const CONCURRENCY = 16;
/** The payments that the ledger has before each measurement, at least. */
const PAYMENTS = [0, 1000, 10_000, 100_000];
const PER_COMMAND = 200;

/** Returns a sentence and a table. */
export async function ledgerTable({ run, lnbits }) {
  const url = await startLedger(run);
  const headers = { 'X-Api-Key': lnbits.merchant.invoiceKey };
  const invoices = await perSecond(() => call(`${lnbits.url}/api/v1/payments`, 'POST', { out: false, amount: 5 }, headers));
  const rows = [];
  for (const payments of PAYMENTS) {
    while ((await recorded(url)) < payments) await send(`${url}/record?payments=${PER_COMMAND}`);
    const before = await recorded(url);
    rows.push([before, await perSecond(() => send(`${url}/stats`)), await perSecond(() => send(`${url}/record?payments=1`))]);
  }
  const [[, , payments]] = rows;
  return [
    `LNbits creates ${invoices} invoices per second; the ledger records ${payments} payments per second, ${(payments / invoices).toFixed(1)} times as many.`,
    table(['payments in the ledger', 'the statistics are read, per second', 'payments recorded per second'], rows.map((row) => row.map((value) => value.toLocaleString('en')))),
  ].join('\n\n');
}

/** Returns the number of payments that the ledger has. */
async function recorded(url) {
  return JSON.parse(await send(`${url}/stats`)).totalPayments;
}

/** Returns the body of the response. */
async function send(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response.text();
}

/** Starts the Worker that has the ledger, and driver.js, a Worker that sends payments to the ledger. Returns the URL of driver.js. */
async function startLedger(run) {
  const dir = run.folder('ledger');
  mkdirSync(join(dir, 'driver'));
  copyFileSync(join(root, 'benches/driver.js'), join(dir, 'driver/index.js'));
  const common = { compatibility_date: '2026-11-01' };
  writeJson(join(dir, 'driver.json'), {
    ...common,
    name: 'driver',
    main: 'driver/index.js',
    durable_objects: { bindings: [{ name: 'LEDGER', class_name: 'Ledger', script_name: 'ledger' }] },
  });
  writeJson(join(dir, 'ledger.json'), {
    ...common,
    name: 'ledger',
    main: join(root, 'build/index.js'),
    durable_objects: { bindings: [{ name: 'LEDGER', class_name: 'Ledger' }] },
    migrations: [{ tag: 'v1', new_sqlite_classes: ['Ledger'] }],
    vars: { ON_PAYMENT_URL: 'http://127.0.0.1:9/closed', TOLL: {} },
  });
  const args = ['-c', 'driver.json', '-c', 'ledger.json', '--port', '0', '--persist-to', join(dir, 'state')];
  return (await startWrangler(run, args, { cwd: dir })).url;
}

/** Runs a function again and again, `CONCURRENCY` at once. Returns how many runs finished per second. */
async function perSecond(once) {
  // The first run is not measured, because it may start a server or open a connection.
  await once();
  let count = 0;
  const began = Date.now();
  const worker = async () => {
    while (Date.now() < began + MS) {
      await once();
      count += 1;
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  return Math.round((count * 1000) / (Date.now() - began));
}
