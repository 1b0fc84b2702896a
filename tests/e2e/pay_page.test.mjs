import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { transform } from 'esbuild';
import { generate } from 'lean-qr';
import encodeQR from 'qr';
import decodeQR from 'qr/decode.js';
import { root } from '../../tools/lib/run.mjs';
import { parseChallenge, send, tamper } from './support/client.mjs';
import { assertAccessible, collectErrors, openPage, saveScreenshot, startBrowser } from './support/browser.mjs';
import { startFaultProxy } from './support/fault_proxy.mjs';
import { OLDEST_TARGETS, removeNewerApis, removeNewerStyles } from './support/oldest_browsers.mjs';
import { ADMIN_TOKEN, statsWhen } from './support/admin.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { pay, startPaywall } from './support/paywall.mjs';

/** The most bytes of a description that `edgetoll check` accepts. */
const MAX_DESCRIPTION = Number(readFileSync(join(root, 'src/policy/description.rs'), 'utf8').match(/MAX_BYTES: usize = (\d+)/)[1]);
/** More realms than the 16 credential cookies that are read of a request. */
const REALMS = 20;
const serviceWorker = (options) => `onfetch = (event) => event.respondWith(fetch(event.request${options}));
  oninstall = () => skipWaiting(); onactivate = (event) => event.waitUntil(clients.claim());`;
const HOSTILE = `</script><img src=x onerror=alert(1)> "quoted' <!--if reason--> &amp; \u202Egnp.exe`;
const toll = {
  routes: [
    { path: '/article', sats: 21, description: 'How tolls came to the web' },
    { path: '/fiat', fiat: '0.01 USD' },
    { path: '/hostile', sats: 5, description: HOSTILE },
    { path: '/club/*', sats: 100, realm: 'club', credential_expiry: '30d', description: 'The club, for a month' },
    { path: '/library/*', sats: 50, realm: 'library' },
    { path: '/any/*', sats: 5 },
    { path: '/by-header', price: [{ when: { header: { Accept: '*text/html*' } }, sats: 5 }, { sats: 50 }] },
    { path: '/once', sats: 5, uses: 1 },
    { path: '/twice', sats: 5, uses: 2, description: 'Two looks' },
    { path: '/post', methods: ['POST'], sats: 5 },
    { path: '/folder', sats: 5 },
    { path: '/longest', sats: 9999999, description: 'x'.repeat(MAX_DESCRIPTION) },
    ...Array.from({ length: REALMS }, (_, realm) => ({ path: `/realm${realm}/*`, sats: 5, realm: `r${realm}` })),
  ],
};
const owner = { title: 'Example <b>Library</b> & Sons', contact: 'help@example.com', accent: '#7a1fa2' };
const HTML = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'sec-fetch-mode': 'navigate' };

let origin, faultProxy, paywall, browser;
before(async () => {
  const content = (title) => (request, response) =>
    response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(`<!doctype html><html lang="en"><title>${title}</title><link rel="icon" href="data:,"><h1>${title}</h1><a href="/article">on</a>`);
  const pages = { '/': 'A free page', '/worker': 'A page with a service worker', '/article': 'What was paid for', '/club/1': 'In the club', '/club/2': 'Still in the club', '/twice': 'A look', '/hostile': 'Harmless' };
  for (const path of ['/once', '/by-header', '/folder/', '/any/folder/', '/any/reloads', '/any/fails', ...Array.from({ length: REALMS }, (_, realm) => `/realm${realm}/x`)]) pages[path] = `Paid: ${path}`;
  const answers = Object.fromEntries(Object.entries(pages).map(([path, title]) => [path, content(title)]));
  for (const path of ['/folder', '/any/folder']) answers[path] = (request, response) => response.writeHead(301, { Location: `${path}/` }).end();
  for (const [path, options] of [['/worker.js', ", { cache: 'no-store' }"], ['/passing_worker.js', '']]) {
    answers[path] = (request, response) => response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(serviceWorker(options));
  }
  origin = await startRecordingOrigin(answers);
  faultProxy = await startFaultProxy();
  paywall = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url, LNBITS_URL: faultProxy.url } });
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await faultProxy.close();
  await origin.close();
});

const visit = (path, headers = {}) => send(paywall.url, path, { headers: { ...HTML, ...headers } });
const settle = (body, headers = {}, options = {}) =>
  send(paywall.url, '/_toll/settle', { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: typeof body === 'string' ? body : JSON.stringify(body), ...options });
const challenge = (answer) => parseChallenge(answer.headers['www-authenticate']);
const cookieOf = (answer) => answer.headers['set-cookie'][0].split(';')[0];
const invoiceOn = (page) => page.inputValue('#invoice');

test('A browser navigation to a priced path gets 402 with the pay page; other clients get the challenge as JSON', async () => {
  const page = await visit('/article?x=1');
  assert.equal(page.status, 402);
  assert.equal(page.headers['content-type'], 'text/html; charset=utf-8');
  assert.equal(page.headers['cache-control'], 'no-store');
  const { invoice, macaroon } = challenge(page);
  assert.ok(page.text.includes(`>${invoice}</textarea>`) && page.text.includes(`value="${macaroon.replaceAll('"', '')}"`));
  const nonces = [...page.text.matchAll(/nonce="([0-9a-f]{32})"/g)].map(([, nonce]) => nonce);
  assert.equal(new Set(nonces).size, 1);
  assert.ok(page.headers['content-security-policy'].includes(`script-src 'nonce-${nonces[0]}'`));
  assert.notEqual((await visit('/article')).text.match(/nonce="([0-9a-f]{32})"/)[1], nonces[0]);
  for (const headers of [{}, { accept: '*/*' }, { accept: 'application/json' }, { ...HTML, 'sec-fetch-mode': 'cors' }]) {
    const answer = await send(paywall.url, '/article', { headers });
    assert.deepEqual([answer.status, answer.json().status], [402, 402]);
  }
  assert.equal((await send(paywall.url, '/post', { method: 'POST', headers: HTML })).json().status, 402);
});

test('/_toll/settle returns 402 before the payment and 200 with a cookie after it; no response contains the preimage', async () => {
  const { macaroon, invoice } = challenge(await visit('/article'));
  const pending = await settle({ macaroon, to: '/article' });
  assert.deepEqual([pending.status, pending.json()], [402, { status: 'pending' }]);
  assert.equal(pending.headers['set-cookie'], undefined);
  const preimage = await pay(invoice);
  const paid = await settle({ macaroon, to: '/article' }, { origin: paywall.url });
  assert.deepEqual([paid.status, paid.json()], [200, { status: 'paid' }]);
  const [cookie] = paid.headers['set-cookie'];
  assert.match(cookie, /^toll_[0-9a-f]{12}=[A-Za-z0-9+/=]+\.[0-9a-f]{64}; Path=\/article; Max-Age=(3600|35\d\d); HttpOnly; SameSite=Lax$/);
  assert.ok(!JSON.stringify([paid.headers, paid.text, pending.headers, pending.text]).includes(preimage));
  assert.equal((await settle({ macaroon })).status, 200, 'without `to`, the path comes from the macaroon');
  const inside = await visit('/article', { cookie: `session=1; ${cookieOf(paid)}` });
  assert.equal(inside.status, 200);
  assert.match(inside.text, /What was paid for/);
  const { headers } = origin.last();
  assert.deepEqual([headers.cookie, headers['x-toll-status'], headers['x-toll-amount-sats']], ['session=1', 'paid', '21']);
  assert.match(inside.headers['cache-control'], /private/);
  assert.equal((await visit('/club/1', { cookie: cookieOf(paid) })).status, 402);
  assert.equal((await send(paywall.url, '/post', { method: 'POST', headers: { cookie: cookieOf(paid) } })).status, 402);
});

test('/_toll/settle refuses a request if its method is not POST, its page has another origin, its macaroon is invalid, or its path leads to another host', async () => {
  const { macaroon, invoice } = challenge(await visit('/article'));
  const lookupCount = () => faultProxy.calls.filter(({ method, url }) => method === 'GET' && /[0-9a-f]{64}$/.test(url)).length;
  const lookupsBefore = lookupCount();
  const code = async (answer) => [(await answer).status, (await answer).json().code];
  assert.deepEqual(await code(send(paywall.url, '/_toll/settle')), [405, 'method_not_allowed']);
  assert.deepEqual(await code(settle({ macaroon }, { origin: 'https://evil.example' })), [403, 'other_page']);
  assert.deepEqual(await code(settle({ macaroon }, { origin: 'null' })), [403, 'other_page']);
  assert.deepEqual(await code(settle({ macaroon: tamper(macaroon), to: '/article' })), [401, 'bad_signature']);
  for (const body of ['', 'x', '{}', JSON.stringify({ macaroon: `${macaroon}:${'0'.repeat(64)}` }), `{"macaroon":"${'A'.repeat(9000)}"}`]) {
    assert.equal((await settle(body)).status, 401, body.slice(0, 40));
  }
  for (const to of ['//evil.example/article', '/\\evil.example', 'https://evil.example/', '/article\r\nx: y', 'article']) {
    assert.deepEqual(await code(settle({ macaroon, to })), [404, 'not_found'], to);
  }
  assert.equal((await settle({ macaroon, to: '/club/1' })).status, 410, 'the macaroon is for another path');
  assert.equal((await send(paywall.url, '/_toll/settle', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ macaroon, to: '/article' }) })).status, 402);
  assert.equal(lookupCount(), lookupsBefore + 1, 'one lookup at LNbits');
  faultProxy.injectFault('`status: failed`', 'GET');
  assert.deepEqual([(await settle({ macaroon, to: '/article' })).status], [410]);
  faultProxy.injectFault('500', 'GET');
  assert.deepEqual(await code(settle({ macaroon, to: '/article' })), [503, 'settlement_unavailable']);
  await faultProxy.clearFault();
  await pay(invoice);
});

test('A form post to /_toll/settle redirects only to a path that the macaroon is for', async () => {
  const { macaroon, invoice } = challenge(await visit('/article?page=2'));
  const form = (to) => settle(new URLSearchParams({ macaroon, to }).toString(), { ...HTML, 'content-type': 'application/x-www-form-urlencoded', origin: paywall.url });
  const pending = await form('/article?page=2');
  assert.equal(pending.status, 402);
  assert.match(pending.text, /The payment has not arrived yet/);
  assert.deepEqual(challenge(pending), { macaroon, invoice }, 'the same invoice');
  await pay(invoice);
  const paid = await form('/article?page=2');
  assert.deepEqual([paid.status, paid.headers.location], [303, `${paywall.url}/article?page=2`]);
  assert.match(paid.headers['set-cookie'][0], /Path=\/article; /);
  // A7 (CHANGELOG)
  const long = `/article?page=${'%D0%B0'.repeat(2000)}`;
  assert.deepEqual([(await form(long)).headers.location, (await settle({ macaroon, to: long })).status], [`${paywall.url}${long}`, 200]);
  assert.equal((await form('//evil.example/')).status, 404);
  for (const to of ['/club/1', '/', '/_toll/login', '/.//evil.example/']) {
    const redirect = await form(to);
    assert.deepEqual([redirect.status, redirect.headers.location, redirect.headers['set-cookie']], [303, `${paywall.url}/article`, undefined], to);
  }
});

test('A malformed credential cookie is ignored and cleared; a credential cookie of another paywall is ignored but not cleared', async () => {
  for (const cookie of ['toll_000000000000=garbage', 'toll_000000000000=AgE=.00', `toll_00000000000a=${'A'.repeat(3000)}.0`]) {
    assert.equal((await visit('/', { cookie })).status, 200);
    const answer = await visit('/article', { cookie });
    assert.equal(answer.status, 402);
    assert.match(answer.headers['set-cookie'][0], /^toll_[0a]{12}=; Path=\/; Max-Age=0; /);
    assert.equal((await send(paywall.url, '/_toll/pay.js', { headers: { cookie } })).headers['set-cookie'], undefined, 'the response is cacheable');
    assert.match(challenge(answer).invoice, /^lnbc/);
  }
  const other = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url } });
  const foreign = challenge(await send(other.url, '/article', { headers: HTML }));
  await pay(foreign.invoice);
  const cookie = cookieOf(await send(other.url, '/_toll/settle', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ macaroon: foreign.macaroon }) }));
  assert.equal((await send(other.url, '/article', { headers: { cookie } })).status, 200);
  const unknown = await visit('/article', { cookie });
  assert.deepEqual([unknown.status, unknown.headers['set-cookie']], [402, undefined], 'the cookie may belong to another paywall');
  const ofOrigin = await visit('/article', { cookie: 'toll_theme=dark' });
  assert.equal(ofOrigin.headers['set-cookie'], undefined);
  const { standard } = await (async () => {
    const { macaroon, invoice } = challenge(await visit('/article'));
    return { standard: `L402 ${macaroon}:${await pay(invoice)}` };
  })();
  assert.equal((await visit('/article', { cookie, authorization: standard })).status, 200);
});

/** Requests a pay page, pays its invoice, and returns the cookie. */
async function buyCookie(path, headers) {
  const { macaroon, invoice } = challenge(await visit(path, headers));
  await pay(invoice);
  return cookieOf(await settle({ macaroon, to: path }));
}

test('A credential cookie is valid beside a cookie of another realm and beside an invalid cookie of the same name; a prefetch consumes no use', async () => {
  const [club, library] = [await buyCookie('/club/1'), await buyCookie('/library/1')];
  assert.notEqual(club.split('=')[0], library.split('=')[0]);
  for (const path of ['/club/2', '/library/2']) assert.equal((await visit(path, { cookie: `${club}; ${library}` })).status, 200, path);
  assert.equal((await send(paywall.url, '/library/2', { method: 'POST', headers: { cookie: library } })).status, 402);
  const planted = await visit('/club/1', { cookie: `${club.split('=')[0]}=garbage; ${club}` });
  assert.deepEqual([planted.status, planted.headers['set-cookie']], [200, undefined]);
  const twice = await buyCookie('/twice');
  const ahead = await visit('/twice', { cookie: twice, 'sec-purpose': 'prefetch' });
  assert.deepEqual([ahead.status, ahead.headers['x-toll-price-sats']], [402, '5']);
  assert.equal((await visit('/twice', { cookie: twice })).headers['x-toll-uses-remaining'], '1');
  const again = await buyCookie('/twice');
  assert.notEqual(again.split('=')[0], twice.split('=')[0], 'the cookie with the remaining use is not overwritten');
});

test('Paying on the pay page gives access to a long path, to a path with special characters, and to a path whose price depends on the Accept header', async () => {
  const long = `/any/${'x'.repeat(1100)}`;
  const cookie = await buyCookie(long);
  assert.equal((await visit(long, { cookie })).status, 200);
  const { macaroon } = challenge(await visit(long));
  const { headers } = await settle({ macaroon, to: long });
  assert.equal(headers['set-cookie'], undefined);
  for (const path of ['/any/a?q=a\\b', '/any/a,b;c', "/any/it's", '/by-header']) {
    const bought = await buyCookie(path);
    assert.equal((await visit(path, { cookie: bought })).status, 200, path);
  }
});

test('Without the ASSETS binding, a browser gets the challenge as JSON', async () => {
  const { assets, ...broken } = { assets: undefined, services: [{ binding: 'ASSETS', service: 'no-such-service' }] };
  const { url } = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url }, config: { assets, ...broken } });
  const answer = await send(url, '/article', { headers: HTML });
  assert.deepEqual([answer.status, answer.json().status], [402, 402]);
  assert.equal((await send(url, '/_toll/pay.js')).status >= 400, true);
});

test('/_toll/settle answers 2 * challenges_per_minute requests a minute about one payment; the next one gets 429 with Retry-After', async () => {
  const { url } = await startPaywall({ toll: { challenges_per_minute: 10, routes: toll.routes }, vars: { ORIGIN_URL: origin.url } });
  const { macaroon } = challenge(await send(url, '/article', { headers: HTML }));
  const pollSettlement = () => send(url, '/_toll/settle', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ macaroon }) });
  const answers = [];
  for (let at = 0; at < 21; at += 1) answers.push(await pollSettlement());
  assert.deepEqual(answers.slice(0, 20).map(({ status }) => status), Array(20).fill(402));
  const { status, headers, json } = answers.at(-1);
  assert.deepEqual([status, json().code], [429, 'too_many_challenges']);
  assert.ok(Number(headers['retry-after']) >= 1 && Number(headers['retry-after']) <= 65);
});

test('Pages of every origin can load pay.js, pay.css, toll.js and toll.d.ts; pay.html and words.json are not served', async () => {
  for (const [file, type] of [['pay.js', 'text/javascript'], ['pay.css', 'text/css'], ['toll.js', 'text/javascript'], ['toll.d.ts', 'text/plain']]) {
    const { status, headers } = await send(paywall.url, `/_toll/${file}`);
    assert.equal(status, 200, file);
    assert.equal(headers['content-type'], `${type}; charset=utf-8`);
    assert.equal(headers['access-control-allow-origin'], '*');
    assert.equal((await send(paywall.url, `/_toll/${file}`, { method: 'POST' })).status, 405);
  }
  for (const file of ['pay.html', 'pay', 'words.json', 'pay.js/', 'PAY.js']) assert.equal((await send(paywall.url, `/_toll/${file}`)).status, 404, file);
});

test('In a browser: after payment with another device, the open pay page shows the content', async () => {
  const { context, page, pageErrors } = await openPage(browser);
  await page.goto(`${paywall.url}/`);
  await page.click('a');
  await page.waitForSelector('#code svg');
  assert.match(await page.textContent('h1'), /How tolls came to the web/);
  assert.equal(await page.getAttribute('#open', 'href'), `lightning:${await invoiceOn(page)}`);
  await pay(await invoiceOn(page));
  await page.waitForSelector('text=What was paid for', { timeout: 30_000 });
  const [cookie] = await context.cookies();
  assert.deepEqual([cookie.httpOnly, cookie.secure, cookie.sameSite, cookie.path], [true, false, 'Lax', '/article']);
  await page.goBack();
  await page.waitForSelector('text=A free page');
  await page.goForward();
  await page.waitForSelector('text=What was paid for');
  await page.reload();
  await page.waitForSelector('text=What was paid for');
  assert.deepEqual(pageErrors, []);
  await context.close();
});

test('In a browser: one payment gives access in all tabs with the same page or realm', async () => {
  const { context, page, pageErrors } = await openPage(browser);
  const third = await context.newPage();
  await third.goto(`${paywall.url}/club/2?from=list`);
  const unpaid = await context.newPage();
  await unpaid.goto(`${paywall.url}/library/1`);
  const second = await context.newPage();
  const secondErrors = collectErrors(second);
  await page.goto(`${paywall.url}/club/1`);
  await second.goto(`${paywall.url}/club/1`);
  await pay(await invoiceOn(page));
  await page.bringToFront();
  await page.waitForSelector('text=In the club', { timeout: 30_000 });
  await second.bringToFront();
  await second.waitForSelector('text=This has been paid in another tab');
  await third.bringToFront();
  await third.waitForSelector('text=This has been paid in another tab');
  await unpaid.bringToFront();
  assert.ok(await unpaid.isVisible('#code'));
  await second.click('text=Continue');
  await second.waitForSelector('text=In the club');
  await second.goto(`${paywall.url}/club/2`);
  await second.waitForSelector('text=Still in the club');
  assert.deepEqual([pageErrors, secondErrors], [[], []]);
  await context.close();
});

test('In a browser: the WebLN button pays and shows the content', async () => {
  const { context, page, pageErrors } = await openPage(browser);
  await context.exposeFunction('payWithLnbits', pay);
  await context.addInitScript(() => {
    window.webln = { enable: async () => {}, sendPayment: async (invoice) => ({ preimage: await window.payWithLnbits(invoice) }) };
  });
  await page.goto(`${paywall.url}/article`);
  await page.click('#pay-here');
  await page.waitForSelector('text=What was paid for', { timeout: 30_000 });
  assert.deepEqual(pageErrors, []);
  await context.close();
});

// R2 (CHANGELOG), https://github.com/w3c/hr-time/issues/115: in Firefox, `timeOrigin` is as late as the computer has slept.
test('In a browser: the page opens after the payment if `timeOrigin` is 20 minutes late, and if a script has written to the storage', async () => {
  const { context, page, pageErrors } = await openPage(browser);
  await context.addInitScript(() => {
    const { timeOrigin } = performance;
    Object.defineProperty(Performance.prototype, 'timeOrigin', { get: () => timeOrigin - 1_200_000 });
    localStorage.setItem('edgetoll invoices', '[{"a":1},["x"],[1,2,3],null]');
  });
  await page.goto(`${paywall.url}/article`);
  assert.ok(await page.isVisible('#code'));
  await pay(await invoiceOn(page));
  await page.waitForSelector('text=What was paid for', { timeout: 30_000 });
  assert.deepEqual(pageErrors, []);
  await context.close();
});

// R2 (CHANGELOG): a phone's browser discards the page while the wallet pays, and loads it again with another invoice.
test('In a browser: a payment of an invoice that the tab showed before opens the page, also if it arrives after the reload', async () => {
  const { context, page, pageErrors } = await openPage(browser);
  await page.goto(`${paywall.url}/any/reloads`);
  const invoices = [await invoiceOn(page)];
  for (let reloads = 0; reloads < 4; reloads += 1) {
    await page.reload();
    await page.waitForSelector('#code svg');
    invoices.push(await invoiceOn(page));
  }
  assert.equal(new Set(invoices).size, 5);
  const macaroons = await page.evaluate(() => JSON.parse(localStorage.getItem('edgetoll invoices')).map(([macaroon]) => macaroon));
  assert.equal(macaroons.length, 5);
  await page.waitForResponse((response) => response.request().postDataJSON()?.macaroon === macaroons.at(-1));
  await pay(invoices[0]);
  await page.waitForSelector('text=Paid: /any/reloads', { timeout: 60_000 });
  assert.deepEqual(pageErrors, []);
  await context.close();
});

// R2 (CHANGELOG): only the same tab, at the same URL, asked for a payment that arrived after the page was left.
test('In a browser: a payment that arrives after its page was left opens that page in another tab, with another query, and for a realm', async () => {
  for (const [first, later, content] of [
    ['/article', '/article', 'What was paid for'],
    ['/article?from=mail', '/article', 'What was paid for'],
    ['/club/1', '/club/2', 'Still in the club'],
    ['/folder', '/folder', 'Paid: /folder/'],
    ['/by-header', '/by-header', 'Paid: /by-header'],
  ]) {
    const { context, page, pageErrors } = await openPage(browser);
    await page.goto(paywall.url + first);
    await page.waitForSelector('#code svg');
    const left = await invoiceOn(page);
    const other = await context.newPage();
    await page.close();
    await other.goto(paywall.url + later);
    await pay(left);
    await other.waitForSelector(`text=${content}`, { timeout: 60_000 });
    assert.deepEqual(pageErrors, []);
    await context.close();
  }
});

// R2 (CHANGELOG): the page forgot the payment, and asked for another one.
test('In a browser: a payment opens the page also if the request that asks whether the page is open is lost, or fails at the origin', async () => {
  for (const fault of ['lost once', 'always 502']) {
    const { context, page, pageErrors } = await openPage(browser);
    await page.goto(`${paywall.url}/any/fails`);
    await page.waitForSelector('#code svg');
    const left = await invoiceOn(page);
    await page.reload();
    await page.waitForSelector('#code svg');
    await page.evaluate((fault) => {
      const { fetch } = globalThis;
      let count = 0;
      globalThis.fetch = async (url, init) => {
        if (init.method === 'HEAD') count += 1;
        if (init.method !== 'HEAD' || (fault === 'lost once' && count > 1)) return fetch(url, init);
        if (fault === 'lost once') throw new TypeError('lost');
        return new Response(null, { status: 502 });
      };
    }, fault);
    await pay(left);
    await page.waitForSelector('text=Paid: /any/fails', { timeout: 60_000 });
    assert.deepEqual(pageErrors, []);
    await context.close();
  }
});

// R2 (CHANGELOG): the second tab said that its page need not be paid again.
test('In a browser: after another tab has taken the only use, a tab goes on waiting for its own payment', async () => {
  const { context, page } = await openPage(browser);
  const other = await context.newPage();
  for (const tab of [page, other]) await tab.goto(`${paywall.url}/once`);
  await other.evaluate(() => {
    globalThis.asked = [];
    const { fetch } = globalThis;
    globalThis.fetch = (url, init) => (asked.push(init.method), fetch(url, init));
  });
  await page.bringToFront();
  await pay(await invoiceOn(page));
  await page.waitForSelector('text=Paid: /once', { timeout: 30_000 });
  await other.bringToFront();
  await other.waitForFunction(() => globalThis.asked.includes('HEAD'));
  assert.equal(await other.getAttribute('#page', 'data-state'), 'pending');
  await pay(await invoiceOn(other));
  await other.waitForSelector('text=Paid: /once', { timeout: 30_000 });
  await context.close();
});

// R2 (CHANGELOG).
test('In a browser: a WebLN wallet is not asked to pay after the payment has arrived in another tab', async () => {
  const { context, page, pageErrors } = await openPage(browser);
  await context.addInitScript(() => {
    window.asked = 0;
    const unlocked = new Promise((resolve) => { window.unlock = () => (resolve(), unlocked); });
    window.webln = { enable: () => unlocked, sendPayment: async () => { window.asked += 1; } };
  });
  await page.goto(`${paywall.url}/club/1`);
  await page.click('#pay-here');
  const second = await context.newPage();
  await second.goto(`${paywall.url}/club/1`);
  await pay(await invoiceOn(second));
  await second.waitForSelector('text=In the club', { timeout: 30_000 });
  await page.bringToFront();
  await page.waitForSelector('text=This has been paid in another tab');
  // The script of the page has waited longer for the same promise, so it continues first.
  await page.evaluate(() => window.unlock());
  assert.equal(await page.evaluate(() => window.asked), 0);
  assert.ok(await page.isVisible('text=This has been paid in another tab'));
  assert.deepEqual(pageErrors, []);
  await context.close();
});

// R2 (CHANGELOG).
test('In a browser: a payment opens the page if the clock of the device was set two hours forward', async () => {
  const { context, page, pageErrors } = await openPage(browser);
  await context.addInitScript(() => {
    const now = Date.now.bind(Date);
    Date.now = () => now() + (window.forward ?? 0);
  });
  await page.goto(`${paywall.url}/article`);
  await page.evaluate(() => { window.forward = 7_200_000; });
  await page.waitForSelector('text=This invoice has expired');
  const pending = page.waitForResponse((response) => response.url().endsWith('/settle') && response.status() === 402);
  await page.evaluate(() => setInterval(() => document.dispatchEvent(new Event('visibilitychange')), 500));
  await pending;
  await pay(await invoiceOn(page));
  await page.waitForSelector('text=What was paid for', { timeout: 30_000 });
  assert.deepEqual(pageErrors, []);
  await context.close();
});

// R2 (CHANGELOG), https://fetch.spec.whatwg.org/#dom-request: with options, the mode of a navigation becomes `same-origin`. Without options, its
// destination becomes empty, as with `NetworkFirst` of Workbox.
test('In a browser: a service worker that fetches navigations gets the pay page, also if a link of another site leads there', async () => {
  for (const worker of ['/worker.js', '/passing_worker.js']) {
    const { context, page, pageErrors } = await openPage(browser);
    await page.goto(`${paywall.url}/worker`);
    await page.evaluate(async (worker) => {
      await navigator.serviceWorker.register(worker);
      await new Promise((resolve) => { navigator.serviceWorker.oncontrollerchange = resolve; });
    }, worker);
    await page.goto(`${origin.url.replace('127.0.0.1', 'localhost')}/`);
    await page.evaluate((url) => { location.href = url; }, `${paywall.url}/article`);
    await page.waitForSelector('#invoice', { state: 'attached' });
    await pay(await invoiceOn(page));
    await page.waitForSelector('text=What was paid for', { timeout: 30_000 });
    assert.deepEqual(pageErrors, []);
    await context.close();
  }
});

// R1 (CHANGELOG).
test('In a browser: one payment opens a page whose origin redirects its path to the path with a slash', async () => {
  for (const path of ['/folder', '/any/folder']) {
    const { context, page, pageErrors } = await openPage(browser);
    await page.goto(paywall.url + path);
    const invoices = faultProxy.invoiceCount();
    await pay(await invoiceOn(page));
    await page.waitForSelector(`text=Paid: ${path}/`, { timeout: 30_000 });
    assert.equal(page.url(), `${paywall.url}${path}/`);
    assert.equal(faultProxy.invoiceCount(), invoices, 'no second invoice');
    assert.deepEqual(pageErrors, []);
    await context.close();
  }
});

// R10 (CHANGELOG): a browser that had bought 16 realms sent a new cookie too late in the header.
test('In a browser: each of many realms opens after its payment', async () => {
  const { context, page, pageErrors } = await openPage(browser);
  await page.goto(`${paywall.url}/`);
  for (let realm = 0; realm < REALMS; realm += 1) {
    const { macaroon, invoice } = challenge(await visit(`/realm${realm}/x`));
    await pay(invoice);
    const status = await page.evaluate(async (body) => (await fetch('/_toll/settle', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body })).status, JSON.stringify({ macaroon, to: `/realm${realm}/x` }));
    assert.equal(status, 200);
  }
  for (const realm of [0, 3, 10, 19]) {
    await page.goto(`${paywall.url}/realm${realm}/x`);
    await page.waitForSelector(`text=Paid: /realm${realm}/x`);
  }
  assert.deepEqual(pageErrors, []);
  await context.close();
});

// R3, R5 (CHANGELOG).
test('In a browser: the pay page works with a wallet without `enable`, and if the access to the wallet is forbidden', async () => {
  const wallets = {
    'no enable': () => { window.webln = { sendPayment: (invoice) => window.payWithLnbits(invoice) }; },
    forbidden: () => Object.defineProperty(window, 'webln', { get() { throw new Error('forbidden'); } }),
    'no payment at first': () => {
      let calls = 0;
      window.webln = { sendPayment: async (invoice) => { calls += 1; if (calls > 1) await window.payWithLnbits(invoice); } };
    },
  };
  for (const [name, wallet] of Object.entries(wallets)) {
    const { context, page, pageErrors } = await openPage(browser);
    await context.exposeFunction('payWithLnbits', pay);
    await context.addInitScript(wallet);
    await page.goto(`${paywall.url}/article`);
    if (name === 'forbidden') await pay(await invoiceOn(page));
    else await page.click('#pay-here');
    if (name === 'no payment at first') {
      await page.waitForSelector('text=Your wallet has paid');
      await page.click('#pay-here');
    }
    await page.waitForSelector('text=What was paid for', { timeout: 30_000 });
    assert.deepEqual(pageErrors, [], name);
    await context.close();
  }
});

// R2 (CHANGELOG), bancorprotocol/carbon-app#1415.
test('In the oldest supported browsers: the pay page shows its QR code, and the content after payment', async () => {
  const { context, page, pageErrors } = await openPage(browser);
  await removeNewerApis(context);
  await removeNewerStyles(page);
  for (const [path, width] of [[`/any/${'long'.repeat(50)}?${'query'.repeat(50)}`, 1280], ['/article', 360]]) {
    await page.setViewportSize({ width, height: 740 });
    await page.goto(paywall.url + path);
    await page.waitForSelector('#code svg');
    const box = await page.locator('#code svg').boundingBox();
    assert.ok(box.width >= 200 && box.x >= 0 && box.x + box.width <= width, `${path.slice(0, 9)} ${JSON.stringify(box)}`);
  }
  const removed = await page.evaluate(() => [typeof AbortSignal.timeout, typeof BroadcastChannel, typeof [].at, typeof crypto.randomUUID]);
  assert.deepEqual(removed, Array(4).fill('undefined'));
  await pay(await invoiceOn(page));
  await page.waitForSelector('text=What was paid for', { timeout: 30_000 });
  assert.deepEqual(pageErrors, []);
  await context.close();
});

test('The scripts of the pages have no syntax that is newer than the oldest supported browsers', async () => {
  for (const name of ['pay.js', 'dashboard.js', 'top.js', 'toll.js']) {
    const script = readFileSync(join(root, 'www', name), 'utf8');
    const [older, newest] = await Promise.all([OLDEST_TARGETS, 'esnext'].map((target) => transform(script, { target })));
    assert.equal(older.code, newest.code, name);
  }
});

// R3 (CHANGELOG), craftcms/cms#9976.
test('In a browser without optional APIs, or with APIs that throw: the pay page shows its QR code and gives access after payment', async () => {
  const { context, page, pageErrors } = await openPage(browser);
  await context.addInitScript(() => {
    const forbidden = () => { throw new DOMException('forbidden', 'SecurityError'); };
    window.BroadcastChannel = class { constructor() { forbidden(); } };
    for (const name of ['sessionStorage', 'localStorage']) Object.defineProperty(window, name, { get: forbidden });
    Object.defineProperty(Navigator.prototype, 'languages', { get: () => ['en_US@posix'] });
    Object.defineProperty(Navigator.prototype, 'clipboard', { value: undefined });
    Number.prototype.toLocaleString = Date.prototype.toLocaleString = forbidden;
    Performance.prototype.getEntriesByType = () => [];
  });
  await page.goto(`${paywall.url}/article`);
  await page.waitForSelector('#code svg');
  await page.click('#copy');
  await page.waitForSelector('#status:has-text("copy")');
  await pay(await invoiceOn(page));
  await page.click('text=Continue', { timeout: 30_000 });
  await page.waitForSelector('text=What was paid for');
  assert.deepEqual(pageErrors, []);
  await context.close();
});

// R5 (CHANGELOG), getAlby/lightning-browser-extension#1357.
test('In a browser: the WebLN button appears when `webln:ready` arrives at the window or the document, and without an event', async () => {
  const { context, page, pageErrors } = await openPage(browser);
  for (const target of ['window', 'document', 'no event']) {
    await page.goto(`${paywall.url}/article`);
    await page.waitForSelector('#code svg');
    assert.equal(await page.isVisible('#pay-here'), false);
    const isVisible = await page.evaluate((to) => {
      window.webln = { enable: async () => {}, sendPayment: async () => {} };
      window[to]?.dispatchEvent(new Event('webln:ready'));
      return !document.getElementById('pay-here').hidden;
    }, target);
    assert.equal(isVisible, target !== 'no event', target);
    await page.waitForSelector('#pay-here:visible');
  }
  assert.deepEqual(pageErrors, []);
  await context.close();
});

// R6 (CHANGELOG), btcpayserver/btcpayserver#1091, breez/breez#153, lnbits/lnbits#1245. The decoder and the encoder of the page are
// different implementations.
test('In a browser: the QR code reads `lightning:` and the invoice in capitals, and is as small as one in capitals only', async () => {
  const { context, page, pageErrors } = await openPage(browser);
  await page.goto(`${paywall.url}/article`);
  const svg = await page.waitForSelector('#code svg');
  const text = `lightning:${(await invoiceOn(page)).toUpperCase()}`;
  const [width] = (await svg.getAttribute('viewBox')).split(' ').slice(2).map(Number);
  assert.equal(width, encodeQR(text.toUpperCase(), 'raw', { ecc: 'low', border: 4 }).length);
  assert.equal(decodeQR(await pixels(page, svg)), text);
  assert.equal(await page.getAttribute('#open', 'href'), text.toLowerCase());
  assert.deepEqual(pageErrors, []);
  await context.close();
});

// U17 (CHANGELOG). The QR code has 4 * version + 17 modules on each side.
test('In a browser: the QR code of the longest description that `check` accepts has at most version 20', async () => {
  const { context, page, pageErrors } = await openPage(browser);
  await page.goto(`${paywall.url}/longest`);
  const svg = await page.waitForSelector('#code svg');
  assert.equal(await page.textContent('h1'), 'x'.repeat(MAX_DESCRIPTION));
  const [modules] = (await svg.getAttribute('viewBox')).split(' ').slice(2).map((length) => Number(length) - 8);
  assert.ok(modules <= 4 * 20 + 17, `${modules}`);
  assert.deepEqual(pageErrors, []);
  await context.close();
  // The invoice of another wallet may be longer (BOLT 11): a field has 3 characters, and 8 for each 5 bytes.
  const field = (bytes) => 3 + Math.ceil((bytes * 8) / 5);
  const [prefix, timestamp, signature, checksum] = ['lnbcrt100000000n1'.length, 7, 104, 6];
  const [hash, secret, description, payee, features, expiry, delta] = [32, 32, MAX_DESCRIPTION, 33, 13, 4, 3].map(field);
  const routeHints = 4 * field(51);
  const length = prefix + timestamp + hash + secret + description + payee + features + expiry + delta + routeHints + signature + checksum;
  assert.ok(generate(`lightning:${'Q'.repeat(length)}`).size <= 4 * 20 + 17, `${length}`);
});

// U17 (CHANGELOG)
test('In a browser: the box of the invoice shows whole lines, with and without JavaScript, and the path is shown once', async () => {
  for (const javaScriptEnabled of [true, false]) {
    for (const width of [390, 1440]) {
      const { context, page } = await openPage(browser, { javaScriptEnabled, viewport: { width, height: 900 } });
      await page.goto(`${paywall.url}/any/thing?a=b`);
      // Text that overflows is also visible in the padding, which is part of the height.
      const lines = await page.locator('#invoice').evaluate((box) => box.clientHeight / parseFloat(getComputedStyle(box).lineHeight));
      assert.ok(lines > 1.9 && Math.abs(lines - Math.round(lines)) < 0.06, `${lines} lines`);
      assert.equal((await page.innerText('.goods')).split('/any/thing?a=b').length - 1, 1);
      await context.close();
    }
  }
});

// U17 (CHANGELOG)
test('In a browser: on a wide screen, the help and the QR code stand side by side in one view', async () => {
  const { context, page } = await openPage(browser, { viewport: { width: 1440, height: 900 } });
  await page.goto(`${paywall.url}/article`);
  await page.waitForSelector('#code svg');
  const [help, code] = [await page.locator('.help').boundingBox(), await page.locator('#code').boundingBox()];
  assert.ok(help.y + help.height <= 900 && code.y + code.height <= 900, 'both are in view');
  assert.ok(code.x >= help.x + help.width && code.x - help.x - help.width < 100, 'they are beside each other');
  await context.close();
});

// U17 (CHANGELOG)
test('In a browser: title, contact and accent are on the pay page and on the page of an error, and what is printed has no buttons', async () => {
  const { url, server } = await startPaywall({ toll: { ...owner, ...toll }, vars: { ORIGIN_URL: origin.url } });
  for (const colorScheme of ['light', 'dark']) {
    const { context, page, pageErrors } = await openPage(browser, { colorScheme });
    for (const [path, button] of [['/article', '#open'], ['/ARTICLE', undefined]]) {
      await page.goto(url + path);
      assert.equal(await page.innerText('.host bdi >> nth=0'), owner.title);
      assert.match(await page.innerText('.host'), /127\.0\.0\.1/);
      assert.ok((await page.title()).endsWith(owner.title));
      assert.equal(await page.getAttribute('.contact a', 'href'), 'mailto:help@example.com');
      await assertAccessible(page);
      if (!button) continue;
      const colors = await page.locator(button).evaluate((element) => [getComputedStyle(element).backgroundColor, getComputedStyle(element).color]);
      assert.deepEqual(colors, ['rgb(122, 31, 162)', 'rgb(255, 255, 255)']);
      await page.emulateMedia({ media: 'print' });
      for (const shown of ['#code svg', '#sats', '.path', '.contact', 'h1']) assert.ok(await page.isVisible(shown), shown);
      for (const hidden of ['button', '.button', '#invoice', '#status']) assert.equal(await page.locator(hidden).filter({ visible: true }).count(), 0, hidden);
      await page.emulateMedia({ media: 'screen' });
    }
    assert.deepEqual(pageErrors.filter((error) => !/status of 400/.test(error)), []);
    await context.close();
  }
  await server.stop();
  const { text } = await visit('/article');
  assert.doesNotMatch(text, /class="(contact|site)"|--signal/);
});

/** Returns the pixels of a gray element as the browser shows it, in RGB. */
async function pixels(page, element) {
  const png = (await element.screenshot()).toString('base64');
  const blank = await page.context().newPage();
  const { width, height, red } = await blank.evaluate(async (source) => {
    const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${source}`)).blob());
    const canvas = new OffscreenCanvas(image.width, image.height).getContext('2d');
    canvas.drawImage(image, 0, 0);
    const { data } = canvas.getImageData(0, 0, image.width, image.height);
    return { width: image.width, height: image.height, red: [...data].filter((_, index) => index % 4 === 0) };
  }, png);
  return { width, height, data: Uint8Array.from(red.flatMap((value) => [value, value, value])) };
}

test('In a browser: toll.js pays for a fetch and uses the credential again', async () => {
  const { context, page, pageErrors } = await openPage(browser);
  await context.exposeFunction('payWithLnbits', pay);
  await page.goto(`${paywall.url}/`);
  const fetched = await page.evaluate(async () => {
    const { TollClient } = await import('/_toll/toll.js');
    const paid = [];
    const client = new TollClient({ wallet: { payInvoice: (invoice) => window.payWithLnbits(invoice) }, maxSats: 50 });
    client.addEventListener('paid', ({ detail }) => paid.push(detail.sats));
    const answers = await Promise.all([1, 2, 3].map(() => client.fetch('/article')));
    return { paid, titles: await Promise.all(answers.map(async (answer) => (await answer.text()).match(/<h1>(.*)<\/h1>/)[1])) };
  });
  assert.deepEqual(fetched, { paid: [21], titles: Array(3).fill('What was paid for') });
  assert.deepEqual(pageErrors, []);
  await context.close();
});

test('In the oldest supported browsers: the owner logs in to the dashboard, sees payments arrive, and logs out', async () => {
  const { url } = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url, ADMIN_TOKEN } });
  const { macaroon, invoice } = challenge(await send(url, '/article', { headers: HTML }));
  await send(url, '/article', { headers: { authorization: `L402 ${macaroon}:${await pay(invoice)}` } });
  await statsWhen(url, ({ totalPayments }) => totalPayments === 1);
  const { context, page, pageErrors } = await openPage(browser);
  await removeNewerApis(context);
  await page.goto(`${url}/_toll`);
  await assertAccessible(page);
  await page.fill('#token', 'x'.repeat(64));
  await page.click('text=Log in');
  await page.waitForSelector('#wrong:visible');
  await page.fill('#token', ADMIN_TOKEN);
  await page.click('text=Log in');
  await page.waitForSelector('#payment-table tbody tr');
  assert.equal(await page.textContent('dd[data-total=totalRevenue]'), '21');
  await assertAccessible(page);
  await saveScreenshot(page, 'dashboard');
  const second = challenge(await send(url, '/twice', { headers: HTML }));
  await send(url, '/twice', { headers: { authorization: `L402 ${second.macaroon}:${await pay(second.invoice)}` } });
  await page.waitForFunction(() => document.querySelector('dd[data-total=totalRevenue]').textContent === '26', null, { timeout: 15_000 });
  await page.click('text=Log out');
  await page.waitForSelector('#token');
  await page.goto(`${url}/_toll/`);
  await page.waitForSelector('#token');
  assert.deepEqual(pageErrors, []);
  await context.close();
});

test('In a browser without JavaScript: the pay page shows the invoice as text and link, and a button continues after payment', async () => {
  const { context, page, pageErrors } = await openPage(browser, { javaScriptEnabled: false });
  await page.goto(`${paywall.url}/article`);
  const invoice = await page.locator('#invoice').textContent();
  assert.match(invoice, /^lnbc/);
  assert.equal(await page.getAttribute('#open', 'href'), `lightning:${invoice}`);
  await page.click('text=I have paid');
  await page.waitForSelector('text=The payment has not arrived yet');
  assert.equal(await page.locator('#invoice').textContent(), invoice);
  await saveScreenshot(page, 'pay-without-javascript');
  await pay(invoice);
  await page.click('text=I have paid');
  await page.waitForSelector('text=What was paid for');
  assert.deepEqual(pageErrors, []);
  await context.close();
});

// U12 (CHANGELOG)
test('In a browser without JavaScript: after the invoice has expired, the person is asked to look in the wallet, and the old payment is checked again', async () => {
  const { context, page, pageErrors } = await openPage(browser, { javaScriptEnabled: false });
  await page.goto(`${paywall.url}/article?page=3`);
  const invoice = await page.locator('#invoice').textContent();
  const invoices = faultProxy.invoiceCount();
  await faultProxy.injectFault('`status: failed`', 'GET');
  await page.click('text=I have paid');
  await page.waitForSelector('text=This invoice has expired');
  await page.waitForSelector('text=look in your wallet whether the payment was sent');
  await saveScreenshot(page, 'pay-expired-without-javascript');
  assert.equal(await page.getByText('Get a new invoice').getAttribute('href'), '/./article?page=3');
  await page.click('text=Check the payment again');
  await page.waitForSelector('text=This invoice has expired');
  await faultProxy.clearFault();
  await pay(invoice);
  await page.click('text=Check the payment again');
  await page.waitForSelector('text=What was paid for');
  assert.equal(page.url(), `${paywall.url}/article?page=3`);
  assert.equal(faultProxy.invoiceCount(), invoices, 'no new invoice was made');
  assert.deepEqual(pageErrors.filter((message) => !message.includes('410 (Gone)')), []);
  await context.close();
});

test('In a browser: the pay page hides an expired invoice and links to a new one', async () => {
  const { context, page, pageErrors } = await openPage(browser);
  await page.clock.install();
  await page.goto(`${paywall.url}/article`);
  const first = await invoiceOn(page);
  await page.clock.fastForward('06:00');
  await page.waitForSelector('text=This invoice has expired');
  assert.ok(!(await page.isVisible('#code')) && !(await page.isVisible('#open')));
  await saveScreenshot(page, 'pay-ended');
  const link = await page.getByText('Get a new invoice').getAttribute('href');
  assert.deepEqual(pageErrors, []);
  await context.close();
  // The fake clock of a browser context cannot be set back, so the link is opened in a second context.
  const fresh = await openPage(browser);
  await fresh.page.goto(new URL(link, paywall.url).href);
  await fresh.page.waitForSelector('#code svg');
  assert.equal(new URL(fresh.page.url()).pathname, '/article');
  assert.notEqual(await invoiceOn(fresh.page), first);
  await fresh.context.close();
});

test('In a browser: HTML in a description is shown as text', async () => {
  const { context, page, pageErrors } = await openPage(browser);
  page.on('dialog', () => assert.fail('injected script ran'));
  await page.goto(`${paywall.url}/hostile?a="><script>alert(1)</script>{{macaroon}}`);
  await page.waitForSelector('#code svg');
  assert.match(await page.textContent('h1'), /<\/script><img src=x onerror=alert\(1\)> "quoted' <!--if reason--> &amp; /);
  assert.equal(await page.locator('img').count(), 0);
  await saveScreenshot(page, 'pay-hostile');
  assert.deepEqual(pageErrors, []);
  await context.close();
});

for (const colorScheme of ['light', 'dark']) {
  for (const [device, viewport] of Object.entries({ phone: { width: 360, height: 740 }, desktop: { width: 1280, height: 900 } })) {
    test(`In a browser: the pay page on a ${device} in ${colorScheme} mode is accessible`, async () => {
      const { context, page, pageErrors } = await openPage(browser, { colorScheme, viewport });
      for (const path of ['/article', '/club/1', '/twice']) {
        await page.goto(paywall.url + path);
        await page.waitForSelector('#code svg');
        await assertAccessible(page);
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'no horizontal scrolling');
        await saveScreenshot(page, `pay${path.replaceAll('/', '-')}-${device}-${colorScheme}`);
      }
      assert.deepEqual(pageErrors, []);
      await context.close();
    });
  }
}
