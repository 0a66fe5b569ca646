//! What people say about each service: a small text classifier, counted at start from the example
//! sentences in `data/phrases`.
//!
//! It listens to the whole call and shifts what the rules found towards the service that the call
//! sounds like (`blend`). A service that no rule found is worth showing to a person, never worth
//! acting on.

mod model;
mod opinion;
mod stem;

pub use model::Phrases;
pub use opinion::Impression;
