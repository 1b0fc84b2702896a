// The Worker with a wallet of Nostr Wallet Connect: a real relay, and the wallet service of Alby's SDK in front of LNbits.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { parseChallenge, send } from './support/client.mjs';
import { newConnection, startReceivingWallet, startRelay } from './support/nwc.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { pay, startPaywall } from './support/paywall.mjs';

const toll = { routes: [{ path: '/sold', sats: 5 }, { path: '/uses', sats: 7, uses: 2 }] };
let origin, relay;
before(async () => {
  [origin, relay] = await Promise.all([startRecordingOrigin(), startRelay()]);
});
after(async () => {
  await relay.close();
  origin.close();
});

/** Starts a paywall whose only wallet is a new connection. */
async function startNwcPaywall({ connection = newConnection(relay), wallet: walletOptions = {}, vars = {}, ...options } = {}) {
  const wallet = walletOptions && (await startReceivingWallet(connection, walletOptions));
  const own = { LNBITS_URL: undefined, LNBITS_KEY: undefined, NWC_URL: connection.url, ORIGIN_URL: origin.url };
  const paywall = await startPaywall({ toll, vars: { ...own, ...vars }, ...options });
  const stop = async () => {
    await paywall.server.stop();
    await wallet?.stop();
  };
  return { ...paywall, wallet, connection, stop };
}

async function challenge(url, path = '/sold') {
  const response = await send(url, path);
  assert.equal(response.status, 402, JSON.stringify(response.json()));
  return { ...response.json(), standard: parseChallenge(response.headers['www-authenticate']).macaroon };
}
const buy = async (url, { standard, invoice }, path = '/sold') => {
  const preimage = await pay(invoice);
  return send(url, path, { headers: { Authorization: `L402 ${standard}:${preimage}` } });
};

for (const [name, encryptions] of [['NIP-44', 'nip04 nip44_v2'], ['NIP-04', 'nip04'], ['NIP-04, which is not announced', '']]) {
  test(`A client pays an invoice of the wallet and is served, over ${name}`, async () => {
    const { url, connection, stop } = await startNwcPaywall({ wallet: { encryptions } });
    const bought = await challenge(url);
    assert.equal((await buy(url, bought)).status, 200);
    const counted = await challenge(url, '/uses');
    const preimage = await pay(counted.invoice);
    const use = async () => (await send(url, '/uses', { headers: { Authorization: `L402 ${counted.standard}:${preimage}` } })).status;
    assert.deepEqual([await use(), await use(), await use()], [200, 200, 402]);
    const requests = relay.events.filter(({ kind, pubkey }) => kind === 23194 && pubkey === connection.clientKey);
    const expected = encryptions.includes('nip44') ? 'nip44_v2' : undefined;
    assert.deepEqual([...new Set(requests.map(({ tags }) => tags.find(([tag]) => tag === 'encryption')?.[1]))], [expected]);
    await stop();
  });
}

test('An unpaid invoice gives no access, with and without a preimage', async () => {
  const { url, stop } = await startNwcPaywall();
  const { standard, paymentHash, invoice } = await challenge(url);
  const again = await send(url, '/sold', { headers: { Authorization: `L402 ${standard}:` } });
  assert.deepEqual([again.status, again.json().paymentHash, again.json().invoice], [402, paymentHash, invoice]);
  await stop();
});
