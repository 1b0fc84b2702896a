//! Probes a wallet: whether the configured key or connection may spend what the paywall earns, and whether an LNbits
//! server hides the preimages of unpaid invoices, and whether an NWC wallet keeps what edgetoll records with an invoice.
//!
//! LNbits up to 1.5.6 gives the preimage of an unpaid invoice to everyone. An admin key of LNbits can spend.

use super::lnbits::{Lnbits, PAYMENTS};
use super::{HttpRequest, Wallet, WalletError, WalletRequest, WalletResponse};
use crate::payment::{PaymentHash, WalletSlot};
use crate::strict_json::Json;

/// The result of a probe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Probe {
    /// The responses were inconclusive.
    #[default]
    Unknown,
    /// LNbits hides the preimages of unpaid invoices.
    PreimageHidden,
    /// LNbits gives the preimages of unpaid invoices to everyone.
    PreimageExposed,
    /// The configured key is an admin key.
    AdminKey,
    /// The configured NWC connection may spend.
    MaySpend,
    /// The NWC connection may not spend, and the wallet keeps what edgetoll records with an invoice.
    RecordKept,
    /// The NWC connection may not spend, and the wallet drops what edgetoll records with an invoice.
    RecordDropped,
}

impl Probe {
    const WORDS: [(Self, &'static str); 6] = [
        (Self::PreimageHidden, "preimage_hidden"),
        (Self::PreimageExposed, "preimage_exposed"),
        (Self::AdminKey, "admin_key"),
        (Self::MaySpend, "may_spend"),
        (Self::RecordKept, "record_kept"),
        (Self::RecordDropped, "record_dropped"),
    ];

    /// Whether nothing is sold because the wallet's key or connection may spend.
    pub fn may_spend(self) -> bool {
        matches!(self, Self::AdminKey | Self::MaySpend)
    }

    /// Returns how long the result is valid, in milliseconds.
    pub fn valid_for_ms(self) -> u64 {
        if self == Self::Unknown { MINUTE_MS } else { HOUR_MS }
    }

    /// Returns the warning for the log, a sentence whose subject is the wallet; `None` if the result needs no warning.
    pub fn warning(self) -> Option<&'static str> {
        match self {
            Self::Unknown | Self::PreimageHidden | Self::RecordKept | Self::RecordDropped => None,
            Self::PreimageExposed => Some(
                "gives the preimages of unpaid invoices to everyone: update LNbits to 1.6.0 or later; until then each \
                 payment is looked up, unless `settlement` is \"preimage\"",
            ),
            Self::AdminKey => Some(
                "is configured with an admin key, which can spend what you earn: use the invoice key of the wallet \
                 instead; until then nothing is sold",
            ),
            Self::MaySpend => Some(
                "is configured with a connection that may spend what you earn: create a connection that may only receive; \
                 until then nothing is sold",
            ),
        }
    }
}

/// The result that is known for a wallet, and when the next probe is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeRecord {
    pub probe: Probe,
    valid_until_ms: u64,
    /// When a probe that checks only the key or the connection is due; never before `valid_until_ms`.
    key_valid_until_ms: u64,
}

impl ProbeRecord {
    /// No result is known, and a probe is due.
    pub const NONE: Self = Self::new(Probe::Unknown, 0);

    const fn new(probe: Probe, valid_until_ms: u64) -> Self {
        Self { probe, valid_until_ms, key_valid_until_ms: valid_until_ms }
    }

    /// Returns the record after a probe. An inconclusive probe keeps the previous result for a minute.
    pub fn after(previous: Self, result: Probe, now_ms: u64) -> Self {
        let probe = if result == Probe::Unknown { previous.probe } else { result };
        Self::new(probe, now_ms.saturating_add(result.valid_for_ms()))
    }

    /// Returns the record after a probe that checked only the key or the connection, and found that it may not spend. The
    /// next such probe is due in an hour. The previous result ends when it would have ended without this probe, or at once
    /// if it was that the key or the connection may spend: the next invoice of the wallet is for a complete probe.
    pub fn after_key(previous: Self, now_ms: u64) -> Self {
        let kept = if previous.probe.may_spend() { Self::NONE } else { previous };
        Self { key_valid_until_ms: now_ms.saturating_add(HOUR_MS), ..kept }
    }

    /// Returns the result, or `None` if a probe is due.
    pub fn at(self, now_ms: u64) -> Option<Probe> {
        (now_ms < self.valid_until_ms).then_some(self.probe)
    }

    /// Whether a probe that checks only the key or the connection is due.
    pub fn is_key_check_due(self, now_ms: u64) -> bool {
        now_ms >= self.key_valid_until_ms
    }

    /// Returns the record as KV stores it.
    pub fn to_text(self) -> String {
        let word = Probe::WORDS.iter().find(|(probe, _)| *probe == self.probe).map_or("", |(_, word)| word);
        format!("{word} {}", self.valid_until_ms)
    }

    pub fn parse(text: &str) -> Option<Self> {
        let (word, valid_until_ms) = text.split_once(' ')?;
        let (probe, _) = Probe::WORDS.into_iter().find(|(_, known)| *known == word)?;
        Some(Self::new(probe, valid_until_ms.parse().ok()?))
    }
}

/// Returns the request that shows whether the key or the connection of a wallet may spend.
pub fn spending_request(wallet: &Wallet) -> WalletRequest {
    match wallet {
        Wallet::Lnbits(lnbits) => WalletRequest::Http(key_request(lnbits)),
        #[cfg(feature = "nwc")]
        Wallet::Nwc(nwc) => WalletRequest::Nwc(nwc.info()),
    }
}

/// Whether the key or the connection of a wallet may spend, from the response to [`spending_request`]; `None` if the
/// response is inconclusive.
pub fn may_spend(wallet: &Wallet, response: &WalletResponse) -> Option<bool> {
    match wallet {
        Wallet::Lnbits(_) => is_admin_key(response),
        #[cfg(feature = "nwc")]
        Wallet::Nwc(_) => super::nwc::may_spend(response),
    }
}

/// Returns the request that checks the kind of the key: LNbits returns the id of a wallet only for an admin key.
pub fn key_request(lnbits: &Lnbits) -> HttpRequest {
    lnbits.get("/api/v1/wallet", true)
}

/// Returns the request that looks up an unpaid invoice: at an LNbits without a key, as everyone can; at an NWC wallet over
/// the connection.
pub fn look_up_request(wallet: &Wallet, unpaid: &PaymentHash) -> WalletRequest {
    match wallet {
        Wallet::Lnbits(lnbits) => WalletRequest::Http(look_up_without_key(lnbits, unpaid)),
        #[cfg(feature = "nwc")]
        Wallet::Nwc(nwc) => WalletRequest::Nwc(nwc.look_up(unpaid)),
    }
}

/// Returns the request that looks up an unpaid invoice at an LNbits without a key.
pub fn look_up_without_key(lnbits: &Lnbits, unpaid: &PaymentHash) -> HttpRequest {
    lnbits.get(&format!("{PAYMENTS}/{}", unpaid.to_hex()), false)
}

/// Returns the result of a probe from the responses to [`spending_request`] and [`look_up_request`]; `None` stands for a
/// missing response.
pub fn judge(wallet: &Wallet, key: Option<&WalletResponse>, unpaid: Option<&WalletResponse>) -> Probe {
    let may_spend = key.and_then(|key| may_spend(wallet, key));
    match wallet {
        Wallet::Lnbits(_) => match (may_spend, unpaid.and_then(exposes_preimage)) {
            (Some(true), _) => Probe::AdminKey,
            (_, Some(true)) => Probe::PreimageExposed,
            (Some(false), Some(false)) => Probe::PreimageHidden,
            _ => Probe::Unknown,
        },
        #[cfg(feature = "nwc")]
        Wallet::Nwc(_) => match (may_spend, unpaid.and_then(super::nwc::keeps_record)) {
            (Some(true), _) => Probe::MaySpend,
            (Some(false), Some(true)) => Probe::RecordKept,
            (Some(false), Some(false)) => Probe::RecordDropped,
            _ => Probe::Unknown,
        },
    }
}

/// The response of a wallet to [`spending_request`].
pub struct Probed<'a> {
    pub slot: WalletSlot,
    pub wallet: &'a Wallet,
    pub response: Result<WalletResponse, WalletError>,
}

impl Probed<'_> {
    fn may_spend(&self) -> Option<bool> {
        may_spend(self.wallet, self.response.as_ref().ok()?)
    }

    fn problem(&self) -> Option<String> {
        match self.wallet {
            Wallet::Lnbits(_) => lnbits_problem(self.slot, &self.response),
            #[cfg(feature = "nwc")]
            Wallet::Nwc(_) => nwc_problem(self.slot, &self.response),
        }
    }
}

/// Returns the reasons why no wallet can sell: for each wallet, a sentence with the remedy. The result is empty if one
/// wallet can sell and no wallet may spend.
pub fn problems(probed: &[Probed<'_>]) -> Vec<String> {
    let problems: Vec<_> = probed.iter().map(Probed::problem).collect();
    let may_spend = probed.iter().any(|one| one.may_spend() == Some(true));
    if !may_spend && problems.iter().any(Option::is_none) {
        return Vec::new();
    }
    problems.into_iter().flatten().collect()
}

#[cfg(feature = "nwc")]
fn nwc_problem(slot: WalletSlot, response: &Result<WalletResponse, WalletError>) -> Option<String> {
    let name = slot.nwc_setting();
    match response.as_ref().map(super::nwc::may_spend) {
        Ok(Some(false)) => None,
        Ok(Some(true)) => Some(format!(
            "{name} is a connection that may spend what you earn, so nothing is sold: create a connection that may only \
             receive, and set it with `npx wrangler secret put {name}`"
        )),
        Ok(None) => Some(format!(
            "the wallet of {name} does not say what the connection may do (get_info), so it may spend and nothing is sold: \
             create a connection that may only receive, and set it with `npx wrangler secret put {name}`"
        )),
        Err(error) => Some(format!("{error}: correct {name}, or start the wallet")),
    }
}

fn lnbits_problem(slot: WalletSlot, response: &Result<WalletResponse, WalletError>) -> Option<String> {
    let (url, key) = (slot.url_setting(), slot.key_setting());
    match response {
        Ok(response) => match (response.status, is_admin_key(response)) {
            (_, Some(false)) => None,
            (_, Some(true)) => Some(format!(
                "{key} is an admin key, which can spend what you earn, so nothing is sold: set the invoice key of the \
                 wallet with `npx wrangler secret put {key}`"
            )),
            (401 | 403 | 404, _) => Some(format!(
                "LNbits does not accept {key} (status {}): copy the invoice key of the wallet, and set it with \
                 `npx wrangler secret put {key}`",
                response.status
            )),
            // LNbits limits how many requests it answers per minute. Status 429 says nothing about the key.
            (429, _) => None,
            (status @ 500.., _) => Some(format!("LNbits answers with status {status}: see its log")),
            (status, _) => Some(format!(
                "the server at {url} answers with status {status}, but not as LNbits does: correct {url}"
            )),
        },
        Err(error) => Some(format!("{error}: correct {url}, or start LNbits")),
    }
}

/// Whether the key is an admin key; `None` if the response is inconclusive.
pub fn is_admin_key(response: &WalletResponse) -> Option<bool> {
    let wallet = Json::parse(response.body.as_bytes()).filter(|_| response.status == 200)?;
    wallet.get("balance").map(|_| wallet.get("id").is_some())
}

/// Whether a request without a key returned the preimage; `None` if the response is inconclusive.
pub fn exposes_preimage(response: &WalletResponse) -> Option<bool> {
    // Only status 200 is conclusive: a proxy in front of LNbits may refuse this request and let the same request of
    // another client pass.
    let payment = Json::parse(response.body.as_bytes()).filter(|_| response.status == 200)?;
    let is_paid = payment.get("paid").and_then(Json::as_bool)?;
    // LNbits omits `preimage` if it got no status from its node. Then the result is unknown.
    let is_exposed = *payment.get("preimage")? != Json::Null;
    // If the invoice was paid in the meantime, the response says nothing about unpaid invoices.
    (!is_paid).then_some(is_exposed)
}

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 3_600_000;
