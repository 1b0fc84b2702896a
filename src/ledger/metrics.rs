//! Writes the statistics of the payment ledger as metrics of Prometheus, in its text format (version 0.0.4).

use crate::strict_json::Json;

/// Returns the metrics for a result of [`ReadStats`](super::command::LedgerCommand::ReadStats); `None` if a key is
/// missing or its value has the wrong type.
pub fn metrics(stats: &Json) -> Option<String> {
    let Json::Object(endpoints) = stats.get("endpoints")? else { return None };
    let callbacks = stats.get("callbacks")?;
    let mut text = String::new();
    for (name, help, key) in PAYMENT_COUNTERS {
        write_head(&mut text, name, "counter", help);
        for (route, counts) in endpoints {
            write_sample(&mut text, name, &[("route", route)], counts.get(key)?.as_u64()?);
        }
    }
    write_head(&mut text, REQUESTS, "counter", "Requests by route and outcome.");
    for (route, counts) in endpoints {
        for outcome in ["paid", "free", "challenged", "refused"] {
            let labels = [("route", route.as_str()), ("outcome", outcome)];
            write_sample(&mut text, REQUESTS, &labels, counts.get(outcome)?.as_u64()?);
        }
    }
    write_head(&mut text, REFUSALS, "counter", "Refused requests and refused credentials by code.");
    for refusal in stats.get("refusals")?.as_array()? {
        let labels = [("code", refusal.get("code")?.as_str()?)];
        write_sample(&mut text, REFUSALS, &labels, refusal.number("requests")?);
    }
    let no_invoice_left = stats.get("noInvoiceLeft")?.get("requests")?.as_u64()?;
    write_head(
        &mut text,
        NO_INVOICE_LEFT,
        "counter",
        "Requests that got no invoice because invoices_per_minute was reached.",
    );
    write_sample(&mut text, NO_INVOICE_LEFT, &[], no_invoice_left);
    write_observed(&mut text, stats.get("observed")?)?;
    let payers = stats.get("uniquePayers")?.as_u64()?;
    let unsettled = stats.get("unsettled")?.as_u64()?;
    let waiting = callbacks.get("waiting")?.as_u64()?;
    let given_up = callbacks.get("givenUp")?.as_u64()?;
    for (name, help, value) in [
        ("edgetoll_unique_payers", "Client pseudonyms that have paid.", payers),
        (
            "edgetoll_payments_unsettled",
            "Payments whose credential was used and that LNbits has not reported as paid.",
            unsettled,
        ),
        ("edgetoll_callbacks_waiting", "Callbacks that your server has not accepted yet.", waiting),
        (
            "edgetoll_callbacks_given_up",
            "Callbacks that were given up after three days of failures.",
            given_up,
        ),
    ] {
        write_head(&mut text, name, "gauge", help);
        write_sample(&mut text, name, &[], value);
    }
    Some(text)
}

/// Writes what observed routes would have charged. Writes nothing if no route was ever observed.
fn write_observed(text: &mut String, observed: &Json) -> Option<()> {
    let Json::Object(routes) = observed else { return None };
    for (name, kind, help, key) in OBSERVED.iter().filter(|_| !routes.is_empty()) {
        write_head(text, name, kind, help);
        for (route, counts) in routes {
            let Json::Object(counts) = counts else { return None };
            for (counted, count) in
                counts.iter().filter(|(counted, _)| counted == key || is_status(key, counted))
            {
                let labels = [("route", route.as_str()), ("status", counted)];
                let labels = labels.get(..if counted == key { 1 } else { 2 })?;
                write_sample(text, name, labels, count.as_u64()?);
            }
        }
    }
    Some(())
}

/// Whether a metric without a key of its own has the requests of this status.
fn is_status(key: &str, counted: &str) -> bool {
    key.is_empty() && counted.len() == 3
}

fn write_head(text: &mut String, name: &str, kind: &str, help: &str) {
    text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
}

fn write_sample(text: &mut String, name: &str, labels: &[(&str, &str)], value: u64) {
    let labels: Vec<String> =
        labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
    match labels.is_empty() {
        true => text.push_str(&format!("{name} {value}\n")),
        false => text.push_str(&format!("{name}{{{}}} {value}\n", labels.join(","))),
    }
}

/// Escapes backslashes, quotes and line breaks in the value of a label.
fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// For each counter: its name, its help text, and the key of its value in the statistics of a route.
const PAYMENT_COUNTERS: [(&str, &str, &str); 2] = [
    ("edgetoll_revenue_sats_total", "Satoshis of payments that LNbits reports as paid.", "revenue"),
    ("edgetoll_payments_total", "Payments that LNbits reports as paid.", "payments"),
];
/// For each metric of observed routes: its name, kind and help text, and its key in the counts of a route. The metric without a
/// key is that of the statuses.
const OBSERVED: [(&str, &str, &str, &str); 3] = [
    (
        "edgetoll_observed_requests_total",
        "counter",
        "Observed requests by the status of a route that charges.",
        "",
    ),
    ("edgetoll_observed_sats_total", "counter", "Satoshis that observed requests would have cost.", "sats"),
    ("edgetoll_observed_clients", "gauge", "Clients that would have had to pay, at most 1000.", "clients"),
];
const REQUESTS: &str = "edgetoll_requests_total";
const REFUSALS: &str = "edgetoll_refusals_total";
const NO_INVOICE_LEFT: &str = "edgetoll_no_invoice_left_total";
