// A wallet service of Nostr Wallet Connect: Alby's SDK, with an LNbits wallet behind it. The test that starts it passes the options as JSON.
import { NWCWalletService, NWCWalletServiceKeyPair } from '@getalby/sdk';

const { relayUrl, walletSecret, clientKey, encryptions, error, holds, lnbitsUrl, adminKey } = JSON.parse(process.env.NWC_WALLET);
const headers = { 'X-Api-Key': adminKey, 'Content-Type': 'application/json' };
const methods = ['get_balance', 'lookup_invoice', 'make_invoice', 'pay_invoice'];

const service = new NWCWalletService({ relayUrl });
await service.relay.connect();
// The SDK announces both encryptions, so the wallet announces itself.
const tags = encryptions ? [['encryption', encryptions]] : [];
const info = { kind: 13194, created_at: Math.floor(Date.now() / 1000), tags, content: methods.join(' ') };
await service.relay.publish(await service.signEvent(info, walletSecret));

await service.subscribe(new NWCWalletServiceKeyPair(walletSecret, clientKey), {
  getBalance: async () => ok({ balance: (await lnbits('GET', 'wallet')).body.balance }),
  payInvoice: async ({ invoice }) => {
    if (error) return failed(error);
    const { body } = await lnbits('POST', 'payments', { out: true, bolt11: invoice });
    console.log(`edgetoll: paid: ${body.status}`);
    if (holds) await new Promise(() => {});
    return body.status === 'success' ? ok({ preimage: body.preimage, fees_paid: Math.abs(body.fee) }) : failed('PAYMENT_FAILED');
  },
  lookupInvoice: async ({ payment_hash: hash }) => {
    console.log('edgetoll: looked up');
    const { body } = await lnbits('GET', `payments/${hash}`);
    // LNbits shows the details of a payment only to its own wallet.
    if (!body.details) return failed('NOT_FOUND');
    const { amount, bolt11, fee } = body.details;
    return ok({
      type: amount < 0 ? 'outgoing' : 'incoming',
      state: body.paid ? 'settled' : 'pending',
      invoice: bolt11,
      payment_hash: hash,
      preimage: body.paid ? body.preimage : undefined,
      amount: Math.abs(amount),
      fees_paid: Math.abs(fee),
      created_at: 0,
      settled_at: body.paid ? 1 : undefined,
    });
  },
  makeInvoice: async ({ amount, description }) => {
    const { body } = await lnbits('POST', 'payments', { out: false, amount: amount / 1000, memo: description });
    return ok({ type: 'incoming', state: 'pending', invoice: body.bolt11, payment_hash: body.payment_hash, amount });
  },
});
console.log('edgetoll: the wallet is ready');

async function lnbits(method, path, body) {
  const response = await fetch(`${lnbitsUrl}/api/v1/${path}`, { method, headers, body: body && JSON.stringify(body) });
  return { status: response.status, body: await response.json() };
}

function ok(result) {
  return { result, error: undefined };
}

function failed(code) {
  return { result: undefined, error: { code, message: `SECRET-OF-THE-WALLET ${adminKey}` } };
}
