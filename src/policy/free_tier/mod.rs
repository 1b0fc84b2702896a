//! The free tier: a number of free requests to a route, for each client in each window.
//!
//! Windows are aligned to the Unix epoch, so that all isolates and Durable Objects agree on them.

pub mod exact_counter;
pub mod kv_counters;
pub mod network_shares;
pub mod new_clients;

/// The free requests of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeTier {
    /// Free requests for each client in each window.
    pub requests: u64,
    /// The length of the window in milliseconds. It is never zero.
    pub window_ms: u64,
}

impl FreeTier {
    /// Returns when the current window ends, in Unix milliseconds.
    pub fn window_ends_ms(&self, now_ms: u64) -> u64 {
        let elapsed_ms = now_ms.checked_rem(self.window_ms).unwrap_or_default();
        now_ms.saturating_sub(elapsed_ms).saturating_add(self.window_ms)
    }

    /// Returns the value of `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers): the free requests, and the
    /// window in seconds.
    pub fn policy_header(&self) -> String {
        format!("\"free\";q={};w={}", self.requests, self.window_ms.div_ceil(1_000))
    }

    /// Returns the value of `RateLimit`: the remaining free requests, and the seconds until the next window begins.
    pub fn state_header(&self, remaining: u64, now_ms: u64) -> String {
        let left_ms = self.window_ends_ms(now_ms).saturating_sub(now_ms);
        format!("\"free\";r={remaining};t={}", left_ms.div_ceil(1_000))
    }
}

/// The setting `free_tier`: where free requests are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FreeTierStore {
    /// Workers KV. The count is approximate if several isolates serve a client.
    #[default]
    Kv,
    /// One Durable Object for each client and route. The count is exact.
    Durable,
}

/// Why a client must pay although the route has a free tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreeTierDenied {
    /// The KV namespace or Durable Object that would count the request is not bound.
    NoStore,
    /// KV or the Durable Object cannot be read, or the stored value is malformed.
    StoreUnreadable,
    /// A write to KV failed less than a minute ago.
    StoreUnwritable,
    /// The isolate admitted too many new clients in the last minute, or it remembers too many clients.
    TooManyClients,
    /// The clients of one IPv6 /48 network have together used all free requests of the network in this window.
    NetworkUsedUp,
    /// The client's address is unknown.
    UnknownClient,
    /// The client has used all its free requests of this window.
    UsedUp,
}

impl FreeTierDenied {
    /// Returns the reason as a word for the log. A word never changes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoStore => "no_store",
            Self::StoreUnreadable => "store_unreadable",
            Self::StoreUnwritable => "store_unwritable",
            Self::TooManyClients => "too_many_clients",
            Self::NetworkUsedUp => "network_used_up",
            Self::UnknownClient => "unknown_client",
            Self::UsedUp => "used_up",
        }
    }
}
