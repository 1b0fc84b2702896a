//! `application/x-www-form-urlencoded` (WHATWG URL).

use form_urlencoded::parse;

/// The media type of a form.
pub const MEDIA_TYPE: &str = "application/x-www-form-urlencoded";

/// Returns the first field of this name. Bytes that are not UTF-8 become U+FFFD.
pub fn field(body: &str, name: &str) -> Option<String> {
    parse(body.as_bytes()).find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}
