// The Worker with a wallet of Nostr Wallet Connect: a real relay, and the wallet service of Alby's SDK in front of LNbits.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { call } from '../../tools/lib/lnbits.mjs';
import { freePort, root } from '../../tools/lib/run.mjs';
import { ADMIN_TOKEN, sendAsAdmin } from './support/admin.mjs';
import { parseChallenge, send } from './support/client.mjs';
import { RECEIVE_ONLY, newConnection, startNwcWallet, startReceivingWallet, startRelay } from './support/nwc.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { lnbits, pay, startPaywall, withoutLedger } from './support/paywall.mjs';
import { startRelayProxy } from './support/relay_proxy.mjs';

const toll = { routes: [{ path: '/sold', sats: 5 }, { path: '/uses', sats: 7, uses: 2 }] };
/** The Worker spends at most 8 s on its requests to wallets. The remaining 1.5 s are a margin for a busy machine. */
const MAX_MS = 9_500;
let origin, relay;
before(async () => {
  [origin, relay] = await Promise.all([startRecordingOrigin(), startRelay()]);
});
after(async () => {
  // A test that failed has not closed its proxy.
  await Promise.all(proxies.map((proxy) => proxy.close()));
  await relay.close();
  origin.close();
});

const proxies = [];

/** Starts a proxy in front of the relay, and a paywall that reaches its wallet through the proxy. */
async function startBehindProxy({ fault = '', ...options } = {}) {
  const proxy = await startRelayProxy(relay);
  proxies.push(proxy);
  proxy.fault = fault;
  const connection = newConnection(relay);
  const vars = { NWC_URL: connection.url.replace(encodeURIComponent(relay.url), encodeURIComponent(proxy.url)) };
  return { proxy, ...(await startNwcPaywall({ connection, vars, ...options })) };
}

/** Starts a paywall whose only wallet is a new connection. */
async function startNwcPaywall({ connection = newConnection(relay), wallet: walletOptions = {}, vars = {}, ...options } = {}) {
  const wallet = walletOptions && (await startReceivingWallet(connection, walletOptions));
  const own = { LNBITS_URL: undefined, LNBITS_KEY: undefined, NWC_URL: connection.url, ORIGIN_URL: origin.url };
  const paywall = await startPaywall({ toll, vars: { ...own, ...vars }, ...options });
  const stop = async () => {
    await paywall.server.stop();
    await wallet?.stop();
  };
  return { ...paywall, wallet, connection, stop };
}

async function challenge(url, path = '/sold') {
  const response = await send(url, path);
  assert.equal(response.status, 402, JSON.stringify(response.json()));
  return { ...response.json(), standard: parseChallenge(response.headers['www-authenticate']).macaroon };
}
const buy = async (url, { standard, invoice }, path = '/sold') => {
  const preimage = await pay(invoice);
  return send(url, path, { headers: { Authorization: `L402 ${standard}:${preimage}` } });
};

for (const [name, encryptions] of [['NIP-44', 'nip04 nip44_v2'], ['NIP-04', 'nip04'], ['NIP-04, which is not announced', '']]) {
  test(`A client pays an invoice of the wallet and is served, over ${name}`, async () => {
    const { url, connection, stop } = await startNwcPaywall({ wallet: { encryptions } });
    const bought = await challenge(url);
    assert.equal((await buy(url, bought)).status, 200);
    const counted = await challenge(url, '/uses');
    const preimage = await pay(counted.invoice);
    const use = async () => (await send(url, '/uses', { headers: { Authorization: `L402 ${counted.standard}:${preimage}` } })).status;
    assert.deepEqual([await use(), await use(), await use()], [200, 200, 402]);
    const requests = relay.events.filter(({ kind, pubkey }) => kind === 23194 && pubkey === connection.clientKey);
    const expected = encryptions.includes('nip44') ? 'nip44_v2' : undefined;
    assert.deepEqual([...new Set(requests.map(({ tags }) => tags.find(([tag]) => tag === 'encryption')?.[1]))], [expected]);
    await stop();
  });
}

test('An unpaid invoice gives no access, with and without a preimage', async () => {
  const { url, stop } = await startNwcPaywall();
  const { standard, paymentHash, invoice } = await challenge(url);
  const again = await send(url, '/sold', { headers: { Authorization: `L402 ${standard}:` } });
  assert.deepEqual([again.status, again.json().paymentHash, again.json().invoice], [402, paymentHash, invoice]);
  await stop();
});

test('Responses that others forged, that are repeated or that arrive in another order change nothing', async () => {
  const { proxy, url, log, connection, stop } = await startBehindProxy({ config: withoutLedger() });
  for (const fault of ['', 'forges', 'repeats']) {
    proxy.fault = fault;
    assert.equal((await buy(url, await challenge(url))).status, 200, fault);
  }
  proxy.fault = 'reorders';
  const [one, two] = await Promise.all([challenge(url), challenge(url)]);
  assert.notEqual(one.paymentHash, two.paymentHash);
  proxy.fault = '';
  for (const bought of [one, two]) assert.equal((await buy(url, bought)).status, 200);
  assert.equal(proxy.connections, 1);
  assert.ok(!log().includes(connection.secret));
  await stop();
});

for (const [fault, detail] of [
  ['does not answer', /the wallet did not answer|the wallet could not be reached/],
  ['refuses requests', /the relay refused the request/],
  ['refuses subscriptions', /the relay refused the request/],
  ['drops requests', /the wallet could not be reached/],
]) {
  test(`While the relay ${fault}, a request gets 503, and afterwards the wallet works again`, async () => {
    const { proxy, url, server, logged, stop } = await startBehindProxy();
    const bought = await challenge(url);
    proxy.fault = fault;
    if (fault !== 'refuses requests') proxy.disconnect();
    const started = Date.now();
    const { status, json, headers } = await send(url, '/sold');
    assert.deepEqual([status, json().code], [503, 'invoice_unavailable']);
    assert.ok(Number(headers['retry-after']) >= 1 && Date.now() - started < MAX_MS);
    await logged(detail);
    const preimage = await pay(bought.invoice);
    const use = async () => (await send(url, '/sold', { headers: { Authorization: `L402 ${bought.standard}:${preimage}` } })).status;
    assert.equal(await use(), 503, 'a payment that cannot be looked up is not served');
    proxy.fault = '';
    await server.until(async () => (await use()) === 200, 40);
    await server.until(async () => (await send(url, '/sold')).status === 402, 40);
    await stop();
  });
}

test('A redirect of a relay is not followed', async () => {
  const connection = newConnection(relay);
  const redirecting = createServer((_, response) => response.end());
  redirecting.on('upgrade', (_, socket) => socket.end(`HTTP/1.1 302 Found\r\nLocation: ${relay.url.replace('ws', 'http')}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`));
  await new Promise((resolve) => redirecting.listen(0, '127.0.0.1', resolve));
  const vars = { NWC_URL: connection.url.replace(encodeURIComponent(relay.url), encodeURIComponent(`ws://127.0.0.1:${redirecting.address().port}`)) };
  const { url, stop } = await startNwcPaywall({ connection, vars });
  assert.equal((await send(url, '/sold')).status, 503);
  assert.ok(!relay.events.some(({ pubkey }) => pubkey === connection.clientKey));
  redirecting.close();
  await stop();
});

test('A slow relay is waited for', async () => {
  const { url, stop } = await startBehindProxy({ fault: 'is slow' });
  assert.equal((await buy(url, await challenge(url))).status, 200);
  await stop();
});

test('Without the first relay of the address, the second is used', async () => {
  const gone = await startRelay();
  const connection = newConnection(relay);
  await gone.close();
  const url = connection.url.replace('?relay=', `?relay=${encodeURIComponent(gone.url)}&relay=`);
  const paywall = await startNwcPaywall({ connection, vars: { NWC_URL: url } });
  assert.equal((await buy(paywall.url, await challenge(paywall.url))).status, 200);
  await paywall.stop();
});

test('While the wallet is offline, an LNbits in another slot takes over', async () => {
  const vars = { LNBITS_URL_2: lnbits.url, LNBITS_KEY_2: lnbits.merchant.invoiceKey };
  const { url, wallet, server, stop } = await startNwcPaywall({ vars });
  const slotOf = ({ standard }) => Buffer.from(standard, 'base64').toString('latin1').match(/wallet=(\d)/)?.[1] ?? '1';
  assert.equal(slotOf(await challenge(url)), '1');
  await wallet.stop();
  const started = Date.now();
  const bought = await challenge(url);
  assert.equal(slotOf(bought), '2');
  assert.ok(Date.now() - started < MAX_MS);
  assert.equal((await buy(url, bought)).status, 200);
  await stop();
});

test('While an LNbits in slot 1 cannot be reached, a wallet over Nostr Wallet Connect in slot 2 takes over', async () => {
  const connection = newConnection(relay);
  const vars = { LNBITS_URL: `http://127.0.0.1:${await freePort()}`, LNBITS_KEY: lnbits.merchant.invoiceKey, NWC_URL: undefined, NWC_URL_2: connection.url };
  const { url, stop } = await startNwcPaywall({ connection, vars });
  const bought = await challenge(url);
  assert.match(Buffer.from(bought.standard, 'base64').toString('latin1'), /wallet=2/);
  assert.equal((await buy(url, bought)).status, 200);
  await stop();
});

for (const [code, detail] of [
  ['RATE_LIMITED', /the wallet gets too many requests/],
  ['QUOTA_EXCEEDED', /the wallet has used up its quota/],
  ['RESTRICTED', /the wallet does not let this connection do that/],
  ['UNAUTHORIZED', /the wallet does not let this connection do that/],
  ['INTERNAL', /the wallet answered INTERNAL/],
  ['WORDS-OF-THE-WALLET', /the wallet refused the request/],
]) {
  test(`A wallet that answers ${code} to make_invoice or lookup_invoice causes 503, and its message is not shown`, async () => {
    const connection = newConnection(relay);
    const { url, log, logged, wallet, server } = await startNwcPaywall({ connection });
    const bought = await challenge(url);
    const preimage = await pay(bought.invoice);
    await wallet.stop();
    const failing = await startReceivingWallet(connection, { errors: { make_invoice: code, lookup_invoice: code } });
    const unsold = await send(url, '/sold');
    assert.deepEqual([unsold.status, unsold.json().code], [503, 'invoice_unavailable']);
    const use = () => send(url, '/sold', { headers: { Authorization: `L402 ${bought.standard}:${preimage}` } });
    const unserved = await use();
    assert.deepEqual([unserved.status, unserved.json().code], [503, 'settlement_unavailable']);
    await logged(detail);
    assert.ok(!/SECRET-OF-THE-WALLET|WORDS-OF-THE-WALLET/.test(log() + unsold.text + unserved.text));
    await failing.stop();
    const again = await startReceivingWallet(connection);
    await server.until(async () => (await use()).status === 200, 40);
    await server.stop();
    await again.stop();
  });
}

for (const [name, methods] of [
  ['may pay', ['get_info', 'make_invoice', 'lookup_invoice', 'pay_invoice']],
  ['may pay several invoices', ['get_info', 'make_invoice', 'lookup_invoice', 'multi_pay_keysend']],
  ['does not say what it may do', ['make_invoice', 'lookup_invoice']],
]) {
  test(`With a connection that ${name}, nothing is sold and no invoice is made`, async () => {
    const { url, wallet, log, stop } = await startNwcPaywall({ wallet: { methods }, vars: { ADMIN_TOKEN } });
    for (let n = 0; n < 2; n += 1) assert.equal((await send(url, '/sold')).status, 503);
    const { configured, problems } = (await sendAsAdmin(url, 'status')).json();
    assert.equal(configured, false);
    assert.match(problems.join('\n'), /NWC_URL[^\n]*may spend[^\n]*create a connection that may only receive/);
    assert.equal((await send(url, '/_toll/health')).json().configured, false);
    assert.ok(!wallet.log().includes('made an invoice'));
    assert.match(log(), /may spend|does not say whether the connection may spend/);
    await stop();
  });
}

test('Concurrent requests for invoices ask together what the connection may do', async () => {
  const { url, wallet, stop } = await startNwcPaywall();
  await Promise.all(Array.from({ length: 6 }, () => challenge(url)));
  // The Durable Object asks once, and the probe of the first invoice once more.
  assert.equal(wallet.log().split('said what the connection may do').length - 1, 2);
  await stop();
});

test('With a connection that may spend, the other wallets sell nothing either', async () => {
  const vars = { LNBITS_URL_2: lnbits.url, LNBITS_KEY_2: lnbits.merchant.invoiceKey };
  const { url, stop } = await startNwcPaywall({ wallet: { methods: [...RECEIVE_ONLY, 'pay_invoice'] }, vars });
  for (let n = 0; n < 2; n += 1) {
    const { status, json } = await send(url, '/sold');
    assert.deepEqual([status, json().code], [503, 'not_configured']);
  }
  await stop();
});

/** The payments in the ledger, by their hashes. */
async function ledger(url) {
  const { recentPayments } = (await sendAsAdmin(url, 'stats')).json();
  return recentPayments.map(({ paymentHash, amountSats, endpoint }) => [paymentHash, amountSats, endpoint]);
}

test('A payment that the wallet reports is in the ledger before its credential is used', async () => {
  const { url, wallet, server, stop } = await startNwcPaywall({ wallet: { notifies: true }, vars: { ADMIN_TOKEN } });
  const { invoice, paymentHash } = await challenge(url);
  const lookUps = () => wallet.log().split('edgetoll: looked up').length;
  const ofProbe = lookUps();
  await pay(invoice);
  await wallet.logged('edgetoll: notified');
  await server.until(async () => (await ledger(url)).length === 1, 10);
  assert.deepEqual(await ledger(url), [[paymentHash, 5, '/sold']]);
  assert.equal(lookUps(), ofProbe);
  await stop();
});

for (const keepsMetadata of [true, false]) {
  test(`A payment is recorded with the first use of its credential, also ${keepsMetadata ? 'without a notification' : 'by a wallet that drops the metadata'}`, async () => {
    const { url, server, stop } = await startNwcPaywall({ wallet: { keepsMetadata }, vars: { ADMIN_TOKEN } });
    const bought = await challenge(url);
    assert.equal((await buy(url, bought)).status, 200);
    await server.until(async () => (await ledger(url)).length === 1, 10);
    assert.deepEqual(await ledger(url), [[bought.paymentHash, 5, '/sold']]);
    await stop();
  });
}

test('The cron trigger records the payments of the list, once, and skips payments that are not for invoices of edgetoll', async () => {
  const { url, wallet, stop } = await startNwcPaywall({ vars: { ADMIN_TOKEN }, args: ['--test-scheduled'] });
  const bought = [await challenge(url), await challenge(url, '/uses')];
  for (const { invoice } of bought) await pay(invoice);
  const other = await call(`${lnbits.url}/api/v1/payments`, 'POST', { out: false, amount: 9, memo: 'another shop' }, { 'X-Api-Key': lnbits.merchant.invoiceKey });
  await pay(other.bolt11);
  const sync = async () => {
    assert.equal((await send(url, '/cdn-cgi/handler/scheduled')).status, 200);
    const { totalPayments, totalRevenue } = (await sendAsAdmin(url, 'stats')).json();
    return { totalPayments, totalRevenue };
  };
  // The wallet has the payments of other tests too. A run reads at most 120.
  let [last, now] = [undefined, await sync()];
  while (last?.totalPayments !== now.totalPayments) [last, now] = [now, await sync()];
  assert.ok(wallet.log().includes('edgetoll: listed'));
  const recorded = async (hash) => (await sendAsAdmin(url, `payments?hash=${hash}`)).json().map(({ amountSats, endpoint }) => [amountSats, endpoint]);
  assert.deepEqual([await recorded(bought[0].paymentHash), await recorded(bought[1].paymentHash)], [[[5, '/sold']], [[7, '/uses']]]);
  assert.deepEqual(await recorded(other.payment_hash), []);
  assert.deepEqual(await sync(), now);
  await stop();
});

test('The cron trigger does not keep the connection to the relay open', async () => {
  const { proxy, url, wallet, server, stop } = await startBehindProxy({ args: ['--test-scheduled'] });
  const run = async () => assert.equal((await send(url, '/cdn-cgi/handler/scheduled')).status, 200);
  await run();
  assert.ok(wallet.log().includes('edgetoll: listed'));
  assert.equal(proxy.connections, 1, 'one connection for all pages');
  await server.until(() => proxy.open() === 0, 15);
  await challenge(url);
  await run();
  // Another connection without a client, whose list is read later, closes first.
  const other = await startBehindProxy({ args: ['--test-scheduled'] });
  await send(other.url, '/cdn-cgi/handler/scheduled');
  assert.equal(other.proxy.connections, 1);
  await server.until(() => other.proxy.open() === 0, 15);
  assert.equal(proxy.open(), 1, 'the connection of a client stays open');
  await Promise.all([stop(), other.stop()]);
});

test('With a connection that may not list payments, the cron trigger reports no fault', async () => {
  const { url, log, stop } = await startNwcPaywall({ wallet: { methods: ['get_info', 'make_invoice', 'lookup_invoice'] }, args: ['--test-scheduled'] });
  assert.equal((await send(url, '/cdn-cgi/handler/scheduled')).status, 200);
  assert.ok(!log().includes('could not be synchronized'));
  await stop();
});

test('The client of the package lightning-toll pays with its own NWC wallet', async () => {
  const { url, stop } = await startNwcPaywall();
  const connection = newConnection(relay);
  const payer = await startNwcWallet(connection, { encryptions: 'nip04' });
  const script = join(root, 'tests/peers/lightning_toll_client.py');
  const { stdout } = await promisify(execFile)(join(root, '.tools/lightning-toll/bin/python'), [script, `${url}/sold`], { env: { NWC_URL: connection.url } });
  const { answers, stats } = JSON.parse(stdout);
  assert.deepEqual(answers.map(({ status, paid }) => [status, paid]), [[200, true], [200, false]]);
  assert.equal(stats.payment_count ?? stats.paymentCount, 1);
  assert.equal(stats.total_spent ?? stats.totalSpent, 5);
  await payer.stop();
  await stop();
});

test('X-Preimage is offered with a wallet that keeps the metadata of invoices, and pays for one request', async () => {
  const list = { protocols: ['x-preimage', 'l402'], routes: [{ path: '/sold', sats: 5 }, { path: '/other', sats: 5 }] };
  const { url, stop } = await startNwcPaywall({ toll: list });
  const unpaid = await send(url, '/sold');
  assert.deepEqual([unpaid.status, unpaid.headers['content-type']], [402, 'application/vnd.lightning.bolt11']);
  const preimage = await pay(unpaid.text);
  const use = (path) => send(url, path, { headers: { 'X-Preimage': preimage } });
  const elsewhere = await use('/other');
  assert.deepEqual([elsewhere.status, elsewhere.text], [400, 'Your invoice was created for the path "/sold", but you\'re sending a request to "/other"\n']);
  const uses = await Promise.all(Array.from({ length: 20 }, () => use('/sold')));
  assert.equal(uses.filter(({ status }) => status === 200).length, 1);
  assert.equal((await use('/sold')).status, 400);
  await stop();
});

test('With `wallets = "spread"`, X-Preimage is offered with a wallet over Nostr Wallet Connect in slot 2', async () => {
  const list = { protocols: ['x-preimage', 'l402'], wallets: 'spread', routes: [{ path: '/sold', sats: 5 }] };
  const connection = newConnection(relay);
  const vars = { LNBITS_URL: lnbits.url, LNBITS_KEY: lnbits.merchant.invoiceKey, NWC_URL: undefined, NWC_URL_2: connection.url };
  const { url, wallet, stop } = await startNwcPaywall({ connection, vars, toll: list });
  for (let n = 0; n < 3; n += 1) {
    const started = Date.now();
    const { status, headers } = await send(url, '/sold');
    assert.deepEqual([status, headers['content-type']], [402, 'application/vnd.lightning.bolt11'], `${n}`);
    assert.ok(Date.now() - started < 4_000, 'no request waits for the probe of an earlier one');
  }
  assert.ok(wallet.log().includes('edgetoll: made an invoice'));
  await stop();
});

test('X-Preimage is not offered with a wallet that drops the metadata of invoices', async () => {
  const { url, stop } = await startNwcPaywall({ wallet: { keepsMetadata: false }, toll: { protocols: ['x-preimage', 'l402'], routes: [{ path: '/sold', sats: 5 }] } });
  const { status, headers, json } = await send(url, '/sold', { headers: { Accept: 'application/vnd.lightning.bolt11' } });
  assert.deepEqual([status, headers['content-type'].split(';')[0]], [402, 'application/json']);
  assert.ok(json().invoice);
  await stop();
});
