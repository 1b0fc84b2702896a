//! Reads `.dev.vars` as Wrangler does, which parses it with dotenv 16.3.1.

/// A setting, or a line that is neither a setting nor a comment.
pub struct Entry {
    /// The number of its first line.
    pub line: usize,
    pub text: String,
    /// The name and the value; `None` if the line is no setting.
    pub setting: Option<(String, String)>,
}

/// Returns the value of a variable; `None` if it is missing. If the file has the variable twice, returns the last
/// value.
pub fn get(file: &str, name: &str) -> Option<String> {
    let settings = entries(file).into_iter().filter_map(|entry| entry.setting);
    settings.filter(|(key, _)| key == name).map(|(_, value)| value).next_back()
}

/// Returns the settings, and the lines that are neither settings nor comments.
pub fn entries(file: &str) -> Vec<Entry> {
    let file = file.replace("\r\n", "\n").replace('\r', "\n");
    let mut entries = Vec::new();
    let mut rest = file.trim_start_matches(is_space);
    while !rest.is_empty() {
        let (setting, after) = match setting(rest) {
            Some((name, value, after)) => (Some((name.to_owned(), value)), after),
            None => (None, rest),
        };
        let after = after.trim_start_matches(|c| c != '\n');
        if !rest.starts_with('#') {
            let line = before(&file, rest).matches('\n').count().saturating_add(1);
            entries.push(Entry { line, text: before(rest, after).to_owned(), setting });
        }
        rest = after.trim_start_matches(is_space);
    }
    entries
}

/// Returns the name, the value, and the text after the value.
fn setting(text: &str) -> Option<(&str, String, &str)> {
    let exported = text.strip_prefix("export").and_then(|rest| rest.strip_prefix(is_space));
    exported.and_then(|rest| assignment(rest.trim_start_matches(is_space))).or_else(|| assignment(text))
}

fn assignment(text: &str) -> Option<(&str, String, &str)> {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "_.-".contains(c));
    let name = Some(before(text, rest)).filter(|name| !name.is_empty())?;
    let equals = rest.trim_start_matches(is_space).strip_prefix('=');
    let rest = equals.or_else(|| rest.strip_prefix(':')?.strip_prefix(is_space))?;
    let after = after_quoted(rest.trim_start_matches(is_space))
        .unwrap_or_else(|| rest.trim_start_matches(|c| c != '#' && c != '\n'));
    let value = before(rest, after).trim_matches(is_space);
    let inside = QUOTES.into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    let inside = inside.unwrap_or(value);
    let has_escapes = value.starts_with('"');
    let value =
        if has_escapes { inside.replace(r"\n", "\n").replace(r"\r", "\r") } else { inside.to_owned() };
    Some((name, value, after))
}

/// Returns the text after a quoted value, which may have several lines. Returns `None` if the text does not begin with one,
/// or if anything but a comment follows it on its last line.
fn after_quoted(text: &str) -> Option<&str> {
    let quote = QUOTES.into_iter().find(|quote| text.starts_with(*quote))?;
    let inside = text.strip_prefix(quote)?;
    let mut candidates = Vec::new();
    for (at, _) in inside.match_indices(quote) {
        let (before, after) = inside.split_at_checked(at)?;
        candidates.push(after.strip_prefix(quote)?);
        // A quote after a backslash ends the value only if no later quote does.
        if !before.ends_with('\\') {
            break;
        }
    }
    candidates.into_iter().rev().find(|after| {
        let rest = after.split('\n').next().unwrap_or_default().trim_start_matches(is_space);
        rest.is_empty() || rest.starts_with('#')
    })
}

/// Returns a text without the rest at its end.
fn before<'a>(text: &'a str, rest: &str) -> &'a str {
    text.strip_suffix(rest).unwrap_or(text)
}

/// Whether JavaScript counts a character as white space. A byte order mark is one.
fn is_space(c: char) -> bool {
    c == '\u{feff}' || c.is_whitespace() && c != '\u{85}'
}

const QUOTES: [char; 3] = ['"', '\'', '`'];
