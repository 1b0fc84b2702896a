// The clients of the soak test: each kind sends requests as fast as they are answered, and checks every response.
import { Agent, request as httpRequest } from 'node:http';
import { randomBytes } from 'node:crypto';
import { pause } from '../../../../tools/lib/run.mjs';
import { parseChallenge, tamper } from '../client.mjs';
import { PRICED_CONTENT } from './faults.mjs';

export const USES = 5;
export const FREE_REQUESTS = 5;
export const ROUTES = [
  { path: '/sold', sats: 5, protocols: ['l402', 'x-preimage'] },
  { path: '/five', sats: 7, uses: USES },
  { path: '/few', sats: 3, free_requests: FREE_REQUESTS, free_window: '1d' },
];

/** What a client may get while nothing fails, by kind of traffic: a status, or a status with its code. */
const HEALTHY = {
  free: ['200'],
  unpaid: ['402'],
  paid: ['200'],
  counted: ['200', '402 spent', '409 uses_in_flight'],
  preimage: ['200', '400', '409 uses_in_flight'],
  'free tier': ['200', '402'],
  forged: ['401'],
  hostile: ['200', '400', '401', '402', '404'],
};
/** How many clients of each kind there are. LNbits creates few invoices a second, so few clients request one each time. */
const CLIENTS = { free: 4, unpaid: 1, paid: 8, counted: 2, preimage: 1, 'free tier': 1, forged: 2, hostile: 2, leaving: 1 };
/** The request loops are bounded in number, too. */
const MAX_REQUESTS = 3_000_000;

/**
 * Creates the traffic to a paywall. `pay(invoice)` returns a preimage. `faults` are the faults that were injected so far; the last one is
 * active if `isFailing()`.
 */
export function newTraffic({ url, pay, faults, isFailing }) {
  const activeFault = () => (isFailing() ? faults.at(-1) : undefined);
  const agent = new Agent({ keepAlive: true });
  const { hostname, port } = new URL(url);
  const [counts, wrong, unpaidServed, payments] = [{}, [], [], []];
  let [requests, stopped, running] = [0, false, []];

  /** Sends a request, and notes its outcome. Returns the response. */
  async function send(kind, path, headers = {}) {
    requests += 1;
    const before = faults.length - (activeFault() ? 1 : 0);
    const response = await exchange({ agent, hostname, port, path, headers });
    const during = faults.slice(before);
    const { outcome } = response;
    counts[kind] ??= {};
    counts[kind][outcome] = (counts[kind][outcome] ?? 0) + 1;
    const allowed = [...HEALTHY[kind], ...during.flatMap((fault) => fault.allowed[kind] ?? [])];
    if (!allowed.some((one) => one === outcome || outcome.startsWith(`${one} `))) {
      wrong.push(`${kind} ${path}: ${outcome} while ${nameOf(during)}, after ${nameOf(faults.slice(0, before).slice(-1))}`);
    }
    return response;
  }

  /** Sends a request that nothing was paid for. */
  async function sendUnpaid(kind, path, headers) {
    const response = await send(kind, path, headers);
    if (response.text.includes(PRICED_CONTENT)) unpaidServed.push(`${kind} ${path}`);
    return response;
  }

  /** Buys a credential, as soon as a 402 and the payment succeed. Returns `undefined` if the traffic stops meanwhile. */
  async function buy(kind, path, uses) {
    while (!stopped) {
      const { status, headers } = await sendUnpaid('unpaid', path);
      if (status !== 402) {
        await pause(200);
        continue;
      }
      const { macaroon, invoice } = parseChallenge(headers['www-authenticate']);
      const preimage = await pay(invoice).catch(() => undefined);
      if (!preimage) continue;
      const payment = { kind, path, uses, macaroon, preimage, authorization: `L402 ${macaroon}:${preimage}`, served: 0, mayLoseUses: false };
      payments.push(payment);
      return payment;
    }
  }

  /** Uses a payment once. */
  async function use(payment, headers) {
    const response = await send(payment.kind, payment.path, headers);
    // A response that breaks off had begun.
    if (response.status === 200) payment.served += 1;
    // The count may be lost with the object that keeps it; documented in docs/configuration.md.
    if (response.outcome === '503 uses_unavailable' || activeFault()?.system === 'Meter') payment.mayLoseUses = true;
    payment.isSpent ||= payment.uses !== undefined && (response.outcome === '402 spent' || response.status === 400);
    return response;
  }

  const byCredential = (payment) => use(payment, { authorization: payment.authorization });
  const byPreimage = (payment) => use(payment, { 'X-Preimage': payment.preimage });

  /**
   * Uses up a payment, with several requests at once. After a failure, it waits for the end of the fault: for each use that was bought, at
   * most three uses are returned.
   */
  async function useUp(payment, useOnce, isOver) {
    while (!payment.isSpent && !isOver()) {
      const responses = await Promise.all([1, 2, 3].map(() => useOnce(payment)));
      const hasFailed = responses.some(({ status }) => status === undefined || status >= 500);
      if (hasFailed || responses.every(({ status }) => status === 409)) await pause(500);
      while (hasFailed && activeFault() && !isOver()) await pause(50);
    }
  }

  const clients = {
    free: () => send('free', '/free'),
    unpaid: () => sendUnpaid('unpaid', '/sold'),
    paid: async () => {
      const payment = await buy('paid', '/sold');
      for (let at = 0; payment && at < 500 && !stopped; at += 1) await byCredential(payment);
    },
    counted: async () => {
      const payment = await buy('counted', '/five', USES);
      if (payment) await useUp(payment, byCredential, () => stopped);
    },
    preimage: async () => {
      const payment = await buy('preimage', '/sold', 1);
      if (payment) await useUp(payment, byPreimage, () => stopped);
    },
    'free tier': async () => {
      const headers = { 'CF-Connecting-IP': Array.from(randomBytes(4)).join('.') };
      let served = 0;
      for (let at = 0; at < FREE_REQUESTS + 1; at += 1) served += (await send('free tier', '/few', headers)).status === 200;
      if (served > FREE_REQUESTS) unpaidServed.push(`free tier: ${served} requests`);
      // An isolate admits a thousand new clients a minute to the free tier.
      await pause(150);
    },
    forged: async () => {
      const payment = payments.find(({ path }) => path === '/sold');
      if (!payment) return pause(50);
      const { macaroon, preimage } = payment;
      await sendUnpaid('forged', '/sold', { authorization: `L402 ${tamper(macaroon)}:${preimage}` });
    },
    hostile: async () => {
      for (const [path, headers] of HOSTILE) await sendUnpaid('hostile', path, headers);
    },
    // Pays, and never comes back.
    leaving: async () => {
      await buy('leaving', '/sold');
      await pause(500);
    },
  };

  return {
    counts,
    wrong,
    unpaidServed,
    payments,
    requests: () => requests,
    start: () => {
      const run = async (name) => {
        while (!stopped && requests < MAX_REQUESTS) await clients[name]();
      };
      running = Object.entries(CLIENTS).flatMap(([name, count]) => Array.from({ length: count }, () => run(name)));
    },
    stop: async () => {
      stopped = true;
      await Promise.all(running);
    },
    /**
     * Whether everything works: a free request, an invoice, and a new payment with a look-up, a count and an origin. (The free tier
     * stays closed for a minute after KV has failed.)
     */
    isHealthy: async () => {
      const [free, unpaid] = await Promise.all([send('free', '/free'), send('unpaid', '/five')]);
      if (free.status !== 200 || unpaid.status !== 402) return false;
      const payment = await buy('counted', '/five', USES);
      return payment !== undefined && (await byCredential(payment)).status === 200;
    },
    /** Uses what is left of every payment. */
    useRest: async (seconds) => {
      const deadline = Date.now() + seconds * 1000;
      const left = payments.filter(({ isSpent }) => !isSpent);
      const next = async () => {
        for (let payment; (payment = left.pop()); ) {
          if (payment.uses === undefined) await byCredential({ ...payment, kind: 'paid' });
          else await useUp(payment, payment.kind === 'preimage' ? byPreimage : byCredential, () => Date.now() > deadline || payment.mayLoseUses);
        }
      };
      await Promise.all([1, 2, 3, 4].map(next));
      agent.destroy();
    },
  };
}

function nameOf(faults) {
  return faults.map(({ system, name }) => `${system} ${name}`).join(' and ') || 'nothing fails';
}

/** Requests that try to get priced content without a payment. */
const HOSTILE = [
  ...['/x/../sold', '//sold', '/SOLD', '/sold;x', '/free/..%2fsold', '/%73old', '/sold%00', '/sold/', '/./sold', '/x%2f..%2fsold', '/_toll/nothing', '/_toll/stats'].map((path) => [path]),
  ['/sold', { 'X-Toll-Status': 'paid', 'X-Toll-Payment-Hash': 'ab'.repeat(32), 'X-Toll-Amount-Sats': '5' }],
  ['/free', { 'X-Original-URL': '/sold', 'X-Rewrite-URL': '/sold', 'X-HTTP-Method-Override': 'GET' }],
  ['/sold', { authorization: 'L402 garbage' }],
  ['/sold', { authorization: `L402 ${'A'.repeat(4_000)}:${'0'.repeat(64)}` }],
  ['/sold', { cookie: `toll_0123456789ab=${'A'.repeat(200)}.${'0'.repeat(64)}` }],
  ['/sold', { 'X-Preimage': 'ff'.repeat(32) }],
];

/** Sends a request. Returns status, outcome (the status, with the code of an error), headers and text. A response that breaks off is `broken`. */
function exchange(options) {
  return new Promise((resolve) => {
    let status;
    const broken = () => resolve({ status, outcome: 'broken', headers: {}, text: '' });
    const request = httpRequest(options, (response) => {
      status = response.statusCode;
      let text = '';
      response.setEncoding('utf8').on('data', (part) => (text += part));
      response.on('end', () => {
        const code = status >= 400 && text.startsWith('{') ? text.match(/"code":"(\w+)"/)?.[1] : undefined;
        resolve({ status, outcome: code ? `${status} ${code}` : String(status), headers: response.headers, text });
      });
      response.on('error', broken).on('aborted', broken);
    });
    request.on('error', broken);
    request.end();
  });
}
