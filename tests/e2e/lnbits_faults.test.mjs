// Every way in which LNbits can fail, by a server in front of the real one that fails so. What a client is told stands in
// docs/operations.md.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { root } from '../../tools/lib/run.mjs';
import { buy, parseChallenge, send } from './support/client.mjs';
import { FAULTS, MARK, startFaulty } from './support/faulty.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { lnbits, startPaywall } from './support/paywall.mjs';

/** The rows of the table: what LNbits does, and what is told to whom. */
const rows = readFileSync(join(root, 'docs/operations.md'), 'utf8')
  .split('| LNbits |')[1]
  .split('\n')
  .slice(2)
  .filter((line, at, all) => all.slice(0, at + 1).every((one) => one.startsWith('|')))
  .map((line) => line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '')));
const told = (what, retryAfter) => {
  const [, status, code] = what.match(/^(\d+) `(.*)`$/) ?? [];
  return { status: Number(status), code, retryAfter: retryAfter === '—' ? undefined : retryAfter };
};

/** What the log says, so that each fault is the one that was meant. */
const REASONS = {
  'refuses the connection': 'could not be reached',
  'does not answer': 'did not answer in time',
  'sends its headers too slowly': 'did not answer in time',
  'sends its body too slowly': 'did not answer in time',
  'breaks off in the body': 'could not be reached',
  '429': 'status 429',
  '429 with `Retry-After: 7`': 'status 429',
  '401 for the key': 'status 401',
  '403 for the key': 'status 403',
  '404 for the key': 'status 404',
  '500': 'status 500',
  '502': 'status 502',
  '520': 'status 520',
  '520, since its funding source is down': 'funding source',
  'HTML instead of JSON': 'something else than JSON',
  '`status: failed`': 'not waiting for its payment',
  'another amount': 'of another amount',
  'another payment hash': 'of another payment hash',
  'an invoice without amount': 'of another amount',
  'an expired invoice': 'ends too soon',
  'an invoice that ends in 30 seconds': 'ends too soon',
  'an invoice for another network': 'for another network',
  'megabytes of answer': 'more than it can have to say',
  'a redirect to another host': 'status 307',
};

/** The budget of 8 s, and what a busy machine adds. */
const LONGEST_MS = 9_500;

let origin, faulty, paywall;
before(async () => {
  origin = await startRecordingOrigin();
  faulty = await startFaulty();
  paywall = await startPaywall({
    toll: { settlement: 'lnbits', routes: [{ path: '/sold', sats: 5 }] },
    vars: { ORIGIN_URL: origin.url, LNBITS_URL: faulty.url },
  });
});
after(() => Promise.all([origin.close(), faulty.close()]));

/** Until the paywall has seen that LNbits works again. */
async function recovered(options) {
  await faulty.pass();
  await paywall.server.until(async () => (await send(paywall.url, '/sold', options)).status < 500, 30);
}

/** Sends a request while LNbits fails, and one to a free path beside it; gives the answer. */
async function sendMeanwhile(options) {
  const started = Date.now();
  const freely = send(paywall.url, '/free').then(({ status }) => ({ status, tookMs: Date.now() - started }));
  const [answer, free] = await Promise.all([send(paywall.url, '/sold', options), freely]);
  const tookMs = Date.now() - started;
  assert.ok(tookMs < LONGEST_MS, `${tookMs} ms`);
  assert.ok(free.status === 200 && free.tookMs < 4_000, `the free one: ${free.status} in ${free.tookMs} ms`);
  const whole = `${JSON.stringify(answer.headers)} ${answer.text} ${paywall.log()}`;
  assert.ok(!whole.includes(MARK) && !whole.includes(lnbits.merchant.invoiceKey));
  return answer;
}

function assertTold({ status, headers, json }, expected) {
  const { code } = json();
  assert.deepEqual({ status, code, retryAfter: headers['retry-after'] }, expected);
  assert.equal(headers['cache-control'], 'no-store');
}

test('the table has every fault, and every fault its row', () => {
  assert.deepEqual(rows.map(([fault]) => fault).sort(), ['refuses the connection', ...Object.keys(FAULTS)].sort());
});

for (const [fault, unpaid, retryAfter, shown, retryAfterShown] of rows) {
  test(`LNbits ${fault}: ${unpaid} for a new request`, async () => {
    await recovered();
    const reached = origin.requests.filter(({ path }) => path === '/sold').length;
    const [known, logged] = [paywall.log().length, new RegExp(`"code":"invoice_unavailable","detail":"LNbits[^"]*${REASONS[fault]}`)];
    await faulty.fail(fault, 'POST');
    const answer = await sendMeanwhile();
    assertTold(answer, told(unpaid, retryAfter));
    await paywall.server.until(() => logged.test(paywall.log().slice(known)), 10);
    assert.equal(origin.requests.filter(({ path }) => path === '/sold').length, reached);
    await recovered();
  });

  if (shown === '—') continue;
  test(`LNbits ${fault}: ${shown} for a credential that it is asked about, which stays good`, async () => {
    await recovered();
    const { standard: authorization } = await buy(paywall.url, '/sold');
    const options = { headers: { authorization } };
    await faulty.fail(fault, 'GET');
    assertTold(await sendMeanwhile(options), told(shown, retryAfterShown));
    await recovered(options);
    const { status } = await send(paywall.url, '/sold', options);
    assert.equal(status, 200);
  });
}

test('a redirect leads the invoice key nowhere', () => assert.deepEqual(faulty.elsewhere, []));

test('a failing LNbits is asked once more only where it cannot have made an invoice for this client', async () => {
  for (const [fault, tries] of [['502', 2], ['breaks off in the body', 2], ['429', 1], ['404 for the key', 1], ['520', 1], ['does not answer', 1]]) {
    await recovered();
    await faulty.fail(fault, 'POST');
    const before = faulty.invoices();
    await send(paywall.url, '/sold');
    assert.equal(faulty.invoices() - before, tries, fault);
  }
  await recovered();
});

test('an LNbits that fails again and again is left alone: nobody waits, and it is not asked', async () => {
  await recovered();
  await faulty.fail('does not answer', 'POST');
  await Promise.all([1, 2, 3].map(() => send(paywall.url, '/sold')));
  const asked = faulty.invoices();
  const started = Date.now();
  const answers = await Promise.all(Array.from({ length: 20 }, () => send(paywall.url, '/sold')));
  assert.ok(Date.now() - started < 3_000, `${Date.now() - started} ms`);
  for (const answer of answers) {
    assert.equal(answer.json().code, 'invoice_unavailable');
    const seconds = Number(answer.headers['retry-after']);
    assert.ok(seconds >= 1 && seconds <= 5, `${seconds}`);
  }
  assert.equal(faulty.invoices(), asked);
  await paywall.logged(/"event":"wallet","wallet":"1","detail":"is left alone for a while: LNbits did not answer in time/);
  await recovered();
});

test('one payment that LNbits will not be asked about any more keeps nobody else from being let in', async () => {
  await recovered();
  const { standard: authorization } = await buy(paywall.url, '/sold');
  const { headers } = await send(paywall.url, '/sold');
  const { macaroon } = parseChallenge(headers['www-authenticate']);
  await faulty.fail('429', 'GET');
  for (let time = 0; time < 5; time += 1) {
    assert.equal((await send(paywall.url, '/sold', { headers: { authorization: `L402 ${macaroon}:` } })).status, 503);
  }
  await faulty.pass();
  assert.equal((await send(paywall.url, '/sold', { headers: { authorization } })).status, 200, 'at once');
});

test('an invoice that lasts for less than it was asked to makes its preimage count for less', async () => {
  await recovered();
  await faulty.fail('an invoice that lasts 100 seconds', 'POST');
  const asked = Math.floor(Date.now() / 1000);
  const { macaroon } = (await send(paywall.url, '/sold')).json();
  const answered = Math.floor(Date.now() / 1000);
  const { caveats } = JSON.parse(Buffer.from(macaroon, 'base64url'));
  const payableUntil = Number(caveats.find((caveat) => caveat.startsWith('payable_until')).split(' = ')[1]);
  assert.ok(payableUntil >= asked + 100 && payableUntil <= answered + 100, `${payableUntil - asked} s`);
  await recovered();
});
