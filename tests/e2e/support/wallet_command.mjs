// A wallet for `wallet_command`: pays the invoice on standard input through LNbits and prints the preimage. With WALLET_STAGE, it stops
// at that stage, writes its process ID to the file WALLET_MARK, and waits: `begin`, `paid`, `half` (of the output) or `printed`.
// With WALLET_STAGE=late, it pays once the file WALLET_GO exists.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { until } from '../../../tools/lib/run.mjs';

const { LNBITS_URL, LNBITS_ADMIN_KEY, WALLET_STAGE, WALLET_MARK, WALLET_GO } = process.env;
const headers = { 'X-Api-Key': LNBITS_ADMIN_KEY, 'Content-Type': 'application/json' };
const invoice = readFileSync(0, 'utf8').trim();

await stopAt('begin');
if (WALLET_STAGE === 'late') {
  mark();
  await until(() => existsSync(WALLET_GO));
}
const preimage = await pay();
await stopAt('paid');
process.stdout.write(preimage.slice(0, 32));
await stopAt('half');
process.stdout.write(`${preimage.slice(32)}\n`);
await stopAt('printed');

async function pay() {
  const answer = await fetch(`${LNBITS_URL}/api/v1/payments`, { method: 'POST', headers, body: JSON.stringify({ out: true, bolt11: invoice }) });
  const payment = await answer.json();
  if (payment.status === 'success' && payment.preimage) return payment.preimage;
  // LNbits refuses to pay an invoice twice. Then the preimage of the first payment is looked up, as `lightning-cli pay` does.
  const { payment_hash: hash } = await (await fetch(`${LNBITS_URL}/api/v1/payments/decode`, { method: 'POST', headers, body: JSON.stringify({ data: invoice }) })).json();
  const found = await (await fetch(`${LNBITS_URL}/api/v1/payments/${hash}`, { headers })).json();
  if (!found.paid || !found.details) process.exit(1);
  return found.preimage;
}

async function stopAt(stage) {
  if (WALLET_STAGE !== stage) return;
  mark();
  // The test kills this process.
  await until(() => false);
}

function mark() {
  writeFileSync(`${WALLET_MARK}.new`, String(process.pid));
  renameSync(`${WALLET_MARK}.new`, WALLET_MARK);
}
