// Observed routes: no one is charged, and the origin, the log, the ledger and the dashboard say what would be charged.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { WebSocket } from 'ws';
import { ADMIN_TOKEN, sendAsAdmin, stats, statsWhen } from './support/admin.mjs';
import { assertAccessible, openPage, saveScreenshot, startBrowser } from './support/browser.mjs';
import { buy, send } from './support/client.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { invoicesFor, run, startPaywall } from './support/paywall.mjs';

const routes = [
  { path: '/sold', sats: 5 },
  { path: '/posted', sats: 7, methods: ['POST'] },
  { path: '/tried', sats: 3, free_requests: 2, free_window: '1d' },
  { path: '/given', sats: 0 },
];
const noWallet = { LNBITS_URL: undefined, LNBITS_KEY: undefined, NWC_URL: undefined };
let origin;
before(async () => {
  const cached = (_, response) => response.writeHead(200, { 'Cache-Control': 'public, max-age=60', Vary: 'Accept' }).end('cached?');
  const preflight = (_, response) => response.writeHead(200, { 'Access-Control-Allow-Origin': 'https://their.example', 'X-Own': '1' }).end('own');
  origin = await startRecordingOrigin({ '/cached': cached, '/their-cors': preflight });
});
after(() => origin.close());

const start = (toll, vars, options) => startPaywall({ toll, vars: { ORIGIN_URL: origin.url, ADMIN_TOKEN, ...noWallet, ...vars }, ...options });

/** Sends a request that is forwarded; returns the status that it would have got, as the origin sees it. */
async function observedStatus(url, path, options) {
  const reached = origin.requests.length;
  const answer = await send(url, path, options);
  assert.equal(answer.status, 200, `${path}: ${answer.text}`);
  assert.equal(origin.requests.length, reached + 1, path);
  assert.equal(origin.last().path, path);
  assert.equal(answer.headers['x-toll-observed'], undefined, 'only the origin sees it');
  return origin.last().headers['x-toll-observed'];
}

test('Without a secret and a wallet, an observed list forwards every request with the status that it would have got', async () => {
  const { url, log, logged } = await start({ mode: 'observe', routes }, { TOLL_SECRET: undefined });
  const forged = { 'X-Toll-Observed': '200', x_toll_observed: '200', 'X-Toll-Status': 'paid' };
  for (const [path, options, expected] of [
    ['/sold', {}, '402'],
    ['/sold', { headers: forged }, '402'],
    ['/sold?a=b', { method: 'POST', body: 'a body' }, '402'],
    ['/SOLD', {}, '400'],
    ['/sold/', {}, '402'],
    ['/sold//', {}, '400'],
    ['/posted', {}, '405'],
    ['/given', { headers: forged }, undefined],
    ['/unlisted', { headers: forged }, undefined],
  ]) {
    assert.equal(await observedStatus(url, path, options), expected, path);
    const { headers, body } = origin.last();
    assert.equal(headers['x-toll-status'], 'open', path);
    assert.equal(headers.x_toll_observed, undefined);
    assert.equal(String(body), options.body ?? '');
  }
  assert.deepEqual((await send(url, '/_toll/health')).json(), { status: 'ok', configured: false, observed: true });
  assert.deepEqual((await send(url, '/.well-known/l402')).json().routes, [], 'an observed route is not for sale');
  assert.equal((await send(url, '/_TOLL/stats')).status, 404);
  await logged(/TOLL observes all routes that have a price: every request is forwarded without payment/);
  await logged(/"decision":"observed","route":"\/sold",[^\n]*"observed":402,"sats":5,"status":200,"ms":/);
  await logged(/"decision":"observed","route":null,[^\n]*"code":"ambiguous_path",[^\n]*"observed":400,"sats":0,/);
  assert.doesNotMatch(log(), /"decision":"(challenge|quote|redirect)"/);
});

test('With cors, pages of other origins can read the responses of observed routes only', async () => {
  const { url } = await start({ mode: 'observe', cors: '*', routes });
  const headers = { Origin: 'https://page.example' };
  for (const [path, expected] of [['/sold', '*'], ['/given', undefined], ['/unlisted/', undefined], ['/unlisted/?/sold', undefined]]) {
    const answer = await send(url, path, { headers });
    assert.deepEqual([answer.status, answer.headers['access-control-allow-origin']], [200, expected], path);
  }
  assert.equal(origin.last().headers['x-toll-observed'], '400');
});

test('A route that charges is charged beside observed routes, under every spelling of its path', async () => {
  const list = { mode: 'observe', routes: [...routes, { path: '/charged/*', sats: 5, mode: 'charge' }, { path: '/off', sats: 5, mode: 'off' }] };
  const { url } = await startPaywall({ toll: list, vars: { ORIGIN_URL: origin.url } });
  const reached = origin.requests.length;
  for (const [path, expected] of [
    ['/charged', 402],
    ['/charged/a', 402],
    ['/CHARGED/a', 400],
    ['//charged/a', 400],
    ['/sold/..;/charged/a', 400],
    ['/sold/%2e%2e%2fcharged/a', 400],
    ['/sold%2f..%2fcharged', 400],
    ['/?/charged/a', 400],
    ['/_toll/nothing', 404],
  ]) {
    assert.equal((await send(url, path)).status, expected, path);
  }
  assert.equal(origin.requests.length, reached, 'nothing was forwarded');
  assert.equal(await observedStatus(url, '/sold'), '402');
  assert.equal(await observedStatus(url, '/SOLD'), '400');
  assert.equal(await observedStatus(url, '/off'), undefined);
  const { standard } = await buy(url, '/charged/a');
  assert.equal((await send(url, '/charged/a', { headers: { authorization: standard } })).status, 200);
  assert.deepEqual((await send(url, '/_toll/health')).json(), { status: 'ok', configured: true, observed: true });
});

test('Any other mode closes the list or the route', async () => {
  const ofList = await start({ mode: 'Observe', routes });
  for (const path of ['/sold', '/unlisted']) assert.equal((await send(ofList.url, path)).status, 503, path);
  const ofRoute = await start({ mode: 'observe', routes: [...routes, { path: '/wrong', mode: 'watch' }] });
  assert.equal((await send(ofRoute.url, '/wrong')).status, 503);
  await ofRoute.logged(/TOLL\.routes\[4\]\.mode must be one of/);
});

test('Observing takes no use, and creates no invoice', async () => {
  const toll = (mode) => ({ mode, routes: [{ path: '/once', sats: 5, uses: 1 }] });
  const [state, secret] = [run.folder('state'), randomBytes(32).toString('hex')];
  const start = (mode) => startPaywall({ toll: toll(mode), vars: { ORIGIN_URL: origin.url, TOLL_SECRET: secret }, state });
  const charging = await start('charge');
  const { standard } = await buy(charging.url, '/once');
  await charging.server.stop();
  const invoices = await invoicesFor('/once');
  const observing = await start('observe');
  for (let sent = 0; sent < 3; sent += 1) assert.equal(await observedStatus(observing.url, '/once', { headers: { authorization: standard } }), '200');
  assert.equal(origin.last().headers.authorization, undefined, 'the credential does not reach the origin');
  assert.equal(await observedStatus(observing.url, '/once'), '402');
  assert.equal(await observedStatus(observing.url, '/once', { headers: { authorization: 'L402 garbage:x' } }), '401');
  await observing.server.stop();
  assert.equal(await invoicesFor('/once'), invoices);
  const again = await start('charge');
  const served = await send(again.url, '/once', { headers: { authorization: standard } });
  assert.deepEqual([served.status, served.headers['x-toll-uses-remaining']], [200, '0']);
});

test('Without cors, the origin answers preflights; no shared cache stores a response; WebSockets are forwarded; the signature covers the header', async () => {
  const list = { mode: 'observe', routes: [{ path: '/*', sats: 5 }] };
  const { url } = await start(list, { ORIGIN_SECRET: randomBytes(32).toString('hex') });
  const asked = { Origin: 'https://their.example', 'Access-Control-Request-Method': 'POST' };
  const preflight = await send(url, '/their-cors', { method: 'OPTIONS', headers: asked });
  assert.deepEqual([preflight.headers['access-control-allow-origin'], preflight.headers['x-own']], ['https://their.example', '1']);
  assert.equal(await observedStatus(url, '/cached'), '402');
  assert.match(origin.last().headers['signature-input'], /"x-toll-observed"/);
  const { headers } = await send(url, '/cached');
  assert.match(headers['cache-control'], /^private/);
  assert.match(headers.vary, /^Accept, Authorization, Cookie\b/);
  const socket = new WebSocket(`${url.replace('http', 'ws')}/socket`);
  const echo = await new Promise((resolve, reject) => {
    socket.on('open', () => socket.send('hello'));
    socket.on('message', (data) => resolve(String(data)));
    socket.on('error', reject);
  });
  socket.close();
  assert.equal(echo, 'hello');
});

test('The statistics, the metrics and the dashboard say what would be charged, by route, and to how many clients', async (t) => {
  const list = { mode: 'observe', routes };
  const { url } = await start(list);
  const browser = await startBrowser();
  t.after(() => browser.close());
  const looks = [
    ['light', {}],
    ['dark', { colorScheme: 'dark' }],
    ['phone', { viewport: { width: 360, height: 740 } }],
  ];
  const look = async (name) => {
    for (const [theme, options] of looks) {
      const { context, page, pageErrors } = await openPage(browser, options);
      await page.goto(`${url}/_toll/`);
      await page.fill('#token', ADMIN_TOKEN);
      await page.click('text=Log in');
      await page.waitForSelector('#observing:visible');
      await page.waitForSelector('#numbers:visible');
      await assertAccessible(page);
      await saveScreenshot(page, `dashboard-${name}-${theme}`);
      const overflow = await page.evaluate('document.documentElement.scrollWidth > innerWidth');
      assert.equal(overflow, false, theme);
      assert.equal(await page.isVisible('#problems'), false, 'observing is not a problem');
      assert.equal(await page.isVisible('#empty'), false);
      assert.match(await page.textContent('#observing'), /No one is charged on observed routes[^]*\/sold\s*\/posted\s*\/tried/);
      if (name === 'observed') {
        assert.match(await page.textContent('#observed-sum'), /^6 requests would be asked to pay 30 sats\.$/);
        const rows = await page.$$eval('#observed-table tbody tr', (rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent)));
        assert.deepEqual(rows, [
          ['/sold', '20', '2', '4', '0', '1 × 401'],
          ['/tried', '3', '1', '1', '2', '–'],
          ['/posted', '7', '1', '1', '0', '–'],
          ['No single route', '0', '0', '0', '0', '2 × 400, 1 × 405'],
        ].sort((a, b) => Number(b[1]) - Number(a[1])));
      }
      assert.deepEqual(pageErrors, []);
      await context.close();
    }
  };
  await look('observed-empty');
  assert.deepEqual((await stats(url)).observed, {});
  assert.doesNotMatch((await sendAsAdmin(url, 'metrics')).text, /observed/);
  const from = (ip, headers) => ({ headers: { 'cf-connecting-ip': ip, ...headers } });
  for (const [path, options, expected] of [
    ['/sold', from('192.0.2.1'), '402'],
    ['/sold', from('192.0.2.1'), '402'],
    ['/sold', from('192.0.2.2'), '402'],
    ['/sold?more', from('192.0.2.2'), '402'],
    ['/sold', from('192.0.2.3', { authorization: 'L402 garbage:x' }), '401'],
    ['/SOLD', from('192.0.2.3'), '400'],
    ['/sold//', from('192.0.2.3'), '400'],
    ['/posted', from('192.0.2.3'), '405'],
    ['/posted', { ...from('192.0.2.3'), method: 'POST' }, '402'],
    ['/tried', from('192.0.2.1'), '200'],
    ['/tried', from('192.0.2.1'), '200'],
    ['/tried', from('192.0.2.1'), '402'],
    ['/given', from('192.0.2.1'), undefined],
  ]) {
    assert.equal(await observedStatus(url, path, options), expected, path);
  }
  const expected = {
    '': { 400: 2, 405: 1, sats: 0 },
    '/posted': { 402: 1, clients: 1, sats: 7 },
    '/sold': { 401: 1, 402: 4, clients: 2, sats: 20 },
    '/tried': { 200: 2, 402: 1, clients: 1, sats: 3 },
  };
  const { observed, totalRequests } = await statsWhen(url, (current) => current.observed['/tried']?.[402] === 1);
  assert.deepEqual([observed, totalRequests], [expected, 0]);
  const { text } = await sendAsAdmin(url, 'metrics');
  for (const line of [
    'edgetoll_observed_requests_total{route="/sold",status="402"} 4',
    'edgetoll_observed_requests_total{route="",status="400"} 2',
    'edgetoll_observed_sats_total{route="/sold"} 20',
    'edgetoll_observed_clients{route="/sold"} 2',
  ]) {
    assert.ok(text.split('\n').includes(line), `${line}\n${text}`);
  }
  const status = (await sendAsAdmin(url, 'status')).json();
  assert.deepEqual([status.configured, status.observed], [false, ['/sold', '/posted', '/tried']]);
  await look('observed');
});
