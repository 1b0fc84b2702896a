//! Sends a request to a wallet.

use super::http;
#[cfg(feature = "nwc")]
use super::nwc;
use crate::edge::platform::runtime::Env;
use crate::payment::WalletSlot;
use crate::wallet::{WalletError, WalletRequest, WalletResponse};

/// Sends a request to the wallet in a slot and reads the response, within a time limit and a size limit.
#[cfg_attr(not(feature = "nwc"), expect(unused_variables, reason = "LNbits needs neither"))]
pub async fn send(
    env: &Env,
    slot: WalletSlot,
    request: &WalletRequest,
    limit_ms: u32,
) -> Result<WalletResponse, WalletError> {
    match request {
        WalletRequest::Http(request) => http::send(request, limit_ms).await,
        #[cfg(feature = "nwc")]
        WalletRequest::Nwc(request) => nwc::send(env, slot, request, limit_ms).await,
    }
}
