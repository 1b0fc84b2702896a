//! The pay page: what a person sees instead of JSON, and what it asks when they have paid.

use crate::json::Json;
use crate::l402::percent;

/// What stands below the prefix for everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Public {
    /// The pay page's script.
    PayScript,
    /// The pay page's look.
    PayStyle,
    /// The browser client, an ES module.
    Client,
    /// Its types.
    ClientTypes,
}

impl Public {
    /// The file at what stands behind the prefix.
    pub fn find(rest: &str) -> Option<Self> {
        Some(match rest {
            "/pay.js" => Self::PayScript,
            "/pay.css" => Self::PayStyle,
            "/toll.js" => Self::Client,
            "/toll.d.ts" => Self::ClientTypes,
            _ => return None,
        })
    }

    /// Its name in www/, and its type.
    pub fn file(self) -> (&'static str, &'static str) {
        const SCRIPT: &str = "text/javascript; charset=utf-8";
        match self {
            Self::PayScript => ("pay.js", SCRIPT),
            Self::PayStyle => ("pay.css", "text/css; charset=utf-8"),
            Self::Client => ("toll.js", SCRIPT),
            Self::ClientTypes => ("toll.d.ts", "text/plain; charset=utf-8"),
        }
    }
}

/// Whether a request is a person opening a page: a browser that navigates, and would rather have HTML than JSON.
pub fn is_for_people(method: &str, accept: Option<&str>, fetch_mode: Option<&str>) -> bool {
    let accept = accept.unwrap_or_default();
    let html = quality(accept, "text/html");
    method == "GET"
        && fetch_mode.is_none_or(|mode| mode == "navigate")
        && html > 0
        && html >= quality(accept, "application/json")
}

/// How much a type that is named is liked, in thousandths (RFC 9110, 12.5.1).
fn quality(accept: &str, media_type: &str) -> u32 {
    let named = accept.split(',').find_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        parts.next().filter(|name| name.eq_ignore_ascii_case(media_type))?;
        Some(
            parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="))).unwrap_or("1"),
        )
    });
    let Some((whole, part)) = named.map(|q| q.split_once('.').unwrap_or((q, ""))) else { return 0 };
    format!("{whole}{part:0<3}").parse().unwrap_or_default()
}

/// Fills a template: `{{name}}` is replaced by its value, escaped for text and quoted attributes; what stands between
/// `<!--if name-->` and `<!--/if name-->` goes where the value is empty. A value is never read as template.
pub fn fill(template: &str, values: &[(&str, String)]) -> String {
    let value = |name: &str| values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value);
    let mut kept = template.to_owned();
    for (name, text) in values {
        let (begin, end) = (format!("<!--if {name}-->"), format!("<!--/if {name}-->"));
        while let Some((before, rest)) = kept.split_once(&begin) {
            let Some((inner, after)) = rest.split_once(&end) else { break };
            kept = [before, if text.is_empty() { "" } else { inner }, after].concat();
        }
    }
    let mut pieces = kept.split("{{");
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, text) = piece.split_once("}}").unwrap_or(("", piece));
        filled.push_str(&escape(value(name)));
        filled.push_str(text);
    }
    filled
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// What a page asks: whether this has been paid.
#[derive(Debug, PartialEq, Eq)]
pub struct Asked {
    /// As the challenge had it.
    pub macaroon: String,
    /// The path and query that the person wanted.
    pub to: Option<String>,
    /// Whether a form asks, without any script.
    pub is_form: bool,
}

impl Asked {
    /// Reads the body: a form, or JSON.
    pub fn read(content_type: &str, body: &str) -> Option<Self> {
        let asked = if content_type.starts_with("application/x-www-form-urlencoded") {
            Self { macaroon: field(body, "macaroon")?, to: field(body, "to"), is_form: true }
        } else {
            let body = Json::parse(body.as_bytes())?;
            let text = |key: &str| body.get(key)?.as_str().map(str::to_owned);
            Self { macaroon: text("macaroon")?, to: text("to"), is_form: false }
        };
        // Nothing but one macaroon: it becomes part of a header.
        let is_letter = |b: u8| b.is_ascii_alphanumeric() || b"+/-_=".contains(&b);
        asked.macaroon.bytes().all(is_letter).then_some(asked)
    }
}

/// A field of a form (WHATWG URL, `application/x-www-form-urlencoded`).
pub fn field(body: &str, name: &str) -> Option<String> {
    let mut pairs = body.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(known, _)| *known == name)?;
    String::from_utf8(percent::decode(value.replace('+', " ").as_bytes())).ok()
}

/// Whether a person may be sent there: a path of this host, which no browser takes for another one's.
pub fn is_own_path(to: &str) -> bool {
    let path = to.split(['?', '#']).next().unwrap_or_default();
    path.starts_with('/')
        && !path.starts_with("//")
        && !path.contains('\\')
        && to.bytes().all(|b| b.is_ascii_graphic())
}

/// What a browser sends when it opens a page, where the page's own question has something else; `None` for a header that
/// it has in both.
pub fn header_of_visit(name: &str) -> Option<Option<&'static str>> {
    Some(match name.to_ascii_lowercase().as_str() {
        "accept" => Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        "sec-fetch-dest" => Some("document"),
        "sec-fetch-mode" => Some("navigate"),
        "upgrade-insecure-requests" => Some("1"),
        "content-length" | "content-type" | "origin" => None,
        _ => return None,
    })
}

/// What the page says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "fields are named for what they are")]
pub struct Page<'a> {
    pub nonce: &'a str,
    pub prefix: &'a str,
    pub host: &'a str,
    /// The path and query that were asked for.
    pub path: &'a str,
    pub description: &'a str,
    pub amount_sats: u64,
    pub fiat: Option<&'a str>,
    pub uses: Option<u32>,
    pub lasts_s: u64,
    /// Whether everything of a realm is sold.
    pub is_realm: bool,
    pub invoice: &'a str,
    pub macaroon: &'a str,
    pub invoice_expires_unix: u64,
    pub expires_unix: u64,
    pub now_unix: u64,
    /// Why what the person had is not enough.
    pub reason: Option<String>,
    /// Whether the person said to have paid, and has not yet.
    pub is_checked: bool,
}

impl Page<'_> {
    /// The values of the template's names.
    pub fn values(&self) -> Vec<(&'static str, String)> {
        let said = |is_so: bool| if is_so { "1".to_owned() } else { String::new() };
        let mut values = vec![
            ("nonce", self.nonce.to_owned()),
            ("prefix", self.prefix.to_owned()),
            ("host", self.host.to_owned()),
            ("path", self.path.to_owned()),
            ("description", self.description.to_owned()),
            ("sats", self.amount_sats.to_string()),
            ("one_sat", said(self.amount_sats == 1)),
            ("many_sats", said(self.amount_sats != 1)),
            ("fiat", self.fiat.unwrap_or_default().to_owned()),
            ("one_use", said(self.uses == Some(1))),
            ("many_uses", self.uses.filter(|uses| *uses > 1).map_or(String::new(), |uses| uses.to_string())),
            ("lasts_s", self.lasts_s.to_string()),
            ("scope_path", said(!self.is_realm)),
            ("scope_realm", said(self.is_realm)),
            ("invoice", self.invoice.to_owned()),
            ("macaroon", self.macaroon.to_owned()),
            ("invoice_expires_unix", self.invoice_expires_unix.to_string()),
            ("expires_unix", self.expires_unix.to_string()),
            ("now_unix", self.now_unix.to_string()),
            ("reason", self.reason.clone().unwrap_or_default()),
            ("checked", said(self.is_checked)),
        ];
        // The largest unit that measures it without a rest.
        let lasts_in = UNITS.iter().position(|(_, _, unit_s)| self.lasts_s.is_multiple_of(*unit_s));
        for (at, (one, many, unit_s)) in UNITS.into_iter().enumerate() {
            let count = self.lasts_s.checked_div(unit_s).filter(|_| lasts_in == Some(at)).unwrap_or_default();
            values.push((one, said(count == 1)));
            values.push((many, if count > 1 { count.to_string() } else { String::new() }));
        }
        values
    }
}

const UNITS: [(&str, &str, u64); 4] = [
    ("one_day", "many_days", 86_400),
    ("one_hour", "many_hours", 3_600),
    ("one_minute", "many_minutes", 60),
    ("one_second", "many_seconds", 1),
];
