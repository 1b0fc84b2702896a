//! The payment protocols that a route offers.

/// A payment protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    L402,
    XPreimage,
}

/// The setting `protocols`: the protocols of a route, in the order of the price list. L402 is always one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocols([Option<Protocol>; NAMES.len()]);

impl Protocols {
    /// Parses the setting. Returns `None` if a name is unknown, if a protocol is named twice, or if L402 is missing.
    pub fn parse(names: &[String]) -> Option<Self> {
        let mut listed = Self([None; NAMES.len()]);
        for (at, name) in names.iter().enumerate() {
            let (_, protocol) = NAMES.iter().find(|(known, _)| known == name)?;
            if listed.contains(*protocol) {
                return None;
            }
            *listed.0.get_mut(at)? = Some(*protocol);
        }
        listed.contains(Protocol::L402).then_some(listed)
    }

    pub fn contains(self, protocol: Protocol) -> bool {
        self.0.contains(&Some(protocol))
    }

    /// Whether the protocol is the first one. The first protocol has the body of a 402 if the client states no
    /// preference.
    pub fn begins_with(self, protocol: Protocol) -> bool {
        self.0.first() == Some(&Some(protocol))
    }
}

impl Default for Protocols {
    fn default() -> Self {
        Self([Some(Protocol::L402), None])
    }
}

const NAMES: [(&str, Protocol); 2] = [("l402", Protocol::L402), ("x-preimage", Protocol::XPreimage)];
