// Pays from the demo's payer wallet: the 402 that comes in on standard input, and prints the credential that it bought; or
// the invoice that a page shows:
//   curl -s http://127.0.0.1:8787/api/joke | node demo/pay.mjs
//   node demo/pay.mjs lnbc50n1…
import { readFileSync } from 'node:fs';
import { pay } from '../tools/lib/lnbits.mjs';

const shown = process.argv[2];
const { invoice, macaroon, error } = shown ? { invoice: shown } : JSON.parse(readFileSync(0, 'utf8'));
if (!invoice) throw new Error(error ?? 'there is no invoice in this answer');
const { url, payer } = JSON.parse(readFileSync(new URL('../.tools/dev/lnbits/wallets.json', import.meta.url), 'utf8'));
const preimage = await pay(url, payer, invoice);
console.log(shown ? 'paid' : `L402 ${macaroon}:${preimage}`);
