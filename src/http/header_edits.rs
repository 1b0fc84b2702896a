//! Changes of headers as one text, so that they cross from the wasm to JavaScript in one call.

/// Changes of headers, in order. Each change has two lines: an operator with the name, and the value.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct HeaderEdits(String);

impl HeaderEdits {
    pub fn set(&mut self, name: &str, value: &str) {
        self.push("=", name, value);
    }

    /// Adds a header line, and keeps the lines of the same name.
    pub fn append(&mut self, name: &str, value: &str) {
        self.push("+", name, value);
    }

    pub fn delete(&mut self, name: &str) {
        self.push("-", name, "");
    }

    /// Returns the changes as `shell.js` reads them.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn into_string(self) -> String {
        self.0
    }

    /// Returns the number of lines.
    pub fn lines(&self) -> usize {
        self.0.bytes().filter(|b| *b == b'\n').count()
    }

    fn push(&mut self, operator: &str, name: &str, value: &str) {
        for text in [operator, name, "\n", value, "\n"] {
            self.0.push_str(text);
        }
    }
}
