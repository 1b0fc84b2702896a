//! Price lists as tests write them.

use edgetoll::json::Json;
use edgetoll::policy::Policy;
use edgetoll::policy::config::{ConfigError, Reading};
use edgetoll::policy::path::fold_case;

pub fn read(list: &str) -> Reading {
    Policy::read(&Json::parse(list.as_bytes()).unwrap(), fold_case)
}

/// A list without a mistake.
pub fn good(list: &str) -> Policy {
    let reading = read(list);
    assert_eq!(reading.faults, [], "{list}");
    reading.policy.unwrap()
}

/// The mistakes of a list.
#[allow(dead_code, reason = "not every file of tests asks for them")]
pub fn faults(list: &str) -> Vec<ConfigError> {
    read(list).faults
}
