//! The signature of forwarded requests (RFC 9421).

use edgetoll::base64;
use edgetoll::crypto::{HmacKey, hmac_sha256};
use edgetoll::forward::{ForwardReason, ForwardedRequest, Signing};
use edgetoll::http::header_edits::HeaderEdits;
use edgetoll::http::header_list::HeaderList;
use edgetoll::http::message_signature::{MessageSignature, SignatureBase};
use edgetoll::payment::{PaymentHash, WalletSlot};
use edgetoll::protocols::l402::macaroon::Encoding;
use edgetoll::protocols::l402::verify::Grant;
use proptest::prelude::*;

use crate::support::request::{forwarded_free, request};
use crate::support::settings::settings;

const LIST: &str = r#"{"routes":[{"path":"/sold","sats":5}]}"#;
const SECRET: &str = "6f1d0c9e8b7a4f3e2d5c6b7a8f9e0d1c";
const TOKEN: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";

/// RFC 9421, B.2.5.
#[test]
fn a_message_is_signed_as_in_the_test_vector_of_the_rfc() {
    let key = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";
    let components = [
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("@authority", "example.com"),
        ("content-type", "application/json"),
    ];
    let mut base = SignatureBase::default();
    components.into_iter().for_each(|(name, value)| base.cover(name, value));
    let key = HmacKey::new(&base64::decode(key).unwrap());
    let signed = base.sign(&key, ";created=1618884473;keyid=\"test-shared-secret\"");
    assert_eq!(
        signed,
        MessageSignature {
            input: r#"("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#
                .to_owned(),
            signature: ":pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:".to_owned(),
        }
    );
}

/// A forwarded request, whose method and target are those of the URL that it is sent to.
#[derive(Clone, Copy)]
struct Sent<'a> {
    method: &'a str,
    target: &'a str,
    headers: &'a [(&'a str, &'a str)],
    is_paid: bool,
    observed: Option<u16>,
    client: Option<&'a str>,
    token: Option<&'a str>,
}

const FREE: Sent<'_> = Sent {
    method: "GET",
    target: "/free",
    headers: &[],
    is_paid: false,
    observed: None,
    client: None,
    token: None,
};

impl Sent<'_> {
    fn edits(&self) -> HeaderEdits {
        let settings = settings(Some(LIST), &[("ORIGIN_SECRET", Some(SECRET)), ("ORIGIN_TOKEN", self.token)]);
        let lines: String = self.headers.iter().map(|(name, value)| format!("{name}\n{value}\n")).collect();
        let grant = Grant {
            payment_hash: PaymentHash::from_bytes([7; 32]),
            encoding: Encoding::Standard,
            is_proven: true,
            other_issuer: false,
            expires_at_unix: 1_900_000_000,
            issued_until_unix: 1_900_000_000,
            amount_sats: 5,
            uses: None,
            payable_until_unix: None,
            wallet: WalletSlot::FIRST,
        };
        let forwarded = ForwardedRequest {
            url: request("https://api.example.com/free", "GET", None).url,
            headers: &HeaderList::parse(format!("{}\n{lines}", self.headers.len()), 0).unwrap(),
            reason: match self.observed {
                Some(_) => ForwardReason::Observed,
                None if self.is_paid => ForwardReason::Paid,
                None => ForwardReason::Open,
            },
            grant: self.is_paid.then_some(&grant),
            observed: self.observed,
            route: None,
            policy: settings.policy().unwrap(),
            settings: &settings,
            deployment_tag: "tag",
            client: self.client,
            signing: Some(Signing {
                key: settings.origin_key.as_ref().unwrap(),
                method: self.method,
                path_and_query: self.target,
                created_unix: 1_700_000_000,
            }),
        };
        forwarded.edits()
    }

    /// Returns the names and values of the headers that are set.
    fn set(&self) -> Vec<(String, String)> {
        let edits = self.edits();
        let lines: Vec<&str> = edits.as_str().lines().collect();
        let changes = lines.chunks(2).filter_map(|change| Some((change[0].strip_prefix('=')?, change[1])));
        changes.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Returns the values of the two signature headers.
    fn signed(&self) -> [String; 2] {
        ["Signature-Input", "Signature"].map(|name| {
            let mut values = self.set().into_iter().filter(|(set, _)| set == name).map(|(_, value)| value);
            let value = values.next().unwrap();
            assert_eq!(values.next(), None);
            value
        })
    }
}

/// The expected values were computed by the Python package http-message-signatures 3.0.0.
#[test]
fn the_signature_covers_method_path_query_and_the_headers_of_edgetoll() {
    let input = |covered: &str| {
        format!(
            r#"toll=("@method" "@path" "@query" "x-toll-hop" "x-toll-status"{covered});created=1700000000;keyid="toll";alg="hmac-sha256";tag="edgetoll""#
        )
    };
    assert_eq!(FREE.signed(), [input(""), "toll=:XlCfXv43hc2Gyl4nfMpLPcYvqYiw+H1bEQ6VtyHJT4s=:".to_owned()]);
    let post = Sent { method: "POST", target: "/base/a%2Fb;c?d=%20e&d=/?", ..FREE };
    assert_eq!(post.signed(), [input(""), "toll=:50tOFEctq0CfXWny3ihf4XxSPq2yktY61SxEpi0UZvs=:".to_owned()]);
    let paid = Sent {
        method: "HEAD",
        target: "/sold?",
        is_paid: true,
        client: Some("ab12"),
        token: Some(TOKEN),
        ..FREE
    };
    let covered = r#" "x-toll-payment-hash" "x-toll-amount-sats" "x-toll-client" "x-toll-origin-token""#;
    assert_eq!(
        paid.signed(),
        [input(covered), "toll=:kK5UskXGsc/bGUW9D2VNlxm/AI5f9LXFKmi6SL/PFug=:".to_owned()]
    );
}

#[test]
fn without_origin_secret_a_request_is_not_signed_and_signatures_of_the_client_are_left_alone() {
    let settings = settings(Some(LIST), &[]);
    assert!(settings.origin_key.is_none());
    let headers = HeaderList::parse("1\nsignature\ntoll=:AA==:\n".to_owned(), 0).unwrap();
    let edits = forwarded_free(&settings, &headers).edits();
    assert!(!edits.as_str().to_ascii_lowercase().contains("signature"), "{edits:?}");
}

#[test]
fn valid_signatures_of_the_client_are_kept_before_the_signature_of_edgetoll() {
    let [own_input, own] = FREE.signed();
    let kept = |input: &str, signature: &str| {
        let signed =
            Sent { headers: &[("signature-input", input), ("signature", signature)], ..FREE }.signed();
        [(&signed[0], &own_input), (&signed[1], &own)].map(|(value, own)| {
            let others = value.strip_suffix(own.as_str()).unwrap_or_else(|| panic!("{value}"));
            others.strip_suffix(", ").unwrap_or(others).to_owned()
        })
    };
    let sig1 = r#"sig1=("@authority" "x;y";bs);created=1;nonce="a, toll=(\"b\\""#;
    for (input, signature, expected) in [
        (sig1, "sig1=:AA==:", [sig1, "sig1=:AA==:"]),
        ("*a_1.b-c=()", "*a_1.b-c=::", ["*a_1.b-c=()", "*a_1.b-c=::"]),
        ("a=(),b=();x", "b=:BA==:\t,  a=:AA==:", ["a=(), b=();x", "a=:AA==:, b=:BA==:"]),
        // The label of edgetoll.
        ("toll=(),a=()", "a=:AA==:,toll=:BA==:", ["a=()", "a=:AA==:"]),
        ("toll=()", "toll=:AA==:", ["", ""]),
        // A label in only one of the headers.
        ("a=(),b=()", "b=:BA==:,c=:CA==:", ["b=()", "b=:BA==:"]),
        ("", "", ["", ""]),
        // Other values than a list of components and a byte sequence.
        ("a=1,b=()", "a=:AA==:,b=:BA==:", ["b=()", "b=:BA==:"]),
        ("a=(,b=()", "a=:AA==:,b=:BA==:", ["b=()", "b=:BA==:"]),
        ("a=(),b=()", "a=:A\"A:,b=:BA==:", ["", ""]),
        ("a=(),b=()", "a=\"A\",b=:BA==:", ["b=()", "b=:BA==:"]),
        ("a=(),b=()", "a=:A A:,b=:,c:", ["", ""]),
        // No dictionary: of an older scheme (draft-cavage-http-signatures), or malformed.
        ("a=()", r#"keyId="k",headers="date",signature="AA==""#, ["", ""]),
        (r#"a=("x),b=()"#, "a=:AA==:,b=:BA==:", ["", ""]),
        (r#"a=("x\"),b=()"#, "a=:AA==:,b=:BA==:", ["", ""]),
        (r#"b=(),a=("x"#, "b=:BA==:,a=:AA==:", ["", ""]),
        ("a=(),,b=()", "a=:AA==:,b=:BA==:", ["", ""]),
        ("a=(),1b=()", "a=:AA==:,1b=:BA==:", ["", ""]),
        ("a=(),B=()", "a=:AA==:,b=:BA==:", ["", ""]),
        ("a=(),=()", "a=:AA==:,=:BA==:", ["", ""]),
        ("a=(\u{e9})", "a=:AA==:", ["", ""]),
        ("a=(\u{b})", "a=:AA==:", ["", ""]),
    ] {
        assert_eq!(kept(input, signature), expected, "{input} {signature}");
    }
    let many = |count: usize, value: &str| {
        (0..count).map(|at| format!("a{at}={value}")).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(kept(&many(16, "()"), &many(16, "::")), [many(16, "()"), many(16, "::")]);
    assert_eq!(kept(&many(17, "()"), &many(17, "::")), ["", ""]);
}

#[test]
fn a_header_that_an_origin_may_take_for_signature_input_is_removed() {
    let edits = Sent { headers: &[("signature_input", "toll=()"), ("signature-key", "x")], ..FREE }.edits();
    assert!(edits.as_str().contains("-signature_input\n"), "{edits:?}");
    assert!(!edits.as_str().contains("signature-key"), "{edits:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// The signature base is built in the test from the headers that are set, as RFC 9421, 2.5 says.
    #[test]
    fn the_signature_base_has_a_line_for_each_header_of_edgetoll(
        method in "[A-Z]{1,7}",
        path in "(/[!-~&&[^?#]]{0,9}){1,3}",
        query in r"(\?[!-~&&[^#]]{0,9})?",
        is_paid: bool,
        client in proptest::option::of("[0-9a-f]{1,8}"),
        has_token: bool,
        observed in proptest::option::of(200_u16..600),
        others in proptest::collection::vec(("[sS]ignature(-[iI]nput)?|x-toll-[a-z]{0,4}|accept", "[ -~]{0,40}"), 0..4),
    ) {
        let target = format!("{path}{query}");
        let headers: Vec<_> = others.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let sent = Sent {
            method: &method,
            target: &target,
            headers: &headers,
            observed: observed.filter(|_| !is_paid),
            is_paid,
            client: client.as_deref(),
            token: has_token.then_some(TOKEN),
        };
        let own = sent.set().into_iter().filter(|(name, _)| name.starts_with("X-Toll-"));
        let own: Vec<_> = own.map(|(name, value)| (name.to_lowercase(), value)).collect();
        let query = if query.is_empty() { "?" } else { &query };
        let mut base = format!("\"@method\": {method}\n\"@path\": {path}\n\"@query\": {query}\n");
        let mut input = r#"("@method" "@path" "@query""#.to_owned();
        for (name, value) in &own {
            base.push_str(&format!("\"{name}\": {value}\n"));
            input.push_str(&format!(" \"{name}\""));
        }
        input.push_str(r#");created=1700000000;keyid="toll";alg="hmac-sha256";tag="edgetoll""#);
        base.push_str(&format!("\"@signature-params\": {input}"));
        let tag = hmac_sha256(SECRET.as_bytes(), &[base.as_bytes()]);
        let [signed_input, signature] = sent.signed();
        let expected = [format!("toll={input}"), format!("toll=:{}:", base64::encode_standard(&tag))];
        prop_assert!(signed_input.ends_with(&expected[0]));
        prop_assert!(signature.ends_with(&expected[1]));
    }
}
