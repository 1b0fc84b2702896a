//! Settings of a deployment, and the decisions of the gate under these settings.

use super::gate::{BY_PREIMAGE, NO_CODE};
use super::request::request;
use super::secret::SECRET;
use edgetoll::config::Settings;
use edgetoll::error::RequestError;
use edgetoll::gate::{Decision, Gate, Refused};
use edgetoll::policy::normalization::fold_case;

pub const NOW: u64 = 1_800_000_000;

/// Returns complete settings with this price list, after changes to the variables. The value `None` removes a variable.
pub fn settings(price_list: Option<&str>, changes: &[(&str, Option<&str>)]) -> Settings {
    let vars = [
        ("TOLL_SECRET", SECRET.as_str()),
        ("LNBITS_URL", "https://lnbits.test"),
        ("LNBITS_KEY", "0123456789abcdef"),
        ("ORIGIN_URL", "https://origin.test"),
    ];
    let var = |name: &str| match changes.iter().find(|(changed, _)| *changed == name) {
        Some((_, value)) => value.map(str::to_owned),
        None => vars.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()),
    };
    Settings::read(var, price_list, fold_case)
}

pub fn gate(settings: &Settings) -> Gate<'_, 'static> {
    settings.gate(settings.policy().unwrap(), NO_CODE, BY_PREIMAGE)
}

pub fn decide<'a>(
    settings: &'a Settings,
    url: &str,
    method: &str,
    authorization: Option<&str>,
) -> Decision<'a> {
    gate(settings).decide(&request(url, method, authorization), NOW)
}

/// Returns the error of a refused request. Panics if the request is not refused.
pub fn error(decision: Decision<'_>) -> RequestError {
    match decision {
        Decision::Refuse(Refused { error, .. }) => error,
        other => panic!("{other:?}"),
    }
}
