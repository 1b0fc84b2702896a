//! Recognizes plain paths. Most paths are plain. Every origin reads a plain path in the same way, except that it may ignore
//! the case of letters and a slash at the end.

use super::aliases::{DATA_FOLDERS, IMAGE_FOLDER, ISLAND_FOLDER, SERVER_FUNCTIONS, ZOPE_NAMES, is_payload};
use super::names::is_slug;
use super::normalization::{is_cgi_folder, is_index};

/// Returns a path without the slash at its end if the path is plain; otherwise `None`. The path `/` is plain, and is
/// returned as it is.
///
/// The normalized forms of a plain path are the path itself and, if it has a slash at its end, the path without it. So
/// a plain path consists of names of letters, digits, `_` and single `-` between them. The last name is not that of an
/// index file or of data of Nuxt, and no name is that of a CGI folder, of the folder of an image optimizer, of server
/// pages, of server functions or of the data of pages, or a name with which Zope reads a virtual host.
pub fn plain_path(path: &str) -> Option<&str> {
    if path == "/" {
        return Some(path);
    }
    let plain = path.strip_suffix('/').unwrap_or(path);
    let (folders, last) = plain.rsplit_once('/')?;
    let is_plain = path.len() <= MAX_BYTES
        && (folders.is_empty() || folders.strip_prefix('/')?.split('/').all(is_name))
        && is_name(last)
        && !path.contains(SERVER_FUNCTIONS)
        && !is_index(last.as_bytes())
        && !is_payload(last);
    is_plain.then_some(plain)
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && is_slug(name.as_bytes())
        && !is_cgi_folder(name)
        && !ZOPE_NAMES
            .iter()
            .chain(&DATA_FOLDERS)
            .chain([&IMAGE_FOLDER, &ISLAND_FOLDER])
            .any(|known| name.eq_ignore_ascii_case(known))
}

/// A path of this length is below each limit on normalized forms. The paths of most requests are shorter.
const MAX_BYTES: usize = 1_024;
