//! Who is calling: the address that Cloudflare saw, never one that the client wrote.

use std::net::IpAddr;

/// The client behind `CF-Connecting-IP`: an IPv4 address, or the /64 of an IPv6 one, since whoever has one address of a
/// /64 has them all. `None` where the header is absent or no address.
pub fn bucket(cf_connecting_ip: Option<&str>) -> Option<String> {
    match cf_connecting_ip?.trim().parse().ok()? {
        IpAddr::V4(address) => Some(address.to_string()),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => Some(address.to_string()),
            None => {
                let [a, b, c, d, ..] = address.segments();
                Some(format!("{a:x}:{b:x}:{c:x}:{d:x}::/64"))
            }
        },
    }
}
