// The pages that people get instead of errors in JSON.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assertAccessible, openPage, saveScreenshot, startBrowser } from './support/browser.mjs';
import { send } from './support/client.mjs';
import { startFaultProxy } from './support/fault_proxy.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { startPaywall } from './support/paywall.mjs';

const HTML = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'sec-fetch-mode': 'navigate' };
const toll = {
  unmatched: 'deny',
  routes: [
    { path: '/free', sats: 0 },
    { path: '/sold', sats: 5 },
    { path: '/posted', methods: ['POST'], sats: 5 },
  ],
};
let origin, faultProxy, paywall, browser;
before(async () => {
  origin = await startRecordingOrigin();
  faultProxy = await startFaultProxy();
  paywall = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url, LNBITS_URL: faultProxy.url } });
  browser = await startBrowser();
});
after(() => Promise.all([browser?.close(), faultProxy.close(), origin.close()]));

const visit = (path, { headers, ...options } = {}, url = paywall.url) => send(url, path, { ...options, headers: { ...HTML, ...headers } });

/** Asserts that a browser gets a page without scripts for an error, and that a program gets the same status and code as JSON. */
async function assertPage(path, options, status, code, words, url = paywall.url) {
  const program = await send(url, path, options);
  assert.deepEqual([program.status, program.json().code], [status, code]);
  const page = await visit(path, options, url);
  assert.equal(page.status, status, path);
  assert.equal(page.headers['content-type'], 'text/html; charset=utf-8');
  assert.match(page.headers['content-security-policy'], /^default-src 'none'; style-src 'nonce-[0-9a-f]{32}'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'$/);
  for (const name of ['cache-control', 'www-authenticate', 'allow']) assert.equal(page.headers[name], program.headers[name], name);
  assert.equal('retry-after' in page.headers, 'retry-after' in program.headers);
  assert.ok(page.text.includes(`<h1>${words}</h1>`), page.text);
  assert.ok(page.text.includes(`<code>${code}</code>`));
  assert.doesNotMatch(page.text, /<script|\{\{|\[\[|<!--/);
}

// U11 (CHANGELOG)
test('A person gets a page in words for each kind of error, and a program gets JSON', async () => {
  await assertPage('/nothing', {}, 404, 'not_found', 'Page not found');
  await assertPage('/sold', { headers: { authorization: `L402 AAAA:${'1'.repeat(64)}` } }, 401, 'malformed_macaroon', 'Your access is not valid');
  await assertPage('/posted', {}, 405, 'method_not_allowed', 'This request cannot be answered');
  await assertPage('/SOLD', {}, 400, 'ambiguous_path', 'This request cannot be answered');
  await faultProxy.injectFault('refuses the connection', 'POST');
  await assertPage('/sold', {}, 503, 'invoice_unavailable', 'Not available right now');
  await faultProxy.clearFault();
  const busy = await startPaywall({ toll: { ...toll, invoices_per_minute: 1 }, vars: { ORIGIN_URL: origin.url } });
  assert.equal((await send(busy.url, '/sold')).status, 402);
  await assertPage('/sold', {}, 429, 'too_many_invoices', 'Too many requests', busy.url);
  await busy.server.stop();
});

// U11 (CHANGELOG)
test('A person gets a page if the price list cannot be read', async () => {
  const broken = await startPaywall({ toll: { routes: 'none' }, vars: { ORIGIN_URL: origin.url } });
  const page = await visit('/free', {}, broken.url);
  assert.equal(page.status, 503);
  assert.ok(page.text.includes('<h1>Not available right now</h1>'));
  assert.equal((await send(broken.url, '/free')).json().code, 'not_configured');
  await broken.server.stop();
});

// U11 (CHANGELOG)
test('In a browser: the page of an error is accessible on a phone and on a desktop, in light and in dark mode', async () => {
  for (const [width, height] of [[360, 720], [1280, 800]]) {
    for (const colorScheme of ['light', 'dark']) {
      const { context, page, pageErrors } = await openPage(browser, { viewport: { width, height }, colorScheme });
      await page.goto(`${paywall.url}/SOLD`);
      assert.equal(await page.title(), 'This request cannot be answered · 127.0.0.1');
      await assertAccessible(page);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'no horizontal scrolling');
      await saveScreenshot(page, `error-${width}-${colorScheme}`);
      assert.deepEqual(pageErrors.filter((error) => !/status of 400/.test(error)), []);
      await context.close();
    }
  }
});
