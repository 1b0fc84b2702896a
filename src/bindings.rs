//! The names of the Worker's bindings. `check` looks for them in the Wrangler file, `edge` in the environment.

/// Workers KV: free-tier counts, settled payments, and probe results.
pub const TOLL_KV: &str = "TOLL_KV";
/// The platform's rate limiter for challenges of one client.
pub const CHALLENGE_LIMIT: &str = "CHALLENGE_LIMIT";
/// The static assets in `build/www/`.
pub const ASSETS: &str = "ASSETS";
/// An optional service binding to the origin.
pub const ORIGIN: &str = "ORIGIN";

/// A Durable Object namespace.
#[derive(Clone, Copy, Debug)]
pub struct ObjectBinding {
    pub name: &'static str,
    pub class: &'static str,
    /// What the objects count, for messages.
    pub counts: &'static str,
}

/// One object for each client and route: exact counts of free requests.
pub const FREE_TIER_EXACT: ObjectBinding =
    ObjectBinding { name: "FREE_TIER_EXACT", class: "FreeTierCounter", counts: "free requests" };
/// One object for the deployment: the invoices of the last minute.
pub const INVOICE_LIMIT: ObjectBinding =
    ObjectBinding { name: "INVOICE_LIMIT", class: "InvoiceLimit", counts: "invoices" };
/// One object for the deployment: the payment ledger.
pub const LEDGER: ObjectBinding = ObjectBinding { name: "LEDGER", class: "Ledger", counts: "payments" };
/// One object for each payment that buys a number of uses.
pub const METER: ObjectBinding = ObjectBinding { name: "METER", class: "Meter", counts: "uses" };
