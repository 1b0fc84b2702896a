//! `application/x-www-form-urlencoded` (WHATWG URL).

use form_urlencoded::parse;

/// The media type of a form.
pub const MEDIA_TYPE: &str = "application/x-www-form-urlencoded";

/// Returns the first field of this name; `None` if its value is not UTF-8.
pub fn field(body: &str, name: &str) -> Option<String> {
    let (_, value) = parse(body.as_bytes()).find(|(known, _)| known == name)?;
    // The decoder replaces bytes that are not UTF-8 with this character.
    (!value.contains(char::REPLACEMENT_CHARACTER)).then(|| value.into_owned())
}
