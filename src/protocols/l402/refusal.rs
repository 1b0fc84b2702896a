//! The reasons for which a credential is refused.
//!
//! Clients get the text and the code of a refusal. If lightning-toll has a text for the same reason, edgetoll uses this
//! text unchanged. docs/protocol.md lists all texts and codes, and a test compares that list with this file.

use thiserror::Error;

use super::macaroon::MacaroonError;

/// Why a credential is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    #[error("Credential is larger than 8 KB")]
    CredentialTooLarge,
    #[error("Credential cannot be read: expected L402 <macaroon>:<preimage>")]
    MalformedCredential,
    #[error("Invalid macaroon")]
    MalformedMacaroon(MacaroonError),
    #[error("Invalid preimage — expected 64 hex digits")]
    MalformedPreimage,
    #[error("Malformed caveat: {0}")]
    MalformedCaveat(String),
    #[error("Widened caveat: {0} may only be narrowed")]
    WidenedCaveat(&'static str),
    #[error("Invalid macaroon signature")]
    BadSignature,
    #[error("Invalid preimage — does not match payment hash")]
    WrongPreimage,
    #[error("Macaroon was signed with a key that is no longer in use")]
    UnknownKey,
    #[error("Macaroon encoding is not accepted here")]
    EncodingNotAccepted,
    #[error("Macaroon expired")]
    Expired,
    #[error("Endpoint mismatch: expected {expected}, got {got}")]
    EndpointMismatch { expected: String, got: String },
    #[error("Method mismatch: expected {expected}, got {got}")]
    MethodMismatch { expected: String, got: String },
    #[error("IP mismatch: expected {expected}, got {got}")]
    IpMismatch { expected: String, got: String },
    #[error("Realm mismatch: expected {expected}, got {got}")]
    RealmMismatch { expected: String, got: String },
    #[error("Host mismatch: expected {expected}, got {got}")]
    HostMismatch { expected: String, got: String },
    #[error("Service mismatch: the macaroon is not for {0}")]
    ServiceMismatch(String),
    #[error("Caveat cannot be satisfied here: {0}")]
    Unsatisfiable(String),
    #[error("Macaroon has no {0} caveat")]
    MissingCaveat(&'static str),
    #[error("Macaroon covers {paid_sats} sats, this request costs {price_sats}")]
    Underpaid { paid_sats: u64, price_sats: u64 },
    #[error("Macaroon covers {paid}, this request costs {price}")]
    UnderpaidFiat { paid: String, price: String },
    #[error(
        "Macaroon of another issuer must expire within {max_age_s} seconds, and is accepted only for a path with a \
         fixed price"
    )]
    OtherIssuer { max_age_s: u64 },
    #[error("Macaroon of another issuer is not accepted here")]
    OtherIssuerNotAccepted,
    #[error("Macaroon was revoked")]
    Revoked,
    #[error("All uses that were bought are spent")]
    Spent,
    #[error("Invoice was not paid")]
    Unpaid,
}

impl Refusal {
    /// Returns the code of the refusal, which programs read. A code never changes.
    pub fn code(&self) -> &'static str {
        match self {
            Self::CredentialTooLarge => "credential_too_large",
            Self::MalformedCredential => "malformed_credential",
            Self::MalformedMacaroon(_) => "malformed_macaroon",
            Self::MalformedPreimage => "malformed_preimage",
            Self::MalformedCaveat(_) => "malformed_caveat",
            Self::WidenedCaveat(_) => "widened_caveat",
            Self::BadSignature => "bad_signature",
            Self::WrongPreimage => "wrong_preimage",
            Self::UnknownKey => "unknown_key",
            Self::EncodingNotAccepted => "encoding_not_accepted",
            Self::Expired => "expired",
            Self::EndpointMismatch { .. } => "endpoint_mismatch",
            Self::MethodMismatch { .. } => "method_mismatch",
            Self::IpMismatch { .. } => "ip_mismatch",
            Self::RealmMismatch { .. } => "realm_mismatch",
            Self::HostMismatch { .. } => "host_mismatch",
            Self::ServiceMismatch(_) => "service_mismatch",
            Self::Unsatisfiable(_) => "unsatisfiable_caveat",
            Self::MissingCaveat(_) => "unbound",
            Self::Underpaid { .. } | Self::UnderpaidFiat { .. } => "underpaid",
            Self::OtherIssuer { .. } | Self::OtherIssuerNotAccepted => "foreign",
            Self::Revoked => "revoked",
            Self::Spent => "spent",
            Self::Unpaid => "unpaid",
        }
    }

    /// Whether the refused credential is genuine: well-formed and not known to be forged. A genuine credential gets a
    /// new challenge (402). A malformed or forged credential gets 401 without an invoice, so that it causes no request
    /// to a wallet.
    pub fn is_genuine(&self) -> bool {
        match self {
            Self::CredentialTooLarge
            | Self::MalformedCredential
            | Self::MalformedMacaroon(_)
            | Self::MalformedPreimage
            | Self::MalformedCaveat(_)
            | Self::WidenedCaveat(_)
            | Self::BadSignature
            | Self::WrongPreimage => false,
            Self::UnknownKey
            | Self::EncodingNotAccepted
            | Self::Expired
            | Self::EndpointMismatch { .. }
            | Self::MethodMismatch { .. }
            | Self::IpMismatch { .. }
            | Self::RealmMismatch { .. }
            | Self::HostMismatch { .. }
            | Self::ServiceMismatch(_)
            | Self::Unsatisfiable(_)
            | Self::MissingCaveat(_)
            | Self::Underpaid { .. }
            | Self::UnderpaidFiat { .. }
            | Self::OtherIssuer { .. }
            | Self::OtherIssuerNotAccepted
            | Self::Revoked
            | Self::Spent
            | Self::Unpaid => true,
        }
    }
}
