// Pays from the wallet of `make dev`. Reads the body of a 402 response on standard input, pays its invoice and prints the credential.
//   curl -s http://127.0.0.1:8787/api/joke | node demo/pay.mjs
// Given an invoice as its argument, such as the invoice of a pay page, it only pays this invoice.
//   node demo/pay.mjs lnbc50n1…
import { readFileSync } from 'node:fs';
import { pay } from '../tools/lib/lnbits.mjs';

const given = process.argv[2];
const { invoice, macaroon, error } = given ? { invoice: given } : JSON.parse(readFileSync(0, 'utf8'));
if (!invoice) throw new Error(error ?? 'The response has no invoice. Is the path priced?');
const { url, payer } = JSON.parse(readFileSync(new URL('../.tools/dev/lnbits/wallets.json', import.meta.url), 'utf8'));
const preimage = await pay(url, payer, invoice);
console.log(given ? 'paid' : `L402 ${macaroon}:${preimage}`);
