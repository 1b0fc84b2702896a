// A Worker that counts what Cloudflare bills: requests to the origin and to the wallet, operations of Workers KV, requests to Durable
// Objects, and the rows that they read and write. `/counts` returns the counts since the last call as soon as the Worker is idle.

/** The names in the counts, in the order of the table in docs/costs.md. */
export const COUNTED = ['origin', 'wallet', 'kvReads', 'kvWrites', 'objectRequests', 'rowsRead', 'rowsWritten'];

/**
 * Returns the source of the Worker.
 * @param {string} walletUrl the URL of LNbits; all other requests are for the origin
 */
export const countingEntry = (walletUrl) => `
import * as real from './index.js';
const zero = () => Object.fromEntries(${JSON.stringify(COUNTED)}.map((name) => [name, 0]));
let counts = zero(), traffic = zero(), pending = 0;
const sent = globalThis.fetch;
globalThis.fetch = (request, init) => {
  counts[(request.url ?? String(request)).startsWith(${JSON.stringify(walletUrl)}) ? 'wallet' : 'origin'] += 1;
  return sent(request, init);
};
// The counts of requests are written after five seconds. The test does not wait so long.
const wait = scheduler.wait.bind(scheduler);
scheduler.wait = (ms) => wait(ms === 5000 ? 20 : ms);

const stored = new Map();
const TOLL_KV = {
  async get(key) {
    counts.kvReads += 1;
    return stored.get(key) ?? null;
  },
  async put(key, value) {
    counts.kvWrites += 1;
    stored.set(key, value);
  },
};
/** The counts of a request to an object. Those of the traffic, which many requests share, are counted apart. */
let current = counts;
const countOf = (request) => (request.headers.get('Toll-Request') === 'count_requests' ? traffic : counts);
const objects = (namespace) => ({
  getByName: (name) => ({
    fetch(url, init) {
      const request = new Request(url, init);
      countOf(request).objectRequests += 1;
      return namespace.getByName(name).fetch(request);
    },
  }),
});
let env;
export default {
  async fetch(request, bindings, context) {
    env ??= { ...bindings, TOLL_KV, ...Object.fromEntries(['METER', 'FREE_TIER_EXACT', 'INVOICE_LIMIT', 'LEDGER'].map((name) => [name, objects(bindings[name])])) };
    const { pathname } = new URL(request.url);
    if (pathname === '/counts') {
      if (pending > 0) return new Response(null, { status: 503 });
      const result = { counts, traffic };
      [counts, traffic] = [zero(), zero()];
      return Response.json(result);
    }
    if (pathname === '/cron') {
      await real.default.scheduled({}, env, context);
      return new Response();
    }
    const waitUntil = (promise) => {
      pending += 1;
      context.waitUntil(promise.finally(() => (pending -= 1)));
    };
    return real.default.fetch(request, env, { waitUntil });
  },
};

const counted = (Class) => class extends Class {
  constructor(state, env) {
    super({ storage: storageOf(state) }, env);
  }
  async fetch(request) {
    // The rows of a request are read and written before anything is awaited, or in the write that follows.
    current = countOf(request);
    const body = request.method === 'POST' ? await request.text() : null;
    current = countOf(request);
    return super.fetch(body === null ? request : new Request(request, { body }));
  }
};
function storageOf({ storage }) {
  const sql = {
    exec(statement, ...input) {
      const cursor = storage.sql.exec(statement, ...input);
      const rows = cursor.toArray();
      current.rowsRead += cursor.rowsRead;
      current.rowsWritten += cursor.rowsWritten;
      return { toArray: () => rows };
    },
  };
  const kv = {
    get(key) {
      counts.rowsRead += 1;
      return storage.kv.get(key);
    },
    put(key, value) {
      counts.rowsWritten += 1;
      return storage.kv.put(key, value);
    },
  };
  const setAlarm = (atMs) => {
    counts.rowsWritten += 1;
    return storage.setAlarm(atMs);
  };
  const wrapped = { sql, kv, setAlarm };
  return new Proxy(storage, { get: (target, name) => wrapped[name] ?? (typeof target[name] === 'function' ? target[name].bind(target) : target[name]) });
}
export const { NwcConnection } = real;
export const Meter = counted(real.Meter);
export const FreeTierCounter = counted(real.FreeTierCounter);
export const InvoiceLimit = counted(real.InvoiceLimit);
export const Ledger = counted(real.Ledger);
`;
