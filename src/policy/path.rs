//! One request path, many readings. *Strict* is the path as it arrived: it is priced, minted and forwarded. All others are
//! what some origin might make of it: one decodes twice, one ends a path at `;`, one takes `\` for `/`. Where another
//! reading is for another route and either costs, the request is refused: nobody gets a priced page under a spelling that
//! the price list does not know.

use crate::l402::percent;

/// How letters are made lower case, or left as they are where the origin tells `/A` from `/a`. Unicode's table is 7 KB of
/// compressed wasm that JavaScript has already, so the shell brings its own; natively it is `str::to_lowercase`.
pub type FoldCase = fn(&str) -> String;

/// The most forgiving reading: percent-decoded to a fixed point (at most four times), control characters dropped, `\` as
/// `/`, `;…` dropped per segment, `//` collapsed, trailing space, dot and `/` stripped, its case folded.
pub fn liberal(path: &str, fold_case: FoldCase) -> String {
    let deepest = decodings(path).pop().unwrap_or_default();
    let steps = [without_controls, with_slashes, without_parameters, without_trailing];
    finish(&steps.iter().fold(deepest, |bytes, step| step(&bytes)), fold_case)
}

/// Every other reading: each depth of decoding, with each of the liberties that an origin may or may not take.
pub fn others(path: &str, fold_case: FoldCase) -> Vec<String> {
    let mut readings = decodings(path);
    for step in LIBERTIES {
        let taken: Vec<Vec<u8>> = readings.iter().map(|bytes| step(bytes)).collect();
        for bytes in taken {
            if !readings.contains(&bytes) {
                readings.push(bytes);
            }
        }
    }
    readings.iter().map(|bytes| finish(bytes, fold_case)).collect()
}

/// Whether some origin might read a `.` or `..` segment in it. The runtime has resolved those that it saw: one that is left
/// is hidden behind an encoding or a `;`, and how far it climbs differs from origin to origin.
pub fn has_dot_segment(path: &str) -> bool {
    let is_dots = |segment: &[u8]| {
        let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        let mut rest = name.iter().filter(|byte| !byte.is_ascii_control() && **byte != b' ');
        matches!((rest.next(), rest.next(), rest.next()), (Some(b'.'), None | Some(b'.'), None))
    };
    decodings(path).iter().any(|bytes| bytes.split(|byte| b"/\\?#\0".contains(byte)).any(is_dots))
}

/// The names of a pattern's segment, folded as the most forgiving reading folds a path. A name at the end of a pattern
/// loses its trailing space and dots there too.
pub fn fold_segment(name: &str, is_last: bool, fold_case: FoldCase) -> Vec<String> {
    let deepest = decodings(name).pop().unwrap_or_default();
    let bytes = without_parameters(&with_slashes(&without_controls(&deepest)));
    let bytes = if is_last { without_trailing(&bytes) } else { bytes };
    let folded = finish(&bytes, fold_case);
    folded.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The path as it is, decoded once, twice, until nothing changes.
fn decodings(path: &str) -> Vec<Vec<u8>> {
    let mut levels = vec![path.as_bytes().to_vec()];
    for _ in 0..MAX_DECODINGS {
        let decoded = percent::decode(levels.last().map_or(&[], Vec::as_slice));
        if levels.last() == Some(&decoded) {
            break;
        }
        levels.push(decoded);
    }
    levels
}

/// Something that an origin may do to a path.
type Liberty = fn(&[u8]) -> Vec<u8>;

/// In the order in which an origin that takes several would.
const LIBERTIES: [Liberty; 6] = [
    before_query,
    without_controls,
    with_slashes,
    without_parameters,
    behind_front_controller,
    without_trailing,
];

/// What parses a decoded path again ends it at a query or a fragment, C strings end at NUL.
fn before_query(path: &[u8]) -> Vec<u8> {
    path.split(|byte| b"?#\0".contains(byte)).next().unwrap_or_default().to_vec()
}

fn without_controls(path: &[u8]) -> Vec<u8> {
    path.iter().copied().filter(|byte| !byte.is_ascii_control()).collect()
}

fn with_slashes(path: &[u8]) -> Vec<u8> {
    path.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect()
}

fn without_parameters(path: &[u8]) -> Vec<u8> {
    let names = path.split(|byte| *byte == b'/').map(|segment| segment.split(|byte| *byte == b';').next());
    names.map(Option::unwrap_or_default).collect::<Vec<_>>().join(&b'/')
}

/// `/index.php/x` is `/x` to a front controller, and `/x.php/y` is `/x.php` to all of PHP.
fn behind_front_controller(path: &[u8]) -> Vec<u8> {
    let at = path.windows(5).position(|window| window.eq_ignore_ascii_case(b".php/"));
    let Some((script, rest)) = at.and_then(|at| path.split_at_checked(at.checked_add(4)?)) else {
        return path.to_vec();
    };
    if script.eq_ignore_ascii_case(b"/index.php") { rest.to_vec() } else { script.to_vec() }
}

fn without_trailing(path: &[u8]) -> Vec<u8> {
    let end = path.iter().rposition(|byte| !b" ./\t".contains(byte)).map_or(0, |at| at.saturating_add(1));
    path.get(..end).unwrap_or_default().to_vec()
}

fn finish(path: &[u8], fold_case: FoldCase) -> String {
    let text = String::from_utf8_lossy(path);
    let names: Vec<&str> = text.split('/').filter(|name| !name.is_empty()).collect();
    fold_case(&format!("/{}", names.join("/")))
}

const MAX_DECODINGS: usize = 4;
