// How many payments a second the books take, beside how many invoices a second LNbits makes: on this machine, in one run.
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { call, startLnbits } from '../tools/lib/lnbits.mjs';
import { Run, root, writeJson } from '../tools/lib/run.mjs';
import { startWrangler } from '../tools/lib/worker.mjs';

const PAYMENTS = 3000;
const INVOICES = 300;
const AT_ONCE = 16;

const run = Run.begin('bench');
try {
  const lnbits = await startLnbits(run, { dataDir: run.folder('lnbits') });
  const url = await startBooks();
  const headers = { 'X-Api-Key': lnbits.merchant.invoiceKey };
  const invoices = await perSecond(INVOICES, () => call(`${lnbits.url}/api/v1/payments`, 'POST', { out: false, amount: 5 }, headers));
  const payments = await perSecond(PAYMENTS, () => fetch(url).then((answer) => answer.ok || Promise.reject(new Error(`${answer.status}`))));
  console.log(`LNbits makes ${invoices} invoices a second; the books take ${payments} payments a second: ${(payments / invoices).toFixed(1)} times as many`);
} finally {
  await run.end();
}

/** A Worker that writes one payment into the Ledger of the real one for each request. */
async function startBooks() {
  const dir = run.folder('books');
  mkdirSync(join(dir, 'driver'));
  copyFileSync(join(root, 'benches/driver.js'), join(dir, 'driver/index.js'));
  const common = { compatibility_date: '2026-11-01' };
  writeJson(join(dir, 'driver.json'), {
    ...common,
    name: 'driver',
    main: 'driver/index.js',
    durable_objects: { bindings: [{ name: 'LEDGER', class_name: 'Ledger', script_name: 'books' }] },
  });
  writeJson(join(dir, 'books.json'), {
    ...common,
    name: 'books',
    main: join(root, 'build/index.js'),
    durable_objects: { bindings: [{ name: 'LEDGER', class_name: 'Ledger' }] },
    migrations: [{ tag: 'v1', new_sqlite_classes: ['Ledger'] }],
    vars: { ON_PAYMENT_URL: 'http://127.0.0.1:9/nobody', TOLL: {} },
  });
  const args = ['-c', 'driver.json', '-c', 'books.json', '--port', '0', '--persist-to', join(dir, 'state')];
  return (await startWrangler(run, args, { cwd: dir })).url;
}

async function perSecond(count, once) {
  await once();
  let left = count;
  const began = Date.now();
  const worker = async () => {
    while (left-- > 0) await once();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return Math.round((count * 1000) / (Date.now() - began));
}
