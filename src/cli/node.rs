//! Calls the JavaScript that runs the command in Node (`npm/bin/edgetoll.js`). WASI gives the command its arguments, files, clock
//! and random bytes, but neither a network nor processes.

use serde_json::Value;

/// Passes a call to JavaScript, waits for it, and returns the result. Returns `null` if the result is not JSON.
#[allow(unsafe_code, reason = "an import of WebAssembly passes memory as pointers")]
pub fn call(request: &Value) -> Value {
    let request = request.to_string();
    // SAFETY: JavaScript reads the bytes of `request` before it returns.
    let bytes = unsafe { edgetoll_call(request.as_ptr(), request.len()) };
    let mut response = vec![0; bytes];
    // SAFETY: JavaScript writes as many bytes as it has returned.
    unsafe { edgetoll_take(response.as_mut_ptr()) };
    serde_json::from_slice(&response).unwrap_or_default()
}

#[link(wasm_import_module = "edgetoll")]
unsafe extern "C" {
    /// Handles a request, which is JSON. Returns the number of bytes of the result.
    #[link_name = "call"]
    fn edgetoll_call(request: *const u8, bytes: usize) -> usize;
    /// Writes the result, which is JSON.
    #[link_name = "take"]
    fn edgetoll_take(response: *mut u8);
}
