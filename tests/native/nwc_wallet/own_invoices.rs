//! Look-ups of payments whose preimage a client has sent without a macaroon. The client has chosen the payment hash.

use edgetoll::protocols::record::OwnInvoice;
use edgetoll::wallet::WalletError;

use super::*;

fn own(state: &str) -> Value {
    let record = json!({
        "tag": "edgetoll", "route": "/api/joke", "expiry": NOW + 3_600, "host": "api.example.com", "method": "GET",
        "mac": "dd"
    });
    answer("lookup_invoice", changed(&transaction(state), "/metadata", Some(record)))
}

fn read(body: impl ToString) -> Result<Option<OwnInvoice>, WalletError> {
    wallet().read_own_invoice(&PaymentHash::from_bytes(HASH), &response(body))
}

#[test]
fn an_invoice_with_its_record_is_read() {
    for (state, is_paid) in [("settled", true), ("pending", false), ("expired", false)] {
        let read = read(own(state)).unwrap().unwrap();
        assert_eq!((read.is_paid, read.amount_sats, read.payable_until_unix), (is_paid, 5, NOW + 300));
        assert_eq!((read.route.as_str(), read.record.host.as_str()), ("/api/joke", "api.example.com"));
        assert_eq!((read.record.expires_at_unix, read.record.method.as_str()), (NOW + 3_600, "GET"));
    }
}

#[test]
fn an_invoice_of_somebody_else_or_without_a_record_is_none() {
    let own = own("settled");
    for (pointer, value) in [
        ("/result/type", Some(json!("outgoing"))),
        ("/result/amount", Some(json!(4_000))),
        ("/result/amount", Some(json!(-5_000))),
        ("/result/payment_hash", Some(json!(hex(OTHER_HASH)))),
        ("/result/invoice", Some(json!(Made { hash: OTHER_HASH, ..MADE }.text()))),
        ("/result/invoice", Some(json!("lnbc1"))),
        ("/result/invoice", None),
        ("/result/metadata", None),
        ("/result/metadata", Some(json!({ "comment": "edgetoll" }))),
        ("/result/metadata/tag", Some(json!("shop"))),
        ("/result/metadata/host", None),
        ("/result/metadata/expiry", None),
        ("/result/metadata/mac", None),
    ] {
        assert_eq!(read(changed(&own, pointer, value.clone())), Ok(None), "{pointer} {value:?}");
    }
}

#[test]
fn an_answer_to_an_unknown_payment_does_not_open_the_circuit_of_the_wallet() {
    let error =
        |code: &str| json!({ "result_type": "lookup_invoice", "error": { "code": code, "message": "" } });
    assert_eq!(read(error("NOT_FOUND")), Ok(None));
    let empty = |result: Value| json!({ "result_type": "lookup_invoice", "error": null, "result": result });
    // The extension NWC Service Provider of LNbits answers INTERNAL to a payment that it does not know.
    for unclear in [error("INTERNAL"), error("OTHER"), empty(Value::Null), empty(json!("")), json!({})] {
        let refused = read(&unclear).unwrap_err();
        assert_eq!(refused.is_fault_of_wallet(), Some(false), "{unclear}");
        assert!(!refused.is_transient(), "{unclear}");
    }
    let odd_state = changed(&own("settled"), "/result/state", Some(json!("held")));
    assert_eq!(read(odd_state).unwrap_err().is_fault_of_wallet(), Some(false));
    for failed in [error("RATE_LIMITED"), error("QUOTA_EXCEEDED"), error("RESTRICTED")] {
        assert_eq!(read(&failed).unwrap_err().is_fault_of_wallet(), Some(true), "{failed}");
    }
    assert_eq!(read("no JSON"), Err(WalletError::NotJson));
}
