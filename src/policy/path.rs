//! One request path, two readings. *Strict* is the path as it arrived: it is priced, minted and forwarded. *Liberal* is
//! what a forgiving origin might make of it. Where the two select different routes and either costs, the request is
//! refused: nobody gets a priced page under a spelling that the price list does not know.

use crate::l402::percent;

/// The liberal reading: percent-decoded to a fixed point (at most four times), cut at NUL, `?` and `#`, control characters
/// dropped, `\` as `/`, `;…` dropped per segment, `//` collapsed, dots resolved, trailing space, dot and `/` stripped,
/// and its case folded.
pub fn liberal(path: &str, fold_case: FoldCase) -> String {
    let mut bytes = path.as_bytes().to_vec();
    for _ in 0..MAX_DECODINGS {
        let decoded = percent::decode(&bytes);
        if decoded == bytes {
            break;
        }
        bytes = decoded;
    }
    // What reparses a decoded path ends it there: C strings at NUL, URL parsers at a query or a fragment.
    let end = bytes.iter().position(|b| [0, b'?', b'#'].contains(b)).unwrap_or(bytes.len());
    bytes.truncate(end);
    bytes.retain(|b| !b.is_ascii_control());
    let text = String::from_utf8_lossy(&bytes).replace('\\', "/");
    let mut segments: Vec<&str> = Vec::new();
    for segment in text.split('/') {
        match segment.split(';').next().unwrap_or_default() {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            name => segments.push(name),
        }
    }
    let path = format!("/{}", segments.join("/"));
    let path = path.trim_end_matches(|c: char| c.is_whitespace() || c == '.' || c == '/');
    fold_case(if path.is_empty() { "/" } else { path })
}

/// How letters are made lower case, or left as they are where the origin tells `/A` from `/a`. Unicode's table is 7 KB of
/// compressed wasm that JavaScript has already, so the shell brings its own; natively it is `str::to_lowercase`.
pub type FoldCase = fn(&str) -> String;

const MAX_DECODINGS: usize = 4;
