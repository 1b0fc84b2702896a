// An agent pays through `edgetoll mcp`. The client of the agent is the official one for Python.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { root } from '../../tools/lib/run.mjs';
import { newUser, paidDuring } from './support/command.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { lnbits, run, startPaywall } from './support/paywall.mjs';

const toll = { routes: [{ path: '/joke', sats: 5 }, { path: '/echo', sats: 4, methods: ['POST'] }, { path: '/dear', sats: 60 }, { path: '/too-dear', sats: 500 }] };
const wallet = { lnbits_url: lnbits.url, lnbits_admin_key: lnbits.payer.adminKey };
let origin, paywall;
before(async () => {
  origin = await startRecordingOrigin({ '/joke': (_, response) => response.end('a joke'), '/dear': (_, response) => response.end('gold') });
  paywall = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url } });
});
after(() => origin.close());

const url = (path) => paywall.url + path;

/** Lets the agent of a user call tools. */
async function agent(user, answer, ...calls) {
  const args = [join(root, 'tests/peers/mcp_agent.py'), join(run.dir, 'edgetoll'), answer, JSON.stringify(calls)];
  const env = { PATH: process.env.PATH, HOME: user.home, EDGETOLL_CONFIG: user.config };
  const { stdout } = await promisify(execFile)(join(root, '.tools/mcp/bin/python'), args, { env });
  return JSON.parse(stdout);
}

test('An agent asks for the price, pays once, and sees its payments and its budget', async () => {
  const user = newUser(wallet);
  const { paid, result } = await paidDuring(() => agent(user, 'none',
    ['price', { url: url('/joke') }],
    ['fetch_paid', { url: url('/joke') }],
    ['fetch_paid', { url: url('/joke') }],
    ['fetch_paid', { url: url('/echo'), method: 'post', body: 'hello' }],
    ['price', { url: url('/joke') }],
    ['budget', {}],
    ['payments', {}],
  ));
  assert.deepEqual(paid.sort(), [4, 5]);
  assert.deepEqual(result.tools, ['budget', 'fetch_paid', 'payments', 'price']);
  const [price, first, second, echo, again, budget, { payments }] = result.results;
  assert.equal(price.amount_sats, 5);
  assert.deepEqual([first.status, first.body, first.payment.amount_sats, first.payment.paid_now], [200, 'a joke', 5, true]);
  assert.deepEqual([second.body, second.payment.paid_now], ['a joke', false]);
  assert.equal(echo.body, 'hello');
  assert.equal(again.amount_sats, 0);
  assert.deepEqual([budget.max_sats, budget.budget_sats, budget.spent_sats_24h], [100, 10_000, 9]);
  assert.deepEqual(payments.map(({ path, amount_sats: sats }) => [path, sats]).sort(), [['/echo', 4], ['/joke', 5]]);
});

test('An agent cannot pay more than the limit of the user', async () => {
  const user = newUser(wallet);
  const { paid, result } = await paidDuring(() => agent(user, 'none',
    ['fetch_paid', { url: url('/too-dear'), max_sats: 1000 }],
    ['fetch_paid', { url: url('/joke'), max_sats: 4 }],
  ));
  assert.deepEqual(paid, []);
  assert.match(result.results[0].error, /the price is 500 sats, more than the limit of 100 sats/);
  assert.match(result.results[1].error, /the price is 5 sats, more than the limit of 4 sats/);
});

test('With confirm_above_sats, a higher price is paid only if the person confirms it', async () => {
  const call = ['fetch_paid', { url: url('/dear') }];
  for (const [answer, expected, asked] of [['yes', [60], 1], ['no', [], 1], ['none', [], 0]]) {
    const user = newUser({ ...wallet, confirm_above_sats: 50 });
    const { paid, result } = await paidDuring(() => agent(user, answer, call));
    assert.deepEqual(paid, expected, answer);
    assert.equal(result.questions.length, asked, answer);
    if (answer === 'yes') assert.equal(result.results[0].body, 'gold');
    else assert.match(result.results[0].error, /needs the confirmation of the user/);
  }
  const { result } = await paidDuring(() => agent(newUser({ ...wallet, confirm_above_sats: 50 }), 'yes', ['fetch_paid', { url: url('/joke') }]));
  assert.deepEqual([result.results[0].body, result.questions], ['a joke', []]);
});
