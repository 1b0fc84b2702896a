//! One request path, many readings. *Strict* is the path as it arrived: it is priced, minted and forwarded. All others are
//! what some origin might make of it: one decodes twice, one ends a path at `;`, one takes `\` for `/`. Where another
//! reading is for another route and either costs, the request is refused: nobody gets a priced page under a spelling that
//! the price list does not know.

use crate::http::percent;

/// How letters lose their case: to upper case and then to lower case, which also finds `ſ` and `ı`; or left as they are where
/// the origin tells `/A` from `/a`. Unicode's tables are 7 KB of compressed wasm that JavaScript has already, so the shell
/// brings its own; natively it is [`fold_case`].
pub type FoldCase = fn(&str) -> String;

/// Letters without their case.
pub fn fold_case(text: &str) -> String {
    text.to_uppercase().to_lowercase()
}

/// The most forgiving reading: percent-decoded to a fixed point (at most four times), control characters dropped, `\` as
/// `/`, `;…` dropped per segment, `//` collapsed, trailing space, dot and `/` stripped, the name of a folder's index
/// dropped, its case folded.
pub fn normalize(path: &str, fold_case: FoldCase) -> String {
    let deepest = decodings(path).pop().unwrap_or_default();
    let steps =
        [without_controls, with_slashes, without_parameters, without_trailing, collapsed, without_index];
    finish(&steps.iter().fold(deepest, |bytes, step| step(&bytes)), fold_case)
}

/// Every reading: each liberty that an origin may or may not take, one after the other, again and again until nothing new
/// comes out. `None` where there are too many: no honest path has so many.
pub fn normalized_forms(path: &str) -> Option<Vec<Vec<u8>>> {
    let mut readings = vec![path.as_bytes().to_vec()];
    let mut known = 0;
    while known < readings.len() {
        known = readings.len();
        for step in NORMALIZATIONS {
            let taken: Vec<Vec<u8>> = readings.iter().map(|bytes| step(bytes)).collect();
            for bytes in taken {
                if !readings.contains(&bytes) {
                    readings.push(bytes);
                }
            }
            let bytes = readings.iter().fold(0_usize, |sum, bytes| sum.saturating_add(bytes.len()));
            if readings.len() > MAX_READINGS || (readings.len() > 1 && bytes > MAX_READ_BYTES) {
                return None;
            }
        }
    }
    Some(readings)
}

/// Whether some origin might read a `.` or `..` segment in one of its readings. The runtime has resolved those that it saw:
/// one that is left is hidden behind an encoding or a `;`, and how far it climbs differs from origin to origin.
pub fn has_dot_segment(readings: &[Vec<u8>]) -> bool {
    let is_dots = |segment: &[u8]| {
        let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        let mut rest = name.iter().filter(|byte| !byte.is_ascii_control() && **byte != b' ');
        matches!((rest.next(), rest.next(), rest.next()), (Some(b'.'), None | Some(b'.'), None))
    };
    readings.iter().any(|bytes| bytes.split(|byte| b"/\\?#\0".contains(byte)).any(is_dots))
}

/// The names of a pattern's segment, folded as the most forgiving reading folds a path. A name at the end of a pattern
/// loses its trailing space and dots there too, and is dropped where it is a folder's index.
pub fn fold_segment(name: &str, is_last: bool, fold_case: FoldCase) -> Vec<String> {
    let deepest = decodings(name).pop().unwrap_or_default();
    let bytes = without_parameters(&with_slashes(&without_controls(&deepest)));
    let bytes = if is_last { without_trailing(&bytes) } else { bytes };
    let folded = finish(&bytes, fold_case);
    let is_dropped = |name: &str| name.is_empty() || is_last && is_index(name.as_bytes());
    folded.split('/').filter(|name| !is_dropped(name)).map(str::to_owned).collect()
}

/// Whether an origin that parses a decoded path again would find a query in it.
pub fn hides_query(path: &str) -> bool {
    decodings(path).iter().any(|bytes| bytes.contains(&b'?'))
}

/// A reading as patterns are compared with it.
pub fn finish(path: &[u8], fold_case: FoldCase) -> String {
    let text = String::from_utf8_lossy(path);
    let names: Vec<&str> = text.split('/').filter(|name| !name.is_empty()).collect();
    // The dot is what is left of the `İ` in lower case.
    fold_case(&format!("/{}", names.join("/"))).replace('\u{307}', "")
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
type Normalization = fn(&[u8]) -> Vec<u8>;

/// In the order in which an origin that takes several would.
const NORMALIZATIONS: [Normalization; 12] = [
    percent::decode,
    behind_authority,
    before_query,
    without_controls,
    with_slashes,
    without_parameters,
    collapsed,
    without_front_controller,
    script,
    without_index,
    trimmed,
    without_trailing,
];

/// What parses `//x/sold` as a URL takes `x` for a host.
fn behind_authority(path: &[u8]) -> Vec<u8> {
    let authority = path.strip_prefix(b"//").unwrap_or_default();
    let at = authority.iter().position(|byte| *byte == b'/');
    at.and_then(|at| authority.get(at..)).unwrap_or(path).to_vec()
}

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
    each_name(path, |name| name.split(|byte| *byte == b';').next().unwrap_or_default())
}

fn collapsed(path: &[u8]) -> Vec<u8> {
    let is_second = |(at, byte): &(usize, &u8)| {
        **byte == b'/' && at.checked_sub(1).is_some_and(|before| path.get(before) == Some(&b'/'))
    };
    path.iter().enumerate().filter(|one| !is_second(one)).map(|(_, byte)| *byte).collect()
}

/// `/index.php/x` is `/x` to a front controller, `/app/index.php/x` is `/app/x`.
fn without_front_controller(path: &[u8]) -> Vec<u8> {
    let at = path.windows(11).position(|window| window.eq_ignore_ascii_case(b"/index.php/"));
    let Some((before, script)) = at.and_then(|at| path.split_at_checked(at)) else { return path.to_vec() };
    [before, script.get(10..).unwrap_or_default()].concat()
}

/// `/x.php/y` is `/x.php` to all of PHP.
fn script(path: &[u8]) -> Vec<u8> {
    let at = path.windows(5).position(|window| window.eq_ignore_ascii_case(b".php/"));
    let script = at.and_then(|at| path.get(..at.checked_add(4)?));
    script.unwrap_or(path).to_vec()
}

/// `/x/index.html` is what a file server gives for `/x/`.
fn without_index(path: &[u8]) -> Vec<u8> {
    match path.iter().rposition(|byte| *byte == b'/').and_then(|at| path.split_at_checked(at.checked_add(1)?))
    {
        Some((folder, name)) if is_index(name) => folder.to_vec(),
        _ => path.to_vec(),
    }
}

fn is_index(name: &[u8]) -> bool {
    INDICES.iter().any(|index| name.eq_ignore_ascii_case(index.as_bytes()))
}

/// Windows and some frameworks drop space around a name, and dots behind it.
fn trimmed(path: &[u8]) -> Vec<u8> {
    each_name(path, |name| {
        let name = name.trim_ascii();
        let end =
            name.iter().rposition(|byte| !b" .".contains(byte)).map_or(name.len(), |at| at.saturating_add(1));
        name.get(..end).unwrap_or(name)
    })
}

fn without_trailing(path: &[u8]) -> Vec<u8> {
    let end = path.iter().rposition(|byte| !b" ./\t".contains(byte)).map_or(0, |at| at.saturating_add(1));
    path.get(..end).unwrap_or_default().to_vec()
}

fn each_name(path: &[u8], change: impl Fn(&[u8]) -> &[u8]) -> Vec<u8> {
    path.split(|byte| *byte == b'/').map(change).collect::<Vec<_>>().join(&b'/')
}

const MAX_DECODINGS: usize = 4;
const MAX_READINGS: usize = 128;
const MAX_READ_BYTES: usize = 262_144;
const INDICES: [&str; 7] =
    ["default.asp", "default.aspx", "index.htm", "index.html", "index.jsp", "index.php", "index.shtml"];
