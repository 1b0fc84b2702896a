// Measures how many payments per second the ledger records, how this changes with the payments that it has, how many requests per second
// the other Durable Objects answer, and how many invoices per second LNbits creates, in one run on this machine.
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
const CALLS = 16;
const OBJECTS = [
  { name: 'LEDGER', class_name: 'Ledger' },
  { name: 'INVOICE_LIMIT', class_name: 'InvoiceLimit' },
  { name: 'METER', class_name: 'Meter' },
];

/** Returns a sentence and two tables. */
export async function ledgerTable({ run, lnbits }) {
  const url = await startLedger(run);
  const headers = { 'X-Api-Key': lnbits.merchant.invoiceKey };
  const invoices = await perSecond(() => call(`${lnbits.url}/api/v1/payments`, 'POST', { out: false, amount: 5 }, headers));
  // One request to driver.js makes several calls, because the way to it would take longer than a call.
  const callsPerSecond = async (command) => CALLS * (await perSecond(() => send(`${url}/${command}calls=${CALLS}`)));
  const rows = [];
  for (const payments of PAYMENTS) {
    while ((await recorded(url)) < payments) await send(`${url}/record?payments=${PER_COMMAND}`);
    const before = await recorded(url);
    rows.push([before, await perSecond(() => send(`${url}/stats`)), await callsPerSecond('record?payments=1&')]);
  }
  const [[, , payments]] = rows;
  const began = Date.now();
  const lines = (await send(`${url}/export`)).split('\r\n').length - 2;
  const exported = Math.round((lines * 1000) / (Date.now() - began));
  const objects = [
    ['ledger: a payment is recorded', payments],
    ['ledger: payments are exported', exported],
    ['invoice limit: an invoice is admitted', await callsPerSecond('limit?')],
    ['meter: a use of one payment is taken', await callsPerSecond('use?')],
    ['LNbits: an invoice is created', invoices],
  ];
  return [
    `LNbits creates ${invoices} invoices per second; the ledger records ${payments} payments per second, ${(payments / invoices).toFixed(1)} times as many.`,
    table(['payments in the ledger', 'the statistics are read, per second', 'payments recorded per second'], rows.map((row) => row.map((value) => value.toLocaleString('en')))),
    table(['one object, or one LNbits', 'per second', 'ratio to invoices of LNbits'], objects.map(([name, rate]) => [name, rate.toLocaleString('en'), (rate / invoices).toFixed(1)])),
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
    durable_objects: { bindings: OBJECTS.map((binding) => ({ ...binding, script_name: 'ledger' })) },
  });
  writeJson(join(dir, 'ledger.json'), {
    ...common,
    name: 'ledger',
    main: join(root, 'build/index.js'),
    durable_objects: { bindings: OBJECTS },
    migrations: [{ tag: 'v1', new_sqlite_classes: OBJECTS.map(({ class_name }) => class_name) }],
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
