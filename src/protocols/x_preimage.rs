//! X-Preimage, the protocol of rack-lightning and ln-paywall. The body of a 402 is a bare invoice, and the preimage of
//! its payment, in the header `X-Preimage`, pays for one request.
//!
//! A preimage does not say what it was paid for, and carries no signature of this deployment. So the invoice is looked
//! up at the wallet, and its record is checked, which carries a MAC of this deployment. That no payment is used twice is not checked here: the meter counts
//! uses.

use thiserror::Error;

use super::l402::caveat::covers_method;
use super::price::Price;
use super::record::OwnInvoice;
use crate::crypto::is_one_of;
use crate::http::accept;
use crate::keys::Keys;
use crate::payment::{PaymentHash, Preimage};

/// What a payment must satisfy: the request that carries its preimage, and the requirements of the route.
#[derive(Clone)]
pub struct Demand<'a> {
    pub keys: &'a Keys,
    pub now_unix: u64,
    /// The pattern of the route.
    pub route: &'a str,
    /// The requested host in lower case, without a port.
    pub host: &'a str,
    /// The requested path as it was sent.
    pub path: &'a str,
    pub method: &'a str,
    /// The pseudonyms of the client, one for each key set; `None` if the route does not bind payments to the client's
    /// address.
    pub client: Option<Vec<String>>,
    pub price: &'a Price,
    /// The tags of what the route sells, one for each key set. A payment with one of them stays sufficient when the
    /// price rises.
    pub sold_as: Vec<String>,
}

/// Why a preimage is refused. The texts are those of ln-paywall, byte by byte, and its clients may compare them.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    #[error("The provided preimage isn't properly formatted")]
    Malformed,
    #[error("The provided preimage isn't properly hex encoded")]
    NotHex,
    #[error(
        "You seem to have sent an invalid preimage or one that doesn't correspond to an invoice that was issued for an initial \
         request"
    )]
    Unknown,
    #[error("Your invoice was created for a {expected} request, but you're sending a {got} request")]
    OtherMethod { expected: String, got: String },
    #[error(
        "Your invoice was created for the path \"{expected}\", but you're sending a request to \"{got}\""
    )]
    OtherPath { expected: String, got: String },
    #[error(
        "You already sent a request with the same preimage. You have to pay a new invoice for and include the corresponding \
         preimage in each request."
    )]
    Spent,
    #[error("You somehow obtained the preimage of the invoice, but the invoice is not settled yet")]
    Unpaid,
}

impl Refusal {
    /// Returns the code of the refusal, for the log and the dashboard. The response has no code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed | Self::NotHex => "malformed_preimage",
            Self::Unknown => "unknown_preimage",
            Self::OtherMethod { .. } => "method_mismatch",
            Self::OtherPath { .. } => "endpoint_mismatch",
            Self::Spent => "spent",
            Self::Unpaid => "unpaid",
        }
    }
}

/// The setting `x_preimage_errors`: what the client gets if its preimage is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorStyle {
    /// The reason, with status 400.
    #[default]
    LnPaywall,
    /// Status 402 with a new invoice, and no reason.
    RackLightning,
}

/// Reads the value of the header `X-Preimage`: 64 hexadecimal digits, in upper or lower case. Returns the payment hash.
///
/// # Errors
/// Refuses every other value.
pub fn read(header: &str) -> Result<PaymentHash, Refusal> {
    if header.len() != PREIMAGE_DIGITS {
        return Err(Refusal::Malformed);
    }
    Preimage::from_hex(header).map(|preimage| preimage.payment_hash()).ok_or(Refusal::NotHex)
}

/// Checks that an invoice was created for such a request, and that it is paid.
///
/// # Errors
/// Returns the first reason for which the payment is refused, in the order of ln-paywall. It has no sentence for an
/// invoice of another deployment, host or client, one that has expired, or one whose amount is too low. Such an invoice is
/// unknown.
pub fn check(invoice: &OwnInvoice, demand: &Demand<'_>) -> Result<(), Refusal> {
    let OwnInvoice { record, route, .. } = invoice;
    if !invoice.is_genuine(demand.keys)
        || demand.now_unix > expires_at_unix(invoice)
        || record.host != demand.host
        || !is_same_client(record.client.as_deref(), demand)
    {
        return Err(Refusal::Unknown);
    }
    if !covers_method(&record.method, demand.method) {
        return Err(Refusal::OtherMethod { expected: record.method.clone(), got: demand.method.to_owned() });
    }
    if route != demand.route {
        return Err(Refusal::OtherPath { expected: route.clone(), got: demand.path.to_owned() });
    }
    if !covers_price(invoice, demand) {
        return Err(Refusal::Unknown);
    }
    if invoice.is_paid { Ok(()) } else { Err(Refusal::Unpaid) }
}

/// Returns the last second in which a payment proves anything. An invoice of a wallet that chose a longer expiry can be
/// paid until it expires, and must be worth something until then.
pub fn expires_at_unix(invoice: &OwnInvoice) -> u64 {
    invoice.record.expires_at_unix.max(invoice.payable_until_unix)
}

/// Whether the body of a 402 is the bare invoice. This is so in two cases:
/// 1. `Accept` names the media type of invoices, with at least the quality of JSON and of HTML.
/// 2. `Accept` names neither JSON nor HTML, and `is_default` is set.
pub fn takes_invoice(accept: Option<&str>, is_default: bool) -> bool {
    let quality = |media_type: &str| accept.map_or(0, |accept| accept::quality(accept, media_type));
    let others = quality("application/json").max(quality("text/html"));
    match quality(MEDIA_TYPE) {
        0 => is_default && others == 0,
        own => own >= others,
    }
}

fn is_same_client(bound: Option<&str>, demand: &Demand<'_>) -> bool {
    match (bound, &demand.client) {
        (_, None) => true,
        (Some(bound), Some(client)) => is_one_of(bound, client),
        (None, Some(_)) => false,
    }
}

/// Whether the payment is enough for the price of this request, by the rule for L402 credentials: it covers the price,
/// or it was made for what the route sells now.
fn covers_price(invoice: &OwnInvoice, demand: &Demand<'_>) -> bool {
    let is_sold_as = || invoice.record.sold_as.as_ref().is_some_and(|tag| is_one_of(tag, &demand.sold_as));
    let covers = match demand.price {
        Price::Sats(sats) => invoice.amount_sats >= *sats,
        Price::Fiat(price) => invoice.record.fiat.as_ref().is_some_and(|paid| paid.covers(&price.fiat)),
    };
    covers || is_sold_as()
}

/// The request header that carries the preimage.
pub const HEADER: &str = "X-Preimage";
/// The media type of a bare invoice. The clients of faraday_ln_paywall compare it byte by byte.
pub const MEDIA_TYPE: &str = "application/vnd.lightning.bolt11";
const PREIMAGE_DIGITS: usize = 64;
