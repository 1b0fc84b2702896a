//! Every error response of edgetoll: its status, the code that programs read, and the sentence that people read.
//!
//! Details that only the owner may know go to the log, not into the response.

use serde::Serialize;
use thiserror::Error;

use crate::policy::facts::PriceError;
use crate::protocols::l402::challenge::SCHEME;
use crate::protocols::l402::refusal::Refusal;
use crate::protocols::x_preimage;

/// Why a request gets neither the origin's response nor a challenge. A new error is added here and in docs/errors.md.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RequestError {
    #[error("{0}")]
    Credential(Refusal),
    #[error("{0}")]
    Preimage(x_preimage::Refusal),
    #[error("This path can be read in two ways with different prices; write it as the price list does")]
    AmbiguousPath,
    #[error("{0}")]
    Price(PriceError),
    #[error("The dates `from` and `to` must be written as YYYY-MM-DD")]
    InvalidDate,
    #[error("A WebSocket upgrade must be a GET request")]
    UpgradeWithoutGet,
    #[error("The request body did not arrive within ten seconds; send the request again")]
    BodyTimeout,
    #[error("This path is too long for a credential; the limit is 4096 bytes")]
    PathTooLong,
    #[error("This method is not available for this path; the Allow header lists the available methods")]
    MethodNotAllowed { allow: String },
    #[error("This path is sold only on another host")]
    OtherHost,
    #[error("Paid requests need https")]
    PlainHttp,
    #[error("This route binds credentials to the client's address, which is not known")]
    UnknownClient,
    #[error("Not found")]
    NotFound,
    #[error("This endpoint is for the owner: send the admin token as Authorization: Bearer")]
    Unauthorized,
    #[error("Only a page of this host may send this request")]
    OtherPage,
    #[error("The webhook reported this payment too often; try again later")]
    TooManyTries { retry_after_s: u64 },
    #[error("The payment ledger cannot be reached; try again later")]
    LedgerUnavailable,
    #[error("The paywall is not configured; its owner finds the reason in the log")]
    NotConfigured,
    #[error("No invoice can be created right now and nothing was charged; try again later")]
    InvoiceUnavailable { retry_after_s: u64 },
    #[error("The payment cannot be checked right now; the credential stays valid, try again later")]
    SettlementUnavailable { retry_after_s: u64 },
    #[error("Too many requests; nothing was charged, a credential stays valid, try again later")]
    TooManyChallenges { retry_after_s: u64 },
    #[error("Too many invoices are requested right now and nothing was charged; try again later")]
    TooManyInvoices { retry_after_s: u64 },
    #[error("All remaining uses are in flight; a use may be returned, try again in a second")]
    UsesInFlight,
    #[error("Uses cannot be counted right now and the request was not served; try again later")]
    UsesUnavailable,
    #[error("The paywall failed; nothing was served")]
    Internal,
    #[error("The origin leads back to this paywall; the owner of the paywall has to set ORIGIN_URL")]
    OriginLoop,
    #[error("The origin cannot be reached; a credential stays valid")]
    OriginUnreachable,
    #[error("The origin did not respond in time; a credential stays valid")]
    OriginTimeout,
}

impl RequestError {
    pub fn status(&self) -> u16 {
        match self {
            Self::AmbiguousPath | Self::UpgradeWithoutGet | Self::InvalidDate | Self::Preimage(_) => 400,
            Self::Price(
                PriceError::AmbiguousQuery(_) | PriceError::MethodInQuery | PriceError::AmbiguousHeader(_),
            ) => 400,
            Self::Price(PriceError::UnexpectedBody) => 400,
            Self::Credential(_) | Self::Unauthorized => 401,
            Self::PlainHttp | Self::UnknownClient | Self::OtherPage => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed { .. } => 405,
            Self::BodyTimeout => 408,
            Self::UsesInFlight => 409,
            Self::Price(PriceError::LengthRequired) => 411,
            Self::Price(PriceError::TooLong) => 413,
            Self::PathTooLong => 414,
            Self::Price(PriceError::Encoded) => 415,
            Self::OtherHost => 421,
            Self::TooManyChallenges { .. } | Self::TooManyInvoices { .. } | Self::TooManyTries { .. } => 429,
            Self::Internal | Self::Price(PriceError::NoRuleMatches) => 500,
            Self::OriginUnreachable => 502,
            Self::NotConfigured
            | Self::InvoiceUnavailable { .. }
            | Self::SettlementUnavailable { .. }
            | Self::UsesUnavailable
            | Self::LedgerUnavailable => 503,
            Self::OriginTimeout => 504,
            Self::OriginLoop => 508,
        }
    }

    /// Returns the code that programs read. Codes are stable.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Credential(refusal) => refusal.code(),
            Self::Preimage(refusal) => refusal.code(),
            Self::AmbiguousPath => "ambiguous_path",
            Self::Price(PriceError::AmbiguousQuery(_) | PriceError::MethodInQuery) => "ambiguous_query",
            Self::Price(PriceError::AmbiguousHeader(_)) => "ambiguous_header",
            Self::Price(PriceError::LengthRequired) => "length_required",
            Self::Price(PriceError::TooLong) => "body_too_long",
            Self::Price(PriceError::Encoded) => "body_encoded",
            Self::Price(PriceError::UnexpectedBody) => "unexpected_body",
            Self::InvalidDate => "invalid_date",
            Self::UpgradeWithoutGet => "upgrade_without_get",
            Self::BodyTimeout => "body_timeout",
            Self::PathTooLong => "path_too_long",
            Self::MethodNotAllowed { .. } => "method_not_allowed",
            Self::OtherHost => "other_host",
            Self::PlainHttp => "plain_http",
            Self::UnknownClient => "unknown_client",
            Self::NotFound => "not_found",
            Self::Unauthorized => "unauthorized",
            Self::OtherPage => "other_page",
            Self::TooManyTries { .. } => "too_many_tries",
            Self::LedgerUnavailable => "ledger_unavailable",
            Self::NotConfigured => "not_configured",
            Self::InvoiceUnavailable { .. } => "invoice_unavailable",
            Self::SettlementUnavailable { .. } => "settlement_unavailable",
            Self::TooManyChallenges { .. } => "too_many_challenges",
            Self::TooManyInvoices { .. } => "too_many_invoices",
            Self::UsesInFlight => "uses_in_flight",
            Self::UsesUnavailable => "uses_unavailable",
            Self::Internal | Self::Price(PriceError::NoRuleMatches) => "internal",
            Self::OriginLoop => "origin_loop",
            Self::OriginUnreachable => "origin_unreachable",
            Self::OriginTimeout => "origin_timeout",
        }
    }

    /// Returns the additional header that this error requires; `None` if it requires no header.
    pub fn header(&self) -> Option<(&'static str, String)> {
        let retry_after = |seconds: u64| Some(("Retry-After", seconds.to_string()));
        match self {
            Self::Credential(_) => Some(("WWW-Authenticate", SCHEME.to_owned())),
            Self::Unauthorized => Some(("WWW-Authenticate", "Bearer".to_owned())),
            Self::MethodNotAllowed { allow } => Some(("Allow", allow.clone())),
            Self::InvoiceUnavailable { retry_after_s }
            | Self::SettlementUnavailable { retry_after_s }
            | Self::TooManyChallenges { retry_after_s }
            | Self::TooManyInvoices { retry_after_s }
            | Self::TooManyTries { retry_after_s } => retry_after(*retry_after_s),
            Self::UsesUnavailable | Self::LedgerUnavailable => retry_after(5),
            Self::UsesInFlight => retry_after(1),
            _ => None,
        }
    }

    /// Returns the JSON body: `{"error": sentence, "code": code}`. The response to a refused preimage has a text
    /// instead.
    pub fn body(&self) -> String {
        let body = ErrorBody { error: self.to_string(), code: self.code() };
        serde_json::to_string(&body).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct ErrorBody {
    error: String,
    code: &'static str,
}
