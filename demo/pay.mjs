// Pays the 402 that comes in on standard input from the demo's payer wallet, and prints the credential that it bought:
//   curl -s http://127.0.0.1:8787/api/joke | node demo/pay.mjs
import { readFileSync } from 'node:fs';
import { pay } from '../tools/lib/lnbits.mjs';

const { invoice, macaroon, error } = JSON.parse(readFileSync(0, 'utf8'));
if (!invoice) throw new Error(error ?? 'there is no invoice in this answer');
const { url, payer } = JSON.parse(readFileSync(new URL('../.tools/dev/lnbits/wallets.json', import.meta.url), 'utf8'));
console.log(`L402 ${macaroon}:${await pay(url, payer, invoice)}`);
