//! What LNbits is asked, and what of its answers is believed. The answer is a recorded one of LNbits 1.6.2 with FakeWallet.

use edgetoll::json::Json;
use edgetoll::l402::bolt11::Bolt11;
use edgetoll::policy::price::Cost;
use edgetoll::wallet::lnbits::{Fault, Lnbits};
use edgetoll::wallet::{Answer, Invoice, InvoiceRequest, Payment, Standing, Wallet, WalletError};

fn asked() -> InvoiceRequest<'static> {
    InvoiceRequest {
        cost: Cost::Sats(5),
        description: "Random joke",
        expiry_s: 300,
        network: "bc",
        route: "/api/joke",
        client: Some("aa"),
    }
}

fn bolt11() -> String {
    let answer = Json::parse(ANSWER.as_bytes()).unwrap();
    answer.get("bolt11").unwrap().as_str().unwrap().to_owned()
}

fn made_at() -> u64 {
    Bolt11::parse(&bolt11()).unwrap().timestamp_unix()
}

#[test]
fn the_request_spells_out_that_it_pays_nothing_and_carries_no_text_of_the_customers_beside_the_memo() {
    assert_eq!(
        asked().body(),
        r#"{"amount":5,"out":false,"unit":"sat","memo":"Random joke","expiry":300,"extra":{"tag":"edgetoll","route":"/api/joke","c":"aa"}}"#
    );
}

#[test]
fn a_memo_is_cut_at_639_bytes_on_a_character_border() {
    let memo = |description: &str| {
        let body = InvoiceRequest { description, ..asked() }.body();
        Json::parse(body.as_bytes()).unwrap().get("memo").unwrap().as_str().unwrap().to_owned()
    };
    assert_eq!(memo(&"x".repeat(640)), "x".repeat(639));
    assert_eq!(memo(&"é".repeat(320)), "é".repeat(319));
    assert_eq!(memo(&"€".repeat(300)), "€".repeat(213));
    assert_eq!(memo(""), "");
}

#[test]
fn a_good_answer_gives_its_invoice() {
    let invoice = asked().read_answer(201, ANSWER, made_at()).unwrap();
    assert_eq!(invoice.bolt11.as_str(), bolt11());
    assert_eq!(invoice.bolt11.expires_at_unix(), made_at() + 300);
    assert!(asked().read_answer(201, ANSWER, made_at() + 240).is_ok());
}

#[test]
fn an_answer_that_is_not_what_was_asked_for_gives_none() {
    let read =
        |asked: InvoiceRequest<'_>, answer: &str, now| asked.read_answer(201, answer, now).err().unwrap();
    let now = made_at();
    assert_eq!(
        read(InvoiceRequest { cost: Cost::Sats(6), ..asked() }, ANSWER, now),
        WalletError::OtherAmount
    );
    assert_eq!(read(InvoiceRequest { network: "tb", ..asked() }, ANSWER, now), WalletError::OtherNetwork);
    assert_eq!(read(asked(), ANSWER, now + 241), WalletError::Expired);
    assert_eq!(read(asked(), ANSWER, now + 601), WalletError::Clock);
    assert_eq!(read(asked(), ANSWER, now - 601), WalletError::Clock);
    let hash = Bolt11::parse(&bolt11()).unwrap().payment_hash().to_hex();
    let other_hash = ANSWER
        .replace(&format!("\"payment_hash\":\"{hash}"), &format!("\"payment_hash\":\"{}", "0".repeat(64)));
    assert_eq!(read(asked(), &other_hash, now), WalletError::OtherPaymentHash);
    let amountless = ANSWER.replace("\"bolt11\":\"lnbc50n1", "\"bolt11\":\"lnbc1");
    assert!(matches!(read(asked(), &amountless, now), WalletError::Bolt11(_)));
    assert_eq!(read(asked(), "<html>", now), WalletError::NotJson);
    assert_eq!(read(asked(), "{}", now), WalletError::Missing("payment_hash"));
    for status in [200, 302, 401, 404, 429, 500, 520] {
        assert_eq!(asked().read_answer(status, ANSWER, now).err(), Some(WalletError::Status(status)));
    }
}

#[test]
fn what_went_wrong_tells_nothing_of_the_answer() {
    let answer = ANSWER.replace("lnbc50n1", "lnbc60n1");
    let error = asked().read_answer(201, &answer, made_at()).err().unwrap();
    let preimage =
        Json::parse(ANSWER.as_bytes()).unwrap().get("preimage").unwrap().as_str().unwrap().to_owned();
    assert_eq!(preimage.len(), 64);
    assert!(!format!("{error:?} {error}").contains(&preimage[..8]));
}

#[test]
fn the_wallets_settings_are_checked_and_never_shown() {
    assert_eq!(
        Lnbits::new("https://x/base/", "0123456789abcdef").unwrap().payments_url(),
        "https://x/base/api/v1/payments"
    );
    for (url, key) in
        [("http://x", "0123456789abcdef"), ("https://x", "short"), ("https://x", "key with spaces")]
    {
        let fault = Lnbits::new(url, key).err().unwrap();
        assert!(!fault.contains(key));
    }
}

const ANSWER: &str = include_str!("vectors/lnbits_invoice.json");
