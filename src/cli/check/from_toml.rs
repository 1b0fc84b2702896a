//! TOML as our JSON, with positions.

use std::ops::Range;
use std::thread;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::places::{MAX_DEPTH, Places, Spot, SyntaxFault, item, line, member};
use crate::strict_json::Json;

/// Reads a text.
pub(super) fn read(text: &str) -> Result<(Json, Places), Vec<SyntaxFault>> {
    // The parser recurses for each of up to 80 keys in each of up to 80 tables, one within the other.
    let reading = thread::scope(|scope| {
        let reader = thread::Builder::new().stack_size(STACK_BYTES);
        reader.spawn_scoped(scope, || read_here(text)).ok()?.join().ok()
    });
    reading
        .unwrap_or_else(|| Err(vec![SyntaxFault { at: 0, sentence: "the file cannot be read".to_owned() }]))
}

fn read_here(text: &str) -> Result<(Json, Places), Vec<SyntaxFault>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader { places: Places::new(), faults: Vec::new() };
    if errors.is_empty() {
        let root = reader.table("", table.get_ref(), MAX_DEPTH);
        if reader.faults.is_empty() {
            return Ok((root, reader.places));
        }
    }
    reader.faults.extend(errors.iter().take(MAX_ERRORS).map(|error| fault(text, error)));
    reader.faults.dedup();
    Err(reader.faults)
}

struct Reader {
    places: Places,
    faults: Vec<SyntaxFault>,
}

impl Reader {
    fn table(&mut self, place: &str, table: &DeTable<'_>, levels: usize) -> Json {
        let members = table.iter().map(|(key, value)| {
            let place = member(place, key.get_ref());
            let json = self.value(&place, value, levels);
            self.places.insert(place, Spot { key: key.span().start, value: value.span().start });
            (key.get_ref().clone().into_owned(), json)
        });
        Json::Object(members.collect())
    }

    fn value(&mut self, place: &str, value: &Spanned<DeValue<'_>>, levels: usize) -> Json {
        let Some(levels) = levels.checked_sub(1) else {
            let sentence = format!("the file is nested deeper than {MAX_DEPTH} levels");
            self.faults.push(SyntaxFault { at: value.span().start, sentence });
            return Json::Null;
        };
        match value.get_ref() {
            DeValue::String(text) => Json::String(text.clone().into_owned()),
            DeValue::Boolean(flag) => Json::Bool(*flag),
            DeValue::Integer(digits) => {
                u64::from_str_radix(digits.as_str(), digits.radix()).map_or(Json::OtherNumber, Json::Integer)
            }
            DeValue::Float(_) | DeValue::Datetime(_) => Json::OtherNumber,
            DeValue::Table(table) => self.table(place, table, levels),
            DeValue::Array(values) => {
                let items = values.iter().enumerate().map(|(at, value)| {
                    let place = item(place, at);
                    let json = self.value(&place, value, levels);
                    let start = value.span().start;
                    self.places.insert(place, Spot { key: start, value: start });
                    json
                });
                Json::Array(items.collect())
            }
        }
    }
}

fn fault(text: &str, error: &Error) -> SyntaxFault {
    let span = error.span().unwrap_or_default();
    let sentence = match error.message() {
        DUPLICATE => match first_of_two(text, &span) {
            Some(first) => format!("this key stands twice; the other is in line {}", line(text, first)),
            None => "this key stands twice".to_owned(),
        },
        message => format!("this is not TOML: {message}"),
    };
    SyntaxFault { at: span.start, sentence }
}

/// Where the key stands first that stands again at `second`. The parser does not tell, so the second gets another name,
/// and its neighbour of the old name is the first.
fn first_of_two(text: &str, second: &Range<usize>) -> Option<usize> {
    let key = text.get(second.clone())?;
    let quoted = format!("{key} = 0");
    let key = DeTable::parse(&quoted).ok()?.get_ref().keys().next()?.get_ref().clone().into_owned();
    let renamed = format!("{}{STAND_IN}{}", text.get(..second.start)?, text.get(second.end..)?);
    let (table, _) = DeTable::parse_recoverable(&renamed);
    neighbour(table.get_ref(), &key)
}

fn neighbour(table: &DeTable<'_>, key: &str) -> Option<usize> {
    if table.contains_key(STAND_IN) {
        return table.keys().find(|one| one.get_ref() == key).map(|one| one.span().start);
    }
    table.values().find_map(|value| neighbour_within(value.get_ref(), key))
}

fn neighbour_within(value: &DeValue<'_>, key: &str) -> Option<usize> {
    match value {
        DeValue::Table(table) => neighbour(table, key),
        DeValue::Array(values) => values.iter().find_map(|value| neighbour_within(value.get_ref(), key)),
        _ => None,
    }
}

const DUPLICATE: &str = "duplicate key";
const STAND_IN: &str = "the-second-of-two-keys";
const MAX_ERRORS: usize = 20;
const STACK_BYTES: usize = 64 << 20;
