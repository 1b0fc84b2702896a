//! What LNbits is asked, and what of its answers is believed. The answers are recorded ones of LNbits with FakeWallet.

use edgetoll::bolt11::Bolt11;
use edgetoll::payment::PaymentHash;
use edgetoll::protocols::price::Price;
use edgetoll::strict_json::Json;
use edgetoll::wallet::lnbits::{Fault, Lnbits};
use edgetoll::wallet::probe::{self, Probe, ProbeRecord};
use edgetoll::wallet::{
    Invoice, InvoiceRequest, Payment, PaymentStatus, Wallet, WalletError, WalletResponse,
};

fn lnbits() -> Lnbits {
    Lnbits::new("https://x/base/", KEY).unwrap()
}

fn asked() -> InvoiceRequest<'static> {
    InvoiceRequest {
        cost: Price::Sats(5),
        description: "Random joke",
        expiry_s: 300,
        network: "bc",
        route: "/api/joke",
        client: Some("aa"),
        webhook: None,
    }
}

fn answer(status: u16, body: &str) -> WalletResponse {
    WalletResponse { status, retry_after_s: None, body: body.to_owned() }
}

fn read_created(asked: &InvoiceRequest<'_>, body: &str, now_unix: u64) -> Result<Invoice, WalletError> {
    lnbits().read_created(asked, &answer(201, body), now_unix)
}

fn created(key: &str) -> String {
    Json::parse(CREATED.as_bytes()).unwrap().get(key).unwrap().as_str().unwrap().to_owned()
}

fn made_at() -> u64 {
    Bolt11::parse(&created("bolt11")).unwrap().timestamp_unix()
}

/// A recorded answer, by the version and who asked about what.
fn recorded(name: &str) -> WalletResponse {
    let all = Json::parse(ANSWERS.as_bytes()).unwrap();
    let one = all.get(name).unwrap_or_else(|| panic!("no {name}"));
    let status = one.get("status").and_then(Json::as_u64).unwrap();
    answer(u16::try_from(status).unwrap(), one.get("body").and_then(Json::as_str).unwrap())
}

/// The payment that a recorded answer with details is about.
fn payment(name: &str) -> Payment {
    let body = Json::parse(recorded(name).body.as_bytes()).unwrap();
    let hash = body.get("details").unwrap().get("payment_hash").unwrap().as_str().unwrap().to_owned();
    Payment { hash: PaymentHash::from_hex(&hash).unwrap(), amount_sats: 5 }
}

/// What is read of an answer, at a time when its invoice could still be paid.
fn look_up(payment: &Payment, answer: &WalletResponse) -> Result<PaymentStatus, WalletError> {
    lnbits().read_looked_up(payment, answer, 1_795_275_400)
}

#[test]
fn the_request_spells_out_that_it_pays_nothing_and_carries_no_text_of_the_customers_beside_the_memo() {
    let call = lnbits().create(&asked());
    assert_eq!((call.method, call.url.as_str()), ("POST", "https://x/base/api/v1/payments"));
    assert_eq!(call.key.as_deref(), Some(KEY));
    assert_eq!(
        call.body.as_deref(),
        Some(
            r#"{"amount":5,"out":false,"unit":"sat","memo":"Random joke","expiry":300,"extra":{"tag":"edgetoll","route":"/api/joke","c":"aa"}}"#
        )
    );
}

#[test]
fn a_memo_is_cut_at_639_bytes_on_a_character_border() {
    let memo = |description: &str| {
        let body = lnbits().create(&InvoiceRequest { description, ..asked() }).body.unwrap();
        Json::parse(body.as_bytes()).unwrap().get("memo").unwrap().as_str().unwrap().to_owned()
    };
    assert_eq!(memo(&"x".repeat(640)), "x".repeat(639));
    assert_eq!(memo(&"é".repeat(320)), "é".repeat(319));
    assert_eq!(memo(&"€".repeat(300)), "€".repeat(213));
    assert_eq!(memo(""), "");
}

#[test]
fn a_good_answer_gives_its_invoice() {
    let invoice = read_created(&asked(), CREATED, made_at()).unwrap();
    assert_eq!(invoice.bolt11.as_str(), created("bolt11"));
    assert_eq!(invoice.bolt11.expires_at_unix(), made_at() + 300);
    assert!(read_created(&asked(), CREATED, made_at() + 240).is_ok());
}

#[test]
fn an_answer_that_is_not_what_was_asked_for_gives_none() {
    let read =
        |asked: InvoiceRequest<'_>, answer: &str, now| read_created(&asked, answer, now).err().unwrap();
    let now = made_at();
    assert_eq!(
        read(InvoiceRequest { cost: Price::Sats(6), ..asked() }, CREATED, now),
        WalletError::OtherAmount
    );
    assert_eq!(read(InvoiceRequest { network: "tb", ..asked() }, CREATED, now), WalletError::OtherNetwork);
    assert_eq!(read(asked(), CREATED, now + 241), WalletError::Expired);
    assert_eq!(read(asked(), CREATED, now + 601), WalletError::Clock);
    assert_eq!(read(asked(), CREATED, now - 601), WalletError::Clock);
    let other_hash = CREATED.replace(
        &format!("\"payment_hash\":\"{}", created("payment_hash")),
        &format!("\"payment_hash\":\"{}", "0".repeat(64)),
    );
    assert_eq!(read(asked(), &other_hash, now), WalletError::OtherPaymentHash);
    let failed = CREATED.replace("\"status\":\"pending\"", "\"status\":\"failed\"");
    assert_ne!(failed, CREATED);
    assert_eq!(read(asked(), &failed, now), WalletError::NotPending);
    let amountless = CREATED.replace("\"bolt11\":\"lnbc50n1", "\"bolt11\":\"lnbc1");
    assert!(matches!(read(asked(), &amountless, now), WalletError::Bolt11(_)));
    for body in ["<html>", "", "[]", "5"] {
        assert_eq!(read(asked(), body, now), WalletError::NotJson, "{body}");
    }
    assert_eq!(read(asked(), "{}", now), WalletError::Missing("payment_hash"));
    for status in [200, 302, 401, 404, 500, 502] {
        let error = lnbits().read_created(&asked(), &answer(status, CREATED), now).err();
        assert_eq!(error, Some(WalletError::Status(status)));
    }
    let busy = WalletResponse { status: 429, retry_after_s: Some(7), body: CREATED.to_owned() };
    let error = lnbits().read_created(&asked(), &busy, now).err();
    assert_eq!(error, Some(WalletError::RateLimited { retry_after_s: Some(7) }));
}

#[test]
fn what_went_wrong_tells_nothing_of_the_answer() {
    let answer = CREATED.replace("lnbc50n1", "lnbc60n1");
    let error = read_created(&asked(), &answer, made_at()).err().unwrap();
    let preimage = created("preimage");
    assert_eq!(preimage.len(), 64);
    assert!(!format!("{error:?} {error}").contains(&preimage[..8]));
}

#[test]
fn a_payment_is_looked_up_by_its_hash_and_with_the_key() {
    let payment = payment("1.6.2: paid");
    let call = lnbits().look_up(&payment.hash);
    assert_eq!((call.method, call.body), ("GET", None));
    assert_eq!(call.url, format!("https://x/base/api/v1/payments/{}", payment.hash.to_hex()));
    assert_eq!(call.key.as_deref(), Some(KEY));
}

#[test]
fn a_payment_has_arrived_when_lnbits_says_so_of_this_hash_and_this_amount() {
    let paid = payment("1.6.2: paid");
    assert_eq!(look_up(&paid, &recorded("1.6.2: paid")), Ok(PaymentStatus::Paid));
    // Within one wallet the outgoing side is shown: its amount is negative.
    let outgoing = recorded("1.6.2: paid, the key of the wallet that paid");
    assert_eq!(look_up(&paid, &outgoing), Ok(PaymentStatus::Paid));
    let dearer = Payment { amount_sats: 6, ..paid };
    assert_eq!(look_up(&dearer, &recorded("1.6.2: paid")), Err(WalletError::OtherAmount));
    let expired = payment("1.6.2: expired");
    assert_eq!(look_up(&expired, &recorded("1.6.2: paid")), Err(WalletError::OtherPaymentHash));
}

#[test]
fn what_a_stranger_is_told_is_no_proof_of_a_payment() {
    let paid = payment("1.6.2: paid");
    for name in ["1.6.2: paid, no key", "1.6.2: paid, an unknown key", "1.5.5: paid, no key"] {
        assert_eq!(look_up(&paid, &recorded(name)), Err(WalletError::Missing("details")), "{name}");
    }
}

#[test]
fn a_payment_that_can_still_be_made_is_told_with_its_invoice() {
    for name in ["1.6.2: pending", "1.5.5: pending"] {
        let (payment, answer) = (payment(name), recorded(name));
        let details = Json::parse(answer.body.as_bytes()).unwrap().get("details").unwrap().clone();
        let bolt11 = Bolt11::parse(details.get("bolt11").unwrap().as_str().unwrap()).unwrap();
        let at = |now| lnbits().read_looked_up(&payment, &answer, now);
        assert_eq!(at(bolt11.expires_at_unix() - 1), Ok(PaymentStatus::Pending(bolt11.clone())), "{name}");
        assert_eq!(at(bolt11.expires_at_unix()), Ok(PaymentStatus::Unpaid), "{name}");
        let other = answer.body.replace(bolt11.as_str(), &created("bolt11"));
        let read = lnbits().read_looked_up(&payment, &self::answer(200, &other), made_at());
        assert_eq!(read, Ok(PaymentStatus::Unpaid), "{name}: the invoice of another payment");
    }
}

#[test]
fn a_payment_that_failed_has_not_arrived() {
    for name in ["1.6.2: expired", "1.6.2: expired, later"] {
        assert_eq!(look_up(&payment(name), &recorded(name)), Ok(PaymentStatus::Unpaid), "{name}");
    }
    // Neither half of the answer alone is a yes.
    let paid = recorded("1.6.2: paid");
    for (was, is) in
        [("\"paid\":true", "\"paid\":false"), ("\"status\":\"success\"", "\"status\":\"failed\"")]
    {
        let body = paid.body.replace(was, is);
        assert_ne!(body, paid.body);
        assert_eq!(look_up(&payment("1.6.2: paid"), &answer(200, &body)), Ok(PaymentStatus::Unpaid));
    }
}

#[test]
fn an_lnbits_that_could_not_ask_its_node_has_not_said_no() {
    let pending = recorded("1.6.2: pending");
    let body = pending.body.replacen(r#""status":"pending","preimage":null,"#, "", 1);
    assert_ne!(body, pending.body);
    assert_eq!(look_up(&payment("1.6.2: pending"), &answer(200, &body)), Err(WalletError::StatusUnknown));
}

#[test]
fn an_lnbits_that_cannot_say_has_not_said_no() {
    let paid = payment("1.6.2: paid");
    assert_eq!(look_up(&paid, &recorded("1.6.2: unknown")), Err(WalletError::UnknownPayment));
    let body = &recorded("1.6.2: paid").body;
    for status in [201, 302, 401, 403, 500, 502, 520] {
        assert_eq!(look_up(&paid, &answer(status, body)), Err(WalletError::Status(status)));
    }
    let busy = WalletResponse { status: 429, retry_after_s: Some(7), body: body.clone() };
    assert_eq!(look_up(&paid, &busy), Err(WalletError::PaymentRateLimited { retry_after_s: Some(7) }));
    assert_eq!(look_up(&paid, &answer(200, "<html>")), Err(WalletError::NotJson));
    assert_eq!(look_up(&paid, &answer(200, "{}")), Err(WalletError::Missing("paid")));
}

#[test]
fn a_look_at_lnbits_shows_a_leak_and_an_admin_key() {
    let look = |wallet: &str, payment: &str| probe::read(Some(&recorded(wallet)), Some(&recorded(payment)));
    assert_eq!(look("1.6.2: wallet, invoice key", "1.6.2: pending, no key"), Probe::PreimageHidden);
    assert_eq!(look("1.6.2: wallet, admin key", "1.6.2: pending, no key"), Probe::AdminKey);
    assert_eq!(look("1.5.5: wallet, invoice key", "1.5.5: pending, no key"), Probe::PreimageExposed);
    assert_eq!(look("1.5.5: wallet, admin key", "1.5.5: pending, no key"), Probe::AdminKey);
    // Whoever has paid meanwhile may see it.
    assert_eq!(look("1.6.2: wallet, invoice key", "1.6.2: paid, no key"), Probe::Unknown);
    let invoice_key = recorded("1.6.2: wallet, invoice key");
    let busy = answer(429, "{}");
    // Who is not let in has not seen that nobody is.
    let kept = r#"{"paid":false,"preimage":null}"#;
    // LNbits answers so where it could not ask its node, and of what has failed.
    let not_asked = answer(200, r#"{"paid":false}"#);
    let failed = answer(200, r#"{"paid":false,"status":"failed"}"#);
    for closed in [
        not_asked,
        failed,
        answer(401, ""),
        answer(403, kept),
        answer(404, "{}"),
        recorded("1.6.2: unknown"),
        busy,
    ] {
        assert_eq!(probe::read(Some(&invoice_key), Some(&closed)), Probe::Unknown, "{}", closed.status);
    }
    let busy = answer(429, "{}");
    assert_eq!(probe::read(Some(&invoice_key), None), Probe::Unknown);
    assert_eq!(probe::read(None, Some(&recorded("1.6.2: pending, no key"))), Probe::Unknown);
    assert_eq!(probe::read(Some(&busy), Some(&recorded("1.6.2: pending, no key"))), Probe::Unknown);
    assert_eq!(probe::read(Some(&busy), Some(&recorded("1.5.5: pending, no key"))), Probe::PreimageExposed);
}

#[test]
fn the_look_for_a_leak_is_a_strangers_look() {
    let unpaid = payment("1.6.2: pending").hash;
    let call = probe::ask_for_preimage(&lnbits(), &unpaid);
    assert_eq!(call.url, format!("https://x/base/api/v1/payments/{}", unpaid.to_hex()));
    assert_eq!((call.method, call.key, call.body), ("GET", None, None));
    let call = probe::ask_for_wallet(&lnbits());
    assert_eq!(call.url, "https://x/base/api/v1/wallet");
    assert_eq!((call.method, call.key.as_deref()), ("GET", Some(KEY)));
}

#[test]
fn what_is_known_of_a_wallet_is_known_for_an_hour_wherever_it_is_read() {
    let hour_ms = 3_600_000;
    for probe in [Probe::PreimageHidden, Probe::PreimageExposed, Probe::AdminKey] {
        let known = ProbeRecord::after(ProbeRecord::NOTHING, probe, 1_000);
        assert_eq!(ProbeRecord::parse(&known.to_text()), Some(known), "{probe:?}");
        assert_eq!(known.at(999 + hour_ms), Some(probe));
        assert_eq!(known.at(1_000 + hour_ms), None);
    }
    assert_eq!(ProbeRecord::NOTHING.at(0), None);
    for text in ["", "sealed", "sealed x", "other 5"] {
        assert_eq!(ProbeRecord::parse(text), None, "{text}");
    }
}

#[test]
fn a_look_that_shows_too_little_leaves_what_was_known_for_a_minute() {
    for before in [Probe::PreimageHidden, Probe::PreimageExposed, Probe::AdminKey] {
        let known = ProbeRecord::after(ProbeRecord::NOTHING, before, 0);
        let known = ProbeRecord::after(known, Probe::Unknown, 5_000_000);
        assert_eq!(known.at(5_000_000 + 59_999), Some(before));
        assert_eq!(known.at(5_000_000 + 60_000), None);
    }
}

#[test]
fn a_wallet_that_stands_by_is_not_looked_at_again_for_an_hour() {
    for before in [ProbeRecord::NOTHING, ProbeRecord::after(ProbeRecord::NOTHING, Probe::PreimageExposed, 0)]
    {
        let known = ProbeRecord::after_key(before, 5_000_000);
        assert_eq!(known.at(5_000_000 + 3_599_999), Some(before.probe));
        assert_eq!(known.at(5_000_000 + 3_600_000), None);
    }
}

#[test]
fn a_funding_source_that_is_down_is_told_from_a_refusal() {
    let read = |body: &str| lnbits().read_created(&asked(), &answer(520, body), made_at()).err();
    let down = r#"{"detail":"Unable to connect to http://127.0.0.1:5000.","status":"pending"}"#;
    assert_eq!(read(down), Some(WalletError::FundingSource));
    for refusal in [r#"{"detail":"Amountless invoices not supported.","status":"failed"}"#, "", "{}"] {
        assert_eq!(read(refusal), Some(WalletError::Status(520)));
    }
}

#[test]
fn the_wallets_settings_are_checked_and_never_shown() {
    for (url, key, is_url) in
        [("http://x", KEY, true), ("https://x", "short", false), ("https://x", "key with spaces", false)]
    {
        let fault = Lnbits::new(url, key).err().unwrap();
        assert_eq!(matches!(fault, Fault::Url(_)), is_url, "{url} {key}");
        assert!(!format!("{fault:?}").contains(key));
    }
}

const KEY: &str = "0123456789abcdef";
const CREATED: &str = include_str!("../vectors/lnbits_invoice.json");
const ANSWERS: &str = include_str!("../vectors/lnbits_answers.json");
