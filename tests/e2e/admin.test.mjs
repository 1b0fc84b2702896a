import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { root } from '../../tools/lib/run.mjs';
import { assertAccessible, openPage, startBrowser } from './support/browser.mjs';
import { buy, send, sendRaw } from './support/client.mjs';
import { ADMIN_TOKEN, sendAsAdmin, statsWhen } from './support/admin.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { startPaywall } from './support/paywall.mjs';

const getPaths = ['', 'stats', 'payments', 'ledger.csv', 'status', 'metrics', 'dashboard.js'];
const postPaths = ['login', 'logout', 'redeliver'];
const toll = { cors: '*', routes: [{ path: '/a', sats: 5 }, { path: '/say"hi"', sats: 6 }] };

let origin, paywall;
before(async () => {
  origin = await startRecordingOrigin();
  paywall = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url, ADMIN_TOKEN } });
});
after(() => origin.close());

/** Sends a request without the admin token to a path below `/_toll/`. */
const sendWithoutToken = (path, headers, options = {}) => send(paywall.url, `/_toll/${path}`, { ...options, headers });
const logIn = (token, { ip = '192.0.2.1', ...headers } = {}) =>
  sendWithoutToken('login', { 'content-type': 'application/x-www-form-urlencoded', 'cf-connecting-ip': ip, ...headers }, { method: 'POST', body: `token=${encodeURIComponent(token)}` });

test('If ADMIN_TOKEN is missing or weak, every admin endpoint returns 404', async () => {
  for (const token of [undefined, 'short', '0123456789abcdef0123456789abcdef']) {
    const { url, logged } = await startPaywall({ toll, vars: { ADMIN_TOKEN: token, ORIGIN_URL: origin.url } });
    for (const path of [...getPaths, ...postPaths, 'operator.css']) {
      for (const method of ['GET', 'POST']) {
        const answer = await send(url, `/_toll/${path}`, { method, headers: { authorization: `Bearer ${token ?? ''}` } });
        assert.deepEqual([answer.status, answer.json().code], [404, 'not_found'], `${method} ${path}`);
      }
    }
    assert.equal((await send(url, '/_toll/health')).status, 200);
    if (token) await logged(/ADMIN_TOKEN is/);
  }
});

test('Without a valid admin token or session, a GET to stats, payments, ledger.csv, status, metrics or dashboard.js gets the same 401 response', async () => {
  const wrong = [
    {},
    { authorization: 'Bearer' },
    { authorization: 'Bearer ' },
    { authorization: `Bearer ${ADMIN_TOKEN.slice(0, -1)}` },
    { authorization: `Bearer ${ADMIN_TOKEN}0` },
    { authorization: `Bearer ${ADMIN_TOKEN.toUpperCase()}` },
    { authorization: `Basic ${ADMIN_TOKEN}` },
    { authorization: ADMIN_TOKEN },
    { cookie: `toll_admin=${ADMIN_TOKEN}` },
    { cookie: 'toll_admin=99999999999.' },
    { cookie: `toll_admin=99999999999.${'0'.repeat(64)}` },
    { cookie: 'toll_admin=' },
    { 'x-admin-token': ADMIN_TOKEN },
  ];
  for (const path of ['stats', 'payments', 'status', 'metrics', 'dashboard.js']) {
    const refused = await sendWithoutToken(path, wrong[0]);
    assert.equal(refused.status, 401);
    assert.equal(refused.headers['www-authenticate'], 'Bearer');
    assert.equal(refused.json().code, 'unauthorized');
    for (const headers of wrong) {
      const answer = await sendWithoutToken(path, headers);
      assert.deepEqual([answer.status, answer.text], [401, refused.text], JSON.stringify(headers));
    }
    assert.equal((await sendWithoutToken(`${path}?token=${ADMIN_TOKEN}`)).status, 401);
    assert.equal((await sendAsAdmin(paywall.url, path, { method: 'POST' })).status, 405);
    assert.equal((await sendAsAdmin(paywall.url, path)).status, 200);
    assert.equal((await sendAsAdmin(paywall.url, path, { method: 'HEAD' })).status, 200);
  }
  for (const path of ['logout', 'redeliver']) {
    assert.equal((await sendWithoutToken(path, {}, { method: 'POST' })).status, 401);
    assert.equal((await sendAsAdmin(paywall.url, path)).status, 405);
  }
  assert.equal((await sendAsAdmin(paywall.url, 'redeliver', { method: 'POST' })).status, 204);
});

test('A login with the correct admin token sets a SameSite=Strict session cookie, even after five wrong tokens in a minute', async () => {
  const form = await sendWithoutToken('');
  assert.equal(form.status, 401);
  assert.match(form.text, /<form class="panel" method="post" action="login">/);
  const wrong = await logIn('x'.repeat(64));
  assert.deepEqual([wrong.status, wrong.headers.location, wrong.headers['set-cookie']], [303, '/_toll/#wrong', undefined]);
  const right = await logIn(ADMIN_TOKEN);
  assert.deepEqual([right.status, right.headers.location], [303, '/_toll/']);
  const [cookie] = right.headers['set-cookie'];
  assert.match(cookie, /^toll_admin=\d+\.[0-9a-f]{64}; Path=\/_toll\/; Max-Age=43200; HttpOnly; SameSite=Strict$/);
  const [session] = cookie.split(';');
  for (const path of getPaths) assert.equal((await sendWithoutToken(path, { cookie: `a=b; ${session}; c=d` })).status, 200, path);
  const [, expires, tag] = session.match(/^toll_admin=(\d+)\.(.*)$/);
  for (const forged of [`${Number(expires) + 1}.${tag}`, `${expires}.${tag.slice(0, -1)}`, `+${expires}.${tag}`]) {
    assert.equal((await sendWithoutToken('stats', { cookie: `toll_admin=${forged}` })).status, 401, forged);
  }
  const loggedOut = await sendWithoutToken('logout', { cookie: session }, { method: 'POST' });
  assert.equal(loggedOut.status, 303);
  assert.match(loggedOut.headers['set-cookie'][0], /^toll_admin=; Path=\/_toll\/; Max-Age=0; /);
  // Attack A10 (CHANGELOG): after an attacker had sent wrong tokens, the owner could not log in.
  for (const fragment of ['wrong', 'wrong', 'wrong', 'wrong', 'wrong', 'slow', 'slow']) {
    assert.equal((await logIn('x', { ip: '192.0.2.2' })).headers.location, `/_toll/#${fragment}`);
  }
  for (let at = 0; at < 7; at += 1) assert.equal((await logIn(ADMIN_TOKEN, { ip: '192.0.2.2' })).headers.location, '/_toll/');
  assert.equal((await logIn('x', { ip: '192.0.2.3' })).headers.location, '/_toll/#wrong');
});

test('A page of another origin can neither read the statistics nor post a form to an admin endpoint', async () => {
  const session = (await logIn(ADMIN_TOKEN, { ip: '192.0.2.4' })).headers['set-cookie'][0].split(';')[0];
  const evil = { cookie: session, origin: 'https://evil.example' };
  assert.equal((await sendWithoutToken('redeliver', evil, { method: 'POST' })).status, 401);
  assert.equal((await sendWithoutToken('logout', evil, { method: 'POST' })).status, 401);
  assert.equal((await logIn(ADMIN_TOKEN, { ip: '192.0.2.4', origin: 'null' })).status, 401);
  assert.equal((await sendWithoutToken('redeliver', { cookie: session, origin: paywall.url }, { method: 'POST' })).status, 204);
  const { headers } = await sendWithoutToken('stats', { ...evil });
  assert.equal(headers['access-control-allow-origin'], undefined);
});

test('Over plain HTTP, except on localhost, admin endpoints return 403', async () => {
  for (const path of ['', 'stats', 'login']) {
    const answer = await sendRaw(paywall.url, `GET /_toll/${path} HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer ${ADMIN_TOKEN}\r\nConnection: close\r\n\r\n`);
    assert.equal(answer.status, 403);
    assert.match(answer.text, /plain_http/);
  }
});

test('Admin pages load nothing from other hosts, cannot be framed or cached, and are served only at their exact paths', async () => {
  for (const path of ['', 'dashboard.js', 'operator.css']) {
    const { status, headers, text } = await sendAsAdmin(paywall.url, path);
    assert.equal(status, 200);
    const policy = headers['content-security-policy'];
    for (const part of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "form-action 'self'"]) assert.ok(policy.includes(part));
    assert.equal(headers['cache-control'], 'no-store');
    assert.equal(headers['x-content-type-options'], 'nosniff');
    // With `no-referrer`, browsers would send the login form with `Origin: null`, which the Worker refuses.
    assert.equal(headers['referrer-policy'], 'same-origin');
    // The documentation is linked, not loaded: the policy forbids to load from other hosts.
    assert.doesNotMatch(text, /https?:\/\/(?!www\.w3\.org|github\.com\/edgetoll\/edgetoll\/blob\/main\/docs\/)/);
    assert.doesNotMatch(text, /<script(?![^>]* src=)|<style| style=| on[a-z]+=/);
  }
  assert.match((await sendWithoutToken('')).headers['content-security-policy'], /default-src 'none'/);
  assert.deepEqual((await sendAsAdmin(paywall.url, '../_toll')).headers.location, '/_toll/');
  for (const path of ['dashboard.html', 'dashboard', 'login.html', 'README.md', 'operator.css/', 'Stats', '/stats', 'stats/']) {
    assert.equal((await sendAsAdmin(paywall.url, path)).status, 404, path);
  }
  for (const path of ['/dashboard.html', '/dashboard.js', '/operator.css', '/login']) {
    await send(paywall.url, path);
    assert.equal(origin.last().path, path, 'the path is forwarded to the origin');
  }
});

// U18 (CHANGELOG)
test('In a browser: the owner pages through all payments, finds one by the first digits of its hash, and sees why requests were refused', async () => {
  const things = Array.from({ length: 44 }, (_, index) => ({ path: `/thing/number-${index}`, sats: 2 }));
  const { url } = await startPaywall({ toll: { invoices_per_minute: 300, routes: [{ path: '/a', sats: 5 }, ...things] }, vars: { ORIGIN_URL: origin.url, ADMIN_TOKEN } });
  for (let count = 0; count < 21; count += 1) {
    const { standard } = await buy(url, '/a');
    await send(url, '/a', { headers: { authorization: standard } });
  }
  for (const { path } of things) await send(url, path, { method: 'HEAD' });
  await send(url, '/a', { headers: { authorization: `L402 AAAA:${'1'.repeat(64)}` } });
  const { refusals, limits, recentPayments } = await statsWhen(url, ({ totalPayments, refusals: counted }) => totalPayments === 21 && counted.length);
  assert.deepEqual(refusals.map(({ code, requests }) => [code, requests]), [['malformed_macaroon', 1]]);
  const { invoicesUsed, ...otherLimits } = limits;
  // At this rate, the isolate gets one invoice in advance, which counts too. Up to five seconds later, it is lost if it was not created.
  assert.ok(invoicesUsed >= 21 && invoicesUsed <= 23, `${invoicesUsed} invoices`);
  assert.deepEqual(otherLimits, { invoicesPerMinute: 300, challengesPerMinute: 1_000_000, openMs: { 1: [0, 0] } });
  const { timestamp, paymentHash } = recentPayments.at(-1);
  const older = (await sendAsAdmin(url, `payments?before_ms=${timestamp}&before_hash=${paymentHash}`)).json();
  assert.equal(older.length, 1);
  assert.deepEqual((await sendAsAdmin(url, 'payments')).json(), recentPayments);

  const { text } = await send(url, '/_toll/');
  assert.match(text, /<noscript>.*JavaScript/);
  const browser = await startBrowser();
  try {
    const { page, pageErrors } = await openPage(browser, { viewport: { width: 390, height: 844 } });
    await page.goto(`${url}/_toll/`);
    await page.fill('#token', ADMIN_TOKEN);
    await page.click('text=Log in');
    await page.waitForSelector('#payment-table tbody tr');
    const hashes = () => page.locator('#payment-table tbody td:last-child').allInnerTexts();
    assert.deepEqual(await hashes(), recentPayments.map((payment) => payment.paymentHash));
    await page.click('#older');
    await page.waitForSelector('text=Payments 21 to 21');
    assert.deepEqual(await hashes(), [older[0].paymentHash]);
    await assertAccessible(page);
    await page.click('#newer');
    await page.waitForSelector('text=Payments 1 to 20');
    await page.fill('#hash', older[0].paymentHash.slice(0, 10).toUpperCase());
    await page.press('#hash', 'Enter');
    await page.waitForSelector('text=1 payment with a payment hash');
    assert.deepEqual(await hashes(), [older[0].paymentHash]);
    await page.fill('#hash', '');
    await page.waitForSelector('text=Payments 1 to 20');

    assert.equal(await page.locator('#route-table tbody tr').count(), 8);
    const height = await page.evaluate(() => document.documentElement.scrollHeight);
    assert.ok(height < 7000, `the page is short on a phone: ${height} pixels`);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'no horizontal scrolling');
    await page.fill('#route', 'number-4');
    await page.waitForFunction(() => document.querySelectorAll('#route-table tbody tr').length === 5);
    await page.fill('#route', '');
    await page.click('text=Show all 45 routes');
    assert.equal(await page.locator('#route-table tbody tr').count(), 45);
    assert.match(await page.innerText('#refusal-table tbody'), /malformed_macaroon/);
    assert.deepEqual(pageErrors, []);
  } finally {
    await browser.close();
  }
});

test('A Prometheus client parses the metrics, even if a route contains quotes', async () => {
  const { standard } = await buy(paywall.url, '/say"hi"');
  await send(paywall.url, '/say"hi"', { headers: { authorization: standard } });
  await statsWhen(paywall.url, ({ totalPayments }) => totalPayments === 1);
  const answer = await sendAsAdmin(paywall.url, 'metrics');
  assert.equal(answer.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  const script = 'import json, sys; from prometheus_client.parser import text_string_to_metric_families as read; print(json.dumps([[s.name, s.labels, s.value, f.type] for f in read(sys.stdin.read()) for s in f.samples]))';
  const samples = JSON.parse(execFileSync(join(root, '.tools/oracles/bin/python'), ['-c', script], { input: answer.text }));
  const value = (name, labels) => samples.find(([sampleName, sampleLabels]) => sampleName === name && Object.entries(labels).every(([key, text]) => sampleLabels[key] === text))?.[2];
  const route = '/say"hi"';
  assert.equal(value('edgetoll_revenue_sats_total', { route }), 6);
  assert.equal(value('edgetoll_payments_total', { route }), 1);
  assert.equal(value('edgetoll_requests_total', { route, outcome: 'paid' }), 1);
  assert.equal(value('edgetoll_requests_total', { route, outcome: 'challenged' }), 1);
  assert.equal(value('edgetoll_unique_payers', {}), 1);
  assert.equal(value('edgetoll_callbacks_waiting', {}), 0);
  assert.deepEqual([...new Set(samples.map(([, , , type]) => type))].sort(), ['counter', 'gauge']);
});
