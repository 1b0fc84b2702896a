//! The BOLT 11 parser, compared with the crate `lightning-invoice` and with the examples of BOLT 11.

use std::time::Duration;

use bitcoin::hashes::{Hash, sha256};
use bitcoin::secp256k1::{Secp256k1, SecretKey};
use edgetoll::bolt11::{Bolt11, Bolt11Error};
use edgetoll::strict_json::Json;
use lightning_invoice::{Bolt11Invoice, Currency, InvoiceBuilder, PaymentSecret};
use proptest::prelude::*;

fn vectors() -> Json {
    Json::parse(include_bytes!("../vectors/bolt11.json")).unwrap()
}

fn assert_same_as_lightning_invoice(text: &str) {
    let expected: Bolt11Invoice = text.parse().unwrap();
    let parsed = Bolt11::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(parsed.payment_hash().as_bytes(), expected.payment_hash().as_byte_array(), "{text}");
    assert_eq!(parsed.amount_msat(), expected.amount_milli_satoshis(), "{text}");
    assert_eq!(parsed.expiry_s(), expected.expiry_time().as_secs(), "{text}");
    assert_eq!(parsed.timestamp_unix(), expected.duration_since_epoch().as_secs(), "{text}");
    let network = match expected.currency() {
        Currency::Bitcoin => "bc",
        Currency::BitcoinTestnet => "tb",
        Currency::Regtest => "bcrt",
        Currency::Simnet => "sb",
        Currency::Signet => "tbs",
    };
    assert_eq!(parsed.network(), network, "{text}");
}

#[test]
fn the_valid_examples_of_bolt_11_are_parsed_as_the_crate_lightning_invoice_parses_them() {
    let vectors = vectors();
    let valid = vectors.get("valid").unwrap().as_array().unwrap();
    assert_eq!(valid.len(), 15);
    for invoice in valid {
        assert_same_as_lightning_invoice(invoice.as_str().unwrap());
        assert_same_as_lightning_invoice(&invoice.as_str().unwrap().to_ascii_uppercase());
    }
}

#[test]
fn the_invalid_examples_of_bolt_11_are_refused_except_those_with_invalid_features_or_signatures() {
    let vectors = vectors();
    for entry in vectors.get("invalid").unwrap().as_array().unwrap() {
        let invoice = entry.get("invoice").unwrap().as_str().unwrap();
        let error = entry.get("lightning_invoice").unwrap().as_str().unwrap();
        let is_checked_by_payers = error.contains("InvalidFeatures") || error.contains("InvalidSignature");
        assert_eq!(Bolt11::parse(invoice).is_ok(), is_checked_by_payers, "{error}: {invoice}");
    }
}

#[test]
fn an_invoice_with_one_changed_character_is_refused() {
    let vectors = vectors();
    let invoice = vectors.get("valid").unwrap().as_array().unwrap()[1].as_str().unwrap();
    for at in invoice.rfind('1').unwrap() + 1..invoice.len() {
        let character = if &invoice[at..=at] == "q" { "p" } else { "q" };
        let changed = format!("{}{character}{}", &invoice[..at], &invoice[at + 1..]);
        assert_eq!(Bolt11::parse(&changed), Err(Bolt11Error::Checksum), "at {at}");
    }
}

/// Returns an invoice with a field inserted after its timestamp, and with a new checksum (BIP 173).
fn with_field(invoice: &str, field: &str) -> String {
    const CHARSET: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    let (prefix, data) = invoice.rsplit_once('1').unwrap();
    let data = format!("{}{field}{}", &data[..7], &data[7..data.len() - 6]);
    let high = prefix.bytes().map(|b| b >> 5);
    let low = prefix.bytes().map(|b| b & 31);
    let groups = data.chars().map(|c| u8::try_from(CHARSET.find(c).unwrap()).unwrap());
    let values = high.chain([0]).chain(low).chain(groups).chain([0; 6]);
    let generator = [0x3b6a_57b2_u32, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let residue = values.fold(1_u32, |residue, value| {
        let shifted = ((residue & 0x01ff_ffff) << 5) ^ u32::from(value);
        (0..5).filter(|bit| (residue >> 25 >> bit) & 1 == 1).fold(shifted, |sum, bit| sum ^ generator[bit])
    }) ^ 1;
    let checksum = (0..6).map(|at| &CHARSET[(residue >> (5 * (5 - at)) & 31) as usize..][..1]);
    format!("{prefix}1{data}{}", checksum.collect::<String>())
}

#[test]
fn an_invoice_of_more_than_4096_bytes_is_refused() {
    let vectors = vectors();
    let invoice = vectors.get("valid").unwrap().as_array().unwrap()[1].as_str().unwrap();
    // Feature fields (type `9`) that fill the invoice up to the given length.
    let long = |length: usize| {
        let field = |groups: usize| {
            const CHARSET: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
            let digit = |value: usize| &CHARSET[value..=value];
            format!("9{}{}{}", digit(groups / 32), digit(groups % 32), "q".repeat(groups))
        };
        let mut left = length - invoice.len();
        let mut fields = String::new();
        while left > 1_003 {
            fields += &field(500);
            left -= 503;
        }
        with_field(invoice, &(fields + &field(left - 3)))
    };
    for (length, expected) in [(4_095, None), (4_096, None), (4_097, Some(Bolt11Error::NotBech32))] {
        let invoice = long(length);
        assert_eq!((invoice.len(), Bolt11::parse(&invoice).err()), (length, expected));
    }
}

#[test]
fn an_invoice_with_two_payment_hashes_is_refused_unless_they_are_equal() {
    let vectors = vectors();
    let valid = vectors.get("valid").unwrap().as_array().unwrap();
    let invoice = valid[1].as_str().unwrap();
    let at = invoice.find("pp5").unwrap();
    let same_hash = &invoice[at..at + 3 + 52];
    let other_padding = format!("{}{}", &same_hash[..54], if same_hash.ends_with('q') { 'y' } else { 'q' });
    let other_hash = same_hash.replacen("qqqsyq", "pqqsyq", 1);
    assert_eq!(with_field(invoice, ""), invoice);
    assert!(Bolt11::parse(&with_field(invoice, same_hash)).is_ok());
    assert_ne!(other_hash, same_hash);
    assert_eq!(Bolt11::parse(&with_field(invoice, &other_hash)), Err(Bolt11Error::TwoPaymentHashes));
    // The last four bits of a payment hash field are padding: fields that differ only there have the same payment hash.
    assert!(Bolt11::parse(&with_field(invoice, &other_padding)).is_ok());
}

proptest! {
    #[test]
    fn random_invoices_are_parsed_as_the_crate_lightning_invoice_parses_them(
        hash in any::<[u8; 32]>(),
        key in 1_u8..=250,
        amount_msat in proptest::option::of(1_u64..10_000_000_000),
        timestamp_unix in 1_500_000_000_u64..3_000_000_000,
        expiry_s in proptest::option::of(0_u64..1 << 33),
        memo in "\\PC{0,80}",
        network in prop_oneof![
            Just(Currency::Bitcoin), Just(Currency::BitcoinTestnet), Just(Currency::Regtest), Just(Currency::Signet)
        ],
    ) {
        let secret_key = SecretKey::from_slice(&[key; 32]).unwrap();
        let builder = InvoiceBuilder::new(network)
            .description(memo)
            .payment_hash(sha256::Hash::from_byte_array(hash))
            .payment_secret(PaymentSecret([7; 32]))
            .duration_since_epoch(Duration::from_secs(timestamp_unix))
            .min_final_cltv_expiry_delta(18);
        let builder = match amount_msat {
            Some(amount_msat) => builder.amount_milli_satoshis(amount_msat),
            None => builder,
        };
        let builder = match expiry_s {
            Some(expiry_s) => builder.expiry_time(Duration::from_secs(expiry_s)),
            None => builder,
        };
        let sign = |hash: &_| Secp256k1::new().sign_ecdsa_recoverable(hash, &secret_key);
        assert_same_as_lightning_invoice(&builder.build_signed(sign).unwrap().to_string());
    }

    #[test]
    fn no_text_makes_the_invoice_parser_panic(text in "\\PC{0,200}", data in "ln(bc|tb|)[0-9]{0,20}[munpx]?1[a-z0-9]{0,200}") {
        let _ = (Bolt11::parse(&text), Bolt11::parse(&data));
    }
}
