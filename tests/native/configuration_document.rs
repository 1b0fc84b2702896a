//! Compares docs/configuration.md with the code: the keys of a price list, the settings, the defaults and the examples.

use std::cell::RefCell;
use std::collections::BTreeSet;

use edgetoll::cli::check::document::Document;
use edgetoll::cli::check::{Severity, check};
use edgetoll::config::Settings;
use edgetoll::policy::Policy;
use edgetoll::policy::normalization::fold_case;
use edgetoll::policy::price_list::{LIST_KEYS, PRICE_KEYS, RANGE_KEYS, ROUTE_KEYS, WHEN_KEYS};
use edgetoll::strict_json::Json;

const DOCUMENT: &str = include_str!("../../docs/configuration.md");
const README: &str = include_str!("../../README.md");
const BEFORE_YOU_CHARGE: &str = include_str!("../../docs/before-you-charge.md");

type Row = Vec<String>;

/// Returns each table of docs/configuration.md whose first column has this title, without the two title rows. Backticks
/// around a cell are removed.
fn tables(title: &str) -> Vec<Vec<Row>> {
    let cells = |line: &str| -> Row {
        let cells = line.trim_matches('|').split(" | ");
        cells.map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    let lines: Vec<&str> = DOCUMENT.lines().collect();
    let blocks = lines.split(|line| !line.starts_with('|')).filter(|block| !block.is_empty());
    let tables = blocks.map(|block| block.iter().map(|line| cells(line)).collect::<Vec<Row>>());
    tables.filter(|table| table[0][0] == title).map(|table| table[2..].to_vec()).collect()
}

fn names(table: &[Row]) -> BTreeSet<&str> {
    table.iter().map(|row| row[0].as_str()).collect()
}

#[test]
fn the_configuration_document_lists_exactly_the_keys_of_a_price_list() {
    let keys = tables("key");
    let [list, route] = keys.as_slice() else { panic!("two tables of keys") };
    assert_eq!(names(list), BTreeSet::from(LIST_KEYS));
    assert_eq!(names(route), BTreeSet::from(ROUTE_KEYS));
    assert_eq!(names(&tables("key of a price")[0]), BTreeSet::from(PRICE_KEYS));
    assert_eq!(names(&tables("key of `when")[0]), BTreeSet::from(WHEN_KEYS));
    assert_eq!(names(&tables("key of a range")[0]), BTreeSet::from(RANGE_KEYS));
}

/// Parses a price list that has no mistake. Returns the result as debug text, which tests compare.
fn policy_text(list: &Json) -> String {
    let parsed = Policy::parse(list, fold_case);
    assert_eq!(parsed.errors, [], "{list:?}");
    format!("{:?}", parsed.policy.unwrap())
}

/// Returns the keys and values of an inline table of TOML, such as `path = "/a", sats = 5`.
fn members(inline: &str) -> Vec<(String, Json)> {
    let text = format!("table = {{ {inline} }}");
    let document = Document::read("x.toml", &text).unwrap_or_else(|errors| panic!("{inline}: {errors:?}"));
    match document.root().get("table") {
        Some(Json::Object(members)) => members.clone(),
        other => panic!("{other:?}"),
    }
}

/// Asserts that a key with its documented default has the same effect as no key, and that the documented example
/// changes the price list. `in_list` returns a price list that contains the given keys.
fn assert_row(row: &Row, in_list: impl Fn(Vec<(String, Json)>) -> Json) {
    let [key, _, default, example, _] = row.as_slice() else { panic!("{row:?}") };
    let example = members(example);
    assert!(example.iter().any(|(name, _)| name == key), "{key}: the example does not contain the key");
    let without: Vec<_> = example.iter().filter(|(name, _)| name != key).cloned().collect();
    let absent = policy_text(&in_list(without.clone()));
    assert_ne!(absent, policy_text(&in_list(example)), "{key}: the example changes nothing");
    if default != "—" {
        let written = [without, members(&format!("{key} = {default}"))].concat();
        assert_eq!(absent, policy_text(&in_list(written)), "{key}: {default} is not the default");
    }
}

#[test]
fn a_documented_default_does_not_change_a_price_list_but_a_documented_example_does() {
    let keys = tables("key");
    for row in &keys[0] {
        assert_row(row, |mut list| {
            if !list.iter().any(|(key, _)| key == "routes") && row[0] != "routes" {
                list.push(("routes".to_owned(), Json::Array(vec![Json::Object(members("path = \"/x\""))])));
            }
            Json::Object(list)
        });
    }
    for row in keys[1].iter().filter(|row| row[0] != "path") {
        assert_row(row, |mut route| {
            route.push(("path".to_owned(), Json::String("/x".to_owned())));
            Json::Object(vec![("routes".to_owned(), Json::Array(vec![Json::Object(route)]))])
        });
    }
}

#[test]
fn every_price_list_in_the_documents_is_valid() {
    let blocks =
        |text: &'static str| text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let examples: Vec<&str> = [DOCUMENT, README, BEFORE_YOU_CHARGE].into_iter().flat_map(blocks).collect();
    assert!(examples.len() >= 8, "{}", examples.len());
    for block in examples {
        // An environment completes the Wrangler file.
        let text = match block.starts_with("[env.") {
            true => format!("{}\n{block}", include_str!("../../wrangler.toml")),
            false => format!("{block}\n[[kv_namespaces]]\nbinding = \"TOLL_KV\"\n"),
        };
        let report = check("x.toml", &text);
        assert_eq!(report.count(Severity::Error), 0, "{report}\n{block}");
    }
}

#[test]
fn the_configuration_document_lists_exactly_the_settings_that_the_code_reads() {
    let read_names = RefCell::new(BTreeSet::new());
    let var = |name: &str| {
        read_names.borrow_mut().insert(name.to_owned());
        (name == "TOLL_SECRET").then(|| crate::support::secret::SECRET.clone())
    };
    Settings::read(var, Some("{}"), fold_case);
    let table = tables("name");
    // A row such as "`LNBITS_URL_2` to `LNBITS_URL_8`" documents seven settings.
    let documented: BTreeSet<String> = names(&table[0])
        .into_iter()
        .flat_map(|row| match row.split_once("_2` to `") {
            Some((name, last)) if last == format!("{name}_8") => {
                (2..=8).map(|slot| format!("{name}_{slot}")).collect()
            }
            _ => vec![row.to_owned()],
        })
        .collect();
    assert_eq!(documented, read_names.into_inner());
}

#[test]
fn the_configuration_document_mentions_every_pricing_option_of_lightning_toll() {
    for option in [
        "defaultSats",
        "`sats`",
        "price(req)",
        "`description`",
        "freeRequests",
        "freeWindow",
        "invoiceExpiry",
        "macaroonExpiry",
        "bindEndpoint",
        "bindMethod",
        "bindIp",
    ] {
        assert!(DOCUMENT.contains(option), "{option}");
    }
}
