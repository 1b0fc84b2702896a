//! What an unpaid request gets: one `WWW-Authenticate` line that every known client parses, and lightning-toll's JSON.

use serde::Serialize;

use super::bolt11::Bolt11;
use super::caveat::{Caveat, Terms};
use super::credential;
use super::keys::KeySet;
use super::macaroon::{Encoding, Macaroon, MacaroonError};
use super::preimage::PaymentHash;
use super::refusal::Refusal;
use super::verify::Grant;

/// Which encodings are issued and accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encodings {
    /// Both: the header's macaroon is the standard one, the body's is lightning-toll's.
    #[default]
    Both,
    /// libmacaroons v2 alone.
    Standard,
    /// lightning-toll's JSON alone.
    LightningToll,
}

impl Encodings {
    /// Whether a macaroon in this encoding is accepted.
    pub fn accepts(self, encoding: Encoding) -> bool {
        match self {
            Self::Both => true,
            Self::Standard => encoding == Encoding::Standard,
            Self::LightningToll => encoding == Encoding::LightningToll,
        }
    }
}

/// An invoice and the macaroons that its preimage makes good.
pub struct Challenge {
    /// What it asks for.
    pub amount_sats: u64,
    /// The last second in which its credential is good.
    pub expires_at_unix: u64,
    description: String,
    /// The invoice.
    pub bolt11: Bolt11,
    /// The header's.
    pub macaroon: String,
    body_macaroon: String,
}

impl Challenge {
    /// Mints the macaroons for an invoice. The header's is the standard one, the body's is lightning-toll's: its clients
    /// read only the body, all others the header. `nonce` is random.
    ///
    /// # Errors
    /// Where the terms are more than a macaroon holds; no terms are.
    pub fn new(
        keys: &KeySet,
        encodings: Encodings,
        terms: Terms,
        description: String,
        bolt11: Bolt11,
        nonce: &[u8; 28],
    ) -> Result<Self, MacaroonError> {
        let payment_hash = bolt11.payment_hash();
        let mint = |encoding| {
            let mut caveats = terms.caveats(encoding);
            let macaroon = match encoding {
                Encoding::Standard => {
                    let identifier = keys.identifier(payment_hash, nonce);
                    Macaroon::standard(&keys.standard_key(&identifier), &terms.host, &identifier)
                }
                Encoding::LightningToll => {
                    caveats.push(Caveat::mark(&keys.native_mark(&payment_hash)));
                    Macaroon::lightning_toll(&keys.lightning_toll_key(), payment_hash)
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
        let Terms { amount_sats, expires_at_unix, .. } = terms;
        Ok(Self { amount_sats, expires_at_unix, description, bolt11, macaroon, body_macaroon })
    }

    /// The challenge of an invoice that is not paid yet, once more, for the holder of its macaroon: the very same one, in
    /// the encoding that it was shown in, so that nothing is widened.
    pub fn again(macaroon: &Macaroon, grant: &Grant, description: String, bolt11: Bolt11) -> Self {
        let macaroon = macaroon.encode();
        Self {
            amount_sats: grant.amount_sats.unwrap_or_default(),
            expires_at_unix: grant.expires_at_unix,
            description,
            bolt11,
            macaroon: macaroon.clone(),
            body_macaroon: macaroon,
        }
    }

    /// The value of `WWW-Authenticate`. Order, quotes and comma-space are fixed: other forms are read by fewer clients.
    pub fn header(&self) -> String {
        format!("{SCHEME} macaroon=\"{}\", invoice=\"{}\"", self.macaroon, self.bolt11.as_str())
    }

    /// The JSON body: lightning-toll's keys in its order, then ours.
    pub fn body(&self, refused: Option<&Refusal>) -> String {
        let body = Body {
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
            error: refused.map(Refusal::to_string),
            code: refused.map(Refusal::code),
        };
        serde_json::to_string(&body).unwrap_or_default()
    }

    /// The payment hash, for the log.
    pub fn payment_hash(&self) -> PaymentHash {
        self.bolt11.payment_hash()
    }
}

/// A challenge as a client reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The macaroon to send back with the preimage, as it was given.
    pub macaroon: String,
    /// The invoice, as it was given.
    pub bolt11: String,
}

impl Offer {
    /// Reads a `WWW-Authenticate` header: the first L402 or LSAT challenge in it, its parameters in any order, quoted or
    /// not, the macaroon under `macaroon` or `token`.
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

/// The scheme, and the whole of a challenge that offers no invoice.
pub const SCHEME: &str = "L402";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
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
