//! Compares the table of refusals in docs/protocol.md with the code.

use edgetoll::protocols::l402::macaroon::MacaroonError;
use edgetoll::protocols::l402::refusal::Refusal;

/// Returns one refusal of each variant, with the placeholders of the table in docs/protocol.md. The `match` does not
/// compile if it misses a variant, as a reminder to add a new variant to the list too.
fn all() -> Vec<Refusal> {
    let text = |text: &str| text.to_owned();
    let (expected, got) = (text("…"), text("…"));
    let all = vec![
        Refusal::CredentialTooLarge,
        Refusal::MalformedCredential,
        Refusal::MalformedMacaroon(MacaroonError::Base64),
        Refusal::MalformedPreimage,
        Refusal::MalformedCaveat(text("…")),
        Refusal::WidenedCaveat("…"),
        Refusal::BadSignature,
        Refusal::WrongPreimage,
        Refusal::UnknownKey,
        Refusal::EncodingNotAccepted,
        Refusal::Expired,
        Refusal::EndpointMismatch { expected: expected.clone(), got: got.clone() },
        Refusal::MethodMismatch { expected: expected.clone(), got: got.clone() },
        Refusal::IpMismatch { expected: expected.clone(), got: got.clone() },
        Refusal::RealmMismatch { expected: expected.clone(), got: got.clone() },
        Refusal::HostMismatch { expected, got },
        Refusal::ServiceMismatch(text("…")),
        Refusal::Unsatisfiable(text("…")),
        Refusal::MissingCaveat("…"),
        Refusal::Underpaid { paid_sats: 1, price_sats: 2 },
        Refusal::UnderpaidFiat { paid: text("1 USD"), price: text("2 USD") },
        Refusal::OtherIssuer { max_age_s: 86_400 },
        Refusal::OtherIssuerNotAccepted,
        Refusal::Revoked,
        Refusal::Spent,
        Refusal::Unpaid,
    ];
    for refusal in &all {
        match refusal {
            Refusal::CredentialTooLarge
            | Refusal::MalformedCredential
            | Refusal::MalformedMacaroon(_)
            | Refusal::MalformedPreimage
            | Refusal::MalformedCaveat(_)
            | Refusal::WidenedCaveat(_)
            | Refusal::BadSignature
            | Refusal::WrongPreimage
            | Refusal::UnknownKey
            | Refusal::EncodingNotAccepted
            | Refusal::Expired
            | Refusal::EndpointMismatch { .. }
            | Refusal::MethodMismatch { .. }
            | Refusal::IpMismatch { .. }
            | Refusal::RealmMismatch { .. }
            | Refusal::HostMismatch { .. }
            | Refusal::ServiceMismatch(_)
            | Refusal::Unsatisfiable(_)
            | Refusal::MissingCaveat(_)
            | Refusal::Underpaid { .. }
            | Refusal::UnderpaidFiat { .. }
            | Refusal::OtherIssuer { .. }
            | Refusal::OtherIssuerNotAccepted
            | Refusal::Revoked
            | Refusal::Spent
            | Refusal::Unpaid => {}
        }
    }
    all
}

#[test]
fn the_protocol_document_lists_every_refusal_with_its_status_and_text() {
    let row = |refusal: &Refusal| {
        let (status, invoice) = if refusal.is_genuine() { (402, "yes") } else { (401, "no") };
        format!("| `{}` | {status} | {refusal} | {invoice} |", refusal.code())
    };
    let expected: Vec<String> = all().iter().map(row).collect();
    let documented: Vec<&str> = include_str!("../../docs/protocol.md")
        .lines()
        .skip_while(|line| !line.starts_with("| code |"))
        .skip(2)
        .take_while(|line| line.starts_with("| `"))
        .collect();
    assert_eq!(documented.join("\n"), expected.join("\n"));
}
