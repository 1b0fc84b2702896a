//! Reading what a 402 response offers. The forms of the challenge are those that servers and drafts of L402 use.

use edgetoll::client::{Offer, ProofKind, StatedSats};

const MACAROON: &str = "AgEEdGVzdA==";
const OTHER: &str = "AgEFb3RoZXI=";
const INVOICE: &str = "lnbc50n1exampleinvoice";

fn read(lines: &[&str], content_type: &str, body: &str) -> Option<Offer> {
    Offer::read(lines, content_type, body.as_bytes())
}

/// Returns scheme, macaroon and invoice of the offer in header lines.
fn from_header(lines: &[&str]) -> Option<(String, String, String)> {
    let offer = read(lines, "text/plain", "payment required")?;
    match offer.proof {
        ProofKind::L402 { scheme, macaroon } => Some((scheme, macaroon, offer.invoice)),
        ProofKind::Preimage => None,
    }
}

#[test]
fn all_forms_of_the_challenge_in_the_field_are_read() {
    let l402 = format!("L402 macaroon=\"{MACAROON}\", invoice=\"{INVOICE}\"");
    let lsat = format!("LSAT macaroon=\"{MACAROON}\", invoice=\"{INVOICE}\"");
    let spec = format!("L402 version=\"0\", token=\"{MACAROON}\", invoice=\"{INVOICE}\"");
    let superset = format!("{l402}, version=\"0\", token=\"{MACAROON}\"");
    let both =
        format!("L402 version=\"0\", token=\"{MACAROON}\", macaroon=\"{MACAROON}\", invoice=\"{INVOICE}\"");
    let payment = "Payment id=\"x\", realm=\"api\", method=\"lightning\", intent=\"charge\", request=\"e30\"";
    let unquoted = format!("L402 macaroon={MACAROON}, invoice={INVOICE}");
    let no_space = format!("L402 macaroon=\"{MACAROON}\",invoice=\"{INVOICE}\"");
    let reversed = format!("L402 invoice=\"{INVOICE}\", macaroon=\"{MACAROON}\"");
    let forms: [(&[&str], &str); 13] = [
        (&[&l402], "L402"),
        (&[&lsat, &l402], "LSAT"),
        (&[&l402, &lsat], "L402"),
        (&[&spec], "L402"),
        (&[&l402, &spec], "L402"),
        (&[&spec, &l402], "L402"),
        (&[&superset], "L402"),
        (&[&both], "L402"),
        (&[payment, &l402], "L402"),
        (&[&l402, payment], "L402"),
        (&[&unquoted], "L402"),
        (&[&no_space], "L402"),
        (&[&reversed], "L402"),
    ];
    let expected = |scheme: &str| Some((scheme.to_owned(), MACAROON.to_owned(), INVOICE.to_owned()));
    for (lines, scheme) in forms {
        assert_eq!(from_header(lines), expected(scheme), "{lines:?}");
        // `fetch` and proxies join several lines.
        let joined = lines.join(", ");
        assert_eq!(from_header(&[&joined]), expected(scheme), "{joined}");
    }
}

#[test]
fn a_challenge_with_other_spellings_is_read() {
    for line in [
        format!("l402 Macaroon = \"{MACAROON}\" ,\tINVOICE =\"{INVOICE}\""),
        format!(
            "Basic realm=\"a, L402 macaroon=\\\"{OTHER}\\\"\", L402 macaroon=\"{MACAROON}\", invoice=\"{INVOICE}\""
        ),
        format!("Negotiate YWJj==, L402 macaroon=\"{MACAROON}\", invoice=\"{INVOICE}\""),
        format!("L402 macaroon=\"\", token=\"{MACAROON}\", invoice=\"{INVOICE}\""),
        format!("L402, L402 macaroon=\"{MACAROON}\", invoice=\"{INVOICE}\""),
        format!("L402 macaroon=\"{MACAROON}\", invoice=\"{INVOICE}\", macaroon=\"{OTHER}\""),
    ] {
        let read = from_header(&[&line]);
        assert_eq!(
            read.map(|(_, macaroon, invoice)| (macaroon, invoice)),
            Some((MACAROON.into(), INVOICE.into())),
            "{line}"
        );
    }
}

#[test]
fn a_response_without_a_complete_challenge_offers_nothing() {
    let cut = format!("L402 macaroon=\"{MACAROON}\"");
    let other = format!("Payment macaroon=\"{MACAROON}\", invoice=\"{INVOICE}\"");
    let injected = format!("L402 macaroon=\"a b\r\nX: y\", invoice=\"{INVOICE}\"");
    for lines in
        [&[][..], &["L402"], &["Bearer"], &[&cut], &[&other], &[&injected], &["\"", "="], &["é\u{fffd}=\"é"]]
    {
        assert_eq!(from_header(lines), None, "{lines:?}");
    }
    assert_eq!(read(&[], "text/html", "<p>lnbc1</p>"), None);
    assert_eq!(read(&[], "application/json", "{\"invoice\":\"lnbc1\"}"), None);
    assert_eq!(read(&[], "application/vnd.lightning.bolt11", " \n"), None);
}

#[test]
fn the_body_of_lightning_toll_is_read_with_and_without_detail() {
    let hash = "ab".repeat(32);
    let body = format!(
        "{{\"invoice\":\"{INVOICE}\",\"macaroon\":\"{MACAROON}\",\"amountSats\":5,\"paymentHash\":\"{hash}\"}}"
    );
    for body in [body.clone(), format!("{{\"detail\":{body}}}")] {
        let offer = read(&[], "application/json", &body).unwrap();
        assert_eq!(offer.proof, ProofKind::L402 { scheme: "L402".into(), macaroon: MACAROON.into() });
        assert_eq!(offer.invoice, INVOICE);
        assert_eq!(offer.stated_sats, Some(StatedSats::Sats(5)));
        assert_eq!(offer.stated_hashes.iter().map(|hash| hash.to_hex()).collect::<Vec<_>>(), [hash.as_str()]);
    }
}

#[test]
fn a_bare_invoice_is_read_in_each_spelling_of_its_media_type() {
    for content_type in
        ["application/vnd.lightning.bolt11", "Application/Vnd.Lightning.BOLT11 ; charset=utf-8"]
    {
        let offer = read(&[], content_type, &format!("{INVOICE}\n")).unwrap();
        assert_eq!((offer.proof, offer.invoice.as_str()), (ProofKind::Preimage, INVOICE));
    }
}

#[test]
fn prices_of_a_body_that_differ_or_are_no_whole_numbers_are_unclear() {
    let header = format!("L402 macaroon=\"{MACAROON}\", invoice=\"{INVOICE}\"");
    let stated = |body: &str| read(&[&header], "application/json", body).unwrap().stated_sats;
    assert_eq!(stated("{}"), None);
    assert_eq!(stated("not JSON"), None);
    assert_eq!(stated("{\"amountSats\":5,\"priceSats\":5}"), Some(StatedSats::Sats(5)));
    for body in [
        "{\"amountSats\":5,\"priceSats\":6}",
        "{\"amountSats\":5.5}",
        "{\"amountSats\":\"5\"}",
        "{\"amountSats\":-5}",
    ] {
        assert_eq!(stated(body), Some(StatedSats::Unclear), "{body}");
    }
}
