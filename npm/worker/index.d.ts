/** The Worker. Its environment has the bindings and settings of wrangler.toml. */
declare const worker: {
  fetch(request: Request, env: object, context: object): Promise<Response>;
  scheduled(event: object, env: object, context: object): Promise<void>;
};
export default worker;

/** A Durable Object of the Worker. */
declare class DurableObject {
  constructor(state: object, env: object);
  fetch(request: Request): Promise<Response>;
}
/** Counts free requests, with `free_tier = "durable"`. */
export class FreeTierCounter extends DurableObject {}
/** Counts the invoices of all clients together. */
export class InvoiceLimit extends DurableObject {}
/** Records each payment once. */
export class Ledger extends DurableObject {}
/** Counts the uses of each payment. */
export class Meter extends DurableObject {}
/** Holds the connection to a wallet over Nostr Wallet Connect. */
export class NwcConnection extends DurableObject {}
