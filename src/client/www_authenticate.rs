//! Parses the header `WWW-Authenticate` (RFC 9110).

/// A challenge of `WWW-Authenticate`: a scheme and its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpChallenge {
    /// The scheme as the server wrote it.
    pub scheme: String,
    /// Names in lower case, and values, in the order of the header.
    parameters: Vec<(String, String)>,
}

impl HttpChallenge {
    /// Returns the first value of a parameter. `name` is in lower case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Parses the challenges of a header line. Servers write them in many ways, so a missing comma, missing quotes, and
/// white space around `=` are accepted. A token68 (`Negotiate abc=`) is read as a parameter, which does no harm.
pub fn parse(line: &str) -> Vec<HttpChallenge> {
    let mut challenges: Vec<HttpChallenge> = Vec::new();
    let mut rest = line.get(..MAX_LINE_BYTES).unwrap_or(line);
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (word, after) = split_before(rest, &[' ', '\t', ',', '=', '"']);
        if word.is_empty() {
            match skip_one(rest) {
                Some(skipped) => rest = skipped,
                None => return challenges,
            }
            continue;
        }
        let Some(value) = after.trim_start_matches([' ', '\t']).strip_prefix('=') else {
            challenges.push(HttpChallenge { scheme: word.to_owned(), parameters: Vec::new() });
            rest = after;
            continue;
        };
        let (value, after) = parse_value(value.trim_start_matches([' ', '\t']));
        if let Some(challenge) = challenges.last_mut() {
            challenge.parameters.push((word.to_ascii_lowercase(), value));
        }
        rest = after;
    }
}

/// Parses a token or a quoted string at the beginning of a text. Returns it and the rest of the text.
fn parse_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (token, rest) = split_before(text, &[' ', '\t', ',', '"']);
        return (token.to_owned(), rest);
    };
    let mut value = String::new();
    let mut letters = quoted.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => break,
            '\\' => value.extend(letters.next()),
            letter => value.push(letter),
        }
    }
    (value, letters.as_str())
}

fn split_before<'a>(text: &'a str, ends: &[char]) -> (&'a str, &'a str) {
    text.split_at_checked(text.find(ends).unwrap_or(text.len())).unwrap_or((text, ""))
}

fn skip_one(text: &str) -> Option<&str> {
    let mut letters = text.chars();
    letters.next().map(|_| letters.as_str())
}

/// The part of a line that is read. A challenge has about a thousand bytes.
const MAX_LINE_BYTES: usize = 16_384;
