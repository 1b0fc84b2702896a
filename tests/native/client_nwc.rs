//! The client's wallet of Nostr Wallet Connect, against a relay that answers for the wallet, also wrongly. A real relay and
//! a wallet of another implementation are tested end to end.

use std::sync::Arc;

use edgetoll::client::wallet::{NwcWallet, Paid, PayError, PaymentState, Wallet, WalletError};
use edgetoll::l402::{PaymentHash, Preimage};
use futures_util::{SinkExt, StreamExt};
use nostr::event::{Event, EventBuilder, FinalizeEvent, Kind, Tag};
use nostr::key::{Keys, SecretKey};
use nostr::nips::nip47::Nip47Ciphers;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;

/// What becomes of a request.
enum Reply {
    /// The wallet sends this response.
    Response(Value),
    /// As above, after events that are no response to this request.
    AfterOthers(Value),
    /// The relay refuses the request with this message.
    Refused(&'static str),
    /// The connection is closed.
    Lost,
    /// The relay refuses every subscription.
    NoSubscription,
    /// The relay closes the connection at a subscription.
    LostBefore,
}

type Wallets = Arc<dyn Fn(&str, &Value) -> Reply + Send + Sync>;

fn keys(byte: u8) -> Keys {
    Keys::new(SecretKey::from_slice(&[byte; 32]).unwrap())
}

/// The keys of the wallet, and those of the connection.
fn both_keys() -> (Keys, Keys) {
    (keys(1), keys(2))
}

/// Calls a wallet whose relay replies as `reply` says.
fn with_wallet<F: Future>(
    reply: impl Fn(&str, &Value) -> Reply + Send + Sync + 'static,
    action: impl FnOnce(NwcWallet) -> F,
) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = format!("ws://{}", listener.local_addr().unwrap());
        let reply: Wallets = Arc::new(reply);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, reply.clone()));
            }
        });
        action(NwcWallet::new(&address(&relay)).unwrap()).await
    })
}

fn address(relay: &str) -> String {
    let (wallet, client) = both_keys();
    let secret = client.secret_key().to_secret_hex();
    format!("nostr+walletconnect://{}?relay={relay}&secret={secret}", wallet.public_key().to_hex())
}

async fn serve(stream: TcpStream, reply: Wallets) {
    let (wallet, client) = both_keys();
    let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
    let mut asked = json!(null);
    while let Some(Ok(message)) = socket.next().await {
        let Ok(text) = message.to_text() else { continue };
        let Ok(message) = serde_json::from_str::<Value>(text) else { continue };
        let mut answers = Vec::new();
        match message[0].as_str() {
            Some("REQ") => {
                asked = message[1].clone();
                match reply("REQ", &json!(null)) {
                    Reply::NoSubscription => answers.push(json!(["CLOSED", asked, "auth-required: no"])),
                    Reply::LostBefore => return,
                    _ if message[2]["kinds"] == json!([13194]) => {
                        let info = EventBuilder::new(Kind::WalletConnectInfo, "pay_invoice");
                        let tag = Tag::parse(["encryption", "nip44_v2 nip04"]).unwrap();
                        answers.push(json!(["EVENT", asked, info.tag(tag).finalize(&wallet).unwrap()]));
                        answers.push(json!(["EOSE", asked]));
                    }
                    _ => answers.push(json!(["EOSE", asked])),
                }
            }
            Some("EVENT") => {
                let request: Event = serde_json::from_value(message[1].clone()).unwrap();
                let text = Nip47Ciphers::NIP44V2
                    .decrypt(wallet.secret_key(), &client.public_key(), &request.content)
                    .unwrap();
                let call: Value = serde_json::from_str(&text).unwrap();
                let response = |text: &Value, of: &Event, from: &Keys, to: &Keys| {
                    let text = Nip47Ciphers::NIP44V2
                        .encrypt(from.secret_key(), &client.public_key(), &text.to_string())
                        .unwrap();
                    let event = EventBuilder::new(Kind::WalletConnectResponse, text);
                    let tags = [Tag::event(of.id), Tag::public_key(to.public_key())];
                    json!(["EVENT", asked, event.tags(tags).finalize(from).unwrap()])
                };
                match reply(call["method"].as_str().unwrap(), &call["params"]) {
                    Reply::Response(text) => {
                        answers.push(json!(["OK", request.id, true, ""]));
                        answers.push(response(&text, &request, &wallet, &client));
                    }
                    Reply::AfterOthers(text) => {
                        let lie = json!({ "result_type": call["method"], "result": { "balance": 666 } });
                        let other =
                            EventBuilder::new(Kind::WalletConnectRequest, "").finalize(&wallet).unwrap();
                        answers.push(response(&lie, &request, &keys(3), &client));
                        answers.push(response(&lie, &other, &wallet, &client));
                        answers.push(response(&lie, &request, &wallet, &keys(3)));
                        let mut forged = response(&lie, &request, &wallet, &client);
                        forged[2]["content"] =
                            response(&text, &request, &wallet, &client)[2]["content"].clone();
                        answers.push(forged);
                        answers.push(json!(["NOTICE", "hello"]));
                        answers.push(json!("no message of a relay"));
                        answers.push(response(&text, &request, &wallet, &client));
                    }
                    Reply::Refused(message) => answers.push(json!(["OK", request.id, false, message])),
                    _ => return,
                }
            }
            _ => {}
        }
        for answer in answers {
            socket.send(Message::text(answer.to_string())).await.unwrap();
        }
    }
}

fn error(code: &str) -> Reply {
    Reply::Response(json!({ "result_type": "x", "error": { "code": code, "message": "a secret" } }))
}

fn result(method: &str, result: Value) -> Reply {
    Reply::Response(json!({ "result_type": method, "error": null, "result": result }))
}

/// An invoice of the examples of BOLT 11, and its payment hash. Its preimage is not known.
const INVOICE: &str = "lnbc1pvjluezpp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdpl2pkx2ctnv5sxxmmwwd5kgetjypeh2ursdae8g6twvus8g6rfwvs8qun0dfjkxaq8rkx3yf5tcsyz3d73gafnh3cax9rn449d9p5uxz9ezhhypd0elx87sjle52x86fux2ypatgddc6k63n7erqz25le42c4u4ecky03ylcqca784w";

fn pay(reply: impl Fn(&str, &Value) -> Reply + Send + Sync + 'static) -> Result<Paid, PayError> {
    with_wallet(reply, async |wallet| wallet.pay_invoice(INVOICE, 1000).await)
}

#[test]
fn the_code_of_an_error_says_whether_something_may_be_paid() {
    let not_paid = [
        "INSUFFICIENT_BALANCE",
        "QUOTA_EXCEEDED",
        "RESTRICTED",
        "UNAUTHORIZED",
        "NOT_IMPLEMENTED",
        "RATE_LIMITED",
        "PAYMENT_FAILED",
        "UNSUPPORTED_ENCRYPTION",
    ];
    for code in not_paid {
        let paid = pay(move |method, _| error(if method == "pay_invoice" { code } else { "NOT_FOUND" }));
        let Err(PayError::NotPaid(reason)) = paid else { panic!("{code}: {paid:?}") };
        assert_eq!(reason, WalletError::Code(code.into()));
    }
    for (code, shown) in [
        ("INTERNAL", "INTERNAL"),
        ("OTHER", "OTHER"),
        ("NOT_FOUND", "NOT_FOUND"),
        ("a secret", "an unknown error"),
        ("", "an unknown error"),
    ] {
        let paid = pay(move |method, _| error(if method == "pay_invoice" { code } else { "NOT_FOUND" }));
        let Err(PayError::Unknown(reason)) = paid else { panic!("{code}: {paid:?}") };
        assert_eq!(reason, WalletError::Code(shown.into()));
    }
}

#[test]
fn a_payment_that_is_said_to_have_failed_is_looked_up() {
    let preimage = Preimage::from_hex(&"07".repeat(32)).unwrap();
    let hash = preimage.payment_hash().to_hex();
    let invoice = super::client_payments::invoice_for([7; 32]);
    let paid = |found: Value| {
        let invoice = invoice.clone();
        let reply = move |method: &str, _: &Value| match method {
            "lookup_invoice" => result(method, found.clone()),
            _ => error("PAYMENT_FAILED"),
        };
        with_wallet(reply, async move |wallet| wallet.pay_invoice(&invoice, 1000).await)
    };
    let preimage = "07".repeat(32);
    let settled = json!({ "type": "outgoing", "state": "settled", "preimage": preimage, "payment_hash": hash, "fees_paid": 3 });
    let found = paid(settled).unwrap();
    assert_eq!((found.preimage.unwrap().to_hex(), found.fee_msat), (preimage.clone(), Some(3)));
    let pending = paid(json!({ "type": "outgoing", "state": "pending", "payment_hash": hash }));
    assert!(matches!(pending, Err(PayError::Unknown(WalletError::Pending))), "{pending:?}");
    for found in [
        json!({ "type": "incoming", "state": "settled", "preimage": preimage, "payment_hash": hash }),
        json!({ "type": "outgoing", "state": "failed", "payment_hash": hash }),
        json!({ "type": "outgoing", "state": "settled", "preimage": preimage, "payment_hash": "00".repeat(32) }),
    ] {
        assert!(matches!(paid(found.clone()), Err(PayError::NotPaid(_))), "{found}");
    }
}

#[test]
fn a_payment_without_a_preimage_is_not_known_to_be_made() {
    for payment in [json!({}), json!({ "preimage": "" }), json!({ "preimage": "00".repeat(32) }), json!(null)]
    {
        let paid = pay(move |method, _| match method {
            "pay_invoice" => result(method, payment.clone()),
            _ => error("NOT_IMPLEMENTED"),
        });
        assert!(matches!(paid, Err(PayError::Unknown(WalletError::Unreadable))), "{paid:?}");
    }
    let paid = pay(|_, _| result("get_balance", json!({ "preimage": "07".repeat(32) })));
    assert!(matches!(paid, Err(PayError::Unknown(WalletError::Unreadable))), "{paid:?}");
}

#[test]
fn a_request_that_the_relay_has_not_taken_was_not_paid() {
    for reply in [
        || Reply::Refused("blocked: no"),
        || Reply::Refused("rate-limited: slow down"),
        || Reply::NoSubscription,
        || Reply::LostBefore,
    ] {
        let paid = pay(move |_, _| reply());
        assert!(matches!(paid, Err(PayError::NotPaid(WalletError::Unreachable))), "{paid:?}");
    }
    let lost = pay(|method, _| if method == "REQ" { Reply::Refused("") } else { Reply::Lost });
    assert!(matches!(lost, Err(PayError::Unknown(WalletError::Unreachable))), "{lost:?}");
}

#[test]
fn events_that_are_no_response_to_the_request_are_ignored() {
    let reply = |method: &str, _: &Value| match method {
        "REQ" => Reply::Refused(""),
        _ => Reply::AfterOthers(json!({ "result_type": method, "result": { "balance": 21_000 } })),
    };
    assert_eq!(with_wallet(reply, async |wallet| wallet.balance_msat().await), Ok(21_000));
}

#[test]
fn an_invoice_is_created_in_millisatoshis() {
    let reply = |method: &str, params: &Value| {
        if method == "make_invoice" {
            assert_eq!(params, &json!({ "amount": 5000, "description": "a memo" }));
        }
        result(method, json!({ "invoice": INVOICE, "payment_hash": "00".repeat(32) }))
    };
    let invoice = with_wallet(reply, async |wallet| wallet.create_invoice(5, "a memo").await);
    assert_eq!(invoice.as_deref(), Ok(INVOICE));
}

#[test]
fn the_state_of_a_payment_is_read_from_state_time_or_preimage() {
    let preimage = "07".repeat(32);
    let hash = Preimage::from_hex(&preimage).unwrap().payment_hash();
    let looked_up = |found: Value| {
        let reply = move |method: &str, params: &Value| {
            if method == "lookup_invoice" {
                assert_eq!(params, &json!({ "payment_hash": hash.to_hex() }));
            }
            result(method, found.clone())
        };
        with_wallet(reply, async |wallet| match wallet.lookup_invoice(&hash).await {
            Ok(PaymentState::Settled(Some(_))) => "settled",
            Ok(PaymentState::Settled(None)) => "settled without preimage",
            Ok(PaymentState::Pending) => "pending",
            Ok(PaymentState::Unpaid) => "unpaid",
            Err(_) => "error",
        })
    };
    let cases = [
        (json!({ "state": "settled", "preimage": preimage }), "settled"),
        (json!({ "state": "settled", "preimage": preimage, "type": "incoming" }), "settled"),
        (json!({ "state": "settled" }), "settled without preimage"),
        (json!({ "state": "settled", "preimage": "08".repeat(32) }), "settled without preimage"),
        (json!({ "state": "pending", "preimage": preimage }), "pending"),
        (json!({ "state": "accepted" }), "pending"),
        (json!({ "state": "failed" }), "unpaid"),
        (json!({ "state": "expired" }), "unpaid"),
        (json!({ "state": "unheard of" }), "error"),
        (json!({ "settled_at": 1, "preimage": preimage }), "settled"),
        (json!({ "settled_at": 0 }), "pending"),
        (json!({ "settled_at": null }), "pending"),
        (json!({ "preimage": preimage, "type": "outgoing" }), "settled"),
        (json!({ "preimage": preimage, "type": "incoming" }), "pending"),
        (json!({ "preimage": "08".repeat(32), "type": "outgoing" }), "pending"),
        (json!({ "state": "settled", "payment_hash": "00".repeat(32) }), "error"),
    ];
    for (found, expected) in cases {
        assert_eq!(looked_up(found.clone()), expected, "{found}");
    }
    let hash = PaymentHash::from_hex(&"01".repeat(32)).unwrap();
    for (code, expected) in [("NOT_FOUND", true), ("INTERNAL", false), ("NOT_IMPLEMENTED", false)] {
        let state = with_wallet(move |_, _| error(code), async |wallet| wallet.lookup_invoice(&hash).await);
        assert_eq!(matches!(state, Ok(PaymentState::Unpaid)), expected, "{code}: {state:?}");
    }
}

#[test]
fn the_name_of_the_wallet_and_the_error_of_an_address_have_no_secret() {
    let (wallet, client) = both_keys();
    let secret = client.secret_key().to_secret_hex();
    let good = address("wss://relay.example.com/v1");
    assert_eq!(
        NwcWallet::new(&good).ok().map(|wallet| wallet.name()),
        Some(format!("NWC wallet {} at relay.example.com", wallet.public_key().to_hex()))
    );
    for bad in [good.replace("secret=", "key="), good.replace("relay=", "r="), good.replace("nostr+", "")] {
        let error = NwcWallet::new(&bad).err().unwrap().to_string();
        assert!(!error.contains(&secret), "{error}");
    }
}
