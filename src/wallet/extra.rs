//! What edgetoll records with an invoice at the wallet: in `extra` of LNbits, or in the metadata of NIP-47.

use std::num::NonZeroU32;

use serde::Serialize;

use super::InvoiceRequest;
use super::receipt::{Sale, SaleTerms};
use crate::protocols::price::Fiat;
use crate::protocols::record::InvoiceRecord;
use crate::strict_json::Json;

/// What edgetoll keeps with an invoice.
#[derive(Default, Serialize)]
pub(super) struct Extra<'a> {
    tag: &'a str,
    route: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    c: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    /// The pseudonym of the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sold_as: Option<&'a str>,
    /// The number of requests that were bought, if it is limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    uses: Option<NonZeroU32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mac: Option<&'a str>,
}

impl<'a> Extra<'a> {
    pub fn new(invoice: &InvoiceRequest<'a>) -> Self {
        let extra =
            Self { tag: TAG, route: invoice.route, c: invoice.client, uses: invoice.uses, ..Self::default() };
        match invoice.record {
            None => extra,
            Some(record) => Self {
                expiry: Some(record.expires_at_unix),
                host: Some(&record.host),
                method: Some(&record.method),
                ip: record.client.as_deref(),
                price: record.fiat.as_ref().map(Fiat::as_str),
                sold_as: record.sold_as.as_deref(),
                mac: Some(&record.mac),
                ..extra
            },
        }
    }
}

/// Returns the route and the client of an invoice; `None` if the invoice is not of edgetoll.
pub(super) fn read_sale(extra: &Json) -> Option<Sale> {
    if string(extra, "tag")? != TAG {
        return None;
    }
    Some(Sale { route: string(extra, "route")?, client: string(extra, "c") })
}

/// Returns the route and the record of an invoice; `None` if the invoice is not of edgetoll or has no record.
pub(super) fn read_record(extra: &Json) -> Option<(String, InvoiceRecord)> {
    let Sale { route, .. } = read_sale(extra)?;
    let fiat = match string(extra, "price") {
        Some(price) => Some(Fiat::parse(&price)?),
        None => None,
    };
    let record = InvoiceRecord {
        expires_at_unix: extra.number("expiry")?,
        host: string(extra, "host")?,
        method: string(extra, "method")?,
        client: string(extra, "ip"),
        fiat,
        sold_as: string(extra, "sold_as"),
        mac: string(extra, "mac")?,
    };
    Some((route, record))
}

/// Returns what was sold for `amount_sats`, as far as the wallet has kept it. LNbits adds the currency of the wallet and how many
/// satoshis one unit of it was worth.
pub(super) fn read_terms(extra: &Json, amount_sats: u64) -> SaleTerms {
    let price = string(extra, "price").and_then(|price| Fiat::parse(&price));
    let value = || {
        let sats_per_unit_e8 = extra.get("wallet_fiat_rate")?.hundred_millionths()?;
        Fiat::of_sats(amount_sats, sats_per_unit_e8, &string(extra, "wallet_fiat_currency")?)
    };
    SaleTerms { host: string(extra, "host"), uses: extra.number("uses"), fiat: price.or_else(value) }
}

fn string(extra: &Json, key: &str) -> Option<String> {
    extra.get(key)?.as_str().map(str::to_owned)
}

/// The `tag` of every invoice that edgetoll creates.
pub(super) const TAG: &str = "edgetoll";
