// A wallet service of Nostr Wallet Connect: Alby's SDK, with an LNbits wallet behind it. The process that starts it passes the options as
// JSON: see `startNwcWallet` in nwc.mjs.
import { NWCWalletService, NWCWalletServiceKeyPair } from '@getalby/sdk';

const options = JSON.parse(process.env.NWC_WALLET);
const { relayUrl, walletSecret, clientKey, lnbitsUrl, adminKey, methods, encryptions, notifies, keepsMetadata, reportsState, errors, holds } = options;
const headers = { 'X-Api-Key': adminKey, 'Content-Type': 'application/json' };
const keys = new NWCWalletServiceKeyPair(walletSecret, clientKey);
const NOTIFICATIONS = [[23196, 'nip04'], [23197, 'nip44_v2']];

const service = new NWCWalletService({ relayUrl });
await service.relay.connect();
// The SDK announces both encryptions and no notification, so the wallet announces itself.
const tags = [...(encryptions ? [['encryption', encryptions]] : []), ...(notifies ? [['notifications', 'payment_received']] : [])];
await publish({ kind: 13194, tags, content: methods.join(' ') });

await service.subscribe(keys, {
  getInfo: allowed('get_info', async () => {
    console.log('edgetoll: said what the connection may do');
    return ok({ alias: 'test', network: 'mainnet', methods, notifications: notifies ? ['payment_received'] : [] });
  }),
  getBalance: allowed('get_balance', async () => ok({ balance: (await lnbits('GET', 'wallet')).balance })),
  payInvoice: allowed('pay_invoice', async ({ invoice }) => {
    const { status, preimage, fee } = await lnbits('POST', 'payments', { out: true, bolt11: invoice });
    console.log(`edgetoll: paid: ${status}`);
    if (holds) await new Promise(() => {});
    return status === 'success' ? ok({ preimage, fees_paid: Math.abs(fee) }) : failed('PAYMENT_FAILED');
  }),
  lookupInvoice: allowed('lookup_invoice', async ({ payment_hash: hash }) => {
    console.log('edgetoll: looked up');
    const { details, paid, preimage } = await lnbits('GET', `payments/${hash}`);
    // LNbits shows the details of a payment only to its own wallet.
    return details ? ok(transaction({ ...details, preimage: paid ? preimage : undefined })) : failed('NOT_FOUND');
  }),
  makeInvoice: allowed('make_invoice', async ({ amount, description, expiry, metadata }) => {
    const extra = keepsMetadata && metadata ? { nwc: metadata } : {};
    const made = await lnbits('POST', 'payments', { out: false, amount: amount / 1000, memo: description, expiry, extra });
    console.log('edgetoll: made an invoice');
    if (notifies) void notifyWhenPaid(made.payment_hash);
    return ok(transaction(made));
  }),
  listTransactions: allowed('list_transactions', async ({ from = 0, until = Infinity, limit = 20, offset = 0, unpaid = false, type }) => {
    console.log('edgetoll: listed');
    const all = await lnbits('GET', 'payments?limit=1000&sortby=time&direction=desc');
    const listed = all.filter(({ status }) => unpaid || status === 'success').map(transaction).filter((one) => one.created_at >= from && one.created_at <= until && (!type || one.type === type));
    return ok({ transactions: listed.slice(offset, offset + limit), total_count: listed.length });
  }),
});
console.log('edgetoll: the wallet is ready');

/** Answers a request for a method that the connection may not use with RESTRICTED, and one that shall fail with its error. */
function allowed(method, handler) {
  return async (request) => {
    if (errors[method]) return failed(errors[method]);
    return methods.includes(method) ? handler(request) : failed('RESTRICTED');
  };
}

/** Converts a payment of LNbits. */
function transaction({ amount, bolt11, fee = 0, status, memo, payment_hash, preimage, created_at, time, updated_at, extra }) {
  const unix = (text) => Math.floor(Date.parse(/[Z+]/.test(text) ? text : `${text}Z`) / 1000);
  const isPaid = status === 'success';
  const created = unix(created_at ?? time);
  // As LNbits' extension NWC Service Provider 1.1.2 does.
  const settled = reportsState ? isPaid && unix(updated_at ?? time) : status !== 'pending' && created;
  return {
    type: amount < 0 ? 'outgoing' : 'incoming',
    state: reportsState ? (isPaid ? 'settled' : status === 'failed' ? 'failed' : 'pending') : undefined,
    invoice: bolt11,
    description: memo,
    payment_hash,
    preimage: isPaid ? preimage : undefined,
    amount: Math.abs(amount),
    fees_paid: Math.abs(fee),
    created_at: created,
    settled_at: settled || undefined,
    metadata: extra?.nwc,
  };
}

async function notifyWhenPaid(hash) {
  for (let tries = 0; tries < 300; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    const { details, paid } = await lnbits('GET', `payments/${hash}`);
    if (!paid) continue;
    const content = JSON.stringify({ notification_type: 'payment_received', notification: transaction(details) });
    for (const [kind, encryption] of NOTIFICATIONS.filter(([, name]) => encryptions.includes(name))) {
      await publish({ kind, tags: [['p', clientKey]], content: await service.encrypt(keys, content, encryption) });
    }
    console.log('edgetoll: notified');
    return;
  }
}

async function publish(event) {
  await service.relay.publish(await service.signEvent({ created_at: Math.floor(Date.now() / 1000), ...event }, walletSecret));
}

async function lnbits(method, path, body) {
  return (await fetch(`${lnbitsUrl}/api/v1/${path}`, { method, headers, body: body && JSON.stringify(body) })).json();
}

function ok(result) {
  return { result, error: undefined };
}

function failed(code) {
  return { result: undefined, error: { code, message: `SECRET-OF-THE-WALLET ${adminKey}` } };
}
