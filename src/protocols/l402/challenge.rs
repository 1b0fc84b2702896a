//! The 402 challenge: one `WWW-Authenticate` line that every known client parses, and lightning-toll's JSON body.

use serde::Serialize;

use super::caveat::{Caveat, InvoiceTerms, Terms};
use super::credential;
use super::macaroon::{Encoding, Encodings, Identifier, Macaroon, MacaroonError};
use super::refusal::Refusal;
use super::verify::Grant;
use crate::bolt11::Bolt11;
use crate::keys::KeySet;
use crate::payment::PaymentHash;

/// An invoice, and the macaroons that are valid once the invoice is paid.
pub struct Challenge {
    pub amount_sats: u64,
    /// The last second in which the macaroons are valid.
    pub expires_at_unix: u64,
    pub bolt11: Bolt11,
    /// The macaroon in the `WWW-Authenticate` header.
    pub macaroon: String,
    body_macaroon: String,
    description: String,
}

impl Challenge {
    /// Mints the macaroons for an invoice. `nonce` must be random, so that no other macaroon has the same identifier.
    ///
    /// lightning-toll's clients read only the body, and all other clients only the header. So with [`Encodings::Both`],
    /// the body has a lightning-toll macaroon, and the header a standard macaroon.
    ///
    /// # Errors
    /// Fails if a macaroon would have more than 100 caveats. This does not happen in practice: `Terms` never need so
    /// many.
    pub fn mint(
        keys: &KeySet,
        encodings: Encodings,
        terms: &Terms,
        invoice: &InvoiceTerms,
        description: String,
        bolt11: Bolt11,
        nonce: &[u8; 28],
    ) -> Result<Self, MacaroonError> {
        let payment_hash = bolt11.payment_hash();
        let mint = |encoding| {
            let mut caveats = terms.caveats(encoding, invoice);
            let macaroon = match encoding {
                Encoding::Standard => {
                    let identifier = Identifier::new(keys, payment_hash, nonce);
                    Macaroon::standard(&identifier.signing_key(keys), &terms.host, &identifier)
                }
                Encoding::LightningToll => {
                    caveats.push(Caveat::issuer_mark(&keys.issuer_mark(&payment_hash)));
                    Macaroon::lightning_toll(keys.lightning_toll_key(), payment_hash)
                }
            };
            Ok(macaroon.with_caveats(&caveats)?.encode())
        };
        let (header, body) = match encodings {
            Encodings::Both => (Encoding::Standard, Encoding::LightningToll),
            Encodings::Standard => (Encoding::Standard, Encoding::Standard),
            Encodings::LightningToll => (Encoding::LightningToll, Encoding::LightningToll),
        };
        let macaroon = mint(header)?;
        let body_macaroon = if body == header { macaroon.clone() } else { mint(body)? };
        let (amount_sats, expires_at_unix) = (invoice.amount_sats, terms.expires_at_unix);
        Ok(Self { amount_sats, expires_at_unix, bolt11, macaroon, body_macaroon, description })
    }

    /// Repeats the challenge of an invoice that is not paid yet. The macaroon of this challenge is the one that the
    /// client sent, including the caveats that its holder added.
    pub fn repeat(macaroon: &Macaroon, grant: &Grant, description: String, bolt11: Bolt11) -> Self {
        let macaroon = macaroon.encode();
        Self {
            amount_sats: grant.amount_sats,
            expires_at_unix: grant.expires_at_unix,
            bolt11,
            macaroon: macaroon.clone(),
            body_macaroon: macaroon,
            description,
        }
    }

    /// Returns the value of `WWW-Authenticate`. The order of the parameters, the quotes, and the space after the comma
    /// must not change: some clients parse no other form.
    pub fn header(&self) -> String {
        format!("{SCHEME} macaroon=\"{}\", invoice=\"{}\"", self.macaroon, self.bolt11.as_str())
    }

    /// Returns the JSON body: the keys of lightning-toll in its order, then the keys that edgetoll adds. `refused` is
    /// why the credential of the request was refused. If it is `None`, the body has no `error` and no `code`.
    pub fn body(&self, refused: Option<&Refusal>) -> String {
        let body = ChallengeBody {
            status: 402,
            message: "Payment Required",
            payment_hash: self.payment_hash().to_hex(),
            invoice: self.bolt11.as_str(),
            macaroon: &self.body_macaroon,
            amount_sats: self.amount_sats,
            description: (!self.description.is_empty()).then_some(&self.description),
            protocol: SCHEME,
            instructions: Instructions {
                step1: "Pay the Lightning invoice above",
                step2: "Get the preimage from the payment receipt",
                step3: "Retry the request with header: Authorization: L402 <macaroon>:<preimage>",
            },
            expires_at: self.expires_at_unix,
            invoice_expires_at: self.bolt11.expires_at_unix(),
            price_sats: self.amount_sats,
            snake_case_amount_sats: self.amount_sats,
            error: refused.map(Refusal::to_string),
            code: refused.map(Refusal::code),
        };
        serde_json::to_string(&body).unwrap_or_default()
    }

    pub fn payment_hash(&self) -> PaymentHash {
        self.bolt11.payment_hash()
    }
}

/// A `WWW-Authenticate` challenge as a client reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedChallenge {
    pub macaroon: String,
    pub bolt11: String,
}

impl ParsedChallenge {
    /// Parses the first L402 or LSAT challenge with a macaroon and an invoice in a header; `None` if the header has no
    /// such challenge. The parameters may come in any order, quoted or not; the macaroon may be named `macaroon` or
    /// `token`.
    pub fn parse(header: &str) -> Option<Self> {
        credential::l402_members(header).find_map(|member| {
            let (_, parameters) = member.split_once(' ')?;
            let value = |name: &str| {
                parameters.split(',').find_map(|parameter| {
                    let (key, value) = parameter.trim().split_once('=')?;
                    let value = value.trim().trim_matches('"');
                    (key.trim().eq_ignore_ascii_case(name) && !value.is_empty()).then(|| value.to_owned())
                })
            };
            Some(Self { macaroon: value("macaroon").or_else(|| value("token"))?, bolt11: value("invoice")? })
        })
    }
}

/// The authentication scheme. A `WWW-Authenticate` header with the scheme alone is a challenge without an invoice.
pub const SCHEME: &str = "L402";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChallengeBody<'a> {
    status: u16,
    message: &'a str,
    payment_hash: String,
    invoice: &'a str,
    macaroon: &'a str,
    amount_sats: u64,
    description: Option<&'a String>,
    protocol: &'a str,
    instructions: Instructions<'a>,
    expires_at: u64,
    invoice_expires_at: u64,
    /// The same amount as `amount_sats`: l402kit reads its budget from this key.
    price_sats: u64,
    /// The same amount again: discourse-toll reads its limit from this key.
    #[serde(rename = "amount_sats")]
    snake_case_amount_sats: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
}

#[derive(Serialize)]
struct Instructions<'a> {
    step1: &'a str,
    step2: &'a str,
    step3: &'a str,
}
