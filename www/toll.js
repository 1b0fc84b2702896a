// A client that pays the challenges of edgetoll and of any other server that speaks L402. It runs in browsers and in Node. toll.d.ts
// documents the API.

/** `fetch` that pays, with the options `wallet` and `maxSats`. All calls share one client and its credentials. */
export const tollFetch = (input, init) => sharedClient.fetch(input, init);

/**
 * A client that pays within its limits and keeps the credentials that it bought. It dispatches events for a user interface:
 * `challenge`, `paying`, `paid`, `refused`, `reused`.
 */
export class TollClient extends EventTarget {
  #options;
  #budget;
  #credentials;
  /** The payments that are not finished yet, by the key of their challenge. */
  #payments = new Map();
  /** The payment hashes of all invoices that a wallet paid or may have paid, so that no invoice is paid twice. */
  #sentToWallet = new Set();

  constructor({ wallet, maxSats = 100, budgetSats = Infinity, budgetSatsPerHost = Infinity, network = 'bc', storage } = {}) {
    super();
    this.#options = { wallet, maxSats, network };
    this.#budget = new Budget(budgetSats, budgetSatsPerHost);
    this.#credentials = new CredentialStore(storage);
  }

  /** The sum of all payments, in satoshis. A payment of unknown outcome counts as paid. */
  get spentSats() {
    return this.#budget.spentSats;
  }

  /**
   * `fetch` that pays, at most once per call, and then repeats the request.
   * @returns the response. A 402 is returned if it has no L402 challenge, if it comes from another origin after a redirect, if its
   * invoice was paid before, if a listener stopped the payment, or if the server refuses the new credential.
   * @throws {TollError} if the client refuses to pay, or the payment fails
   */
  async fetch(input, { wallet = this.#options.wallet ?? globalThis.webln, maxSats = this.#options.maxSats, ...init } = {}) {
    const request = await makeRepeatable(new Request(input, init));
    const call = { request, wallet, maxSats, tried: new Set(), hasPaid: false };
    let credential = this.#take(call, new URL(request.url).origin, (kept) => covers(kept, request));
    for (;;) {
      const response = await this.#send(request, credential);
      const challenge = readChallenge(response, request);
      const isRefused = this.#checkRefusal(request, credential, response, challenge);
      if (call.hasPaid) return response;
      if (isRefused && response.status === 401) credential = undefined;
      else if (!challenge || challenge.invoice === credential?.invoice) return response;
      else credential = await this.#obtain(call, challenge);
      if (challenge && !credential) return response;
      response.body?.cancel().catch(() => {});
    }
  }

  async #send(request, credential) {
    const attempt = request.clone();
    // `fetch` removes the Authorization header when it follows a redirect to another origin.
    if (credential) attempt.headers.append('Authorization', `L402 ${credential.macaroon}:${credential.preimage}`);
    try {
      return await fetch(attempt);
    } catch (error) {
      this.#credentials.giveBack(credential);
      throw error;
    }
  }

  /**
   * Returns whether a response refuses the credential, and if so removes the credential from the store. A 402 with the invoice of the
   * credential does not refuse it: the server does not know yet that the invoice was paid. Also gives back a use that was not consumed.
   */
  #checkRefusal(request, credential, response, challenge) {
    if (!credential) return false;
    const isUsed = response.status < 500 && response.headers.has('X-Toll-Uses-Remaining');
    if (!isUsed) this.#credentials.giveBack(credential);
    const isForged = response.status === 401 && isFrom(response, request) && /\b(L402|LSAT)\b/i.test(response.headers.get('WWW-Authenticate'));
    const isRefused = isForged || (challenge?.key === credential.key && challenge.invoice !== credential.invoice);
    if (isRefused) {
      this.#credentials.drop(credential);
      this.#emit('refused', request, credential, { status: response.status });
    }
    return isRefused;
  }

  /**
   * Returns a credential for a challenge: from the store, or from a new payment. Waits while another call pays for the same challenge.
   * Returns `undefined` if nothing was paid.
   */
  async #obtain(call, challenge) {
    for (;;) {
      const kept = this.#take(call, challenge.origin, ({ key }) => key === challenge.key);
      if (kept) return kept;
      const payment = this.#payments.get(challenge.key);
      if (!payment) return this.#buy(call, challenge);
      await unlessAborted(payment.catch(failureFor(challenge.response)), call.request.signal);
    }
  }

  #take({ request, tried }, origin, fits) {
    // A call sends at most two stored credentials: one chosen by the path, and one by the challenge. Without this limit, a server that
    // refuses every credential would receive all of them.
    const credential = tried.size < 2 && this.#credentials.take(origin, (kept) => !tried.has(kept) && fits(kept));
    if (!credential) return undefined;
    tried.add(credential);
    this.#emit('reused', request, credential);
    return credential;
  }

  /**
   * Pays and returns the new credential; `undefined` if the invoice was paid before or a listener stopped the payment. There is no
   * `await` before the payment is registered, so two calls cannot pay for the same challenge.
   */
  #buy(call, challenge) {
    const { signal } = call.request;
    const bill = { ...challenge, ...this.#check(call, challenge) };
    if (this.#sentToWallet.has(bill.paymentHash)) return undefined;
    const release = this.#budget.reserve(bill);
    if (!this.#emit('challenge', call.request, bill) || signal.aborted) {
      release();
      signal.throwIfAborted();
      return undefined;
    }
    call.hasPaid = true;
    const payment = this.#pay(call, bill, release).finally(() => this.#payments.delete(bill.key));
    this.#payments.set(bill.key, payment);
    return unlessAborted(payment, signal);
  }

  /** Returns the decoded invoice of a challenge. Throws if the invoice must not be paid. */
  #check({ wallet, maxSats }, { response, origin, host, paymentHash, invoice: bolt11 }) {
    const refuse = (code, message) => {
      throw new TollError(code, message, { response });
    };
    if (!isPrivate(origin)) refuse('insecure', `${origin} is not encrypted, so others could read and use the credential. Nothing was paid: use https`);
    if (!globalThis.crypto?.subtle) refuse('insecure', 'This page cannot check a payment (crypto.subtle is missing). Nothing was paid: load the page with https');
    const invoice = readInvoice(bolt11, (why) => refuse('bad_invoice', `The invoice is invalid and was not paid: ${why}`));
    if (invoice.network !== this.#options.network) refuse('bad_invoice', `The invoice is for the network "${invoice.network}", not "${this.#options.network}". It was not paid`);
    if (paymentHash && paymentHash !== invoice.paymentHash) refuse('bad_invoice', 'The macaroon belongs to another invoice. Nothing was paid');
    if (host && host !== new URL(origin).hostname) refuse('bad_invoice', `The macaroon is for the host ${host}. Nothing was paid`);
    if (!(invoice.sats <= maxSats)) refuse('too_expensive', `The price is ${invoice.sats} sats, more than maxSats (${maxSats}) allows. Nothing was paid`);
    if (!wallet?.payInvoice && !wallet?.sendPayment) refuse('no_wallet', `The price is ${invoice.sats} sats, and there is no wallet to pay it. Pass a wallet, or use a browser with WebLN`);
    return invoice;
  }

  /** Pays the invoice, and stores and returns the credential, even if the caller has aborted meanwhile. */
  async #pay(call, bill, release) {
    const result = await this.#payWithWallet(call, bill, release);
    const { response, uses, ...bought } = bill;
    const preimage = String(result?.preimage ?? result).toLowerCase();
    if (!(await isPreimage(preimage, bill.paymentHash))) {
      const message = 'The wallet returned a wrong preimage. The money may be spent: check the wallet before you pay again';
      throw new TollError('wrong_preimage', message, { response, mayBePaid: true });
    }
    // Takes one use for the caller before another call can take it. A caller that has aborted needs no use.
    const credential = { ...bought, preimage, left: call.request.signal.aborted ? uses : uses - 1 };
    this.#credentials.add(credential);
    this.#emit('paid', call.request, bill);
    return credential;
  }

  /**
   * Lets the wallet pay, and returns its result. If the wallet fails after it received the invoice, the price counts as spent, unless
   * the error says that nothing was paid.
   */
  async #payWithWallet({ request, wallet }, bill, release) {
    let isSent = false;
    try {
      if (!wallet.payInvoice) await wallet.enable?.();
      request.signal.throwIfAborted();
      this.#emit('paying', request, bill);
      this.#sentToWallet.add(bill.paymentHash);
      isSent = true;
      return await (wallet.payInvoice ? wallet.payInvoice(bill.invoice) : wallet.sendPayment(bill.invoice));
    } catch (cause) {
      const mayBePaid = isSent && !saysUnpaid(cause);
      if (!mayBePaid) {
        this.#sentToWallet.delete(bill.paymentHash);
        release();
      }
      if (!isSent && request.signal.aborted) throw cause;
      const message = mayBePaid ? 'The wallet failed, and the money may be spent' : 'The wallet did not pay';
      throw new TollError('payment_failed', `${message}: ${cause?.message ?? cause}`, { response: bill.response, cause, mayBePaid });
    }
  }

  /** Dispatches an event. Returns `false` if a listener called `preventDefault`. */
  #emit(type, { url }, { sats, paymentHash }, more) {
    const detail = { url, sats, paymentHash, ...more };
    return this.dispatchEvent(new CustomEvent(type, { detail, cancelable: type === 'challenge' }));
  }
}

/** The error of a `fetch` that returns no response. `response` is the 402 response, if any. `mayBePaid`: the invoice may have been paid. */
export class TollError extends Error {
  name = 'TollError';

  constructor(code, message, { response, cause, mayBePaid = false } = {}) {
    super(message, { cause });
    Object.assign(this, { code, response, mayBePaid });
  }
}

/** The satoshis that were spent per host, and the limits: in total and per host. */
class Budget {
  #limits;
  #spent = new Map();

  constructor(total, perHost) {
    this.#limits = { total, perHost };
  }

  get spentSats() {
    return [...this.#spent.values()].reduce((sum, sats) => sum + sats, 0);
  }

  /** Counts a price as spent. Returns a function that undoes this. Throws if the price exceeds a limit. */
  reserve({ sats, origin, response }) {
    const { hostname } = new URL(origin);
    const spent = () => this.#spent.get(hostname) ?? 0;
    const isWithin = this.spentSats + sats <= this.#limits.total && spent() + sats <= this.#limits.perHost;
    if (!isWithin) throw new TollError('over_budget', `The price is ${sats} sats, more than the budget has left. Nothing was paid`, { response });
    this.#spent.set(hostname, spent() + sats);
    return () => this.#spent.set(hostname, spent() - sats);
  }
}

/** The credentials of each origin, in memory and, if there is one, in the storage. */
class CredentialStore {
  #kept = new Map();
  #storage;

  constructor(storage) {
    this.#storage = storage;
  }

  /** Returns a credential that fits, and takes one of its uses; `undefined` if none fits. Prefers a credential for one path. */
  take(origin, fits) {
    const fitting = this.#of(origin).filter((kept) => kept.left > 0 && fits(kept));
    const credential = fitting.find(({ endpoint }) => endpoint) ?? fitting[0];
    if (credential) this.#set(credential, { left: credential.left - 1 });
    return credential;
  }

  giveBack(credential) {
    if (credential) this.#set(credential, { left: credential.left + 1 });
  }

  add(credential) {
    this.#save(credential.origin, [credential, ...this.#of(credential.origin)]);
  }

  drop(credential) {
    this.#save(credential.origin, this.#of(credential.origin).filter((kept) => kept !== credential));
  }

  #set(credential, change) {
    Object.assign(credential, change);
    this.#save(credential.origin, this.#of(credential.origin));
  }

  #of(origin) {
    if (!this.#kept.has(origin)) this.#kept.set(origin, this.#load(origin));
    return this.#kept.get(origin);
  }

  #load(origin) {
    try {
      const kept = JSON.parse(this.#storage?.getItem(PREFIX + origin) ?? '[]');
      // JSON has no Infinity: unlimited uses are stored as null.
      return kept.map((credential) => ({ ...credential, origin, left: credential.left ?? Infinity }));
    } catch {
      return [];
    }
  }

  /** Saves to memory, then to the storage, whose failure is ignored. Removes credentials a day after their expiry, as clocks differ. */
  #save(origin, credentials) {
    const kept = credentials.filter(({ until }) => !(until + DAY_S < Date.now() / 1000));
    this.#kept.set(origin, kept);
    try {
      if (kept.length) this.#storage?.setItem(PREFIX + origin, JSON.stringify(kept));
      else this.#storage?.removeItem(PREFIX + origin);
    } catch {}
  }
}

const sharedClient = new TollClient();
const PREFIX = 'toll.js ';
const DAY_S = 86400;

/** Returns the request with its body in memory, so that it can be sent again after a payment. */
async function makeRepeatable(request) {
  if (['GET', 'HEAD'].includes(request.method)) return request;
  const { referrer, referrerPolicy } = request;
  const body = await request.blob().catch((cause) => {
    request.signal.throwIfAborted();
    throw new TollError('unrepeatable_body', 'The request body cannot be read, so it could not be repeated after a payment. Nothing was sent', { cause });
  });
  return request.bodyUsed ? new Request(request, { body, referrer, referrerPolicy }) : request;
}

const covers = ({ endpoint, method }, request) =>
  (!endpoint || endpoint === new URL(request.url).pathname) &&
  (!method || method === request.method || (method === 'GET' && request.method === 'HEAD'));

/**
 * Whether a response comes from the origin of the request, and not from another origin after a redirect. A response without a URL was
 * made by a service worker of the page.
 */
const isFrom = ({ url }, request) => !url || new URL(url).origin === new URL(request.url).origin;

/** Returns macaroon, invoice and limits of a challenge; `undefined` if the response has no challenge or is from another origin. */
function readChallenge(response, request) {
  if (response.status !== 402 || !isFrom(response, request)) return undefined;
  const { origin, pathname } = new URL(request.url);
  const { macaroon, invoice } = readHeader(response.headers.get('WWW-Authenticate') ?? '') ?? {};
  if (!invoice) return undefined;
  // A macaroon that cannot be parsed is assumed to be valid only for this path and method.
  const limits = readMacaroon(macaroon) ?? { endpoint: pathname, method: request.method, uses: Infinity };
  const { realm, services, endpoint, method } = limits;
  return { ...limits, response, origin, macaroon, invoice, key: JSON.stringify([origin, realm, services, endpoint, method]) };
}

/** Returns the first L402 or LSAT challenge with macaroon and invoice in a `WWW-Authenticate` header (RFC 9110), or `undefined`. */
function readHeader(header) {
  if (header.length > 8192) return undefined;
  let challenge;
  for (const [, name, quoted, token, scheme] of header.matchAll(PARAMETER_OR_SCHEME)) {
    if (scheme) challenge = /^(l402|lsat)$/i.test(scheme) ? {} : undefined;
    else if (challenge) challenge[name.toLowerCase()] ??= quoted ?? token;
    if (challenge?.invoice && /^[\w+/-]+=*$/.test(challenge.macaroon ?? '')) return challenge;
  }
  return undefined;
}

const PARAMETER_OR_SCHEME = /[\s,]*(?:([^\s,="]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))|([^\s,="]+))/gy;

/** Returns the limits that a standard macaroon names (libmacaroons' binary v2, in base64); `undefined` for anything else. */
function readMacaroon(base64) {
  try {
    const bytes = Uint8Array.from(atob(base64.replace(/-/g, '+').replace(/_/g, '/')), (char) => char.charCodeAt(0));
    if (bytes[0] !== 2) return undefined;
    const [identifier, ...caveats] = readFields(bytes);
    const named = new Map(caveats.map((bytes) => new TextDecoder().decode(bytes).split(/\s*=\s*(.*)/s, 2)).reverse());
    const dates = [...named].filter(([name]) => name.endsWith('_valid_until')).map(([, date]) => Number(date));
    return {
      ...Object.fromEntries(['realm', 'services', 'endpoint', 'host'].map((name) => [name, named.get(name)])),
      method: named.get('method')?.toUpperCase(),
      uses: Number(named.get('uses') ?? Infinity),
      until: dates.length ? Math.min(...dates) : undefined,
      // L402's identifier: two bytes of version, the payment hash, and a token ID of 32 bytes.
      paymentHash: identifier.length === 66 && !identifier[0] && !identifier[1] ? toHex(identifier.subarray(2, 34)) : undefined,
    };
  } catch {
    return undefined;
  }
}

/** Returns a macaroon's fields of type 2: the identifier, then the caveats. A field is a type, a length (LEB128) and its bytes. */
function readFields(bytes) {
  const contents = [];
  for (let at = 1; at < bytes.length; ) {
    const type = bytes[at++];
    if (type === END_OF_SECTION) continue;
    let length = 0;
    for (let [shift, byte] = [1, 128]; byte & 128; shift *= 128) {
      byte = bytes[at++];
      length += (byte & 127) * shift;
    }
    if (type === 2) contents.push(bytes.subarray(at, at + length));
    at += length;
    if (!(at <= bytes.length)) throw new RangeError('The macaroon is truncated');
  }
  return contents;
}

const END_OF_SECTION = 0;

/** Returns network, amount and payment hash of an invoice (BOLT 11). The signature is not checked: the wallet does that. */
function readInvoice(text, refuse) {
  const lowerCase = text === text.toUpperCase() ? text.toLowerCase() : text;
  const [, prefix, data] = lowerCase.match(/^(ln[a-z\d]+)1([qpzry9x8gf2tvdw0s3jn54khce6mua7l]{117,4096})$/) ?? refuse('it is not a BOLT 11 invoice');
  const groups = [...data].map((letter) => LETTERS.indexOf(letter));
  if (!checksumHolds(prefix, groups)) refuse('its checksum is wrong');
  const [, network, digits, unit] = prefix.match(/^ln([a-z]+)(?:([1-9]\d*)([munp]?))?$/) ?? refuse('its amount cannot be read');
  if (!digits) refuse('it has no amount');
  const pico = BigInt(digits) * PICO_BITCOIN[unit];
  if (pico % PICO_SAT) refuse('its amount is not a whole number of sats');
  return { network, sats: Number(pico / PICO_SAT), paymentHash: readPaymentHash(groups.slice(7, -110), refuse) };
}

/**
 * Returns the payment hash in the fields of an invoice. Refuses an invoice without a payment hash, and one with two different payment
 * hashes. A field is a type, a length in two groups, and its groups of five bits.
 */
function readPaymentHash(fields, refuse) {
  const hashes = new Set();
  while (fields.length) {
    const [type, high, low, ...rest] = fields;
    const length = high * 32 + low;
    if (!(length <= rest.length)) refuse('it is truncated');
    // 52 groups are 260 bits: 256 of the hash and four of padding.
    if (type === 1 && length === 52) hashes.add(rest.slice(0, 52).reduce((sum, group) => sum * 32n + BigInt(group), 0n) >> 4n);
    fields = rest.slice(length);
  }
  if (hashes.size !== 1) refuse('it does not have exactly one payment hash');
  return [...hashes][0].toString(16).padStart(64, '0');
}

/** Whether the Bech32 checksum (BIP 173) is correct. */
function checksumHolds(prefix, groups) {
  const codes = [...prefix].map((letter) => letter.charCodeAt(0));
  const residue = [...codes.map((code) => code >> 5), 0, ...codes.map((code) => code & 31), ...groups].reduce((sum, value) => {
    const shifted = ((sum & 0x1ffffff) << 5) ^ value;
    return GENERATOR.reduce((all, one, bit) => ((sum >>> (25 + bit)) & 1 ? all ^ one : all), shifted);
  }, 1);
  return residue === 1;
}

const LETTERS = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
const PICO_BITCOIN = { '': 10n ** 12n, m: 10n ** 9n, u: 10n ** 6n, n: 1000n, p: 1n };
const PICO_SAT = 10_000n;

async function isPreimage(preimage, paymentHash) {
  if (!/^[\da-f]{64}$/.test(preimage)) return false;
  const bytes = Uint8Array.from(preimage.match(/../g), (pair) => parseInt(pair, 16));
  return toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))) === paymentHash;
}

const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

/** Whether the connection is private: https, or this machine. */
function isPrivate(origin) {
  const { protocol, hostname } = new URL(origin);
  return protocol === 'https:' || /^(.+\.)?localhost$|^127\.[\d.]+$|^\[::1\]$/.test(hostname);
}

/** Whether a wallet's error says that nothing was paid: its `paid` is `false`, or it is WebLN's error for a user who declines. */
const saysUnpaid = (error) =>
  error?.paid === false || error?.message === 'User rejected' || [error?.name, error?.constructor?.name].includes('RejectionError');

/**
 * Returns an error handler for a call that waits for the payment of another call. A `TollError` is thrown again with `response`, the
 * 402 response of the waiting call. Any other error means that the other call was aborted before its wallet received the invoice. Such
 * an error is ignored, so that the waiting call pays.
 */
const failureFor = (response) => (error) => {
  if (error instanceof TollError) throw new TollError(error.code, error.message, { ...error, cause: error.cause, response });
};

/** Returns a promise that settles like `promise`, but rejects when the signal aborts. The work of `promise` continues. */
function unlessAborted(promise, signal) {
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason);
    signal.addEventListener('abort', leave);
    if (signal.aborted) leave();
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });
}
