//! The free tier: so many requests of a route for each client in each window. Windows are aligned to the epoch, so that
//! everybody who counts agrees on them.

pub mod exact_counter;
pub mod kv_counters;
pub mod new_clients;

/// What a route gives away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeTier {
    /// Requests for each client in each window.
    pub requests: u64,
    /// The window in milliseconds; never zero.
    pub window_ms: u64,
}

/// How free requests are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FreeTierStore {
    /// In Workers KV: cheap, and approximate where a client meets several isolates at once.
    #[default]
    Kv,
    /// In a Durable Object for each client and route: exact.
    Durable,
}

/// Why a client with a free tier is asked to pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreeTierDenied {
    /// There is no store to count in.
    NoStore,
    /// The store could not be read, or holds something else.
    StoreUnreadable,
    /// A write failed less than a minute ago.
    StoreUnwritable,
    /// More new clients than one isolate lets in, or remembers.
    TooManyClients,
    /// Nobody knows who is calling.
    UnknownClient,
    /// They had theirs.
    UsedUp,
}

impl FreeTierDenied {
    /// The word in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoStore => "no_store",
            Self::StoreUnreadable => "store_unreadable",
            Self::StoreUnwritable => "store_unwritable",
            Self::TooManyClients => "too_many_clients",
            Self::UnknownClient => "unknown_client",
            Self::UsedUp => "used_up",
        }
    }
}

impl FreeTier {
    /// When the window of a moment ends.
    pub fn window_ends_ms(&self, now_ms: u64) -> u64 {
        let into = now_ms.checked_rem(self.window_ms).unwrap_or_default();
        now_ms.saturating_sub(into).saturating_add(self.window_ms)
    }

    /// The value of `RateLimit-Policy`: the quota, and the window in seconds
    /// (draft-ietf-httpapi-ratelimit-headers).
    pub fn policy_header(&self) -> String {
        format!("\"free\";q={};w={}", self.requests, self.window_ms.div_ceil(1_000))
    }

    /// The value of `RateLimit`: what remains, and in how many seconds the next window begins.
    pub fn state_header(&self, remaining: u64, now_ms: u64) -> String {
        let left_ms = self.window_ends_ms(now_ms).saturating_sub(now_ms);
        format!("\"free\";r={remaining};t={}", left_ms.div_ceil(1_000))
    }
}
