//! Checks `docs/architecture.md`: each module uses only modules that the document lists below it, and each path that
//! the document names exists.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn each_module_uses_only_modules_that_the_architecture_document_lists_below_it() {
    let layers = layers("## Layers");
    assert_eq!(
        sorted(&layers),
        modules_in("src"),
        "docs/architecture.md must list the files and folders of src/"
    );
    assert_eq!(upward_uses("src", &layers), [""; 0]);
}

#[test]
fn each_module_of_edge_uses_only_modules_that_the_architecture_document_lists_below_it() {
    let layers = layers("## Inside edge");
    assert_eq!(
        sorted(&layers),
        modules_in("src/edge"),
        "docs/architecture.md must list the files and folders of src/edge/"
    );
    assert_eq!(upward_uses("src/edge", &layers), [""; 0]);
}

#[test]
fn paths_named_in_the_architecture_document_exist() {
    let document = architecture_document();
    let is_path = |text: &&str| ["src/", "www/", "tests/"].iter().any(|folder| text.starts_with(folder));
    let paths: Vec<&str> = document.split('`').skip(1).step_by(2).filter(is_path).collect();
    assert!(paths.len() > 20, "{paths:?}");
    let missing: Vec<&&str> =
        paths.iter().filter(|path| !path.contains('<') && !root().join(path).exists()).collect();
    assert_eq!(missing, [&""; 0]);
}

#[test]
fn a_use_declaration_with_braces_is_expanded_to_one_path_for_each_item() {
    let source = "use crate::{a, b::{self, c}};\n// crate::d\nlet x = super::e::f(crate::g::H);";
    let module = ["m".to_owned(), "n".to_owned()];
    let paths: Vec<String> = used_paths(source, &module).iter().map(|path| path.join("::")).collect();
    assert_eq!(paths, ["a", "b::self", "b::c", "g::H", "m::e::f"]);
}

/// Returns each place where a module in `folder` uses a module that `layers` lists above it, as `module: uses path`.
fn upward_uses(folder: &str, layers: &[String]) -> Vec<String> {
    let depth = Path::new(folder).components().count() - 1;
    let mut upward = Vec::new();
    for file in rust_files(&root().join(folder)) {
        let module = module_path(&file);
        let Some(from) = position(layers, module.get(depth)) else { continue };
        for path in used_paths(&fs::read_to_string(&file).unwrap(), &module) {
            let is_sibling = path.get(..depth) == module.get(..depth);
            if is_sibling && position(layers, path.get(depth)).is_some_and(|to| to < from) {
                upward.push(format!("{}: uses {}", module.join("::"), path.join("::")));
            }
        }
    }
    upward
}

fn position(layers: &[String], name: Option<&String>) -> Option<usize> {
    layers.iter().position(|layer| Some(layer) == name)
}

/// Returns the paths in the source of a module, each as names from the root of the crate. Only paths that begin with
/// `crate::` or `super::` are returned. Comment lines are skipped.
fn used_paths(source: &str, module: &[String]) -> Vec<Vec<String>> {
    let code: Vec<&str> = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let mut paths = Vec::new();
    for path in code.split("crate::").skip(1) {
        expand(Vec::new(), path, &mut paths);
    }
    for (at, _) in code.match_indices("super::") {
        let is_continued = code.get(..at).is_some_and(|before| before.ends_with("super::"));
        let mut parent = module.to_vec();
        let mut path = code.get(at..).unwrap_or_default();
        while let Some(rest) = path.strip_prefix("super::") {
            parent.pop();
            path = rest;
        }
        if !is_continued {
            expand(parent, path, &mut paths);
        }
    }
    paths
}

/// Adds to `paths` the path that begins with `prefix` and continues with `text`. A list in braces adds one path for
/// each item.
fn expand(prefix: Vec<String>, text: &str, paths: &mut Vec<Vec<String>>) {
    if let Some(list) = text.strip_prefix('{') {
        items(list).into_iter().for_each(|item| expand(prefix.clone(), item, paths));
        return;
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let path = [prefix, vec![name.to_owned()]].concat();
    match rest.strip_prefix("::") {
        Some(rest) => expand(path, rest, paths),
        None => paths.push(path),
    }
}

/// Returns the items of a list in braces. `list` starts after the opening brace.
fn items(list: &str) -> Vec<&str> {
    let mut items = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' | ',' if depth == 0 => {
                items.extend(list.get(start..at).map(str::trim).filter(|item| !item.is_empty()));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    items
}

/// Returns the module names below a heading of `docs/architecture.md`: the first word of each line in the code block,
/// from top to bottom.
fn layers(heading: &str) -> Vec<String> {
    let document = architecture_document();
    let (_, section) = document.split_once(heading).unwrap();
    let block = section.split("```").nth(1).unwrap();
    block.lines().skip(1).filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// Returns the names of the modules in a folder, sorted, without `lib` and `mod`.
fn modules_in(folder: &str) -> Vec<String> {
    let names = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.to_str().unwrap().trim_end_matches(".rs").to_owned());
    let names = names.filter(|name| ![".js", ".json"].iter().any(|end| name.ends_with(end)));
    sorted(&names.filter(|name| !["lib", "mod"].contains(&name.as_str())).collect::<Vec<_>>())
}

/// Returns the module path of a file, such as `["edge"]` for `src/edge/mod.rs`.
fn module_path(file: &Path) -> Vec<String> {
    let file = file.strip_prefix(root().join("src")).unwrap().with_extension("");
    let names = file.components().map(|name| name.as_os_str().to_str().unwrap().to_owned());
    names.filter(|name| !["lib", "mod"].contains(&name.as_str())).collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

fn sorted(names: &[String]) -> Vec<String> {
    let mut names = names.to_vec();
    names.sort();
    names
}

fn architecture_document() -> String {
    fs::read_to_string(root().join("docs/architecture.md")).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
