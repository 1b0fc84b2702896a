//! The HTML pages for people, and the requests that their forms and scripts send. The templates are in `www/`.

pub mod error_page;
pub mod owner;
pub mod pay_page;
pub mod settle;
pub mod template;
