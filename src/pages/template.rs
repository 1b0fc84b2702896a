//! HTML templates. `{{name}}` is replaced with a value. A block from `<!--if name-->` to `<!--/if name-->` is removed
//! if the value is empty.

/// Fills a template. Values are escaped for text and for quoted attributes, and are not parsed as templates.
pub fn fill(template: &str, values: &[(&str, String)]) -> String {
    let value = |name: &str| values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value);
    let mut kept = template.to_owned();
    for (name, text) in values {
        let (begin, end) = (format!("<!--if {name}-->"), format!("<!--/if {name}-->"));
        while let Some((before, rest)) = kept.split_once(&begin) {
            let Some((inner, after)) = rest.split_once(&end) else { break };
            kept = [before, if text.is_empty() { "" } else { inner }, after].concat();
        }
    }
    let mut pieces = kept.split("{{");
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, text) = piece.split_once("}}").unwrap_or(("", piece));
        filled.push_str(&escape(value(name)));
        filled.push_str(text);
    }
    filled
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
