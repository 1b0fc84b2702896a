//! Compares edgetoll with the worked example in docs/protocol.md, whose values another program computed.

use super::caveat::{Caveat, CredentialScope, InvoiceTerms, Service, Terms};
use super::macaroon::{Encoding, Identifier, Macaroon, Signature};
use crate::crypto::{hmac_sha256, sha256};
use crate::hex::encode as hex;
use crate::keys::{KeySet, Keys, SigningKey, TollSecret, WeakSecret};
use crate::payment::{PaymentHash, Preimage, WalletSlot};
use crate::protocols::price::Price;

fn example(name: &str) -> String {
    let document = include_str!("../../../docs/protocol.md");
    let lines = document.lines().skip_while(|line| *line != "## 9. A worked example");
    let mut values = lines.filter_map(|line| line.strip_prefix("    ")?.split_once("  "));
    let value = values.find(|(key, _)| *key == name).unwrap_or_else(|| panic!("no {name}")).1;
    value.trim().to_owned()
}

#[test]
fn edgetoll_computes_the_values_of_the_worked_example_in_the_protocol_document() {
    let secret = example("secret");
    let set = KeySet::from_unchecked(&secret);
    let payment_hash = Preimage::from_hex(&example("preimage")).unwrap().payment_hash();
    assert_eq!(payment_hash.to_hex(), example("payment hash"));
    assert_eq!(hex(&set.key_id()), example("key id"));
    let identifier = Identifier::new(&set, payment_hash, &[7; 28]);
    assert_eq!(hex(&identifier.to_bytes()), example("identifier"));
    let purpose_key = hmac_sha256(secret.as_bytes(), &[b"edgetoll/1/v2-root"]);
    assert_eq!(hex(&purpose_key), example("K(v2-root)"));
    let root_key = hmac_sha256(&purpose_key, &[&identifier.to_bytes()]);
    assert_eq!(hex(&root_key), example("root key"));
    let signing_key = hmac_sha256(b"macaroons-key-generator", &[&root_key]);
    assert_eq!(hex(&signing_key), example("signing key"));

    let sold = example("what is sold");
    let digest = sha256(sold.as_bytes());
    assert_eq!(set.sold_as(&digest), example("sold_as"));
    let terms = Terms {
        service: Service::default(),
        expires_at_unix: 1_800_003_600,
        host: "api.example.com".to_owned(),
        scope: CredentialScope::Endpoint { endpoint: "/api/joke".to_owned(), method: Some("GET".to_owned()) },
        ip: None,
        uses: None,
        price: Price::Sats(5),
        sold_as: Some(set.sold_as(&digest)),
        payable_until_unix: 1_800_000_300,
    };
    let invoice = InvoiceTerms {
        amount_sats: 5,
        wallet: WalletSlot::FIRST,
        payable_until_unix: terms.payable_until_unix,
    };
    let key = identifier.signing_key(&set);
    let caveats = terms.caveats(Encoding::Standard, &invoice);
    assert_eq!(caveats.join(" , "), example("caveats"));
    let signature = key.sign(&identifier.to_bytes(), caveats.iter().map(|caveat| caveat.as_bytes()));
    assert_eq!(hex(&signature), example("signature"));
    let standard = Macaroon::standard(&key, &terms.host, &identifier).with_caveats(&caveats).unwrap();
    assert_eq!(standard.encode(), example("macaroon"));

    let mark = set.issuer_mark(&payment_hash);
    assert_eq!(mark, example("mark"));
    let mut caveats = terms.caveats(Encoding::LightningToll, &invoice);
    caveats.push(Caveat::issuer_mark(&mark));
    let lightning_toll =
        Macaroon::lightning_toll(set.lightning_toll_key(), payment_hash).with_caveats(&caveats).unwrap();
    assert_eq!(lightning_toll.encode(), example("lightning-toll macaroon"));
}

#[test]
fn the_secret_of_the_worked_example_is_refused_as_a_toll_secret() {
    assert_eq!(TollSecret::new(&example("secret")).err(), Some(WeakSecret::Sample));
}

/// The HMAC of a payment hash with the secret itself is the signature of a lightning-toll macaroon. A client must not
/// be able to choose the message of such an HMAC: it could choose a payment hash, and get a signature without payment.
#[test]
fn the_secret_itself_signs_only_lightning_toll_macaroons() {
    let secret = "7c1ef5a90b6d428391d7e6c05a4fb832";
    let keys = Keys::new(TollSecret::new(secret).unwrap(), None);
    let set = keys.current();
    let payment_hash = PaymentHash::from_bytes([3; 32]);
    let identifier = Identifier::new(set, payment_hash, &[7; 28]);
    let published = [
        set.issuer_mark(&payment_hash),
        set.client_pseudonym("203.0.113.7"),
        set.deployment_tag(),
        hex(&set.key_id()),
        hex(&identifier.signing_key(set).sign(&identifier.to_bytes(), [].into_iter())),
    ];
    let messages: [&[u8]; 8] = [
        payment_hash.as_bytes(),
        b"203.0.113.7",
        b"client:203.0.113.7",
        b"deployment",
        b"key-id",
        &identifier.to_bytes(),
        b"edgetoll/1/v2-root",
        b"edgetoll/1/native",
    ];
    for message in messages {
        let under_the_secret = hex(&hmac_sha256(secret.as_bytes(), &[message]));
        assert!(published.iter().all(|value| !under_the_secret.starts_with(value.as_str())), "{message:?}");
    }
    // The secret itself signs payment hashes. That is safe, because the wallet chooses the payment hash, not the
    // client.
    let signed = Macaroon::lightning_toll(set.lightning_toll_key(), payment_hash);
    assert_eq!(signed.signature(&keys), Signature::Valid);
    let message = payment_hash.to_hex();
    let expected = hex(&hmac_sha256(secret.as_bytes(), &[message.as_bytes()]));
    let key = SigningKey::lightning_toll(secret.as_bytes());
    assert_eq!(hex(&key.sign(message.as_bytes(), [].into_iter())), expected);
}
