//! Reads any text as a message of a relay, and decrypts it as the content of an event. No relay can forge a message of the wallet, so no
//! response and no notification may come of it.
#![no_main]

use edgetoll::nwc::connection::{Connection, Incoming};
use edgetoll::nwc::nip04;
use edgetoll::nwc::nip44::ConversationKey;
use edgetoll::nwc::uri::NwcUri;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &str| {
    let uri = NwcUri::parse(edgetoll_fuzz::NWC_URL).expect("the address is valid");
    let incoming = Connection::new(&uri).read(message);
    assert!(
        !matches!(incoming, Some(Incoming::Response { .. } | Incoming::Notification { .. })),
        "{incoming:?}"
    );
    assert!(ConversationKey::from_bytes(&[7; 32]).decrypt(message).is_err());
    let _ = nip04::decrypt(&[7; 32], message);
});
