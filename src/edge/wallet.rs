//! The call to LNbits. What it answers holds the preimage: it is read here and nothing of it is kept but the invoice.

use js_sys::{Reflect, Uint8Array};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortSignal, Headers, ReadableStreamDefaultReader, Request, RequestInit, RequestRedirect, Response,
};
use worker::wasm_bindgen::{JsCast, JsValue};

use crate::wallet::lnbits::{Invoice, InvoiceError, InvoiceRequest, Lnbits, MAX_ANSWER_BYTES, TIMEOUT_MS};

/// Asks LNbits for an invoice and checks it.
pub async fn create_invoice(lnbits: &Lnbits, invoice: &InvoiceRequest<'_>) -> Result<Invoice, InvoiceError> {
    let signal = AbortSignal::timeout_with_u32(TIMEOUT_MS);
    let failure =
        |_: JsValue| if signal.aborted() { InvoiceError::Timeout } else { InvoiceError::Unreachable };
    let request = post(lnbits, &invoice.body(), &signal).map_err(failure)?;
    let response =
        JsFuture::from(super::origin::global().fetch_with_request(&request)).await.map_err(failure)?;
    let response: Response = response.unchecked_into();
    let body = read(&response).await.map_err(failure)?.ok_or(InvoiceError::TooLarge)?;
    invoice.read_answer(response.status(), &body, super::time::now_unix())
}

fn post(lnbits: &Lnbits, body: &str, signal: &AbortSignal) -> Result<Request, JsValue> {
    let headers = Headers::new()?;
    headers.set("X-Api-Key", lnbits.invoice_key())?;
    headers.set("Content-Type", "application/json")?;
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_headers(&headers);
    init.set_body(&body.into());
    // A redirect would carry the key to whoever LNbits' host names.
    init.set_redirect(RequestRedirect::Manual);
    init.set_signal(Some(signal));
    Request::new_with_str_and_init(lnbits.payments_url(), &init)
}

/// The body as text; `None` where it is larger than an answer can be.
async fn read(response: &Response) -> Result<Option<String>, JsValue> {
    let Some(stream) = response.body() else { return Ok(Some(String::new())) };
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    let mut bytes = Vec::new();
    loop {
        let chunk = JsFuture::from(reader.read()).await?;
        if Reflect::get(&chunk, &"done".into())?.is_truthy() {
            return Ok(Some(String::from_utf8_lossy(&bytes).into_owned()));
        }
        let chunk: Uint8Array = Reflect::get(&chunk, &"value".into())?.unchecked_into();
        if bytes.len().saturating_add(chunk.byte_length() as usize) > MAX_ANSWER_BYTES {
            JsFuture::from(reader.cancel()).await?;
            return Ok(None);
        }
        bytes.extend(chunk.to_vec());
    }
}
