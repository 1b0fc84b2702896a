//! Reads JSON that may have comments and trailing commas. The result is a [`Json`] and the byte offset of each key and
//! value in the text.

use std::collections::HashMap;

use jsonc_parser::ast::{ObjectProp, Value};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::places::{MAX_DEPTH, Offsets, Places, SyntaxErrorAt, item, line, member};
use crate::strict_json::Json;

/// # Errors If the text is not valid JSON, returns the first syntax error. Otherwise, returns an error for each key
/// that is defined twice and for each value that is nested too deep.
pub(super) fn read(text: &str) -> Result<(Json, Places), Vec<SyntaxErrorAt>> {
    let value = match parse_to_ast(text, &CollectOptions::default(), &DIALECT) {
        Ok(parsed) => parsed.value,
        Err(error) => {
            let sentence = format!("invalid JSON: {}", error.kind());
            return Err(vec![SyntaxErrorAt { offset: error.range().start, sentence }]);
        }
    };
    let mut converter = JsoncConverter { text, places: Places::new(), errors: Vec::new() };
    let root = value.map_or(Json::Null, |value| converter.value("", &value, MAX_DEPTH));
    if converter.errors.is_empty() { Ok((root, converter.places)) } else { Err(converter.errors) }
}

struct JsoncConverter<'a> {
    text: &'a str,
    places: Places,
    errors: Vec<SyntaxErrorAt>,
}

impl JsoncConverter<'_> {
    /// `levels` is the number of levels that the value may have: 1 for a value that must be the innermost one.
    fn value(&mut self, place: &str, value: &Value<'_>, levels: usize) -> Json {
        let Some(levels) = levels.checked_sub(1) else {
            let sentence = format!("this value is nested deeper than {MAX_DEPTH} levels: flatten it");
            self.errors.push(SyntaxErrorAt { offset: value.start(), sentence });
            return Json::Null;
        };
        match value {
            Value::NullKeyword(_) => Json::Null,
            Value::BooleanLit(flag) => Json::Bool(flag.value),
            Value::NumberLit(number) => number.value.parse().map_or(Json::OtherNumber(0), Json::Integer),
            Value::StringLit(text) => Json::String(text.value.clone().into_owned()),
            Value::Object(object) => self.object(place, &object.properties, levels),
            Value::Array(array) => {
                let items = array.elements.iter().enumerate().map(|(index, value)| {
                    let place = item(place, index);
                    let json = self.value(&place, value, levels);
                    self.places.insert(place, Offsets { key: value.start(), value: value.start() });
                    json
                });
                Json::Array(items.collect())
            }
        }
    }

    fn object(&mut self, place: &str, properties: &[ObjectProp<'_>], levels: usize) -> Json {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        let mut members = Vec::new();
        for property in properties {
            let (key, key_offset) = (property.name.as_str(), property.name.start());
            if let Some(previous) = seen.insert(key, key_offset) {
                let sentence =
                    format!("this key is already defined in line {}: remove one", line(self.text, previous));
                self.errors.push(SyntaxErrorAt { offset: key_offset, sentence });
            }
            let place = member(place, key);
            members.push((key.to_owned(), self.value(&place, &property.value, levels)));
            self.places.insert(place, Offsets { key: key_offset, value: property.value.start() });
        }
        Json::Object(members)
    }
}

/// How Wrangler reads `.json` and `.jsonc` files: JSON in which comments and trailing commas are allowed.
const DIALECT: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_loose_object_property_names: false,
    allow_trailing_commas: true,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};
