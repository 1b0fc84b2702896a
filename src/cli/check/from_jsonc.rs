//! JSON with comments and trailing commas as our JSON, with positions.

use std::collections::HashMap;

use jsonc_parser::ast::{ObjectProp, Value};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::places::{MAX_DEPTH, Places, Spot, SyntaxFault, item, line, member};
use crate::strict_json::Json;

/// Reads a text.
pub(super) fn read(text: &str) -> Result<(Json, Places), Vec<SyntaxFault>> {
    let value = match parse_to_ast(text, &CollectOptions::default(), &DIALECT) {
        Ok(parsed) => parsed.value,
        Err(error) => {
            let sentence = format!("this is not JSON: {}", error.kind());
            return Err(vec![SyntaxFault { at: error.range().start, sentence }]);
        }
    };
    let mut reader = Reader { text, places: Places::new(), faults: Vec::new() };
    let root = value.map_or(Json::Null, |value| reader.value("", &value, MAX_DEPTH));
    if reader.faults.is_empty() { Ok((root, reader.places)) } else { Err(reader.faults) }
}

struct Reader<'a> {
    text: &'a str,
    places: Places,
    faults: Vec<SyntaxFault>,
}

impl Reader<'_> {
    fn value(&mut self, place: &str, value: &Value<'_>, levels: usize) -> Json {
        let Some(levels) = levels.checked_sub(1) else {
            let sentence = format!("the file is nested deeper than {MAX_DEPTH} levels");
            self.faults.push(SyntaxFault { at: value.start(), sentence });
            return Json::Null;
        };
        match value {
            Value::NullKeyword(_) => Json::Null,
            Value::BooleanLit(flag) => Json::Bool(flag.value),
            Value::NumberLit(number) => number.value.parse().map_or(Json::OtherNumber, Json::Integer),
            Value::StringLit(text) => Json::String(text.value.clone().into_owned()),
            Value::Object(object) => self.object(place, &object.properties, levels),
            Value::Array(array) => {
                let items = array.elements.iter().enumerate().map(|(at, value)| {
                    let place = item(place, at);
                    let json = self.value(&place, value, levels);
                    self.places.insert(place, Spot { key: value.start(), value: value.start() });
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
            let (key, key_at) = (property.name.as_str(), property.name.start());
            if let Some(first) = seen.insert(key, key_at) {
                let sentence =
                    format!("this key stands twice; the other is in line {}", line(self.text, first));
                self.faults.push(SyntaxFault { at: key_at, sentence });
            }
            let place = member(place, key);
            members.push((key.to_owned(), self.value(&place, &property.value, levels)));
            self.places.insert(place, Spot { key: key_at, value: property.value.start() });
        }
        Json::Object(members)
    }
}

/// What Wrangler allows, in .json as in .jsonc.
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
