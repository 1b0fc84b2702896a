//! The client in Rust: as a library, and as a middleware of an existing client. Paying with real wallets and servers is
//! tested end to end.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use bitcoin::hashes::{Hash, sha256};
use bitcoin::secp256k1::{Secp256k1, SecretKey};
use edgetoll::client::journal::State;
use edgetoll::client::wallet::{Paid, PayError, PaymentState, Wallet, WalletError};
use edgetoll::client::{ClientError, TollClient, toll_fetch};
use edgetoll::l402::{PaymentHash, Preimage};
use lightning_invoice::{Currency, InvoiceBuilder, PaymentSecret};
use reqwest::{Method, Request};
use serde_json::json;

/// A node: its wallet pays the invoices that it has issued.
#[derive(Clone, Default)]
pub struct Node {
    issued: Arc<Mutex<Vec<Issued>>>,
    pub payments: Arc<AtomicUsize>,
}

impl Node {
    /// Returns an invoice of 5 sats and its payment hash in hexadecimal digits.
    fn invoice(&self) -> (String, String) {
        let mut issued = self.issued.lock().unwrap();
        let preimage = [u8::try_from(issued.len() + 1).unwrap(); 32];
        let hash = sha256::Hash::hash(&preimage);
        let invoice = invoice_for(preimage);
        issued.push((invoice.clone(), preimage));
        (invoice, hash.to_string())
    }

    /// Returns a 402 response with an invoice of 5 sats and a macaroon of lightning-toll with these caveats.
    pub fn challenge(&self, caveats: &[&str]) -> String {
        let (invoice, hash) = self.invoice();
        let json = json!({ "id": hash, "caveats": caveats, "signature": "00".repeat(32) }).to_string();
        let macaroon = edgetoll::base64::encode_url_safe(json.as_bytes());
        format!(
            "HTTP/1.1 402 Payment Required\r\nWWW-Authenticate: L402 realm=\"M\u{e4}rz\", macaroon=\"{macaroon}\", invoice=\"{invoice}\"\r\n\
             Content-Length: 0\r\nConnection: close\r\n\r\n"
        )
    }
}

/// Returns an invoice of 5 sats.
pub fn invoice_for(preimage: [u8; 32]) -> String {
    let signer = SecretKey::from_slice(&[7; 32]).unwrap();
    InvoiceBuilder::new(Currency::Bitcoin)
        .description("test".into())
        .amount_milli_satoshis(5000)
        .payment_hash(sha256::Hash::hash(&preimage))
        .payment_secret(PaymentSecret([1; 32]))
        .duration_since_epoch(now())
        .min_final_cltv_expiry_delta(18)
        .build_signed(|message| Secp256k1::new().sign_ecdsa_recoverable(message, &signer))
        .unwrap()
        .to_string()
}

/// An invoice and its preimage.
type Issued = (String, [u8; 32]);

#[async_trait]
impl Wallet for Node {
    fn name(&self) -> String {
        "a node in a test".into()
    }

    async fn pay_invoice(&self, invoice: &str, _: u64) -> Result<Paid, PayError> {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let issued = self.issued.lock().unwrap();
        let (_, preimage) = issued.iter().find(|(known, _)| known == invoice).unwrap();
        self.payments.fetch_add(1, Ordering::SeqCst);
        let digits: String = preimage.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Paid { preimage: Preimage::from_hex(&digits), fee_msat: Some(1500) })
    }

    async fn create_invoice(&self, _: u64, _: &str) -> Result<String, WalletError> {
        Ok(self.invoice().0)
    }

    async fn lookup_invoice(&self, _: &PaymentHash) -> Result<PaymentState, WalletError> {
        Err(WalletError::Unsupported)
    }

    async fn balance_msat(&self) -> Result<u64, WalletError> {
        Err(WalletError::Unsupported)
    }
}

/// Starts a server that sells for 5 sats: it answers 200 to each credential. Returns its URL.
fn start_server(node: &Node) -> String {
    let node = node.clone();
    serve(move |path, credential| match credential {
        Some(_) => CONTENT.to_owned(),
        None => node.challenge(&[&format!("endpoint = {path}")]),
    })
}

/// Starts a server. `answer` gets the path and the `Authorization` of a request, and returns the response. Returns the URL
/// of the path `/content`.
pub fn serve(answer: impl Fn(&str, Option<&str>) -> String + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/content", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for connection in listener.incoming() {
            let answer = Arc::clone(&answer);
            thread::spawn(move || respond(connection.unwrap(), &*answer));
        }
    });
    url
}

fn respond(mut connection: TcpStream, answer: &dyn Fn(&str, Option<&str>) -> String) {
    let lines = BufReader::new(connection.try_clone().unwrap()).lines().map_while(Result::ok);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let path = head[0].split(' ').nth(1).unwrap();
    let credential = head.iter().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("authorization").then_some(value)
    });
    let response = answer(path, credential);
    // A client that refuses a large response closes the connection.
    let _ = connection.write_all(response.as_bytes());
}

const BARE: &str = "HTTP/1.1 402 Payment Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
pub const CONTENT: &str = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\ncontent";

#[expect(clippy::disallowed_methods, reason = "tests run natively")]
fn now() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap()
}

pub fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(work)
}

#[test]
fn twenty_requests_at_once_for_one_resource_pay_once() {
    let node = Node::default();
    let url = start_server(&node);
    let client = TollClient::builder().wallet(node.clone()).build();
    let bodies = run(async {
        let calls: Vec<_> = (0..20)
            .map(|_| {
                let (client, url) = (client.clone(), url.clone());
                tokio::spawn(async move { client.get(url).await.unwrap().into_inner().text().await.unwrap() })
            })
            .collect();
        let mut bodies = Vec::new();
        for call in calls {
            bodies.push(call.await.unwrap());
        }
        bodies
    });
    assert_eq!(bodies, ["content"; 20]);
    assert_eq!(node.payments.load(Ordering::SeqCst), 1);
    // A fee of 1.5 sats counts as 2 sats.
    let stats = client.stats().unwrap();
    assert_eq!((stats.total_spent, stats.payment_count, stats.cached_credentials), (7, 1, 1));
    assert_eq!(stats.request_count, 20);
}

#[test]
fn an_existing_client_pays_with_the_middleware() {
    let node = Node::default();
    let url = start_server(&node);
    let middleware = TollClient::builder().wallet(node.clone()).build_middleware();
    let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::new()).with(middleware).build();
    let poor = TollClient::builder().wallet(node.clone()).max_sats(4).build_middleware();
    let poor = reqwest_middleware::ClientBuilder::new(reqwest::Client::new()).with(poor).build();
    let (status, error) = run(async {
        let response = client.post(&url).body("text").send().await.unwrap();
        (response.status(), poor.get(&url).send().await.unwrap_err())
    });
    assert_eq!(status, 200);
    assert_eq!(node.payments.load(Ordering::SeqCst), 1);
    let reqwest_middleware::Error::Middleware(error) = error else { panic!("{error}") };
    let error = error.downcast::<ClientError>().unwrap();
    assert!(matches!(error, ClientError::TooExpensive { price_sats: 5, limit_sats: 4 }));
    assert!(!error.money_may_have_moved());
}

#[test]
fn toll_fetch_pays_in_one_call_and_refuses_a_higher_price() {
    let node = Node::default();
    let url = start_server(&node);
    let (paid, refused) =
        run(async { (toll_fetch(&url, node.clone(), 5).await, toll_fetch(&url, node.clone(), 4).await) });
    assert!(paid.unwrap().paid_now());
    assert!(matches!(refused, Err(ClientError::TooExpensive { .. })));
}

/// A wallet that pays and returns nothing.
struct Silent(Node);

#[async_trait]
impl Wallet for Silent {
    fn name(&self) -> String {
        self.0.name()
    }

    async fn pay_invoice(&self, invoice: &str, max_fee_msat: u64) -> Result<Paid, PayError> {
        self.0.pay_invoice(invoice, max_fee_msat).await?;
        Err(PayError::Unknown(WalletError::Pending))
    }

    async fn create_invoice(&self, sats: u64, memo: &str) -> Result<String, WalletError> {
        self.0.create_invoice(sats, memo).await
    }

    async fn lookup_invoice(&self, _: &PaymentHash) -> Result<PaymentState, WalletError> {
        Ok(PaymentState::Settled(None))
    }

    async fn balance_msat(&self) -> Result<u64, WalletError> {
        Err(WalletError::Unsupported)
    }
}

#[test]
fn a_payment_without_a_preimage_counts_as_paid_once_the_server_has_accepted_it() {
    let node = Node::default();
    let url = start_server(&node);
    let client = TollClient::builder().wallet(Silent(node.clone())).build();
    let paid_now = run(async {
        let first = client.get(&url).await.unwrap().paid_now();
        (first, client.get(&url).await.unwrap().paid_now())
    });
    assert_eq!(paid_now, (true, false));
    assert_eq!(client.payments().unwrap()[0].state, State::Paid);
    assert_eq!(node.payments.load(Ordering::SeqCst), 1);
}

#[test]
fn a_line_that_a_killed_process_has_not_completed_is_skipped() {
    let node = Node::default();
    let url = start_server(&node);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("payments.jsonl");
    let client = || TollClient::builder().wallet(node.clone()).journal(&file).unwrap().build();
    run(async { client().get(&url).await.unwrap() });
    OpenOptions::new().append(true).open(&file).unwrap().write_all(b"{\"payment_hash\":\"ab").unwrap();
    let paid_now = run(async {
        let client = client();
        let other = client.get(url.replace("content", "other")).await.unwrap();
        (client.get(&url).await.unwrap().paid_now(), other.paid_now())
    });
    assert_eq!(paid_now, (false, true));
    let states: Vec<State> = client().payments().unwrap().iter().map(|payment| payment.state).collect();
    assert_eq!(states, [State::Paid, State::Paid]);
    assert_eq!(node.payments.load(Ordering::SeqCst), 2);
}

// R11: a payment that version 0.1.0 had begun was not found for another path of its realm, and another one was made.
#[test]
fn a_begun_payment_in_a_journal_of_an_older_version_is_resumed() {
    let node = Node::default();
    let issuer = node.clone();
    let url = serve(move |_, credential| match credential {
        Some(_) => CONTENT.to_owned(),
        None => issuer.challenge(&["realm = club", "uses = 4"]),
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("payments.jsonl");
    let client = || TollClient::builder().wallet(node.clone()).journal(&file).unwrap().build();
    run(async { client().get(&url).await.unwrap() });
    begin_again(&file, |begun| {
        let old = begun.replace(r#","kinds":["uses 4"]"#, "");
        assert!(old.len() < begun.len());
        old
    });
    run(async { client().get(url.replace("content", "other")).await.unwrap() });
    assert_eq!(client().payments().unwrap().len(), 1);
}

/// Starts a server that sells the pages of a realm for the price in cents that `price_of` returns for a URL. Returns the URL of a
/// page, and the number of challenges.
fn sell_in_dollars(
    node: &Node,
    price_of: impl Fn(&str) -> u64 + Send + Sync + 'static,
) -> (String, Arc<AtomicUsize>) {
    let (issuer, challenges) = (node.clone(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&challenges);
    let url = serve(move |path, credential| {
        let price = price_of(path);
        if credential.is_some_and(|credential| paid_cents(credential) >= price) {
            return CONTENT.to_owned();
        }
        counted.fetch_add(1, Ordering::SeqCst);
        issuer.challenge(&["realm = club", &format!("fiat = 0.{price:02} USD")])
    });
    (url, challenges)
}

/// Returns the price in the macaroon of a credential, in cents.
fn paid_cents(credential: &str) -> u64 {
    let macaroon = credential.strip_prefix("L402 ").unwrap().split(':').next().unwrap();
    let json = String::from_utf8(edgetoll::base64::decode(macaroon).unwrap()).unwrap();
    json.split("fiat = 0.").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap()
}

// R11: the invoice of the dearer page had no more satoshis than the payment, so the credential was given up.
#[test]
fn a_credential_with_a_price_in_a_currency_stays_good_after_a_dearer_page() {
    let node = Node::default();
    let (url, _) = sell_in_dollars(&node, |path| if path == "/dear" { 11 } else { 10 });
    let dear = url.replace("content", "dear");
    let client = TollClient::builder().wallet(node.clone()).build();
    assert!(run(async { client.get(&url).await.unwrap().paid_now() }));
    assert!(run(async { client.with_max_sats(1).get(&dear).await }).is_err());
    assert!(!run(async { client.get(&url).await.unwrap().paid_now() }));
    let price = run(async { client.price(Request::new(Method::GET, dear.parse().unwrap())).await });
    assert!(price.unwrap().is_some());
}

// R11: each call asked for a challenge first, until the server refused to make more of them.
#[test]
fn after_a_price_has_fallen_a_credential_is_sent_without_a_challenge() {
    let node = Node::default();
    let dear_cents = Arc::new(AtomicU64::new(30));
    let price = Arc::clone(&dear_cents);
    let (url, challenges) =
        sell_in_dollars(&node, move |path| if path == "/dear" { price.load(Ordering::SeqCst) } else { 10 });
    let dear = url.replace("content", "dear");
    let client = TollClient::builder().wallet(node.clone()).build();
    run(async { client.get(&url).await.unwrap() });
    assert!(run(async { client.with_max_sats(1).get(&dear).await }).is_err());
    dear_cents.store(10, Ordering::SeqCst);
    for _ in 0..5 {
        assert!(!run(async { client.get(&dear).await.unwrap().paid_now() }));
    }
    assert_eq!(challenges.load(Ordering::SeqCst), 3);
}

// R11: the credential was given up, and the host was not paid any more.
#[test]
fn after_a_failure_of_the_server_a_dearer_query_is_paid_and_the_credential_stays_good() {
    let node = Node::default();
    let (issuer, is_failing) = (node.clone(), AtomicBool::new(true));
    let url = serve(move |path, credential| {
        let price = if path.ends_with("?hd") { 20 } else { 10 };
        match credential {
            Some(_) if is_failing.swap(false, Ordering::SeqCst) => {
                "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    .to_owned()
            }
            Some(credential) if paid_cents(credential) >= price => CONTENT.to_owned(),
            _ => issuer.challenge(&["endpoint = /content", &format!("fiat = 0.{price} USD")]),
        }
    });
    let client = TollClient::builder().wallet(node.clone()).build();
    let dear = format!("{url}?hd");
    let paid_now =
        [&url, &dear, &url, &dear].map(|url| run(async { client.get(url).await.unwrap().paid_now() }));
    assert_eq!(paid_now, [true, true, false, false]);
}

/// Starts a server that takes one use for each paid request, and closes the connection of the first one. `caveats` are added to the
/// macaroons. Returns the URL.
fn close_the_first_paid_connection(node: &Node, caveats: &'static [&'static str]) -> String {
    let (issuer, spent) = (node.clone(), Mutex::new(BTreeSet::new()));
    serve(move |path, credential| {
        let mut spent = spent.lock().unwrap();
        match credential {
            Some(credential) if spent.insert(credential.to_owned()) => match spent.len() {
                1 => String::new(),
                _ => CONTENT.to_owned(),
            },
            _ => issuer.challenge(&[caveats, &[&format!("endpoint = {path}")]].concat()),
        }
    })
}

// R11: the host was not paid any more, because the server had refused a payment that it had never accepted.
#[test]
fn after_a_lost_answer_that_took_the_only_use_the_next_call_pays_again() {
    for (method, caveats, pays_again) in [
        (Method::POST, &["uses = 1"][..], true),
        (Method::GET, &["uses = 1"], true),
        (Method::POST, &[], false),
    ] {
        let node = Node::default();
        let url = close_the_first_paid_connection(&node, caveats);
        let client = TollClient::builder().wallet(node.clone()).build();
        let call = || {
            let request = Request::new(method.clone(), url.parse().unwrap());
            run(async { client.execute(request).await.map(|response| response.paid_now()) })
        };
        let error = call().unwrap_err();
        // A GET request is repeated, and the server does not accept the credential again.
        assert_eq!(matches!(error, ClientError::PaidNotServed { .. }), method == Method::GET, "{error}");
        let result = call();
        assert_eq!(matches!(result, Ok(true)), pays_again, "{result:?}");
        assert_eq!(matches!(result, Err(ClientError::NotHonoured { .. })), !pays_again, "{result:?}");
    }
}

#[test]
fn a_host_that_closes_each_paid_connection_gets_three_payments_at_most_unless_it_has_accepted_one() {
    for has_served in [false, true] {
        let node = Node::default();
        let issuer = node.clone();
        let url = serve(move |path, credential| match credential {
            Some(_) if path == "/content" => CONTENT.to_owned(),
            Some(_) => String::new(),
            None => issuer.challenge(&["uses = 1", &format!("endpoint = {path}")]),
        });
        let client = TollClient::builder().wallet(node.clone()).build();
        if has_served {
            run(async { client.get(&url).await.unwrap() });
        }
        for at in 0..6 {
            let url = url.replace("content", &at.to_string());
            let error = run(async { client.execute(Request::new(Method::POST, url.parse().unwrap())).await });
            let is_paid = has_served || at < 3;
            assert_eq!(matches!(error, Err(ClientError::AnswerLost { .. })), is_paid, "{at}: {error:?}");
            assert_eq!(matches!(error, Err(ClientError::NotHonoured { .. })), !is_paid, "{at}: {error:?}");
        }
    }
}

/// Changes the only payment of a journal to one that was begun, as if the process had been killed.
fn begin_again(journal: &std::path::Path, change: impl Fn(&str) -> String) {
    let lines = std::fs::read_to_string(journal).unwrap();
    let begun = lines.lines().next().unwrap();
    assert!(begun.contains(r#""state":"sent""#));
    std::fs::write(journal, change(begun) + "\n").unwrap();
}

#[test]
fn a_begun_payment_is_resumed_although_its_url_costs_more_now_but_not_for_a_dearer_query() {
    let node = Node::default();
    let cents = Arc::new(AtomicU64::new(10));
    let price = Arc::clone(&cents);
    let (url, _) = sell_in_dollars(&node, move |_| price.load(Ordering::SeqCst));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("payments.jsonl");
    let client = || TollClient::builder().wallet(node.clone()).journal(&file).unwrap().build();
    run(async { client().get(&url).await.unwrap() });
    for (query, payments) in [("", 1), ("?hd", 2)] {
        begin_again(&file, str::to_owned);
        cents.store(20, Ordering::SeqCst);
        let _ = run(async { client().get(format!("{url}{query}")).await });
        assert_eq!(client().payments().unwrap().len(), payments, "{query}");
    }
}

// lightning-toll compares the path exactly (`case 'endpoint'` in src/macaroon.js), and answers 401 without a challenge.
#[test]
fn a_credential_of_lightning_toll_is_not_used_for_its_path_with_a_slash_at_the_end() {
    let node = Node::default();
    let url = start_server(&node);
    let client = TollClient::builder().wallet(node.clone()).build();
    let urls = [url.clone(), format!("{url}/"), url.clone(), format!("{url}/")];
    let paid_now = urls.map(|url| run(async { client.get(url).await.unwrap().paid_now() }));
    assert_eq!(paid_now, [true, true, false, false]);
}

#[test]
fn a_host_that_redirects_each_paid_request_to_an_error_of_another_origin_gets_three_payments_at_most() {
    let node = Node::default();
    let issuer = node.clone();
    let other =
        serve(|_, _| "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned());
    let url = serve(move |path, credential| match credential {
        Some(_) => format!(
            "HTTP/1.1 302 Found\r\nLocation: {other}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        ),
        None => issuer.challenge(&[&format!("endpoint = {path}")]),
    });
    let client = TollClient::builder().wallet(node.clone()).build();
    for at in 0..6 {
        let url = url.replace("content", &at.to_string());
        let result = run(async { client.get(&url).await });
        assert_eq!(matches!(result, Err(ClientError::NotHonoured { .. })), at >= 3, "{at}: {result:?}");
    }
}

// R11: each 402 without a challenge ended a credential of another realm.
#[test]
fn a_402_without_a_challenge_says_nothing_about_a_credential() {
    let node = Node::default();
    let issuer = node.clone();
    let url = serve(move |path, credential| match credential {
        _ if path == "/preview" => BARE.to_owned(),
        Some(_) => CONTENT.to_owned(),
        None => issuer.challenge(&["realm = club"]),
    });
    let client = TollClient::builder().wallet(node.clone()).build();
    let urls = [url.clone(), url.replace("content", "preview"), url.clone()];
    let answers = urls.map(|url| {
        let response = run(async { client.get(url).await.unwrap() });
        (response.status().as_u16(), response.paid_now())
    });
    assert_eq!(answers, [(200, true), (402, false), (200, false)]);
}

#[test]
fn a_credential_ends_if_the_server_makes_a_challenge_only_without_it() {
    let node = Node::default();
    let (issuer, spent) = (node.clone(), Mutex::new(BTreeSet::new()));
    let url = serve(move |_, credential| match credential {
        Some(credential) if spent.lock().unwrap().insert(credential.to_owned()) => CONTENT.to_owned(),
        Some(_) => BARE.to_owned(),
        None => issuer.challenge(&["realm = club"]),
    });
    let client = TollClient::builder().wallet(node.clone()).build();
    for _ in 0..3 {
        assert!(run(async { client.get(&url).await.unwrap().paid_now() }));
    }
}

// I7: the credential of another query was given up. Some servers make no challenge if a request has a credential.
#[test]
fn a_server_that_sells_each_query_for_itself_is_paid_once_for_each() {
    for makes_challenges in [true, false] {
        let node = Node::default();
        let (issuer, sold) = (node.clone(), Mutex::new(BTreeSet::new()));
        let url = serve(move |path, credential| {
            let macaroon =
                |text: &str| text.split('"').find(|part| part.starts_with("ey")).unwrap().to_owned();
            let mut sold = sold.lock().unwrap();
            if let Some(credential) = credential {
                let shown = credential.strip_prefix("L402 ").unwrap().split(':').next().unwrap();
                if sold.contains(&(path.to_owned(), shown.to_owned())) {
                    return CONTENT.to_owned();
                }
                if !makes_challenges {
                    return BARE.to_owned();
                }
            }
            let challenge = issuer.challenge(&["service = items"]);
            sold.insert((path.to_owned(), macaroon(&challenge)));
            challenge
        });
        let client = TollClient::builder().wallet(node.clone()).build();
        let queries = ["?id=1", "?id=2", "?id=3", "?id=4", "?id=1", "?id=2", "?id=3", "?id=4", "?id=1"];
        let paid_now =
            queries.map(|query| run(async { client.get(format!("{url}{query}")).await.unwrap().paid_now() }));
        assert_eq!(paid_now, [true, true, true, true, false, false, false, false, false]);
    }
}

// R11: a macaroon of an unknown format was assumed to be valid for `HEAD` alone. Express and Starlette answer `HEAD` as `GET`.
#[test]
fn what_was_bought_with_head_is_not_paid_again_for_get() {
    let node = Node::default();
    let issuer = node.clone();
    let url = serve(move |_, credential| match credential {
        Some(_) => CONTENT.to_owned(),
        None => {
            let challenge = issuer.challenge(&[]);
            let macaroon = challenge.split('"').find(|part| part.starts_with("ey")).unwrap().to_owned();
            challenge.replace(&macaroon, "b3BhcXVl")
        }
    });
    let client = TollClient::builder().wallet(node.clone()).build();
    let paid_now = [Method::HEAD, Method::GET].map(|method| {
        let request = Request::new(method, url.parse().unwrap());
        run(async { client.execute(request).await.unwrap().paid_now() })
    });
    assert_eq!(paid_now, [true, false]);
}

#[test]
fn a_body_that_cannot_be_repeated_is_not_sent() {
    let node = Node::default();
    let url = start_server(&node);
    let client = TollClient::builder().wallet(node.clone()).build();
    let mut request = Request::new(Method::POST, url.parse().unwrap());
    *request.body_mut() = Some(reqwest::Body::wrap_stream(Stream));
    let error = run(async { client.execute(request).await }).unwrap_err();
    assert!(matches!(error, ClientError::UnrepeatableBody), "{error}");
    assert_eq!(node.issued.lock().unwrap().len(), 0);
}

/// A stream that never yields.
struct Stream;

impl futures_core::Stream for Stream {
    type Item = Result<Vec<u8>, std::io::Error>;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Pending
    }
}
