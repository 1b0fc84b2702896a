//! Identifies a client by its address, from a header that Cloudflare or a proxy sets and that the client cannot forge.

use std::net::{IpAddr, Ipv6Addr};

use crate::http::{header, url};

/// The settings `client_header` and `client_ipv6_prefix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSource {
    /// The header that holds the client's address.
    pub header: String,
    /// The length, in bits, of the IPv6 prefix that counts as one client.
    pub ipv6_bits: u32,
}

impl Default for ClientSource {
    /// Returns the defaults: the header `CF-Connecting-IP`, and a prefix of 64 bits, because an IPv6 client can use
    /// every address of its /64.
    fn default() -> Self {
        Self { header: "CF-Connecting-IP".to_owned(), ipv6_bits: 64 }
    }
}

impl ClientSource {
    /// Parses the setting `client_header`. Returns `None` for a malformed name, and for `X-Forwarded-For` and
    /// `Forwarded`: proxies append addresses to these headers, so the first address is one that the client can forge.
    pub fn header(name: &str) -> Option<String> {
        let is_forgeable = ["x-forwarded-for", "forwarded"].iter().any(|one| header::is_same(name, one));
        (header::is_name(name) && !is_forgeable).then(|| name.to_owned())
    }

    /// Returns the client for a value of the header: an IPv4 address, or an IPv6 prefix such as `2001:db8::/64`.
    /// Returns `None` if the header is missing or its value is not an address.
    ///
    /// `zone` is the value of `CF-Worker`. All Workers of Cloudflare have one address for requests to other zones, and Cloudflare adds
    /// the zone of the Worker: <https://developers.cloudflare.com/fundamentals/reference/http-headers/>. Such a client is
    /// named by its zone.
    pub fn client(&self, value: Option<&str>, zone: Option<&str>) -> Option<String> {
        match value?.trim().parse().ok()? {
            IpAddr::V4(address) => Some(address.to_string()),
            IpAddr::V6(address) => match (address.to_ipv4_mapped(), zone) {
                (Some(address), _) => Some(address.to_string()),
                (None, Some(zone)) if is_of_workers(address) && url::is_authority(zone) => {
                    Some(format!("worker {}", zone.to_ascii_lowercase()))
                }
                (None, _) => Some(prefix(address, self.ipv6_bits)),
            },
        }
    }
}

fn is_of_workers(address: Ipv6Addr) -> bool {
    prefix(address, NETWORK_BITS) == WORKERS
}

/// Returns the /48 that contains an IPv6 client. Providers often assign a whole /48 to one customer. Returns `None` for
/// an IPv4 client, and for a client whose prefix is a /48 or shorter.
pub fn network(client: &str) -> Option<String> {
    let (address, bits) = client.split_once('/')?;
    let (address, bits): (Ipv6Addr, u32) = (address.parse().ok()?, bits.parse().ok()?);
    (bits > NETWORK_BITS).then(|| prefix(address, NETWORK_BITS))
}

fn prefix(address: Ipv6Addr, bits: u32) -> String {
    let mask = u128::MAX.checked_shl(128_u32.saturating_sub(bits)).unwrap_or_default();
    format!("{}/{bits}", Ipv6Addr::from_bits(address.to_bits() & mask))
}

const NETWORK_BITS: u32 = 48;
const WORKERS: &str = "2a06:98c0:3600::/48";
