//! X-Preimage: how a preimage is read, what its invoice must satisfy, and which body a 402 has.

use std::sync::LazyLock;

use edgetoll::config::Settings;
use edgetoll::error::RequestError;
use edgetoll::forward::{ForwardReason, ForwardedRequest, ResponsePlan};
use edgetoll::gate::{Decision, Gate, PreimageClaim, Request};
use edgetoll::http::header_list::HeaderList;
use edgetoll::payment::{PaymentHash, WalletSlot};
use edgetoll::protocols::offered::{Protocol, Protocols};
use edgetoll::protocols::price::{Fiat, FiatPrice, Price};
use edgetoll::protocols::record::{InvoiceRecord, OwnInvoice, is_recordable};
use edgetoll::protocols::x_preimage::{self, Demand, ErrorStyle, Refusal, read, takes_invoice};

use crate::support::price_list::{errors, valid};
use crate::support::request::request;
use crate::support::secret::SECRET;
use crate::support::settings::{NOW, gate, settings};

/// SHA-256 of 32 bytes 0x42, computed with `sha256sum`.
const PREIMAGE: &str = "4242424242424242424242424242424242424242424242424242424242424242";
const PAYMENT_HASH: &str = "425ed4e4a36b30ea21b90e21c712c649e8214c29b7eaf68089d1039c6e55384c";

const LIST: &str = r#"{"protocols":["l402","x-preimage"],"routes":[
    {"path":"/sold","sats":5},
    {"path":"/posted","methods":["POST"],"price":[{"when":{"query":{"hd":"1"}},"sats":9},{"sats":5}]},
    {"path":"/l402","sats":5,"protocols":["l402"]},
    {"path":"/rack","sats":5,"x_preimage_errors":"rack-lightning"},
    {"path":"/bound","sats":5,"bind":["endpoint","ip"]},
    {"path":"/free","sats":5,"free_requests":3}
]}"#;

fn seller() -> Settings {
    settings(Some(LIST), &[])
}

#[test]
fn a_preimage_is_64_hexadecimal_digits_and_its_digest_is_the_payment_hash() {
    let preimage = "ab".repeat(32);
    // printf 'ab%.0s' $(seq 32) | xxd -r -p | sha256sum
    let hash = "9a2db2e23f1504cd056606553ac049c5e718e8f9ce9233876df1a7a1821af885";
    for text in [preimage.clone(), preimage.to_uppercase()] {
        assert_eq!(read(&text).unwrap().to_hex(), hash);
    }
    for text in ["", "ab", &preimage[1..], &format!("{preimage}0"), &format!("{preimage}, {preimage}"), "é"]
    {
        assert_eq!(read(text), Err(Refusal::Malformed), "{text}");
    }
    let not_hex =
        [preimage.replacen('a', "g", 1), format!("0x{}", &preimage[2..]), format!(" {}", &preimage[1..])];
    for text in [not_hex.as_slice(), &["é".repeat(32)]].concat() {
        assert_eq!(read(&text), Err(Refusal::NotHex), "{text}");
    }
}

/// The sentences of ln-paywall 0.5.2 (wall/middleware.go).
#[test]
fn refusals_have_the_sentences_of_ln_paywall_and_the_protocol_document_lists_them() {
    let text = |text: &str| text.to_owned();
    let all = [
        (Refusal::Malformed, "malformed_preimage", "The provided preimage isn't properly formatted"),
        (Refusal::NotHex, "malformed_preimage", "The provided preimage isn't properly hex encoded"),
        (
            Refusal::Unknown,
            "unknown_preimage",
            "You seem to have sent an invalid preimage or one that doesn't correspond to an invoice that was issued for an initial request",
        ),
        (
            Refusal::OtherMethod { expected: text("GET"), got: text("POST") },
            "method_mismatch",
            "Your invoice was created for a GET request, but you're sending a POST request",
        ),
        (
            Refusal::OtherPath { expected: text("/ping"), got: text("/other") },
            "endpoint_mismatch",
            "Your invoice was created for the path \"/ping\", but you're sending a request to \"/other\"",
        ),
        (
            Refusal::Spent,
            "spent",
            "You already sent a request with the same preimage. You have to pay a new invoice for and include the corresponding preimage in each request.",
        ),
        (
            Refusal::Unpaid,
            "unpaid",
            "You somehow obtained the preimage of the invoice, but the invoice is not settled yet",
        ),
    ];
    let document = include_str!("../../docs/protocol.md");
    let rows: Vec<&str> =
        document.lines().skip_while(|line| !line.starts_with("| sentence |")).skip(2).collect();
    for ((refusal, code, sentence), row) in all.into_iter().zip(rows) {
        assert_eq!((refusal.to_string().as_str(), refusal.code()), (sentence, code));
        assert!(row.starts_with(&format!("| {sentence} | `{code}` |")), "{row}\n{sentence}");
        let error = RequestError::Preimage(refusal);
        assert_eq!((error.status(), error.code(), error.to_string().as_str()), (400, code, sentence));
    }
}

fn invoice() -> OwnInvoice {
    OwnInvoice {
        payment_hash: PaymentHash::from_bytes([7; 32]),
        is_paid: true,
        amount_sats: 5,
        payable_until_unix: NOW + 300,
        route: "/sold".to_owned(),
        record: InvoiceRecord {
            expires_at_unix: NOW + 3_600,
            host: "x".to_owned(),
            method: "GET".to_owned(),
            client: None,
            fiat: None,
            sold_as: None,
            mac: String::new(),
        },
    }
}

static SELLER: LazyLock<Settings> = LazyLock::new(seller);

/// Returns the invoice with the MAC that this deployment writes.
fn genuine(invoice: &OwnInvoice) -> OwnInvoice {
    let OwnInvoice { amount_sats, route, record, .. } = invoice;
    let InvoiceRecord { expires_at_unix, host, method, client, fiat, sold_as, .. } = record;
    let amount = fiat.as_ref().map_or(amount_sats.to_string(), |fiat| fiat.as_str().to_owned());
    let (client, sold_as) = (client.as_deref().unwrap_or(""), sold_as.as_deref().unwrap_or(""));
    let text = format!("{route}\n{expires_at_unix}\n{host}\n{method}\n{client}\n{amount}\n{sold_as}");
    let mac = SELLER.keys().unwrap().current().record_mac(&text);
    OwnInvoice { record: InvoiceRecord { mac, ..record.clone() }, ..invoice.clone() }
}

/// Checks an invoice whose record this deployment has written.
fn check(invoice: &OwnInvoice, demand: &Demand<'_>) -> Result<(), Refusal> {
    x_preimage::check(&genuine(invoice), demand)
}

fn demand() -> Demand<'static> {
    Demand {
        keys: SELLER.keys().unwrap(),
        now_unix: NOW,
        route: "/sold",
        host: "x",
        path: "/sold",
        method: "GET",
        client: None,
        price: &Price::Sats(5),
        sold_as: Vec::new(),
    }
}

#[test]
fn a_paid_invoice_for_the_route_the_host_and_the_method_of_the_request_is_accepted() {
    assert_eq!(check(&invoice(), &demand()), Ok(()));
    assert_eq!(check(&invoice(), &Demand { method: "HEAD", ..demand() }), Ok(()), "GET includes HEAD");
    assert_eq!(check(&OwnInvoice { amount_sats: 6, ..invoice() }, &demand()), Ok(()));
}

#[test]
fn a_record_that_others_have_written_or_changed_is_refused() {
    let genuine = genuine(&OwnInvoice {
        record: InvoiceRecord { client: Some("aa".to_owned()), ..invoice().record },
        ..invoice()
    });
    let refused = |invoice: &OwnInvoice| x_preimage::check(invoice, &demand()).is_err();
    assert!(!refused(&genuine));
    let with = |record: InvoiceRecord| OwnInvoice { record, ..genuine.clone() };
    let record = || genuine.record.clone();
    for changed in [
        with(InvoiceRecord { mac: String::new(), ..record() }),
        with(InvoiceRecord { mac: "0".repeat(32), ..record() }),
        with(InvoiceRecord { expires_at_unix: NOW + 3_601, ..record() }),
        with(InvoiceRecord { client: None, ..record() }),
        with(InvoiceRecord { fiat: Fiat::parse("1 USD"), ..record() }),
        with(InvoiceRecord { sold_as: Some("aa".to_owned()), ..record() }),
        OwnInvoice { amount_sats: 6, ..genuine.clone() },
    ] {
        assert_eq!(x_preimage::check(&changed, &demand()), Err(Refusal::Unknown), "{changed:?}");
    }
    // Host, method and route are refused anyway, so the request fits here.
    let moved = OwnInvoice { route: "/other".to_owned(), ..genuine.clone() };
    assert_eq!(
        x_preimage::check(&moved, &Demand { route: "/other", path: "/other", ..demand() }),
        Err(Refusal::Unknown)
    );
    for (host, method) in [("y", "GET"), ("x", "POST")] {
        let moved = with(InvoiceRecord { host: host.to_owned(), method: method.to_owned(), ..record() });
        assert_eq!(x_preimage::check(&moved, &Demand { host, method, ..demand() }), Err(Refusal::Unknown));
    }
    let reversed: String = SECRET.chars().rev().collect();
    let new = ("TOLL_SECRET", Some(reversed.as_str()));
    let rotated = settings(Some(LIST), &[new, ("TOLL_SECRET_PREVIOUS", Some(SECRET.as_str()))]);
    let other = settings(Some(LIST), &[new]);
    for (settings, expected) in [(&rotated, Ok(())), (&other, Err(Refusal::Unknown))] {
        let demand = Demand { keys: settings.keys().unwrap(), ..demand() };
        assert_eq!(x_preimage::check(&genuine, &demand), expected);
    }
}

#[test]
fn an_invoice_for_another_request_is_refused() {
    let refused = |invoice: &OwnInvoice, demand: &Demand<'_>| check(invoice, demand).unwrap_err();
    assert_eq!(refused(&invoice(), &Demand { host: "y", ..demand() }), Refusal::Unknown);
    let posted = refused(&invoice(), &Demand { method: "POST", ..demand() });
    assert_eq!(posted, Refusal::OtherMethod { expected: "GET".to_owned(), got: "POST".to_owned() });
    let head = InvoiceRecord { method: "HEAD".to_owned(), ..invoice().record };
    let head = OwnInvoice { record: head, ..invoice() };
    assert!(matches!(refused(&head, &demand()), Refusal::OtherMethod { .. }), "HEAD does not include GET");
    let elsewhere = refused(&invoice(), &Demand { route: "/other/*", path: "/other/1", ..demand() });
    assert_eq!(elsewhere, Refusal::OtherPath { expected: "/sold".to_owned(), got: "/other/1".to_owned() });
    assert_eq!(refused(&OwnInvoice { is_paid: false, ..invoice() }, &demand()), Refusal::Unpaid);
    assert_eq!(refused(&invoice(), &Demand { price: &Price::Sats(6), ..demand() }), Refusal::Unknown);
}

#[test]
fn a_payment_proves_nothing_after_its_expiry_which_is_not_before_that_of_the_invoice() {
    let at = |now_unix, invoice: &OwnInvoice| check(invoice, &Demand { now_unix, ..demand() });
    assert_eq!(at(NOW + 3_600, &invoice()), Ok(()));
    assert_eq!(at(NOW + 3_601, &invoice()), Err(Refusal::Unknown));
    let longer = OwnInvoice { payable_until_unix: NOW + 7_200, ..invoice() };
    assert_eq!(at(NOW + 7_200, &longer), Ok(()));
    assert_eq!(at(NOW + 7_201, &longer), Err(Refusal::Unknown));
}

#[test]
fn on_a_route_that_binds_the_address_only_the_client_that_got_the_invoice_can_use_it() {
    let of = |client: Option<&str>| {
        let record = InvoiceRecord { client: client.map(str::to_owned), ..invoice().record };
        OwnInvoice { record, ..invoice() }
    };
    let from = |client: &[&str]| {
        let client = client.iter().map(|one| (*one).to_owned()).collect();
        Demand { client: Some(client), ..demand() }
    };
    assert_eq!(check(&of(Some("aa")), &from(&["aa"])), Ok(()));
    assert_eq!(check(&of(Some("aa")), &from(&["bb", "aa"])), Ok(()), "the previous secret");
    assert_eq!(check(&of(Some("aa")), &from(&["bb"])), Err(Refusal::Unknown));
    assert_eq!(check(&of(None), &from(&["aa"])), Err(Refusal::Unknown));
    assert_eq!(check(&of(Some("aa")), &demand()), Ok(()), "the route does not bind it any more");
}

#[test]
fn a_price_that_has_risen_is_covered_if_the_payment_was_made_for_what_the_route_sells_now() {
    let sold_as = |tag: &str| {
        let record = InvoiceRecord { sold_as: Some(tag.to_owned()), ..invoice().record };
        OwnInvoice { record, ..invoice() }
    };
    let dearer = Demand { price: &Price::Sats(6), sold_as: vec!["aa".to_owned()], ..demand() };
    assert_eq!(check(&sold_as("aa"), &dearer), Ok(()));
    assert_eq!(check(&sold_as("bb"), &dearer), Err(Refusal::Unknown));
    assert_eq!(check(&invoice(), &dearer), Err(Refusal::Unknown));
}

#[test]
fn a_price_in_a_currency_is_covered_by_the_amount_in_this_currency() {
    let fiat = |text: &str| Fiat::parse(text).unwrap();
    let price = |text: &str| Price::Fiat(FiatPrice { fiat: fiat(text), min_sats: 1, max_sats: 99 });
    let paid = |text: Option<&str>| {
        let record = InvoiceRecord { fiat: text.map(fiat), ..invoice().record };
        OwnInvoice { record, ..invoice() }
    };
    for (paid_fiat, current, expected) in [
        (Some("0.01 USD"), "0.01 USD", Ok(())),
        (Some("0.02 USD"), "0.01 USD", Ok(())),
        (Some("0.01 USD"), "0.02 USD", Err(Refusal::Unknown)),
        (Some("0.01 USD"), "0.01 EUR", Err(Refusal::Unknown)),
        (None, "0.01 USD", Err(Refusal::Unknown)),
    ] {
        let demand = Demand { price: &price(current), ..demand() };
        assert_eq!(check(&paid(paid_fiat), &demand), expected, "{paid_fiat:?} for {current}");
    }
    // The route had a price in a currency, and has one in satoshis now.
    assert_eq!(check(&paid(Some("0.01 USD")), &demand()), Ok(()));
}

#[test]
fn a_host_or_a_method_with_unusual_characters_is_not_recorded() {
    for host in ["api.example.com", "127.0.0.1", "[::1]", &"a".repeat(253)] {
        assert!(is_recordable(host, "GET"), "{host}");
    }
    for host in ["", "a b", "a\"b", "a/b", "é", &"a".repeat(254)] {
        assert!(!is_recordable(host, "GET"), "{host}");
    }
    for method in ["", "G T", "GET\"", "é", &"A".repeat(33)] {
        assert!(!is_recordable("x", method), "{method}");
    }
}

/// RFC 9110, 12.5.1: the higher quality is preferred.
#[test]
fn the_body_of_a_402_is_the_bare_invoice_for_a_client_that_accepts_it() {
    const BOLT11: &str = "application/vnd.lightning.bolt11";
    let with = |rest: &str| format!("{BOLT11}{rest}");
    // The first result is for a route whose first protocol is L402, the second for one whose first protocol is
    // X-Preimage.
    for (accept, expected) in [
        (None, [false, true]),
        (Some("*/*".to_owned()), [false, true]),
        (Some(BOLT11.to_owned()), [true, true]),
        (Some(BOLT11.to_uppercase()), [true, true]),
        (Some(with(", */*;q=0.1")), [true, true]),
        (Some(with(", application/json")), [true, true]),
        (Some(with(";q=0.5, application/json")), [false, false]),
        (Some(with(";q=0.5, text/html")), [false, false]),
        (Some("application/json".to_owned()), [false, false]),
        (Some("text/html,application/xhtml+xml,*/*;q=0.8".to_owned()), [false, false]),
        (Some("application/pdf".to_owned()), [false, true]),
    ] {
        let results = [false, true].map(|is_default| takes_invoice(accept.as_deref(), is_default));
        assert_eq!(results, expected, "{accept:?}");
    }
}

#[test]
fn the_protocols_of_the_list_apply_to_routes_without_their_own_and_l402_is_always_named() {
    let list = valid(
        r#"{"protocols":["x-preimage","l402"],"x_preimage_errors":"rack-lightning","routes":[
            {"path":"/a"},{"path":"/b","protocols":["l402"]},{"path":"/c","x_preimage_errors":"ln-paywall"}]}"#,
    );
    let routes: Vec<(bool, bool, ErrorStyle)> = list
        .routes
        .iter()
        .map(|route| {
            let (protocols, preimage) = (&route.protocols, Protocol::XPreimage);
            (protocols.contains(preimage), protocols.begins_with(preimage), route.x_preimage_errors)
        })
        .collect();
    let (ln_paywall, rack_lightning) = (ErrorStyle::LnPaywall, ErrorStyle::RackLightning);
    assert_eq!(
        routes,
        [(true, true, rack_lightning), (false, false, rack_lightning), (true, true, ln_paywall)]
    );
    assert!(list.offers_preimage());
    assert!(!valid(r#"{"routes":[{"path":"/a"}]}"#).offers_preimage(), "off unless it is named");
    assert!(
        !valid(r#"{"protocols":["l402","x-preimage"],"routes":[{"path":"/a","sats":0}]}"#).offers_preimage()
    );
    for protocols in
        [r#"["x-preimage"]"#, "[]", r#"["l402","l402"]"#, r#"["l402","x402"]"#, r#""l402""#, "[1]"]
    {
        let mistakes = errors(&format!(r#"{{"protocols":{protocols},"routes":[]}}"#));
        assert_eq!(mistakes.len(), 1, "{protocols}");
        let mistakes = errors(&format!(r#"{{"routes":[{{"path":"/a","protocols":{protocols}}}]}}"#));
        assert_eq!(mistakes[0].place, "TOLL.routes[0].protocols", "{protocols}");
    }
    assert_eq!(Protocols::parse(&["l402".to_owned()]), Some(Protocols::default()));
}

fn decide<'a>(
    settings: &'a Settings,
    url: &str,
    method: &str,
    preimage: &str,
    more: &Request<'_>,
) -> Decision<'a> {
    let header = |name: &str| (name == "X-Preimage").then(|| preimage.to_owned());
    gate(settings).decide(
        &Request {
            header: &header,
            ..Request { client_ip: more.client_ip, ..request(url, method, more.authorization) }
        },
        NOW,
    )
}

fn claim<'a>(settings: &'a Settings, url: &str, method: &str) -> PreimageClaim<'a> {
    let from = Request { client_ip: Some("192.0.2.1"), ..request(url, method, None) };
    match decide(settings, url, method, PREIMAGE, &from) {
        Decision::Preimage(claim) => claim,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_preimage_is_read_only_on_a_route_that_offers_x_preimage_and_only_if_uses_can_be_counted() {
    let settings = seller();
    let plain = request("https://x/sold", "GET", None);
    let claim = claim(&settings, "https://x/sold", "GET");
    assert_eq!(claim.payment_hash.to_hex(), PAYMENT_HASH);
    assert!(matches!(decide(&settings, "https://x/l402", "GET", PREIMAGE, &plain), Decision::Challenge(_)));
    assert!(matches!(decide(&settings, "https://x/sold", "GET", "", &plain), Decision::Challenge(_)));
    assert_eq!(decide(&settings, "https://x/else", "GET", PREIMAGE, &plain), Decision::Open { waived: None });
    let header = |name: &str| (name == "X-Preimage").then(|| PREIMAGE.to_owned());
    let with_preimage = Request { header: &header, ..plain };
    let without_meter = Gate { has_meter: false, ..gate(&settings) };
    match without_meter.decide(&with_preimage, NOW) {
        Decision::Challenge(draft) => assert!(!draft.offers_preimage),
        other => panic!("{other:?}"),
    }
    // A refused preimage gets no free request, and one that is not offered does not stand in the way of one.
    let client = Request { client_ip: Some("192.0.2.1"), ..request("https://x/free", "GET", None) };
    assert!(matches!(decide(&settings, "https://x/free", "GET", "", &client), Decision::FreeTier { .. }));
    assert!(matches!(decide(&settings, "https://x/free", "GET", PREIMAGE, &client), Decision::Preimage(_)));
}

#[test]
fn a_malformed_or_revoked_preimage_is_refused_before_a_wallet_is_asked() {
    let settings = seller();
    let plain = request("https://x/sold", "GET", None);
    for (preimage, refusal) in [("aa", Refusal::Malformed), (&"g".repeat(64), Refusal::NotHex)] {
        let decision = decide(&settings, "https://x/sold", "GET", preimage, &plain);
        assert_eq!(crate::support::settings::error(decision), RequestError::Preimage(refusal));
        match decide(&settings, "https://x/rack", "GET", preimage, &plain) {
            Decision::Challenge(draft) => {
                assert_eq!((draft.refused, draft.refused_preimage), (None, Some("malformed_preimage")));
            }
            other => panic!("{other:?}"),
        }
    }
    let list = LIST.replacen('{', &format!("{{\"revoked\":[\"{PAYMENT_HASH}\"],"), 1);
    let settings = crate::support::settings::settings(Some(&list), &[]);
    let decision = decide(&settings, "https://x/sold", "GET", PREIMAGE, &plain);
    assert_eq!(crate::support::settings::error(decision), RequestError::Preimage(Refusal::Unknown));
}

#[test]
fn the_demand_of_a_request_is_satisfied_by_the_record_of_its_own_challenge_and_by_no_other() {
    let settings = seller();
    let urls = [
        ("https://x/sold", "GET", 5),
        ("https://y/sold", "GET", 5),
        ("https://x/posted", "POST", 5),
        ("https://x/posted?hd=1", "POST", 9),
        ("https://x/rack", "GET", 5),
        ("https://x/bound", "GET", 5),
    ];
    let own = |url: &str, method: &str, amount_sats: u64| {
        let claim = claim(&settings, url, method);
        let draft = &claim.otherwise;
        let pseudonym = settings.keys().unwrap().current().client_pseudonym("192.0.2.1");
        let (keys, route) = (settings.keys().unwrap().current(), draft.route.pattern.as_str());
        let record = InvoiceRecord::new(keys, route, &draft.terms, method, Some(&pseudonym)).unwrap();
        assert_eq!(record.client.is_some(), url.ends_with("/bound"), "{url}");
        OwnInvoice { amount_sats, route: draft.route.pattern.as_str().to_owned(), record, ..invoice() }
    };
    for (url, method, sats) in urls {
        let path = url.split('/').nth(3).unwrap().split('?').next().unwrap();
        let (claim, path) = (claim(&settings, url, method), format!("/{path}"));
        for (bought, bought_method, bought_sats) in urls {
            let invoice = own(bought, bought_method, bought_sats);
            let result = x_preimage::check(&invoice, &claim.demand(method, &path, NOW));
            let is_dearer_variant = url == "https://x/posted" && bought == "https://x/posted?hd=1";
            assert_eq!(
                result.is_ok(),
                url == bought || is_dearer_variant,
                "{bought} ({bought_sats}) for {url} ({sats})"
            );
        }
    }
    let other_client = PreimageClaim {
        otherwise: match decide(
            &settings,
            "https://x/bound",
            "GET",
            PREIMAGE,
            &Request { client_ip: Some("192.0.2.2"), ..request("https://x/bound", "GET", None) },
        ) {
            Decision::Preimage(claim) => claim.otherwise,
            other => panic!("{other:?}"),
        },
        ..claim(&settings, "https://x/bound", "GET")
    };
    let refused =
        x_preimage::check(&own("https://x/bound", "GET", 5), &other_client.demand("GET", "/bound", NOW));
    assert_eq!(refused, Err(Refusal::Unknown));
}

#[test]
fn a_payment_buys_one_request_whose_use_is_remembered_until_the_payment_expires() {
    let settings = seller();
    for (method, is_taken) in [("GET", true), ("HEAD", false)] {
        let claim = claim(&settings, "https://x/sold", method);
        let purchase = claim.into_purchase(&invoice(), WalletSlot::FIRST, method);
        let counted = purchase.counted.unwrap();
        assert_eq!((counted.bought.get(), counted.is_taken), (1, is_taken));
        assert_eq!(purchase.grant.uses.map(u32::from), Some(1));
        assert_eq!((purchase.grant.amount_sats, purchase.grant.issued_until_unix), (5, NOW + 3_600));
    }
}

#[test]
fn the_origin_gets_no_preimage_of_a_priced_route_and_responses_vary_by_it_where_it_is_offered() {
    let settings = seller();
    let policy = settings.policy().unwrap();
    let headers = |name: &str| HeaderList::parse(format!("1\n{name}\n{PREIMAGE}\n"), 0).unwrap();
    let edits = |reason: ForwardReason, name: &str, route: Option<usize>| {
        let forwarded = ForwardedRequest {
            url: request("https://x/sold", "GET", None).url,
            headers: &headers(name),
            reason,
            grant: None,
            observed: None,
            route: route.map(|at| &policy.routes[at]),
            policy,
            settings: &settings,
            deployment_tag: "tag",
            client: None,
            signing: None,
        };
        forwarded.edits().as_str().to_owned()
    };
    for name in ["x-preimage", "X-Preimage", "x_preimage"] {
        let is_removed = |reason, route| edits(reason, name, route).contains(&format!("-{name}\n"));
        assert!(is_removed(ForwardReason::Paid, Some(0)), "{name}");
        assert!(is_removed(ForwardReason::Waived, Some(2)), "a priced route of L402 alone");
        assert!(is_removed(ForwardReason::Preflight, None), "the preflight of a priced path");
        assert!(!is_removed(ForwardReason::Open, None), "{name} belongs to the origin of a free path");
    }
    let vary = |route: usize| {
        let plan = ResponsePlan {
            reason: ForwardReason::Paid,
            route: Some(route),
            expires_at_unix: None,
            payment_hash: None,
            is_shared: false,
            public_origin: "https://x",
            origin_url: "https://origin.test/sold",
            page: None,
        };
        let edits = plan.edits(&HeaderList::default(), policy, &settings.origin, |_, _| None);
        edits.as_str().lines().skip_while(|line| *line != "=Vary").nth(1).unwrap().to_owned()
    };
    assert!(vary(0).ends_with(", X-Preimage"), "{}", vary(0));
    assert!(!vary(2).contains("X-Preimage"));
}
