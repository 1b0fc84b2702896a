//! What a 402 response offers for payment. Reads the challenges of L402 and LSAT, the JSON bodies of lightning-toll, and
//! the bare invoices of rack-lightning and ln-paywall.

use serde_json::Value;

use super::terms::Terms;
use super::www_authenticate::{self, HttpChallenge};
use crate::payment::PaymentHash;

/// An invoice, and how its payment is proven to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    pub proof: ProofKind,
    pub invoice: String,
    /// What the payment buys, as far as the macaroon says it.
    pub terms: Terms,
    /// The price that the response states beside the invoice, in satoshis.
    pub stated_sats: Option<StatedSats>,
    /// The payment hashes that the response states beside the invoice.
    pub stated_hashes: Vec<PaymentHash>,
}

/// A price in a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatedSats {
    Sats(u64),
    /// The response states a price that is not a whole number, or two different prices.
    Unclear,
}

impl StatedSats {
    /// Returns the price that two places state.
    pub fn and(self, other: Self) -> Self {
        if self == other { self } else { Self::Unclear }
    }
}

/// How a payment is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProofKind {
    /// `Authorization: <scheme> <macaroon>:<preimage>`.
    L402 {
        /// `L402` or `LSAT`, as the server wrote it.
        scheme: String,
        macaroon: String,
    },
    /// `X-Preimage: <preimage>`, for one request.
    Preimage,
}

impl Offer {
    /// Reads a 402 response. `lines` are its `WWW-Authenticate` lines. The first complete challenge in the headers is
    /// used, or else the body. Returns `None` if the response has no invoice that this client knows how to pay.
    pub fn read(lines: &[&str], content_type: &str, body: &[u8]) -> Option<Self> {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if media_type.eq_ignore_ascii_case(BOLT11_MEDIA_TYPE) {
            return Self::bare_invoice(body);
        }
        let json: Option<Value> = serde_json::from_slice(body).ok();
        // FastAPI wraps the body of lightning-toll in `detail`.
        let json =
            json.as_ref().map(|json| json.get("detail").filter(|detail| detail.is_object()).unwrap_or(json));
        let challenges = lines.iter().flat_map(|line| www_authenticate::parse(line));
        let (proof, invoice) = challenges.into_iter().find_map(from_header).or_else(|| from_body(json?))?;
        let terms = match &proof {
            ProofKind::L402 { macaroon, .. } => Terms::of_macaroon(macaroon),
            ProofKind::Preimage => Terms::default(),
        };
        let hash = |key: &&str| PaymentHash::from_hex(json?.get(key)?.as_str()?);
        let stated_hashes = terms.payment_hash.into_iter().chain(HASH_KEYS.iter().filter_map(hash)).collect();
        Some(Self { proof, invoice, terms, stated_sats: json.and_then(stated_sats), stated_hashes })
    }

    fn bare_invoice(body: &[u8]) -> Option<Self> {
        let invoice = std::str::from_utf8(body).ok()?.trim().to_owned();
        let terms = Terms::default();
        (!invoice.is_empty()).then_some(Self {
            proof: ProofKind::Preimage,
            invoice,
            terms,
            stated_sats: None,
            stated_hashes: Vec::new(),
        })
    }
}

/// Returns macaroon and invoice of an L402 or LSAT challenge. Newer servers call the macaroon `token`.
fn from_header(challenge: HttpChallenge) -> Option<(ProofKind, String)> {
    let names = ["macaroon", "token"];
    let macaroon = names.iter().filter_map(|name| challenge.parameter(name)).find(|text| is_token68(text))?;
    let invoice = challenge.parameter("invoice").filter(|invoice| !invoice.is_empty())?;
    let proof = ProofKind::L402 { scheme: challenge.scheme.clone(), macaroon: macaroon.to_owned() };
    is_l402(&challenge.scheme).then(|| (proof, invoice.to_owned()))
}

/// Whether an authentication scheme is that of L402, under its new or its old name.
pub fn is_l402(scheme: &str) -> bool {
    ["l402", "lsat"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

/// Returns macaroon and invoice of a body of lightning-toll, whose clients read no header.
fn from_body(json: &Value) -> Option<(ProofKind, String)> {
    let text = |name: &str| json.get(name)?.as_str();
    let macaroon = text("macaroon").or_else(|| text("token")).filter(|text| is_token68(text))?;
    let proof = ProofKind::L402 { scheme: "L402".to_owned(), macaroon: macaroon.to_owned() };
    Some((proof, text("invoice")?.to_owned()))
}

/// Returns the price in a body. lightning-toll calls it `amountSats`, and other servers `priceSats`, `price_sats` and so
/// on.
fn stated_sats(json: &Value) -> Option<StatedSats> {
    let stated = PRICE_KEYS.iter().filter_map(|key| json.get(key)).filter(|value| !value.is_null());
    stated.map(|value| value.as_u64().map_or(StatedSats::Unclear, StatedSats::Sats)).reduce(StatedSats::and)
}

/// Whether a text has only the characters of a token68 (RFC 9110). Other texts could not be sent in a header.
fn is_token68(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    !body.is_empty() && body.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b))
}

/// The media type of a bare invoice (rack-lightning).
pub const BOLT11_MEDIA_TYPE: &str = "application/vnd.lightning.bolt11";

const HASH_KEYS: [&str; 2] = ["paymentHash", "payment_hash"];
const PRICE_KEYS: [&str; 4] = ["amountSats", "priceSats", "amount_sats", "price_sats"];
