/** WebLN (`window.webln`), or any object with `payInvoice`. */
export type Wallet = WebLN | InvoicePayer;

export interface WebLN {
  enable?(): Promise<unknown>;
  sendPayment(bolt11: string): Promise<{ preimage: string }>;
}

export interface InvoicePayer {
  /**
   * Pays and gives the preimage in hex. An error whose `paid` is `false` says that nothing was paid; after any other the price
   * counts as spent.
   */
  payInvoice(bolt11: string): Promise<string | { preimage: string }>;
}

export interface TollOptions {
  /** `globalThis.webln` where absent. */
  wallet?: Wallet;
  /** The most that one payment may cost; 100 where absent. */
  maxSats?: number;
}

export interface TollClientOptions extends TollOptions {
  /** The most that all payments may cost; no limit where absent. */
  budgetSats?: number;
  /** The most that all payments to one host, whatever its port, may cost; no limit where absent. */
  budgetSatsPerHost?: number;
  /** Whose invoices are paid, as their prefix says it; `bc` (bitcoin) where absent. */
  network?: 'bc' | 'tb' | 'tbs' | 'bcrt';
  /** Keeps credentials over reloads; in memory where absent. Whoever can read it can use them. */
  storage?: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;
}

export type TollRequestInit = RequestInit & TollOptions;

/** What an event tells of a payment. */
export interface TollDetail {
  url: string;
  sats: number;
  /** Hex. */
  paymentHash: string;
}

export interface TollEvents {
  /** Something costs; `preventDefault()` leaves it unpaid, and the 402 is the response. */
  challenge: CustomEvent<TollDetail>;
  /** The wallet gets the invoice. */
  paying: CustomEvent<TollDetail>;
  /** The wallet has paid, and its preimage is right. */
  paid: CustomEvent<TollDetail>;
  /** A kept credential was refused, and is no longer kept. */
  refused: CustomEvent<TollDetail & { status: number }>;
  /** A kept credential is sent. */
  reused: CustomEvent<TollDetail>;
}

/**
 * Fetches, and pays if it must: `fetch` with `wallet` and `maxSats`. What was bought serves all of the page's calls.
 * @throws {TollError} where it would not pay, or the payment failed
 */
export function tollFetch(input: RequestInfo | URL, init?: TollRequestInit): Promise<Response>;

/** Pays within its limits and keeps what it bought. */
export class TollClient extends EventTarget {
  constructor(options?: TollClientOptions);

  /** What its payments came to, with those of which the wallet does not say whether they were made. */
  readonly spentSats: number;

  /**
   * `fetch` that pays, at most once in each call, and then sends the request once more.
   * @returns the response: a 402 where nothing can be paid, where it was paid already, or where a listener stopped it
   * @throws {TollError} where it would not pay, or the payment failed
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
  /** The invoice asks for more than `maxSats`. */
  | 'too_expensive'
  /** It asks for more than is left of a budget. */
  | 'over_budget'
  /** There is neither WebLN nor another wallet. */
  | 'no_wallet'
  /** The invoice cannot be read, has no amount in whole sats, or is of another network, macaroon or host. */
  | 'bad_invoice'
  /** The wallet failed; `mayBePaid` says whether the money may be gone. */
  | 'payment_failed'
  /** What the wallet gave does not belong to the invoice: the money may be gone. */
  | 'wrong_preimage'
  /** The body cannot be read, and so not be sent again; nothing was sent. */
  | 'unrepeatable_body'
  /** Plain http beyond this machine: a credential would be anybody's. */
  | 'insecure';

/** Why nothing was fetched. */
export class TollError extends Error {
  constructor(code: TollErrorCode, message: string, options?: { response?: Response; cause?: unknown; mayBePaid?: boolean });
  readonly name: 'TollError';
  readonly code: TollErrorCode;
  /** The 402, where there was one. */
  readonly response?: Response;
  /** Whether the money may be gone. */
  readonly mayBePaid: boolean;
}
