import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { attenuate, buy, send } from './support/client.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { settings, startPaywall } from './support/paywall.mjs';

const toll = {
  routes: [
    { path: '/once', sats: 5, uses: 1 },
    { path: '/five', sats: 5, uses: 5, credential_expiry: '2d' },
    { path: '/failing', sats: 5, uses: 2 },
    { path: '/slow', sats: 5, uses: 1 },
    { path: '/hanging', sats: 5, uses: 1 },
    { path: '/plain', sats: 5 },
    { path: '/realm/once', sats: 5, uses: 1, realm: 'club' },
    { path: '/realm/five', sats: 5, uses: 5, realm: 'club' },
  ],
};
let origin, paywall, isFailing, release;
before(async () => {
  origin = await startRecordingOrigin({
    '/failing': (request, response) => response.writeHead(isFailing ? 503 : 200).end(),
    '/slow': (request, response) => isFailing || response.end(),
    '/hanging': async (request, response) => {
      await new Promise((resolve) => (release = resolve));
      response.end();
    },
  });
  paywall = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url } });
});
after(() => origin.close());

const sendCredential = (path, authorization, options = {}) => send(paywall.url, path, { ...options, headers: { authorization, ...options.headers } });
const served = (path) => origin.requests.filter((request) => request.path === path).length;
async function assertSpent(path, authorization) {
  const { status, json, headers } = await sendCredential(path, authorization);
  assert.equal(status, 402);
  assert.equal(json().code, 'spent');
  assert.match(headers['www-authenticate'], /invoice="lnbc/);
}

test('Of 64 concurrent requests with a credential for one use, exactly one reaches the origin', async () => {
  const { standard, lightningToll } = await buy(paywall.url, '/once');
  const answers = await Promise.all(Array.from({ length: 64 }, (_, at) => sendCredential('/once', at % 2 ? standard : lightningToll)));
  const count = (expected) => answers.filter(({ status }) => status === expected).length;
  assert.equal(count(200), 1);
  // A refused request gets 503 if LNbits does not create an invoice for it in time.
  assert.equal(count(200) + count(402) + count(409) + count(503), 64);
  assert.equal(served('/once'), 1);
  await assertSpent('/once', standard);
  await assertSpent('/once', lightningToll);
});

test('Of 64 concurrent requests with a credential for five uses, five reach the origin, and their responses state 4, 3, 2, 1 and 0 remaining uses', async () => {
  const { standard } = await buy(paywall.url, '/five');
  const answers = await Promise.all(Array.from({ length: 64 }, () => sendCredential('/five', standard)));
  const remaining = answers.filter(({ status }) => status === 200).map(({ headers }) => headers['x-toll-uses-remaining']);
  assert.deepEqual(remaining.sort(), ['0', '1', '2', '3', '4']);
  assert.equal(served('/five'), 5);
  await assertSpent('/five', standard);
});

test('HEAD consumes no use, but is refused when no use is left', async () => {
  // Attack A5 (CHANGELOG): with a spent credential, any number of HEAD requests reached the origin.
  const { standard } = await buy(paywall.url, '/five');
  const head = () => sendCredential('/five', standard, { method: 'HEAD' });
  for (let left = 5; left > 0; left -= 1) {
    const { status, headers } = await head();
    assert.deepEqual([status, headers['x-toll-uses-remaining']], [200, String(left)]);
    assert.equal((await sendCredential('/five', standard)).status, 200);
  }
  const reached = served('/five');
  for (let at = 0; at < 5; at += 1) assert.equal((await head()).status, 402);
  assert.equal(served('/five'), reached);
});

test('HEAD consumes no use, and each payment for the same path has its own uses', async () => {
  const [{ standard }, another] = [await buy(paywall.url, '/once'), await buy(paywall.url, '/once')];
  assert.equal((await sendCredential('/once', standard, { method: 'HEAD' })).status, 200);
  assert.equal((await sendCredential('/once', standard, { method: 'HEAD' })).status, 200);
  assert.equal((await sendCredential('/once', standard)).status, 200);
  assert.equal((await sendCredential('/once', another.standard)).status, 200);
  await assertSpent('/once', standard);
});

test('A holder can lower the number of uses with a caveat, but not raise it', async () => {
  const { macaroons, preimage } = await buy(paywall.url, '/five');
  const fewer = `L402 ${attenuate(macaroons.standard, 'uses=2')}:${preimage}`;
  const more = `L402 ${attenuate(macaroons.standard, 'uses=9')}:${preimage}`;
  assert.equal((await sendCredential('/five', fewer)).headers['x-toll-uses-remaining'], '1');
  assert.equal((await sendCredential('/five', more)).headers['x-toll-uses-remaining'], '3');
  await assertSpent('/five', fewer);
  const plain = await buy(paywall.url, '/plain');
  const limited = `L402 ${attenuate(plain.macaroons.standard, 'uses=1')}:${plain.preimage}`;
  assert.equal((await sendCredential('/plain', limited)).status, 200);
  await assertSpent('/plain', limited);
  assert.equal((await sendCredential('/plain', plain.standard)).headers['x-toll-uses-remaining'], undefined);
});

test('A 5xx response of the origin gives the use back, at most three times for each use of the credential', async () => {
  const { standard } = await buy(paywall.url, '/failing');
  isFailing = true;
  for (let at = 0; at < 6; at += 1) {
    const { status, headers } = await sendCredential('/failing', standard);
    assert.equal(status, 503);
    assert.equal(headers['x-toll-uses-remaining'], '2');
  }
  assert.equal((await sendCredential('/failing', standard)).headers['x-toll-uses-remaining'], '1');
  isFailing = false;
  assert.equal((await sendCredential('/failing', standard)).headers['x-toll-uses-remaining'], '0');
  await assertSpent('/failing', standard);
});

test('A timeout of the origin gives the use back', async () => {
  const impatient = await startPaywall({ toll: { ...toll, origin_timeout: '1s' }, vars: { ORIGIN_URL: origin.url } });
  const { standard: authorization } = await buy(impatient.url, '/slow');
  const statusOf = async () => (await send(impatient.url, '/slow', { headers: { authorization } })).status;
  isFailing = true;
  assert.equal(await statusOf(), 504);
  isFailing = false;
  await impatient.server.until(async () => (await statusOf()) === 200, 10);
  assert.equal(await statusOf(), 402);
});

test('If all uses of one payment are spent, the request is served by its next credential with a use left', async () => {
  const settle = async ({ macaroons }) => {
    const body = JSON.stringify({ macaroon: macaroons.standard });
    const paid = await send(paywall.url, '/_toll/settle', { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    return paid.headers['set-cookie'][0].split(';')[0];
  };
  const visit = (headers) => send(paywall.url, '/once', { headers });
  const [first, second, third, fourth] = await Promise.all([1, 2, 3, 4].map(() => buy(paywall.url, '/once')));
  const [oldest, newest] = [await settle(first), await settle(second)];
  assert.equal((await visit({ cookie: oldest })).status, 200);
  // A browser sends the oldest cookie first.
  const both = await visit({ cookie: `${oldest}; ${newest}` });
  assert.equal(both.status, 200);
  const deleted = (cookie) => `${cookie.split('=')[0]}=; Path=/once; Max-Age=0; HttpOnly; Secure; SameSite=Lax`;
  assert.deepEqual(both.headers['set-cookie'], [deleted(oldest)]);
  const spent = await visit({ cookie: `${oldest}; ${newest}` });
  assert.equal(spent.status, 402);
  assert.equal(spent.json().code, 'spent');
  assert.deepEqual(spent.headers['set-cookie'], [deleted(oldest), deleted(newest)]);

  const inHeader = await visit({ authorization: `${first.standard}, ${third.standard}`, cookie: oldest });
  assert.equal(inHeader.status, 200);
  // The payment of a credential without a preimage is looked up.
  const unproven = await visit({ authorization: `L402 ${fourth.macaroons.standard}:`, cookie: oldest });
  assert.equal(unproven.status, 200);
  await assertSpent('/once', `${third.standard}, L402 ${fourth.macaroons.standard}:`);
});

test('A cookie whose uses are spent on one route of a realm is kept for a route that sells more uses', async () => {
  const { macaroons } = await buy(paywall.url, '/realm/five');
  const body = JSON.stringify({ macaroon: macaroons.standard });
  const paid = await send(paywall.url, '/_toll/settle', { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  const cookie = paid.headers['set-cookie'][0].split(';')[0];
  const visit = (path) => send(paywall.url, path, { headers: { cookie } });
  assert.equal((await visit('/realm/once')).status, 200);
  const spent = await visit('/realm/once');
  assert.deepEqual([spent.status, spent.headers['set-cookie']], [402, undefined]);
  assert.equal((await visit('/realm/five')).status, 200);
});

test('While all remaining uses are in flight, the next request gets 409 with Retry-After', async () => {
  const { standard } = await buy(paywall.url, '/hanging');
  const reached = origin.requests.length;
  const first = sendCredential('/hanging', standard);
  await paywall.server.until(() => origin.requests.length > reached, 10);
  const second = await sendCredential('/hanging', standard);
  assert.equal(second.status, 409);
  assert.equal(second.json().code, 'uses_in_flight');
  assert.equal(second.headers['retry-after'], '1');
  release();
  assert.equal((await first).status, 200);
  await paywall.server.until(async () => (await sendCredential('/hanging', standard)).status === 402, 10);
});

test('If uses cannot be counted, a request with a credential for one use gets 503 and is not forwarded', async () => {
  const uncounted = await startPaywall({
    toll,
    vars: { ORIGIN_URL: origin.url },
    config: { durable_objects: { bindings: settings().durable_objects.bindings.filter(({ name }) => name !== 'METER') } },
  });
  const { standard } = await buy(uncounted.url, '/once');
  const reached = origin.requests.length;
  const { status, json } = await send(uncounted.url, '/once', { headers: { authorization: standard } });
  assert.equal(status, 503);
  assert.equal(json().code, 'uses_unavailable');
  assert.equal(origin.requests.length, reached);
});
