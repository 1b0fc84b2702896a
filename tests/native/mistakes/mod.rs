//! Mistakes that an owner may make, and the one line that `edgetoll check` prints for each of them.

use edgetoll::cli::check::check;

// U13 (CHANGELOG)
#[test]
fn each_mistake_of_the_table_is_reported_by_exactly_one_line() {
    let rows = rows(include_str!("check.txt"));
    let differences: Vec<String> = rows.iter().filter_map(difference).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(rows.len() >= 60);
}

/// A mistake: a file, and the line that is printed for it.
struct Row<'a> {
    title: &'a str,
    file: &'a str,
    text: String,
    expected: &'a str,
}

/// Reads the table. A row has a title (`==`), the name of a file (`--`), its text, and the expected line (`=>`).
fn rows(table: &str) -> Vec<Row<'_>> {
    table.split("\n== ").skip(1).map(row).collect()
}

fn row(text: &str) -> Row<'_> {
    let (title, rest) = text.split_once("\n-- ").unwrap();
    let (file, rest) = rest.split_once('\n').unwrap();
    let (text, expected) = rest.split_once("\n=> ").unwrap_or_else(|| panic!("{title} has no expected line"));
    // The last table of a TOML file. Without it, each file would get a warning.
    let build = if file.ends_with(".toml") { "\n[build]\ncommand = \"make build\"\n" } else { "\n" };
    Row { title, file, text: format!("{text}{build}"), expected: expected.lines().next().unwrap() }
}

/// Returns what is printed for a row, unless it is exactly the expected line.
fn difference(row: &Row<'_>) -> Option<String> {
    let findings = check(row.file, &row.text).findings;
    let printed: Vec<String> = findings.iter().map(|finding| format!("{}:{finding}", row.file)).collect();
    (printed != [row.expected]).then(|| format!("{}: {printed:#?}\nexpected {}", row.title, row.expected))
}
