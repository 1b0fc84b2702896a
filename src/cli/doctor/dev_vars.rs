//! Reads `.dev.vars`: each line is `NAME=value`, and the value may be quoted. Values of several lines, which Wrangler
//! also reads, are not supported.

/// Returns the value of a variable; `None` if it is missing. If the file has the variable twice, returns the last
/// value.
pub fn get<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().filter_map(|line| value(line, name)).next_back()
}

fn value<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let line = line.trim();
    let line = line.strip_prefix("export ").map_or(line, str::trim_start);
    let value = line.strip_prefix(name)?.trim_start().strip_prefix('=')?.trim();
    let quoted = ['"', '\'', '`'].into_iter().find_map(|quote| {
        let (inside, _) = value.strip_prefix(quote)?.split_once(quote)?;
        Some(inside)
    });
    Some(quoted.unwrap_or_else(|| value.split_once('#').map_or(value, |(value, _)| value).trim_end()))
}
