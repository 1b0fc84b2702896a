// How often may be asked for an invoice, by one client and by all; counted at LNbits.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { buy, parseChallenge, send } from './support/client.mjs';
import { startFaulty } from './support/faulty.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { settings, startPaywall } from './support/paywall.mjs';
import { startBareWorker } from './support/workerd.mjs';

const routes = [{ path: '/sold', sats: 5 }];
let origin, faulty, vars;
before(async () => {
  origin = await startRecordingOrigin();
  faulty = await startFaulty();
  vars = { ORIGIN_URL: origin.url, LNBITS_URL: faulty.url };
});
after(() => Promise.all([origin.close(), faulty.close()]));

const from = (client, headers = {}) => ({ headers: { 'CF-Connecting-IP': client, ...headers } });
const minute = () => Math.floor(Date.now() / 60_000);

/** Sends so many requests, 20 at a time; gives the answers. */
async function flood(count, ask) {
  const answers = [];
  let next = 0;
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      while (next < count) answers.push(await ask(next++));
    }),
  );
  return answers;
}

function assertTold(answers, code) {
  for (const { status, headers, json } of answers.filter(({ status }) => status !== 402)) {
    assert.equal(status, 429);
    assert.equal(json().code, code);
    const seconds = Number(headers['retry-after']);
    assert.ok(seconds >= 1 && seconds <= 65, headers['retry-after']);
    assert.equal(headers['cache-control'], 'no-store');
  }
}

test('a thousand requests of one client make no more invoices than the platform’s limiter lets through', async () => {
  const { ratelimits } = settings();
  const paywall = await startPaywall({ toll: { routes, challenges_per_minute: 10 }, vars, config: { ratelimits } });
  const [began, before] = [minute(), faulty.invoices()];
  const answers = await flood(1_000, () => send(paywall.url, '/sold', from('192.0.2.1')));
  const touched = minute() - began + 1;
  const made = faulty.invoices() - before;
  assert.ok(made > 0 && made <= ratelimits[0].simple.limit * touched, `${made} in ${touched} minutes`);
  assert.equal(answers.filter(({ status }) => status === 402).length, made);
  assertTold(answers, 'too_many_challenges');
  assert.equal((await send(paywall.url, '/sold', from('192.0.2.2'))).status, 402, 'others are not touched');
  assert.equal((await send(paywall.url, '/free', from('192.0.2.1'))).status, 200);
  await paywall.server.stop();
});

test('without the platform’s limiter each isolate counts', async () => {
  const bare = await startBareWorker({ toll: { routes, challenges_per_minute: 10 }, vars });
  const began = minute();
  const before = faulty.invoices();
  const answers = await flood(1_000, () => send(bare.url, '/sold', from('192.0.2.1')));
  const made = faulty.invoices() - before;
  assert.ok(made > 0 && made <= 10 * (minute() - began + 1), `${made}`);
  assertTold(answers, 'too_many_challenges');
  assert.equal((await send(bare.url, '/sold', from('192.0.2.2'))).status, 402);
  await bare.server.stop();
});

test('clients that nobody knows count as one, and so do the addresses of one IPv6 network', async () => {
  const bare = await startBareWorker({ toll: { routes, challenges_per_minute: 3 }, vars });
  const ask = async (options) => (await send(bare.url, '/sold', options)).status;
  const nobody = [{}, { headers: { 'X-Forwarded-For': '192.0.2.9' } }, from('not an address'), {}, from('')];
  const statuses = [];
  for (const options of nobody) statuses.push(await ask(options));
  assert.deepEqual(statuses, [402, 402, 402, 429, 429]);
  const network = [];
  for (const last of [1, 2, 3, 4]) network.push(await ask(from(`2001:db8:0:1::${last}`)));
  assert.deepEqual(network, [402, 402, 402, 429]);
  assert.equal(await ask(from('2001:db8:0:2::1')), 402);
  await bare.server.stop();
});

test('the networks of one IPv6 /48 together get a quarter of what all clients get', async () => {
  const bare = await startBareWorker({ toll: { routes, challenges_per_minute: 2, invoices_per_minute: 12 }, vars });
  const ask = async (client) => (await send(bare.url, '/sold', from(client))).status;
  const statuses = [];
  for (const network of [1, 2, 3, 4, 5]) statuses.push(await ask(`2001:db8:7:${network}::1`));
  assert.deepEqual(statuses, [402, 402, 402, 429, 429]);
  for (const client of ['2001:db8:8::1', '192.0.2.7', '192.0.2.8', '192.0.2.9', '192.0.2.10']) assert.equal(await ask(client), 402, client);
  await bare.server.stop();
});

test('LNbits is asked about one payment only so often, whoever asks', async () => {
  const bare = await startBareWorker({ toll: { routes, challenges_per_minute: 3 }, vars });
  const unpaid = await send(bare.url, '/sold', from('192.0.2.1'));
  const { macaroon } = parseChallenge(unpaid.headers['www-authenticate']);
  const asked = () => faulty.calls.filter(({ method, url, headers }) => method === 'GET' && url.endsWith(unpaid.json().paymentHash) && headers['x-api-key']).length;
  const answers = await flood(60, (at) => send(bare.url, '/sold', from(`198.51.100.${at % 30}`, { Authorization: `L402 ${macaroon}:` })));
  assert.equal(asked(), 6);
  assertTold(answers, 'too_many_challenges');
  await bare.server.stop();
});

test('all clients together get so many invoices, and LNbits is asked for no more', async () => {
  const paywall = await startPaywall({ toll: { routes, invoices_per_minute: 16 }, vars });
  // The object's first answer may take its time.
  assert.equal((await send(paywall.url, '/sold', from('198.51.100.200'))).status, 402);
  const before = faulty.invoices();
  const answers = await flood(60, (at) => send(paywall.url, '/sold', from(`198.51.100.${at}`)));
  assert.equal(answers.filter(({ status }) => status === 402).length, 15);
  assert.equal(faulty.invoices() - before, 15);
  assertTold(answers, 'too_many_invoices');
  await paywall.server.stop();
});

test('the count of all clients together is the deployment’s: a restart does not begin it anew', async () => {
  const options = { toll: { routes, invoices_per_minute: 2 }, vars };
  const first = await startPaywall(options);
  const began = Date.now();
  for (const last of [1, 2]) assert.equal((await send(first.url, '/sold', from(`192.0.2.${last}`))).status, 402);
  await first.server.stop();
  const second = await startPaywall({ ...options, state: `${first.dir}/state` });
  const answer = await send(second.url, '/sold', from('192.0.2.3'));
  await second.server.stop();
  // Starting may take a minute on a busy machine.
  if (Date.now() - began < 60_000) assert.equal(answer.status, 429);
  assertTold([answer], 'too_many_invoices');
});

test('whoever asks about payments without a proof is held up as well, and loses nothing', async () => {
  const { ratelimits } = settings();
  const paywall = await startPaywall({ toll: { routes }, vars, config: { ratelimits } });
  const began = minute();
  const unpaid = await send(paywall.url, '/sold', from('192.0.2.1'));
  const { macaroon } = parseChallenge(unpaid.headers['www-authenticate']);
  const asked = () => faulty.calls.filter(({ method, url, headers }) => method === 'GET' && url.endsWith(unpaid.json().paymentHash) && headers['x-api-key']).length;
  const answers = await flood(200, () => send(paywall.url, '/sold', from('192.0.2.1', { Authorization: `L402 ${macaroon}:` })));
  assert.ok(asked() > 0 && asked() <= 10 * (minute() - began + 1), `${asked()}`);
  assertTold(answers, 'too_many_challenges');
  const { standard } = await buy(paywall.url, '/sold', from('192.0.2.1'));
  assert.equal((await send(paywall.url, '/sold', from('192.0.2.1', { Authorization: standard }))).status, 200, 'who has paid passes');
  await paywall.server.stop();
});

test('HEAD, OPTIONS, prefetches, garbage credentials and reserved paths never make an invoice', async () => {
  const paywall = await startPaywall({ toll: { routes }, vars });
  const { macaroons, preimage } = await buy(paywall.url, '/sold');
  const before = faulty.invoices();
  const garbage = [
    'L402 x:y', 'L402', 'L402 :', 'LSAT a', `L402 ${macaroons.standard}:zz`, `L402 ${macaroons.standard}:${'1'.repeat(64)}`,
    `L402 AAAA:${preimage}`, `L402 ${macaroons.standard.slice(0, -8)}AAAAAAA=:${preimage}`, `L402 ${'A'.repeat(9000)}:${preimage}`,
    `L402 ${Buffer.from('{"id":"x"}').toString('base64url')}:${preimage}`, 'L402 macaroon="a", invoice="b"',
  ];
  const asked = [
    ...garbage.map((Authorization) => ['/sold', { headers: { Authorization } }, 401]),
    ['/sold', { method: 'HEAD' }, 402],
    ['/sold', { method: 'OPTIONS' }, 402],
    ['/sold', { method: 'OPTIONS', headers: { Origin: 'https://x.test', 'Access-Control-Request-Method': 'GET' } }, 200],
    ['/sold', { headers: { 'Sec-Purpose': 'prefetch;prerender' } }, 402],
    ['/sold', { headers: { Purpose: 'prefetch' } }, 402],
    ['/_toll/', {}, 404],
    ['/_toll/sold', {}, 404],
    ['/_toll/health', {}, 200],
    ['/.well-known/l402', {}, 200],
    ['/SOLD', {}, 400],
    ['/free', {}, 200],
  ];
  for (const [path, options, expected] of asked) {
    const { status, headers } = await send(paywall.url, path, options);
    assert.equal(status, expected, `${path} ${JSON.stringify(options)}`);
    assert.ok(!headers['www-authenticate']?.includes('invoice'));
  }
  assert.equal(faulty.invoices(), before);
  await paywall.server.stop();
});
