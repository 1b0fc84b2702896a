//! The headers of a request or response as one text, so that they cross from JavaScript to the wasm in one call.

/// Header names and values in turn, each on a line of its own.
#[derive(Default)]
pub struct HeaderList {
    text: String,
    /// The first byte of each name, the line break after it, and the end of the value.
    headers: Vec<(usize, usize, usize)>,
}

impl HeaderList {
    /// Parses the lines of `text` that follow the byte `at`. The first of them is the number of headers.
    ///
    /// Returns `None` if there is another number of lines. A value with a line break could otherwise make other names
    /// look like values, and so keep them from being checked. workerd refuses such a request itself.
    pub fn parse(text: String, at: usize) -> Option<Self> {
        let next_line = |from: usize| {
            let rest = text.get(from..)?;
            Some(from.saturating_add(rest.find('\n')?))
        };
        let count_end = next_line(at)?;
        let count: usize = text.get(at..count_end)?.parse().ok()?;
        let mut headers = Vec::with_capacity(32);
        let mut start = count_end.saturating_add(1);
        while start < text.len() {
            let middle = next_line(start)?;
            let end = next_line(middle.saturating_add(1))?;
            headers.push((start, middle, end));
            start = end.saturating_add(1);
        }
        (headers.len() == count).then_some(Self { text, headers })
    }

    /// Returns the first value of a header. Only `Set-Cookie` can have several: the runtime joins those of other headers.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    /// Returns all values of a header, joined with `, `.
    pub fn joined(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self.values(name).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().filter_map(|&(start, middle, end)| {
            Some((self.text.get(start..middle)?, self.text.get(middle.saturating_add(1)..end)?))
        })
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.iter().filter(move |(one, _)| one.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}
