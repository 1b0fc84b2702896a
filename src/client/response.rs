//! The response to a request that may have been paid.

use std::ops::{Deref, DerefMut};

use super::journal::Payment;

/// A response, and the payment that paid for it. Derefs to [`reqwest::Response`].
#[derive(Debug)]
pub struct TollResponse {
    response: reqwest::Response,
    payment: Option<Box<Payment>>,
    is_new: bool,
}

impl TollResponse {
    pub(super) fn free(response: reqwest::Response) -> Self {
        Self { response, payment: None, is_new: false }
    }

    pub(super) fn paid(response: reqwest::Response, payment: Payment, is_new: bool) -> Self {
        Self { response, payment: Some(Box::new(payment)), is_new }
    }

    /// Whether this call has paid. `false` if the request was free, or an earlier payment covers it.
    pub fn paid_now(&self) -> bool {
        self.is_new
    }

    /// Returns the payment that pays for this response, from this call or an earlier one.
    pub fn payment(&self) -> Option<&Payment> {
        self.payment.as_deref()
    }

    pub fn into_inner(self) -> reqwest::Response {
        self.response
    }
}

impl Deref for TollResponse {
    type Target = reqwest::Response;

    fn deref(&self) -> &Self::Target {
        &self.response
    }
}

impl DerefMut for TollResponse {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.response
    }
}
