// The export of the ledger for bookkeeping: GET /_toll/ledger.csv.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createServer, get } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { call, setPriceSource, startLnbits } from '../../tools/lib/lnbits.mjs';
import { root, until } from '../../tools/lib/run.mjs';
import { ADMIN_TOKEN, runCron, sendAsAdmin, statsWhen } from './support/admin.mjs';
import { buy, send } from './support/client.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { run, startPaywall } from './support/paywall.mjs';
import { OBJECTS, startBareWorker } from './support/workerd.mjs';

const COLUMNS = ['created', 'settled', 'amount_sats', 'amount_msat', 'route', 'host', 'wallet', 'payment_hash', 'protocol', 'uses', 'fiat_currency', 'fiat_amount'];
const toll = {
  routes: [
    { path: '/a', sats: 5, uses: 3 },
    { path: '/say"hi",x', sats: 7 },
    { path: '/fiat', fiat: '0.01 USD', min_sats: 1, max_sats: 1000 },
    { path: '/preimage', sats: 30, protocols: ['x-preimage', 'l402'] },
  ],
};

let origin, rates;
before(async () => {
  origin = await startRecordingOrigin();
  // One bitcoin costs 60,000 of each currency.
  rates = createServer((_, response) => response.setHeader('Content-Type', 'application/json').end(JSON.stringify({ rates: { median: 60_000 } })));
  await new Promise((resolve) => rates.listen(0, '127.0.0.1', resolve));
});
after(() => {
  rates.close();
  return origin.close();
});

/** Parses CSV with Python's parser, which refuses malformed quotes. Returns the rows as objects. */
function parse(text) {
  const program = 'import csv, io, json, sys\nrows = csv.DictReader(io.StringIO(sys.stdin.read(), newline=""), strict=True)\njson.dump({"columns": rows.fieldnames, "rows": list(rows)}, sys.stdout)';
  const python = join(root, '.tools/lnbits/bin/python');
  const { columns, rows } = JSON.parse(execFileSync(python, ['-c', program], { input: text, encoding: 'utf8', maxBuffer: 1 << 30, env: { PYTHONUTF8: '1' } }));
  assert.deepEqual(columns, COLUMNS);
  return rows;
}

async function exported(base, query = '') {
  const answer = await sendAsAdmin(base, `ledger.csv${query}`);
  assert.equal(answer.status, 200, answer.text);
  return parse(answer.text);
}
const sum = (numbers) => numbers.reduce((total, number) => total + Number(number), 0);

test('The export has the payments of LNbits’ own list, with what was sold and its value in a currency', async () => {
  const lnbits = await startLnbits(run, { dataDir: run.folder('lnbits') });
  await setPriceSource(lnbits, `http://127.0.0.1:${rates.address().port}`);
  const vars = { LNBITS_URL: lnbits.url, LNBITS_KEY: lnbits.merchant.invoiceKey, ORIGIN_URL: origin.url, ADMIN_TOKEN };
  const { url } = await startPaywall({ toll, vars });
  const payWith = lnbits.pay;
  const a = await buy(url, '/a', { payWith });
  for (let at = 0; at < 2; at += 1) assert.equal((await send(url, '/a', { headers: { authorization: a.standard } })).status, 200);
  const quoted = await buy(url, '/say%22hi%22,x', { payWith });
  const fiat = await buy(url, '/fiat', { payWith });
  const unpaid = (await send(url, '/a')).json().paymentHash;
  const preimage = await payWith((await send(url, '/preimage', { headers: { Accept: 'application/vnd.lightning.bolt11' } })).text);
  assert.equal((await send(url, '/preimage', { headers: { 'X-Preimage': preimage } })).status, 200);
  await runCron(url);
  await statsWhen(url, ({ totalPayments }) => totalPayments === 4);

  const answer = await sendAsAdmin(url, 'ledger.csv');
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.headers['content-type'], 'text/csv; charset=utf-8; header=present');
  assert.equal(answer.headers['content-disposition'], 'attachment; filename="ledger.csv"');
  assert.equal(answer.headers['cache-control'], 'no-store');
  assert.equal(answer.headers['x-content-type-options'], 'nosniff');
  assert.ok(answer.text.split('\r\n').slice(0, -1).every((line) => !/[\r\n]/.test(line)), 'lines end as in RFC 4180');
  const rows = parse(answer.text);
  const headers = { 'X-Api-Key': lnbits.merchant.invoiceKey };
  const paid = (await call(`${lnbits.url}/api/v1/payments/paginated?limit=1000&status=success&tag=edgetoll`, 'GET', undefined, headers)).data;
  assert.equal(sum(rows.map((row) => row.amount_msat)), sum(paid.map(({ amount }) => amount)));
  assert.equal(sum(rows.map((row) => row.amount_sats)) * 1000, sum(paid.map(({ amount }) => amount)));
  const byHash = new Map(rows.map((row) => [row.payment_hash, row]));
  assert.deepEqual([...byHash.keys()].sort(), paid.map(({ payment_hash }) => payment_hash).sort());
  for (const { payment_hash, amount, extra, time, updated_at } of paid) {
    const row = byHash.get(payment_hash);
    assert.deepEqual([row.amount_msat, row.route, row.host, row.wallet], [String(amount), extra.route, '127.0.0.1', '1']);
    for (const [written, ofLnbits] of [[row.created, time], [row.settled, updated_at]]) {
      assert.match(written, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      assert.ok(Math.abs(Date.parse(written) - Date.parse(ofLnbits)) < 2000, `${written} ${ofLnbits}`);
    }
  }
  const sold = ({ paymentHash }) => COLUMNS.slice(8).map((name) => byHash.get(paymentHash)[name]);
  // 5 sats are 0.003 USD, and 0.01 USD are 16.7 sats, which are rounded up.
  assert.deepEqual(sold(a.challenge), ['l402', '3', 'USD', '0.003']);
  assert.deepEqual(sold(quoted.challenge), ['', '', 'USD', '0.0042'], 'the credential was not used');
  assert.deepEqual(sold(fiat.challenge), ['', '', 'USD', '0.01']);
  const [ofPreimage] = rows.filter(({ protocol }) => protocol === 'x-preimage');
  assert.deepEqual([ofPreimage.route, ofPreimage.amount_sats, ofPreimage.fiat_amount], ['/preimage', '30', '0.018']);
  assert.ok(!answer.text.includes(unpaid) && !answer.text.includes(preimage) && !answer.text.includes(a.preimage));

  const today = new Date().toISOString().slice(0, 10);
  const days = (from, to) => exported(url, `?from=${from}&to=${to}`);
  assert.ok((await days(rows[0].settled.slice(0, 10), today)).length === 4);
  assert.equal((await days('2020-01-01', '2020-12-31')).length, 0);
  for (const query of ['?from=yesterday', '?to=2026-02-30', '?from=1']) {
    const { status, json } = await sendAsAdmin(url, `ledger.csv${query}`);
    assert.deepEqual([status, json().code], [400, 'invalid_date'], query);
  }
  const head = await sendAsAdmin(url, 'ledger.csv', { method: 'HEAD' });
  assert.deepEqual([head.status, head.text], [200, '']);
});

const PAYMENTS = 100_000;
const PER_COMMAND = 2_500;

/** Starts a Worker whose ledger has many payments, and that counts the statements with which they are read. */
async function startLarge() {
  const worker = await startBareWorker({ toll, vars: { ORIGIN_URL: origin.url, ADMIN_TOKEN }, objects: { ...OBJECTS, LEDGER: 'Ledger' }, entry: `
import * as real from './index.js';
export * from './index.js';
let pages = 0, rows = [], failsAt = Infinity;
export default {
  ...real.default,
  async fetch(request, env, context) {
    const { pathname, searchParams } = new URL(request.url);
    switch (pathname) {
      case '/pages': return Response.json({ pages, rows });
      case '/fail': failsAt = pages + 3; return new Response();
      case '/record': {
        const now_ms = Date.now(), from = Number(searchParams.get('from'));
        const receipts = Array.from({ length: ${PER_COMMAND} }, (_, at) => ({ hash: String(from + at).padStart(64, '0'), route: '/a', sats: 5, payer: 'x', minted_unix: 1, settled: String(1_790_000_000 + (from + at) % 7) }));
        const body = JSON.stringify({ now_ms, wallet: '1', has_callback: false, receipts });
        return env.LEDGER.getByName('all').fetch('https://object.invalid/', { method: 'POST', headers: { 'Toll-Request': 'record_settled' }, body });
      }
    }
    return real.default.fetch(request, env, context);
  },
};
export class Ledger extends real.Ledger {
  constructor(state, env) {
    const sql = {
      exec(statement, ...input) {
        const isPage = statement.includes('created,settled');
        if (isPage && (pages += 1) === failsAt) throw new Error('a fault of the storage');
        const cursor = state.storage.sql.exec(statement, ...input);
        if (!isPage) return cursor;
        const result = cursor.toArray();
        rows.push(cursor.rowsRead);
        return { toArray: () => result };
      },
    };
    const storage = new Proxy(state.storage, { get: (target, name) => (name === 'sql' ? sql : typeof target[name] === 'function' ? target[name].bind(target) : target[name]) });
    super({ storage }, env);
  }
}
` });
  for (let from = 0; from < PAYMENTS; from += PER_COMMAND) assert.equal((await send(worker.url, `/record?from=${from}`)).status, 200);
  const read = async () => (await send(worker.url, '/pages')).json();
  return { ...worker, read };
}

test('A large export is read as the client takes it: each page reads as many rows, and after an abort nothing more is read', async () => {
  const { url, server, read } = await startLarge();
  const answer = await sendAsAdmin(url, 'ledger.csv');
  assert.equal(answer.status, 200, answer.text);
  const rows = parse(answer.text);
  assert.equal(rows.length, PAYMENTS);
  assert.equal(new Set(rows.map(({ payment_hash }) => payment_hash)).size, PAYMENTS);
  assert.equal(sum(rows.map(({ amount_sats }) => amount_sats)), 5 * PAYMENTS);
  const complete = await read();
  assert.equal(complete.pages, PAYMENTS / 250 + 1, 'the last page is empty');
  const perPage = complete.rows.slice(0, -1);
  assert.ok(Math.max(...perPage) <= Math.min(...perPage) + 10, `rows read: ${perPage}`);

  // The client takes the first bytes only.
  const response = await new Promise((resolve) => get(`${url}/_toll/ledger.csv`, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` }, highWaterMark: 1 }, resolve));
  response.pause();
  // The same object answers `read` and reads the pages: it is still if it reads none between 20 answers.
  let [before, answersWithoutPage] = [-1, 0];
  await until(async () => {
    const { pages } = await read();
    answersWithoutPage = pages === before ? answersWithoutPage + 1 : 0;
    before = pages;
    return answersWithoutPage === 20;
  });
  assert.ok(before < 2 * complete.pages, 'the ledger waits for the client');
  assert.equal((await sendAsAdmin(url, 'stats')).status, 200, 'and answers others meanwhile');
  response.destroy();
  const again = await sendAsAdmin(url, 'ledger.csv');
  assert.equal(again.text, answer.text);
  assert.equal((await read()).pages, before + complete.pages, 'the aborted export has read nothing more');

  await send(url, '/fail');
  const broken = await fetch(`${url}/_toll/ledger.csv`, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } });
  await assert.rejects(broken.text(), 'a client can see that the export is not complete');
  assert.equal((await sendAsAdmin(url, 'ledger.csv')).text, answer.text);
  await server.stop();
});
