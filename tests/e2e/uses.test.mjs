import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { attenuate, buy, send } from './support/client.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { startPaywall } from './support/paywall.mjs';

const toll = {
  routes: [
    { path: '/once', sats: 5, uses: 1 },
    { path: '/five', sats: 5, uses: 5, credential_expiry: '2d' },
    { path: '/failing', sats: 5, uses: 2 },
    { path: '/slow', sats: 5, uses: 1 },
    { path: '/hanging', sats: 5, uses: 1 },
    { path: '/plain', sats: 5 },
  ],
};
let origin, paywall, fails, release;
before(async () => {
  origin = await startRecordingOrigin({
    '/failing': (request, response) => response.writeHead(fails ? 503 : 200).end(),
    '/slow': (request, response) => fails || response.end(),
    '/hanging': async (request, response) => {
      await new Promise((resolve) => (release = resolve));
      response.end();
    },
  });
  paywall = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url } });
});
after(() => origin.close());

const show = (path, authorization, options = {}) => send(paywall.url, path, { ...options, headers: { authorization, ...options.headers } });
const served = (path) => origin.requests.filter((request) => request.path === path).length;
async function assertSpent(path, authorization) {
  const { status, json, headers } = await show(path, authorization);
  assert.equal(status, 402);
  assert.equal(json().code, 'spent');
  assert.match(headers['www-authenticate'], /invoice="lnbc/);
}

test('64 requests at once with a credential for one: the origin sees one', async () => {
  const { standard, lightningToll } = await buy(paywall.url, '/once');
  const answers = await Promise.all(Array.from({ length: 64 }, (_, at) => show('/once', at % 2 ? standard : lightningToll)));
  const of = (wanted) => answers.filter(({ status }) => status === wanted).length;
  assert.equal(of(200), 1);
  // So many fresh invoices at once may be more than LNbits makes in time.
  assert.equal(of(200) + of(402) + of(409) + of(503), 64);
  assert.equal(served('/once'), 1);
  await assertSpent('/once', standard);
  await assertSpent('/once', lightningToll);
});

test('64 requests at once with a credential for five: the origin sees five, and what is left is told', async () => {
  const { standard } = await buy(paywall.url, '/five');
  const answers = await Promise.all(Array.from({ length: 64 }, () => show('/five', standard)));
  const left = answers.filter(({ status }) => status === 200).map(({ headers }) => headers['x-toll-uses-remaining']);
  assert.deepEqual(left.sort(), ['0', '1', '2', '3', '4']);
  assert.equal(served('/five'), 5);
  await assertSpent('/five', standard);
});

test('HEAD takes no use, and another payment has uses of its own', async () => {
  const [{ standard }, another] = [await buy(paywall.url, '/once'), await buy(paywall.url, '/once')];
  assert.equal((await show('/once', standard, { method: 'HEAD' })).status, 200);
  assert.equal((await show('/once', standard, { method: 'HEAD' })).status, 200);
  assert.equal((await show('/once', standard)).status, 200);
  assert.equal((await show('/once', another.standard)).status, 200);
  await assertSpent('/once', standard);
});

test('a holder may buy fewer of it, never more', async () => {
  const { macaroons, preimage } = await buy(paywall.url, '/five');
  const fewer = `L402 ${attenuate(macaroons.standard, 'uses=2')}:${preimage}`;
  const more = `L402 ${attenuate(macaroons.standard, 'uses=9')}:${preimage}`;
  assert.equal((await show('/five', fewer)).headers['x-toll-uses-remaining'], '1');
  assert.equal((await show('/five', more)).headers['x-toll-uses-remaining'], '3');
  await assertSpent('/five', fewer);
  const plain = await buy(paywall.url, '/plain');
  const limited = `L402 ${attenuate(plain.macaroons.standard, 'uses=1')}:${plain.preimage}`;
  assert.equal((await show('/plain', limited)).status, 200);
  await assertSpent('/plain', limited);
  assert.equal((await show('/plain', plain.standard)).headers['x-toll-uses-remaining'], undefined);
});

test('what the origin fails at is given back, three times for each use', async () => {
  const { standard } = await buy(paywall.url, '/failing');
  fails = true;
  for (let at = 0; at < 6; at += 1) {
    const { status, headers } = await show('/failing', standard);
    assert.equal(status, 503);
    assert.equal(headers['x-toll-uses-remaining'], '2');
  }
  assert.equal((await show('/failing', standard)).headers['x-toll-uses-remaining'], '1');
  fails = false;
  assert.equal((await show('/failing', standard)).headers['x-toll-uses-remaining'], '0');
  await assertSpent('/failing', standard);
});

test('an origin that is too slow takes nothing', async () => {
  const hasty = await startPaywall({ toll: { ...toll, origin_timeout: '1s' }, vars: { ORIGIN_URL: origin.url } });
  const { standard: authorization } = await buy(hasty.url, '/slow');
  const ask = async () => (await send(hasty.url, '/slow', { headers: { authorization } })).status;
  fails = true;
  assert.equal(await ask(), 504);
  fails = false;
  await hasty.server.until(async () => (await ask()) === 200, 10);
  assert.equal(await ask(), 402);
});

test('while all are on their way the next is told to wait', async () => {
  const { standard } = await buy(paywall.url, '/hanging');
  const reached = origin.requests.length;
  const first = show('/hanging', standard);
  await paywall.server.until(() => origin.requests.length > reached, 10);
  const second = await show('/hanging', standard);
  assert.equal(second.status, 409);
  assert.equal(second.json().code, 'uses_in_flight');
  assert.equal(second.headers['retry-after'], '1');
  release();
  assert.equal((await first).status, 200);
  await paywall.server.until(async () => (await show('/hanging', standard)).status === 402, 10);
});

test('where uses cannot be counted nothing is served', async () => {
  const uncounted = await startPaywall({
    toll,
    vars: { ORIGIN_URL: origin.url },
    config: { durable_objects: undefined, migrations: undefined },
  });
  const { standard } = await buy(uncounted.url, '/once');
  const reached = origin.requests.length;
  const { status, json } = await send(uncounted.url, '/once', { headers: { authorization: standard } });
  assert.equal(status, 503);
  assert.equal(json().code, 'uses_unavailable');
  assert.equal(origin.requests.length, reached);
});
