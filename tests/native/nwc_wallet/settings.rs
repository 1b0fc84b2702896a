//! The settings `NWC_URL` to `NWC_URL_8`.

use edgetoll::config::{Paywall, Settings};
use edgetoll::error::RequestError;
use edgetoll::payment::WalletSlot;
use edgetoll::wallet::Wallet;

use crate::support::settings::{decide, error, settings};

const LIST: &str = r#"{"routes":[{"path":"/sold","sats":5}]}"#;
const WALLET_KEY: &str = "b889ff5b1513b641e2a139f661a661364979c5beee91842f8f0ef42ab558e9d4";
const SECRET_KEY: &str = "71a8c14c1407c113601079c4302dab36460f0ccd0ad506f1f2dc73b5100e4f3c";

/// The example of NIP-47.
fn url() -> String {
    format!("nostr+walletconnect://{WALLET_KEY}?relay=wss%3A%2F%2Frelay.damus.io&secret={SECRET_KEY}")
}

/// Returns the settings without an LNbits in slot 1, after changes.
fn nwc_settings(changes: &[(&str, Option<&str>)]) -> Settings {
    let without = [("LNBITS_URL", None), ("LNBITS_KEY", None)];
    let without = without.iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    settings(Some(LIST), &changes.iter().chain(without).copied().collect::<Vec<_>>())
}

/// Returns the slots that have a wallet, with `n` for NWC and `l` for LNbits.
fn slots(settings: &Settings) -> String {
    let Some((_, wallets)) = settings.keys_and_wallets() else { return "closed".to_owned() };
    let kind = |slot| match wallets.get(slot) {
        Some(Wallet::Nwc(_)) => "n",
        Some(Wallet::Lnbits(_)) => "l",
        None => "-",
    };
    wallets.slots().map(|slot| format!("{}{}", slot.as_str(), kind(slot))).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_slot_has_an_nwc_wallet_or_an_lnbits() {
    let url = url();
    let nwc = Some(url.as_str());
    let (lnbits, key) = (Some("https://lnbits.test"), Some("0123456789abcdef"));
    for (changes, expected) in [
        (&[("NWC_URL", nwc)][..], "1n"),
        (
            &[("NWC_URL", nwc), ("LNBITS_URL_2", lnbits), ("LNBITS_KEY_2", key), ("NWC_URL_8", nwc)],
            "1n 2l 8n",
        ),
        (&[("LNBITS_URL", lnbits), ("LNBITS_KEY", key), ("NWC_URL_2", nwc)], "1l 2n"),
    ] {
        let settings = nwc_settings(changes);
        assert_eq!((slots(&settings).as_str(), &settings.faults), (expected, &Vec::new()));
        assert!(matches!(settings.paywall, Paywall::Selling { .. }));
    }
    for (slot, number) in WalletSlot::ALL.into_iter().zip(1..) {
        let name = if number == 1 { "NWC_URL".to_owned() } else { format!("NWC_URL_{number}") };
        assert_eq!(slot.nwc_setting(), name);
        let settings = nwc_settings(&[("NWC_URL", nwc), (&name, nwc)]);
        let expected = if number == 1 { "1n".to_owned() } else { format!("1n {number}n") };
        assert_eq!(slots(&settings), expected);
        let wallet = settings.keys_and_wallets().unwrap().1.get(slot).unwrap();
        assert_eq!(wallet.identity(), [WALLET_KEY, SECRET_KEY]);
    }
    let spaced = format!(" {url}\n");
    assert_eq!(slots(&nwc_settings(&[("NWC_URL", Some(&spaced))])), "1n");
}

#[test]
fn a_price_in_a_currency_is_reported_if_no_wallet_converts_it() {
    let url = url();
    let nwc = [("LNBITS_URL", None), ("LNBITS_KEY", None), ("NWC_URL", Some(url.as_str()))];
    let lnbits = [("LNBITS_URL_2", Some("https://two.test")), ("LNBITS_KEY_2", Some("0123456789abcdef"))];
    let list = r#"{"routes":[{"path":"/usd","fiat":"0.01 USD"},{"path":"/sats","sats":5}]}"#;
    let faults = settings(Some(list), &nwc).faults;
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(
        faults[0].starts_with("/usd has a price in a currency, which only LNbits can convert"),
        "{faults:?}"
    );
    assert_eq!(settings(Some(list), &[&nwc[..], &lnbits].concat()).faults, [""; 0]);
}

#[test]
fn a_mistake_in_one_slot_closes_the_paywall_and_is_named_without_its_value() {
    let url = url();
    let nwc = Some(url.as_str());
    let (lnbits, key) = (Some("https://lnbits.test"), Some("0123456789abcdef"));
    let relay = "must have 1 to 8 relays, each a wss URL (ws only for localhost) without user or fragment";
    let form = "must be nostr+walletconnect://<public key>?relay=<URL>&secret=<key>, as the wallet shows it";
    let secret = "must have one `secret` of 64 hexadecimal digits, as the wallet shows it";
    let public =
        "must have the public key of the wallet, 64 hexadecimal digits, after nostr+walletconnect://";
    let both =
        |one: &str, two: &str| format!("{one} and {two} are both set: remove one, or use another slot");
    let named = |name: &str, what: &str| format!("{name} {what}");
    let (no_scheme, plain) = (url.replace("nostr+", ""), url.replace("wss%3A", "ws%3A"));
    let (short_secret, short_key) =
        (url.replace(SECRET_KEY, &SECRET_KEY[1..]), url.replace(WALLET_KEY, &WALLET_KEY[1..]));
    let broken = url.replace("&secret", "\n&secret");
    for (changes, expected) in [
        (&[("NWC_URL", Some(no_scheme.as_str()))][..], vec![named("NWC_URL", form)]),
        (&[("NWC_URL", Some(&plain))], vec![named("NWC_URL", relay)]),
        (&[("NWC_URL", Some(&short_secret))], vec![named("NWC_URL", secret)]),
        (&[("NWC_URL", Some(&short_key))], vec![named("NWC_URL", public)]),
        (&[("NWC_URL", Some(SECRET_KEY))], vec![named("NWC_URL", form)]),
        (
            &[("NWC_URL", Some(" "))],
            vec!["NWC_URL has only white space: remove it, or set it again".to_owned()],
        ),
        (
            &[("NWC_URL", Some(&broken))],
            vec![
                "NWC_URL contains an invisible character, such as a line feed or a byte order mark: set it again without it"
                    .to_owned(),
            ],
        ),
        (&[("NWC_URL", nwc), ("NWC_URL_8", Some(&plain))], vec![named("NWC_URL_8", relay)]),
        (
            &[("NWC_URL", nwc), ("LNBITS_URL", lnbits), ("LNBITS_KEY", key)],
            vec![both("LNBITS_URL", "NWC_URL")],
        ),
        (
            &[("NWC_URL", nwc), ("LNBITS_URL_3", lnbits), ("NWC_URL_3", nwc)],
            vec![both("LNBITS_URL_3", "NWC_URL_3")],
        ),
        // Every mistake is named, not only the first.
        (
            &[("NWC_URL", Some(&no_scheme)), ("NWC_URL_2", Some(&plain)), ("LNBITS_URL_4", lnbits)],
            vec![named("NWC_URL", form), named("NWC_URL_2", relay), named("LNBITS_KEY_4", "is missing")],
        ),
        // Slot 1 is required.
        (&[("NWC_URL_2", nwc)], vec!["LNBITS_URL and LNBITS_KEY, or NWC_URL, are missing".to_owned()]),
    ] {
        let settings = nwc_settings(changes);
        assert_eq!((slots(&settings).as_str(), &settings.faults), ("closed", &expected));
        assert_eq!(error(decide(&settings, "https://x/sold", "GET", None)), RequestError::NotConfigured);
        let shown = settings.faults.join("\n");
        for part in [&WALLET_KEY[..8], &SECRET_KEY[1..9], "damus", "0123456789abcdef", "lnbits.test"] {
            assert!(!shown.contains(part), "{shown}");
        }
    }
}
