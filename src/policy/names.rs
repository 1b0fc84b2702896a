//! Origins that change each name in a path: WordPress makes a slug of it, and others remove characters.

use std::borrow::Cow;

use super::resolve::Ambiguous;
use crate::http::percent;

/// Returns a path with its names as WordPress reads them, and the same path with `*` in the place of each name that this changes;
/// `None` if no name changes. WordPress makes a slug of each name (`sanitize_title_with_dashes`), so that `/-sold/` and `/so!ld/` are
/// `/sold/`. The results may be in percent-encoding.
///
/// # Errors
/// Fails if a name has tags that `strip_tags` of PHP reads in its own way: several of them, or one with quotation marks, `!` or `?`.
pub fn with_slugs(path: &[u8]) -> Result<Option<[String; 2]>, Ambiguous> {
    if path.split(|byte| *byte == b'/').all(is_slug) {
        return Ok(None);
    }
    let (mut changed, mut masked) = (String::new(), String::new());
    for name in percent::encode_bytes(path).split('/').skip(1) {
        let slug = if is_slug(name.as_bytes()) { None } else { Some(slug(&without_tag(name)?)) };
        let slug = slug.as_deref().filter(|slug| *slug != name && !slug.is_empty());
        changed.extend(["/", slug.unwrap_or(name)]);
        masked.extend(["/", slug.map_or(name, |_| "*")]);
    }
    Ok((changed != masked).then_some([changed, masked]))
}

/// Whether a name has only letters, digits, `_` and single `-` between them.
pub fn is_slug(name: &[u8]) -> bool {
    let is_known = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-".contains(byte);
    name.len() <= MAX_SLUG
        && name.iter().all(is_known)
        && !name.starts_with(b"-")
        && !name.ends_with(b"-")
        && !name.windows(2).any(|pair| pair == b"--")
}

/// Returns two paths. In the names of the first, the dots are removed, as CodeIgniter 3 does in the names of classes. In those of the second,
/// all characters are removed but letters of ASCII, digits, `_`, `-` and dots, as routers do with `FILTER_SANITIZE_URL`. Each comes with the
/// same path with `*` in the place of each name that this changes, and is missing if no name changes.
pub fn with_fewer_characters(path: &[u8]) -> impl Iterator<Item = [String; 2]> {
    let path = String::from_utf8_lossy(path).into_owned();
    let is_kept: [fn(char) -> bool; 2] =
        [|c| c != '.', |c| c.is_ascii_alphanumeric() || ['_', '-', '.'].contains(&c)];
    is_kept.into_iter().filter_map(move |is_kept| with_names_of(&path, is_kept))
}

/// A name of which nothing is left, such as one in Chinese letters, is no other name.
fn with_names_of(path: &str, is_kept: fn(char) -> bool) -> Option<[String; 2]> {
    let (mut without, mut masked) = (String::new(), String::new());
    for name in path.split('/').skip(1) {
        let kept: String = name.chars().filter(|c| is_kept(*c)).collect();
        let other = Some(kept).filter(|other| other != name && !other.is_empty());
        without.extend(["/", other.as_deref().unwrap_or(name)]);
        masked.extend(["/", other.as_ref().map_or(name, |_| "*")]);
    }
    (without != masked).then_some([without, masked])
}

/// Returns the folder of the first name of which `FILTER_SANITIZE_URL` removes each character, such as `/sold` for `/sold/日本`. A router may
/// then run the action of the folder.
pub fn folder_of_removed(path: &str) -> Option<&str> {
    let is_removed = |name: &str| !name.is_empty() && !name.contains(|c: char| c.is_ascii_graphic());
    let mut end = 0_usize;
    for name in path.split('/') {
        if is_removed(name) {
            return path.get(..end.saturating_sub(1));
        }
        end = end.saturating_add(name.len()).saturating_add(1);
    }
    None
}

/// Removes a tag. A tag without `>` ends with the name.
fn without_tag(name: &str) -> Result<Cow<'_, str>, Ambiguous> {
    let Some((before, tag)) = name.split_once('<') else { return Ok(Cow::Borrowed(name)) };
    if tag.contains(['<', '"', '\'', '!', '?']) {
        return Err(Ambiguous);
    }
    // `<` before a space begins no tag.
    let after = if tag.starts_with([' ', '\t', '\n', '\x0b', '\x0c', '\r']) {
        tag
    } else {
        tag.split_once('>').map_or("", |(_, after)| after)
    };
    Ok(Cow::Owned([before, after].concat()))
}

/// Removes entities and punctuation characters. Dots, spaces and dashes become one dash, but not at the ends.
fn slug(name: &str) -> String {
    let name = with_octets(name);
    let mut slug = String::new();
    let mut rest = name.get(..MAX_SLUG).unwrap_or(&name);
    while let Some((c, after)) = split_first(rest) {
        rest = match c {
            '&' => after_entity(after).unwrap_or(after),
            _ => after,
        };
        match c {
            '.' | ' ' | '-' if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            '%' | '_' => slug.push(c),
            _ if c.is_ascii_alphanumeric() => slug.push(c),
            _ => {}
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    // The end may be a part of a byte.
    let last = slug.rfind('%').filter(|last| slug.len().saturating_sub(*last) < 3);
    slug.truncate(last.unwrap_or(slug.len()));
    slug
}

/// Removes each `%` without two hexadecimal digits, and then replaces `---e6---` with `%e6`.
fn with_octets(name: &str) -> String {
    let mut parts = name.split('%');
    let mut with_dashes = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match split_octet(part) {
            Some((octet, after)) => with_dashes.extend(["---", octet, "---", after]),
            None => with_dashes.push_str(part),
        }
    }
    let mut changed = String::new();
    let mut rest = with_dashes.as_str();
    while let Some((first, after)) = split_first(rest) {
        let octet = rest.strip_prefix("---").and_then(split_octet);
        rest = match octet.and_then(|(octet, after)| Some((octet, after.strip_prefix("---")?))) {
            Some((octet, after)) => {
                changed.extend(["%", octet]);
                after
            }
            None => {
                changed.push(first);
                after
            }
        };
    }
    changed
}

/// Splits a text after two hexadecimal digits.
fn split_octet(text: &str) -> Option<(&str, &str)> {
    let (octet, after) = text.split_at_checked(2)?;
    octet.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some((octet, after))
}

/// Returns the text after an entity whose text after the `&` is given: `&.+?;` as a regular expression.
fn after_entity(text: &str) -> Option<&str> {
    let (first, rest) = split_first(text)?;
    let (content, after) = rest.split_once(';')?;
    (first != '\n' && !content.contains('\n')).then_some(after)
}

fn split_first(text: &str) -> Option<(char, &str)> {
    let mut chars = text.chars();
    chars.next().map(|first| (first, chars.as_str()))
}

/// WordPress cuts a name after so many characters of its percent-encoded form.
const MAX_SLUG: usize = 200;
