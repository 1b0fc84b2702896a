//! Counts free requests exactly. One Durable Object holds the count of one client on one route.

use serde::Serialize;

use crate::strict_json::{FromJson, Json};

/// The free requests of one client in one window.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExactCounter {
    window_ends_ms: u64,
    used: u64,
}

/// A request to the Durable Object of a client and route: take one of `quota` free requests in the window that ends at
/// `window_ends_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FreeTierRequest {
    pub quota: u64,
    pub window_ends_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FreeTierResponse {
    /// The request is free, and `remaining` free requests are left. `is_first` is set for the first request of a
    /// window.
    Granted {
        remaining: u64,
        is_first: bool,
    },
    UsedUp,
}

impl ExactCounter {
    /// Takes one free request, if one is left in the window.
    ///
    /// A request for an earlier window than the counted one comes from an isolate whose clock is behind. Such a request
    /// is refused and changes nothing.
    pub fn take(&mut self, FreeTierRequest { quota, window_ends_ms }: FreeTierRequest) -> FreeTierResponse {
        if self.window_ends_ms > window_ends_ms {
            return FreeTierResponse::UsedUp;
        }
        let is_first = self.window_ends_ms != window_ends_ms;
        let used = if is_first { 0 } else { self.used };
        let Some(remaining) = quota.checked_sub(used).and_then(|left| left.checked_sub(1)) else {
            return FreeTierResponse::UsedUp;
        };
        *self = Self { window_ends_ms, used: used.saturating_add(1) };
        FreeTierResponse::Granted { remaining, is_first }
    }

    /// Whether the counted window has ended.
    pub fn has_ended(&self, now_ms: u64) -> bool {
        self.window_ends_ms <= now_ms
    }
}

impl FromJson for ExactCounter {
    fn from_json(json: &Json) -> Option<Self> {
        Some(Self { window_ends_ms: json.number("window_ends_ms")?, used: json.number("used")? })
    }
}

impl FromJson for FreeTierRequest {
    fn from_json(json: &Json) -> Option<Self> {
        Some(Self { quota: json.number("quota")?, window_ends_ms: json.number("window_ends_ms")? })
    }
}

impl FromJson for FreeTierResponse {
    fn from_json(json: &Json) -> Option<Self> {
        if json.as_str() == Some("used_up") {
            return Some(Self::UsedUp);
        }
        let granted = json.get("granted")?;
        let is_first = granted.get("is_first")?.as_bool()?;
        Some(Self::Granted { remaining: granted.number("remaining")?, is_first })
    }
}
