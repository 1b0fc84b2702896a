//! The address of a wallet.

use edgetoll::nwc::uri::{NwcUri, NwcUriError};
use nostr::nips::nip47::NostrWalletConnectUri;
use proptest::prelude::*;

use super::{CLIENT, WALLET, address};

fn error(address: &str) -> Option<NwcUriError> {
    NwcUri::parse(address).err()
}

#[test]
fn an_address_is_read_as_by_another_implementation() {
    let (wallet, secret) = (WALLET.public_key().to_hex(), CLIENT.secret_key().to_secret_hex());
    for address in [
        // The example of NIP-47.
        "nostr+walletconnect://b889ff5b1513b641e2a139f661a661364979c5beee91842f8f0ef42ab558e9d4?relay=wss%3A%2F%2Frelay.damus.io&secret=71a8c14c1407c113601079c4302dab36460f0ccd0ad506f1f2dc73b5100e4f3c",
        &address(),
        &format!(
            "nostr+walletconnect://{wallet}?secret={secret}&relay=wss%3A%2F%2Fa.example.com%2Fv1%3Fx%3Dy&relay=wss://b.example.com:8443&lud16=me%40example.com"
        ),
        &format!("nostr+walletconnect://{wallet}?relay=ws://localhost:7777&secret={}", secret.to_uppercase()),
        &format!("nostr+walletconnect://{wallet}?relay=ws://[::1]:7777&secret={secret}&&x"),
    ] {
        let ours = NwcUri::parse(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        let theirs = NostrWalletConnectUri::parse(address).unwrap();
        assert_eq!(ours.identity(), [theirs.public_key.to_hex(), theirs.secret.to_secret_hex()]);
        let relays: Vec<&str> =
            theirs.relays.iter().map(|relay| relay.as_str_without_trailing_slash()).collect();
        assert_eq!(ours.relays(), relays);
        let short = address.replacen("://", ":", 1);
        assert!(NwcUri::parse(&short).is_ok_and(|short| short.identity() == ours.identity()), "{short}");
    }
}

#[test]
fn an_address_that_is_incomplete_is_refused_without_showing_it() {
    let good = address();
    let (wallet, secret) = (WALLET.public_key().to_hex(), CLIENT.secret_key().to_secret_hex());
    for (bad, expected) in [
        (String::new(), NwcUriError::Form),
        (good.replace("nostr+", ""), NwcUriError::Form),
        (good.replace('?', "&"), NwcUriError::Form),
        (format!("{good}#x"), NwcUriError::Form),
        (format!("{good}&x={}", "x".repeat(4_096)), NwcUriError::Form),
        (good.replace(&wallet, &wallet[1..]), NwcUriError::PublicKey),
        (good.replace(&wallet, &format!("user@{wallet}")), NwcUriError::PublicKey),
        // No point of the curve has this x coordinate: vector 5 of BIP-340.
        (
            good.replace(&wallet, "eefdea4cdb677750a420fee807eacf21eb9898ae79b9768766e4faa04a2d4a34"),
            NwcUriError::PublicKey,
        ),
        (good.replace("secret=", "key="), NwcUriError::Secret),
        (good.replace(&secret, &secret[1..]), NwcUriError::Secret),
        (good.replace(&secret, &"00".repeat(32)), NwcUriError::Secret),
        (good.replace(&secret, &"ff".repeat(32)), NwcUriError::Secret),
        (format!("{good}&secret={secret}"), NwcUriError::Secret),
        (good.replace("relay=", "r="), NwcUriError::Relays),
        (format!("{good}{}", "&relay=wss://relay.example.com".repeat(8)), NwcUriError::Relays),
    ] {
        assert_eq!(error(&bad), Some(expected), "{bad}");
    }
    for error in [NwcUriError::Form, NwcUriError::PublicKey, NwcUriError::Secret, NwcUriError::Relays] {
        assert!(error.to_string().starts_with("must "), "{error}");
    }
    assert_eq!(error(&format!("{good}{}", "&relay=wss://relay.example.com".repeat(7))), None);
}

#[test]
fn a_relay_that_others_could_read_or_that_has_a_user_is_refused() {
    for relay in [
        "",
        "relay.example.com",
        "https://relay.example.com",
        "ws://relay.example.com",
        "ws://localhost.example.com",
        "wss://",
        "wss://user:password@relay.example.com",
        "wss://relay.example.com/%23x",
        "wss://relay.example.com/a%20b",
        "wss://relay.example.com/%0d%0a",
        "wss:relay.example.com",
        &format!("wss://relay.example.com/{}", "x".repeat(240)),
    ] {
        let address = address().replace("wss://relay.example.com", relay);
        assert_eq!(error(&address), Some(NwcUriError::Relays), "{relay}");
        // One such relay among others is refused too.
        assert_eq!(
            error(&format!("{}&relay={relay}", super::address())),
            Some(NwcUriError::Relays),
            "{relay}"
        );
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,100}", at: prop::sample::Index) {
        let _ = NwcUri::parse(&text);
        let mut address = address();
        address.insert_str(at.index(address.len()), &text);
        let _ = NwcUri::parse(&address);
    }
}
