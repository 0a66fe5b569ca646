//! What people say about each service: a small text classifier, counted at start from the example
//! sentences and calls in `data/phrases`.
//!
//! It listens to the whole call; what each part of it sounds like weighs beside what the rules find
//! (`ranking`). A service that no rule found is worth showing to a person, never worth acting on.

mod count;
mod examples;
mod filler;
mod model;
mod opinion;
mod stem;

pub use examples::{IDLE, built_in_calls, calls, openings, sentences};
pub use filler::{FILLER, is_filler};
pub use model::Phrases;
pub use opinion::{Impression, Sound};
pub use stem::stem;
