/** WebLN (`window.webln`), or any object with `payInvoice`. */
export type Wallet = WebLN | InvoicePayer;

export interface WebLN {
  enable?(): Promise<unknown>;
  sendPayment(bolt11: string): Promise<{ preimage: string }>;
}

/**
 * Some libraries have a `payInvoice` that takes an object. Convert it: for `NWCClient` of `@getalby/sdk`, pass
 * `{ payInvoice: (invoice) => client.payInvoice({ invoice }) }`.
 */
export interface InvoicePayer {
  /**
   * Pays the invoice and returns the preimage in hex; white space, `0x` and upper case are allowed. An error says that nothing was paid
   * if its `paid` is `false`, or if it is WebLN's error for a user who declines. After any other error, and after a result without the
   * right preimage, the price counts as spent, and the client sends the credential without a preimage: edgetoll then looks up the
   * payment at its own wallet. While the server does not know the payment or is busy, each call tries this up to five times, for at most
   * half a minute. Other calls for the same content wait for the wallet at most two minutes, and then do the same.
   */
  payInvoice(bolt11: string): Promise<string | { preimage: string }>;
}

export interface TollOptions {
  /** The wallet that pays. Default: `globalThis.webln`. */
  wallet?: Wallet;
  /** The most that one payment may cost, in satoshis. Default: 100. */
  maxSats?: number;
}

export interface TollClientOptions extends TollOptions {
  /** The most that all payments within 24 hours may cost, in satoshis. Default: no limit. */
  budgetSats?: number;
  /** The most that all payments within 24 hours to one host, on all its ports, may cost, in satoshis. Default: 1,000. */
  budgetSatsPerHost?: number;
  /** The network of the invoices that the client pays, as in the prefix of an invoice. Default: `bc` (bitcoin). */
  network?: 'bc' | 'tb' | 'tbs' | 'bcrt';
  /**
   * Keeps credentials and the payments that count for the budgets across reloads. Clients in several tabs can share one storage. In
   * browsers without `navigator.locks` (Safari before 15.4, Firefox before 96), two tabs that start to pay for the same content within
   * some milliseconds both pay. Code that can read the storage can use the credentials. What the storage does not return after it was
   * set, as with a full or an asynchronous storage, is kept in memory. Default: memory only.
   */
  storage?: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;
}

export interface TollCallOptions extends TollOptions {
  /**
   * Allows a payment that the client would refuse with `not_honoured` or `may_be_paid`. The client first tries to use the earlier payment
   * and gives it up if that fails. Check your wallet before you set this. Default: `false`.
   */
  payAgain?: boolean;
}

export type TollRequestInit = RequestInit & TollCallOptions;

/** The `detail` of the client's events. */
export interface TollDetail {
  url: string;
  sats: number;
  /** The payment hash of the invoice, in hex. */
  paymentHash: string;
}

export interface TollEvents {
  /** The client is about to pay. `preventDefault()` stops the payment, and `fetch` returns the 402 response. */
  challenge: CustomEvent<TollDetail>;
  /** The invoice is handed to the wallet. */
  paying: CustomEvent<TollDetail>;
  /** The wallet has paid: its preimage is correct, or the server has accepted the credential without a preimage. */
  paid: CustomEvent<TollDetail>;
  /** The server refused a credential, which is not used again. */
  refused: CustomEvent<TollDetail & { status: number }>;
  /** A stored credential is sent. */
  reused: CustomEvent<TollDetail>;
}

/**
 * `fetch` that pays, with the options `wallet`, `maxSats` and `payAgain`. All calls share one client and its credentials.
 * @throws {TollError} if the client refuses to pay, the payment fails, or the connection fails after the payment
 */
export function tollFetch(input: RequestInfo | URL, init?: TollRequestInit): Promise<Response>;

/**
 * A client that pays within its limits and keeps the credentials that it bought. If a host answers 401 or 402 to a request that the
 * client has paid for, or may have paid for, the client does not pay this host again, until the host accepts the credential, or until a
 * call sets `payAgain`. A 401 with `X-Toll-Expires` is the origin's own answer to a paid request. The client runs in Node and in browsers
 * from Safari 15, Chrome 94 and Firefox 93 on.
 */
export class TollClient extends EventTarget {
  constructor(options?: TollClientOptions);

  /** The sum of all payments of the last 24 hours, in satoshis. A payment of unknown outcome counts as paid. */
  readonly spentSats: number;

  /**
   * `fetch` that pays, at most once per call, and then repeats the request. If the server redirects to another origin, Chrome before 119
   * and Firefox before 111 send the credential there too, unless `redirect` is `'error'`.
   * @returns the response. A 402 is returned if it has no L402 challenge, if it comes from another origin after a redirect, if its
   * invoice was paid before, if a listener stopped the payment, or if the server refuses the new credential.
   * @throws {TollError} if the client refuses to pay, the payment fails, or the connection fails after the payment
   */
  fetch(input: RequestInfo | URL, init?: TollRequestInit): Promise<Response>;

  addEventListener<Name extends keyof TollEvents>(
    type: Name,
    listener: (event: TollEvents[Name]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void;
}

export type TollErrorCode =
  /** The price is more than `maxSats`. */
  | 'too_expensive'
  /** The price is more than a budget has left. */
  | 'over_budget'
  /** There is no wallet: `wallet` is not set, and the browser has no WebLN. */
  | 'no_wallet'
  /**
   * The invoice is invalid, has no amount in whole sats, or does not match the network, the macaroon or the host; or the invoice or the
   * macaroon has expired. The time is that of the server (the header `Date`). If the header is missing or hidden by CORS, it is the
   * time of this device, and a minute is added to the expiry, because clocks differ.
   */
  | 'bad_invoice'
  /** The wallet failed. `mayBePaid` says whether the invoice may have been paid. */
  | 'payment_failed'
  /** The wallet returned no valid preimage, and the server gives no access without one. The invoice may have been paid. */
  | 'wrong_preimage'
  /** The wallet may already have paid for the same content, but the server gives no access yet. Nothing more was paid. */
  | 'may_be_paid'
  /** The host gave no access for an earlier payment, or asked for another one before it gave access. Nothing more was paid. */
  | 'not_honoured'
  /** The connection failed after the wallet received the invoice. The next call uses the credential. */
  | 'connection_failed'
  /** The request body cannot be read, so it could not be repeated. Nothing was sent. */
  | 'unrepeatable_body'
  /** The URL is plain http to another machine, so others could read the credential; or the page has no `crypto.subtle`. */
  | 'insecure';

/** The error of a `fetch` that returns no response. */
export class TollError extends Error {
  constructor(
    code: TollErrorCode,
    message: string,
    options?: { response?: Response; cause?: unknown; mayBePaid?: boolean; paymentHash?: string; amountSats?: number },
  );
  readonly name: 'TollError';
  readonly code: TollErrorCode;
  /** The 402 response, for `may_be_paid` the refusal of the credential; `undefined` if there was none. */
  readonly response?: Response;
  /** Whether the invoice was paid or may have been paid. Then another payment could be a double payment. */
  readonly mayBePaid: boolean;
  /** The payment hash (in hex) and the amount of the invoice; `undefined` if the error is about no invoice. */
  readonly paymentHash?: string;
  readonly amountSats?: number;
}
