//! The keys and tags of a deployment are derived as the table in `src/keys/mod.rs` says.
//!
//! Each expected value was computed with Python's `hmac` module, for example:
//! `hmac.digest(hmac.digest(secret, b"edgetoll/1/settled", "sha256"), b"paid:" + payment_hash, "sha256").hex()[:32]`

use std::collections::BTreeSet;

use edgetoll::crypto::hmac_sha256;
use edgetoll::keys::{Keys, TollSecret};
use edgetoll::payment::PaymentHash;

#[test]
fn keys_and_tags_are_derived_as_documented() {
    let keys = Keys::new(TollSecret::new("b1946ac92492d2347c6235b4d2611184").unwrap(), None);
    let keys = keys.current();
    let payment_hash = PaymentHash::from_bytes(std::array::from_fn(|at| at as u8));
    let derived = [
        hex(&keys.key_id()),
        keys.issuer_mark(&payment_hash),
        keys.client_pseudonym("192.0.2.1"),
        keys.free_tier_key("/api/joke", "192.0.2.1"),
        keys.deployment_tag(),
        keys.settlement_key(&payment_hash),
        keys.cookie_tag(&payment_hash, 1_700_000_000, &[7; 32]),
        keys.wallet_key(["https://lnbits.example", "key"]),
        keys.webhook_tag("nonce"),
        hex(&keys.admin_tag(&[b"session:", b"x"])),
        keys.sold_as(&[7; 32]),
    ];
    let expected = [
        "d80e1a6f",
        "442b455e8dec0e8fe32a22b1928d8a51",
        "139f3e15005ee5f2d4a1887418aaa336",
        "e3bc244b88968001fba03d2552e89f25",
        "efb7c8ca6c560dbaef3b16b0c6c7576e",
        "56092561f4b9a4ed44b11f3bf2c49b84",
        "e334d210a7c9f2f1fc55a723bc0609cd5958bbb45d158dfa3a389d34cadaa496",
        "2f364b77e3e3cc4ed45965ccc3188fa6",
        "5887f014751383929558bc4513c94510848e009b77366e45d0553bdf1c49b4fe",
        "148c171dabb7217d05f6412ff2fbb3d1dd7826191da7e9e2d22f30d2fe548de0",
        "efefdf9486ff8d73cfbd49ceaea3c806",
    ];
    assert_eq!(derived, expected);
}

/// The cases 1, 2 and 6 of RFC 4231, and two keys around the block size of 64 bytes, computed with Python's `hmac`
/// module.
#[test]
fn an_hmac_is_computed_as_in_rfc_4231() {
    let hash_first = "Test Using Larger Than Block-Size Key - Hash Key First";
    for (key, data, expected) in [
        (vec![0x0b; 20], "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (
            b"Jefe".to_vec(),
            "what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (vec![0xaa; 64], "Hi There", "ebef34e13d0a0fe04593d043bc7a865106db0604211d404c18206d862e5d7852"),
        (vec![0xaa; 65], "Hi There", "00af6c42340b99e2e1d9a1cdf1547be431fe2e9bab3215c68d013ba858891927"),
        (vec![0xaa; 131], hash_first, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
    ] {
        let (start, end) = data.split_at(3);
        assert_eq!(hex(&hmac_sha256(&key, &[data.as_bytes()])), expected);
        assert_eq!(hex(&hmac_sha256(&key, &[start.as_bytes(), end.as_bytes()])), expected);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

// M2: if wallets shared a key, the probe of one would count for another, and the ledger would read two lists with one cursor.
#[test]
fn each_wallet_has_a_key_of_its_own() {
    let keys = Keys::new(TollSecret::new("b1946ac92492d2347c6235b4d2611184").unwrap(), None);
    let identities = [
        ["https://a.test", "key-1"],
        ["https://a.test", "key-2"],
        ["https://b.test", "key-1"],
        ["https://a.testkey", "-1"],
    ];
    let wallet_keys: BTreeSet<String> =
        identities.into_iter().map(|identity| keys.current().wallet_key(identity)).collect();
    assert_eq!(wallet_keys.len(), identities.len());
}
