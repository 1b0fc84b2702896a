//! The headers of a request or response as one text, so that they cross from JavaScript to the wasm in one call.

/// Header names and values in turn, each on a line of its own. Header values contain no line breaks.
pub struct HeaderList {
    text: String,
    /// The first byte of each name, the line break after it, and the end of the value.
    headers: Vec<(usize, usize, usize)>,
}

impl HeaderList {
    /// Reads the lines of `text` that follow the byte `at`.
    pub fn new(text: String, at: usize) -> Self {
        let mut headers = Vec::with_capacity(32);
        let mut start = at;
        let next_line = |from: usize| {
            let rest = text.get(from..)?;
            Some(from.saturating_add(rest.find('\n').unwrap_or(rest.len())))
        };
        while start < text.len()
            && let Some(middle) = next_line(start)
            && let Some(end) = next_line(middle.saturating_add(1))
        {
            headers.push((start, middle, end));
            start = end.saturating_add(1);
        }
        Self { text, headers }
    }

    /// Returns the value of a header. The runtime joins several values with `, `.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(one, _)| one.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().filter_map(|&(start, middle, end)| {
            Some((self.text.get(start..middle)?, self.text.get(middle.saturating_add(1)..end)?))
        })
    }
}
