//! Functions for HTTP without I/O: URLs, percent-encoding, header names, cookies, forms, `Accept`, and caching headers.
//! They do not depend on payments.

pub mod accept;
pub mod cache_control;
pub mod cookie;
pub mod form;
pub mod header;
pub mod header_edits;
pub mod header_list;
pub mod message_signature;
pub mod origin_headers;
pub mod percent;
pub mod url;
