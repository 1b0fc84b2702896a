//! The payment protocols that a route offers.

/// A payment protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    L402,
    XPreimage,
}

impl Protocol {
    /// Returns the name of the protocol in the price list.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::L402 => "l402",
            Self::XPreimage => "x-preimage",
        }
    }
}

/// The setting `protocols`: the protocols of a route, in the order of the price list. L402 is always one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocols([Option<Protocol>; ALL.len()]);

impl Protocols {
    /// Parses the setting. Returns `None` if a name is unknown, if a protocol is named twice, or if L402 is missing.
    pub fn parse(names: &[String]) -> Option<Self> {
        let mut listed = Self([None; ALL.len()]);
        for (at, name) in names.iter().enumerate() {
            let protocol = ALL.iter().find(|protocol| protocol.as_str() == name)?;
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

const ALL: [Protocol; 2] = [Protocol::L402, Protocol::XPreimage];
