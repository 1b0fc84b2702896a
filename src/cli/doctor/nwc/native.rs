//! Sends requests with the connection of the client that pays.

use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use super::LIMIT;
use crate::client::wallet::{CallError, NwcWallet as Connection};
use crate::wallet::{NwcRequest, WalletError, WalletResponse};

pub(super) struct Relay {
    connection: Connection,
    runtime: Runtime,
}

impl Relay {
    /// Returns `None` if the address cannot be used.
    pub fn new(url: &str) -> Option<Self> {
        let connection = Connection::new(url).ok()?;
        Some(Self { connection, runtime: Builder::new_current_thread().enable_all().build().ok()? })
    }

    /// Sends a request over a new connection to a relay.
    pub fn send(&mut self, request: &NwcRequest) -> Result<WalletResponse, WalletError> {
        let params = serde_json::from_str(&request.params).unwrap_or(Value::Null);
        let call = self.connection.call(request.method.as_str(), params);
        let called = self.runtime.block_on(async { tokio::time::timeout(LIMIT, call).await });
        let body = match called.map_err(|_| WalletError::Timeout)? {
            Ok(result) => json!({ "result_type": request.method.as_str(), "result": result }),
            Err(CallError::Refused(code)) => {
                json!({ "result_type": request.method.as_str(), "error": { "code": code } })
            }
            Err(CallError::NotSent | CallError::Unanswered) => return Err(WalletError::Unreachable),
            Err(CallError::Unreadable) => return Err(WalletError::NotJson),
        };
        Ok(WalletResponse { status: 200, retry_after_s: None, body: body.to_string(), is_listed: None })
    }
}
