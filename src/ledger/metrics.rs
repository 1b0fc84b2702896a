//! The books for Prometheus, in its text format (version 0.0.4).

use crate::strict_json::Json;

/// Metrics of what `stats` answers; `None` where it is not that.
pub fn metrics(stats: &Json) -> Option<String> {
    let Json::Object(endpoints) = stats.get("endpoints")? else { return None };
    let callbacks = stats.get("callbacks")?;
    let mut text = String::new();
    for (name, help, key) in OF_ROUTES {
        head(&mut text, name, "counter", help);
        for (route, counts) in endpoints {
            sample(&mut text, name, &[("route", route)], counts.get(key)?.as_u64()?);
        }
    }
    head(&mut text, REQUESTS, "counter", "Requests of a route of the price list, by what became of them.");
    for (route, counts) in endpoints {
        for outcome in ["paid", "free", "challenged", "refused"] {
            let labels = [("route", route.as_str()), ("outcome", outcome)];
            sample(&mut text, REQUESTS, &labels, counts.get(outcome)?.as_u64()?);
        }
    }
    let payers = stats.get("uniquePayers")?.as_u64()?;
    let unsettled = stats.get("unsettled")?.as_u64()?;
    let waiting = callbacks.get("waiting")?.as_u64()?;
    let given_up = callbacks.get("givenUp")?.as_u64()?;
    for (name, help, value) in [
        ("edgetoll_unique_payers", "Pseudonyms that paid.", payers),
        ("edgetoll_payments_unsettled", "Payments that LNbits has not called paid yet.", unsettled),
        ("edgetoll_callbacks_waiting", "Payments that your server is still to be told of.", waiting),
        ("edgetoll_callbacks_given_up", "Payments that your server could not be told of.", given_up),
    ] {
        head(&mut text, name, "gauge", help);
        sample(&mut text, name, &[], value);
    }
    Some(text)
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
}

fn sample(text: &mut String, name: &str, labels: &[(&str, &str)], value: u64) {
    let labels: Vec<String> =
        labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    match labels.is_empty() {
        true => text.push_str(&format!("{name} {value}\n")),
        false => text.push_str(&format!("{name}{{{}}} {value}\n", labels.join(","))),
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

const OF_ROUTES: [(&str, &str, &str); 2] = [
    ("edgetoll_revenue_sats_total", "Satoshis that LNbits calls paid.", "revenue"),
    ("edgetoll_payments_total", "Payments that LNbits calls paid.", "payments"),
];
const REQUESTS: &str = "edgetoll_requests_total";
