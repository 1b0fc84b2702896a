//! The commands of the command line.

pub mod check;
pub mod doctor;
