// The exchange rates of the demo: prices of one bitcoin that do not change. LNbits reads them as it would read those of
// https://price.lnbits.com, so that routes with a price in a currency (`fiat`) work without the Internet.
import { createServer } from 'node:http';

const rates = {
  USD: 60_000, EUR: 55_000, GBP: 47_000, CHF: 52_000, JPY: 9_000_000, AUD: 92_000, CAD: 83_000, CZK: 1_390_000, DKK: 410_000,
  NOK: 650_000, PLN: 236_000, SEK: 630_000, BRL: 330_000, INR: 5_300_000, MXN: 1_100_000, NGN: 90_000_000,
};

/** Starts a server for the rates on any free port and returns its URL. */
export function startRates() {
  const server = createServer((request, response) => {
    const currency = request.url.split('/').at(-1);
    const median = rates[currency];
    if (!median) console.error(`edgetoll: the demo has no exchange rate for ${currency}: add it to demo/rates.mjs, and run make dev again`);
    response.writeHead(median ? 200 : 404, { 'Content-Type': 'application/json' }).end(JSON.stringify({ rates: { median } }));
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${server.address().port}`));
  });
}
