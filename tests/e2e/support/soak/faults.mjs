// What fails in the soak test: LNbits, the origin, Workers KV, Durable Objects and the clock.
import { createServer } from 'node:http';
import { pause } from '../../../../tools/lib/run.mjs';

/**
 * What a client may get besides the healthy responses while something fails, by kind of traffic: what docs/errors.md says. `broken` is a
 * response that breaks off.
 */
const WALLET_FAILS = {
  unpaid: ['503 invoice_unavailable'],
  paid: ['503 settlement_unavailable'],
  preimage: ['503 settlement_unavailable', '503 invoice_unavailable'],
  counted: ['503 settlement_unavailable', '503 invoice_unavailable'],
  'free tier': ['503 invoice_unavailable'],
  hostile: ['503 settlement_unavailable', '503 invoice_unavailable'],
};
const ORIGIN_ANSWERS = ['502 origin_unreachable', '504 origin_timeout', '500', 'broken'];
const ORIGIN_FAILS = Object.fromEntries(['free', 'paid', 'counted', 'preimage', 'free tier', 'hostile'].map((kind) => [kind, ORIGIN_ANSWERS]));
const METER_FAILS = { counted: ['503 uses_unavailable'], preimage: ['503 uses_unavailable'] };
/** A wrong clock makes each new invoice look too old or too new, and a jump ends the time limit of a request to the wallet. */
const CLOCK_FAILS = WALLET_FAILS;
/** Nothing that a client sees depends on these. */
const UNSEEN = {};

/**
 * Returns all faults, in the order in which a long run injects them. `isShort` says which of them a short run injects, and `isUnseen` which
 * of them clients do not see.
 */
export function faultsOf({ wallet, restartLnbits, origin, kv, control }) {
  const ofWallet = (name, isShort) => ({ system: 'LNbits', name, isShort, allowed: WALLET_FAILS, begin: () => wallet.injectFault(name), end: () => wallet.clearFault() });
  const ofObject = (Class, allowed) => (name, isShort) => ({ system: Class, name, isShort, allowed, begin: () => control({ [Class]: name }), end: () => control({ [Class]: undefined }) });
  const ofServer = (system, server, allowed) => (name, isShort) => ({ system, name, isShort, allowed, begin: () => server.fail(name), end: () => server.recover() });
  const ofClock = (name, aheadMs, isShort) => ({ system: 'clock', name, isShort, allowed: CLOCK_FAILS, begin: () => control({ aheadMs }), end: () => control({ aheadMs: 0 }) });
  const [ofOrigin, ofKv, ofMeter, ofLimit, ofLedger] = [ofServer('origin', origin, ORIGIN_FAILS), ofServer('KV', kv, UNSEEN), ofObject('Meter', METER_FAILS), ofObject('InvoiceLimit', UNSEEN), ofObject('Ledger', UNSEEN)];
  const faults = [
    ofWallet('500', true), ofOrigin('refuses', true), ofKv('sends garbage', true), ofMeter('loses its responses', true), ofLedger('sends garbage', true), ofClock('20 minutes ahead', 1_200_000, true),
    ofWallet('does not answer'), ofOrigin('delays'), ofKv('delays'), ofMeter('delays'), ofLimit('delays'), ofLedger('delays'),
    ofWallet('refuses the connection'), ofMeter('refuses'), ofKv('refuses'), ofLimit('refuses'), ofLedger('refuses'),
    ofWallet('HTML instead of JSON'), ofOrigin('sends garbage'), ofMeter('sends garbage'), ofLimit('sends garbage'), ofLedger('restarts'),
    ofWallet('breaks off in the body'), ofOrigin('breaks off in the body'), ofKv('breaks off in the body'), ofKv('has other values'), ofLedger('loses its responses'), ofLimit('loses its responses'),
    { system: 'LNbits', name: 'restarts', allowed: WALLET_FAILS, begin: restartLnbits, end: () => {} },
    ofOrigin('responds with 500'), ofMeter('restarts'), ofLimit('restarts'), ofClock('20 minutes behind', -1_200_000),
  ];
  return faults.map((fault) => ({ ...fault, isUnseen: fault.allowed === UNSEEN }));
}

/** Starts a server that can fail. `answer` responds to a request. */
async function startFaultyServer(answer) {
  let fault;
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    if (fault === 'sends garbage') return response.socket.end('\0garbage\r\n\r\n');
    if (fault === 'responds with 500') return response.writeHead(500).end('failed');
    if (fault === 'breaks off in the body') {
      response.writeHead(200, { 'Content-Length': 1_000 });
      return response.write('half', () => response.destroy());
    }
    // The Worker does not wait so long.
    if (fault === 'delays') await pause(2 * ORIGIN_TIMEOUT_MS);
    if (!response.destroyed) answer(request, response, body, fault);
  });
  const listen = (port) => new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  await listen(0);
  const { port } = server.address();
  const stop = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return {
    host: `127.0.0.1:${port}`,
    url: `http://127.0.0.1:${port}`,
    fail: async (name) => (name === 'refuses' ? stop() : (fault = name)),
    recover: async () => {
      fault = undefined;
      if (!server.listening) await listen(port);
    },
    stop,
  };
}
/** How long the Worker waits for the origin: longer than a busy machine needs. */
export const ORIGIN_TIMEOUT_MS = 4_000;

/** Starts an origin that reads paths liberally. `received` gets each request that the origin answers, and whether it has a price. */
export function startOrigin(received) {
  return startFaultyServer((request, response) => {
    const isPriced = /sold|five|few/i.test(unescape(request.url));
    received(request, isPriced);
    response.end(isPriced ? PRICED_CONTENT : 'free content');
  });
}
export const PRICED_CONTENT = 'priced content';

/** Starts a server in the role of Workers KV. */
export function startKv() {
  const values = new Map();
  return startFaultyServer((request, response, body, fault) => {
    const { pathname } = new URL(request.url, 'http://kv');
    if (request.method === 'PUT') values.set(pathname, body);
    const value = fault === 'has other values' ? '\0garbage:9' : values.get(pathname);
    return value === undefined ? response.writeHead(404).end() : response.end(value);
  });
}
