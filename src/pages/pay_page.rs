//! The pay page: the HTML body of a 402 response, for a person with a browser. Programs get JSON.

use super::{error_page, owner};
use crate::policy::owner::Owner;

/// Whether a browser opens a page with this request, and does not prefer JSON to HTML.
pub fn is_navigation(method: &str, accept: Option<&str>, fetch_mode: Option<&str>) -> bool {
    method == "GET" && error_page::is_shown(accept, fetch_mode)
}

/// What the pay page shows, and what its script needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayPage<'a> {
    /// The nonce of the `Content-Security-Policy` header.
    pub nonce: &'a str,
    /// The path prefix of edgetoll's endpoints.
    pub prefix: &'a str,
    pub host: &'a str,
    pub owner: &'a Owner,
    /// The requested path and query.
    pub path: &'a str,
    /// The description of the route; `None` if the route has none.
    pub description: Option<&'a str>,
    pub amount_sats: u64,
    pub fiat: Option<&'a str>,
    pub uses: Option<u32>,
    /// How long the credential is valid, in seconds.
    pub lasts_s: u64,
    /// Whether the credential is valid for a realm instead of one path.
    pub is_realm: bool,
    pub invoice: &'a str,
    pub macaroon: &'a str,
    pub invoice_expires_unix: u64,
    /// When the credential expires.
    pub expires_unix: u64,
    pub now_unix: u64,
    /// Why the browser's credential was refused; `None` if no credential was refused.
    pub reason: Option<String>,
    /// True if the form of the pay page sent this request, but the payment has not settled yet.
    pub is_retry: bool,
}

impl PayPage<'_> {
    /// Returns each placeholder of the template with its value. A placeholder for a condition has the value `1` or an
    /// empty value.
    pub fn values(&self) -> Vec<(&'static str, String)> {
        let flag = |is_set: bool| if is_set { "1".to_owned() } else { String::new() };
        // Without a description, the path is the heading, and it is not shown twice.
        let description = self.description.filter(|text| !text.trim().is_empty() && *text != self.path);
        let mut values = vec![
            ("nonce", self.nonce.to_owned()),
            ("prefix", self.prefix.to_owned()),
            ("path", self.path.to_owned()),
            ("description", description.unwrap_or_default().to_owned()),
            ("long", flag(description.is_some_and(|text| text.len() > LONG_BYTES))),
            ("heading", description.unwrap_or(self.path).to_owned()),
            ("sats", self.amount_sats.to_string()),
            ("one_sat", flag(self.amount_sats == 1)),
            ("many_sats", flag(self.amount_sats != 1)),
            ("fiat", self.fiat.unwrap_or_default().to_owned()),
            ("one_use", flag(self.uses == Some(1))),
            ("many_uses", self.uses.filter(|uses| *uses > 1).map_or(String::new(), |uses| uses.to_string())),
            ("lasts_s", self.lasts_s.to_string()),
            ("scope_path", flag(!self.is_realm)),
            ("scope_realm", flag(self.is_realm)),
            ("invoice", self.invoice.to_owned()),
            ("macaroon", self.macaroon.to_owned()),
            ("invoice_expires_unix", self.invoice_expires_unix.to_string()),
            ("expires_unix", self.expires_unix.to_string()),
            ("now_unix", self.now_unix.to_string()),
            ("reason", self.reason.clone().unwrap_or_default()),
            ("checked", flag(self.is_retry)),
        ];
        // The lifetime of the credential is stated in the largest unit that gives a whole number.
        let unit = UNITS.iter().position(|(_, _, unit_s)| self.lasts_s.is_multiple_of(*unit_s));
        for (at, (one, many, unit_s)) in UNITS.into_iter().enumerate() {
            let count = self.lasts_s.checked_div(unit_s).filter(|_| unit == Some(at)).unwrap_or_default();
            values.push((one, flag(count == 1)));
            values.push((many, if count > 1 { count.to_string() } else { String::new() }));
        }
        values.extend(owner::values(self.owner, self.host));
        values
    }
}

/// From this length, a description is shown in a smaller font.
const LONG_BYTES: usize = 80;
/// The placeholders for one unit and for several units, and the length of the unit in seconds.
const UNITS: [(&str, &str, u64); 4] = [
    ("one_day", "many_days", 86_400),
    ("one_hour", "many_hours", 3_600),
    ("one_minute", "many_minutes", 60),
    ("one_second", "many_seconds", 1),
];
