//! Converts TOML to [`Json`], with byte offsets.

use std::collections::HashSet;
use std::ops::Range;
#[cfg(not(target_os = "wasi"))]
use std::thread;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::places::{MAX_DEPTH, Offsets, Places, SyntaxErrorAt, item, line, member};
use crate::strict_json::Json;

/// # Errors
/// Returns the errors that the TOML parser reports: only the first error of each line, and at most [`MAX_ERRORS`].
pub(super) fn read(text: &str) -> Result<(Json, Places), Vec<SyntaxErrorAt>> {
    read_on_large_stack(text).unwrap_or_else(|| {
        let sentence = "the TOML parser failed without a message: simplify the file until it can be read";
        Err(vec![SyntaxErrorAt { offset: 0, sentence: sentence.to_owned() }])
    })
}

/// Reads the text with a stack that is large enough: the parser accepts 80 nested tables with dotted keys of 80 parts each, and
/// recurses for each part. Returns `None` if the parser fails without a message.
#[cfg(not(target_os = "wasi"))]
fn read_on_large_stack(text: &str) -> Option<Result<(Json, Places), Vec<SyntaxErrorAt>>> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(STACK_BYTES);
        thread.spawn_scoped(scope, || read_on_this_stack(text)).ok()?.join().ok()
    })
}

/// WASI has no threads. `.cargo/config.toml` sets the size of its only stack.
#[cfg(target_os = "wasi")]
fn read_on_large_stack(text: &str) -> Option<Result<(Json, Places), Vec<SyntaxErrorAt>>> {
    Some(read_on_this_stack(text))
}

fn read_on_this_stack(text: &str) -> Result<(Json, Places), Vec<SyntaxErrorAt>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut converter = TomlConverter { places: Places::new(), errors: Vec::new() };
    if errors.is_empty() {
        let root = converter.table("", table.get_ref(), MAX_DEPTH);
        if converter.errors.is_empty() {
            return Ok((root, converter.places));
        }
    }
    // After the first error in a line, the parser reports errors in the same line that do not exist.
    let mut lines = HashSet::new();
    let start = |error: &Error| error.span().unwrap_or_default().start;
    let mut in_order: Vec<&Error> = errors.iter().collect();
    in_order.sort_by_key(|error| start(error));
    let first_of_line = in_order.into_iter().filter(|error| lines.insert(line(text, start(error))));
    converter.errors.extend(first_of_line.take(MAX_ERRORS).map(|error| syntax_error(text, error)));
    Err(converter.errors)
}

struct TomlConverter {
    places: Places,
    errors: Vec<SyntaxErrorAt>,
}

impl TomlConverter {
    fn table(&mut self, place: &str, table: &DeTable<'_>, levels: usize) -> Json {
        let members = table.iter().map(|(key, value)| {
            let place = member(place, key.get_ref());
            let json = self.value(&place, value, levels);
            self.places.insert(place, Offsets { key: key.span().start, value: value.span().start });
            (key.get_ref().clone().into_owned(), json)
        });
        Json::Object(members.collect())
    }

    /// Converts one value. `levels` is how many levels of nesting are still allowed, including this value.
    fn value(&mut self, place: &str, value: &Spanned<DeValue<'_>>, levels: usize) -> Json {
        let Some(levels) = levels.checked_sub(1) else {
            let sentence = format!("this value is nested deeper than {MAX_DEPTH} levels: flatten it");
            self.errors.push(SyntaxErrorAt { offset: value.span().start, sentence });
            return Json::Null;
        };
        match value.get_ref() {
            DeValue::String(text) => Json::String(text.clone().into_owned()),
            DeValue::Boolean(flag) => Json::Bool(*flag),
            DeValue::Integer(digits) => u64::from_str_radix(digits.as_str(), digits.radix())
                .map_or(Json::OtherNumber(0), Json::Integer),
            DeValue::Float(_) | DeValue::Datetime(_) => Json::OtherNumber(0),
            DeValue::Table(table) => self.table(place, table, levels),
            DeValue::Array(values) => {
                let items = values.iter().enumerate().map(|(index, value)| {
                    let place = item(place, index);
                    let json = self.value(&place, value, levels);
                    let start = value.span().start;
                    self.places.insert(place, Offsets { key: start, value: start });
                    json
                });
                Json::Array(items.collect())
            }
        }
    }
}

fn syntax_error(text: &str, error: &Error) -> SyntaxErrorAt {
    let span = error.span().unwrap_or_default();
    let sentence = match error.message() {
        DUPLICATE_KEY => match first_definition(text, &span) {
            Some(first) => format!("this key is already defined in line {}: remove one", line(text, first)),
            None => "this key is defined twice: remove one".to_owned(),
        },
        message => {
            let rest = text.get(span.start..).unwrap_or_default();
            format!("invalid TOML: {}", in_words(message, rest).unwrap_or(message))
        }
    };
    SyntaxErrorAt { offset: span.start, sentence }
}

/// Returns what the owner has to change, if that is known from the parser's message and the text at the error. The text
/// is not repeated, because it may be a secret.
fn in_words(message: &str, rest: &str) -> Option<&'static str> {
    let word: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
    let is_flag = ["true", "false"].contains(&word.to_lowercase().as_str());
    Some(match message.split(',').next()? {
        "string values must be quoted" | "invalid boolean" if is_flag => "write true and false in lower case",
        "string values must be quoted"
            if rest.trim_start_matches([' ', '\t']).starts_with(['\n', '\r', '#']) =>
        {
            "a value is missing after the ="
        }
        "string values must be quoted" | "invalid boolean" => {
            "this is not a value: write a number, or a text in quotes"
        }
        "invalid unquoted key" if rest.starts_with(':') => "write = instead of : between a key and its value",
        "invalid unquoted key" if rest.starts_with("//") => "write # instead of // before a comment",
        "key with no value" => "write = and a value after each key",
        "unexpected key or value" => "write each key on a line of its own",
        "invalid key-value pair" if rest.starts_with('{') => "this is JSON: rename the file to wrangler.json",
        _ => return None,
    })
}

/// A key is defined twice, the second time at `second`. Returns the offset of its first definition; `None` if it is not
/// found.
///
/// The parser does not report this offset. So this function renames the second definition to [`PLACEHOLDER`] and parses
/// the text again. Then the first definition is the only key with its name in the table with the placeholder.
fn first_definition(text: &str, second: &Range<usize>) -> Option<usize> {
    let key = text.get(second.clone())?;
    let as_table = format!("{key} = 0");
    let key = DeTable::parse(&as_table).ok()?.get_ref().keys().next()?.get_ref().clone().into_owned();
    let renamed = format!("{}{PLACEHOLDER}{}", text.get(..second.start)?, text.get(second.end..)?);
    let (table, _) = DeTable::parse_recoverable(&renamed);
    beside_placeholder(table.get_ref(), &key)
}

/// Returns the offset of `key` in the table with the placeholder; `None` if no table has both.
fn beside_placeholder(table: &DeTable<'_>, key: &str) -> Option<usize> {
    if table.contains_key(PLACEHOLDER) {
        return table.keys().find(|known| known.get_ref() == key).map(|known| known.span().start);
    }
    table.values().find_map(|value| beside_placeholder_within(value.get_ref(), key))
}

fn beside_placeholder_within(value: &DeValue<'_>, key: &str) -> Option<usize> {
    match value {
        DeValue::Table(table) => beside_placeholder(table, key),
        DeValue::Array(values) => {
            values.iter().find_map(|value| beside_placeholder_within(value.get_ref(), key))
        }
        _ => None,
    }
}

/// The message of the TOML parser for a key that is defined twice.
const DUPLICATE_KEY: &str = "duplicate key";
/// A valid bare key that no Wrangler file has.
const PLACEHOLDER: &str = "the-second-of-two-keys";
const MAX_ERRORS: usize = 20;
#[cfg(not(target_os = "wasi"))]
const STACK_BYTES: usize = 64 << 20;
