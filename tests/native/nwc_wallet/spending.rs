//! Whether a connection may spend, and the words between the Worker and the Durable Object of a connection.

use edgetoll::payment::WalletSlot;
use edgetoll::wallet::lnbits::Lnbits;
use edgetoll::wallet::nwc::{NwcCall, NwcMethod, may_spend, read_answer};
use edgetoll::wallet::probe::{self, Probe, ProbeRecord, Probed};
use edgetoll::wallet::{Wallet, WalletError, WalletRequest};
use nostr::nips::nip47::{Method, RequestParams};

use super::*;
use crate::support::slots::SECOND;

fn info(methods: Value) -> Value {
    json!({ "result_type": "get_info", "error": null, "result": { "alias": "x", "methods": methods } })
}

fn receive_only() -> Value {
    info(json!(["get_info", "get_balance", "make_invoice", "lookup_invoice", "list_transactions"]))
}

fn spending() -> Value {
    info(json!(["get_info", "make_invoice", "pay_invoice"]))
}

#[test]
fn the_methods_of_the_connection_are_requested() {
    let WalletRequest::Nwc(request) = probe::spending_request(&Wallet::Nwc(wallet())) else { panic!("HTTP") };
    assert_eq!((request.method, request.params.as_str()), (NwcMethod::GetInfo, "{}"));
    assert_eq!(as_wallet_reads(request.method.as_str(), &request.params).params, RequestParams::GetInfo);
    let unpaid = PaymentHash::from_bytes(HASH);
    let WalletRequest::Nwc(look_up) = probe::look_up_request(&Wallet::Nwc(wallet()), &unpaid) else {
        panic!("HTTP")
    };
    assert_eq!(look_up.method, NwcMethod::LookupInvoice);
}

#[test]
fn a_connection_may_spend_if_one_of_its_methods_spends_or_makes_a_connection_that_may_spend() {
    for (methods, expected) in [
        (json!(["make_invoice"]), Some(false)),
        (json!(["get_info", "get_balance", "get_budget", "sign_message", "make_invoice"]), Some(false)),
        (
            json!(["make_hold_invoice", "settle_hold_invoice", "cancel_hold_invoice", "make_invoice"]),
            Some(false),
        ),
        (json!(["make_invoice", "prepay_estimate", "display_invoice", "lookup_pay_invoice"]), Some(false)),
        (json!(["make_invoice", "pay_invoice"]), Some(true)),
        (json!(["make_invoice", "pay_keysend"]), Some(true)),
        (json!(["multi_pay_invoice", "make_invoice"]), Some(true)),
        (json!(["multi_pay_keysend", "make_invoice"]), Some(true)),
        (json!(["make_invoice", "pay_"]), Some(true)),
        (json!(["make_invoice", "pay_to_address"]), Some(true)),
        // A method of Alby Hub, whose new connections may have `pay_invoice`.
        (json!(["make_invoice", "create_connection"]), Some(true)),
        // A method of UMA, which sends the quoted payment.
        (json!(["make_invoice", "fetch_quote", "execute_quote"]), Some(true)),
        // A wallet that lists nothing says nothing: without `make_invoice`, it would not be asked.
        (json!([]), None),
        (json!(null), None),
        (json!("make_invoice"), None),
        (json!({ "0": "make_invoice" }), None),
        (json!(["make_invoice", 5]), None),
        (json!(["make_invoice", null]), None),
        (json!([["pay_invoice"]]), None),
        (json!([{ "name": "pay_invoice" }]), None),
    ] {
        assert_eq!(may_spend(&response(info(methods.clone()))), expected, "{methods}");
    }
    for (pointer, value) in [
        ("/result/methods", None),
        ("/result", None),
        ("/result", Some(json!(["make_invoice"]))),
        ("/result_type", Some(json!("get_balance"))),
        ("/error", Some(json!({ "code": "RESTRICTED" }))),
    ] {
        assert_eq!(may_spend(&response(changed(&receive_only(), pointer, value))), None, "{pointer}");
    }
    // What the info event announces is not what the connection may do.
    let elsewhere = changed(&receive_only(), "/result/capabilities", Some(json!(["pay_invoice"])));
    assert_eq!(may_spend(&response(elsewhere)), Some(false));
    for body in ["", "[]", "make_invoice lookup_invoice"] {
        assert_eq!(may_spend(&response(body)), None, "{body}");
    }
}

#[test]
fn a_probe_of_a_connection_finds_that_it_may_spend_and_nothing_about_preimages() {
    let wallet = Wallet::Nwc(wallet());
    let with = |key: Option<Value>, unpaid: Option<Value>| {
        probe::judge(&wallet, key.map(response).as_ref(), unpaid.map(response).as_ref())
    };
    let judge = |key: Option<Value>| with(key, None);
    let record = json!({ "tag": "edgetoll", "route": "/api/joke", "expiry": 1_800_003_600, "host": "x.test", "method": "GET", "mac": "dd" });
    let unpaid = |metadata| answer("lookup_invoice", changed(&transaction("pending"), "/metadata", metadata));
    assert_eq!(with(Some(receive_only()), Some(unpaid(Some(record.clone())))), Probe::RecordKept);
    assert_eq!(with(Some(spending()), Some(unpaid(Some(record.clone())))), Probe::MaySpend);
    let without_host = changed(&record, "/host", None);
    for metadata in [None, Some(json!({})), Some(json!(null)), Some(without_host)] {
        assert_eq!(with(Some(receive_only()), Some(unpaid(metadata))), Probe::RecordDropped);
    }
    assert_eq!(judge(Some(spending())), Probe::MaySpend);
    assert_eq!(judge(Some(receive_only())), Probe::Unknown);
    assert_eq!(judge(Some(info(json!([])))), Probe::Unknown);
    assert_eq!(judge(None), Probe::Unknown);
    assert!(Probe::MaySpend.may_spend() && Probe::AdminKey.may_spend());
    assert!(!Probe::Unknown.may_spend() && !Probe::PreimageHidden.may_spend());
    let warning = Probe::MaySpend.warning().unwrap();
    assert!(warning.contains("create a connection that may only receive"), "{warning}");
    let record = ProbeRecord::after(ProbeRecord::NONE, Probe::MaySpend, 1_000);
    assert_eq!(record.to_text(), "may_spend 3601000");
    assert_eq!(ProbeRecord::parse("may_spend 3601000"), Some(record));
}

#[test]
fn a_wallet_that_may_no_longer_spend_sells_again() {
    for spends in [Probe::MaySpend, Probe::AdminKey] {
        let record = ProbeRecord::after(ProbeRecord::NONE, spends, 0);
        // An inconclusive probe is no proof.
        let unsure = ProbeRecord::after(record, Probe::Unknown, 3_600_000);
        assert_eq!(unsure.at(3_600_001), Some(spends));
        let record = ProbeRecord::after_key(record, 3_600_000);
        assert_eq!(record.at(3_600_001), None, "{spends:?}");
    }
}

#[test]
fn the_reason_why_nothing_can_be_sold_names_the_setting_of_each_connection_and_the_remedy() {
    let (nwc, lnbits) =
        (Wallet::Nwc(wallet()), Wallet::Lnbits(Lnbits::new("https://x", "0123456789abcdef").unwrap()));
    let ok = |body: &Value| Ok(response(body));
    let invoice_key = json!({ "name": "x", "balance": 0 });
    let admin_key = json!({ "id": "x", "name": "x", "balance": 0 });
    let remedy = |name: &str| {
        format!("create a connection that may only receive, and set it with `npx wrangler secret put {name}`")
    };
    let spends = |name: &str| {
        format!("{name} is a connection that may spend what you earn, so nothing is sold: {}", remedy(name))
    };
    let silent = |name: &str| {
        format!(
            "the wallet of {name} does not say what the connection may do (get_info), so it may spend and nothing is \
             sold: {}",
            remedy(name)
        )
    };
    let down = |name: &str| format!("the wallet did not answer in time: correct {name}, or start the wallet");
    let admin = "LNBITS_KEY is an admin key, which can spend what you earn, so nothing is sold: set the invoice key of \
                 the wallet with `npx wrangler secret put LNBITS_KEY`"
        .to_owned();
    let none = Vec::<String>::new;
    for (first, second, expected) in [
        ((&nwc, ok(&receive_only())), None, none()),
        ((&nwc, ok(&spending())), None, vec![spends("NWC_URL")]),
        ((&nwc, ok(&info(json!(null)))), None, vec![silent("NWC_URL")]),
        ((&nwc, Err(WalletError::Timeout)), None, vec![down("NWC_URL")]),
        // One wallet is enough, unless another may spend.
        ((&nwc, Err(WalletError::Timeout)), Some((&nwc, ok(&receive_only()))), none()),
        ((&lnbits, ok(&invoice_key)), Some((&nwc, ok(&receive_only()))), none()),
        ((&lnbits, ok(&invoice_key)), Some((&nwc, ok(&spending()))), vec![spends("NWC_URL_2")]),
        ((&lnbits, ok(&admin_key)), Some((&nwc, ok(&receive_only()))), vec![admin.clone()]),
        ((&lnbits, ok(&admin_key)), Some((&nwc, ok(&spending()))), vec![admin, spends("NWC_URL_2")]),
        (
            (&nwc, Err(WalletError::Timeout)),
            Some((&nwc, ok(&spending()))),
            vec![down("NWC_URL"), spends("NWC_URL_2")],
        ),
        (
            (&nwc, ok(&json!([]))),
            Some((&nwc, Err(WalletError::Timeout))),
            vec![silent("NWC_URL"), down("NWC_URL_2")],
        ),
    ] {
        let probed = |slot, (wallet, response)| Probed { slot, wallet, response };
        let second = second.map(|second| probed(SECOND, second));
        let probed: Vec<_> = std::iter::once(probed(WalletSlot::FIRST, first)).chain(second).collect();
        assert_eq!(probe::problems(&probed), expected);
    }
}

#[test]
fn a_method_has_its_name_of_nip_47() {
    for (method, theirs) in [
        (NwcMethod::GetInfo, Method::GetInfo),
        (NwcMethod::ListTransactions, Method::ListTransactions),
        (NwcMethod::LookupInvoice, Method::LookupInvoice),
        (NwcMethod::MakeInvoice, Method::MakeInvoice),
    ] {
        assert_eq!((method.as_str(), NwcMethod::parse(theirs.as_str())), (theirs.as_str(), Some(method)));
    }
    for word in ["", "pay_invoice", "GET_INFO", "get_info ", "get_balance"] {
        assert_eq!(NwcMethod::parse(word), None, "{word}");
    }
}

#[test]
fn a_call_of_the_object_is_read_back_from_its_text_and_from_no_other() {
    for slot in WalletSlot::ALL {
        let call = NwcCall { slot, method: NwcMethod::MakeInvoice, limit_ms: u32::MAX };
        assert_eq!(call.to_text(), format!("{} make_invoice 4294967295", slot.number()));
        assert_eq!(NwcCall::parse(&call.to_text()), Some(call));
    }
    for text in [
        "",
        "1 make_invoice",
        "1 make_invoice 5 5",
        "1  make_invoice 5",
        "9 make_invoice 5",
        "1 pay_invoice 5",
        "1 make_invoice -1",
        "1 make_invoice 4294967296",
        "1 make_invoice 5\n",
        "make_invoice 1 5",
    ] {
        assert_eq!(NwcCall::parse(text), None, "{text:?}");
    }
}

#[test]
fn an_answer_of_the_object_is_the_wallet_s_response_or_a_fault() {
    let response = read_answer("{\"a\":\"!\"}").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        (response.status, response.retry_after_s, response.body.as_str()),
        (200, None, "{\"a\":\"!\"}")
    );
    for (answer, expected) in [
        ("!timeout", WalletError::Timeout),
        ("!refused", WalletError::RelayRefused),
        ("!no_encryption", WalletError::NoEncryption),
        ("!may_spend", WalletError::MaySpend),
        ("!no_info", WalletError::NoInfo),
        ("!not_configured", WalletError::NotConfigured),
        ("!unreachable", WalletError::Unreachable),
        ("!", WalletError::Unreachable),
        ("!{\"result\":{}}", WalletError::Unreachable),
    ] {
        assert_eq!(read_answer(answer).err(), Some(expected), "{answer}");
    }
}
