import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { call, pay as payFrom, startLnbits } from '../../tools/lib/lnbits.mjs';
import { buy, parseChallenge, send, sendRaw } from './support/client.mjs';
import { newUser } from './support/command.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { invoicesFor, lnbits, run, startPaywall } from './support/paywall.mjs';

const toll = {
  routes: [
    { path: '/search', price: [{ when: { query: { premium: '*' } }, sats: 50 }, { sats: 10 }], description: 'Search for {query.q} by {method}' },
    { path: '/video', price: [{ when: { header: { 'X-Quality': 'hd' } }, sats: 40 }, { sats: 4 }] },
    { path: '/bots', price: [{ when: { header: { 'User-Agent': ['*GPTBot*', '*ClaudeBot*'] } }, sats: 7 }, { sats: 0 }] },
    { path: '/upload', methods: ['POST'], sats_per_kib: 2 },
    { path: '/weighed', sats_per_kib: 2 },
    { path: '/large', methods: ['POST'], price: [{ when: { content_length: { min: 1000 } }, sats: 30 }, { sats: 3 }] },
    { path: '/verbs', price: [{ when: { method: ['POST', 'PUT'] }, sats: 9 }, { sats: 1 }], bind: ['endpoint'] },
    { path: '/plain' },
    { path: '/short', price: [{ when: { content_length: { max: 10 } }, sats: 5 }, { sats: 0 }] },
    { path: '/slow', sats: 3, invoice_expiry: '20m', credential_expiry: '2d' },
  ],
};
let origin, paywall;
before(async () => {
  origin = await startRecordingOrigin();
  paywall = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url } });
});
after(() => origin.close());

const get = (path, options) => send(paywall.url, path, options);
async function assertPrice(sats, path, options) {
  const { status, json } = await get(path, options);
  assert.equal(status, 402, path);
  assert.equal(json().amountSats, sats, path);
  return json();
}

// U8 (CHANGELOG)
test('After a price increase, a credential stays valid on its route, but not on a more expensive route', async () => {
  const at = (sats, keys) => ({ routes: [{ path: '/raised', sats, ...keys }, { path: '/dear', sats: 2200, bind: ['endpoint'] }] });
  const vars = { ORIGIN_URL: origin.url };
  const before = await startPaywall({ toll: at(2100), vars });
  const { standard, lightningToll } = await buy(before.url, '/raised');
  await before.server.stop();
  for (const [list, expected] of [[at(2101), 200], [at(2000), 200], [at(2101, { honor_paid: false }), 402]]) {
    const after = await startPaywall({ toll: list, vars: { ...vars, TOLL_SECRET: before.secret } });
    for (const authorization of [standard, lightningToll]) {
      const { status, json } = await send(after.url, '/raised', { headers: { authorization } });
      assert.equal(status, expected, JSON.stringify(list));
      if (status === 402) assert.equal(json().code, 'underpaid');
      assert.equal((await send(after.url, '/dear', { headers: { authorization } })).status, 402);
    }
    await after.server.stop();
  }
});

test('A price can depend on the query, and a credential for the cheap variant is refused for the expensive one', async () => {
  await assertPrice(10, '/search?q=cats');
  await assertPrice(50, '/search?q=cats&premium=1');
  const cheap = await buy(paywall.url, '/search');
  const expensive = await buy(paywall.url, '/search?premium');
  const sendCredential = (path, { standard }) => get(path, { headers: { authorization: standard } });
  assert.equal((await sendCredential('/search?q=dogs', cheap)).status, 200);
  assert.equal((await sendCredential('/search?premium=yes', expensive)).status, 200);
  assert.equal((await sendCredential('/search', expensive)).status, 200);
  const refused = await sendCredential('/search?premium=1', cheap);
  assert.equal(refused.status, 402);
  assert.equal(refused.json().code, 'underpaid');
  assert.equal(refused.json().amountSats, 50);
  const reached = origin.requests.length;
  for (const query of ['premium=1&premium=2', 'premium[]=1', 'PREMIUM=1', 'x;premium=1', 'premium%00', '+premium']) {
    const { status, json } = await sendCredential(`/search?${query}`, cheap);
    assert.equal(status, 400, query);
    assert.equal(json().code, 'ambiguous_query', query);
  }
  assert.equal(origin.requests.length, reached);
});

test('A price can depend on a header; headers such as X_Quality, which an origin may read as X-Quality, are not forwarded', async () => {
  await assertPrice(40, '/video', { headers: { 'x-quality': 'hd' } });
  await assertPrice(4, '/video', { headers: { 'X-Quality': 'sd' } });
  const { standard: authorization } = await buy(paywall.url, '/video');
  const cheap = await get('/video', { headers: { authorization, X_Quality: 'hd', 'X.Quality': 'hd' } });
  assert.equal(cheap.status, 200);
  assert.deepEqual(Object.keys(origin.last().headers).filter((name) => /quality/.test(name)), []);
  for (const value of ['sd, hd', 'HD', 'hd;q=1']) {
    assert.equal((await get('/video', { headers: { authorization, 'X-Quality': value } })).json().code, 'ambiguous_header');
  }
});

test('A request with a price of zero is served without an invoice, and its response is private', async () => {
  const invoicesBefore = await invoicesFor('/bots');
  const { status, headers } = await get('/bots', { headers: { 'User-Agent': 'Mozilla/5.0' } });
  assert.equal(status, 200);
  assert.equal(headers['cache-control'], 'private');
  assert.equal(origin.last().headers['x-toll-status'], 'open');
  assert.equal(await invoicesFor('/bots'), invoicesBefore);
  await assertPrice(7, '/bots', { headers: { 'User-Agent': 'Mozilla/5.0 (compatible; GPTBot/1.2)' } });
});

test('A body is priced per KiB, and a credential for a small body is refused for a larger one', async () => {
  const post = (bytes, headers) => get('/upload', { method: 'POST', body: 'x'.repeat(bytes), headers });
  for (const [bytes, sats] of [[0, 2], [1, 2], [1024, 2], [1025, 4], [10_000, 20]]) {
    assert.equal((await post(bytes)).json().amountSats, sats, `${bytes} bytes`);
  }
  const { standard: authorization } = await buy(paywall.url, '/upload', { method: 'POST', body: 'x'.repeat(2000) });
  const sent = await post(2048, { authorization });
  assert.equal(sent.status, 200);
  assert.equal(origin.last().body.length, 2048);
  assert.equal(origin.last().headers['content-length'], '2048');
  assert.equal((await post(2049, { authorization })).json().code, 'underpaid');
  const chunked = await get('/upload', { method: 'POST', headers: { authorization, 'Transfer-Encoding': 'chunked' }, chunks: ['x'.repeat(5000)] });
  assert.equal(chunked.status, 411);
  assert.equal(chunked.json().code, 'length_required');
  const compressed = await post(100, { authorization, 'Content-Encoding': 'gzip' });
  assert.equal(compressed.status, 415);
  assert.equal(compressed.json().code, 'body_encoded');
  // Attack A7 (CHANGELOG): edgetoll used to sell these requests, which then failed. Now it refuses them without an
  // invoice.
  for (const headers of [{}, { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==' }]) {
    const { status, text } = await sendRaw(paywall.url, [`GET /weighed HTTP/1.1\r\nHost: 127.0.0.1`, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`), 'Content-Length: 4\r\n\r\nbody'].join('\r\n'));
    // `wrangler dev` removes the Content-Length of an upgrade, so the upgrade gets 411.
    assert.equal(status, headers.Upgrade ? 411 : 400, text);
  }
  // Attack A4 (CHANGELOG): WSGI and CGI origins read `Content_Encoding` as Content-Encoding, and decompress more than was paid for.
  for (const name of ['Content_Encoding', 'content.encoding']) {
    assert.equal((await post(100, { authorization, [name]: 'gzip' })).status, 200);
    assert.deepEqual(Object.keys(origin.last().headers).filter((header) => /content.encoding/.test(header)), [], name);
  }
});

test('A request whose Content-Length is too large for the runtime fails, and other requests are served', async () => {
  const lengths = ['9007199254740993', '18446744073709551615', '99999999999999999999999'];
  const answers = await Promise.all([
    ...lengths.map((length) => sendRaw(paywall.url, `POST /short HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\nabc`)),
    ...Array.from({ length: 20 }, () => get('/free').then(({ status }) => status)),
  ]);
  assert.deepEqual(answers.slice(lengths.length), Array(20).fill(200));
  for (const { status } of answers.slice(0, lengths.length)) assert.ok(status === undefined || (status >= 400 && status !== 500), status);
  assert.equal((await get('/free')).status, 200);
});

test('A price can depend on the length of the body and on the method', async () => {
  await assertPrice(3, '/large', { method: 'POST', body: 'x'.repeat(999) });
  await assertPrice(30, '/large', { method: 'POST', body: 'x'.repeat(1000) });
  await assertPrice(1, '/verbs');
  await assertPrice(9, '/verbs', { method: 'PUT', body: '' });
  const { standard: authorization } = await buy(paywall.url, '/verbs');
  assert.equal((await get('/verbs', { headers: { authorization } })).status, 200);
  assert.equal((await get('/verbs', { method: 'POST', body: '', headers: { authorization } })).json().code, 'underpaid');
});

test('A route without a price costs default_sats, and a route can set the expiry of its invoices and credentials', async () => {
  const now = Date.now() / 1000;
  const plain = await assertPrice(10, '/plain');
  assert.ok(Math.abs(plain.expiresAt - now - 3600) < 60 && Math.abs(plain.invoiceExpiresAt - now - 300) < 60);
  const slow = await assertPrice(3, '/slow');
  assert.ok(Math.abs(slow.expiresAt - now - 2 * 86400) < 60 && Math.abs(slow.invoiceExpiresAt - now - 1200) < 60);
});

test('The invoice description is filled from the request, without control or bidirectional characters', async () => {
  const { description } = await assertPrice(10, '/search?q=%E2%80%AEcats%20%26%0d%0adogs');
  assert.equal(description, 'Search for cats &dogs by GET');
  const headers = { 'X-Api-Key': lnbits.merchant.invoiceKey };
  const [latest] = await call(`${lnbits.url}/api/v1/payments?limit=1`, 'GET', undefined, headers);
  assert.equal(latest.memo, description);
});

test('HEAD and prefetch requests get the price without an invoice', async () => {
  const invoicesBefore = await invoicesFor('/search');
  for (const [path, sats] of [['/search', '10'], ['/search?premium=1', '50']]) {
    // `X-Sec-Purpose` is of Turbo, the last two are of Next.js and htmx.
    const prefetches = { 'Sec-Purpose': 'prefetch', Purpose: 'prefetch', 'X-Moz': 'prefetch', 'X-Purpose': 'preview', 'X-Sec-Purpose': 'prefetch', 'Next-Router-Prefetch': '1', 'HX-Preloaded': 'true' };
    const quoted = Object.entries(prefetches).map(([name, value]) => ({ headers: { [name]: value } }));
    for (const options of [{ method: 'HEAD' }, ...quoted]) {
      const { status, headers, text } = await get(path, options);
      assert.equal(status, 402);
      assert.equal(headers['www-authenticate'], 'L402');
      assert.equal(headers['x-toll-price-sats'], sats);
      assert.equal(text, '');
    }
  }
  assert.equal(await invoicesFor('/search'), invoicesBefore);
});

test('LNbits converts a fiat price to sats, which must be within min_sats and max_sats; a paid credential stays valid when the exchange rate changes', async () => {
  const rates = { USD: 60_000, CHF: 60 };
  const prices = createServer(({ url }, response) => {
    const rate = rates[url.split('/').at(-1)];
    response.writeHead(rate ? 200 : 404, { 'Content-Type': 'application/json' }).end(JSON.stringify({ rates: { median: rate } }));
  });
  await new Promise((resolve) => prices.listen(0, '127.0.0.1', resolve));
  const env = { LNBITS_PRICE_AGGREGATOR_ENABLED: 'true', LNBITS_PRICE_AGGREGATOR_URL: `http://127.0.0.1:${prices.address().port}`, LNBITS_EXCHANGE_RATE_CACHE_SECONDS: '0' };
  const wallet = await startLnbits(run, { dataDir: join(run.folder('rated'), 'lnbits'), env });
  const fiat = (path, fiat, more) => ({ path, fiat, ...more });
  const { url } = await startPaywall({
    toll: { routes: [fiat('/usd', '0.01 USD', { min_sats: 5, max_sats: 100 }), fiat('/chf', '0.01 CHF', { max_sats: 100 }), fiat('/eur', '0.01 EUR'), fiat('/tiny', '0.0001 USD'), { path: '/sats', sats: 5 }] },
    vars: { ORIGIN_URL: origin.url, LNBITS_URL: wallet.url, LNBITS_KEY: wallet.merchant.invoiceKey },
  });
  const { headers, json } = await send(url, '/usd');
  // 0.01 USD at 60,000 USD a bitcoin is 16.67 sats. LNbits rounds down.
  assert.equal(json().amountSats, 16);
  const { macaroon, invoice } = parseChallenge(headers['www-authenticate']);
  const authorization = `L402 ${macaroon}:${await payFrom(wallet.url, wallet.payer, invoice)}`;
  const user = newUser({ lnbits_url: wallet.url, lnbits_admin_key: wallet.payer.adminKey });
  assert.equal((await user.fetch(`${url}/usd`)).code, 0);
  assert.deepEqual((await user.payments()).map(({ amount_sats: sats, was_accepted: isAccepted }) => [sats, isAccepted]), [[16, true]]);
  const page = (await send(url, '/usd', { headers: { accept: 'text/html' } })).text;
  assert.match(page, /value="16">16<.*<bdi class="fiat">0\.01 USD<\/bdi>/s, 'the pay page shows both prices');
  rates.USD = 20_000;
  assert.equal((await send(url, '/usd')).json().amountSats, 50);
  assert.equal((await send(url, '/usd', { headers: { authorization } })).status, 200);
  assert.equal(origin.last().headers['x-toll-amount-sats'], '16');
  assert.equal((await send(url, '/usd', { method: 'HEAD' })).headers['x-toll-price-fiat'], '0.01 USD');
  const reached = origin.requests.length;
  const assertNoInvoice = async (paths) => {
    for (const path of paths) {
      const { status, headers, json, text } = await send(url, path);
      assert.equal(status, 503, path);
      assert.equal(json().code, 'invoice_unavailable', path);
      assert.equal(headers['retry-after'], '5');
      assert.ok(!text.includes('lnbc'));
    }
  };
  rates.USD = 1_000_000;
  await assertNoInvoice(['/usd', '/chf', '/eur']);
  // If the price is less than one satoshi, LNbits creates an invoice without an amount. The payer could choose the
  // amount.
  rates.USD = 60_000;
  await assertNoInvoice(['/tiny']);
  rates.USD = 0;
  const { rate } = await (await fetch(`${wallet.url}/api/v1/rate/USD`)).json();
  assert.equal(rate, 0);
  await assertNoInvoice(['/usd', '/tiny']);
  assert.equal(origin.requests.length, reached);
  assert.equal((await send(url, '/sats')).status, 402);
  prices.close();
});
