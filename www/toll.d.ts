/** WebLN (`window.webln`), or any object with `payInvoice`. */
export type Wallet = WebLN | InvoicePayer;

export interface WebLN {
  enable?(): Promise<unknown>;
  sendPayment(bolt11: string): Promise<{ preimage: string }>;
}

export interface InvoicePayer {
  /**
   * Pays the invoice and returns the preimage in hex. An error says that nothing was paid if its `paid` is `false`, or if it is
   * WebLN's error for a user who declines. After any other error, the price counts as spent.
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
  /** The most that all payments together may cost, in satoshis. Default: no limit. */
  budgetSats?: number;
  /** The most that all payments to one host, on all its ports, may cost, in satoshis. Default: no limit. */
  budgetSatsPerHost?: number;
  /** The network of the invoices that the client pays, as in the prefix of an invoice. Default: `bc` (bitcoin). */
  network?: 'bc' | 'tb' | 'tbs' | 'bcrt';
  /** Keeps credentials across reloads. Code that can read the storage can use the credentials. Default: memory only. */
  storage?: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;
}

export type TollRequestInit = RequestInit & TollOptions;

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
  /** The wallet has paid, and its preimage is correct. */
  paid: CustomEvent<TollDetail>;
  /** The server refused a stored credential, which is now removed. */
  refused: CustomEvent<TollDetail & { status: number }>;
  /** A stored credential is sent. */
  reused: CustomEvent<TollDetail>;
}

/**
 * `fetch` that pays, with the options `wallet` and `maxSats`. All calls share one client and its credentials.
 * @throws {TollError} if the client refuses to pay, or the payment fails
 */
export function tollFetch(input: RequestInfo | URL, init?: TollRequestInit): Promise<Response>;

/** A client that pays within its limits and keeps the credentials that it bought. */
export class TollClient extends EventTarget {
  constructor(options?: TollClientOptions);

  /** The sum of all payments, in satoshis. A payment of unknown outcome counts as paid. */
  readonly spentSats: number;

  /**
   * `fetch` that pays, at most once per call, and then repeats the request.
   * @returns the response. A 402 is returned if it has no L402 challenge, if it comes from another origin after a redirect, if its
   * invoice was paid before, if a listener stopped the payment, or if the server refuses the new credential.
   * @throws {TollError} if the client refuses to pay, or the payment fails
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
  /** The invoice is invalid, has no amount in whole sats, or does not match the network, the macaroon or the host. */
  | 'bad_invoice'
  /** The wallet failed. `mayBePaid` says whether the invoice may have been paid. */
  | 'payment_failed'
  /** The preimage that the wallet returned does not match the invoice. The invoice may have been paid. */
  | 'wrong_preimage'
  /** The request body cannot be read, so it could not be repeated. Nothing was sent. */
  | 'unrepeatable_body'
  /** The URL is plain http to another machine, so others could read the credential; or the page has no `crypto.subtle`. */
  | 'insecure';

/** The error of a `fetch` that returns no response. */
export class TollError extends Error {
  constructor(code: TollErrorCode, message: string, options?: { response?: Response; cause?: unknown; mayBePaid?: boolean });
  readonly name: 'TollError';
  readonly code: TollErrorCode;
  /** The 402 response; `undefined` if there was none. */
  readonly response?: Response;
  /** Whether the invoice may have been paid. Then another payment could be a double payment. */
  readonly mayBePaid: boolean;
}
