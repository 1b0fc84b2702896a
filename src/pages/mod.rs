//! The pages that people see, and what their forms and scripts send.

pub mod pay_page;
pub mod settle;
pub mod template;
