// A Nostr relay, and wallets of Nostr Wallet Connect with an LNbits wallet behind them.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { NWCWalletServiceKeyPair } from '@getalby/sdk';
import { WebSocketServer } from 'ws';
import { root } from './run.mjs';

// These packages are CommonJS.
const require = createRequire(import.meta.url);
const { EventRepository } = require('@nostr-relay/common');
const { NostrRelay } = require('@nostr-relay/core');
const { Validator } = require('@nostr-relay/validator');

/** Starts a relay. `events` are all events that it accepted. */
export async function startRelay({ port = 0 } = {}) {
  const events = [];
  const relay = new NostrRelay(new Memory(), { logLevel: 3, filterResultCacheTtl: 0 });
  relay.register({ beforeHandleEvent: (event) => (events.push(event), { canHandle: true }) });
  const validator = new Validator();
  const server = new WebSocketServer({ host: '127.0.0.1', port });
  server.on('connection', (socket, request) => {
    relay.handleConnection(socket, request.socket.remoteAddress);
    socket.on('message', async (data) => {
      try {
        await relay.handleMessage(socket, await validator.validateIncomingMessage(data));
      } catch (error) {
        socket.send(JSON.stringify(['NOTICE', error.message]));
      }
    });
    socket.on('close', () => relay.handleDisconnect(socket));
  });
  await new Promise((resolve) => server.once('listening', resolve));
  const close = async () => {
    for (const socket of server.clients) socket.terminate();
    await new Promise((resolve) => server.close(resolve));
    await relay.destroy();
  };
  return { url: `ws://127.0.0.1:${server.address().port}`, port: server.address().port, events, close };
}

/** Keeps the newest event of each author and kind. A relay passes the events of NIP-47 on and does not keep them, except the announcement. */
class Memory extends EventRepository {
  #events = new Map();

  isSearchSupported() {
    return false;
  }

  upsert(event) {
    this.#events.set(`${event.pubkey} ${event.kind}`, event);
    return { isDuplicate: false };
  }

  find({ ids, authors, kinds }) {
    const fits = (list, value) => !list || list.includes(value);
    return [...this.#events.values()].filter(({ id, pubkey, kind }) => fits(ids, id) && fits(authors, pubkey) && fits(kinds, kind));
  }

  async destroy() {}
}

/** Creates a connection to a wallet: its secrets, and the address that the user configures. */
export function newConnection(relay) {
  const [walletSecret, secret] = [randomBytes(32), randomBytes(32)].map((bytes) => bytes.toString('hex'));
  const publicKey = (key) => new NWCWalletServiceKeyPair(key, 'no client').walletPubkey;
  const walletKey = publicKey(walletSecret);
  const url = `nostr+walletconnect://${walletKey}?relay=${encodeURIComponent(relay.url)}&secret=${secret}`;
  return { relayUrl: relay.url, walletSecret, walletKey, secret, clientKey: publicKey(secret), url };
}

/**
 * Starts the wallet of a connection, a process of its own.
 * @param {import('./run.mjs').Run} run
 * @param {object} wallet `lnbitsUrl` and `adminKey` of the wallet behind it
 * @param {object} options
 * @param {string[]} [options.methods] what the connection may do
 * @param {string} [options.encryptions] what the wallet announces
 * @param {boolean} [options.notifies] whether the wallet reports incoming payments
 * @param {boolean} [options.keepsMetadata] whether the wallet returns the metadata of an invoice
 * @param {boolean} [options.reportsState] whether the wallet reports the state of a payment. If not, it reports a time of settlement for each
 * payment that is not pending
 * @param {object} [options.errors] for methods: the code of the error that the wallet answers
 * @param {boolean} [options.holds] the wallet pays and does not answer
 */
export async function startNwcWallet(run, connection, wallet, options = {}) {
  const all = { ...DEFAULTS, ...connection, ...wallet, ...options };
  const script = join(root, 'tools/lib/nwc_wallet.mjs');
  const server = run.start('nwc-wallet', process.execPath, [script], { env: { PATH: process.env.PATH, NWC_WALLET: JSON.stringify(all) } });
  const log = () => readFileSync(server.log, 'utf8');
  const logged = (text) => server.until(() => log().includes(text), 20);
  await logged('edgetoll: the wallet is ready');
  return { log, logged, server, stop: () => server.stop() };
}

/** What a connection needs that may only receive. */
export const RECEIVE_ONLY = ['get_info', 'make_invoice', 'lookup_invoice', 'list_transactions'];
const DEFAULTS = {
  methods: [...RECEIVE_ONLY, 'get_balance', 'pay_invoice'],
  encryptions: 'nip04 nip44_v2',
  notifies: false,
  keepsMetadata: true,
  reportsState: true,
  errors: {},
  holds: false,
};
