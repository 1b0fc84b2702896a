//! What a macaroon of any issuer says about the requests that it pays for. Only the issuer can check a macaroon, so these
//! terms only help to choose a credential. A wrong choice costs one request.

use super::journal::Scope;
use super::offer::StatedSats;
use crate::http::url::without_slash;
use crate::l402::macaroon::Macaroon;
use crate::payment::PaymentHash;
use crate::protocols::price::Fiat;

/// The terms of a macaroon. A field is `None` if the macaroon does not limit it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    pub payment_hash: Option<PaymentHash>,
    /// The requests that the macaroon pays for.
    pub scope: Scope,
    /// The hosts that the macaroon is bound to. It is valid only where all of them are the host.
    pub hosts: Vec<String>,
    /// The price in satoshis.
    pub amount_sats: Option<StatedSats>,
    /// The price, if it is in a currency.
    pub fiat: Option<Fiat>,
    /// The last second in which the macaroon is valid, in Unix time.
    pub until_unix: Option<u64>,
    /// Whether the macaroon could be parsed. The terms of an unknown format are not known.
    pub is_known: bool,
}

impl Terms {
    /// Reads the caveats of a macaroon: those of edgetoll, lightning-toll, Aperture and boltwall.
    pub fn of_macaroon(text: &str) -> Self {
        let Ok(macaroon) = Macaroon::parse(text) else { return Self::default() };
        let mut terms =
            Self { payment_hash: Some(macaroon.payment_hash()), is_known: true, ..Self::default() };
        for caveat in macaroon.caveats().filter_map(|caveat| std::str::from_utf8(caveat).ok()) {
            if let Some((name, value)) = caveat.split_once('=') {
                terms.add(name.trim(), value.trim());
            }
        }
        terms.scope.endpoint = terms.scope.endpoint.map(|path| comparable(&path, text).to_owned());
        terms
    }

    fn add(&mut self, name: &str, value: &str) {
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "endpoint" => _ = self.scope.endpoint.get_or_insert_with(|| value.to_owned()),
            "method" => _ = self.scope.method.get_or_insert_with(|| value.to_ascii_uppercase()),
            "host" => self.hosts.push(value.to_owned()),
            "realm" => _ = self.scope.realm.get_or_insert_with(|| value.to_owned()),
            "ip" => _ = self.scope.kinds.insert(name),
            "uses" => _ = self.scope.kinds.insert(format!("{name} {value}")),
            "fiat" => {
                let currency = value.rsplit_once(' ').map_or(value, |(_, currency)| currency);
                self.scope.kinds.insert(currency.to_owned());
                self.fiat = self.fiat.take().or_else(|| Fiat::parse(value));
            }
            "services" => _ = self.scope.services.get_or_insert_with(|| value.to_owned()),
            "amount_sats" => {
                let stated = value.parse().map_or(StatedSats::Unclear, StatedSats::Sats);
                self.amount_sats = Some(self.amount_sats.map_or(stated, |earlier| earlier.and(stated)));
            }
            "expires_at" | "expiration" | "valid_until" => self.expires(value),
            _ if name.ends_with("_valid_until") => self.expires(value),
            _ => {}
        }
    }

    fn expires(&mut self, value: &str) {
        let Ok(date) = value.parse::<u64>() else { return };
        // boltwall counts milliseconds.
        let date = if date > LATEST_UNIX { date / 1000 } else { date };
        self.until_unix = Some(self.until_unix.map_or(date, |earlier| earlier.min(date)));
    }
}

/// Returns a path as it is compared with that of a macaroon. edgetoll ignores a slash at the end. lightning-toll, whose macaroons are
/// JSON, does not.
pub fn comparable<'a>(path: &'a str, macaroon: &str) -> &'a str {
    if macaroon.starts_with(BINARY_IN_BASE64) { without_slash(path) } else { path }
}

/// The beginning of a binary macaroon, whose first byte is its version, 2.
const BINARY_IN_BASE64: &str = "Ag";
/// A larger date counts milliseconds.
const LATEST_UNIX: u64 = 100_000_000_000;
