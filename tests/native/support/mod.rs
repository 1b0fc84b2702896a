//! Helpers that several test files share.

pub mod gate;
pub mod hostile_heads;
pub mod invoice;
pub mod price_list;
pub mod random;
pub mod random_lists;
pub mod request;
pub mod secret;
pub mod settings;
pub mod slots;
