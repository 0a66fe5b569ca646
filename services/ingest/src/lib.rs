//! Twilio callbacks in, stream entries out.
//!
//! A callback is answered with 2xx only after its entry stands in Redis; whatever cannot be taken
//! is refused with a status that makes Twilio try again, or says what is wrong.

pub mod callbacks;
mod enqueue;
mod gate;
mod http;
mod queues;
mod refusal;
mod service;
mod settings;
mod together;

pub use enqueue::{Intake, Target};
pub use gate::Gate;
pub use http::routes;
pub use refusal::Refusal;
pub use service::{Ingest, run};
pub use settings::{Alias, Config, Durability, IngestSettings, Kind, PublicUrl};
