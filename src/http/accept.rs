//! Reads the `Accept` header (RFC 9110, 12.5.1).

/// Whether an `Accept` header names `text/html`, with at least the quality of `application/json`.
pub fn prefers_html(accept: &str) -> bool {
    let html = quality(accept, "text/html");
    html > 0 && html >= quality(accept, "application/json")
}

/// Returns the quality of a media type in an `Accept` header, in thousandths; 0 if the header does not name the media
/// type, or has more than 4,096 bytes.
pub fn quality(accept: &str, media_type: &str) -> u32 {
    if accept.len() > MAX_BYTES {
        return 0;
    }
    let named = accept.split(',').find_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        parts.next().filter(|name| name.eq_ignore_ascii_case(media_type))?;
        Some(
            parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="))).unwrap_or("1"),
        )
    });
    let Some((whole, fraction)) = named.map(|q| q.split_once('.').unwrap_or((q, ""))) else { return 0 };
    format!("{whole}{fraction:0<3}").parse().unwrap_or_default()
}

/// Those of browsers have at most 200 bytes. Each comma costs time.
const MAX_BYTES: usize = 4_096;
