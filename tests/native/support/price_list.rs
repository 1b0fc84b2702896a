//! Parses price lists in JSON.

use edgetoll::policy::Policy;
use edgetoll::policy::normalization::fold_case;
use edgetoll::policy::price_list::{ConfigError, ParsedPolicy};
use edgetoll::strict_json::Json;

pub fn parse(list: &str) -> ParsedPolicy {
    Policy::parse(&Json::parse(list.as_bytes()).unwrap(), fold_case)
}

/// Returns the parsed price list. Panics if the price list has a mistake.
pub fn valid(list: &str) -> Policy {
    let parsed = parse(list);
    assert_eq!(parsed.errors, [], "{list}");
    parsed.policy.unwrap()
}

/// Returns the mistakes in a price list.
pub fn errors(list: &str) -> Vec<ConfigError> {
    parse(list).errors
}
