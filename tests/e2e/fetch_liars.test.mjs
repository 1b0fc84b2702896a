// Servers that lie to `edgetoll fetch`. Nothing is paid that should not be, and each refusal is named.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { editInvoice } from './support/bolt11.mjs';
import { newInvoice, newUser, paidDuring } from './support/command.mjs';
import { lnbits } from './support/paywall.mjs';
import { startTollServer } from './support/toll_server.mjs';

const HOUR_S = 3600;
const OTHER_HASH = 'ab'.repeat(32);
const wallet = { lnbits_url: lnbits.url, lnbits_admin_key: lnbits.payer.adminKey };

/** What a server says, and what the client says about it. The exit code is 6, and nothing is paid. */
const lies = {
  'the body states a lower price than the invoice': [{ sats: 50, body: { amountSats: 1 } }, /the invoice is for 50 sats, but the response states 1 sats/],
  'the body of FastAPI states a lower price': [{ sats: 50, body: { detail: { amountSats: 1 } } }, /for 50 sats, but the response states 1 sats/],
  'the body states two prices': [{ body: { priceSats: 4 } }, /a price that is not one whole number/],
  'the body states a price that is no whole number': [{ body: { amountSats: 5.5 } }, /a price that is not one whole number/],
  'the macaroon states another price': [{ caveats: ['amount_sats = 4'] }, /for 5 sats, but the response states 4 sats/],
  'the macaroon is for another payment': [{ id: OTHER_HASH }, /another payment hash/],
  'the body names another payment': [{ body: { paymentHash: OTHER_HASH } }, /another payment hash/],
  'the macaroon is for another host': [{ caveats: ['host = api.example.com'] }, /the macaroon is for the host `api\.example\.com`/],
  'the macaroon has expired': [{ caveats: ['expires_at = 1700000000'] }, /the macaroon has expired/],
  'the invoice has no amount': [{ prefix: 'lnbc' }, /the invoice has no amount/],
  'the amount is half a satoshi': [{ prefix: 'lnbc5n' }, /not a whole number of satoshis/],
  'the invoice is for a test network': [{ prefix: 'lntb50n' }, /for the network `tb`, not `bc`/],
  'the invoice has expired': [{ timestamp: Math.floor(Date.now() / 1000) - 2 * HOUR_S }, /the invoice has expired/],
  'the invoice is no invoice': [{ invoice: 'lnbc1pretend' }, /the invoice cannot be read/],
  'the 402 has 10 MB': [{ raw: 'x'.repeat(10_000_000) }, /the 402 response is too large/],
};

for (const [name, [changes, message]] of Object.entries(lies)) {
  test(`Nothing is paid if ${name}`, async () => {
    const server = await startTollServer(async (_, response, { challenge }) => {
      const { prefix, timestamp, ...rest } = changes;
      const { bolt11, payment_hash: id } = await newInvoice(5);
      await challenge(prefix || timestamp ? { invoice: editInvoice(bolt11, { prefix, timestamp }), id, ...rest } : rest);
    });
    const { paid, result } = await paidDuring(() => newUser().fetch(server.url));
    server.close();
    assert.deepEqual([paid, result.code], [[], 6], result.stderr);
    assert.match(result.stderr, message);
  });
}

test('Nothing is paid if the 402 never ends', async () => {
  const server = await startTollServer((_, response) => {
    response.isHeld = true;
    response.writeHead(402, { 'WWW-Authenticate': 'L402 macaroon="a", invoice="b"', 'Content-Type': 'application/json' });
    const drip = setInterval(() => response.write(' '), 500);
    response.on('close', () => clearInterval(drip));
  });
  const { paid, result } = await paidDuring(() => newUser().fetch(server.url));
  server.close();
  assert.deepEqual([paid, result.code], [[], 6]);
  assert.match(result.stderr, /did not arrive in time/);
});

test('Nothing is paid for a 402 in HTML', async () => {
  const server = await startTollServer((_, response) => void response.writeHead(402, { 'Content-Type': 'text/html' }).end('<p>Pay here: lnbc1'));
  const { paid, result } = await paidDuring(() => newUser().fetch(server.url));
  server.close();
  assert.deepEqual([paid, result.code], [[], 6]);
});

test('A server that answers 402 to every credential is paid once, and not again by the next call', async () => {
  const server = await startTollServer((_, response, { challenge }) => challenge());
  const user = newUser();
  const { paid, result } = await paidDuring(async () => [await user.fetch(server.url), await user.fetch(server.url), await user.fetch(`${server.url}/other`)]);
  const again = await paidDuring(() => user.fetch('--pay-again', server.url));
  server.close();
  assert.deepEqual([paid, result.map(({ code }) => code)], [[5], [8, 6, 6]]);
  assert.match(result[1].stderr, /gave no access for a payment of 5 sats/);
  assert.deepEqual([again.paid, again.result.code], [[5], 8]);
});

// I4 (CHANGELOG). pylsat 0.2.6 sells macaroons for one request, and then answers 403.
test('A credential that gets 403 is given up only with --pay-again', async () => {
  const used = new Set();
  const server = await startTollServer(({ headers: { authorization } }, response, { isPaid }) => {
    if (isPaid && used.has(authorization)) return response.writeHead(403).end('only valid once');
    if (isPaid) used.add(authorization);
  });
  const user = newUser();
  for (const [options, expected, payments] of [[[], 'content', 1], [[], 'only valid once', 0], [['--pay-again'], 'content', 1]]) {
    const { paid, result } = await paidDuring(() => user.fetch(...options, server.url));
    assert.deepEqual([result.code, result.stdout, paid.length], [0, expected, payments], result.stderr);
  }
  server.close();
});

// I4 (CHANGELOG)
test('A 401 without a challenge ends a credential that has not expired only with --pay-again', async () => {
  let answers = 0;
  const caveats = [`expires_at = ${Math.floor(Date.now() / 1000) + 3600}`];
  const server = await startTollServer((_, response, { isPaid, challenge }) => {
    if (!isPaid) return challenge({ caveats });
    answers += 1;
    if (answers % 2 === 0) response.writeHead(401).end('log in');
  });
  const user = newUser();
  for (const [options, expected, payments] of [[[], 'content', 1], [[], 'log in', 0], [[], 'content', 0], [['--pay-again'], 'content', 1]]) {
    const { paid, result } = await paidDuring(() => user.fetch(...options, server.url));
    assert.deepEqual([result.code, result.stdout, paid.length], [0, expected, payments], result.stderr);
  }
  server.close();
});

test('A server that repeats the invoice that was paid is asked again for a while, and then the payment is named', async () => {
  let first;
  const server = await startTollServer(async (_, response, { challenge }) => {
    first ??= await newInvoice(5);
    await challenge({ invoice: first.bolt11, id: first.payment_hash });
  });
  const { paid, result } = await paidDuring(() => newUser().fetch(server.url));
  assert.equal(server.requests.length, 6);
  server.close();
  assert.deepEqual([paid, result.code], [[5], 8]);
  assert.match(result.stderr, new RegExp(first.payment_hash));
});

test('A 402 of another origin, to which the server redirects, is not paid', async () => {
  const other = await startTollServer();
  const server = await startTollServer((_, response) => void response.writeHead(302, { Location: other.url }).end());
  const { paid, result } = await paidDuring(() => newUser().fetch(server.url));
  [server, other].forEach((one) => one.close());
  assert.deepEqual([paid, result.code], [[], 6]);
  assert.ok(result.stderr.includes(`redirects to ${other.url}`), result.stderr);
});

for (const [name, answer] of [
  ['that wants to be paid', () => {}],
  ['that says that it is used up', (_, response) => void response.writeHead(200, { 'X-Toll-Uses-Remaining': '0' }).end('other')],
]) test(`A credential is kept if the server redirects a paid request to another origin ${name}`, async () => {
  const other = await startTollServer(answer);
  let leadsAway = true;
  const server = await startTollServer((_, response, { isPaid }) => void (isPaid && leadsAway && response.writeHead(302, { Location: other.url }).end()));
  const user = newUser();
  const { paid, result } = await paidDuring(async () => {
    const away = await user.fetch('-s', server.url);
    leadsAway = false;
    return [away, await user.fetch('-s', server.url)];
  });
  [server, other].forEach((one) => one.close());
  assert.deepEqual(paid, [5]);
  assert.deepEqual([result[1].code, result[1].stdout], [0, 'content']);
});

test('A payment of unknown outcome does not count as accepted if the server redirects to another origin', async () => {
  const other = await startTollServer((_, response) => void response.writeHead(200).end('other'));
  const server = await startTollServer((request, response) => void (request.headers.authorization && response.writeHead(302, { Location: other.url }).end()));
  const user = newUser({ wallet_command: 'exit 1' });
  const { code } = await user.fetch(server.url);
  const [{ state, was_accepted: wasAccepted }] = await user.payments();
  [server, other].forEach((one) => one.close());
  assert.deepEqual([code, state, wasAccepted], [9, 'sent', false]);
});

test('No credential and no preimage is sent to another origin, to which the server redirects', async () => {
  for (const protocol of ['l402', 'x-preimage']) {
    const other = await startTollServer((_, response) => void response.writeHead(200).end('other'));
    const server = await startTollServer((_, response, { isPaid }) => void (isPaid && response.writeHead(307, { Location: other.url }).end()), { protocol });
    await newUser().fetch(server.url);
    const sent = JSON.stringify(other.requests);
    [server, other].forEach((one) => one.close());
    assert.equal(server.requests.at(-1).isPaid, true);
    assert.doesNotMatch(sent, /authorization|x-preimage/);
  }
});

test('A server that repeats the challenge of another server is not paid', async () => {
  let seen;
  const honest = await startTollServer(async (request, response, { challenge }) => {
    if (request.headers.authorization) return response.writeHead(200).end('content');
    const invoice = await newInvoice(5);
    seen = { invoice: invoice.bolt11, id: invoice.payment_hash };
    await challenge(seen);
  });
  const thief = await startTollServer((_, response, { challenge }) => challenge(seen));
  const user = newUser();
  const { paid, result } = await paidDuring(async () => [await user.fetch(honest.url), await user.fetch(thief.url)]);
  [honest, thief].forEach((one) => one.close());
  assert.equal(paid.length, 1);
  assert.equal(result[1].code, 6);
  assert.match(result[1].stderr, /this invoice was paid before/);
  assert.doesNotMatch(JSON.stringify(thief.requests), /authorization/);
});

test('A server without encryption is not paid', async () => {
  const invoice = await newInvoice(5);
  const macaroon = Buffer.from(JSON.stringify({ id: invoice.payment_hash, caveats: [], signature: '00'.repeat(32) })).toString('base64url');
  const proxy = createServer((_, response) => response.writeHead(402, { 'WWW-Authenticate': `L402 macaroon="${macaroon}", invoice="${invoice.bolt11}"` }).end());
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const more = { http_proxy: `http://127.0.0.1:${proxy.address().port}` };
  const { paid, result } = await paidDuring(() => newUser().start(['fetch', 'http://api.example.com/'], { more }).ended);
  proxy.close();
  assert.deepEqual([paid, result.code], [[], 6]);
  assert.match(result.stderr, /is not encrypted/);
});

test('A credential that was bought without encryption is sent without encryption only if that is allowed again', async (t) => {
  const credentials = [];
  const seen = [];
  const proxy = createServer(async (request, response) => {
    seen.push(request.headers.authorization);
    if (request.headers.authorization) return response.writeHead(200).end('content');
    const { bolt11, payment_hash: id } = await newInvoice(5);
    const macaroon = Buffer.from(JSON.stringify({ id, caveats: [], signature: '00'.repeat(32) })).toString('base64url');
    response.writeHead(402, { 'WWW-Authenticate': `L402 macaroon="${macaroon}", invoice="${bolt11}"` }).end();
  });
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  t.after(() => proxy.close());
  const more = { http_proxy: `http://127.0.0.1:${proxy.address().port}` };
  const user = newUser();
  const fetch = (...options) => user.start(['fetch', ...options, 'http://api.example.com/'], { more }).ended;
  const { paid, result } = await paidDuring(async () => {
    const first = await fetch('--allow-http');
    credentials.push(...seen.splice(0).filter(Boolean));
    const second = await fetch();
    credentials.push(...seen.splice(0).filter(Boolean));
    return [first, second, await fetch('--allow-http')];
  });
  assert.deepEqual([paid, result.map(({ code }) => code)], [[5], [0, 6, 0]]);
  assert.equal(credentials.length, 1);
});

test('The limit for the routing fee reaches the wallet, and a wallet that returns another preimage ends with the exit code 9', async () => {
  const server = await startTollServer();
  const limit = newUser({ wallet_command: 'echo "limit $MAX_FEE_SATS" >&2; exit 1', max_fee_sats: 3 });
  const wrong = newUser({ wallet_command: `echo ${OTHER_HASH}` });
  const results = [await limit.fetch(server.url), await wrong.fetch(server.url)];
  server.close();
  assert.match(results[0].stderr, /^limit 3$/m);
  assert.deepEqual(results.map(({ code }) => code), [9, 9]);
});

test('All lies together cost no satoshi more than the budget', async () => {
  const user = newUser({ ...wallet, budget_sats: 12 });
  const { paid } = await paidDuring(async () => {
    for (let at = 0; at < 8; at += 1) {
      // Each server has a port of its own, but they share the host.
      const server = await startTollServer((_, response, { isPaid, challenge }) => (isPaid ? undefined : challenge({ body: at % 2 ? {} : { amountSats: 1 } })));
      await user.fetch('--pay-again', `${server.url}/${at}`);
      server.close();
    }
  });
  assert.deepEqual(paid, [5, 5]);
});
