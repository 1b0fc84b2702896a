// What a request costs at Cloudflare: docs/costs.md, compared with the operations that the Worker makes.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { call } from '../../tools/lib/lnbits.mjs';
import { root, until } from '../../tools/lib/run.mjs';
import { ADMIN_TOKEN, sendAsAdmin } from './support/admin.mjs';
import { buy, parseChallenge, send } from './support/client.mjs';
import { COUNTED, countingEntry } from './support/counting_entry.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { startFaultProxy } from './support/fault_proxy.mjs';
import { lnbits, pay } from './support/paywall.mjs';
import { OBJECTS, startBareWorker } from './support/workerd.mjs';

const toll = {
  protocols: ['l402', 'x-preimage'],
  routes: [
    { path: '/sold', sats: 5 },
    { path: '/ten', sats: 5, uses: 10 },
    { path: '/taste', sats: 5, free_requests: 3, free_window: '1d' },
  ],
};
const CHALLENGES_PER_MINUTE = 5;
let origin, worker, faultProxy, inkey;
before(async () => {
  origin = await startRecordingOrigin();
  // A wallet of its own: the cron trigger reads all payments of the wallet.
  ({ inkey } = await call(`${lnbits.url}/api/v1/account`, 'POST', { name: 'merchant' }));
  faultProxy = await startFaultProxy();
  const vars = { ORIGIN_URL: origin.url, ADMIN_TOKEN, LNBITS_URL: faultProxy.url, LNBITS_KEY: inkey, PUBLIC_URL: 'https://api.example.com' };
  const entry = countingEntry(faultProxy.url);
  const objects = { ...OBJECTS, LEDGER: 'Ledger', INVOICE_LIMIT: 'InvoiceLimit' };
  worker = await startBareWorker({ toll, vars, entry, objects });
  worker.exact = await startBareWorker({ toll: { ...toll, free_tier: 'durable' }, vars, entry, objects });
  worker.lookingUp = await startBareWorker({ toll: { ...toll, settlement: 'lnbits', challenges_per_minute: CHALLENGES_PER_MINUTE }, vars, entry, objects });
});
after(async () => {
  await origin.close();
  await faultProxy.close();
});

/** Returns what the Worker did since the last call, when it is idle. */
async function counts({ url } = worker) {
  let answer;
  await until(async () => (answer = await send(url, '/counts')).status === 200);
  return answer.json();
}

const ask = async (path, status, { url = worker.url, ...options } = {}) => {
  const answer = await send(url, path, options);
  assert.equal(answer.status, status, `${path}: ${answer.text}`);
  return answer;
};
const withCredential = (authorization) => ({ headers: { authorization } });
const post = (body) => ({ method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

/** The kinds of requests. Each returns the work that is counted, after what it needs. */
const KINDS = {
  'unlisted or free path': () => () => ask('/free', 200),
  'refused: a forged or unreadable credential': () => () => ask('/sold', 401, withCredential('L402 garbage')),
  'price only: `HEAD`, prefetch, embedded': () => () => ask('/sold', 402, { method: 'HEAD' }),
  'challenge with a new invoice': () => () => ask('/sold', 402),
  'first use of a credential with its preimage': async () => {
    const { standard } = await buy(worker.url, '/sold');
    return () => ask('/sold', 200, withCredential(standard));
  },
  'paid again, payment known': async () => {
    const { standard } = await buy(worker.url, '/sold');
    await ask('/sold', 200, withCredential(standard));
    return () => ask('/sold', 200, withCredential(standard));
  },
  'first use of a credential without its preimage': async () => {
    const { macaroons } = await buy(worker.url, '/sold');
    return () => ask('/sold', 200, withCredential(`L402 ${macaroons.standard}:`));
  },
  'all ten uses of a credential, one after the other': async () => {
    const { standard } = await buy(worker.url, '/ten');
    return async () => {
      for (let at = 0; at < 10; at += 1) await ask('/ten', 200, withCredential(standard));
    };
  },
  'X-Preimage': async () => {
    const { invoice } = parseChallenge((await ask('/sold', 402)).headers['www-authenticate']);
    const preimage = await pay(invoice);
    return () => ask('/sold', 200, { headers: { 'X-Preimage': preimage } });
  },
  'free request, in Workers KV: the first of a client in a second': () => () => ask('/taste', 200, FROM_CLIENT),
  'free request, in Durable Objects': () => async () => {
    await counts(worker.exact);
    await ask('/taste', 200, { url: worker.exact.url, ...FROM_CLIENT });
    return counts(worker.exact);
  },
  'the pay page asks whether its invoice is paid': async () => {
    const { macaroon } = (await ask('/sold', 402)).json();
    return () => ask('/_toll/settle', 402, post({ macaroon, to: '/sold' }));
  },
  'webhook of LNbits for a payment': async () => {
    const { challenge } = await buy(worker.url, '/sold');
    const { webhook } = JSON.parse(faultProxy.calls.findLast(({ method }) => method === 'POST').body);
    return () => ask(new URL(webhook).pathname, 204, post({ payment_hash: challenge.paymentHash }));
  },
  'dashboard or metrics, once': async () => {
    // The counts of requests are written first, and are counted apart.
    await sendAsAdmin(worker.url, 'stats');
    return () => sendAsAdmin(worker.url, 'metrics');
  },
};
const FROM_CLIENT = { headers: { 'CF-Connecting-IP': '192.0.2.1' } };

test('docs/costs.md counts the operations that the Worker makes for each kind of request', async () => {
  const measured = {};
  const add = (kind, counted) => (measured[kind] = COUNTED.map((name) => counted[name]));
  // The first run of the cron trigger creates the tables of the ledger.
  for (let run = 0; run < 2; run += 1) {
    await counts();
    await ask('/cron', 200);
  }
  add('cron trigger, a minute without payments', (await counts()).counts);
  await ask('/sold', 402);
  add('the first challenge of a deployment, and one an hour: with the probe of the preimage', (await counts()).counts);
  for (const [kind, prepare] of Object.entries(KINDS)) {
    const work = await prepare();
    await counts();
    const result = await work();
    add(kind, (result?.counts ? result : await counts()).counts);
  }
  await ask('/sold', 402, { method: 'HEAD' });
  await sendAsAdmin(worker.url, 'stats');
  add('an isolate writes its counts of requests, at most 12 times a minute', (await counts()).traffic);
  const documented = Object.fromEntries(table('## Operations by kind').map(([kind, , ...cells]) => [kind, cells.slice(0, COUNTED.length).map(toNumber)]));
  assert.deepEqual(measured, documented);
});

test('docs/costs.md computes the price of each kind from its operations and from the prices of Cloudflare', () => {
  const prices = table('## Prices');
  const rows = table('## Operations by kind');
  const usd = {};
  for (const [kind, requests, , , ...cells] of rows) {
    const [perMillion, perDay] = cells.slice(-2);
    const operations = [requests, ...cells.slice(0, -2)].map(toNumber);
    assert.equal(operations.length, prices.length);
    usd[kind] = operations.reduce((sum, count, at) => sum + count * Number(prices[at][1]), 0);
    assert.equal(perMillion, usd[kind].toFixed(2), kind);
    const perDayOf = operations.map((count, at) => (count ? Math.floor(toNumber(prices[at][3]) / count) : Infinity));
    assert.equal(toNumber(perDay), Math.min(...perDayOf), kind);
  }
  const cron = usd['cron trigger, a minute without payments'];
  assert.ok(document.includes(`runs 43,200 times a month, which costs ${((43_200 * cron) / 1e6).toFixed(2)} USD`));
  const [challenge, firstUse, again] = ['challenge with a new invoice', 'first use of a credential with its preimage', 'paid again, payment known'].map((kind) => usd[kind]);
  const example = (0.05 * challenge + 0.025 * firstUse + 0.925 * again).toFixed(2);
  const text = document.split('## An example')[1];
  assert.ok(text.includes(`cost\n${example} USD more`), example);
  assert.ok(text.includes(`at most ${rows.find(([kind]) => kind.startsWith('first use of a credential with its'))[10]} first uses`));
});

// A11 (CHANGELOG)
test('With free_tier = "durable", an isolate that knows that a client has no free request left does not ask its object again', async () => {
  const client = { url: worker.exact.url, headers: { 'CF-Connecting-IP': '192.0.2.9' } };
  for (let time = 0; time < 3; time += 1) await ask('/taste', 200, client);
  await ask('/taste', 402, { ...client, method: 'HEAD' });
  await counts(worker.exact);
  await ask('/taste', 402, { ...client, method: 'HEAD' });
  assert.equal((await counts(worker.exact)).counts.objectRequests, 0);
});

// A11 (CHANGELOG): 40 requests caused 20 look-ups and 20 writes, and 20 of them got 429.
test('Requests at once after a payment cause one look-up and one write to Workers KV', async () => {
  const { url } = worker.lookingUp;
  const { standard } = await buy(url, '/sold');
  await counts(worker.lookingUp);
  await Promise.all(Array.from({ length: 40 }, () => ask('/sold', 200, { url, ...withCredential(standard) })));
  const { wallet, kvWrites } = (await counts(worker.lookingUp)).counts;
  // The ledger looks the payment up too.
  assert.deepEqual({ wallet, kvWrites }, { wallet: 2, kvWrites: 1 });
});

// A11 (CHANGELOG): the invoice key of LNbits reads the preimage of an unpaid invoice, and LNbits up to 1.5.6 gives it to everyone.
test('While a payment has no look-up left, requests with its preimage do not read Workers KV', async () => {
  const { url } = worker.lookingUp;
  const { macaroon, paymentHash } = (await ask('/sold', 402, { url })).json();
  const payments = await call(`${lnbits.url}/api/v1/payments`, 'GET', undefined, { 'X-Api-Key': inkey });
  const { preimage } = payments.find(({ payment_hash }) => payment_hash === paymentHash);
  const credential = { url, ...withCredential(`L402 ${macaroon}:${preimage}`) };
  for (let time = 0; time < 2 * CHALLENGES_PER_MINUTE; time += 1) await ask('/sold', 402, credential);
  await counts(worker.lookingUp);
  for (let time = 0; time < 10; time += 1) await ask('/sold', 429, credential);
  assert.equal((await counts(worker.lookingUp)).counts.kvReads, 0);
});

const document = readFileSync(join(root, 'docs/costs.md'), 'utf8');
const toNumber = (cell) => Number(cell.replaceAll(',', ''));

/** Returns the cells of the table below a heading, without its head. */
function table(heading) {
  const section = document.split(`${heading}\n`)[1].split('\n## ')[0];
  const rows = section.split('\n').filter((line) => line.startsWith('| ')).map((line) => line.slice(2, -2).split(' | '));
  return rows.slice(2);
}
