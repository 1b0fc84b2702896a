//! Compares `docs/paying.md` with the code of the client.

use std::fs::read_to_string;

use edgetoll::client::Limits;

fn document() -> String {
    read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/paying.md")).unwrap()
}

/// Returns the cells of each row of all tables.
fn rows(text: &str) -> Vec<Vec<String>> {
    let rows = text.lines().filter(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect())
        .collect()
}

#[test]
fn the_limits_and_their_defaults_are_those_of_the_code() {
    let Limits { max_sats, budget_sats_per_host, budget_sats, max_fee_sats, network, .. } = Limits::default();
    let number = |sats: u64| sats.to_string();
    let expected = [
        ("max_sats", number(max_sats)),
        ("budget_sats_per_host", number(budget_sats_per_host)),
        ("budget_sats", number(budget_sats)),
        ("max_fee_sats", number(max_fee_sats)),
        ("network", network),
    ];
    for (key, default) in expected {
        let rows = rows(&document());
        let row = rows.iter().find(|row| row[0] == key).unwrap_or_else(|| panic!("{key} is missing"));
        assert_eq!(row[1], format!("EDGETOLL_{}", key.to_ascii_uppercase()));
        assert_eq!(row[2].replace(',', ""), default, "{key}");
    }
}

#[test]
fn the_document_names_each_key_of_the_configuration() {
    let source = read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/pay/config.rs")).unwrap();
    let entries = source.split("struct Entries {").nth(1).unwrap().split('}').next().unwrap();
    let keys: Vec<&str> =
        entries.lines().filter_map(|line| line.trim().split_once(": Option")).map(|(key, _)| key).collect();
    assert!(keys.len() >= 10, "{keys:?}");
    for key in keys {
        assert!(
            document().contains(&format!("`{key}`")) || document().contains(&format!("`{key} =")),
            "{key} is missing"
        );
    }
}

#[test]
fn the_exit_codes_are_those_of_the_code() {
    let source = read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/pay/exit.rs")).unwrap();
    let constants = source.lines().filter(|line| line.contains("const ") && line.contains(": u8 = "));
    let mut codes: Vec<u8> = constants
        .map(|line| line.rsplit(' ').next().unwrap().trim_end_matches(';').parse().unwrap())
        .collect();
    // 0 and 2 are those of Rust and clap.
    codes.extend([0, 2]);
    codes.sort_unstable();
    let mut documented: Vec<u8> = rows(&document()).iter().filter_map(|row| row[0].parse().ok()).collect();
    documented.sort_unstable();
    assert_eq!(documented, codes);
}
