//! Reads `.dev.vars`: each line is `NAME=value`, and the value may be quoted. Values of several lines, which Wrangler
//! also reads, are not supported.

/// Returns the value of a variable; `None` if it is missing. If the file has the variable twice, returns the last
/// value.
pub fn get<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().filter_map(|line| value(line, name)).next_back()
}

/// Returns the number of each line that is not empty, and the name of the variable that the line sets. The name is
/// `None` if the line sets no variable.
pub fn names(text: &str) -> impl Iterator<Item = (usize, Option<&str>)> {
    let lines = text.lines().map(str::trim).zip(1_usize..);
    lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#')).map(|(line, number)| {
        let name = line.split_once('=').map(|(name, _)| without_export(name).trim());
        (
            number,
            name.filter(|name| {
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            }),
        )
    })
}

fn value<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let value = without_export(line.trim()).strip_prefix(name)?.trim_start().strip_prefix('=')?.trim();
    let quoted = ['"', '\'', '`'].into_iter().find_map(|quote| {
        let (inside, _) = value.strip_prefix(quote)?.split_once(quote)?;
        Some(inside)
    });
    Some(quoted.unwrap_or_else(|| value.split_once('#').map_or(value, |(value, _)| value).trim_end()))
}

fn without_export(line: &str) -> &str {
    line.strip_prefix("export ").map_or(line, str::trim_start)
}
