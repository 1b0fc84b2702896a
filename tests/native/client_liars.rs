//! Servers and wallets that lie to the client, and processes that share a journal. Each test counts what was paid.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use edgetoll::client::journal::State;
use edgetoll::client::wallet::{LnbitsWallet, Paid, PayError, PaymentState, Wallet, WalletError};
use edgetoll::client::{BadOffer, Bill, ClientError, Limits, Offer, TollClient};
use edgetoll::l402::{PaymentHash, Preimage};

use crate::client_payments::{CONTENT, Node, run, serve};

/// A node whose wallet may answer in another way than the node.
struct Liar<Pay, LookUp> {
    node: Node,
    /// Gets the number of earlier calls. If it returns `None`, the node pays and answers.
    pay: Pay,
    look_up: LookUp,
    calls: AtomicUsize,
}

#[async_trait]
impl<Pay, LookUp> Wallet for Liar<Pay, LookUp>
where
    Pay: Fn(usize) -> Option<PayError> + Send + Sync,
    LookUp: Fn() -> Result<PaymentState, WalletError> + Send + Sync,
{
    fn name(&self) -> String {
        "a liar".into()
    }

    async fn pay_invoice(&self, invoice: &str, max_fee_msat: u64) -> Result<Paid, PayError> {
        match (self.pay)(self.calls.fetch_add(1, Ordering::SeqCst)) {
            Some(error) => Err(error),
            None => self.node.pay_invoice(invoice, max_fee_msat).await,
        }
    }

    async fn create_invoice(&self, _: u64, _: &str) -> Result<String, WalletError> {
        Err(WalletError::Unsupported)
    }

    async fn lookup_invoice(&self, _: &PaymentHash) -> Result<PaymentState, WalletError> {
        (self.look_up)()
    }

    async fn balance_msat(&self) -> Result<u64, WalletError> {
        Err(WalletError::Unsupported)
    }
}

fn liar(
    node: &Node,
    pay: impl Fn(usize) -> Option<PayError> + Send + Sync + 'static,
    look_up: impl Fn() -> Result<PaymentState, WalletError> + Send + Sync + 'static,
) -> impl Wallet + 'static {
    Liar { node: node.clone(), pay, look_up, calls: AtomicUsize::new(0) }
}

fn unknown() -> Option<PayError> {
    Some(PayError::Unknown(WalletError::Unreachable))
}

#[test]
fn while_a_payment_is_unknown_the_same_content_is_not_paid_under_another_scope() {
    let node = Node::default();
    let (issuer, count) = (node.clone(), AtomicUsize::new(0));
    let url = serve(move |_, _| {
        let realm = format!("realm = {}", count.fetch_add(1, Ordering::SeqCst));
        issuer.challenge(&[&realm])
    });
    let asked = Arc::new(AtomicUsize::new(0));
    let calls = Arc::clone(&asked);
    let pending = move |_| {
        calls.fetch_add(1, Ordering::SeqCst);
        unknown()
    };
    let wallet = liar(&node, pending, || Err(WalletError::Unreachable));
    let client = TollClient::builder().wallet(wallet).build();
    for _ in 0..3 {
        let error = run(client.get(&url)).unwrap_err();
        assert!(matches!(error, ClientError::MayBePaid { .. }), "{error}");
    }
    assert_eq!(client.payments().unwrap().len(), 1);
}

#[test]
fn a_paid_request_whose_answer_was_lost_is_not_paid_again_under_another_scope() {
    let node = Node::default();
    let (issuer, count) = (node.clone(), AtomicUsize::new(0));
    // The server closes the connection at each credential.
    let url = serve(move |_, credential| match credential {
        Some(_) => String::new(),
        None => issuer.challenge(&[&format!("realm = {}", count.fetch_add(1, Ordering::SeqCst))]),
    });
    let client = TollClient::builder().wallet(node.clone()).build();
    for _ in 0..3 {
        run(client.get(&url)).unwrap_err();
    }
    assert_eq!(node.payments.load(Ordering::SeqCst), 1);
}

#[test]
fn an_unpaid_invoice_is_not_paid_by_a_call_whose_limits_forbid_it() {
    let node = Node::default();
    let issuer = node.clone();
    let url = serve(move |_, credential| match credential {
        Some(credential) if !credential.ends_with(':') => CONTENT.to_owned(),
        _ => issuer.challenge(&[]),
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("payments.jsonl");
    let client = |limits: Limits, fails: bool| {
        let wallet = liar(&node, move |_| if fails { unknown() } else { None }, || Ok(PaymentState::Unpaid));
        TollClient::builder().limits(limits).wallet(wallet).journal(&file).unwrap().build()
    };
    run(client(Limits::default(), true).get(&url)).unwrap_err();

    let error = run(client(Limits { max_sats: 4, ..Limits::default() }, false).get(&url)).unwrap_err();
    assert!(matches!(error, ClientError::TooExpensive { price_sats: 5, limit_sats: 4 }), "{error}");
    let elsewhere = Limits { hosts: Some(vec!["api.example.com".into()]), ..Limits::default() };
    let error = run(client(elsewhere, false).get(&url)).unwrap_err();
    assert!(matches!(error, ClientError::HostNotAllowed(_)), "{error}");
    assert_eq!(node.payments.load(Ordering::SeqCst), 0);

    assert!(run(client(Limits::default(), false).get(&url)).unwrap().paid_now());
    assert_eq!(node.payments.load(Ordering::SeqCst), 1);
}

#[test]
fn after_a_payment_every_error_says_that_money_has_moved() {
    let refusals = [
        format!("HTTP/1.1 402 Payment Required\r\nConnection: close\r\n\r\n{}", "x".repeat(100_000)),
        "HTTP/1.1 402 Payment Required\r\nContent-Length: 100\r\nConnection: close\r\n\r\nx".to_owned(),
    ];
    for refusal in refusals {
        let node = Node::default();
        let issuer = node.clone();
        let url = serve(move |_, credential| match credential {
            Some(_) => refusal.clone(),
            None => issuer.challenge(&[]),
        });
        let client = TollClient::builder().wallet(node.clone()).build();
        let error = run(client.get(&url)).unwrap_err();
        assert_eq!(node.payments.load(Ordering::SeqCst), 1);
        assert!(error.money_may_have_moved(), "{error}");
    }
}

#[test]
fn a_wallet_that_returns_a_wrong_preimage_does_not_make_the_server_a_cheat() {
    let node = Node::default();
    let issuer = node.clone();
    let url = serve(move |_, _| issuer.challenge(&[]));
    let wrong = || Ok(PaymentState::Settled(Preimage::from_hex(&"00".repeat(32))));
    let client = TollClient::builder().wallet(liar(&node, |_| unknown(), wrong)).build();
    for _ in 0..2 {
        let error = run(client.get(&url)).unwrap_err();
        assert!(matches!(error, ClientError::MayBePaid { .. }), "{error}");
    }
    assert!(!client.payments().unwrap()[0].was_refused);
}

#[test]
fn a_second_process_that_cannot_pay_does_not_cancel_the_payment_of_the_first() {
    let node = Node::default();
    let issuer = node.clone();
    let url = serve(move |_, _| issuer.challenge(&[]));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("payments.jsonl");
    // The first process is killed while its payment is on its way, which blocks the balance of the wallet.
    let refused = |at| match at {
        0 => unknown(),
        _ => Some(PayError::NotPaid(WalletError::Code("INSUFFICIENT_BALANCE".into()))),
    };
    let wallet = Arc::new(liar(&node, refused, || Ok(PaymentState::Unpaid)));
    let client = || TollClient::builder().shared_wallet(wallet.clone()).journal(&file).unwrap().build();
    for _ in 0..3 {
        run(client().get(&url)).unwrap_err();
    }
    let payments = client().payments().unwrap();
    assert_eq!(payments.len(), 1);
    assert_eq!(payments[0].state, State::Sent);
}

#[test]
fn an_invoice_that_another_process_has_given_up_meanwhile_is_not_paid() {
    let node = Node::default();
    let issuer = node.clone();
    let url = serve(move |_, credential| match credential {
        Some(credential) if !credential.ends_with(':') => CONTENT.to_owned(),
        _ => issuer.challenge(&[]),
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("payments.jsonl");
    let lost = TollClient::builder().wallet(liar(&node, |_| unknown(), || Ok(PaymentState::Unpaid)));
    run(lost.journal(&file).unwrap().build().get(&url)).unwrap_err();
    let journal = file.clone();
    // While this process looks up the payment, the first writes that it could not be made.
    let given_up = move || {
        let text = std::fs::read_to_string(&journal).unwrap();
        let line = text.lines().next().unwrap().replace("\"sent\"", "\"unpaid\"");
        std::fs::write(&journal, format!("{text}{line}\n")).unwrap();
        Ok(PaymentState::Unpaid)
    };
    let wallet = liar(&node, |_| None, given_up);
    let client = TollClient::builder().wallet(wallet).journal(&file).unwrap().build();
    assert!(run(client.get(&url)).unwrap().paid_now());
    let mut states: Vec<State> = client.payments().unwrap().iter().map(|payment| payment.state).collect();
    states.sort_by_key(|state| *state == State::Paid);
    assert_eq!(states, [State::Unpaid, State::Paid]);
    assert_eq!(node.payments.load(Ordering::SeqCst), 1);
}

#[test]
fn processes_that_share_a_journal_pay_once() {
    for _ in 0..ROUNDS {
        let node = Node::default();
        let issuer = node.clone();
        let url = serve(move |_, credential| match credential {
            Some(_) => CONTENT.to_owned(),
            None => issuer.challenge(&[]),
        });
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("payments.jsonl");
        let threads: Vec<_> = (0..8)
            .map(|at| {
                let (node, url, file) = (node.clone(), url.clone(), file.clone());
                std::thread::spawn(move || {
                    let client = TollClient::builder().wallet(node).journal(&file).unwrap().build();
                    // Different work before the call, so that the threads meet in different phases of it.
                    (0..at).for_each(|_| drop(client.payments().unwrap()));
                    run(client.get(&url)).unwrap();
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let client = TollClient::builder().journal(&file).unwrap().build();
        assert_eq!(client.payments().unwrap().len(), 1);
    }
}

#[test]
fn what_one_process_knows_of_a_payment_is_not_lost_when_another_writes_it() {
    let node = Node::default();
    let issuer = node.clone();
    let url = serve(move |_, credential| match credential {
        Some(_) => CONTENT.to_owned(),
        None => issuer.challenge(&[]),
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("payments.jsonl");
    let journal = file.clone();
    let (other, same) = (node.clone(), url.clone());
    // While the wallet of the first client pays, a second client finds out that the payment is made, and writes it.
    let slow = move |_| {
        let (other, journal, url) = (other.clone(), journal.clone(), same.clone());
        std::thread::spawn(move || {
            let client =
                TollClient::builder().wallet(liar(&other, |_| None, || Err(WalletError::Unsupported)));
            run(client.journal(&journal).unwrap().build().get(&url)).unwrap();
        })
        .join()
        .unwrap();
        Some(PayError::NotPaid(WalletError::Failed))
    };
    let wallet = liar(&node, slow, || Err(WalletError::Unsupported));
    let client = TollClient::builder().wallet(wallet).journal(&file).unwrap().build();
    run(client.get(&url)).unwrap_err();
    let payments = client.payments().unwrap();
    assert_eq!((payments.len(), payments[0].state, payments[0].preimage.is_some()), (1, State::Paid, true));
}

#[test]
fn a_credential_that_another_process_has_used_up_does_not_make_the_server_a_cheat() {
    let node = Node::default();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("payments.jsonl");
    let (issuer, journal, uses) = (node.clone(), file.clone(), AtomicUsize::new(0));
    let (begin, begun) = std::sync::mpsc::channel();
    // Each credential is for one use. The second use arrives before the first is answered, and is answered after it.
    let url = serve(move |_, credential| match credential.map(|_| uses.fetch_add(1, Ordering::SeqCst)) {
        Some(0) => {
            begin.send(()).unwrap();
            while uses.load(Ordering::SeqCst) < 2 {
                std::thread::yield_now();
            }
            CONTENT.replace("Connection", "X-Toll-Uses-Remaining: 0\r\nConnection")
        }
        Some(1) => {
            while !std::fs::read_to_string(&journal).unwrap().contains("\"was_accepted\":true") {
                std::thread::yield_now();
            }
            issuer.challenge(&[])
        }
        Some(_) => CONTENT.to_owned(),
        None => issuer.challenge(&[]),
    });
    let client = || TollClient::builder().wallet(node.clone()).journal(&file).unwrap().build();
    let (first, second) = (client(), client());
    std::thread::scope(|scope| {
        scope.spawn(|| run(first.get(&url)).unwrap());
        begun.recv().unwrap();
        assert!(run(second.get(&url)).unwrap().paid_now());
    });
    assert!(second.payments().unwrap().iter().all(|payment| !payment.was_refused));
    assert_eq!(node.payments.load(Ordering::SeqCst), 2);
}

#[test]
fn an_expired_payment_of_unknown_outcome_blocks_its_content_until_it_is_paid_again_on_demand() {
    let node = Node::default();
    let issuer = node.clone();
    let url = serve(move |_, credential| match credential {
        Some(credential) if !credential.ends_with(':') => CONTENT.to_owned(),
        _ => issuer.challenge(&[]),
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("payments.jsonl");
    let lost = TollClient::builder().wallet(liar(&node, |_| unknown(), || Err(WalletError::Unsupported)));
    run(lost.journal(&file).unwrap().build().get(&url)).unwrap_err();
    let client = |pays_again: bool| {
        let wallet = liar(&node, |_| None, || Err(WalletError::Unsupported));
        let limits = Limits { pays_again, ..Limits::default() };
        TollClient::builder().limits(limits).wallet(wallet).journal(&file).unwrap().build()
    };
    let journal = std::fs::read_to_string(&file).unwrap();
    let payment = client(false).payments().unwrap().remove(0);
    let expiry = |at: u64| format!("\"expires_at_unix\":{at}");
    std::fs::write(&file, journal.replace(&expiry(payment.expires_at_unix), &expiry(1))).unwrap();
    let error = run(client(false).get(&url)).unwrap_err();
    assert!(matches!(error, ClientError::MayBePaid { .. }), "{error}");
    // The credential of a new payment has expired before the next call.
    let end_credentials = || {
        let journal =
            std::fs::read_to_string(&file).unwrap().replace(r#""state":"paid""#, r#""state":"used""#);
        std::fs::write(&file, journal).unwrap();
    };
    assert!(run(client(true).get(url.replace("content", "other"))).unwrap().paid_now());
    end_credentials();
    let error = run(client(false).get(&url)).unwrap_err();
    assert!(matches!(error, ClientError::MayBePaid { .. }), "{error}");
    assert!(run(client(true).get(&url)).unwrap().paid_now());
    end_credentials();
    assert!(run(client(false).get(&url)).unwrap().paid_now());
    assert_eq!(node.payments.load(Ordering::SeqCst), 3);
}

#[test]
fn payments_that_were_not_made_and_those_of_another_host_do_not_stop_a_host_from_being_paid() {
    let node = Node::default();
    let issuer = node.clone();
    let url = serve(move |path, credential| match credential {
        Some(_) if path == "/content" => CONTENT.to_owned(),
        _ => issuer.challenge(&[&format!("endpoint = {path}")]),
    });
    let fails = |call| (call < 3).then_some(PayError::NotPaid(WalletError::Failed));
    let client = TollClient::builder().wallet(liar(&node, fails, || Ok(PaymentState::Unpaid))).build();
    for _ in 0..3 {
        let error = run(client.get(&url)).unwrap_err();
        assert!(matches!(error, ClientError::NotPaid(_)), "{error}");
    }
    // Another name of this machine, and a page that the server never gives.
    let refusing = url.replace("127.0.0.1", "localhost").replace("content", "other");
    let error = run(client.get(&refusing)).unwrap_err();
    assert!(matches!(error, ClientError::PaidNotServed { .. }), "{error}");
    let error = run(client.get(&refusing)).unwrap_err();
    assert!(matches!(error, ClientError::NotHonoured { .. }), "{error}");
    assert!(run(client.get(&url)).unwrap().paid_now());
}

#[test]
fn dates_of_a_server_or_a_journal_that_no_calendar_has_are_shown() {
    use edgetoll::cli::pay::payments::date;
    assert_eq!(date(1_700_000_000), "2023-11-14T22:13:20Z");
    for unix in [253_402_300_800, 1 << 60, u64::MAX] {
        assert_eq!(date(unix), "9999-12-31T23:59:59Z");
    }
}

#[test]
fn two_wallets_of_one_lnbits_have_different_names_without_their_keys() {
    let name = |key: &str| LnbitsWallet::new("https://lnbits.example.com", key).name();
    assert_ne!(name("first"), name("second"));
    assert!(!name("first").contains("first"));
}

#[test]
fn a_device_is_no_journal() {
    let folder = tempfile::tempdir().unwrap();
    // A device of its own, because root could change the mode of `/dev/null`.
    let device = folder.path().join("null");
    let made = std::process::Command::new("mknod").arg(&device).args(["c", "1", "3"]).output();
    let is_made = made.is_ok_and(|made| made.status.success());
    let device = if is_made { device } else { "/dev/null".into() };
    assert!(TollClient::builder().journal(device).is_err());
}

#[test]
fn a_url_with_a_user_is_not_requested() {
    let client = TollClient::builder().build();
    for url in ["http://api.example.com@127.0.0.1:1/", "http://:secret@127.0.0.1:1/"] {
        let error = run(client.get(url)).unwrap_err();
        assert!(matches!(error, ClientError::Url(_)), "{error}");
        assert!(!error.to_string().contains("secret"));
    }
}

#[test]
fn sums_of_a_journal_with_huge_amounts_do_not_overflow() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("payments.jsonl");
    let line = |hash: &str| {
        format!(
            "{{\"payment_hash\":\"{}\",\"at_unix\":1,\"origin\":\"https://a\",\"host\":\"a\",\"path\":\"/\",\"method\":\"GET\",\
             \"amount_sats\":{},\"wallet\":\"w\",\"state\":\"paid\",\"invoice\":\"\",\"expires_at_unix\":1,\"scope\":{{}}}}\n",
            hash.repeat(32),
            u64::MAX
        )
    };
    std::fs::write(&file, line("ab") + &line("cd")).unwrap();
    let client = TollClient::builder().journal(&file).unwrap().build();
    assert_eq!(client.stats().unwrap().total_spent, u64::MAX);
}

#[test]
fn a_price_or_a_host_that_a_macaroon_states_in_any_caveat_must_fit() {
    let node = Node::default();
    let check = |caveats: &[&str]| {
        let challenge = node.challenge(caveats);
        let line = challenge.lines().nth(1).unwrap().split_once(": ").unwrap().1.to_owned();
        let offer = Offer::read(&[&line], "", b"").unwrap();
        Bill::check(&offer, "a.example", "bc", 0)
    };
    assert!(check(&["amount_sats = 5", "host = a.example"]).is_ok());
    assert!(matches!(check(&["amount_sats = 4", "amount_sats = 5"]), Err(BadOffer::UnclearAmount)));
    assert!(matches!(check(&["amount_sats = 4", "amount_sats = x"]), Err(BadOffer::UnclearAmount)));
    assert!(matches!(check(&["host = a.example", "host = b.example"]), Err(BadOffer::OtherHost(_))));
}

const ROUNDS: usize = 5;
