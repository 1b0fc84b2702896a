//! Sends a request to a wallet over Nostr Wallet Connect, through the Durable Object that holds the connection. The
//! response can contain a preimage, so the response is never logged.

use crate::bindings::NWC_CONNECTION;
use crate::edge::platform::durable_object;
use crate::edge::platform::runtime::Env;
use crate::payment::WalletSlot;
use crate::wallet::nwc::{NwcCall, read_answer};
use crate::wallet::{NwcRequest, TRY_MS, WalletError, WalletResponse};

/// Sends a request and waits for the response of the wallet, at most `limit_ms`.
pub async fn send(
    env: &Env,
    slot: WalletSlot,
    request: &NwcRequest,
    limit_ms: u32,
) -> Result<WalletResponse, WalletError> {
    // The object answers before this limit, so that its answer arrives in time.
    let call = NwcCall { slot, method: request.method, limit_ms: limit_ms.saturating_sub(MARGIN_MS) };
    let sent = durable_object::post(env, &NWC_CONNECTION, &request.object, &call.to_text(), &request.params);
    let sent = sent.ok_or(WalletError::NotBound)?;
    let limit = i32::try_from(limit_ms).unwrap_or(i32::MAX);
    let too_late = match u64::from(limit_ms) < TRY_MS {
        true => WalletError::DeadlineReached,
        false => WalletError::Timeout,
    };
    match sent.text(limit).await.as_deref().map(read_answer) {
        Some(Err(WalletError::Timeout)) | None => Err(too_late),
        Some(answer) => answer,
    }
}

const MARGIN_MS: u32 = 200;
