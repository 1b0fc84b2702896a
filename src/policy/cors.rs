//! Which pages of other origins may read our answers, for owners whose clients run in browsers.

/// The origins that may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cors {
    /// Every page.
    Any,
    /// Pages of these origins.
    Origins(Vec<String>),
}

impl Cors {
    /// Reads `*` or a list of origins; `None` where one is no origin.
    pub fn new(origins: Vec<String>) -> Option<Self> {
        if origins == ["*"] {
            return Some(Self::Any);
        }
        origins.iter().all(|origin| is_origin(origin)).then_some(Self::Origins(origins))
    }

    /// The value of `Access-Control-Allow-Origin` for a page; `None` where it may not read.
    pub fn allow_origin<'a>(&'a self, origin: Option<&str>) -> Option<&'a str> {
        match self {
            Self::Any => Some("*"),
            Self::Origins(origins) => {
                origins.iter().find(|one| Some(one.as_str()) == origin).map(String::as_str)
            }
        }
    }

    /// Whether the answer depends on who asks.
    pub fn varies(&self) -> bool {
        matches!(self, Self::Origins(_))
    }
}

/// A scheme, a host, and nothing behind them but a port.
fn is_origin(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._:[]".contains(&b);
    rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(is_letter))
}

/// What a page may read of our answers besides what it always may.
pub const EXPOSED: [&str; 8] = [
    "WWW-Authenticate",
    "Retry-After",
    "RateLimit",
    "RateLimit-Policy",
    "X-Toll-Price-Fiat",
    "X-Toll-Price-Sats",
    "X-Toll-Expires",
    "X-Toll-Uses-Remaining",
];
