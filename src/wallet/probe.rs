//! Probes an LNbits server: whether it hides the preimages of unpaid invoices, and whether the configured key is an
//! admin key.
//!
//! LNbits up to 1.5.6 gives the preimage of an unpaid invoice to everyone. An admin key can spend what the paywall
//! earns.

use super::lnbits::{Lnbits, PAYMENTS};
use super::{HttpRequest, WalletError, WalletResponse};
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
}

impl Probe {
    const WORDS: [(Self, &'static str); 3] = [
        (Self::PreimageHidden, "preimage_hidden"),
        (Self::PreimageExposed, "preimage_exposed"),
        (Self::AdminKey, "admin_key"),
    ];

    /// Returns how long the result is valid, in milliseconds.
    pub fn valid_for_ms(self) -> u64 {
        if self == Self::Unknown { MINUTE_MS } else { HOUR_MS }
    }

    /// Returns the warning for the log, a sentence whose subject is the wallet; `None` if the result needs no warning.
    pub fn warning(self) -> Option<&'static str> {
        match self {
            Self::Unknown | Self::PreimageHidden => None,
            Self::PreimageExposed => Some(
                "gives the preimages of unpaid invoices to everyone: update LNbits to 1.6.0 or later; until then each \
                 payment is looked up, unless `settlement` is \"preimage\"",
            ),
            Self::AdminKey => Some(
                "is configured with an admin key, which can spend what you earn: use the invoice key of the wallet \
                 instead; until then nothing is sold",
            ),
        }
    }
}

/// The result that is known for an LNbits server, and when the next probe is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeRecord {
    pub probe: Probe,
    valid_until_ms: u64,
}

impl ProbeRecord {
    /// No result is known, and a probe is due.
    pub const NONE: Self = Self { probe: Probe::Unknown, valid_until_ms: 0 };

    /// Returns the record after a probe. An inconclusive probe keeps the previous result for a minute.
    pub fn after(previous: Self, result: Probe, now_ms: u64) -> Self {
        let probe = if result == Probe::Unknown { previous.probe } else { result };
        Self { probe, valid_until_ms: now_ms.saturating_add(result.valid_for_ms()) }
    }

    /// Returns the record after a probe that checked only the key, and found that it is an invoice key. The previous
    /// result stays valid for an hour.
    ///
    /// If that result is `Unknown`, each payment is looked up in this hour, unless `settlement` is "preimage".
    pub fn after_key(previous: Self, now_ms: u64) -> Self {
        Self { valid_until_ms: now_ms.saturating_add(HOUR_MS), ..previous }
    }

    /// Returns the result, or `None` if a probe is due.
    pub fn at(self, now_ms: u64) -> Option<Probe> {
        (now_ms < self.valid_until_ms).then_some(self.probe)
    }

    /// Returns the record as KV stores it.
    pub fn to_text(self) -> String {
        let word = Probe::WORDS.iter().find(|(probe, _)| *probe == self.probe).map_or("", |(_, word)| word);
        format!("{word} {}", self.valid_until_ms)
    }

    pub fn parse(text: &str) -> Option<Self> {
        let (word, valid_until_ms) = text.split_once(' ')?;
        let (probe, _) = Probe::WORDS.into_iter().find(|(_, known)| *known == word)?;
        Some(Self { probe, valid_until_ms: valid_until_ms.parse().ok()? })
    }
}

/// Returns the request that checks the kind of the key: LNbits returns the id of a wallet only for an admin key.
pub fn key_request(lnbits: &Lnbits) -> HttpRequest {
    lnbits.get("/api/v1/wallet", true)
}

/// Returns the request that looks up an unpaid invoice without a key.
pub fn preimage_request(lnbits: &Lnbits, unpaid: &PaymentHash) -> HttpRequest {
    lnbits.get(&format!("{PAYMENTS}/{}", unpaid.to_hex()), false)
}

/// Returns the result of a probe from the responses to [`key_request`] and [`preimage_request`]; `None` stands for a
/// missing response.
pub fn judge(key: Option<&WalletResponse>, preimage: Option<&WalletResponse>) -> Probe {
    match (key.and_then(is_admin_key), preimage.and_then(exposes_preimage)) {
        (Some(true), _) => Probe::AdminKey,
        (_, Some(true)) => Probe::PreimageExposed,
        (Some(false), Some(false)) => Probe::PreimageHidden,
        _ => Probe::Unknown,
    }
}

/// Returns the reasons why no wallet can sell: for each wallet, a sentence with the remedy. `responses` are the responses to
/// [`key_request`]. The result is empty if one wallet can sell and no key is an admin key.
pub fn problems(responses: &[(WalletSlot, Result<WalletResponse, WalletError>)]) -> Vec<String> {
    let problems: Vec<_> =
        responses.iter().map(|(slot, response)| (response, problem(*slot, response))).collect();
    let has_admin_key =
        responses.iter().any(|(_, response)| response.as_ref().ok().and_then(is_admin_key) == Some(true));
    if !has_admin_key && problems.iter().any(|(_, problem)| problem.is_none()) {
        return Vec::new();
    }
    problems.into_iter().filter_map(|(_, problem)| problem).collect()
}

fn problem(slot: WalletSlot, response: &Result<WalletResponse, WalletError>) -> Option<String> {
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
