//! The requests to LNbits, and the checks of its responses. The responses were recorded from LNbits with FakeWallet.

use std::num::NonZeroU32;

use crate::support::slots::SECOND;
use edgetoll::bolt11::Bolt11;
use edgetoll::payment::{PaymentHash, WalletSlot};
use edgetoll::protocols::price::{Fiat, FiatPrice, Price};
use edgetoll::protocols::record::{InvoiceRecord, OwnInvoice};
use edgetoll::strict_json::Json;
use edgetoll::wallet::lnbits::{Lnbits, LnbitsConfigError};
use edgetoll::wallet::probe::{self, Probe, ProbeRecord, Probed};
use edgetoll::wallet::receipt::SaleTerms;
use edgetoll::wallet::{
    HttpRequest, Invoice, InvoiceRequest, Payment, PaymentStatus, Wallet, WalletError, WalletRequest,
    WalletResponse,
};

fn lnbits() -> Lnbits {
    Lnbits::new("https://x/base/", KEY).unwrap()
}

fn invoice_request() -> InvoiceRequest<'static> {
    InvoiceRequest {
        price: &Price::Sats(5),
        description: "Random joke",
        expiry_s: 300,
        network: "bc",
        route: "/api/joke",
        client: Some("aa"),
        webhook: None,
        uses: None,
        record: None,
    }
}

fn response(status: u16, body: &str) -> WalletResponse {
    WalletResponse { status, retry_after_s: None, body: body.to_owned(), is_listed: None }
}

fn read_created(request: &InvoiceRequest<'_>, body: &str, now_unix: u64) -> Result<Invoice, WalletError> {
    Wallet::Lnbits(lnbits()).read_created(request, &response(201, body), now_unix)
}

fn http(request: WalletRequest) -> HttpRequest {
    match request {
        WalletRequest::Http(request) => request,
        WalletRequest::Nwc(_) => panic!("a request over a relay"),
    }
}

/// Returns the string at `key` in the recorded response to an invoice request.
fn created(key: &str) -> String {
    Json::parse(CREATED.as_bytes()).unwrap().get(key).unwrap().as_str().unwrap().to_owned()
}

/// Returns the timestamp of the recorded invoice.
fn created_unix() -> u64 {
    Bolt11::parse(&created("bolt11")).unwrap().timestamp_unix()
}

/// Returns a recorded response. `name` has the version of LNbits, what was looked up and, for some responses, which API
/// key the request had.
fn recorded(name: &str) -> WalletResponse {
    let responses = Json::parse(RESPONSES.as_bytes()).unwrap();
    let recorded = responses.get(name).unwrap_or_else(|| panic!("no {name}"));
    let status = recorded.get("status").and_then(Json::as_u64).unwrap();
    response(u16::try_from(status).unwrap(), recorded.get("body").and_then(Json::as_str).unwrap())
}

/// Returns the payment that the `details` of a recorded response describe.
fn payment(name: &str) -> Payment {
    let body = Json::parse(recorded(name).body.as_bytes()).unwrap();
    let hash = body.get("details").unwrap().get("payment_hash").unwrap().as_str().unwrap().to_owned();
    Payment { hash: PaymentHash::from_hex(&hash).unwrap(), amount_sats: 5 }
}

/// Reads the response to a look-up, at a time before the recorded pending invoices expire.
fn read_looked_up(payment: &Payment, response: &WalletResponse) -> Result<PaymentStatus, WalletError> {
    Wallet::Lnbits(lnbits()).read_looked_up(payment, response, 1_795_275_400)
}

#[test]
fn an_invoice_request_asks_for_an_incoming_payment_and_states_its_price_route_and_client_pseudonym() {
    let wallet = Wallet::Lnbits(lnbits());
    assert_eq!(wallet.identity(), ["https://x/base", KEY]);
    let request = http(wallet.create(&invoice_request()).unwrap());
    assert_eq!((request.method, request.url.as_str()), ("POST", "https://x/base/api/v1/payments"));
    assert_eq!(request.key.as_deref(), Some(KEY));
    assert_eq!(
        request.body.as_deref(),
        Some(
            r#"{"amount":5,"out":false,"unit":"sat","memo":"Random joke","expiry":300,"extra":{"tag":"edgetoll","route":"/api/joke","c":"aa"}}"#
        )
    );
}

fn record() -> InvoiceRecord {
    InvoiceRecord {
        expires_at_unix: 1_795_279_000,
        host: "api.example.com".to_owned(),
        method: "GET".to_owned(),
        client: None,
        fiat: None,
        sold_as: None,
        mac: "dd".to_owned(),
    }
}

fn complete_record() -> InvoiceRecord {
    let (client, fiat) = (Some("bb".to_owned()), Fiat::parse("0.01 USD"));
    InvoiceRecord { client, fiat, sold_as: Some("cc".to_owned()), ..record() }
}

/// Returns the value of `extra` with which an invoice with this record is created.
fn extra(record: &InvoiceRecord) -> String {
    let body = lnbits().create(&InvoiceRequest { record: Some(record), ..invoice_request() }).body.unwrap();
    body.split_once(r#""extra":"#).unwrap().1.strip_suffix('}').unwrap().to_owned()
}

#[test]
fn an_invoice_request_records_what_the_invoice_is_created_for() {
    let common = r#"{"tag":"edgetoll","route":"/api/joke","c":"aa","expiry":1795279000,"host":"api.example.com","method":"GET""#;
    assert_eq!(extra(&record()), format!(r#"{common},"mac":"dd"}}"#));
    let more = r#","ip":"bb","price":"0.01 USD","sold_as":"cc","mac":"dd"}"#;
    assert_eq!(extra(&complete_record()), format!("{common}{more}"));
}

#[test]
fn a_receipt_has_the_host_the_uses_and_the_price_of_the_invoice_or_its_value_in_the_currency_of_the_wallet() {
    let terms_of = |extra: &str| {
        let response = with_extra("1.6.2: paid", extra);
        let hash = payment("1.6.2: paid").hash;
        Wallet::Lnbits(lnbits()).read_receipt(&hash, None, &response).unwrap().unwrap().terms
    };
    let record = complete_record();
    let request = InvoiceRequest { uses: NonZeroU32::new(32), record: Some(&record), ..invoice_request() };
    let body = lnbits().create(&request).body.unwrap();
    let sold = body.split_once(r#""extra":"#).unwrap().1.strip_suffix('}').unwrap();
    let rate = |rate: &str| {
        format!(r#","wallet_fiat_currency":"EUR","wallet_fiat_amount":0.003,"wallet_fiat_rate":{rate}}}"#)
    };
    let priced =
        SaleTerms { host: Some("api.example.com".to_owned()), uses: Some(32), fiat: Fiat::parse("0.01 USD") };
    assert_eq!(terms_of(sold), priced);
    assert_eq!(terms_of(&sold.replace('}', &rate("1700.5"))), priced, "the price in the list counts");
    let in_sats = r#"{"tag":"edgetoll","route":"/a""#;
    // 5 sats at 1,666.6666666666667 sats for a euro are 0.003 euros.
    let value_of = |number: &str| terms_of(&format!("{in_sats}{}", rate(number))).fiat;
    assert_eq!(value_of("1666.6666666666667"), Fiat::parse("0.003 EUR"));
    assert_eq!(value_of("1700"), Fiat::parse("0.00294117 EUR"));
    assert_eq!(value_of("0.06"), Fiat::parse("83.33333333 EUR"));
    for unusable in ["0", "0.0", "-5", "-0.5", "1e300", "1e-300", "null", r#""1700""#, "1e18"] {
        assert_eq!(value_of(unusable), None, "{unusable}");
    }
    assert_eq!(terms_of(&format!("{in_sats}}}")), SaleTerms::default());
}

/// Returns a recorded response, with an `extra` that `edit` has changed.
fn with_extra(name: &str, extra: &str) -> WalletResponse {
    let body = recorded(name).body;
    let recorded = r#""extra":{"tag":"edgetoll","route":"/api/joke","c":"aa"}"#;
    assert!(body.contains(recorded), "{body}");
    response(200, &body.replace(recorded, &format!(r#""extra":{extra}"#)))
}

fn read_own(hash: &PaymentHash, response: &WalletResponse) -> Result<Option<OwnInvoice>, WalletError> {
    Wallet::Lnbits(lnbits()).read_own_invoice(hash, response)
}

#[test]
fn an_invoice_is_read_with_the_record_with_which_it_was_created() {
    for (name, is_paid) in [("1.6.2: paid", true), ("1.6.2: pending", false)] {
        for record in [record(), complete_record()] {
            let hash = payment(name).hash;
            let own = read_own(&hash, &with_extra(name, &extra(&record))).unwrap().unwrap();
            assert_eq!(
                (own.is_paid, own.amount_sats, own.route.as_str()),
                (is_paid, 5, "/api/joke"),
                "{name}"
            );
            assert_eq!((own.payment_hash, own.record), (hash, record), "{name}");
        }
    }
    let failed = with_extra("1.6.2: paid", &extra(&record())).body;
    let failed = failed.replace("\"status\":\"success\"", "\"status\":\"failed\"");
    let own = read_own(&payment("1.6.2: paid").hash, &response(200, &failed)).unwrap().unwrap();
    assert!(!own.is_paid, "a payment is paid only if both fields say so");
    // The timestamp and the expiry in the invoice, decoded with the Python package bolt11.
    let paid = read_own(&payment("1.6.2: paid").hash, &with_extra("1.6.2: paid", &extra(&record())));
    assert_eq!(paid.unwrap().unwrap().payable_until_unix, PAID_PAYABLE_UNTIL_UNIX);
}

#[test]
fn an_invoice_of_another_shop_or_without_a_complete_record_is_not_own() {
    let hash = payment("1.6.2: paid").hash;
    let complete = extra(&complete_record());
    for (part, changed) in [
        (r#""tag":"edgetoll""#, r#""tag":"shop""#),
        (r#""tag":"edgetoll","#, ""),
        (r#""expiry":1795279000,"#, ""),
        (r#""expiry":1795279000"#, r#""expiry":"1795279000""#),
        (r#""host":"api.example.com","#, ""),
        (r#""method":"GET","#, ""),
        (r#""method":"GET""#, r#""method":null"#),
        (r#""route":"/api/joke","#, ""),
        (r#""price":"0.01 USD""#, r#""price":"cheap""#),
        (r#","mac":"dd""#, ""),
    ] {
        let extra = complete.replace(part, changed);
        assert_ne!(extra, complete, "{part}");
        assert_eq!(read_own(&hash, &with_extra("1.6.2: paid", &extra)), Ok(None), "{part}");
    }
    for extra in ["{}", "null", "[]", r#"{"tag":"edgetoll","route":"/api/joke","c":"aa"}"#] {
        assert_eq!(read_own(&hash, &with_extra("1.6.2: paid", extra)), Ok(None), "{extra}");
    }
    let expired = payment("1.6.2: expired").hash;
    assert_eq!(read_own(&expired, &with_extra("1.6.2: paid", &complete)), Ok(None), "another payment hash");
    let dearer = with_extra("1.6.2: paid", &complete).body.replace(r#""amount":5000"#, r#""amount":9000"#);
    assert_eq!(
        read_own(&hash, &response(200, &dearer)),
        Ok(None),
        "an amount that the invoice does not have"
    );
    let outgoing = recorded("1.6.2: paid, the key of the wallet that paid");
    assert_eq!(read_own(&hash, &outgoing), Ok(None), "an outgoing payment");
}

#[test]
fn a_payment_is_unknown_only_if_lnbits_says_so_and_otherwise_a_failed_look_up_is_an_error() {
    let hash = payment("1.6.2: paid").hash;
    assert_eq!(read_own(&hash, &recorded("1.6.2: unknown")), Ok(None));
    let not_found = read_own(&hash, &response(404, "<html>no such page</html>"));
    assert_eq!(not_found, Err(WalletError::NotJson), "a 404 of a proxy");
    for name in ["1.6.2: paid, no key", "1.6.2: paid, an unknown key", "1.6.2: pending, no key"] {
        assert_eq!(read_own(&hash, &recorded(name)), Err(WalletError::Missing("details")), "{name}");
    }
    let limited = read_own(&hash, &response(429, "{}"));
    assert_eq!(limited, Err(WalletError::PaymentRateLimited { retry_after_s: None }));
    for status in [302, 401, 500, 502] {
        assert_eq!(read_own(&hash, &response(status, "{}")), Err(WalletError::Status(status)));
    }
    let pending = payment("1.6.2: pending").hash;
    let without_status =
        with_extra("1.6.2: pending", &extra(&record())).body.replacen(r#""status":"pending","#, "", 1);
    assert_eq!(read_own(&pending, &response(200, &without_status)), Err(WalletError::StatusUnknown));
}

#[test]
fn an_amount_in_a_currency_is_sent_as_a_decimal_string_with_its_currency_as_the_unit() {
    for (fiat, amount, unit) in
        [("0.01 USD", "0.01", "USD"), ("5 EUR", "5", "EUR"), ("1.50000001 CHF", "1.50000001", "CHF")]
    {
        let fiat = Fiat::parse(fiat).unwrap();
        let price = Price::Fiat(FiatPrice { fiat, min_sats: 1, max_sats: 99 });
        let body = lnbits().create(&InvoiceRequest { price: &price, ..invoice_request() }).body.unwrap();
        assert!(
            body.starts_with(&format!(r#"{{"amount":"{amount}","out":false,"unit":"{unit}","#)),
            "{body}"
        );
    }
}

#[test]
fn an_invoice_request_contains_the_webhook_url() {
    let webhook = Some("https://x/_toll/hook/token");
    let body = lnbits().create(&InvoiceRequest { webhook, ..invoice_request() }).body.unwrap();
    assert!(body.contains(r#","webhook":"https://x/_toll/hook/token","extra":"#), "{body}");
}

#[test]
fn a_valid_response_to_an_invoice_request_is_read_as_an_invoice() {
    let invoice = read_created(&invoice_request(), CREATED, created_unix()).unwrap();
    assert_eq!(invoice.bolt11.as_str(), created("bolt11"));
    assert_eq!(invoice.bolt11.expires_at_unix(), created_unix() + 300);
    assert!(read_created(&invoice_request(), CREATED, created_unix() + 240).is_ok());
}

#[test]
fn a_response_that_does_not_match_the_invoice_request_is_refused() {
    let read = |request: InvoiceRequest<'_>, body: &str, now_unix| {
        read_created(&request, body, now_unix).err().unwrap()
    };
    let now = created_unix();
    assert_eq!(
        read(InvoiceRequest { price: &Price::Sats(6), ..invoice_request() }, CREATED, now),
        WalletError::OtherAmount
    );
    assert_eq!(
        read(InvoiceRequest { network: "tb", ..invoice_request() }, CREATED, now),
        WalletError::OtherNetwork
    );
    // The recorded invoice is for 5 sats.
    for (min_sats, max_sats, is_valid) in
        [(1, 9, true), (5, 9, true), (1, 5, true), (5, 5, true), (6, 9, false), (1, 4, false)]
    {
        let fiat = Fiat::parse("0.01 USD").unwrap();
        let price = Price::Fiat(FiatPrice { fiat, min_sats, max_sats });
        let error = read_created(&InvoiceRequest { price: &price, ..invoice_request() }, CREATED, now).err();
        let expected = (!is_valid).then_some(WalletError::OutOfBounds { amount_sats: 5 });
        assert_eq!(error, expected, "{min_sats} to {max_sats}");
    }
    assert_eq!(read(invoice_request(), CREATED, now + 241), WalletError::Expired);
    assert_eq!(read(invoice_request(), CREATED, now + 601), WalletError::Clock);
    assert_eq!(read(invoice_request(), CREATED, now - 601), WalletError::Clock);
    let other_hash = CREATED.replace(
        &format!("\"payment_hash\":\"{}", created("payment_hash")),
        &format!("\"payment_hash\":\"{}", "0".repeat(64)),
    );
    assert_eq!(read(invoice_request(), &other_hash, now), WalletError::OtherPaymentHash);
    let failed = CREATED.replace("\"status\":\"pending\"", "\"status\":\"failed\"");
    assert_ne!(failed, CREATED);
    assert_eq!(read(invoice_request(), &failed, now), WalletError::NotPending);
    let amountless = CREATED.replace("\"bolt11\":\"lnbc50n1", "\"bolt11\":\"lnbc1");
    assert!(matches!(read(invoice_request(), &amountless, now), WalletError::Bolt11(_)));
    for body in ["<html>", "", "[]", "5"] {
        assert_eq!(read(invoice_request(), body, now), WalletError::NotJson, "{body}");
    }
    assert_eq!(read(invoice_request(), "{}", now), WalletError::Missing("payment_hash"));
    for status in [200, 302, 401, 404, 500, 502] {
        let error = lnbits().read_created(&invoice_request(), &response(status, CREATED), now).err();
        assert_eq!(error, Some(WalletError::Status(status)));
    }
    let limited =
        WalletResponse { status: 429, retry_after_s: Some(7), body: CREATED.to_owned(), is_listed: None };
    let error = lnbits().read_created(&invoice_request(), &limited, now).err();
    assert_eq!(error, Some(WalletError::RateLimited { retry_after_s: Some(7) }));
}

#[test]
fn the_error_for_a_refused_invoice_does_not_contain_the_preimage() {
    let body = CREATED.replace("lnbc50n1", "lnbc60n1");
    let error = read_created(&invoice_request(), &body, created_unix()).err().unwrap();
    let preimage = created("preimage");
    assert_eq!(preimage.len(), 64);
    assert!(!format!("{error:?} {error}").contains(&preimage[..8]));
}

#[test]
fn a_payment_is_looked_up_by_its_payment_hash_and_with_the_api_key() {
    let payment = payment("1.6.2: paid");
    let request = http(Wallet::Lnbits(lnbits()).look_up(&payment.hash));
    assert_eq!((request.method, request.body), ("GET", None));
    assert_eq!(request.url, format!("https://x/base/api/v1/payments/{}", payment.hash.to_hex()));
    assert_eq!(request.key.as_deref(), Some(KEY));
}

#[test]
fn a_payment_is_paid_if_lnbits_reports_a_paid_payment_with_its_hash_and_amount() {
    let paid = payment("1.6.2: paid");
    assert_eq!(read_looked_up(&paid, &recorded("1.6.2: paid")), Ok(PaymentStatus::Paid));
    // The key belongs to the wallet that paid, so LNbits returns the outgoing payment, whose amount is negative. It
    // also does so if a wallet paid its own invoice.
    let outgoing = recorded("1.6.2: paid, the key of the wallet that paid");
    assert_eq!(read_looked_up(&paid, &outgoing), Ok(PaymentStatus::Paid));
    let other_amount = Payment { amount_sats: 6, ..paid };
    assert_eq!(read_looked_up(&other_amount, &recorded("1.6.2: paid")), Err(WalletError::OtherAmount));
    let expired = payment("1.6.2: expired");
    assert_eq!(read_looked_up(&expired, &recorded("1.6.2: paid")), Err(WalletError::OtherPaymentHash));
}

#[test]
fn a_look_up_response_without_details_proves_no_payment() {
    let paid = payment("1.6.2: paid");
    for name in ["1.6.2: paid, no key", "1.6.2: paid, an unknown key", "1.5.5: paid, no key"] {
        assert_eq!(read_looked_up(&paid, &recorded(name)), Err(WalletError::Missing("details")), "{name}");
    }
}

#[test]
fn an_exposed_preimage_and_an_admin_key_each_have_a_warning() {
    assert_eq!((Probe::Unknown.warning(), Probe::PreimageHidden.warning()), (None, None));
    let warning = |probe: Probe| probe.warning().unwrap();
    assert!(warning(Probe::PreimageExposed).contains("update LNbits to 1.6.0"));
    assert!(warning(Probe::AdminKey).contains("use the invoice key"));
}

#[test]
fn a_pending_payment_is_returned_with_its_invoice_while_the_invoice_can_be_paid() {
    for name in ["1.6.2: pending", "1.5.5: pending"] {
        let (payment, recorded) = (payment(name), recorded(name));
        let details = Json::parse(recorded.body.as_bytes()).unwrap().get("details").unwrap().clone();
        let bolt11 = Bolt11::parse(details.get("bolt11").unwrap().as_str().unwrap()).unwrap();
        let status_at = |now_unix| lnbits().read_looked_up(&payment, &recorded, now_unix);
        assert_eq!(
            status_at(bolt11.expires_at_unix() - 1),
            Ok(PaymentStatus::Pending(bolt11.clone())),
            "{name}"
        );
        assert_eq!(status_at(bolt11.expires_at_unix()), Ok(PaymentStatus::Unpaid), "{name}");
        let other = recorded.body.replace(bolt11.as_str(), &created("bolt11"));
        let read = lnbits().read_looked_up(&payment, &response(200, &other), created_unix());
        assert_eq!(read, Ok(PaymentStatus::Unpaid), "{name}: the invoice belongs to another payment");
    }
}

#[test]
fn a_payment_that_lnbits_reports_as_failed_is_unpaid() {
    for name in ["1.6.2: expired", "1.6.2: expired, later"] {
        assert_eq!(read_looked_up(&payment(name), &recorded(name)), Ok(PaymentStatus::Unpaid), "{name}");
    }
    // A payment is paid only if `paid` is true and `status` is "success".
    let paid = recorded("1.6.2: paid");
    for (from, to) in
        [("\"paid\":true", "\"paid\":false"), ("\"status\":\"success\"", "\"status\":\"failed\"")]
    {
        let body = paid.body.replace(from, to);
        assert_ne!(body, paid.body);
        assert_eq!(read_looked_up(&payment("1.6.2: paid"), &response(200, &body)), Ok(PaymentStatus::Unpaid));
    }
}

#[test]
fn the_state_of_a_pending_payment_is_unknown_if_the_look_up_response_has_no_top_level_status() {
    let pending = recorded("1.6.2: pending");
    let body = pending.body.replacen(r#""status":"pending","preimage":null,"#, "", 1);
    assert_ne!(body, pending.body);
    assert_eq!(
        read_looked_up(&payment("1.6.2: pending"), &response(200, &body)),
        Err(WalletError::StatusUnknown)
    );
}

#[test]
fn a_look_up_response_that_does_not_say_whether_the_payment_is_paid_is_an_error() {
    let paid = payment("1.6.2: paid");
    assert_eq!(read_looked_up(&paid, &recorded("1.6.2: unknown")), Err(WalletError::UnknownPayment));
    let body = &recorded("1.6.2: paid").body;
    for status in [201, 302, 401, 403, 500, 502, 520] {
        assert_eq!(read_looked_up(&paid, &response(status, body)), Err(WalletError::Status(status)));
    }
    let limited = WalletResponse { status: 429, retry_after_s: Some(7), body: body.clone(), is_listed: None };
    assert_eq!(
        read_looked_up(&paid, &limited),
        Err(WalletError::PaymentRateLimited { retry_after_s: Some(7) })
    );
    assert_eq!(read_looked_up(&paid, &response(200, "<html>")), Err(WalletError::NotJson));
    assert_eq!(read_looked_up(&paid, &response(200, "{}")), Err(WalletError::Missing("paid")));
}

#[test]
fn a_probe_finds_exposed_preimages_and_an_admin_key() {
    let wallet = Wallet::Lnbits(lnbits());
    let probe = |key: Option<&WalletResponse>, preimage: Option<&WalletResponse>| {
        probe::judge(&wallet, key, preimage)
    };
    let judge = |key: &str, preimage: &str| probe(Some(&recorded(key)), Some(&recorded(preimage)));
    assert_eq!(judge("1.6.2: wallet, invoice key", "1.6.2: pending, no key"), Probe::PreimageHidden);
    assert_eq!(judge("1.6.2: wallet, admin key", "1.6.2: pending, no key"), Probe::AdminKey);
    assert_eq!(judge("1.5.5: wallet, invoice key", "1.5.5: pending, no key"), Probe::PreimageExposed);
    assert_eq!(judge("1.5.5: wallet, admin key", "1.5.5: pending, no key"), Probe::AdminKey);
    // Once the probed invoice is paid, the response does not show whether LNbits hides the preimages of unpaid
    // invoices.
    assert_eq!(judge("1.6.2: wallet, invoice key", "1.6.2: paid, no key"), Probe::Unknown);
    let invoice_key = recorded("1.6.2: wallet, invoice key");
    for preimage in [
        // LNbits omits `preimage` if it could not reach its node.
        response(200, r#"{"paid":false}"#),
        response(200, r#"{"paid":false,"status":"failed"}"#),
        response(401, ""),
        // A proxy that refuses the request of the probe may allow the same request from other clients.
        response(403, r#"{"paid":false,"preimage":null}"#),
        response(404, "{}"),
        recorded("1.6.2: unknown"),
        response(429, "{}"),
    ] {
        assert_eq!(probe(Some(&invoice_key), Some(&preimage)), Probe::Unknown, "{}", preimage.status);
    }
    let limited = response(429, "{}");
    assert_eq!(probe(Some(&invoice_key), None), Probe::Unknown);
    assert_eq!(probe(None, Some(&recorded("1.6.2: pending, no key"))), Probe::Unknown);
    assert_eq!(probe(Some(&limited), Some(&recorded("1.6.2: pending, no key"))), Probe::Unknown);
    assert_eq!(probe(Some(&limited), Some(&recorded("1.5.5: pending, no key"))), Probe::PreimageExposed);
}

#[test]
fn two_wallets_are_identified_by_their_urls_and_keys() {
    let identity = |url: &str, key: &str| Lnbits::new(url, key).unwrap().identity().map(str::to_owned);
    assert_eq!(identity("https://x/base/", KEY), ["https://x/base", KEY]);
    assert_ne!(identity("https://x", KEY), identity("https://y", KEY));
    assert_ne!(identity("https://x", KEY), identity("https://x", "fedcba9876543210"));
}

// U9 (CHANGELOG)
#[test]
fn the_reason_why_nothing_can_be_sold_names_the_setting_of_each_wallet_and_the_remedy() {
    let works = || Ok(recorded("1.6.2: wallet, invoice key"));
    let admin = || Ok(recorded("1.6.2: wallet, admin key"));
    let status = |status| Ok(response(status, "{}"));
    let problems = |one: Result<WalletResponse, WalletError>,
                    two: Option<Result<WalletResponse, WalletError>>| {
        let wallet = Wallet::Lnbits(lnbits());
        let probed = |slot, response| Probed { slot, wallet: &wallet, response };
        let two = two.map(|two| probed(SECOND, two));
        probe::problems(&[probed(WalletSlot::FIRST, one)].into_iter().chain(two).collect::<Vec<_>>())
    };
    assert_eq!(problems(works(), None), [""; 0]);
    assert_eq!(problems(status(404), Some(works())), [""; 0]);
    assert_eq!(problems(status(429), None), [""; 0]);
    let admin_key = "is an admin key, which can spend what you earn, so nothing is sold: set the invoice key of the wallet with";
    assert_eq!(
        problems(admin(), Some(works())),
        [format!("LNBITS_KEY {admin_key} `npx wrangler secret put LNBITS_KEY`")]
    );
    assert_eq!(
        problems(works(), Some(admin())),
        [format!("LNBITS_KEY_2 {admin_key} `npx wrangler secret put LNBITS_KEY_2`")]
    );
    for refused in [401, 403, 404] {
        let expected = format!(
            "LNbits does not accept LNBITS_KEY (status {refused}): copy the invoice key of the wallet, and set it with \
             `npx wrangler secret put LNBITS_KEY`"
        );
        assert_eq!(problems(status(refused), None), [expected]);
    }
    assert_eq!(
        problems(status(200), Some(Err(WalletError::Unreachable))),
        [
            "the server at LNBITS_URL answers with status 200, but not as LNbits does: correct LNBITS_URL",
            "the wallet could not be reached: correct LNBITS_URL_2, or start LNbits",
        ]
    );
    assert_eq!(problems(status(502), None), ["LNbits answers with status 502: see its log"]);
}

#[test]
fn the_preimage_probe_is_sent_without_an_api_key_and_the_key_probe_with_the_configured_key() {
    let unpaid = payment("1.6.2: pending").hash;
    let request = probe::look_up_without_key(&lnbits(), &unpaid);
    assert_eq!(request.url, format!("https://x/base/api/v1/payments/{}", unpaid.to_hex()));
    assert_eq!((request.method, request.key, request.body), ("GET", None, None));
    let request = probe::key_request(&lnbits());
    assert_eq!(request.url, "https://x/base/api/v1/wallet");
    assert_eq!((request.method, request.key.as_deref()), ("GET", Some(KEY)));
}

#[test]
fn a_probe_result_is_valid_for_an_hour_and_is_read_back_from_its_stored_text() {
    let hour_ms = 3_600_000;
    for probe in [Probe::PreimageHidden, Probe::PreimageExposed, Probe::AdminKey] {
        let record = ProbeRecord::after(ProbeRecord::NONE, probe, 1_000);
        assert_eq!(ProbeRecord::parse(&record.to_text()), Some(record), "{probe:?}");
        assert_eq!(record.at(999 + hour_ms), Some(probe));
        assert_eq!(record.at(1_000 + hour_ms), None);
    }
    assert_eq!(ProbeRecord::NONE.at(0), None);
    for text in [
        "",
        "preimage_hidden",
        "preimage_hidden x",
        "preimage_hidden -1",
        "other 5",
        " 5",
        "preimage_hidden 18446744073709551616",
    ] {
        assert_eq!(ProbeRecord::parse(text), None, "{text}");
    }
}

#[test]
fn an_inconclusive_probe_keeps_the_previous_result_for_a_minute() {
    for previous in [Probe::PreimageHidden, Probe::PreimageExposed, Probe::AdminKey] {
        let record = ProbeRecord::after(ProbeRecord::NONE, previous, 0);
        let record = ProbeRecord::after(record, Probe::Unknown, 5_000_000);
        assert_eq!(record.at(5_000_000 + 59_999), Some(previous));
        assert_eq!(record.at(5_000_000 + 60_000), None);
    }
}

#[test]
fn a_probe_that_checks_only_the_key_neither_replaces_nor_prolongs_a_complete_probe() {
    let hour_ms = 3_600_000;
    for previous in [ProbeRecord::NONE, ProbeRecord::after(ProbeRecord::NONE, Probe::PreimageHidden, 1)] {
        let record = ProbeRecord::after_key(previous, hour_ms);
        for now_ms in [hour_ms, hour_ms + 1, 2 * hour_ms] {
            assert_eq!(record.at(now_ms), previous.at(now_ms));
        }
        assert!(!record.is_key_check_due(2 * hour_ms - 1) && record.is_key_check_due(2 * hour_ms));
    }
    let complete = ProbeRecord::after(ProbeRecord::NONE, Probe::PreimageHidden, 0);
    assert!(!complete.is_key_check_due(hour_ms - 1) && complete.is_key_check_due(hour_ms));
}

#[test]
fn status_520_of_lnbits_means_an_unreachable_funding_source_or_a_refused_invoice() {
    let read =
        |body: &str| lnbits().read_created(&invoice_request(), &response(520, body), created_unix()).err();
    let down = r#"{"detail":"Unable to connect to http://127.0.0.1:5000.","status":"pending"}"#;
    assert_eq!(read(down), Some(WalletError::FundingSource));
    for refusal in [r#"{"detail":"Amountless invoices not supported.","status":"failed"}"#, "", "{}"] {
        assert_eq!(read(refusal), Some(WalletError::Status(520)));
    }
}

#[test]
fn the_error_for_a_wrong_wallet_setting_does_not_contain_the_key() {
    for (url, key, is_url) in
        [("http://x", KEY, true), ("https://x", "short", false), ("https://x", "key with spaces", false)]
    {
        let error = Lnbits::new(url, key).err().unwrap();
        assert_eq!(matches!(error, LnbitsConfigError::Url(_)), is_url, "{url} {key}");
        assert!(!format!("{error:?}").contains(key));
    }
}

const KEY: &str = "0123456789abcdef";
const CREATED: &str = include_str!("../vectors/lnbits_invoice.json");
const RESPONSES: &str = include_str!("../vectors/lnbits_answers.json");
const PAID_PAYABLE_UNTIL_UNIX: u64 = 1_795_275_668;
