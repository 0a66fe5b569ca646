//! What callers say where nothing names a service: a small text classifier, counted at start from
//! the example sentences in `data/phrases`.
//!
//! The rules come first. Only where they give no service at all are the caller's words compared
//! with the examples, and what comes of it is worth showing to a person, never worth acting on.

mod model;
mod opinion;
mod stem;

pub use model::Phrases;
pub use opinion::Impression;
