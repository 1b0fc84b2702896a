//! The SQL scripts of `sql/`. The compiler removes their comments and indentation, which would be 1.4 KB of the
//! compressed Worker.

/// Returns a script of `sql/` without comments and indentation.
macro_rules! script {
    ($file:literal) => {{
        const SOURCE: &str = include_str!(concat!("sql/", $file));
        const LENGTH: usize = $crate::ledger::sql::strip::<{ SOURCE.len() }>(SOURCE).1;
        const STRIPPED: [u8; LENGTH] = $crate::ledger::sql::strip(SOURCE).0;
        const TEXT: &str = match std::str::from_utf8(&STRIPPED) {
            Ok(text) => text,
            Err(_) => SOURCE,
        };
        TEXT
    }};
}
pub(super) use script;

/// Copies a script without the lines that are comments and without the spaces before the other lines. Returns the copy
/// and its length, which is at most `N`.
#[expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "runs in the compiler, which reports a panic as an error"
)]
pub(super) const fn strip<const N: usize>(script: &str) -> ([u8; N], usize) {
    let (mut copy, mut length, mut rest) = ([0; N], 0, script.as_bytes());
    let (mut starts_line, mut is_comment) = (true, false);
    while let [byte, after @ ..] = rest {
        is_comment |= starts_line && matches!(rest, [b'-', b'-', ..]);
        let is_indentation = starts_line && *byte == b' ';
        if !is_comment && !is_indentation {
            copy[length] = *byte;
            length += 1;
        }
        starts_line = is_indentation || *byte == b'\n';
        is_comment &= *byte != b'\n';
        rest = after;
    }
    (copy, length)
}
