//! What several test files share.

pub mod price_list;
pub mod request;
pub mod secret;
