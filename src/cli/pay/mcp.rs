//! Runs `edgetoll mcp`: a server for agents over standard input and output (Model Context Protocol). Its tools pay within the
//! limits of the configuration.

use std::process::ExitCode;
use std::time::Duration;

use reqwest::{Method, Request};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    CallToolResult, ContentBlock, Implementation, ProtocolVersion, ServerCapabilities, ServerConfig,
};
use rmcp::{Peer, RoleServer, ServerHandler, ServiceExt, tool, tool_handler, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::config::Config;
use super::exit::Failure;
use super::fetch::{lost, new_payment, parse_url, payment_json, price_json};
use super::payments;
use crate::client::{ClientError, Limits, TollClient, TollResponse};

pub fn run() -> ExitCode {
    super::run(serve)
}

async fn serve(config: Config) -> Result<ExitCode, Failure> {
    let limits = config.limits()?;
    let builder = config.client()?.limits(limits.clone());
    let client = match config.wallet(None)? {
        Some(wallet) => builder.shared_wallet(wallet).build(),
        None => builder.build(),
    };
    let server = PayingServer { client, limits, confirm_above_sats: config.confirm_above_sats()? };
    let failed = |error: String| Failure::config(format!("the connection to the agent failed: {error}"));
    let running = server.serve(rmcp::transport::stdio()).await.map_err(|error| failed(error.to_string()))?;
    running.waiting().await.map_err(|error| failed(error.to_string()))?;
    Ok(ExitCode::SUCCESS)
}

struct PayingServer {
    client: TollClient,
    limits: Limits,
    /// A higher price is paid only if the person has confirmed it; `None` if no price needs it.
    confirm_above_sats: Option<u64>,
}

/// The arguments of `fetch_paid`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FetchPaid {
    /// The URL to fetch
    url: String,
    /// The HTTP method; GET if absent
    method: Option<String>,
    /// The body of the request
    body: Option<String>,
    /// The Content-Type of the body; text/plain if absent
    content_type: Option<String>,
    /// The highest price in satoshis; it can only lower the configured limit
    max_sats: Option<u64>,
}

/// The arguments of `price`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Price {
    /// The URL whose price is wanted
    url: String,
    /// The HTTP method; GET if absent
    method: Option<String>,
}

/// The answer of a person to the question whether to pay.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
struct Confirmation {
    /// Whether to pay
    pay: bool,
}

rmcp::elicit_safe!(Confirmation);

#[tool_router]
impl PayingServer {
    #[tool(
        description = "Fetch a URL over HTTP and pay for it with Bitcoin (Lightning) if the server asks for it. Each payment \
                          is within the limits of the user. Returns status, body and payment. What was paid before is not \
                          paid again."
    )]
    async fn fetch_paid(
        &self,
        Parameters(arguments): Parameters<FetchPaid>,
        peer: Peer<RoleServer>,
    ) -> CallToolResult {
        to_result(self.fetch(arguments, &peer).await)
    }

    #[tool(
        description = "Return what a URL costs in satoshis, without paying. The price is 0 if it is free or already paid. The request is sent, and a server executes it if it is free."
    )]
    async fn price(&self, Parameters(Price { url, method }): Parameters<Price>) -> CallToolResult {
        to_result(self.price_of(&url, method.as_deref()).await)
    }

    #[tool(
        description = "Return the limits of the user in satoshis: for a request, and for 24 hours in all and for each host; \
                          and what was spent."
    )]
    async fn budget(&self) -> CallToolResult {
        to_result(self.limits())
    }

    #[tool(
        description = "Return the payments that were made, the newest first: to whom, how much, and whether they can be used again."
    )]
    async fn payments(&self) -> CallToolResult {
        to_result(self.list())
    }
}

#[tool_handler]
impl ServerHandler for PayingServer {
    fn get_info(&self) -> ServerConfig {
        let mut info = ServerConfig::new(ServerCapabilities::builder().enable_tools().build());
        info.server_info = Implementation::new("edgetoll", env!("CARGO_PKG_VERSION"));
        // From version 2026-07-28 on, a server cannot ask the person while a tool runs.
        info.protocol_version = ProtocolVersion::V_2025_11_25;
        info
    }
}

impl PayingServer {
    async fn fetch(&self, arguments: FetchPaid, peer: &Peer<RoleServer>) -> Result<Value, Failure> {
        let mut request = request(&arguments.url, arguments.method.as_deref())?;
        if let Some(body) = arguments.body {
            let content_type = arguments.content_type.as_deref().unwrap_or("text/plain");
            let content_type = content_type
                .parse()
                .map_err(|_| Failure::config("the content type is not valid".to_owned()))?;
            request.headers_mut().insert(reqwest::header::CONTENT_TYPE, content_type);
            *request.body_mut() = Some(body.into());
        }
        let limit = self.limits.max_sats;
        let max_sats = arguments.max_sats.map_or(limit, |wanted| wanted.min(limit));
        let response = self.execute(request, max_sats, peer).await?;
        let payment = response.payment().map(|payment| payment_json(payment, response.paid_now()));
        let paid = new_payment(&response);
        let response = response.into_inner();
        let status = response.status().as_u16();
        let body = read_text(response).await.map_err(|error| lost(error, paid.as_ref()))?;
        Ok(json!({ "status": status, "body": body, "payment": payment }))
    }

    /// Sends a request, and pays at most `limit_sats`. Asks the person before a price above the threshold is paid.
    async fn execute(
        &self,
        request: Request,
        limit_sats: u64,
        peer: &Peer<RoleServer>,
    ) -> Result<TollResponse, Failure> {
        let threshold = self.confirm_above_sats.unwrap_or(limit_sats).min(limit_sats);
        let again = request.try_clone().ok_or(ClientError::UnrepeatableBody)?;
        match self.client.with_max_sats(threshold).execute(request).await {
            Err(ClientError::TooExpensive { price_sats, .. }) if price_sats > limit_sats => {
                Err(ClientError::TooExpensive { price_sats, limit_sats }.into())
            }
            Err(ClientError::TooExpensive { price_sats, .. }) => {
                confirm(&again, price_sats, peer).await?;
                Ok(self.client.with_max_sats(price_sats).execute(again).await?)
            }
            other => Ok(other?),
        }
    }

    async fn price_of(&self, url: &str, method: Option<&str>) -> Result<Value, Failure> {
        let price = self.client.price(request(url, method)?).await?;
        Ok(price_json(price.map(|(_, bill)| bill).as_ref()))
    }

    fn limits(&self) -> Result<Value, Failure> {
        let (limits, spent) = (&self.limits, self.client.spent()?);
        Ok(json!({
            "max_sats": limits.max_sats,
            "budget_sats": limits.budget_sats,
            "budget_sats_per_host": limits.budget_sats_per_host,
            "confirm_above_sats": self.confirm_above_sats,
            "pay_only_to": limits.hosts,
            "spent_sats_24h": spent.total_sats,
            "spent_sats_24h_by_host": spent.by_host,
        }))
    }

    fn list(&self) -> Result<Value, Failure> {
        let payments = self.client.payments()?;
        Ok(json!({ "payments": payments.iter().map(payments::to_json).collect::<Vec<_>>() }))
    }
}

/// Asks the person whether to pay.
///
/// # Errors
/// Fails if the person does not confirm the payment, or cannot be asked.
async fn confirm(request: &Request, price_sats: u64, peer: &Peer<RoleServer>) -> Result<(), Failure> {
    let (method, url) = (request.method(), request.url());
    let origin = url.origin().ascii_serialization();
    let question = format!("Pay {price_sats} sats to {origin}? The request is {method} {url}");
    match peer.elicit_with_timeout::<Confirmation>(question, Some(CONFIRMATION_LIMIT)).await {
        Ok(Some(Confirmation { pay: true })) => Ok(()),
        _ => Err(Failure::challenge(format!(
            "the price is {price_sats} sats, which needs the confirmation of the user, and it was not given"
        ))),
    }
}

fn request(url: &str, method: Option<&str>) -> Result<Request, Failure> {
    let url = parse_url(url)?;
    let method = method.unwrap_or("GET").to_ascii_uppercase();
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|_| Failure::config(format!("{method} is not a method")))?;
    Ok(Request::new(method, url))
}

/// Reads a body as text, up to a length that an agent can use.
async fn read_text(mut response: reqwest::Response) -> Result<String, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_BODY_BYTES {
            bytes.truncate(MAX_BODY_BYTES);
            break;
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn to_result(result: Result<Value, Failure>) -> CallToolResult {
    match result {
        Ok(value) => CallToolResult::structured(value),
        Err(failure) => CallToolResult::error(vec![ContentBlock::text(failure.message().to_owned())]),
    }
}

/// A longer body is cut.
const MAX_BODY_BYTES: usize = 1_048_576;
const CONFIRMATION_LIMIT: Duration = Duration::from_secs(300);
