//! The names of the Worker's bindings. `edgetoll check` looks for these bindings in the Wrangler file, and the module
//! `edge` gets them from the Worker's environment.

/// The KV namespace, which stores settled payments, the counts of free requests, and the results of wallet probes.
pub const TOLL_KV: &str = "TOLL_KV";
/// Cloudflare's rate limiter. It limits how many challenges each client gets.
pub const CHALLENGE_LIMIT: &str = "CHALLENGE_LIMIT";
/// The static assets of the Worker, from `build/www/`.
pub const ASSETS: &str = "ASSETS";
/// An optional service binding to the origin.
pub const ORIGIN: &str = "ORIGIN";

/// The binding of a Durable Object namespace.
#[derive(Clone, Copy, Debug)]
pub struct ObjectBinding {
    pub name: &'static str,
    pub class: &'static str,
    /// What the Durable Objects of this class do, as the messages of `edgetoll check` and `edgetoll doctor` say it.
    pub task: &'static str,
}

/// With `free_tier = "durable"`, each client has one Durable Object for each route, which counts the free requests of
/// the client on the route exactly.
pub const FREE_TIER_EXACT: ObjectBinding =
    ObjectBinding { name: "FREE_TIER_EXACT", class: "FreeTierCounter", task: "count free requests" };
/// The deployment has one Durable Object that counts the invoices of the last minute.
pub const INVOICE_LIMIT: ObjectBinding =
    ObjectBinding { name: "INVOICE_LIMIT", class: "InvoiceLimit", task: "count invoices" };
/// The deployment has one Durable Object that holds the payment ledger.
pub const LEDGER: ObjectBinding = ObjectBinding { name: "LEDGER", class: "Ledger", task: "count payments" };
/// Each wallet with Nostr Wallet Connect has one Durable Object, which holds the connection to its relay.
pub const NWC_CONNECTION: ObjectBinding =
    ObjectBinding { name: "NWC_CONNECTION", class: "NwcConnection", task: "connect to an NWC wallet" };
/// Each payment that buys a number of uses has one Durable Object, which counts these uses.
pub const METER: ObjectBinding = ObjectBinding { name: "METER", class: "Meter", task: "count uses" };
