//! Who is calling: the address that Cloudflare saw, never one that the client wrote.

use std::net::{IpAddr, Ipv6Addr};

use crate::http::header;

/// How a client is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSource {
    /// The header that holds its address.
    pub header: String,
    /// How many bits of an IPv6 address are one client.
    pub ipv6_bits: u32,
}

impl Default for ClientSource {
    /// `CF-Connecting-IP`, and the /64 of an IPv6 address: whoever has one address of a /64 has them all.
    fn default() -> Self {
        Self { header: "CF-Connecting-IP".to_owned(), ipv6_bits: 64 }
    }
}

impl ClientSource {
    /// A header's name, unless it is one that proxies only add to.
    pub fn header(name: &str) -> Option<String> {
        let is_forged = ["x-forwarded-for", "forwarded"].contains(&header::fold(name).as_str());
        (header::is_name(name) && !is_forged).then(|| name.to_owned())
    }

    /// The client behind the header's value: an IPv4 address, or the prefix of an IPv6 one. `None` where the header is
    /// absent or no address.
    pub fn client(&self, value: Option<&str>) -> Option<String> {
        match value?.trim().parse().ok()? {
            IpAddr::V4(address) => Some(address.to_string()),
            IpAddr::V6(address) => match address.to_ipv4_mapped() {
                Some(address) => Some(address.to_string()),
                None => Some(prefix(address, self.ipv6_bits)),
            },
        }
    }
}

/// The /48 that an IPv6 client lies in: who has one network of it often has them all. `None` for any other client.
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
