// The dashboard in a browser: what it shows before the first request and after refusals, failures and payments, and the export.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import { until } from '../../tools/lib/run.mjs';
import { addUp } from '../../www/top.js';
import { ADMIN_TOKEN, sendAsAdmin, stats, statsWhen } from './support/admin.mjs';
import { assertAccessible, openPage, saveScreenshot, startBrowser } from './support/browser.mjs';
import { SECRET, startCallbackReceiver } from './support/callback_receiver.mjs';
import { buy, send } from './support/client.mjs';
import { startFaultProxy } from './support/fault_proxy.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { lnbits, run, settings, startPaywall } from './support/paywall.mjs';

const routes = [{ path: '/any/*', sats: 9 }, { path: '/a', sats: 5 }, { path: '/b', sats: 7 }];
const CHALLENGES_PER_MINUTE = 12;
const LOOKS = [
  ['light', {}],
  ['dark', { colorScheme: 'dark' }],
  ['phone', { viewport: { width: 360, height: 740 } }],
];

let origin, browser;
before(async () => {
  origin = await startRecordingOrigin();
  browser = await startBrowser();
});
after(async () => {
  await browser.close();
  origin.close();
});

async function openDashboard(url, options) {
  const opened = await openPage(browser, options);
  await opened.page.goto(`${url}/_toll/`);
  await opened.page.fill('#token', ADMIN_TOKEN);
  await opened.page.click('text=Log in');
  await opened.page.waitForSelector('#numbers:visible');
  return opened;
}

/** Opens the dashboard in light, dark and on a phone, and calls `check` with each page. */
async function look(url, name, check) {
  for (const [theme, options] of LOOKS) {
    const { context, page, pageErrors } = await openDashboard(url, options);
    await check(page);
    await assertAccessible(page);
    await saveScreenshot(page, `dashboard-${name}-${theme}`);
    assert.equal(await page.evaluate('document.documentElement.scrollWidth > innerWidth'), false, `${theme}: horizontal scrolling`);
    assert.deepEqual(pageErrors, []);
    await context.close();
  }
}

/** Returns the texts of the cells of a table's body. */
const rows = (page, table) => page.$$eval(`${table} tbody tr`, (found) => found.map((row) => [...row.cells].map((cell) => cell.textContent)));

test('Before the first request, each panel of the dashboard says what to do', async () => {
  const { url } = await startPaywall({ toll: { routes }, vars: { ORIGIN_URL: origin.url, ADMIN_TOKEN } });
  await look(url, 'empty', async (page) => {
    await page.waitForSelector('#try:visible');
    assert.match(await page.innerText('#empty'), /No payments yet[^]*Request a priced path, and pay the invoice[^]*Open \/a in a browser/);
    assert.equal(await page.getAttribute('#try a', 'href'), '/a');
    assert.match(await page.innerText('#routes'), /There was no request to a priced route yet/);
    assert.match(await page.innerText('#refusals'), /No request was refused/);
    assert.match(await page.innerText('#wallets'), /Wallet 1[^]*It gets requests[^]*No request has failed because of a wallet/);
    assert.match(await page.innerText('#callbacks'), /accepted all callbacks[^]*set ON_PAYMENT_URL/);
    assert.deepEqual((await rows(page, '#limit-table')).map(([name, , used, refused, last]) => [name, used, refused, last]), [
      ['invoices_per_minute for all clients', '0', '0', 'never'],
      ['challenges_per_minute for each client', '–', '0', 'never'],
    ]);
    for (const panel of ['#top', '#payments', '#export', '#refusal-table', '#route-table']) assert.equal(await page.isVisible(panel), false, panel);
  });
});

test('The dashboard shows refusals with their meaning, limits, failing wallets, waiting callbacks, top routes and clients, and downloads the export', async () => {
  const [wallet, receiver] = [await startFaultProxy(), await startCallbackReceiver()];
  await receiver.down();
  const limit = { ...settings().ratelimits[0], simple: { limit: CHALLENGES_PER_MINUTE, period: 60 } };
  const { url } = await startPaywall({
    toll: { routes, challenges_per_minute: CHALLENGES_PER_MINUTE, invoices_per_minute: 300 },
    vars: { ORIGIN_URL: origin.url, ADMIN_TOKEN, LNBITS_URL: wallet.url, ON_PAYMENT_URL: receiver.url, ON_PAYMENT_SECRET: SECRET },
    config: { ratelimits: [limit] },
  });
  const from = (ip, headers) => ({ headers: { 'cf-connecting-ip': ip, ...headers } });
  for (const [path, ip, times] of [['/a', '192.0.2.1', 11], ['/b', '192.0.2.2', 10]]) {
    for (let count = 0; count < times; count += 1) {
      const { standard } = await buy(url, path, from(ip));
      assert.equal((await send(url, path, from(ip, { authorization: standard }))).status, 200);
    }
  }
  await send(url, '/a', from('192.0.2.3', { authorization: `L402 AAAA:${'1'.repeat(64)}` }));
  await until(async () => (await send(url, '/a', from('192.0.2.4'))).status === 429, 20);
  await wallet.injectFault('502', 'POST');
  await until(async () => (await send(url, '/a', from('192.0.2.5'))).json().code === 'invoice_unavailable', 20);
  const { recentPayments } = await statsWhen(url, ({ totalPayments, callbacks, refusals }) => totalPayments === 21 && callbacks.waiting === 21 && refusals.length === 3);
  assert.equal((await stats(url)).limits.challengesPerMinute, CHALLENGES_PER_MINUTE);
  const payer = (path) => recentPayments.find(({ endpoint }) => endpoint === path).payerId;

  let client = 6;
  await look(url, 'full', async (page) => {
    const meanings = new Map((await rows(page, '#refusal-table')).map(([code, meaning, requests]) => [code, [meaning, requests]]));
    assert.deepEqual(meanings.get('malformed_macaroon'), ['The macaroon cannot be read: the client has a fault, or tries made-up credentials.', '1']);
    assert.match(meanings.get('too_many_challenges')[0], /see challenges_per_minute/);
    assert.match(meanings.get('invoice_unavailable')[0], /^No wallet created an invoice/);
    assert.match(await page.getAttribute('#refusal-table tbody a', 'href'), /^https:\/\/github\.com\/.*\/docs\/operations\.md#what-to-do-about-a-code$/);
    const [invoices, challenges] = await rows(page, '#limit-table');
    assert.deepEqual([invoices[1], invoices[3], invoices[4]], ['300', '0', 'never']);
    assert.ok(Number(invoices[2]) >= 1, `${invoices[2]} invoices`);
    assert.deepEqual([challenges[1], challenges[3]], ['12', '1']);
    assert.match(challenges[4], /\d\d:\d\d/);
    assert.match(challenges[5], /raise it/);
    assert.match(await page.innerText('#wallet-failures'), /\d requests? got no invoice because the wallets failed\. This last happened on /);
    assert.equal(await page.innerText('#callbacks-waiting'), '21');
    assert.match(await page.innerText('#callbacks-note'), /sent again until your server answers with a 2xx status/);

    await page.click('text=Add up');
    await page.waitForSelector('#top-tables:visible');
    assert.equal(await page.innerText('#top-note'), 'All payments of the last 30 days: 21.');
    const sums = (table) => rows(page, table).then((all) => all.map(([key, sats, payments]) => [key, sats, payments]));
    assert.deepEqual(await sums('#top-routes'), [['/b', '70', '10'], ['/a', '55', '11']]);
    assert.deepEqual(await sums('#top-clients'), [[payer('/b'), '70', '10'], [payer('/a'), '55', '11']]);
    assert.match(await page.getAttribute('#top-routes .spark', 'aria-label'), /^most: \d+ sats at \w{3}/);

    const day = new Date(recentPayments.at(-1).timestamp).toISOString().slice(0, 10);
    assert.equal(await downloadedRows(page, day, ''), 21);
    assert.equal(await downloadedRows(page, '', '2020-01-01'), 0);
    // The circuit breaker opens after three failures in a row, and closes again after some seconds.
    await until(async () => {
      await send(url, '/a', from(`192.0.2.${(client += 1)}`));
      return /^Wallet 1 \| It failed and gets no requests for \d+ s \| It gets requests$/.test((await rows(page, '#wallet-table'))[0].join(' | '));
    }, 40);
  });

  async function downloadedRows(page, first, last) {
    await page.fill('#from', first);
    await page.fill('#to', last);
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('text=Download CSV')]);
    assert.equal(download.suggestedFilename(), 'ledger.csv');
    const text = readFileSync(await download.path(), 'utf8');
    assert.equal(text, (await sendAsAdmin(url, `ledger.csv?from=${first}&to=${last}`)).text);
    return text.trim().split('\r\n').length - 1;
  }
});

test('The dashboard shows which of two wallets fails, and callbacks that were given up, which a button sends again', async () => {
  const [wallet, receiver] = [await startFaultProxy(), await startCallbackReceiver()];
  await receiver.down();
  const options = {
    toll: { routes },
    vars: {
      ORIGIN_URL: origin.url, ADMIN_TOKEN, LNBITS_URL: wallet.url, LNBITS_URL_2: lnbits.url, LNBITS_KEY_2: lnbits.merchant.invoiceKey,
      ON_PAYMENT_URL: receiver.url, ON_PAYMENT_SECRET: SECRET,
    },
    state: run.folder('given-up'),
  };
  const before = await startPaywall(options);
  for (const path of ['/a', '/b']) assert.equal((await send(before.url, path, { headers: { authorization: (await buy(before.url, path)).standard } })).status, 200);
  await statsWhen(before.url, ({ callbacks }) => callbacks.waiting === 2);
  await before.server.stop();
  makeOlder(options.state, FOUR_DAYS_MS);

  const { url } = await startPaywall(options);
  // The alarm of the ledger sends them a last time.
  await statsWhen(url, ({ callbacks }) => callbacks.givenUp === 2, 40);
  await wallet.injectFault('502', 'POST');
  const walletRows = async (page) => (await rows(page, '#wallet-table')).map((cells) => cells.join(' | '));
  await look(url, 'given-up', async (page) => {
    await until(async () => {
      assert.equal((await send(url, '/a')).status, 402);
      const [first, second] = await walletRows(page);
      assert.equal(second, 'Wallet 2 | It gets requests | It gets requests');
      return /^Wallet 1 \| It failed and gets no requests for \d+ s \| It gets requests$/.test(first);
    }, 40);
    assert.match(await page.innerText('#dead'), /Your server was not notified of some payments/);
    const found = (await rows(page, '#dead-letters')).map(([route, sats, attempts, , result]) => [route, sats, attempts, result]);
    assert.deepEqual(found.toSorted(), [['/a', '5', '10', 'could not be reached'], ['/b', '7', '10', 'could not be reached']]);
    assert.deepEqual([await page.innerText('#callbacks-waiting'), await page.innerText('#callbacks-given-up')], ['0', '2']);
    assert.match(await page.innerText('#callbacks-note'), /listed at the top, with a button that sends them again/);
  });
  await receiver.up();
  const { page } = await openDashboard(url);
  await page.click('#redeliver');
  await page.waitForSelector('#dead', { state: 'hidden' });
  await until(() => receiver.accepted().length === 2);
});

const FOUR_DAYS_MS = 4 * 86_400_000;

/** Changes the callbacks of a stopped paywall as if they had failed nine times, for the first time `ageMs` ago. */
function makeOlder(state, ageMs) {
  const databases = readdirSync(state, { recursive: true }).filter((name) => name.endsWith('.sqlite')).map((name) => new DatabaseSync(join(state, name)));
  const ledgers = databases.filter((database) => database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'callbacks'").get());
  assert.equal(ledgers.length, 1);
  ledgers[0].prepare('UPDATE callbacks SET tries = 9, since_ms = since_ms - ?, next_ms = 0').run(ageMs);
  for (const database of databases) database.close();
}

test('The top routes and clients are summed over all pages of the period, and over 1,000 payments at most', async () => {
  const columns = [{ at: 1000 }, { at: 2000 }, { at: 3000 }];
  const payment = (timestamp, endpoint, amountSats, payerId = null) => ({ timestamp, endpoint, amountSats, payerId, paymentHash: `hash-${timestamp}` });
  const inPages = (payments) => {
    const queries = [];
    const readPage = async (query) => {
      queries.push(query);
      const start = payments.findIndex(({ paymentHash }) => paymentHash === query.before_hash) + 1;
      return payments.slice(start, start + 20);
    };
    return { queries, readPage };
  };
  const few = [payment(3999, '/a', 1, 'p'), payment(3000, '/b', 5, 'q'), payment(1000, '/a', 2, 'p'), payment(999, '/a', 100, 'p')];
  assert.deepEqual(await addUp(columns, inPages(few).readPage, () => {}), {
    routes: [['/b', { sats: 5, payments: 1, last: 3000, columns: [0, 0, 5] }], ['/a', { sats: 3, payments: 2, last: 3999, columns: [2, 0, 1] }]],
    clients: [['q', { sats: 5, payments: 1, last: 3000, columns: [0, 0, 5] }], ['p', { sats: 3, payments: 2, last: 3999, columns: [2, 0, 1] }]],
    count: 3,
    isComplete: true,
    oldest: 1000,
  });
  const many = Array.from({ length: 1500 }, (_, index) => payment(3999 - index, '/a', 1));
  const { queries, readPage } = inPages(many);
  const { routes: [[, sum]], clients, count, isComplete, oldest } = await addUp(columns, readPage, () => {});
  assert.deepEqual([sum.sats, clients[0][0], count, isComplete, oldest], [1000, '', 1000, false, 3000]);
  assert.deepEqual([queries.length, queries[0], queries[1]], [50, {}, { before_ms: 3980, before_hash: 'hash-3980' }]);
  assert.deepEqual(await addUp(columns, async () => [], () => {}), { routes: [], clients: [], count: 0, isComplete: true, oldest: undefined });
});
