//! The setting `mode`: whether requests are charged.

/// Whether the requests to a route are charged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Requests are charged.
    #[default]
    Charge,
    /// No request is charged. The origin, the log and the ledger learn what each request would have got.
    Observe,
    /// No request is charged.
    Off,
}

/// The values of `mode`.
pub const MODES: [(&str, Mode); 3] =
    [("charge", Mode::Charge), ("observe", Mode::Observe), ("off", Mode::Off)];
