// Wallets of Nostr Wallet Connect with the LNbits of the test run behind them.
import { RECEIVE_ONLY, startNwcWallet as start } from '../../../tools/lib/nwc.mjs';
import { lnbits, run } from './paywall.mjs';

export { RECEIVE_ONLY, newConnection, startRelay } from '../../../tools/lib/nwc.mjs';

/** Starts a wallet that pays. `error` is the code that it answers to `pay_invoice`. */
export function startNwcWallet(connection, { error = '', ...options } = {}) {
  const wallet = { lnbitsUrl: lnbits.url, adminKey: lnbits.payer.adminKey };
  return start(run, connection, wallet, { ...options, errors: error ? { pay_invoice: error } : {} });
}

/** Starts a wallet that receives payments, and that may not spend. */
export function startReceivingWallet(connection, options = {}) {
  const wallet = { lnbitsUrl: lnbits.url, adminKey: lnbits.merchant.adminKey };
  return start(run, connection, wallet, { methods: RECEIVE_ONLY, ...options });
}
