//! The record of an invoice: what the invoice was created for. The wallet keeps it, for protocols whose proofs carry
//! nothing that this deployment signed.

use super::l402::caveat::Terms;
use super::price::{Fiat, Price};
use crate::crypto::is_one_of;
use crate::keys::{KeySet, Keys};
use crate::payment::PaymentHash;

/// What an invoice was created for, besides its route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvoiceRecord {
    /// The last second in which the payment proves anything, unless the invoice itself expires later.
    pub expires_at_unix: u64,
    /// The host in lower case, without a port.
    pub host: String,
    /// The method of the request that got the invoice. `GET` includes `HEAD`.
    pub method: String,
    /// The pseudonym of the client, if the route binds payments to the address of the client. The address itself is not
    /// recorded, because the wallet may belong to another person.
    pub client: Option<String>,
    /// The price, if it is in a currency.
    pub fiat: Option<Fiat>,
    /// The tag of what was sold ([`KeySet::sold_as`](crate::keys::KeySet::sold_as)).
    pub sold_as: Option<String>,
    /// The MAC of this deployment over the record, the route, and the amount if the price is in satoshis. Others may create
    /// invoices in the same wallet, with a record of their choice, and pay themselves: in Alby Hub, a connection also looks
    /// up the payments of sub-wallets.
    pub mac: String,
}

impl InvoiceRecord {
    /// Returns the record of an invoice. `client` is the pseudonym of the client, if its address is known. Returns
    /// `None` if the host or the method cannot be recorded ([`is_recordable`]).
    pub fn new(
        keys: &KeySet,
        route: &str,
        terms: &Terms,
        method: &str,
        client: Option<&str>,
    ) -> Option<Self> {
        let (sats, fiat) = match &terms.price {
            Price::Sats(sats) => (*sats, None),
            Price::Fiat(price) => (0, Some(price.fiat.clone())),
        };
        let mut record = Self {
            expires_at_unix: terms.expires_at_unix,
            host: terms.host.clone(),
            method: method.to_owned(),
            client: client.filter(|_| terms.ip.is_some()).map(str::to_owned),
            fiat,
            sold_as: terms.sold_as.clone(),
            mac: String::new(),
        };
        record.mac = keys.record_mac(&record.text(route, sats));
        is_recordable(&terms.host, method).then_some(record)
    }

    /// Returns what the MAC covers: one value on each line. No value contains a line feed.
    fn text(&self, route: &str, amount_sats: u64) -> String {
        let expiry = self.expires_at_unix.to_string();
        let sats = amount_sats.to_string();
        let amount = self.fiat.as_ref().map_or(sats.as_str(), Fiat::as_str);
        let optional = |value: &Option<String>| value.clone().unwrap_or_default();
        let (client, sold_as) = (optional(&self.client), optional(&self.sold_as));
        [route, &expiry, &self.host, &self.method, &client, amount, &sold_as].join("\n")
    }
}

/// An invoice that edgetoll requested, as the wallet reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnInvoice {
    pub payment_hash: PaymentHash,
    pub is_paid: bool,
    pub amount_sats: u64,
    /// The last second in which the invoice can be paid.
    pub payable_until_unix: u64,
    /// The pattern of the route.
    pub route: String,
    pub record: InvoiceRecord,
}

impl OwnInvoice {
    /// Whether this deployment has written the record.
    pub fn is_genuine(&self, keys: &Keys) -> bool {
        let text = self.record.text(&self.route, self.amount_sats);
        let macs: Vec<_> = keys.all().map(|set| set.record_mac(&text)).collect();
        is_one_of(&self.record.mac, &macs)
    }
}

/// Whether a host and a method can be recorded. The client chooses both, so they must be short and have only the
/// characters of hosts and methods.
pub fn is_recordable(host: &str, method: &str) -> bool {
    let is_host = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    (1..=MAX_HOST_BYTES).contains(&host.len())
        && host.bytes().all(is_host)
        && (1..=MAX_METHOD_BYTES).contains(&method.len())
        && method.bytes().all(|b| b.is_ascii_alphabetic())
}

/// The longest name in DNS.
const MAX_HOST_BYTES: usize = 253;
const MAX_METHOD_BYTES: usize = 32;
