//! Path normalization: how an origin may read a path.
//!
//! edgetoll prices a path as it was sent, binds it into the credential, and forwards it unchanged. Origins normalize a
//! path before they route it, each in its own way: some decode it twice, some cut a segment at `;`, some read `\` as
//! `/`. So a client could get a priced page by another spelling of its path. To prevent this, a request is refused if a
//! normalized form of its path selects another route than the path as it was sent, and this other route has a price.
//! [`Policy::resolve`](super::Policy::resolve) has the complete rule.

use crate::http::percent;

/// Converts variants of a letter to one letter in one case, or returns the text unchanged if the setting `origin_case_sensitive` is on.
///
/// Rust's tables for Unicode would add 7 KB of compressed wasm, so the Worker passes a function that calls JavaScript. The
/// function never changes a text of lower-case ASCII letters, digits and punctuation characters.
pub type FoldCase = fn(&str) -> String;

/// The [`FoldCase`] of the command line and the tests. The normalization form NFKC makes a letter equal to its wide,
/// bold and other variants. Converting to upper case first and then to lower case also makes `ı` equal to `i`.
#[cfg(not(all(target_arch = "wasm32", target_os = "unknown")))]
pub fn fold_case(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization as _;
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfkc().collect::<String>().to_uppercase().to_lowercase()
}

/// Whether a character is not displayed as itself: a control character, a special space, a character that changes the
/// direction of text, or U+FFFD, which replaces invalid bytes.
pub fn is_invisible(c: char) -> bool {
    matches!(c, '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{a0}' | '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fffd}')
}

/// Returns the fully normalized form of a path, with which patterns are compared.
///
/// Percent-encoding is decoded up to four times. Control characters, path parameters, the name of an index file, and
/// trailing slashes, dots and spaces are removed. `\` becomes `/`, several slashes in a row become one, and all letters
/// have one case.
pub fn normalize(path: &str, fold_case: FoldCase) -> String {
    let decoded = decodings(path).pop().unwrap_or_default();
    let steps = [
        without_controls,
        with_slashes,
        without_parameters,
        without_trailing,
        without_double_slashes,
        without_index,
    ];
    comparable(&steps.iter().fold(decoded, |path, step| step(&path)), fold_case)
}

/// Returns every form that some combination of normalizations produces, the path itself first.
///
/// Returns `None` in four cases: if the path has more than `max_forms` forms, if its forms have more bytes than 384 times `max_forms` or 4
/// KB and twice the length of the path, if a form has more than 100 slashes, or if it has more than 32 extensions and CGI folders, which
/// are removed one after the other. Only an attacker sends such a path. Each form is normalized only once, so these limits also limit the
/// CPU time.
pub fn normalized_forms(path: &str, max_forms: usize) -> Option<Vec<Vec<u8>>> {
    let mut forms = vec![path.as_bytes().to_vec()];
    let max_bytes = max_forms
        .saturating_mul(BYTES_PER_FORM)
        .min(path.len().saturating_mul(2).saturating_add(BYTES_OF_FORMS));
    let mut bytes = path.len();
    if bytes > max_bytes {
        return None;
    }
    let mut next = 0;
    while let Some(form) = forms.get(next).cloned() {
        if count_slashes(&form) > MAX_SLASHES || count_scripts(&form) > MAX_SCRIPTS {
            return None;
        }
        next = next.saturating_add(1);
        for normalization in NORMALIZATIONS {
            let normalized = normalization(&form);
            if forms.contains(&normalized) {
                continue;
            }
            bytes = bytes.saturating_add(normalized.len());
            forms.push(normalized);
            if forms.len() > max_forms || bytes > max_bytes {
                return None;
            }
        }
    }
    Some(forms)
}

/// Whether one of the normalized forms of a path contains a segment `.` or `..`, or `..` at the end of a segment that is
/// not the last.
///
/// The runtime resolves `.` and `..` segments before the Worker sees the path. If one is left, an encoding or a `;`
/// hides it, and origins differ in how they resolve it. nginx with `location /static { alias /data/static/; }` opens
/// `/data/static/../sold` for `/static../sold`.
pub fn has_dot_segment(forms: &[Vec<u8>]) -> bool {
    let is_dots = |segment: &[u8]| {
        let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        let mut visible = name.iter().filter(|byte| !byte.is_ascii_control() && **byte != b' ');
        matches!((visible.next(), visible.next(), visible.next()), (Some(b'.'), None | Some(b'.'), None))
    };
    let leaves_folder = |form: &[u8]| form.windows(3).any(|bytes| bytes == b"../");
    forms.iter().any(|form| leaves_folder(form) || form.split(|byte| b"/\\?#\0".contains(byte)).any(is_dots))
}

/// Normalizes a segment of a pattern as [`normalize`] normalizes a path. A segment with an encoded slash becomes
/// several segments. If `is_last` is set, trailing dots and spaces and the name of an index file are removed too.
pub fn normalize_segment(segment: &str, is_last: bool, fold_case: FoldCase) -> Vec<String> {
    let decoded = decodings(segment).pop().unwrap_or_default();
    let path = without_parameters(&with_slashes(&without_controls(&decoded)));
    let path = if is_last { without_trailing(&path) } else { path };
    let normalized = comparable(&path, fold_case);
    let is_removed = |name: &str| name.is_empty() || is_last && is_index(name.as_bytes());
    normalized.split('/').filter(|name| !is_removed(name)).map(str::to_owned).collect()
}

/// Returns how often a path contains `?`, `;` or `&` after decoding. An origin that parses the decoded path again reads the text
/// after the `?` as a query. Fastify 4 reads the text after a `;` as a query, and rewrite rules put the text after a `&` in the query.
pub fn hidden_queries(path: &str) -> usize {
    let count = |bytes: &Vec<u8>| bytes.iter().filter(|byte| b"?;&".contains(byte)).count();
    decodings(path).iter().map(count).max().unwrap_or_default()
}

/// Returns a normalized form of a path as text in one case, without empty segments, so that it can be compared with a
/// pattern.
pub fn comparable(form: &[u8], fold_case: FoldCase) -> String {
    let text = String::from_utf8_lossy(form);
    let names: Vec<&str> = text.split('/').filter(|name| !name.is_empty()).collect();
    folded(&format!("/{}", names.join("/")), fold_case)
}

/// Returns a text in one case. `İ` in lower case is `i` and a combining dot (U+0307). Without the dot, `İ` equals `i`.
pub fn folded(text: &str, fold_case: FoldCase) -> String {
    fold_case(text).replace('\u{307}', "")
}

/// Returns the path as it is, then decoded once, then decoded twice, and so on. Ends when decoding changes nothing, at
/// the latest after four times.
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

/// One way in which an origin may change a path.
type Normalization = fn(&[u8]) -> Vec<u8>;

/// All normalizations. An origin may apply any of them, in any order. What one of them changes must not be a plain path
/// ([`plain_path`](super::plain_path::plain_path)).
const NORMALIZATIONS: [Normalization; 22] = [
    percent::decode,
    with_lenient_encodings,
    with_latin_1,
    with_spaces,
    without_invisible,
    without_invalid_bytes,
    without_authority,
    without_query,
    without_semicolon,
    without_controls,
    with_slashes,
    without_escapes,
    without_parameters,
    without_double_slashes,
    with_slash_after_php,
    without_script,
    without_path_info,
    without_sessions,
    without_streams,
    without_index,
    without_trailing_in_segments,
    without_trailing,
];

/// Removes the scheme and the host that a URL parser finds in a path: `x` in `//x/sold`, and in `/http://x/sold`. A parser
/// skips further slashes before the host.
fn without_authority(path: &[u8]) -> Vec<u8> {
    let rest = without_slashes(path);
    let after_scheme = SCHEMES.iter().find_map(|scheme| {
        let (name, after) = rest.split_at_checked(scheme.len())?;
        (name.eq_ignore_ascii_case(scheme) && after.starts_with(b"/")).then_some(after)
    });
    let authority = match after_scheme {
        Some(after) => without_slashes(after),
        None if path.starts_with(b"//") => rest,
        None => &[],
    };
    let at = authority.iter().position(|byte| *byte == b'/');
    at.and_then(|at| authority.get(at..)).unwrap_or(path).to_vec()
}

fn without_slashes(text: &[u8]) -> &[u8] {
    let at = text.iter().position(|byte| *byte != b'/').unwrap_or(text.len());
    text.get(at..).unwrap_or_default()
}

/// Cuts a path at the first `?`, `#`, `&` or NUL: a URL parser ends a decoded path at `?` and `#`, and a C string ends at
/// NUL. A rewrite rule such as `index.php?url=$1` puts the path in the query, where `&` ends it.
fn without_query(path: &[u8]) -> Vec<u8> {
    path.split(|byte| b"?#&\0".contains(byte)).next().unwrap_or_default().to_vec()
}

/// Cuts a path at the first `;`: some routers end the path there and read the rest as the query.
fn without_semicolon(path: &[u8]) -> Vec<u8> {
    path.split(|byte| *byte == b';').next().unwrap_or_default().to_vec()
}

fn without_controls(path: &[u8]) -> Vec<u8> {
    path.iter().copied().filter(|byte| !byte.is_ascii_control()).collect()
}

/// Replaces `\` with `/`, as Windows and URL parsers do, and `|`, as ThinkPHP does.
fn with_slashes(path: &[u8]) -> Vec<u8> {
    path.iter().map(|byte| if b"\\|".contains(byte) { b'/' } else { *byte }).collect()
}

/// Removes `\`, which escapes the next character in a glob pattern: with `try_files` or `php_fastcgi`, Caddy before 2.11.1
/// serves `/sold` for `/so\ld`.
fn without_escapes(path: &[u8]) -> Vec<u8> {
    path.iter().copied().filter(|byte| *byte != b'\\').collect()
}

/// Removes path parameters, which Java servers ignore: `/x;y` becomes `/x`.
fn without_parameters(path: &[u8]) -> Vec<u8> {
    map_segments(path, |segment| segment.split(|byte| *byte == b';').next())
}

fn without_double_slashes(path: &[u8]) -> Vec<u8> {
    let is_second = |(at, byte): &(usize, &u8)| {
        **byte == b'/' && at.checked_sub(1).is_some_and(|before| path.get(before) == Some(&b'/'))
    };
    path.iter().enumerate().filter(|indexed| !is_second(indexed)).map(|(_, byte)| *byte).collect()
}

/// Puts a slash after `.php`: Symfony and Laravel remove the name of their front controller from the beginning of the path, and
/// read `/index.phpsold` as `/sold`.
fn with_slash_after_php(path: &[u8]) -> Vec<u8> {
    let mut changed = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some(end) = end_of_php(rest) {
        let (name, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        changed.extend_from_slice(name);
        if !after.is_empty() && !after.starts_with(b"/") {
            changed.push(b'/');
        }
        rest = after;
    }
    changed.extend_from_slice(rest);
    changed
}

/// Returns the position after the first `.php`.
fn end_of_php(path: &[u8]) -> Option<usize> {
    let at = path.windows(PHP.len()).position(|name| name.eq_ignore_ascii_case(PHP))?;
    Some(at.saturating_add(PHP.len()))
}

/// Removes the name of a script that is not at the end of the path: the front controller `index.php` reads
/// `/index.php/x` as `/x`, and `/app/index.php/x` as `/app/x`.
fn without_script(path: &[u8]) -> Vec<u8> {
    let Some((folder, script)) = script(path) else { return path.to_vec() };
    [path.get(..folder).unwrap_or_default(), path.get(script..).unwrap_or_default()].concat()
}

/// Removes what follows the name of a script: for `/x.php/y`, PHP runs `/x.php` and passes `/y` to it as `PATH_INFO`. CGI
/// and other servers do the same for scripts with any extension, and in `cgi-bin` and `htbin` for scripts without one.
///
/// For `.php`, the rest need not begin with a slash: Caddy, and nginx with `fastcgi_split_path_info ^(.+\.php)(.*)$`, cut
/// `/x.php.y` after `.php`.
fn without_path_info(path: &[u8]) -> Vec<u8> {
    let is_in = |folder: &&[u8]| path.windows(folder.len()).any(|window| window == *folder);
    if !path.contains(&b'.') && !CGI_FOLDERS.iter().any(is_in) {
        return path.to_vec();
    }
    let slashes = || path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    let is_script = |(before, after): &(usize, usize)| {
        extension(path.get(*before..*after).unwrap_or_default()).is_some()
            || CGI_FOLDERS.iter().any(|cgi| path.get(..*before).is_some_and(|folder| folder.ends_with(cgi)))
    };
    let last = slashes().zip(slashes().skip(1)).filter(is_script).last();
    let end = match last {
        Some((_, after)) => Some(after),
        None => path
            .windows(PHP.len().saturating_add(1))
            .rposition(|window| window.get(..PHP.len()).is_some_and(|name| name.eq_ignore_ascii_case(PHP)))
            .map(|at| at.saturating_add(PHP.len())),
    };
    end.and_then(|end| path.get(..end)).unwrap_or(path).to_vec()
}

fn count_slashes(path: &[u8]) -> usize {
    path.iter().filter(|byte| b"/\\".contains(byte)).count()
}

/// Returns how many names [`without_path_info`] may remove from a path, one after the other.
fn count_scripts(path: &[u8]) -> usize {
    let is_extension = |pair: &&[u8]| matches!(pair, [b'.', first] if first.is_ascii_alphabetic());
    let in_folder = |folder: &[u8]| path.windows(folder.len()).filter(|window| *window == folder).count();
    let in_folders: usize = CGI_FOLDERS.iter().map(|folder| in_folder(folder)).sum();
    path.windows(2).filter(is_extension).count().saturating_add(in_folders)
}

/// Decodes `%u0073` as IIS does, `~73` as Datasette does, and the overlong UTF-8 forms of ASCII characters (`C1 AF` for `o`) as lenient
/// decoders do.
/// Replaces characters that NFKC or the best-fit mappings of Windows turn into ASCII, such as a wide slash.
fn with_lenient_encodings(path: &[u8]) -> Vec<u8> {
    if path.is_ascii() && !path.iter().any(|byte| b"%~".contains(byte)) {
        return path.to_vec();
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, after)) = rest.split_first() {
        rest = match (first, after) {
            (b'%', [b'u' | b'U', digits @ ..]) if let Some(c) = four_digits(digits) => {
                decoded.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                digits.get(4..).unwrap_or_default()
            }
            // `~ad` is rather the beginning of a user's name, as in `/~adam`.
            (b'~', [high @ b'2'..=b'7', low, others @ ..]) if low.is_ascii_hexdigit() => {
                decoded.extend(percent::decode(&[b'%', *high, *low]));
                others
            }
            (0xc0 | 0xc1, [second @ 0x80..=0xbf, others @ ..]) => {
                decoded.push((first & 0x01) << 6 | (second & 0x3f));
                others
            }
            (0xe0, [second @ (0x80 | 0x81), third @ 0x80..=0xbf, others @ ..])
            | (0xf0, [0x80, second @ (0x80 | 0x81), third @ 0x80..=0xbf, others @ ..]) => {
                decoded.push((second & 0x01) << 6 | (third & 0x3f));
                others
            }
            _ => {
                decoded.push(*first);
                after
            }
        };
    }
    match String::from_utf8(decoded) {
        Ok(text) if !text.is_ascii() => {
            text.replace('\u{2025}', "..").chars().map(best_fit).collect::<String>().into_bytes()
        }
        Ok(text) => text.into_bytes(),
        Err(error) => error.into_bytes(),
    }
}

/// Returns the ASCII character that NFKC, or a best-fit mapping of Windows, puts in the place of a character.
fn best_fit(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c).saturating_sub(0xfee0)).unwrap_or(c),
        '\u{2024}' => '.',
        '\u{2044}' | '\u{2215}' => '/',
        '\u{2216}' => '\\',
        _ => c,
    }
}

/// Returns the character with the code in the first four hexadecimal digits.
fn four_digits(digits: &[u8]) -> Option<char> {
    let digits = std::str::from_utf8(digits.get(..4)?).ok()?;
    char::from_u32(u32::from_str_radix(digits, 16).ok()?)
}

/// Removes characters that are not displayed, such as a zero-width space, and special spaces.
fn without_invisible(path: &[u8]) -> Vec<u8> {
    if path.is_ascii() {
        return path.to_vec();
    }
    let is_hidden =
        |c: char| !c.is_ascii() && c != char::REPLACEMENT_CHARACTER && (is_invisible(c) || c.is_whitespace());
    match std::str::from_utf8(path) {
        Ok(text) => text.replace(is_hidden, "").into_bytes(),
        Err(_) => path.to_vec(),
    }
}

/// Removes bytes that are not UTF-8, as lenient decoders do.
fn without_invalid_bytes(path: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(path) {
        Ok(_) => path.to_vec(),
        Err(_) => String::from_utf8_lossy(path).replace(char::REPLACEMENT_CHARACTER, "").into_bytes(),
    }
}

/// Reads a path that is not UTF-8 as Latin-1, as CherryPy and web.py do: `/caf%E9` becomes `/café`.
fn with_latin_1(path: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(path) {
        Ok(_) => path.to_vec(),
        Err(_) => path.iter().copied().map(char::from).collect::<String>().into_bytes(),
    }
}

/// Replaces `+` with a space, as forms do: a route of Sinatra for `/my report` matches `/my+report` too.
fn with_spaces(path: &[u8]) -> Vec<u8> {
    path.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect()
}

/// Finds the first segment that is the name of a script and has another segment after it. Returns the index of the slash
/// before the segment and that of the slash after it.
fn script(path: &[u8]) -> Option<(usize, usize)> {
    let slashes = || path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    slashes().zip(slashes().skip(1)).find(|(before, after)| {
        extension(path.get(*before..*after).unwrap_or_default()).is_some_and(|name| {
            SCRIPT_EXTENSIONS.split(' ').any(|script| name.eq_ignore_ascii_case(script.as_bytes()))
        })
    })
}

/// Returns the extension of a name, if it begins with a letter. [`count_scripts`] limits such extensions.
fn extension(name: &[u8]) -> Option<&[u8]> {
    let dot = name.iter().rposition(|byte| *byte == b'.')?;
    name.get(dot.checked_add(1)?..).filter(|rest| rest.first().is_some_and(u8::is_ascii_alphabetic))
}

/// Whether a path goes on after the name of a script, by its usual extension or its folder.
pub fn goes_on_after_script(path: &str) -> bool {
    script(path.as_bytes()).is_some() || path.split('/').any(is_cgi_folder)
}

/// Whether servers run every file in a folder with this name as a script.
pub fn is_cgi_folder(name: &str) -> bool {
    let is_named = |folder: &&[u8]| folder.strip_prefix(b"/") == Some(name.as_bytes());
    CGI_FOLDERS.iter().any(is_named)
}

/// Removes the name of an index file: `/x/index.html` becomes `/x/`, because a file server returns the same file for
/// both.
fn without_index(path: &[u8]) -> Vec<u8> {
    match path.iter().rposition(|byte| *byte == b'/').and_then(|at| path.split_at_checked(at.checked_add(1)?))
    {
        Some((folder, name)) if is_index(name) => folder.to_vec(),
        _ => path.to_vec(),
    }
}

/// Whether a file server may respond to the path of a folder with the file of this name.
pub fn is_index(name: &[u8]) -> bool {
    let starts_with =
        |prefix: &[u8]| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    let is = |whole: &[u8]| name.eq_ignore_ascii_case(whole);
    starts_with(b"index.") || starts_with(b"default.") || is(b"index") || is(b"default")
}

/// Removes sessions such as `/(S(x))`, also inside a name, as in `/so/(S(x))ld`. ASP.NET can store the session in the
/// path instead of a cookie.
fn without_sessions(path: &[u8]) -> Vec<u8> {
    let mut changed = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, after)) = rest.split_first() {
        let session = match rest {
            [b'/', b'(', letter, b'(', ..] if letter.is_ascii_alphabetic() => rest,
            _ => &[],
        };
        match session
            .windows(2)
            .position(|pair| pair == b"))")
            .and_then(|at| session.get(at.saturating_add(2)..))
        {
            Some(after_session) => rest = after_session,
            // Stops at a session without `))`. Otherwise many such sessions would take quadratic time.
            None if !session.is_empty() => {
                changed.extend_from_slice(rest);
                break;
            }
            None => {
                changed.push(*first);
                rest = after;
            }
        }
    }
    changed
}

/// Removes the name of an NTFS stream, such as `::$DATA` or `:$I30:$INDEX_ALLOCATION`. Windows opens the same file or
/// folder with and without this name.
fn without_streams(path: &[u8]) -> Vec<u8> {
    map_segments(path, |segment| {
        let is_stream = |pair: &[u8]| pair == b"::" || pair == b":$";
        let at = segment.windows(2).position(is_stream).unwrap_or(segment.len());
        segment.get(..at)
    })
}

/// Removes spaces at both ends of each segment, and dots at its end, as Windows and some frameworks do.
fn without_trailing_in_segments(path: &[u8]) -> Vec<u8> {
    map_segments(path, |segment| {
        let segment = segment.trim_ascii();
        let last = segment.iter().rposition(|byte| !b" .".contains(byte));
        let end = last.map_or(segment.len(), |at| at.saturating_add(1));
        segment.get(..end)
    })
}

fn without_trailing(path: &[u8]) -> Vec<u8> {
    let end = path.iter().rposition(|byte| !b" ./\t".contains(byte)).map_or(0, |at| at.saturating_add(1));
    path.get(..end).unwrap_or_default().to_vec()
}

/// Changes each segment, and removes those for which `change` returns `None`.
fn map_segments(path: &[u8], change: fn(&[u8]) -> Option<&[u8]>) -> Vec<u8> {
    let mut changed = Vec::with_capacity(path.len());
    for (at, segment) in path.split(|byte| *byte == b'/').filter_map(change).enumerate() {
        if at > 0 {
            changed.push(b'/');
        }
        changed.extend_from_slice(segment);
    }
    changed
}

const PHP: &[u8] = b".php";
const CGI_FOLDERS: [&[u8]; 2] = [b"/cgi-bin", b"/htbin"];
const SCHEMES: [&[u8]; 4] = [b"http:", b"https:", b"ws:", b"wss:"];
const MAX_SCRIPTS: usize = 32;
const MAX_SLASHES: usize = 100;
const MAX_DECODINGS: usize = 4;
const BYTES_PER_FORM: usize = 384;
/// The forms of honest paths have 1 KB together.
const BYTES_OF_FORMS: usize = 4_096;
const SCRIPT_EXTENSIONS: &str =
    "ashx asmx asp aspx cfc cfm cgi dll exe fcgi jsp jspx lua phar php php5 php7 php8 phtml pl py rb wsgi";
