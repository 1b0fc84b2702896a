//! Addresses at which frameworks serve the content of another path: in another file format, as the data of a page, through
//! an image optimizer, or named by the query.

use super::facts::decode_fully;
use super::plain_path::plain_path;
use super::routes::Routes;

/// Returns the paths whose content an origin may serve at a path. `path` is in the form of
/// [`comparable`](super::normalization::comparable), and so are the results.
///
/// - Rails and Spring before 5.3 serve `/sold` at `/sold.json` too, and with any other extension. Mojolicious serves it at
///   `/sold/.json` too.
/// - The data of the page `/sold` is at `/sold/__data.json` (SvelteKit), `/sold/_payload.json` (Nuxt), `/sold/q-data.json`
///   (Qwik), `/sold.data`, `/sold/.data` or `/sold/_.data` (React Router), `/_next/data/<build>/sold.json` or
///   `/sold/__next._full.txt` (Next.js), `/page-data/sold/page-data.json` (Gatsby), `/_nuxt/static/<build>/sold/payload.js` (Nuxt 2), or
///   `/RSC/R/sold.txt` (Waku). SvelteKit has the data of `/sold.html` at `/sold.html__data.json`. Sphinx has the source of the
///   page at `/_sources/sold.rst.txt`, Analog its data at `/api/_analog/pages/sold`, Expo at `/_expo/loaders/sold`, and Fumadocs its text at
///   `/llms.mdx/sold/content.md`. VitePress has the text of `/members/sold` at `/assets/members_sold.md.<hash>.js`, and Nuxt a server page at
///   `/__nuxt_island/page_members-sold_<hash>.json`.
/// - Zope serves `/sold` at `/VirtualHostBase/http/host/VirtualHostRoot/_vh_folder/sold`, at a part of this path, and below
///   `/virtual_hosting`. Pyramid serves it at `/sold/@@`, and at each path below that.
/// - Nuxt serves the image `/sold.png` at `/_ipx/<options>/sold.png`.
/// - SolidStart 2 runs its server functions, which are at `/_server`, at each path that begins so, such as `/_serverx`.
pub fn of_path(path: &str) -> Vec<String> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut paths: Vec<String> = without_extensions(folder, name).collect();
    paths.extend((!folder.is_empty() && is_extension(name)).then(|| folder.to_owned()));
    for (before, page) in pages_of_data(path, folder, name) {
        paths.push(or_root(&[before, &without_index(&page)].concat()));
    }
    paths.extend(without_virtual_host(path));
    let function = path.split_once(SERVER_FUNCTIONS).filter(|(_, rest)| !rest.is_empty());
    paths.extend(function.map(|(before, _)| [before, SERVER_FUNCTIONS].concat()));
    let view = path.split_once("/@@").filter(|(_, after)| after.is_empty() || after.starts_with('/'));
    paths.extend(view.map(|(page, _)| or_root(page)));
    paths
}

/// Returns a path without the names that contain `:`; `None` if no name contains it, or only such names. Kirby serves `/sold` at
/// `/page:2/sold` and `/sold/page:2` too.
pub fn without_parameters(path: &str) -> Option<String> {
    let without: String = path.split_inclusive('/').filter(|name| !name.contains(':')).collect();
    let without = without.trim_end_matches('/');
    (without.len() < path.len() && path.contains(':') && !without.is_empty()).then(|| without.to_owned())
}

/// Returns the pages whose data a framework may serve at a path: the path of the site, and that of the page below it.
fn pages_of_data<'p>(path: &'p str, folder: &'p str, name: &str) -> Vec<(&'p str, String)> {
    let mut pages = Vec::new();
    if is_data_file(name) {
        pages.push((folder, String::new()));
        pages.extend(folder.split_once("/page-data/").map(|(before, page)| (before, page.to_owned())));
    }
    let suffixes = [SVELTEKIT_DATA, "_.rsc"].into_iter();
    pages.extend(
        suffixes.filter_map(|suffix| name.strip_suffix(suffix)).map(|page| (folder, page.to_owned())),
    );
    for folder in SOURCE_FOLDERS {
        let Some((before, page)) = path.split_once(folder) else { continue };
        let page = page.strip_suffix("/content.md").unwrap_or(page);
        pages.push((before, page.to_owned()));
        let page = page.strip_suffix(".txt").unwrap_or(page);
        pages.extend(page_and_file(before, page.rsplit_once('.').map_or(page, |(page, _)| page)));
    }
    let rsc = path.to_ascii_lowercase().find(RSC_FOLDER).and_then(|at| path.split_at_checked(at));
    let page = |after: &'p str| after.get(RSC_FOLDER.len()..)?.strip_suffix(".txt");
    if let Some((before, page)) = rsc.and_then(|(before, after)| Some((before, page(after)?))) {
        // Waku removes one `_` at each end, and needs no slash after `R`.
        let page = page.strip_prefix('_').unwrap_or(page);
        let page = page.strip_suffix('_').unwrap_or(page);
        if let Some(page) = page.strip_prefix(['R', 'r']) {
            let page = page.trim_matches('/');
            pages.push((before, page.strip_prefix("_root").unwrap_or(page).to_owned()));
            // Waku writes a name that begins with `_` with another `_`.
            pages.extend(page.strip_prefix('_').map(|page| (before, page.to_owned())));
        }
    }
    if let Some((before, (page, _))) = folder.strip_suffix("/assets").zip(name.split_once(".md.")) {
        for page in [page.to_owned(), page.replace('_', "/")] {
            pages.extend(page_and_file(before, &page));
        }
    }
    let island = folder.strip_suffix(ISLAND_FOLDER).and_then(|before| before.strip_suffix('/'));
    if let Some((before, name)) = island.zip(name.strip_prefix("page_")) {
        let page = name.rsplit_once('_').map_or(name, |(page, _)| page);
        pages.extend([page.to_owned(), page.replace('-', "/")].map(|page| (before, page)));
    }
    for folder in ["_next/data", "_nuxt/static", IMAGE_FOLDER] {
        let Some((before, after)) = path.split_once(&format!("/{folder}/")) else { continue };
        // The first segment is the name of the build, or the options of the image.
        let page = after.split_once('/').map_or("", |(_, page)| page);
        let page = match folder {
            "_next/data" => page.strip_suffix(".json").unwrap_or(page),
            "_nuxt/static" => page.rsplit_once('/').map_or("", |(page, _)| page),
            _ => page,
        };
        pages.push((before, page.to_owned()));
        // With middleware, Next.js removes `index` at the beginning too.
        let inner = page.strip_prefix("index/").filter(|_| folder == "_next/data");
        pages.extend(inner.map(|page| (before, page.to_owned())));
    }
    pages
}

/// Returns a page with and without the extension of its file.
fn page_and_file<'p>(before: &'p str, page: &str) -> [(&'p str, String); 2] {
    [format!("{page}.html"), page.strip_suffix("/index").unwrap_or(page).to_owned()]
        .map(|page| (before, page))
}

/// The work that is left for the aliases of all paths of a request, in all of their forms: the bytes of the paths that are made of lists, and
/// the comparisons of routes with pages in outlets. Lists that an honest client sends need about 40 KB.
pub struct AliasWork(usize);

impl Default for AliasWork {
    fn default() -> Self {
        Self(65_536)
    }
}

impl AliasWork {
    /// Returns `None` if less work is left.
    pub fn take(&mut self, work: usize) -> Option<()> {
        self.0 = self.0.checked_sub(work)?;
        Some(())
    }
}

/// Returns the paths with one name of each list in a path: `/sold` for `/free,sold`. tRPC and Elasticsearch serve the content of all
/// names. Names that are in no pattern are left out. Returns `None` if there are more than 64 such paths, or if they need more bytes than
/// are left.
pub fn of_lists(path: &str, routes: &Routes, work: &mut AliasWork) -> Option<Vec<String>> {
    if !path.contains(',') {
        return Some(Vec::new());
    }
    // A short path takes as much time as one of 64 bytes.
    let bytes_of = |paths: usize| paths.saturating_mul(path.len().max(64));
    let mut paths = vec![path.to_owned()];
    let mut end = path.len();
    // From the last list to the first, so that the positions of the names before stay the same.
    for name in path.rsplit('/') {
        let start = end.saturating_sub(name.len());
        let names: Vec<&str> =
            name.split(',').filter(|one| one.len() < name.len() && routes.may_have_name(one)).collect();
        let count = paths.len().saturating_mul(names.len().saturating_add(1));
        if count > MAX_PATHS_OF_LISTS || bytes_of(count) > work.0 {
            return None;
        }
        if !names.is_empty() {
            let with =
                |path: &String, name: &str| Some([path.get(..start)?, name, path.get(end..)?].concat());
            paths = paths
                .into_iter()
                .flat_map(|path| {
                    let replaced: Vec<String> = names.iter().filter_map(|name| with(&path, name)).collect();
                    replaced.into_iter().chain([path])
                })
                .collect();
        }
        end = start.saturating_sub(1);
    }
    work.take(bytes_of(paths.len()))?;
    // The last one is the path itself.
    paths.pop();
    Some(paths)
}

/// Returns a path without the names with which Zope reads a virtual host; `None` if the path has none of them.
fn without_virtual_host(path: &str) -> Option<String> {
    let is = |name: &str, known: &str| name.eq_ignore_ascii_case(known);
    let mut names = path.split('/').skip(1);
    let (mut kept, mut is_virtual) = (String::new(), false);
    while let Some(name) = names.next() {
        if ZOPE_NAMES.iter().any(|known| is(name, known)) {
            is_virtual = true;
            if is(name, VIRTUAL_HOST_BASE) {
                // The scheme and the host.
                names.nth(1);
            }
        } else if !(is_virtual && name.get(..4).is_some_and(|start| is(start, "_vh_"))) {
            kept.push('/');
            kept.push_str(name);
        }
    }
    is_virtual.then(|| or_root(&kept))
}

/// With the path itself.
const MAX_PATHS_OF_LISTS: usize = 65;
const VIRTUAL_HOST_BASE: &str = "VirtualHostBase";
/// The names of a path that Zope does not read as names of objects.
pub const ZOPE_NAMES: [&str; 3] = [VIRTUAL_HOST_BASE, "VirtualHostRoot", "virtual_hosting"];

/// The folders of Sphinx, Analog, Expo and Fumadocs.
const SOURCE_FOLDERS: [&str; 4] = ["/_sources/", "/api/_analog/pages/", "/_expo/loaders/", "/llms.mdx/"];
/// The folders of the data of Analog and of Expo.
pub const DATA_FOLDERS: [&str; 2] = ["_analog", "_expo"];
/// The path of SolidStart's server functions.
pub const SERVER_FUNCTIONS: &str = "/_server";
const PAYLOAD: &str = "_payload";
/// The folder of the data of Waku.
const RSC_FOLDER: &str = "/rsc/";
/// The folder of Nuxt's server pages.
pub const ISLAND_FOLDER: &str = "__nuxt_island";
/// The folder of Nuxt's image optimizer.
pub const IMAGE_FOLDER: &str = "_ipx";

/// Returns a path without the extension of its name: without everything after the first dot, and without everything after
/// the last dot.
fn without_extensions(folder: &str, name: &str) -> impl Iterator<Item = String> {
    let dots = [name.find('.'), name.rfind('.')].into_iter().flatten().filter(|at| *at > 0);
    dots.filter_map(move |at| Some([folder, "/", name.get(..at)?].concat()))
}

/// Whether a name is only an extension.
fn is_extension(name: &str) -> bool {
    let mut letters = name.bytes();
    letters.next() == Some(b'.')
        && letters.next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && letters.all(|byte| byte.is_ascii_alphanumeric())
}

fn is_data_file(name: &str) -> bool {
    DATA_FILES.contains(&name)
        || ["__next.", "q-loader-"].iter().any(|prefix| name.starts_with(prefix))
        || is_payload(name)
}

/// Whether Nuxt reads a name as `_payload.json` or `_payload.js`. It takes any character for the dot.
pub fn is_payload(name: &str) -> bool {
    let end = name
        .get(..PAYLOAD.len())
        .filter(|start| start.eq_ignore_ascii_case(PAYLOAD))
        .and(name.get(PAYLOAD.len()..));
    let mut end = end.unwrap_or_default().chars();
    end.next().is_some()
        && ["js", "json"].iter().any(|extension| end.as_str().eq_ignore_ascii_case(extension))
}

/// Returns the path of a page below its root, with a slash before it. The page of the root is named `index`.
fn without_index(page: &str) -> String {
    if ["", "index"].contains(&page) { String::new() } else { format!("/{page}") }
}

fn or_root(path: &str) -> String {
    if path.is_empty() { "/".to_owned() } else { path.to_owned() }
}

/// Returns the paths that a router may take from parameters in a path: `/sold` from `/x&url=sold`, if a rewrite rule of the server such as
/// `index.php?url=$1` puts the path in the query. Returns `None` if the path has more than 100 parameters.
pub fn in_path(path: &str) -> Option<Vec<String>> {
    let mut values = path.split(['?', '&']).skip(1).filter_map(|pair| pair.split_once('='));
    let paths: Vec<String> = values
        .by_ref()
        .take(MAX_PARAMETERS)
        .map(|(_, value)| ["/", value.trim_start_matches('/')].concat())
        .collect();
    values.next().is_none().then_some(paths)
}

/// Returns the paths that a router may take from the query of a request to `path`, up to one more than
/// [`MAX_PATHS_IN_QUERY`]:
///
/// - CodeIgniter reads `/?/sold` and `/index.php?/sold` as `/sold`. Only a folder or a script is read in this way: SvelteKit
///   sends the form action `register` of the page `/login` to `/login?/register`.
/// - Zope reads `/?sold:method=1`, `/?:method=sold` and `/?sold:method.x=1` (a button with an image) as `/sold`.
/// - WordPress reads `/?rest_route=/wp/v2/posts` as `/wp-json/wp/v2/posts`, and `/?pagename=sold` as `/sold`.
/// - Nuxt Image with ipx 3 reads `/_ipx/_?x/sold.png` as the image `/sold.png`.
/// - Frameworks read `/sold` from parameters of their own: SvelteKit on Vercel from `__pathname`, Astro there from
///   `x_astro_path`, Nitro there from `__isr_route`, Phalcon from `_url`, and OpenCart from `_route_`. So each name that begins
///   with `_` or `x_` and ends with one of [`PATH_WORDS`] counts.
pub fn in_query(path: &str, query: &str) -> Vec<String> {
    let is_page = !path.ends_with('/') && plain_path(path).is_some();
    let first = query.split(['?', '&']).next().filter(|first| first.starts_with('/') && !is_page);
    let mut paths: Vec<String> = first.into_iter().map(str::to_owned).collect();
    paths.extend(image_of_ipx(path, query));
    let may_name_path = |(name, _): &(&str, &str)| {
        name.contains([':', '%'])
            || name.contains("name")
            || PATH_WORDS.iter().any(|word| name.contains(word))
    };
    for (name, value) in pairs(query).filter(may_name_path) {
        let name = decode_fully(name);
        // PHP reads `rest.route`, `rest route` and `rest[route` as `rest_route`, and no name beyond a NUL.
        let in_php =
            name.split('\0').next().unwrap_or_default().trim_start().replace(['.', ' ', '-', '['], "_");
        // An empty value is ignored.
        if let Some(folder) = folder_of_parameter(&in_php).filter(|_| !value.is_empty()) {
            paths.push([folder, "/", decode_fully(value).trim_start_matches('/')].concat());
        }
        // Each path has the length of `path`, so the work would be quadratic.
        if paths.len() > MAX_PATHS_IN_QUERY {
            break;
        }
        let mut parts = name.split(':');
        let object = parts.next().unwrap_or_default();
        if parts.any(|part| ZOPE_METHODS.contains(&without_coordinates(part))) {
            let object = if object.is_empty() { decode_fully(value) } else { object.to_owned() };
            paths.push([path.trim_end_matches('/'), "/", &object].concat());
        }
    }
    paths
}

/// Returns the path of the image for Nuxt Image with ipx 3, which splits path and query at each slash before it decodes them. Nuxt finds the
/// folder of the optimizer in the decoded path.
fn image_of_ipx(path: &str, query: &str) -> Option<String> {
    let is_folder =
        |name: &str| name == IMAGE_FOLDER || (name.contains('%') && decode_fully(name) == IMAGE_FOLDER);
    let at = path.split('/').position(is_folder)?;
    let url = [path, "?", query].concat();
    let names: Vec<&str> = url.split('/').collect();
    let image = names.get(at.saturating_add(2)..).filter(|image| !image.is_empty())?;
    let site = names.get(..at).unwrap_or_default().join("/");
    Some(decode_fully(&[&site, "/", &image.join("/")].concat()).trim_end_matches('?').to_owned())
}

/// Returns the folder of the path that an origin takes from this parameter; `None` if the parameter names no path.
fn folder_of_parameter(name: &str) -> Option<&'static str> {
    match name {
        "pagename" => Some(""),
        "rest_route" => Some("/wp-json"),
        _ => {
            let is_internal = name.starts_with('_') || name.starts_with("x_");
            let mut words = name.trim_end_matches('_').rsplit('_');
            let is_path = words.next().is_some_and(|word| PATH_WORDS.contains(&word));
            let is_page_after = words.any(|word| PAGES_AFTER.contains(&word));
            (is_internal && is_path && !is_page_after).then_some("")
        }
    }
}

/// Removes the `.x` and `.y` at the end of the name of a button with an image.
fn without_coordinates(mut name: &str) -> &str {
    while let Some(shorter) = name.strip_suffix(".x").or_else(|| name.strip_suffix(".y")) {
        name = shorter;
    }
    name
}

/// A request whose query names more paths is ambiguous, because each of them is resolved.
pub const MAX_PATHS_IN_QUERY: usize = 4;
const MAX_PARAMETERS: usize = 100;

/// Returns the images that the query of an image optimizer names, decoded: `/sold.png` for
/// `/_next/image?url=%2Fsold.png` (Next.js), `/_vercel/image?url=…`, `/.netlify/images?url=…` and `/_image?href=…` (Astro).
/// Images with a scheme are left out.
pub fn images_in_query(query: &str) -> Vec<String> {
    let named = pairs(query).filter(|(name, _)| IMAGE_PARAMETERS.contains(&decode_fully(name).as_str()));
    // A URL parser removes control characters.
    let images = named.map(|(_, value)| decode_fully(value).replace(|c: char| c.is_ascii_control(), ""));
    images
        .filter(|image| !["http:", "https:", "data:"].iter().any(|scheme| image.starts_with(scheme)))
        .collect()
}

/// Returns the paths at which the image optimizer `path` may read an image, if `path` is one. `path` is in the form of
/// [`normalize`](super::normalization::normalize).
///
/// Astro reads `sold.png` as `/sold.png`. In the folder `/docs`, it reads `/sold.png` after any five characters as
/// `/docs/sold.png`.
pub fn of_image(path: &str, image: &str) -> Vec<String> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let is_absolute = image.starts_with('/');
    if name != ASTRO_OPTIMIZER {
        let is_read = is_absolute && IMAGE_OPTIMIZERS.contains(&name);
        return is_read.then(|| image.to_owned()).into_iter().collect();
    }
    let in_root = if is_absolute { image.to_owned() } else { format!("/{image}") };
    // JavaScript counts UTF-16 code units.
    let mut units = 0_usize;
    let rest = image.trim_start_matches(|c: char| {
        units = units.saturating_add(c.len_utf16());
        units <= folder.len()
    });
    let in_folder = rest.starts_with(['/', '\\']).then(|| [folder, rest].concat());
    [in_root].into_iter().chain(in_folder).collect()
}

/// Returns the parameters of a query as they were sent.
fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split(['&', ';', '?']).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

const SVELTEKIT_DATA: &str = "__data.json";
const DATA_FILES: [&str; 8] =
    [SVELTEKIT_DATA, ".data", ".rsc", "_.data", "_.rsc", "_root.data", "page-data.json", "q-data.json"];
/// The last words of the names of parameters from which a framework takes the path.
const PATH_WORDS: [&str; 5] = ["path", "pathname", "route", "uri", "url"];
/// Words in the names of parameters with the page that follows, such as `_target_path` of Symfony's login.
const PAGES_AFTER: [&str; 6] = ["back", "failure", "next", "redirect", "return", "target"];
const ZOPE_METHODS: [&str; 4] = ["action", "default_action", "default_method", "method"];
/// The last names of the paths of image optimizers.
const IMAGE_OPTIMIZERS: [&str; 2] = ["image", "images"];
const ASTRO_OPTIMIZER: &str = "_image";
const IMAGE_PARAMETERS: [&str; 3] = ["href", "src", "url"];
