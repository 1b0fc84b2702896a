// X-Preimage, the protocol of rack-lightning, faraday_ln_paywall and ln-paywall: one payment for one request.
import assert from 'node:assert/strict';
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { startOrigin } from '../../demo/origin.mjs';
import { call } from '../../tools/lib/lnbits.mjs';
import { until } from '../../tools/lib/run.mjs';
import { ADMIN_TOKEN, sendAsAdmin, statsWhen } from './support/admin.mjs';
import { buy, parseChallenge, send, sendRaw } from './support/client.mjs';
import { newUser, paidDuring } from './support/command.mjs';
import { startFaultProxy } from './support/fault_proxy.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { invoicesFor, lnbits, pay, settings, startPaywall } from './support/paywall.mjs';
import { startBareWorker } from './support/workerd.mjs';

const BOLT11 = 'application/vnd.lightning.bolt11';
const protocols = ['l402', 'x-preimage'];
const toll = {
  protocols,
  routes: [
    { path: '/sold', sats: 5 },
    { path: '/other', sats: 5 },
    { path: '/search', price: [{ when: { query: { hd: '1' } }, sats: 9 }, { sats: 5 }] },
    { path: '/five', sats: 5, uses: 5 },
    { path: '/rack', sats: 5, x_preimage_errors: 'rack-lightning' },
    { path: '/first', sats: 5, protocols: ['x-preimage', 'l402'] },
    { path: '/l402', sats: 5, protocols: ['l402'] },
    { path: '/many', sats: 5 },
    { path: '/failing', sats: 5 },
    { path: '/hanging', sats: 5 },
    { path: '/bound', sats: 5, bind: ['endpoint', 'ip'] },
  ],
};
const SENTENCES = {
  malformed: "The provided preimage isn't properly formatted\n",
  notHex: "The provided preimage isn't properly hex encoded\n",
  unknown: "You seem to have sent an invalid preimage or one that doesn't correspond to an invoice that was issued for an initial request\n",
  method: "Your invoice was created for a GET request, but you're sending a POST request\n",
  spent: 'You already sent a request with the same preimage. You have to pay a new invoice for and include the corresponding preimage in each request.\n',
  unpaid: 'You somehow obtained the preimage of the invoice, but the invoice is not settled yet\n',
};
let origin, paywall, failure, release;
before(async () => {
  origin = await startRecordingOrigin({
    '/failing': (request, response) => failure(request, response),
    '/hanging': async (request, response) => {
      await new Promise((resolve) => (release = resolve));
      response.end();
    },
  });
  paywall = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url, ADMIN_TOKEN } });
});
after(() => origin.close());

const served = (path) => origin.requests.filter((request) => request.path.split('?')[0] === path).length;

/** Sends a request without a preimage, which gets a bare invoice. Pays it and returns the preimage. */
async function buyPreimage(url, path, { headers, payWith = pay, ...options } = {}) {
  const unpaid = await send(url, path, { ...options, headers: { Accept: BOLT11, ...headers } });
  assert.equal(unpaid.status, 402, unpaid.text);
  return payWith(unpaid.text);
}

const use = (path, preimage, { url = paywall.url, headers, ...options } = {}) =>
  send(url, path, { ...options, headers: { 'X-Preimage': preimage, ...headers } });

/** Asserts that a preimage is refused in the form of Go's `http.Error`, and that nothing is served. */
async function assertRefused(sentence, path, preimage, options) {
  const reached = origin.requests.length;
  const { status, headers, text } = await use(path, preimage, options);
  assert.deepEqual([status, text], [400, sentence]);
  assert.equal(headers['content-type'], 'text/plain; charset=utf-8');
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.equal(headers['cache-control'], 'no-store');
  assert.equal(headers['www-authenticate'], undefined);
  assert.equal(origin.requests.length, reached);
}

/** Creates an invoice at the wallet of the paywall, as its owner can; returns the invoice and its preimage, which is paid unless told otherwise. */
async function ownInvoice(extra, { sats = 5, expiry = 600, isPaid = true } = {}) {
  // The wallet service of the tests keeps the metadata of NIP-47 in `extra.nwc`.
  const kept = process.env.EDGETOLL_NWC_URL ? { nwc: extra } : extra;
  const order = { out: false, amount: sats, expiry, memo: 'a test', extra: kept };
  const { bolt11, preimage } = await call(`${lnbits.url}/api/v1/payments`, 'POST', order, { 'X-Api-Key': lnbits.merchant.invoiceKey });
  return isPaid ? pay(bolt11) : preimage;
}
const inSeconds = (seconds) => Math.floor(Date.now() / 1000) + seconds;

/** Returns the record that the Worker writes, with its MAC. */
function record(changes, { sats = 5 } = {}) {
  const written = { tag: 'edgetoll', route: '/sold', expiry: inSeconds(600), host: '127.0.0.1', method: 'GET', ...changes };
  const { route, expiry, host, method } = written;
  const key = createHmac('sha256', paywall.secret).update('edgetoll/1/settled').digest();
  const mac = createHmac('sha256', key).update(`record:${[route, expiry, host, method, '', sats, ''].join('\n')}`).digest('hex').slice(0, 32);
  return { mac, ...written };
}

test('A client that accepts bare invoices gets the 402 of rack-lightning, with the challenge of L402 in its header', async () => {
  const { status, headers, text, bytes } = await send(paywall.url, '/sold', { headers: { Accept: BOLT11 } });
  assert.equal(status, 402);
  assert.equal(headers['content-type'], BOLT11);
  assert.equal(headers['cache-control'], 'no-store');
  assert.match(text, /^lnbc50n1[a-z0-9]+$/);
  assert.equal(Number(headers['content-length'] ?? bytes.length), text.length);
  const { macaroon, invoice } = parseChallenge(headers['www-authenticate']);
  assert.equal(invoice, text);
  const authorization = `L402 ${macaroon}:${await pay(text)}`;
  assert.equal((await send(paywall.url, '/sold', { headers: { authorization } })).status, 200, 'the invoice pays for L402 too');
});

test('All other clients get the JSON body, unless X-Preimage is the first protocol of the route', async () => {
  const type = async (path, Accept) => (await send(paywall.url, path, { headers: Accept ? { Accept } : {} })).headers['content-type'];
  const json = 'application/json; charset=utf-8';
  for (const path of ['/sold', '/l402']) {
    for (const accept of [undefined, '*/*', 'application/json']) assert.equal(await type(path, accept), json);
  }
  assert.equal(await type('/l402', BOLT11), json, 'the route does not offer the protocol');
  assert.equal(await type('/first'), BOLT11);
  assert.equal(await type('/first', '*/*'), BOLT11);
  assert.equal(await type('/first', 'application/json'), json);
  assert.equal(await type('/first', 'text/html,application/xhtml+xml,*/*;q=0.8'), 'text/html; charset=utf-8', 'a browser gets the pay page');
});

test('The request sequence of faraday_ln_paywall buys the PDF of the demo', async () => {
  await withDemo(async (url) => {
    const { hostname, port } = new URL(url);
    const body = '# Hallo *Welt*\n';
    // The headers of Faraday with Net::HTTP. The middleware repeats the request, and adds one header.
    const request = (more = '') =>
      `POST /convert/pdf HTTP/1.1\r\nAccept-Encoding: gzip;q=1.0,deflate;q=0.6,identity;q=0.3\r\nAccept: */*\r\nUser-Agent: Faraday v1.0.0\r\n` +
      `${more}Content-Type: application/x-www-form-urlencoded\r\nHost: ${hostname}:${port}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`;
    const unpaid = await sendRaw(url, request());
    assert.equal(unpaid.status, 402);
    assert.match(unpaid.text, /\r\ncontent-type: application\/vnd\.lightning\.bolt11\r\n/i);
    const invoice = unpaid.text.match(/lnbc1u1[a-z0-9]+/g).at(-1);
    const paid = await sendRaw(url, request(`X-Preimage: ${await pay(invoice)}\r\n`));
    assert.equal(paid.status, 200);
    assert.match(paid.text, /\r\n\r\n[^]*%PDF-/);
  });
});

test('The request sequence of the client of ln-paywall buys the PDF of the demo', async () => {
  await withDemo(async (url) => {
    const { hostname, port } = new URL(url);
    const request = (headers, body = '') =>
      `POST /convert/pdf HTTP/1.1\r\nHost: ${hostname}:${port}\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: ${body.length}\r\n${headers}Accept-Encoding: gzip\r\n\r\n${body}`;
    // The first request has neither headers nor body. The client takes the body of a 402 of any content type for the invoice.
    const unpaid = await send(url, '/convert/pdf', { method: 'POST', headers: { 'User-Agent': 'Go-http-client/1.1', 'Accept-Encoding': 'gzip' }, body: '' });
    assert.equal(unpaid.status, 402);
    const preimage = await pay(unpaid.text);
    const paid = await sendRaw(url, request(`Content-Type: text/markdown\r\nX-Preimage: ${preimage}\r\n`, '# Hallo *Welt*\n'));
    assert.equal(paid.status, 200);
    assert.match(paid.text, /%PDF-/);
    const again = await use('/convert/pdf', preimage, { url, method: 'POST', body: '# Hallo\n' });
    assert.deepEqual([again.status, again.text], [400, SENTENCES.spent]);
  });
});

/** Runs `action` with the price list of the demo, whose PDF route names X-Preimage first. */
async function withDemo(action) {
  const list = settings().vars.TOLL;
  const demo = await startOrigin(0, { priceList: () => list });
  const routes = list.routes.map((route) => (route.path === '/convert/pdf' ? { ...route, protocols: ['x-preimage', 'l402'] } : route));
  try {
    const { url, server } = await startPaywall({ toll: { ...list, routes }, vars: { ORIGIN_URL: `http://127.0.0.1:${demo.address().port}` } });
    await action(url);
    await server.stop();
  } finally {
    demo.closeAllConnections();
    demo.close();
  }
}

test('edgetoll fetch pays with X-Preimage if it is told to accept bare invoices', async () => {
  const user = newUser();
  const get = () => user.fetch('-H', `Accept: ${BOLT11}`, '-d', '# title', `${paywall.url}/sold`);
  const { paid, result } = await paidDuring(async () => [await get(), await get()]);
  assert.deepEqual(result.map(({ code, stdout, stderr }) => [code, stdout, stderr.includes('error')]), [[0, '# title', false], [0, '# title', false]]);
  assert.deepEqual(paid, [5, 5], 'each request is paid');
  assert.equal(origin.last().headers['x-toll-status'], 'paid');
});

test('A preimage pays for one request; the origin learns what was paid, but not the preimage', async () => {
  const preimage = await buyPreimage(paywall.url, '/sold');
  const hash = createHash('sha256').update(Buffer.from(preimage, 'hex')).digest('hex');
  const { status, headers } = await use('/sold?any=query', preimage.toUpperCase());
  assert.deepEqual([status, headers['x-toll-uses-remaining']], [200, '0']);
  assert.ok(Number(headers['x-toll-expires']) > inSeconds(3_000));
  assert.equal(headers['cache-control'], 'private');
  assert.ok(headers.vary.split(', ').includes('X-Preimage'));
  const received = origin.last().headers;
  assert.deepEqual([received['x-toll-status'], received['x-toll-amount-sats'], received['x-toll-payment-hash']], ['paid', '5', hash]);
  assert.ok(!JSON.stringify(received).toLowerCase().includes(preimage));
  await assertRefused(SENTENCES.spent, '/sold', preimage);
  await paywall.logged(new RegExp(`"decision":"paid","route":"/sold".*"payment_hash":"${hash.slice(0, 8)}"`));
  await paywall.logged(new RegExp(`"decision":"refuse","route":"/sold".*"code":"spent".*"payment_hash":"${hash.slice(0, 8)}"`));
  assert.ok(!paywall.log().includes(preimage));
  const recorded = async () => (await sendAsAdmin(paywall.url, `payments?hash=${hash}`)).json();
  await until(async () => JSON.stringify(await recorded()).includes('"amountSats":5'));
  await statsWhen(paywall.url, ({ refusals }) => JSON.stringify(refusals).includes('spent'));
});

test('Of 100 concurrent requests with one preimage, exactly one reaches the origin', async () => {
  const preimage = await buyPreimage(paywall.url, '/many');
  const answers = await Promise.all(Array.from({ length: 100 }, () => use('/many', preimage)));
  const count = (expected) => answers.filter(({ status }) => status === expected).length;
  assert.equal(count(200), 1);
  // A request gets 409 while the first one is in flight, and 503 if LNbits or the Durable Object does not respond in time.
  assert.equal(count(200) + count(400) + count(409) + count(503), 100, JSON.stringify(answers.map(({ status }) => status)));
  assert.equal(served('/many'), 1);
  await assertRefused(SENTENCES.spent, '/many', preimage);
});

test('A preimage for another route, method or host, or of a cheaper request, is refused, and stays valid', async () => {
  const preimage = await buyPreimage(paywall.url, '/sold');
  await assertRefused('Your invoice was created for the path "/sold", but you\'re sending a request to "/other"\n', '/other', preimage);
  await assertRefused(SENTENCES.method, '/sold', preimage, { method: 'POST' });
  const cheap = await buyPreimage(paywall.url, '/search');
  await assertRefused(SENTENCES.unknown, '/search?hd=1', cheap);
  assert.equal((await use('/search', cheap)).status, 200);
  const dear = await buyPreimage(paywall.url, '/search?hd=1');
  assert.equal((await use('/search', dear)).status, 200, 'a payment of more than the price');
  assert.equal((await use('/sold', preimage)).status, 200);
});

test('HEAD takes no use, and is refused when the use is spent', async () => {
  const preimage = await buyPreimage(paywall.url, '/sold');
  for (let at = 0; at < 2; at += 1) assert.equal((await use('/sold', preimage, { method: 'HEAD' })).status, 200);
  assert.equal((await use('/sold', preimage)).status, 200);
  const reached = origin.requests.length;
  assert.equal((await use('/sold', preimage, { method: 'HEAD' })).status, 400);
  assert.equal(origin.requests.length, reached);
});

test('A malformed, unknown or unpaid preimage is refused', async () => {
  await assertRefused(SENTENCES.malformed, '/sold', 'ab');
  await assertRefused(SENTENCES.malformed, '/sold', 'ab', { headers: { Accept: 'text/html' } });
  await assertRefused(SENTENCES.notHex, '/sold', 'x'.repeat(64));
  await assertRefused(SENTENCES.unknown, '/sold', randomBytes(32).toString('hex'));
  await assertRefused(SENTENCES.unpaid, '/sold', await ownInvoice(record(), { isPaid: false }));
  const empty = await use('/sold', '');
  assert.deepEqual([empty.status, empty.headers['content-type']], [402, BOLT11], 'no preimage');
});

test('The wallet is asked for the record of the invoice: only a complete one of this paywall pays', async () => {
  assert.equal((await use('/sold', await ownInvoice(record()))).status, 200, 'the record that the Worker would have written');
  for (const [extra, sentence] of [
    [{}, SENTENCES.unknown],
    [record({ mac: undefined }), SENTENCES.unknown],
    [record({ mac: '0'.repeat(32) }), SENTENCES.unknown],
    [record({ tag: 'shop' }), SENTENCES.unknown],
    [{ tag: 'edgetoll', route: '/sold', c: 'aa' }, SENTENCES.unknown],
    [record({ host: 'api.example.com' }), SENTENCES.unknown],
    [record({ route: '/sold*' }), 'Your invoice was created for the path "/sold*", but you\'re sending a request to "/sold"\n'],
  ]) {
    await assertRefused(sentence, '/sold', await ownInvoice(extra));
  }
  await assertRefused(SENTENCES.unknown, '/sold', await ownInvoice(record({}, { sats: 4 }), { sats: 4 }));
  const written = (await call(`${lnbits.url}/api/v1/payments?limit=1000`, 'GET', undefined, { 'X-Api-Key': lnbits.merchant.invoiceKey }))
    .map(({ extra }) => extra.nwc ?? extra)
    .find((extra) => extra.route === '/sold' && extra.sold_as);
  const { tag, route, expiry, host, method, ip } = written;
  assert.deepEqual({ tag, route, host, method, ip }, { tag: 'edgetoll', route: '/sold', host: '127.0.0.1', method: 'GET', ip: undefined });
  assert.ok(Math.abs(expiry - inSeconds(3_600)) < 300, `${expiry}`);
});

test('A payment that has expired is unknown', async () => {
  const late = await ownInvoice(record({ expiry: inSeconds(-10) }), { expiry: 600 });
  assert.equal((await use('/sold', late)).status, 200, 'the invoice itself can still be paid');
  const past = await ownInvoice(record({ expiry: inSeconds(-10) }), { expiry: 1 });
  const end = inSeconds(2);
  await until(() => inSeconds(0) > end);
  await assertRefused(SENTENCES.unknown, '/sold', past);
});

test('With x_preimage_errors = "rack-lightning", a refused preimage gets a new invoice and no reason', async () => {
  const preimage = await buyPreimage(paywall.url, '/rack');
  assert.equal((await use('/rack', preimage)).status, 200);
  const before = await invoicesFor('/rack');
  const invoices = new Set();
  for (const refused of [preimage, 'ab', randomBytes(32).toString('hex')]) {
    const { status, headers, text } = await use('/rack', refused);
    assert.deepEqual([status, headers['content-type']], [402, BOLT11]);
    assert.match(text, /^lnbc50n1[a-z0-9]+$/);
    assert.equal(parseChallenge(headers['www-authenticate']).invoice, text);
    invoices.add(text);
  }
  assert.equal(invoices.size, 3);
  assert.equal(await invoicesFor('/rack'), before + 3);
  assert.equal(served('/rack'), 1);
  for (const code of ['spent', 'malformed_preimage', 'unknown_preimage']) {
    await paywall.logged(new RegExp(`"decision":"challenge","route":"/rack".*"code":"${code}"`));
  }
});

test('A use is given back if the origin fails, at most three times', async () => {
  const preimage = await buyPreimage(paywall.url, '/failing');
  failure = (request, response) => response.writeHead(503).end();
  assert.equal((await use('/failing', preimage)).status, 503);
  failure = (request) => request.socket.destroy();
  assert.equal((await use('/failing', preimage)).status, 502);
  failure = (request, response) => response.writeHead(404).end();
  assert.equal((await use('/failing', preimage)).status, 404);
  await assertRefused(SENTENCES.spent, '/failing', preimage);
  const often = await buyPreimage(paywall.url, '/failing');
  failure = (request, response) => response.writeHead(500).end();
  for (let at = 0; at < 4; at += 1) assert.equal((await use('/failing', often)).status, 500);
  await assertRefused(SENTENCES.spent, '/failing', often);
});

test('A timeout of the origin gives the use back', async () => {
  const { url, server } = await startPaywall({ toll: { ...toll, origin_timeout: '1s' }, vars: { ORIGIN_URL: origin.url } });
  const preimage = await buyPreimage(url, '/failing');
  failure = () => {};
  assert.equal((await use('/failing', preimage, { url })).status, 504);
  failure = (request, response) => response.end();
  await until(async () => (await use('/failing', preimage, { url })).status === 200);
  await assertRefused(SENTENCES.spent, '/failing', preimage, { url });
  await server.stop();
});

test('While the use of a preimage is in flight, another request with it gets 409 with Retry-After', async () => {
  const preimage = await buyPreimage(paywall.url, '/hanging');
  const reached = origin.requests.length;
  const first = use('/hanging', preimage);
  await paywall.server.until(() => origin.requests.length > reached, 10);
  const { status, json, headers } = await use('/hanging', preimage);
  assert.deepEqual([status, json().code, headers['retry-after']], [409, 'uses_in_flight', '1']);
  release();
  assert.equal((await first).status, 200);
});

test('An L402 credential comes first, and the payment of X-Preimage is then not used', async () => {
  const preimage = await buyPreimage(paywall.url, '/sold');
  const { standard: authorization } = await buy(paywall.url, '/sold');
  assert.equal((await use('/sold', preimage, { headers: { authorization } })).status, 200);
  assert.equal(origin.last().headers['x-preimage'], undefined);
  assert.equal((await use('/sold', preimage, { headers: { authorization: 'L402 x' } })).status, 200, 'a refused credential is ignored');
  await assertRefused(SENTENCES.spent, '/sold', preimage, { headers: { authorization: 'L402 x' } });
  // The credential and the preimage of the same payment: on a route without `uses`, L402 is not limited.
  const bought = await buy(paywall.url, '/sold');
  assert.equal((await use('/sold', bought.preimage)).status, 200);
  assert.equal((await send(paywall.url, '/sold', { headers: { authorization: bought.standard } })).status, 200);
});

test('X-Preimage and L402 share the uses of a payment', async () => {
  const first = await buy(paywall.url, '/five');
  const withL402 = ({ standard: authorization }) => send(paywall.url, '/five', { headers: { authorization } });
  assert.equal((await use('/five', first.preimage)).status, 200);
  await assertRefused(SENTENCES.spent, '/five', first.preimage);
  for (const left of ['3', '2', '1', '0']) assert.equal((await withL402(first)).headers['x-toll-uses-remaining'], left);
  assert.equal((await withL402(first)).status, 402);
  const second = await buy(paywall.url, '/five');
  assert.equal((await withL402(second)).headers['x-toll-uses-remaining'], '4');
  await until(async () => (await use('/five', second.preimage)).status === 400);
  await assertRefused(SENTENCES.spent, '/five', second.preimage);
  assert.equal((await withL402(second)).headers['x-toll-uses-remaining'], '3');
});

test('A route that does not offer the protocol ignores a preimage and does not forward it; a free path forwards it', async () => {
  const { preimage, standard: authorization } = await buy(paywall.url, '/l402');
  const unpaid = await use('/l402', preimage);
  assert.deepEqual([unpaid.status, unpaid.headers['content-type']], [402, 'application/json; charset=utf-8']);
  assert.equal((await use('/l402', preimage, { headers: { authorization } })).status, 200);
  assert.equal(origin.last().headers['x-preimage'], undefined);
  assert.equal((await use('/free', 'of the origin')).status, 200);
  assert.equal(origin.last().headers['x-preimage'], 'of the origin');
});

test('On a route that binds the address, only the client that got the invoice can use its preimage', async () => {
  const from = (client) => ({ headers: { 'CF-Connecting-IP': client } });
  const preimage = await buyPreimage(paywall.url, '/bound', from('192.0.2.1'));
  await assertRefused(SENTENCES.unknown, '/bound', preimage, from('192.0.2.2'));
  assert.equal((await use('/bound', preimage, from('192.0.2.1'))).status, 200);
  const written = await call(`${lnbits.url}/api/v1/payments?limit=1000`, 'GET', undefined, { 'X-Api-Key': lnbits.merchant.invoiceKey });
  assert.ok(!JSON.stringify(written.filter(({ extra }) => extra.route === '/bound')).includes('192.0.2.1'), 'LNbits learns no address');
});

test('On another host, a preimage is unknown', async () => {
  const { url, server } = await startBareWorker({ toll, vars: { ORIGIN_URL: origin.url } });
  const Host = `localhost:${new URL(url).port}`;
  const preimage = await buyPreimage(url, '/sold', { headers: { Host } });
  await assertRefused(SENTENCES.unknown, '/sold', preimage, { url });
  assert.equal((await use('/sold', preimage, { url, headers: { Host } })).status, 200);
  await server.stop();
});

test('A page of another origin may send X-Preimage', async () => {
  const page = 'https://app.example.com';
  const { url, server } = await startPaywall({ toll: { ...toll, cors: [page] }, vars: { ORIGIN_URL: origin.url } });
  const preflight = { Origin: page, 'Access-Control-Request-Method': 'GET', 'Access-Control-Request-Headers': 'x-preimage' };
  const { status, headers } = await send(url, '/sold', { method: 'OPTIONS', headers: preflight });
  assert.deepEqual([status, headers['access-control-allow-headers'], headers['access-control-allow-origin']], [204, 'x-preimage', page]);
  const refused = await use('/sold', 'ab', { url, headers: { Origin: page } });
  assert.deepEqual([refused.status, refused.headers['access-control-allow-origin']], [400, page]);
  await server.stop();
});

test('Made-up preimages are limited before a wallet is asked: for each client, and for all clients together', async () => {
  const proxy = await startFaultProxy();
  const list = { ...toll, challenges_per_minute: 5, invoices_per_minute: 20 };
  const { url, server } = await startPaywall({ toll: list, vars: { ORIGIN_URL: origin.url, LNBITS_URL: proxy.url }, config: { ratelimits: undefined } });
  const lookUps = () => proxy.calls.filter(({ method, url: path }) => method === 'GET' && /payments\/[0-9a-f]{64}$/.test(path)).length;
  const minute = () => Math.floor(Date.now() / 60_000);
  const guess = (client) => use('/sold', randomBytes(32).toString('hex'), { url, headers: { 'CF-Connecting-IP': client } });
  const startMinute = minute();
  const ofOne = await Promise.all(Array.from({ length: 50 }, () => guess('192.0.2.1')));
  const limited = ofOne.filter(({ status }) => status === 429);
  assert.equal(limited.length, 45);
  for (const { json, headers } of limited) {
    assert.equal(json().code, 'too_many_challenges');
    assert.ok(Number(headers['retry-after']) >= 1);
  }
  assert.equal(lookUps(), 5);
  const ofMany = [];
  for (let at = 0; at < 60; at += 20) ofMany.push(...(await Promise.all(Array.from({ length: 20 }, (_, n) => guess(`198.51.100.${at + n}`)))));
  const minutes = minute() - startMinute + 1;
  assert.ok(lookUps() <= 20 * minutes, `${lookUps()} in ${minutes} minutes`);
  assert.deepEqual([...new Set(ofMany.map(({ status }) => status))].sort(), [400, 429]);
  const malformed = await use('/sold', 'ab', { url, headers: { 'CF-Connecting-IP': '192.0.2.1' } });
  assert.equal(malformed.status, 400, 'a malformed preimage costs no look-up');
  // The invoices of other clients are counted apart.
  assert.equal((await send(url, '/sold', { headers: { 'CF-Connecting-IP': '203.0.113.1' } })).status, 402);
  await server.stop();
  await proxy.close();
});

test('With two wallets, a payment is found at the wallet that knows it, and is not unknown while another one fails', async () => {
  const second = await call(`${lnbits.url}/api/v1/account`, 'POST', { name: 'second' });
  const [slot1, slot2] = [await startFaultProxy(), await startFaultProxy()];
  const vars = { ORIGIN_URL: origin.url, LNBITS_URL: slot1.url, LNBITS_URL_2: slot2.url, LNBITS_KEY_2: second.inkey };
  const { url, server } = await startPaywall({ toll, vars });
  const fromSlot1 = await buyPreimage(url, '/sold');
  await slot1.injectFault('500', 'POST');
  const [a, b] = [await buyPreimage(url, '/sold'), await buyPreimage(url, '/sold')];
  await slot1.clearFault();
  assert.equal((await use('/sold', a, { url })).status, 200, 'slot 1 does not know the payment, and slot 2 does');
  const unknown = randomBytes(32).toString('hex');
  await assertRefused(SENTENCES.unknown, '/sold', unknown, { url });
  for (const fault of ['500', 'HTML instead of JSON', '404 for the key', '401 for the key']) {
    await slot1.injectFault(fault, 'GET');
    const { status, headers, json } = await use('/sold', unknown, { url });
    assert.deepEqual([status, json().code], [503, 'settlement_unavailable'], fault);
    assert.ok(Number(headers['retry-after']) >= 1);
  }
  assert.equal((await use('/sold', fromSlot1, { url })).status, 503);
  assert.equal((await use('/sold', b, { url })).status, 200, 'slot 2 answers although slot 1 fails');
  await slot1.clearFault();
  await until(async () => (await use('/sold', fromSlot1, { url })).status === 200, 60);
  await server.stop();
  await Promise.all([slot1.close(), slot2.close()]);
});

test('If the Durable Object fails, nothing is served, and the preimage stays valid', async () => {
  const { url, server } = await startBareWorker({ toll, vars: { ORIGIN_URL: origin.url }, entry: `
import * as real from './index.js';
export default real.default;
export * from './index.js';
let failures = 2;
export class Meter {
  constructor(state, env) {
    this.real = new real.Meter(state, env);
  }
  fetch(request) {
    return failures-- > 0 ? new Response('', { status: 500 }) : this.real.fetch(request);
  }
  alarm() {
    return this.real.alarm();
  }
}
` });
  const preimage = await buyPreimage(url, '/sold');
  const reached = origin.requests.length;
  for (let at = 0; at < 2; at += 1) {
    const { status, json, headers } = await use('/sold', preimage, { url });
    assert.deepEqual([status, json().code, headers['retry-after']], [503, 'uses_unavailable', '5']);
  }
  assert.equal(origin.requests.length, reached);
  assert.equal((await use('/sold', preimage, { url })).status, 200);
  await assertRefused(SENTENCES.spent, '/sold', preimage, { url });
  await server.stop();
});

test('Without the Durable Object, no route offers X-Preimage, and the status says why', async () => {
  const config = { durable_objects: { bindings: settings().durable_objects.bindings.filter(({ name }) => name !== 'METER') } };
  const { url, server, logged } = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url, ADMIN_TOKEN }, config });
  const { status, headers, json } = await send(url, '/first', { headers: { Accept: BOLT11 } });
  assert.deepEqual([status, headers['content-type']], [402, 'application/json; charset=utf-8']);
  const preimage = await pay(json().invoice);
  const reached = origin.requests.length;
  assert.equal((await use('/first', preimage, { url })).status, 402);
  assert.equal(origin.requests.length, reached);
  const problems = (await sendAsAdmin(url, 'status')).json();
  assert.deepEqual(problems, { configured: true, problems: ['the binding METER is missing: no route offers x-preimage'], observed: [] });
  await logged(/"event":"not_configured".*METER/);
  await server.stop();
});
