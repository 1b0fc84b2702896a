// Published clients, unchanged, pay the real Worker with a real LNbits.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { fetch402, fetchWithL402 } from '@getalby/lightning-tools/402';
import axios from 'axios';
import { MemoryTokenStore, setupL402Interceptor } from 'l402';
import { call } from '../../tools/lib/lnbits.mjs';
import { root } from '../../tools/lib/run.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { lnbits, pay, startPaywall } from './support/paywall.mjs';

const toll = {
  routes: [
    { path: '/single/*', sats: 5 },
    { path: '/realm/*', sats: 7, realm: 'realm' },
    { path: '/alby', sats: 5 },
  ],
};

let origin, paywall;
before(async () => {
  origin = await startRecordingOrigin();
  paywall = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url } });
});
after(() => origin.close());

/** Returns the amounts in satoshis that the payer's wallet paid while `action` ran, according to LNbits, and what `action` returned. */
async function paidDuring(action) {
  const payments = async () => {
    const headers = { 'X-Api-Key': lnbits.payer.invoiceKey };
    return (await call(`${lnbits.url}/api/v1/payments?limit=1000`, 'GET', undefined, headers)).filter(({ amount }) => amount < 0);
  };
  const before = new Set((await payments()).map(({ payment_hash: hash }) => hash));
  const result = await action();
  const paid = (await payments()).filter(({ payment_hash: hash }) => !before.has(hash)).map(({ amount }) => -amount / 1000);
  return { paid, result };
}

const wallet = { payInvoice: async ({ invoice }) => ({ preimage: await pay(invoice) }) };
const url = (path) => paywall.url + path;

for (const fetchPaid of [fetch402, fetchWithL402]) {
  test(`@getalby/lightning-tools: ${fetchPaid.name} pays once, and its credential is valid for the next request`, async () => {
    const { paid, result } = await paidDuring(async () => {
      const first = await fetchPaid(url('/alby'), {}, { wallet });
      const { credentials } = first.payment;
      const second = await fetchPaid(url('/alby'), {}, { wallet, credentials });
      return [first.status, second.status];
    });
    assert.deepEqual([paid, result], [[5], [200, 200]]);
  });
}

// R4 (CHANGELOG): these clients then send `undefined` or `null` in place of the preimage, or digits after `0x`.
test('@getalby/lightning-tools and l402 get access after a payment whose wallet returns no preimage, or one with 0x', async () => {
  for (const preimageOf of [() => undefined, () => null, (preimage) => `0x${preimage}`]) {
    const payer = { payInvoice: async ({ invoice }) => ({ preimage: preimageOf(await pay(invoice)) }) };
    for (const fetchPaid of [fetch402, fetchWithL402]) {
      const { paid, result } = await paidDuring(async () => (await fetchPaid(url('/alby'), {}, { wallet: payer })).status);
      assert.deepEqual([paid, result], [[5], 200]);
    }
    const { paid, result } = await paidDuring(async () => {
      const client = axios.create();
      const payInvoice = async (invoice) => ({ success: true, preimage: preimageOf(await pay(invoice)) });
      setupL402Interceptor(client, { payInvoice }, new MemoryTokenStore({ keyMode: 'hostname-path-method' }));
      return (await client.get(url('/single/3'))).status;
    });
    assert.deepEqual([paid, result], [[5], 200]);
  }
});

// I10 (CHANGELOG): these responses have `WWW-Authenticate: L402` without a macaroon, and the client reads that header of every response.
test('@getalby/lightning-tools: fetchWithL402 does not pay for a 401 or for HEAD, and throws', async () => {
  const requests = [{ headers: { Authorization: 'L402 garbage' } }, { method: 'HEAD' }];
  for (const request of requests) {
    const { paid } = await paidDuring(() => assert.rejects(fetchWithL402(url('/alby'), request, { wallet }), /No macaroon or token found/));
    assert.deepEqual(paid, []);
  }
});

test('l402 from npm pays once for a path, and once for a host if it keeps one token per host and the route has a realm', async () => {
  const request = async (keyMode, paths) => {
    const client = axios.create();
    const payInvoice = async (invoice) => ({ success: true, preimage: await pay(invoice) });
    setupL402Interceptor(client, { payInvoice }, new MemoryTokenStore({ keyMode }));
    const answers = [];
    for (const path of paths) answers.push((await client.get(url(path))).status);
    return answers;
  };
  const perPath = await paidDuring(() => request('hostname-path-method', ['/single/1', '/single/1', '/single/2', '/single/1']));
  assert.deepEqual([perPath.paid, perPath.result], [[5, 5], [200, 200, 200, 200]]);
  const perHost = await paidDuring(() => request('hostname-only', ['/realm/1', '/realm/2', '/realm/1']));
  assert.deepEqual([perHost.paid, perHost.result], [[7], [200, 200, 200]]);
});

// I7 (CHANGELOG): l402-requests keeps one credential for the first two segments of a path.
test('l402-requests from PyPI pays again at each change of the path, and once if the route has a realm', async () => {
  const request = async (...paths) => {
    const env = { ...process.env, LNBITS_URL: lnbits.url, LNBITS_KEY: lnbits.payer.adminKey };
    const script = join(root, 'tests/peers/pay_with_l402_requests.py');
    const { stdout } = await promisify(execFile)(join(root, '.tools/l402-requests/bin/python'), [script, ...paths.map(url)], { env });
    return JSON.parse(stdout);
  };
  const single = await paidDuring(() => request('/single/users/1', '/single/users/1', '/single/users/2', '/single/users/1'));
  assert.deepEqual([single.paid, single.result], [[5, 5, 5], [200, 200, 200, 200]]);
  const realm = await paidDuring(() => request('/realm/users/1', '/realm/users/2', '/realm/users/1'));
  assert.deepEqual([realm.paid, realm.result], [[7], [200, 200, 200]]);
});
