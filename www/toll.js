// Pays what answers 402: a client for edgetoll, and for any server that speaks L402. It runs in browsers and in Node.

/** Fetches, and pays if it must: `fetch` with `wallet` and `maxSats`. What was bought serves all of the page's calls. */
export const tollFetch = (input, init) => ofThePage.fetch(input, init);

/**
 * Pays within its limits and keeps what it bought. Its events are for a UI: `challenge`, `paying`, `paid`, `refused`, `reused`.
 * What its options mean stands in toll.d.ts.
 */
export class TollClient extends EventTarget {
  #options;
  #budget;
  #shelf;
  #payments = new Map();
  #sentToWallet = new Set();

  constructor({ wallet, maxSats = 100, budgetSats = Infinity, budgetSatsPerHost = Infinity, network = 'bc', storage } = {}) {
    super();
    this.#options = { wallet, maxSats, network };
    this.#budget = new Budget(budgetSats, budgetSatsPerHost);
    this.#shelf = new Shelf(storage);
  }

  /** What its payments came to, with those of which the wallet does not say whether they were made. */
  get spentSats() {
    return this.#budget.spentSats;
  }

  /**
   * `fetch` that pays, at most once in each call, and then sends the request once more.
   * @returns the response: a 402 where nothing can be paid, where it was paid already, or where a listener stopped it
   * @throws {TollError} where it would not pay, or the payment failed
   */
  async fetch(input, { wallet = this.#options.wallet ?? globalThis.webln, maxSats = this.#options.maxSats, ...init } = {}) {
    const request = await repeatable(new Request(input, init));
    const call = { request, wallet, maxSats, tried: new Set(), hasPaid: false };
    let credential = this.#take(call, new URL(request.url).origin, (kept) => covers(kept, request));
    for (;;) {
      const response = await this.#send(request, credential);
      const challenge = readChallenge(response, request);
      const isRefused = this.#judge(request, credential, response, challenge);
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
    // On its way to another origin `fetch` takes this header off again.
    if (credential) attempt.headers.append('Authorization', `L402 ${credential.macaroon}:${credential.preimage}`);
    try {
      return await fetch(attempt);
    } catch (error) {
      this.#shelf.giveBack(credential);
      throw error;
    }
  }

  /** Whether an answer refuses the credential, which is then dropped. One that is shown its own invoice again may yet be good. */
  #judge(request, credential, response, challenge) {
    if (!credential) return false;
    const isUsed = response.status < 500 && response.headers.has('X-Toll-Uses-Remaining');
    if (!isUsed) this.#shelf.giveBack(credential);
    const isForged = response.status === 401 && isFrom(response, request) && /\b(L402|LSAT)\b/i.test(response.headers.get('WWW-Authenticate'));
    const isRefused = isForged || (challenge?.key === credential.key && challenge.invoice !== credential.invoice);
    if (isRefused) {
      this.#shelf.drop(credential);
      this.#tell('refused', request, credential, { status: response.status });
    }
    return isRefused;
  }

  /** A credential that a challenge asks for: kept, or being paid for by another call, or new. */
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
    // One that seems to fit, and the one that the challenge is for: a server that refuses everything is not sent all of them.
    const credential = tried.size < 2 && this.#shelf.take(origin, (kept) => !tried.has(kept) && fits(kept));
    if (!credential) return undefined;
    tried.add(credential);
    this.#tell('reused', request, credential);
    return credential;
  }

  /** Pays; gives nothing where that was stopped. Nothing waits before the payment is begun, so no other call comes between. */
  #buy(call, challenge) {
    const { signal } = call.request;
    const bill = { ...challenge, ...this.#check(call, challenge) };
    if (this.#sentToWallet.has(bill.paymentHash)) return undefined;
    const release = this.#budget.reserve(bill);
    if (!this.#tell('challenge', call.request, bill) || signal.aborted) {
      release();
      signal.throwIfAborted();
      return undefined;
    }
    call.hasPaid = true;
    const payment = this.#pay(call, bill, release).finally(() => this.#payments.delete(bill.key));
    this.#payments.set(bill.key, payment);
    return unlessAborted(payment, signal);
  }

  /** The invoice of a challenge, when nothing speaks against paying it. */
  #check({ wallet, maxSats }, { response, origin, host, paymentHash, invoice: bolt11 }) {
    const refuse = (code, message) => {
      throw new TollError(code, message, { response });
    };
    if (!isPrivate(origin)) refuse('insecure', `Whoever listens to ${origin} could use what was paid for`);
    if (!globalThis.crypto?.subtle) refuse('insecure', 'Only a page with https can check what it paid');
    const invoice = readInvoice(bolt11, (why) => refuse('bad_invoice', `The invoice is not paid: ${why}`));
    if (invoice.network !== this.#options.network) refuse('bad_invoice', `The invoice is of another network: ${invoice.network}`);
    if (paymentHash && paymentHash !== invoice.paymentHash) refuse('bad_invoice', 'The macaroon is of another invoice');
    if (host && host !== new URL(origin).hostname) refuse('bad_invoice', `The macaroon is for another host: ${host}`);
    if (!(invoice.sats <= maxSats)) refuse('too_expensive', `It costs ${invoice.sats} sats, and a payment may cost ${maxSats}`);
    if (!wallet?.payInvoice && !wallet?.sendPayment) refuse('no_wallet', `It costs ${invoice.sats} sats, and there is no wallet`);
    return invoice;
  }

  /** Pays, and keeps what that bought even if its caller is gone by then. */
  async #pay(call, bill, release) {
    const answer = await this.#handToWallet(call, bill, release);
    const { response, uses, ...bought } = bill;
    const preimage = String(answer?.preimage ?? answer).toLowerCase();
    if (!(await opens(preimage, bill.paymentHash))) {
      const message = 'The wallet gave no preimage of the invoice: the money may be gone';
      throw new TollError('wrong_preimage', message, { response, mayBePaid: true });
    }
    // The caller's own use is taken before another call can take it.
    const credential = { ...bought, preimage, left: call.request.signal.aborted ? uses : uses - 1 };
    this.#shelf.add(credential);
    this.#tell('paid', call.request, bill);
    return credential;
  }

  /** What the wallet answers. When it fails with the invoice in hand the price stays spent, unless it says that it did not pay. */
  async #handToWallet({ request, wallet }, bill, release) {
    let isSent = false;
    try {
      if (!wallet.payInvoice) await wallet.enable?.();
      request.signal.throwIfAborted();
      this.#tell('paying', request, bill);
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
      const message = mayBePaid ? 'The wallet failed: the money may be gone' : 'The wallet did not pay';
      throw new TollError('payment_failed', `${message}: ${cause?.message ?? cause}`, { response: bill.response, cause, mayBePaid });
    }
  }

  /** Tells listeners; gives whether none of them stopped it. */
  #tell(type, { url }, { sats, paymentHash }, more) {
    const detail = { url, sats, paymentHash, ...more };
    return this.dispatchEvent(new CustomEvent(type, { detail, cancelable: type === 'challenge' }));
  }
}

/** Why nothing was fetched. `response` is the 402, where there was one; `mayBePaid` says that the money may be gone. */
export class TollError extends Error {
  name = 'TollError';

  constructor(code, message, { response, cause, mayBePaid = false } = {}) {
    super(message, { cause });
    Object.assign(this, { code, response, mayBePaid });
  }
}

/** What may be paid: in all, and to one host. */
class Budget {
  #limits;
  #spent = new Map();

  constructor(total, perHost) {
    this.#limits = { total, perHost };
  }

  get spentSats() {
    return [...this.#spent.values()].reduce((sum, sats) => sum + sats, 0);
  }

  /** Takes a price out; gives what puts it back. */
  reserve({ sats, origin, response }) {
    const { hostname } = new URL(origin);
    const spent = () => this.#spent.get(hostname) ?? 0;
    const isWithin = this.spentSats + sats <= this.#limits.total && spent() + sats <= this.#limits.perHost;
    if (!isWithin) throw new TollError('over_budget', `It costs ${sats} sats, more than is left of the budget`, { response });
    this.#spent.set(hostname, spent() + sats);
    return () => this.#spent.set(hostname, spent() - sats);
  }
}

/** The credentials of each origin: in memory, and in the storage if there is one. */
class Shelf {
  #kept = new Map();
  #storage;

  constructor(storage) {
    this.#storage = storage;
  }

  /** A fitting one, with one of its uses; what is for one path goes before what is for all of the host. */
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
      // JSON has no Infinity: it wrote null.
      return kept.map((credential) => ({ ...credential, origin, left: credential.left ?? Infinity }));
    } catch {
      return [];
    }
  }

  /** A storage that is full or forbidden loses nothing that is in memory. What expired is kept for another day: clocks differ. */
  #save(origin, credentials) {
    const kept = credentials.filter(({ until }) => !(until + DAY_S < Date.now() / 1000));
    this.#kept.set(origin, kept);
    try {
      if (kept.length) this.#storage?.setItem(PREFIX + origin, JSON.stringify(kept));
      else this.#storage?.removeItem(PREFIX + origin);
    } catch {}
  }
}

const ofThePage = new TollClient();
const PREFIX = 'toll.js ';
const DAY_S = 86400;

/** The request with its body at hand: whatever is paid for can be sent again. */
async function repeatable(request) {
  if (['GET', 'HEAD'].includes(request.method)) return request;
  const { referrer, referrerPolicy } = request;
  const body = await request.blob().catch((cause) => {
    request.signal.throwIfAborted();
    throw new TollError('unrepeatable_body', 'The body cannot be read, and so not be sent again after a payment', { cause });
  });
  return request.bodyUsed ? new Request(request, { body, referrer, referrerPolicy }) : request;
}

const covers = ({ endpoint, method }, request) =>
  (!endpoint || endpoint === new URL(request.url).pathname) &&
  (!method || method === request.method || (method === 'GET' && request.method === 'HEAD'));

/** Whether an answer is of the origin that was called: a redirect may have led to another one. What a service worker makes has no URL. */
const isFrom = ({ url }, request) => !url || new URL(url).origin === new URL(request.url).origin;

/** What a 402 asks for. */
function readChallenge(response, request) {
  if (response.status !== 402 || !isFrom(response, request)) return undefined;
  const { origin, pathname } = new URL(request.url);
  const { macaroon, invoice } = readHeader(response.headers.get('WWW-Authenticate') ?? '') ?? {};
  if (!invoice) return undefined;
  // What cannot be read is taken to be for this request alone.
  const limits = readMacaroon(macaroon) ?? { endpoint: pathname, method: request.method, uses: Infinity };
  const { realm, services, endpoint, method } = limits;
  return { ...limits, response, origin, macaroon, invoice, key: JSON.stringify([origin, realm, services, endpoint, method]) };
}

/** The first L402 or LSAT challenge of a `WWW-Authenticate` (RFC 9110) that has what it takes. */
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

/** What a standard macaroon (libmacaroons' binary v2, in base64) limits itself to; nothing where it is none. */
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
      // L402's identifier: its version, the payment hash, and 32 bytes more.
      paymentHash: identifier.length === 66 && !identifier[0] && !identifier[1] ? toHex(identifier.subarray(2, 34)) : undefined,
    };
  } catch {
    return undefined;
  }
}

/** The fields of type 2 of a macaroon: its identifier, then its caveats. A field is its type, its length and its bytes. */
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
    if (!(at <= bytes.length)) throw new RangeError('The macaroon is cut');
  }
  return contents;
}

const END_OF_SECTION = 0;

/** The network, price and payment hash of an invoice (BOLT 11). The wallet that pays it checks the signature. */
function readInvoice(text, refuse) {
  const lowerCase = text === text.toUpperCase() ? text.toLowerCase() : text;
  const [, prefix, data] = lowerCase.match(/^(ln[a-z\d]+)1([qpzry9x8gf2tvdw0s3jn54khce6mua7l]{117,4096})$/) ?? refuse('it is none');
  const groups = [...data].map((letter) => LETTERS.indexOf(letter));
  if (!checksumHolds(prefix, groups)) refuse('its checksum does not hold');
  const [, network, digits, unit] = prefix.match(/^ln([a-z]+)(?:([1-9]\d*)([munp]?))?$/) ?? refuse('its amount cannot be read');
  if (!digits) refuse('it has no amount');
  const pico = BigInt(digits) * PICO_BITCOIN[unit];
  if (pico % PICO_SAT) refuse('its amount is no whole number of sats');
  return { network, sats: Number(pico / PICO_SAT), paymentHash: readPaymentHash(groups.slice(7, -110), refuse) };
}

/** The one payment hash among an invoice's fields: each is a type, a length of two groups, and so many groups. */
function readPaymentHash(fields, refuse) {
  const hashes = new Set();
  while (fields.length) {
    const [type, high, low, ...rest] = fields;
    const length = high * 32 + low;
    if (!(length <= rest.length)) refuse('it is cut');
    // The last four bits are padding.
    if (type === 1 && length === 52) hashes.add(rest.slice(0, 52).reduce((sum, group) => sum * 32n + BigInt(group), 0n) >> 4n);
    fields = rest.slice(length);
  }
  if (hashes.size !== 1) refuse('it has not one payment hash');
  return [...hashes][0].toString(16).padStart(64, '0');
}

/** Bech32's checksum (BIP 173). */
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

async function opens(preimage, paymentHash) {
  if (!/^[\da-f]{64}$/.test(preimage)) return false;
  const bytes = Uint8Array.from(preimage.match(/../g), (pair) => parseInt(pair, 16));
  return toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))) === paymentHash;
}

const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

/** Whether nobody can listen: https, or this machine. */
function isPrivate(origin) {
  const { protocol, hostname } = new URL(origin);
  return protocol === 'https:' || /^(.+\.)?localhost$|^127\.[\d.]+$|^\[::1\]$/.test(hostname);
}

/** Whether a wallet's error says that nothing was paid: its `paid` is false, or it is WebLN's for a user who declines. */
const saysUnpaid = (error) =>
  error?.paid === false || error?.message === 'User rejected' || [error?.name, error?.constructor?.name].includes('RejectionError');

/** Hands a failed payment on to another call that waited for it; one that was aborted before the wallet saw it is nobody's. */
const failureFor = (response) => (error) => {
  if (error instanceof TollError) throw new TollError(error.code, error.message, { ...error, cause: error.cause, response });
};

/** What a promise gives, unless the caller leaves first; the promise goes on. */
function unlessAborted(promise, signal) {
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason);
    signal.addEventListener('abort', leave);
    if (signal.aborted) leave();
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });
}
