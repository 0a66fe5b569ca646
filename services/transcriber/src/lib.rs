//! Recording in, transcript and extracted fields out.
//!
//! [`run`] takes jobs from the `calls` queue; [`pipeline`] is the way of one recording.

pub mod audio;
pub mod chain;
pub mod engines;
pub mod extract;
pub mod fetch;
#[cfg(feature = "whisper")]
mod ggml;
mod language;
pub mod ledger;
pub mod parking;
mod patience;
pub mod pipeline;
mod plausibility;
mod price;
mod resolve;
mod service;
mod setback;
mod settings;
pub mod speakers;
mod temporary;
mod whole;
mod worker;

pub use service::{run, run_with};
pub use settings::{Config, TranscriberSettings};
