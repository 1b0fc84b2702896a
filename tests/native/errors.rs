//! The table of codes in docs/errors.md lists every error that is not about a credential.

use std::collections::BTreeSet;

use edgetoll::error::RequestError;
use edgetoll::policy::facts::PriceError;

#[test]
fn the_errors_document_lists_the_status_and_the_code_and_the_header_of_every_error() {
    let document = include_str!("../../docs/errors.md");
    let (_, codes) = document.split_once("## Codes").unwrap();
    let rows: BTreeSet<[String; 3]> = codes.lines().filter_map(row).collect();
    let errors: BTreeSet<[String; 3]> = one_of_each().iter().map(|error| row_of(error, &rows)).collect();
    assert_eq!(rows, errors);
}

/// Returns the status, the code and the header of a row of the table; `None` if the line is not such a row.
fn row(line: &str) -> Option<[String; 3]> {
    let cells: Vec<&str> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
    let [_, status, code, _, header, _] = cells[..] else { return None };
    status.parse::<u16>().ok()?;
    Some([status, code, header].map(str::to_owned))
}

/// Returns the row of an error. If the value of the header differs from request to request, the row has only the name
/// of the header.
fn row_of(error: &RequestError, rows: &BTreeSet<[String; 3]>) -> [String; 3] {
    let (name, value) = error.header().unwrap_or_default();
    let row = |header: String| [error.status().to_string(), error.code().to_owned(), header];
    let varies = row(name.to_owned());
    if rows.contains(&varies) { varies } else { row(format!("{name}: {value}")) }
}

/// Returns an error of each variant except `Credential` and `Preimage`. When `RequestError` gets a new variant, the
/// `match` no longer compiles: a reminder to add the variant to the list too.
fn one_of_each() -> Vec<RequestError> {
    let errors = vec![
        RequestError::AmbiguousPath,
        RequestError::Price(PriceError::AmbiguousQuery("q".to_owned())),
        RequestError::Price(PriceError::MethodInQuery),
        RequestError::Price(PriceError::AmbiguousHeader("h".to_owned())),
        RequestError::Price(PriceError::LengthRequired),
        RequestError::Price(PriceError::TooLong),
        RequestError::Price(PriceError::Encoded),
        RequestError::Price(PriceError::UnexpectedBody),
        RequestError::Price(PriceError::NoRuleMatches),
        RequestError::InvalidDate,
        RequestError::UpgradeWithoutGet,
        RequestError::BodyTimeout,
        RequestError::PathTooLong,
        RequestError::MethodNotAllowed { allow: "GET".to_owned() },
        RequestError::OtherHost,
        RequestError::PlainHttp,
        RequestError::UnknownClient,
        RequestError::NotFound,
        RequestError::Unauthorized,
        RequestError::OtherPage,
        RequestError::TooManyTries { retry_after_s: 7 },
        RequestError::LedgerUnavailable,
        RequestError::NotConfigured,
        RequestError::InvoiceUnavailable { retry_after_s: 7 },
        RequestError::SettlementUnavailable { retry_after_s: 7 },
        RequestError::TooManyChallenges { retry_after_s: 7 },
        RequestError::TooManyInvoices { retry_after_s: 7 },
        RequestError::UsesInFlight,
        RequestError::UsesUnavailable,
        RequestError::Internal,
        RequestError::OriginLoop,
        RequestError::OriginUnreachable,
        RequestError::OriginTimeout,
    ];
    for error in &errors {
        match error {
            // Each refusal of a credential or of a preimage has its own row in docs/protocol.md.
            RequestError::Credential(_)
            | RequestError::Preimage(_)
            | RequestError::Price(
                PriceError::AmbiguousQuery(_)
                | PriceError::MethodInQuery
                | PriceError::AmbiguousHeader(_)
                | PriceError::LengthRequired
                | PriceError::TooLong
                | PriceError::Encoded
                | PriceError::UnexpectedBody
                | PriceError::NoRuleMatches,
            )
            | RequestError::AmbiguousPath
            | RequestError::InvalidDate
            | RequestError::UpgradeWithoutGet
            | RequestError::BodyTimeout
            | RequestError::PathTooLong
            | RequestError::MethodNotAllowed { .. }
            | RequestError::OtherHost
            | RequestError::PlainHttp
            | RequestError::UnknownClient
            | RequestError::NotFound
            | RequestError::Unauthorized
            | RequestError::OtherPage
            | RequestError::TooManyTries { .. }
            | RequestError::LedgerUnavailable
            | RequestError::NotConfigured
            | RequestError::InvoiceUnavailable { .. }
            | RequestError::SettlementUnavailable { .. }
            | RequestError::TooManyChallenges { .. }
            | RequestError::TooManyInvoices { .. }
            | RequestError::UsesInFlight
            | RequestError::UsesUnavailable
            | RequestError::Internal
            | RequestError::OriginLoop
            | RequestError::OriginUnreachable
            | RequestError::OriginTimeout => {}
        }
    }
    errors
}
