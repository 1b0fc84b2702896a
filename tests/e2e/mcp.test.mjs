// An agent pays through `edgetoll mcp`. The client of the agent is the official one for Python.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { root } from '../../tools/lib/run.mjs';
import { newUser, paidDuring } from './support/command.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { lnbits, run, startPaywall } from './support/paywall.mjs';
import { startTollServer } from './support/toll_server.mjs';

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
  assert.equal(result.server, 'edgetoll');
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
    ['fetch_paid', { url: url('/joke'), maxSats: 4 }],
  ));
  assert.deepEqual(paid, []);
  assert.match(result.results[0].error, /the price is 500 sats, more than the limit of 100 sats/);
  assert.match(result.results[1].error, /the price is 5 sats, more than the limit of 4 sats/);
  assert.match(result.results[2].error, /unknown field `maxSats`/);
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

test('An agent is told that it has paid if the response breaks off', async (t) => {
  const server = await startTollServer((_, response, { isPaid }) => {
    if (!isPaid) return;
    response.writeHead(200, { 'Content-Length': 100 }).write('half', () => response.destroy());
    response.isHeld = true;
  });
  t.after(server.close);
  const { paid, result } = await paidDuring(() => agent(newUser(wallet), 'none', ['fetch_paid', { url: server.url }]));
  assert.deepEqual(paid, [5]);
  assert.match(result.results[0].error, /5 sats were paid/);
});

test('A URL whose user looks like a host is refused, and the question to the person names the host that is paid', async () => {
  const user = newUser({ ...wallet, confirm_above_sats: 50 });
  const misleading = url('/dear').replace('://', '://api.trusted.example%2Fcheap@');
  const { result } = await paidDuring(() => agent(user, 'no', ['fetch_paid', { url: misleading }], ['fetch_paid', { url: url('/dear') }]));
  assert.match(result.results[0].error, /it has a user/);
  assert.deepEqual(result.questions, [`Pay 60 sats to ${paywall.url}? The request is GET ${url('/dear')}`]);
});

test('An open payment above confirm_above_sats is not made without the person', async (t) => {
  let sats = 60;
  const server = await startTollServer((_, response, { isPaid, challenge }) => (isPaid ? undefined : challenge({ sats, body: { amountSats: sats } })));
  t.after(server.close);
  const user = newUser({ ...wallet, wallet_command: 'exit 1', confirm_above_sats: 50 });
  const { paid, result } = await paidDuring(async () => {
    const failed = await user.start(['fetch', '--wallet', 'command', server.url]).ended;
    assert.equal(failed.code, 9);
    // The payment was begun with the wallet of the agent.
    const name = (await user.command('wallet')).stdout.match(/^wallet +(.*)$/m)[1];
    writeFileSync(user.journal, readFileSync(user.journal, 'utf8').replace(/"wallet":"[^"]*"/, `"wallet":"${name}"`));
    sats = 5;
    return agent(user, 'none', ['fetch_paid', { url: server.url }]);
  });
  assert.deepEqual(paid, [], JSON.stringify(result.results));
});

test('A price that falls from above the limit to above confirm_above_sats is not paid without the person', async (t) => {
  const prices = [500, 60];
  const server = await startTollServer((_, response, { isPaid, challenge }) => {
    const sats = prices.shift() ?? 60;
    return isPaid ? undefined : challenge({ sats, body: { amountSats: sats } });
  });
  t.after(server.close);
  const { paid, result } = await paidDuring(() => agent(newUser({ ...wallet, confirm_above_sats: 50 }), 'none', ['fetch_paid', { url: server.url }]));
  assert.deepEqual(paid, [], JSON.stringify(result.results));
  assert.match(result.results[0].error, /the price is 500 sats, more than the limit of 100 sats/);
});

test('With confirm_above_sats, a request that costs nothing is sent once', async (t) => {
  const server = await startTollServer((_, response) => void response.writeHead(200).end('free'));
  t.after(server.close);
  const { results } = await agent(newUser({ ...wallet, confirm_above_sats: 50 }), 'none', ['fetch_paid', { url: server.url, method: 'POST', body: 'an order' }]);
  assert.deepEqual([results[0].body, server.requests.length], ['free', 1]);
});

test('Calls of an agent at the same time pay once for one path', async (t) => {
  const server = await startTollServer();
  t.after(server.close);
  // As with lncli, a second payment of the same invoice fails while the first is on its way.
  const command = `mkdir "$HOME/paying" || exit 1; sleep 1; exec '${process.execPath}' '${join(root, 'tests/e2e/support/wallet_command.mjs')}'`;
  const settings = { wallet_command: `export LNBITS_URL=${lnbits.url} LNBITS_ADMIN_KEY=${lnbits.payer.adminKey}; ${command}` };
  const call = ['fetch_paid', { url: server.url }];
  const { paid, result } = await paidDuring(() => agent(newUser(settings), 'none', [call, call, call]));
  assert.deepEqual(paid, [5]);
  assert.deepEqual(result.results.map(({ body }) => body), ['content', 'content', 'content'], JSON.stringify(result.results));
});
