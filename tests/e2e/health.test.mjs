import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { freePort } from '../../tools/lib/run.mjs';
import { ADMIN_TOKEN, sendAsAdmin } from './support/admin.mjs';
import { assertAccessible, openPage, saveScreenshot, startBrowser } from './support/browser.mjs';
import { send } from './support/client.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { lnbits, startPaywall } from './support/paywall.mjs';

const toll = { routes: [{ path: '/sold', sats: 5 }] };
let origin;
before(async () => {
  origin = await startRecordingOrigin();
});
after(() => origin.close());

async function healthWith(vars, list = toll) {
  const paywall = await startPaywall({ toll: list, vars: { ORIGIN_URL: origin.url, ADMIN_TOKEN, ...vars } });
  const { status, json } = await send(paywall.url, '/_toll/health');
  assert.equal(status, 200);
  return { paywall, configured: json().configured, problems: async () => (await sendAsAdmin(paywall.url, 'status')).json() };
}

// U9 (CHANGELOG)
test('Health is false where nothing can be sold, and the status for the owner names each setting and the remedy', async () => {
  const wrongKey = randomBytes(16).toString('hex');
  const down = `http://127.0.0.1:${await freePort()}`;
  for (const [vars, list, expected] of [
    [{ LNBITS_KEY: wrongKey }, toll, [/does not accept LNBITS_KEY \(status 404\).*npx wrangler secret put LNBITS_KEY/]],
    [{ LNBITS_KEY: undefined }, toll, [/LNBITS_KEY is missing/]],
    [{ LNBITS_URL: down }, toll, [/could not be reached.*LNBITS_URL/]],
    [{ LNBITS_URL: origin.url }, toll, [/LNBITS_URL answers with status 200, but not as LNbits does/]],
    [{ LNBITS_KEY: lnbits.merchant.adminKey }, toll, [/LNBITS_KEY is an admin key/]],
    [{ LNBITS_KEY: wrongKey, LNBITS_URL_2: down, LNBITS_KEY_2: wrongKey }, toll, [/LNBITS_KEY \(status 404\)/, /LNBITS_URL_2/]],
    [{ LNBITS_URL_2: lnbits.url, LNBITS_KEY_2: lnbits.merchant.adminKey }, toll, [/LNBITS_KEY_2 is an admin key/]],
    [{ ORIGIN_URL: 'localhost:8000' }, toll, [/ORIGIN_URL is invalid/]],
    [{}, { routes: [{ path: '/sold', sats: -5 }] }, [/TOLL\.routes\[0\]\.sats/]],
    [{}, { routes: [{ path: '/given', sats: 0 }] }, [/no route with a price/]],
  ]) {
    const { paywall, configured, problems } = await healthWith(vars, list);
    assert.equal(configured, false, String(expected[0]));
    const status = await problems();
    assert.equal(status.configured, false);
    assert.equal(status.problems.length, expected.length, JSON.stringify(status));
    expected.forEach((pattern, at) => assert.match(status.problems[at], pattern));
    for (const secret of [wrongKey, lnbits.merchant.adminKey]) assert.ok(!JSON.stringify(status).includes(secret));
    await paywall.server.stop();
  }
});

// U9 (CHANGELOG)
test('Without TOLL_SECRET, health is false, the dashboard is not available, and the log names the setting', async () => {
  const { paywall, configured } = await healthWith({ TOLL_SECRET: undefined });
  assert.equal(configured, false);
  for (const path of ['', 'status', 'stats']) {
    const { status, json } = await sendAsAdmin(paywall.url, path);
    assert.deepEqual([status, json().code], [503, 'not_configured'], path);
  }
  await paywall.logged(/TOLL_SECRET is missing/);
});

// U9 (CHANGELOG)
test('Health is true while one wallet can sell, and the status then lists mistakes that do not stop sales', async () => {
  for (const [vars, list, expected] of [
    [{}, toll, []],
    [{ LNBITS_KEY: randomBytes(16).toString('hex'), LNBITS_URL_2: lnbits.url, LNBITS_KEY_2: lnbits.merchant.invoiceKey }, toll, []],
    [{}, { routes: [...toll.routes, { path: '/wrong', sats: -5 }] }, [/TOLL\.routes\[1\]\.sats/]],
  ]) {
    const { paywall, configured, problems } = await healthWith(vars, list);
    assert.equal(configured, true);
    const status = await problems();
    assert.deepEqual([status.configured, status.problems.length], [true, expected.length], JSON.stringify(status));
    expected.forEach((pattern, at) => assert.match(status.problems[at], pattern));
    await paywall.server.stop();
  }
});

// U9 (CHANGELOG)
test('The dashboard shows why nothing can be sold, and the log names the setting of the wallet that refused', async (t) => {
  const paywall = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url, ADMIN_TOKEN, LNBITS_KEY: randomBytes(16).toString('hex') } });
  assert.equal((await send(paywall.url, '/sold')).json().code, 'invoice_unavailable');
  await paywall.logged(/LNbits answered with status 404: LNBITS_URL or LNBITS_KEY is wrong; `cargo run --bin edgetoll -- doctor` says which/);
  const browser = await startBrowser();
  t.after(() => browser.close());
  const { page, pageErrors } = await openPage(browser);
  await page.goto(`${paywall.url}/_toll/`);
  await page.fill('#token', ADMIN_TOKEN);
  await page.click('text=Log in');
  await page.waitForSelector('#problems:visible');
  assert.match(await page.textContent('#problems'), /Nothing can be sold now\s+LNbits does not accept LNBITS_KEY/);
  await assertAccessible(page);
  await saveScreenshot(page, 'dashboard-problems');
  assert.deepEqual(pageErrors, []);
});
