// Tests every LNbits fault that the table in docs/operations.md lists. A proxy in front of a real LNbits injects the faults. The
// expected responses are in the same table.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { root } from '../../tools/lib/run.mjs';
import { buy, parseChallenge, send } from './support/client.mjs';
import { FAULTS, MARKER, startFaultProxy } from './support/fault_proxy.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { lnbits, startPaywall } from './support/paywall.mjs';

/** The rows of the table: fault; response and `Retry-After` without a credential; response and `Retry-After` with a credential. */
const rows = readFileSync(join(root, 'docs/operations.md'), 'utf8')
  .split('| LNbits |')[1]
  .split('\n')
  .slice(2)
  .filter((line, at, all) => all.slice(0, at + 1).every((row) => row.startsWith('|')))
  .map((line) => line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '')));
const parseCell = (cell, retryAfter) => {
  const [, status, code] = cell.match(/^(\d+) `(.*)`$/) ?? [];
  return { status: Number(status), code, retryAfter: retryAfter === '—' ? undefined : retryAfter };
};

/** The reason that the log has for each fault. It proves that the intended fault happened. */
const REASONS = {
  'refuses the connection': 'could not be reached',
  'does not answer': 'did not answer in time',
  'sends its headers too slowly': 'did not answer in time',
  'sends its body too slowly': 'did not answer in time',
  'breaks off in the body': 'could not be reached',
  '429': 'too many requests',
  '429 with `Retry-After: 7`': 'too many requests',
  '401 for the key': 'status 401',
  '403 for the key': 'status 403',
  '404 for the key': 'status 404',
  '500': 'status 500',
  '502': 'status 502',
  '520': 'status 520',
  '520, since its funding source is down': 'funding source',
  'HTML instead of JSON': 'response is not JSON',
  '`status: failed`': 'is not pending',
  'another amount': 'for another amount',
  'another payment hash': 'for another payment hash',
  'an invoice without amount': 'for another amount',
  'an expired invoice': 'expires too soon',
  'an invoice that ends in 30 seconds': 'expires too soon',
  'an invoice for another network': 'for another network',
  'a response of megabytes': 'is too large',
  'a redirect to another host': 'status 307',
};

/** The Worker spends at most 8 s on its requests to LNbits. The remaining 1.5 s are a margin for a busy machine. */
const MAX_MS = 9_500;

let origin, faultProxy, paywall;
before(async () => {
  origin = await startRecordingOrigin();
  faultProxy = await startFaultProxy();
  paywall = await startPaywall({
    toll: { settlement: 'lnbits', routes: [{ path: '/sold', sats: 5 }] },
    vars: { ORIGIN_URL: origin.url, LNBITS_URL: faultProxy.url },
  });
});
after(() => Promise.all([origin.close(), faultProxy.close()]));

/** Clears the fault and waits until the paywall uses LNbits again. */
async function recover(options) {
  await faultProxy.clearFault();
  await paywall.server.until(async () => (await send(paywall.url, '/sold', options)).status < 500, 30);
}

/** Sends a priced request while LNbits fails, and a free request at the same time. Returns the response to the priced request. */
async function sendDuringFault(options) {
  const started = Date.now();
  const freeRequest = send(paywall.url, '/free').then(({ status }) => ({ status, tookMs: Date.now() - started }));
  const [answer, free] = await Promise.all([send(paywall.url, '/sold', options), freeRequest]);
  const tookMs = Date.now() - started;
  assert.ok(tookMs < MAX_MS, `${tookMs} ms`);
  assert.ok(free.status === 200 && free.tookMs < 4_000, `the free request: ${free.status} in ${free.tookMs} ms`);
  const everything = `${JSON.stringify(answer.headers)} ${answer.text} ${paywall.log()}`;
  assert.ok(!everything.includes(MARKER) && !everything.includes(lnbits.merchant.invoiceKey));
  return answer;
}

function assertError({ status, headers, json }, expected) {
  const { code } = json();
  assert.deepEqual({ status, code, retryAfter: headers['retry-after'] }, expected);
  assert.equal(headers['cache-control'], 'no-store');
}

test('The table of LNbits faults in docs/operations.md lists exactly the faults that the fault proxy can inject', () => {
  assert.deepEqual(rows.map(([fault]) => fault).sort(), ['refuses the connection', ...Object.keys(FAULTS)].sort());
});

for (const [fault, unpaid, retryAfter, withCredential, retryAfterWithCredential] of rows) {
  test(`LNbits fault "${fault}": a request without a credential gets ${unpaid}`, async () => {
    await recover();
    const reached = origin.requests.filter(({ path }) => path === '/sold').length;
    const [logLength, reason] = [paywall.log().length, new RegExp(`"code":"invoice_unavailable","detail":"(LNbits|the wallet)[^"]*${REASONS[fault]}`)];
    await faultProxy.injectFault(fault, 'POST');
    const answer = await sendDuringFault();
    assertError(answer, parseCell(unpaid, retryAfter));
    await paywall.server.until(() => reason.test(paywall.log().slice(logLength)), 10);
    assert.equal(origin.requests.filter(({ path }) => path === '/sold').length, reached);
    await recover();
  });

  if (withCredential === '—') continue;
  test(`LNbits fault "${fault}": a credential that needs a settlement check gets ${withCredential} and stays valid`, async () => {
    await recover();
    const { standard: authorization } = await buy(paywall.url, '/sold');
    const options = { headers: { authorization } };
    await faultProxy.injectFault(fault, 'GET');
    assertError(await sendDuringFault(options), parseCell(withCredential, retryAfterWithCredential));
    await recover(options);
    const { status } = await send(paywall.url, '/sold', options);
    assert.equal(status, 200);
  });
}

test('A redirect from LNbits is not followed, so no other host gets the invoice key', () => assert.deepEqual(faultProxy.redirectedRequests, []));

test('An invoice request is retried once after a 502 or a broken connection, but not after a 429, a 404, a 520 or a timeout', async () => {
  for (const [fault, attempts] of [['502', 2], ['breaks off in the body', 2], ['429', 1], ['404 for the key', 1], ['520', 1], ['does not answer', 1]]) {
    await recover();
    await faultProxy.injectFault(fault, 'POST');
    const invoicesBefore = faultProxy.invoiceCount();
    await send(paywall.url, '/sold');
    assert.equal(faultProxy.invoiceCount() - invoicesBefore, attempts, fault);
  }
  await recover();
});

test('After repeated failures the circuit breaker opens: requests fail at once and LNbits is not called', async () => {
  await recover();
  await faultProxy.injectFault('does not answer', 'POST');
  await Promise.all([1, 2, 3].map(() => send(paywall.url, '/sold')));
  const invoicesBefore = faultProxy.invoiceCount();
  const started = Date.now();
  const answers = await Promise.all(Array.from({ length: 20 }, () => send(paywall.url, '/sold')));
  assert.ok(Date.now() - started < 3_000, `${Date.now() - started} ms`);
  for (const answer of answers) {
    assert.equal(answer.json().code, 'invoice_unavailable');
    const seconds = Number(answer.headers['retry-after']);
    assert.ok(seconds >= 1 && seconds <= 5, `${seconds}`);
  }
  assert.equal(faultProxy.invoiceCount(), invoicesBefore);
  await paywall.logged(/"event":"wallet","wallet":"1","detail":"gets no requests for a while: the wallet did not answer in time/);
  await recover();
});

test('Failing lookups of one payment do not delay the settlement check of another payment', async () => {
  await recover();
  const { standard: authorization } = await buy(paywall.url, '/sold');
  const { headers } = await send(paywall.url, '/sold');
  const { macaroon } = parseChallenge(headers['www-authenticate']);
  await faultProxy.injectFault('429', 'GET');
  for (let time = 0; time < 5; time += 1) {
    assert.equal((await send(paywall.url, '/sold', { headers: { authorization: `L402 ${macaroon}:` } })).status, 503);
  }
  await faultProxy.clearFault();
  assert.equal((await send(paywall.url, '/sold', { headers: { authorization } })).status, 200, 'without a wait');
});

test('When LNbits creates an invoice with a shorter expiry than requested, the caveat payable_until has the shorter expiry', async () => {
  await recover();
  await faultProxy.injectFault('an invoice that lasts 100 seconds', 'POST');
  const requestedAt = Math.floor(Date.now() / 1000);
  const { macaroon } = (await send(paywall.url, '/sold')).json();
  const answeredAt = Math.floor(Date.now() / 1000);
  const { caveats } = JSON.parse(Buffer.from(macaroon, 'base64url'));
  const payableUntil = Number(caveats.find((caveat) => caveat.startsWith('payable_until')).split(' = ')[1]);
  assert.ok(payableUntil >= requestedAt + 100 && payableUntil <= answeredAt + 100, `${payableUntil - requestedAt} s`);
  await recover();
});

test('When LNbits creates an invoice with a longer expiry than that of the credential, the credential does not end before it', async () => {
  await recover();
  await faultProxy.injectFault('an invoice that lasts a day', 'POST');
  const requestedAt = Math.floor(Date.now() / 1000);
  const { expiresAt, macaroon } = (await send(paywall.url, '/sold')).json();
  assert.ok(expiresAt >= requestedAt + 86_400, `${expiresAt - requestedAt} s`);
  const { caveats } = JSON.parse(Buffer.from(macaroon, 'base64url'));
  assert.ok(caveats.includes(`expires_at = ${expiresAt}`));
  const page = await send(paywall.url, '/sold', { headers: { accept: 'text/html', 'sec-fetch-mode': 'navigate' } });
  assert.match(page.text, /1 day/);
  await recover();
});
