//! Reads any bytes as the journal of the client. What a payment says may not panic, and a journal that could be read can be read again.
#![no_main]

use std::fs;

use edgetoll::client::journal::Journal;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let file = std::env::temp_dir().join(format!("edgetoll-fuzz-journal-{}", std::process::id()));
    fs::write(&file, bytes).expect("the folder for temporary files can be written");
    let read = || Journal::open(&file)?.payments();
    let payments = read();
    for payment in payments.as_ref().into_iter().flatten() {
        let _ = (
            payment.counts(),
            payment.is_usable(edgetoll_fuzz::NOW_UNIX),
            payment.spent_sats(),
            payment.proof(),
        );
    }
    assert_eq!(payments.map(|all| all.len()).ok(), read().map(|all| all.len()).ok());
    let _ = fs::remove_file(&file);
});
