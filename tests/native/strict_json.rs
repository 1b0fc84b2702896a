//! The strict JSON parser, which reads the price list, messages between the Worker and its Durable Objects, responses
//! of wallets, and stored states.

use edgetoll::strict_json::Json;
use serde::Serialize;

fn parse(text: &str) -> Option<Json> {
    Json::parse(text.as_bytes())
}

#[test]
fn json_with_a_repeated_key_or_with_text_after_the_value_is_refused() {
    for text in [r#"{"a":1,"a":2}"#, r#"{"a":1,"\u0061":2}"#, r#"[{"b":{"a":1,"a":1}}]"#, "{} {}", "", "{"] {
        assert_eq!(parse(text), None, "{text}");
    }
    assert!(parse(r#"{"a":{"a":1},"b":{"a":1}}"#).is_some());
}

#[test]
fn only_whole_numbers_that_are_not_negative_are_read_as_numbers() {
    let number = |text: &str| parse(text).unwrap().number("n");
    assert_eq!(number(r#"{"n":18446744073709551615}"#), Some(u64::MAX));
    for text in [
        r#"{"n":-1}"#,
        r#"{"n":1.0}"#,
        r#"{"n":1e3}"#,
        r#"{"n":18446744073709551616}"#,
        r#"{"n":"1"}"#,
        "{}",
        "1",
    ] {
        assert_eq!(number(text), None, "{text}");
    }
}

#[test]
fn an_enum_variant_with_data_is_read_from_an_object_with_one_key() {
    #[derive(Serialize)]
    #[serde(rename_all = "snake_case")]
    enum Message {
        WithData { number: u64 },
        WithoutData,
    }

    let json = parse(&serde_json::to_string(&Message::WithData { number: 5 }).unwrap()).unwrap();
    let (name, fields) = json.variant().unwrap();
    assert_eq!((name, fields.number("number")), ("with_data", Some(5)));
    let json = parse(&serde_json::to_string(&Message::WithoutData).unwrap()).unwrap();
    assert_eq!((json.variant(), json.as_str()), (None, Some("without_data")));
    for text in ["{}", r#"{"a":1,"b":2}"#, r#"[["a",1]]"#, r#""a""#, "null", "5"] {
        assert_eq!(parse(text).unwrap().variant(), None, "{text}");
    }
}
