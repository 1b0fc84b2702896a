//! What a handler returns: a response, and the facts for the log record and the traffic counts.

use wasm_bindgen::{JsCast, JsValue};
use web_sys::Response;

use super::response;
use crate::edge::platform::log::RequestLog;
use crate::endpoints::Endpoint;
use crate::error::RequestError;
use crate::forward::ForwardReason;
use crate::ledger::traffic::Outcome;
use crate::payment::PaymentHash;
use crate::policy::free_tier::FreeTierDenied;
use crate::policy::route::Route;

/// A response, and what the log and the traffic counts record about the request.
pub struct Answered {
    pub response: Response,
    action: Action,
    route: Option<&'static Route>,
    /// The code of the error, or of the refusal of a credential.
    code: Option<&'static str>,
    /// The error, if the response is an error response of edgetoll.
    error: Option<RequestError>,
    detail: Option<String>,
    payment_hash: Option<PaymentHash>,
    free_tier_denied: Option<FreeTierDenied>,
}

/// What was done with a request, or what was being done when an error occurred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Forwarded: the route has no price, or no route matches.
    Open,
    /// Forwarded: this request to a priced route has the price 0.
    Waived,
    /// Forwarded within the free tier.
    Free,
    /// Forwarded: the owner observes what would be charged.
    Observed,
    /// Forwarded: paid.
    Paid,
    /// Refused with an error: it is not known whether the payment has settled, because a wallet or a rate limit
    /// prevented the settlement check.
    Unsettled,
    /// Answered with an invoice, or with an error because no invoice could be created.
    Challenge,
    /// Answered with the price alone.
    Quote,
    Preflight,
    Redirect,
    Refuse,
    /// Answered by one of edgetoll's own endpoints.
    Endpoint(&'static str),
}

impl From<ForwardReason> for Action {
    fn from(reason: ForwardReason) -> Self {
        match reason {
            ForwardReason::Open => Self::Open,
            ForwardReason::Waived => Self::Waived,
            ForwardReason::Free => Self::Free,
            ForwardReason::Preflight => Self::Preflight,
            ForwardReason::Paid => Self::Paid,
            ForwardReason::Observed => Self::Observed,
        }
    }
}

impl Action {
    /// Returns the word for this action in the log field `decision`.
    fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Waived => "waived",
            Self::Free => "free",
            Self::Paid => "paid",
            Self::Observed => "observed",
            Self::Unsettled => "unsettled",
            Self::Challenge => "challenge",
            Self::Quote => "quote",
            Self::Preflight => "preflight",
            Self::Redirect => "redirect",
            Self::Refuse => "refuse",
            Self::Endpoint(name) => name,
        }
    }
}

impl Answered {
    /// Creates the result of one of edgetoll's own endpoints from its response.
    pub fn by_endpoint(endpoint: Endpoint<'_>, response: Response) -> Self {
        Self::new(response, Action::Endpoint(endpoint.as_str()))
    }

    pub fn new(response: Response, action: Action) -> Self {
        Self {
            response,
            action,
            route: None,
            code: None,
            error: None,
            detail: None,
            payment_hash: None,
            free_tier_denied: None,
        }
    }

    /// Creates the response of an error. The log records `action`, unless the error has an action of its own.
    pub fn from_error(
        HandlerError(error): HandlerError,
        action: Action,
        route: Option<&'static Route>,
    ) -> Result<Self, JsValue> {
        Ok(Self {
            response: response::error(&error.error)?,
            action: error.action.unwrap_or(action),
            route,
            code: Some(error.error.code()),
            detail: error.detail,
            payment_hash: error.payment_hash,
            free_tier_denied: error.free_tier_denied,
            error: Some(error.error),
        })
    }

    pub fn on_route(mut self, route: Option<&'static Route>) -> Self {
        self.route = route;
        self
    }

    pub fn with_code(mut self, code: Option<&'static str>) -> Self {
        self.code = code;
        self
    }

    /// Sets the payment hash, unless it is already set.
    pub fn about(mut self, payment_hash: PaymentHash) -> Self {
        self.payment_hash = self.payment_hash.or(Some(payment_hash));
        self
    }

    pub fn free_tier_denied(mut self, denied: Option<FreeTierDenied>) -> Self {
        self.free_tier_denied = denied;
        self
    }

    /// Returns the route, the outcome and the code that the traffic counts record; `None` if the request has no priced
    /// route, or if it is observed.
    pub fn traffic(&self) -> Option<(&'static str, Outcome, Option<&'static str>)> {
        let outcome = match (&self.error, self.action) {
            (_, Action::Observed) => return None,
            (Some(_), _) => Outcome::Refused,
            (None, Action::Paid) => Outcome::Paid,
            (None, Action::Free | Action::Waived) => Outcome::Free,
            (None, Action::Challenge | Action::Quote) => Outcome::Challenged,
            (None, _) => Outcome::Refused,
        };
        Some((self.route?.pattern.as_str(), outcome, self.code))
    }

    /// Returns the error, if the response is an error response of edgetoll.
    pub fn error(&self) -> Option<&RequestError> {
        self.error.as_ref()
    }

    /// Writes the log record.
    pub fn log(&self, method: &str, ms: u64) {
        let record = RequestLog {
            event: "request",
            method,
            decision: self.action.as_str(),
            route: self.route.map(|route| route.pattern.as_str()),
            free: self.free_tier_denied.map(FreeTierDenied::as_str),
            code: self.code,
            detail: self.detail.as_deref(),
            payment_hash: self.payment_hash.map(|hash| hash.short()),
            observed: None,
            sats: None,
        };
        record.write(self.response.status(), ms);
    }
}

/// The error of a handler, with what the log records about the request. It is boxed, which makes the compressed wasm 2
/// KB smaller.
pub struct HandlerError(Box<ErrorRecord>);

struct ErrorRecord {
    error: RequestError,
    detail: Option<String>,
    /// What the handler was doing when the error occurred. If it is `None`, the log records the action that is passed
    /// to [`Answered::from_error`].
    action: Option<Action>,
    payment_hash: Option<PaymentHash>,
    free_tier_denied: Option<FreeTierDenied>,
}

impl HandlerError {
    /// Returns the error for a fault that `shell.js` names. Every other text is the name of an exception of the runtime.
    pub fn of_origin(fault: &str) -> Self {
        match fault {
            "timeout" => RequestError::OriginTimeout.into(),
            "unreachable" => RequestError::OriginUnreachable.into(),
            exception => Self::from(RequestError::Internal).with_detail(Some(exception.to_owned())),
        }
    }

    pub fn with_detail(mut self, detail: Option<String>) -> Self {
        self.0.detail = detail;
        self
    }

    /// Sets the action, unless it is already set.
    pub fn while_doing(mut self, action: Action) -> Self {
        self.0.action = self.0.action.or(Some(action));
        self
    }

    /// Sets the payment hash, unless it is already set.
    pub fn about(mut self, payment_hash: PaymentHash) -> Self {
        self.0.payment_hash = self.0.payment_hash.or(Some(payment_hash));
        self
    }

    pub fn free_tier_denied(mut self, denied: FreeTierDenied) -> Self {
        self.0.free_tier_denied = Some(denied);
        self
    }
}

impl From<RequestError> for HandlerError {
    fn from(error: RequestError) -> Self {
        Self(Box::new(ErrorRecord {
            error,
            detail: None,
            action: None,
            payment_hash: None,
            free_tier_denied: None,
        }))
    }
}

impl From<JsValue> for HandlerError {
    /// Converts an exception of the runtime. The log records only the name of the exception, because its message may
    /// contain a URL or a header.
    fn from(thrown: JsValue) -> Self {
        let detail = thrown.dyn_ref::<js_sys::Error>().map(|error| error.name().into());
        Self::from(RequestError::Internal).with_detail(detail)
    }
}
