//! What the pay page and the error page show about the owner: a title, a contact, and an accent color.

use super::normalization::is_invisible;
use crate::hex;
use crate::http::url;

/// The keys `title`, `contact` and `accent` of the price list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// The name of the owner or of the service, at most 60 characters on one line.
    pub title: Option<String>,
    pub contact: Option<Contact>,
    pub accent: Option<Accent>,
}

/// Returns a title; `None` if the text is empty, too long, or has characters that are not displayed.
pub fn parse_title(text: &str) -> Option<String> {
    let is_title =
        !text.trim().is_empty() && text.chars().nth(60).is_none() && !text.chars().any(is_invisible);
    is_title.then(|| text.to_owned())
}

/// An e-mail address or an https URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact(String);

impl Contact {
    /// Parses a contact. Accepts an e-mail address only if a `mailto:` URL can contain it without escapes.
    pub fn parse(text: &str) -> Option<Self> {
        let is_contact = match text.split_once('@') {
            Some((local, domain)) if !text.contains('/') => is_name(local, b"._+-") && is_domain(domain),
            _ => text.starts_with(HTTPS) && url::is_safe_target(text),
        };
        (is_contact && text.len() <= MAX_CONTACT_BYTES).then(|| Self(text.to_owned()))
    }

    /// Returns the URL of a link to the contact.
    pub fn href(&self) -> String {
        if self.0.starts_with(HTTPS) { self.0.clone() } else { format!("mailto:{}", self.0) }
    }

    /// Returns the text of a link to the contact: the address, or the URL without its scheme.
    pub fn text(&self) -> &str {
        self.0.strip_prefix(HTTPS).unwrap_or(&self.0)
    }
}

/// A color, written as `#rrggbb`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accent(String);

impl Accent {
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
        hex::decode(digits)?;
        Some(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the color of text on the accent color: black or white. The contrast is at least 4.5:1, as WCAG 2.2
    /// (1.4.3) requires, because every color has this contrast with black or with white.
    pub fn text_color(&self) -> &'static str {
        let channels = hex::decode(self.0.trim_start_matches('#')).unwrap_or_default();
        let weights = [0.2126, 0.7152, 0.0722];
        let luminance: f64 =
            channels.iter().zip(weights).map(|(channel, weight)| linear(*channel) * weight).sum();
        if luminance > EQUAL_CONTRAST { "#000000" } else { "#ffffff" }
    }
}

/// Returns the linear value of a channel of sRGB. This is an approximation, because the code of `powf` would add a
/// kilobyte to the wasm.
fn linear(channel: u8) -> f64 {
    let c = f64::from(channel) / 255.0;
    c * (c * (c * 0.305_306_011 + 0.682_171_111) + 0.012_522_878)
}

fn is_domain(text: &str) -> bool {
    text.contains('.') && text.split('.').all(|label| is_name(label, b"-"))
}

/// Whether a text is not empty, and has only ASCII letters, digits and `others`.
fn is_name(text: &str, others: &[u8]) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
}

const HTTPS: &str = "https://";
const MAX_CONTACT_BYTES: usize = 254;
/// The luminance whose contrast with black and with white is the same: the root of 1.05 · 0.05, minus 0.05.
const EQUAL_CONTRAST: f64 = 0.179;
