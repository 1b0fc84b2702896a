// The steps of docs/rotating.md, each with credentials and open invoices of before.
import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { call } from '../../tools/lib/lnbits.mjs';
import { until } from '../../tools/lib/run.mjs';
import { ADMIN_TOKEN, runCron, sendAsAdmin, stats, statsWhen } from './support/admin.mjs';
import { documentedVerifier, startCallbackReceiver } from './support/callback_receiver.mjs';
import { buy, parseChallenge, send } from './support/client.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { lnbits, pay, run } from './support/paywall.mjs';
import { OBJECTS, startBareWorker } from './support/workerd.mjs';

const newSecret = () => randomBytes(32).toString('hex');
const routes = [{ path: '/a', sats: 5 }, { path: '/uses', sats: 6, uses: 3 }, { path: '/x', sats: 7, protocols: ['x-preimage', 'l402'] }];
let origin;
before(async () => {
  origin = await startRecordingOrigin();
});
after(() => origin.close());

/** Creates a wallet of a new user. `resetKeys` replaces its keys, and returns the new invoice key. */
async function newWallet() {
  const username = `o${randomBytes(8).toString('hex')}`;
  const password = newSecret().slice(0, 32);
  const { access_token } = await call(`${lnbits.url}/api/v1/auth/register`, 'POST', { username, password, password_repeat: password });
  const login = { Authorization: `Bearer ${access_token}` };
  const { id, inkey } = await call(`${lnbits.url}/api/v1/wallet`, 'POST', { name: 'merchant' }, login);
  const resetKeys = async () => (await call(`${lnbits.url}/api/v1/wallet/reset/${id}`, 'PUT', {}, login)).inkey;
  return { url: lnbits.url, key: inkey, resetKeys };
}

/** In bare workerd, nothing runs the cron trigger. */
const entry = `
import * as real from './index.js';
export * from './index.js';
export default {
  async fetch(request, env, context) {
    if (new URL(request.url).pathname !== '/cdn-cgi/handler/scheduled') return real.default.fetch(request, env, context);
    await real.default.scheduled({}, env, context);
    return new Response();
  },
};
`;

/** Returns a function that deploys: it stops the paywall and starts it again with other settings, and with the same storage. */
function deployments(common) {
  const storage = run.folder('objects');
  let current;
  return async (vars, toll = {}) => {
    await current?.server.stop();
    current = await startBareWorker({ toll: { protocols: ['l402', 'x-preimage'], routes, ...toll }, vars: { ORIGIN_URL: origin.url, ADMIN_TOKEN, ...common, ...vars }, storage, objects: { ...OBJECTS, LEDGER: 'Ledger' }, entry });
    return current.url;
  };
}
const slot1 = ({ url, key }) => ({ LNBITS_URL: url, LNBITS_KEY: key });
const slot2 = ({ url, key }) => ({ LNBITS_URL_2: url, LNBITS_KEY_2: key });

const use = async (url, path, authorization) => (await send(url, path, { headers: { authorization } }));
async function assertServed(url, path, authorization, message) {
  const { status, text } = await use(url, path, authorization);
  assert.equal(status, 200, `${message ?? path}: ${text}`);
}
/** Requests an invoice that is not paid yet. */
async function openInvoice(url, path) {
  const unpaid = await send(url, path);
  assert.equal(unpaid.status, 402, unpaid.text);
  return { ...parseChallenge(unpaid.headers['www-authenticate']), lightningToll: unpaid.json().macaroon };
}

test('After the steps for TOLL_SECRET, credentials, uses and open invoices of before are valid until the previous secret is removed', async () => {
  const deploy = deployments(slot1(await newWallet()));
  const [old, fresh] = [newSecret(), newSecret()];
  let url = await deploy({ TOLL_SECRET: old });
  const [sold, counted] = [await buy(url, '/a'), await buy(url, '/uses')];
  await assertServed(url, '/uses', counted.standard);
  const open = await openInvoice(url, '/a');
  const preimage = await pay((await send(url, '/x', { headers: { Accept: 'application/vnd.lightning.bolt11' } })).text);
  const token = { 'content-type': 'application/x-www-form-urlencoded' };
  const session = (await send(url, '/_toll/login', { method: 'POST', headers: token, body: `token=${ADMIN_TOKEN}` })).headers['set-cookie'][0].split(';')[0];

  url = await deploy({ TOLL_SECRET: old, TOLL_SECRET_PREVIOUS: old });
  await assertServed(url, '/a', sold.standard, 'both are equal');
  url = await deploy({ TOLL_SECRET: fresh, TOLL_SECRET_PREVIOUS: old });
  for (const authorization of [sold.standard, sold.lightningToll]) await assertServed(url, '/a', authorization);
  const paid = await pay(open.invoice);
  for (const macaroon of [open.macaroon, open.lightningToll]) {
    await assertServed(url, '/a', `L402 ${macaroon}:${paid}`, 'an invoice that was open');
    await assertServed(url, '/a', `L402 ${macaroon}:`, 'without its preimage');
  }
  const { headers } = await use(url, '/uses', counted.standard);
  assert.equal(headers['x-toll-uses-remaining'], '1', 'the uses of before count');
  assert.equal((await send(url, '/x', { headers: { 'X-Preimage': preimage } })).status, 200, 'the record of an invoice has a MAC');
  assert.equal((await send(url, '/_toll/stats', { headers: { cookie: session } })).status, 200, 'the owner stays logged in');
  const ofNew = await buy(url, '/a');
  await runCron(url);
  const ledger = await statsWhen(url, ({ totalPayments }) => totalPayments === 5);
  assert.equal(ledger.totalRevenue, 5 + 6 + 5 + 7 + 5, 'no payment counts twice');

  url = await deploy({ TOLL_SECRET: fresh });
  await assertServed(url, '/a', ofNew.standard);
  const refused = await use(url, '/a', sold.standard);
  assert.deepEqual([refused.status, refused.json().code], [402, 'unknown_key']);
  assert.equal((await use(url, '/a', sold.lightningToll)).status, 401);
  assert.equal((await send(url, '/_toll/stats', { headers: { cookie: session } })).status, 401);
});

test('A new ADMIN_TOKEN ends all sessions, and the old token gets 401', async () => {
  const deploy = deployments(slot1(await newWallet()));
  const TOLL_SECRET = newSecret();
  let url = await deploy({ TOLL_SECRET });
  const form = { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: `token=${ADMIN_TOKEN}` };
  const session = (await send(url, '/_toll/login', form)).headers['set-cookie'][0].split(';')[0];
  assert.equal((await send(url, '/_toll/stats', { headers: { cookie: session } })).status, 200);
  const fresh = newSecret();
  url = await deploy({ TOLL_SECRET, ADMIN_TOKEN: fresh });
  assert.equal((await send(url, '/_toll/stats', { headers: { cookie: session } })).status, 401);
  assert.equal((await sendAsAdmin(url, 'stats')).status, 401);
  assert.equal((await send(url, '/_toll/stats', { headers: { authorization: `Bearer ${fresh}` } })).status, 200);
});

test('While the origin and the server for callbacks accept two secrets, a change of ORIGIN_TOKEN, ORIGIN_SECRET and ON_PAYMENT_SECRET refuses nothing', async () => {
  const secrets = () => ({ ORIGIN_TOKEN: newSecret(), ORIGIN_SECRET: newSecret(), ON_PAYMENT_SECRET: newSecret() });
  const [old, fresh] = [secrets(), secrets()];
  let accepted = [old];
  const guarded = await startRecordingOrigin({
    '/a': (request, response) => response.writeHead(accepted.some((one) => isOfPaywall(request, one)) ? 200 : 403).end(),
  });
  const [receiver, verify] = [await startCallbackReceiver(), await documentedVerifier()];
  const deploy = deployments({ ...slot1(await newWallet()), TOLL_SECRET: newSecret(), ORIGIN_URL: guarded.url, ON_PAYMENT_URL: receiver.url });
  const sell = async (url, { ON_PAYMENT_SECRET }) => {
    const before = receiver.calls.length;
    const { standard } = await buy(url, '/a');
    const { status } = await use(url, '/a', standard);
    if (status === 200) {
      await until(() => receiver.calls.length > before);
      const { headers, body } = receiver.calls.at(-1);
      assert.ok(verify(ON_PAYMENT_SECRET, headers, body));
    }
    return status;
  };
  let url = await deploy(old);
  assert.equal(await sell(url, old), 200);
  accepted = [old, fresh];
  assert.equal(await sell(url, old), 200);
  url = await deploy(fresh);
  assert.equal(await sell(url, fresh), 200);
  accepted = [fresh];
  assert.equal(await sell(url, fresh), 200);
  accepted = [old];
  assert.equal(await sell(url, fresh), 403, 'the old secrets are no longer used');
  await guarded.close();
  await receiver.close();
});

/** Whether a request has the token and the signature (RFC 9421) of a paywall with these secrets. */
function isOfPaywall({ method, url, headers }, { ORIGIN_TOKEN, ORIGIN_SECRET }) {
  const [, input, list] = headers['signature-input'].match(/^toll=((\(.*?\)).*)$/);
  const values = { '@method': method, '@path': url, '@query': '?', ...headers };
  const lines = list.slice(1, -1).replaceAll('"', '').split(' ').map((name) => `"${name}": ${values[name]}`);
  const hmac = createHmac('sha256', ORIGIN_SECRET).update([...lines, `"@signature-params": ${input}`].join('\n')).digest('base64');
  return headers.signature === `toll=:${hmac}:` && Object.values(headers).includes(ORIGIN_TOKEN);
}

test('While the keys of an LNbits wallet are reset, sold credentials are served; with the new key, open invoices are found and no payment counts twice', async () => {
  const wallet = await newWallet();
  const deploy = deployments({ TOLL_SECRET: newSecret() });
  let url = await deploy(slot1(wallet));
  const sold = await buy(url, '/a');
  await assertServed(url, '/a', sold.standard);
  await runCron(url);
  const open = await openInvoice(url, '/a');

  const key = await wallet.resetKeys();
  assert.notEqual(key, wallet.key);
  await assertServed(url, '/a', sold.standard, 'before the new key is set');
  const { status, json } = await send(url, '/a');
  assert.deepEqual([status, json().code], [503, 'invoice_unavailable']);

  url = await deploy(slot1({ ...wallet, key }));
  const paid = await pay(open.invoice);
  await assertServed(url, '/a', `L402 ${open.macaroon}:`, 'an invoice that was open');
  await assertServed(url, '/a', `L402 ${open.macaroon}:${paid}`);
  await buy(url, '/a');
  for (let minute = 0; minute < 2; minute += 1) await runCron(url);
  await statsWhen(url, ({ totalPayments, totalRevenue }) => totalPayments === 3 && totalRevenue === 15);
});

test('After the steps for a move to another wallet, payments to the old wallet are found and counted, until its credentials have expired', async () => {
  const [oldWallet, newOne] = [await newWallet(), await newWallet()];
  const deploy = deployments({ TOLL_SECRET: newSecret() });
  // Each payment is looked up, as if all invoices had expired.
  const looksUp = { settlement: 'lnbits' };
  let url = await deploy(slot1(oldWallet), looksUp);
  const sold = await buy(url, '/a');
  const open = [await openInvoice(url, '/a'), await openInvoice(url, '/uses')];

  url = await deploy({ ...slot1(oldWallet), ...slot2(newOne) }, { ...looksUp, wallets: 'last' });
  await assertServed(url, '/a', sold.standard, 'a credential that was not used before');
  for (const [at, path] of ['/a', '/uses'].entries()) await assertServed(url, path, `L402 ${open[at].macaroon}:${await pay(open[at].invoice)}`, 'an invoice that was open');
  const ofSlot2 = await buy(url, '/a');
  const unused = await openInvoice(url, '/a');
  const received = async ({ key }) => (await call(`${lnbits.url}/api/v1/payments?limit=100`, 'GET', undefined, { 'X-Api-Key': key })).filter(({ status }) => status === 'success').length;
  assert.deepEqual([await received(oldWallet), await received(newOne)], [3, 1]);
  await assertServed(url, '/a', ofSlot2.standard);
  await runCron(url);
  await statsWhen(url, ({ totalPayments, totalRevenue }) => totalPayments === 4 && totalRevenue === 21);

  // The credentials of the old wallet have expired, and it is removed.
  url = await deploy({ ...slot1(newOne), ...slot2(newOne) }, looksUp);
  await assertServed(url, '/a', `L402 ${unused.macaroon}:${await pay(unused.invoice)}`, 'an invoice of slot 2');
  const ofSlot1 = await buy(url, '/a');
  await assertServed(url, '/a', ofSlot1.standard);
  for (let minute = 0; minute < 2; minute += 1) await runCron(url);
  url = await deploy(slot1(newOne), looksUp);
  await assertServed(url, '/a', ofSlot1.standard);
  await runCron(url);
  const { totalPayments, totalRevenue } = await stats(url);
  assert.deepEqual([totalPayments, totalRevenue], [6, 31], 'a payment that two slots report counts once');
});
