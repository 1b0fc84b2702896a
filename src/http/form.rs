//! Reads forms: `application/x-www-form-urlencoded` (WHATWG URL).

use form_urlencoded::parse;

/// The media type of a form.
pub const MEDIA_TYPE: &str = "application/x-www-form-urlencoded";

/// Returns the value of the first field with this name; `None` if the form has no such field, or if the value is not
/// UTF-8.
pub fn field(body: &str, name: &str) -> Option<String> {
    let (_, value) = parse(body.as_bytes()).find(|(known, _)| known == name)?;
    // `parse` replaces bytes that are not UTF-8 with U+FFFD.
    (!value.contains(char::REPLACEMENT_CHARACTER)).then(|| value.into_owned())
}
