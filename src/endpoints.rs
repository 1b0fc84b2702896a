//! edgetoll's own endpoints, matched before the gate decides.
//!
//! Each endpoint is defined here and has a handler in `edge/handlers/`.

use crate::error::RequestError;
use crate::policy::Policy;
use crate::policy::price_list::{DEFAULT_PREFIX, PRICES_PATH};

/// An endpoint of edgetoll's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint<'a> {
    /// `/_toll/health`
    Health,
    /// `/.well-known/l402`: the public price list.
    Prices,
    /// `/_toll/settle`: the pay page checks whether its invoice was paid.
    Settle,
    /// `/_toll/hook/<token>`: a wallet reports a payment.
    Webhook(&'a str),
    /// A file that everyone may load.
    Static(StaticFile),
    /// An endpoint for the owner.
    Admin(AdminEndpoint),
}

impl Endpoint<'_> {
    /// Returns the methods that the endpoint allows, as `Allow` lists them; `None` for all methods.
    pub fn allow(self) -> Option<&'static str> {
        match self {
            Self::Health => None,
            Self::Prices | Self::Static(_) => Some("GET, HEAD"),
            Self::Settle | Self::Webhook(_) => Some("POST"),
            Self::Admin(endpoint) => Some(endpoint.allow()),
        }
    }

    /// Checks that the endpoint allows a method. A handler first checks that the endpoint exists: for every method, a
    /// request to a webhook with a wrong token gets 404.
    ///
    /// # Errors
    /// Fails with 405 and the methods that the endpoint allows.
    pub fn check_method(self, method: &str) -> Result<(), RequestError> {
        match self.allow() {
            Some(allow) if !allow.split(", ").any(|allowed| allowed == method) => {
                Err(RequestError::MethodNotAllowed { allow: allow.to_owned() })
            }
            _ => Ok(()),
        }
    }

    /// Returns the word for the field `decision` of the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Prices => "prices",
            Self::Settle => "settle",
            Self::Webhook(_) => "webhook",
            Self::Static(_) => "static",
            Self::Admin(_) => "admin",
        }
    }

    /// Whether the response gets the CORS headers of the setting `cors`.
    pub fn is_shared_by_cors(self) -> bool {
        matches!(self, Self::Health | Self::Prices | Self::Static(_))
    }
}

/// A file in `www/` that everyone may load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaticFile {
    /// The script of the pay page.
    PayScript,
    /// The style sheet of the pay page.
    PayStyle,
    /// The browser client, an ES module.
    Client,
    /// The types of the browser client.
    ClientTypes,
}

impl StaticFile {
    /// Returns the file's name in `www/` and its media type.
    pub fn file(self) -> (&'static str, &'static str) {
        match self {
            Self::PayScript => ("pay.js", JAVASCRIPT),
            Self::PayStyle => ("pay.css", CSS),
            Self::Client => ("toll.js", JAVASCRIPT),
            Self::ClientTypes => ("toll.d.ts", "text/plain; charset=utf-8"),
        }
    }
}

/// An endpoint for the owner. It exists only if `ADMIN_TOKEN` and `TOLL_SECRET` are set and valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminEndpoint {
    /// `/_toll`: redirects to the dashboard.
    Root,
    /// `/_toll/`: the dashboard, or the login form.
    Dashboard,
    /// The script of the dashboard.
    Script,
    /// The style sheet of the dashboard and the login form.
    Style,
    /// The ledger's numbers as JSON.
    Stats,
    /// `/_toll/payments`: a page of payments, or a search by payment hash, as JSON.
    Payments,
    /// `/_toll/ledger.csv`: all settled payments, for bookkeeping.
    Export,
    /// `/_toll/status`: why nothing can be sold, and mistakes in the settings, as JSON.
    Status,
    /// The ledger's numbers for Prometheus.
    Metrics,
    /// Receives the login form.
    Login,
    /// Deletes the session cookie.
    Logout,
    /// `/_toll/redeliver`: makes callbacks that were given up due again.
    RetryCallbacks,
}

impl AdminEndpoint {
    /// Whether the endpoint needs neither a session nor the token. Such an endpoint reveals nothing.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Root | Self::Style | Self::Login)
    }

    /// Returns the methods that the endpoint allows, as `Allow` lists them.
    pub fn allow(self) -> &'static str {
        match self {
            Self::Login | Self::Logout | Self::RetryCallbacks => "POST",
            Self::Root
            | Self::Dashboard
            | Self::Script
            | Self::Style
            | Self::Stats
            | Self::Payments
            | Self::Export
            | Self::Status
            | Self::Metrics => "GET, HEAD",
        }
    }
}

/// Returns the endpoint for a path, which must be exactly as the client sent it. Without a readable price list, there
/// is only `/_toll/health`.
pub fn find<'a>(policy: Option<&Policy>, path: &'a str) -> Option<Endpoint<'a>> {
    let prefix = policy.map_or(DEFAULT_PREFIX, |policy| &policy.prefix);
    if path == PRICES_PATH {
        return policy.is_some_and(|policy| policy.is_public).then_some(Endpoint::Prices);
    }
    let rest = path.strip_prefix(prefix)?;
    if let Some(token) = rest.strip_prefix(WEBHOOK) {
        return policy.is_some().then_some(Endpoint::Webhook(token));
    }
    let (_, endpoint) = BELOW_PREFIX.iter().find(|(known, _)| *known == rest)?;
    (policy.is_some() || *endpoint == Endpoint::Health).then_some(*endpoint)
}

/// Returns the URL that a wallet calls when an invoice is paid.
pub fn webhook_url(public_url: &str, prefix: &str, token: &str) -> String {
    [public_url, prefix, WEBHOOK, token].concat()
}

/// The paths below the prefix that have a fixed name.
const BELOW_PREFIX: &[(&str, Endpoint<'static>)] = &[
    ("", Endpoint::Admin(AdminEndpoint::Root)),
    ("/", Endpoint::Admin(AdminEndpoint::Dashboard)),
    ("/dashboard.js", Endpoint::Admin(AdminEndpoint::Script)),
    ("/operator.css", Endpoint::Admin(AdminEndpoint::Style)),
    ("/stats", Endpoint::Admin(AdminEndpoint::Stats)),
    ("/payments", Endpoint::Admin(AdminEndpoint::Payments)),
    ("/ledger.csv", Endpoint::Admin(AdminEndpoint::Export)),
    ("/status", Endpoint::Admin(AdminEndpoint::Status)),
    ("/metrics", Endpoint::Admin(AdminEndpoint::Metrics)),
    ("/login", Endpoint::Admin(AdminEndpoint::Login)),
    ("/logout", Endpoint::Admin(AdminEndpoint::Logout)),
    ("/redeliver", Endpoint::Admin(AdminEndpoint::RetryCallbacks)),
    ("/health", Endpoint::Health),
    ("/settle", Endpoint::Settle),
    ("/pay.js", Endpoint::Static(StaticFile::PayScript)),
    ("/pay.css", Endpoint::Static(StaticFile::PayStyle)),
    ("/toll.js", Endpoint::Static(StaticFile::Client)),
    ("/toll.d.ts", Endpoint::Static(StaticFile::ClientTypes)),
];
const WEBHOOK: &str = "/hook/";

pub const HTML: &str = "text/html; charset=utf-8";
pub const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
pub const CSS: &str = "text/css; charset=utf-8";
