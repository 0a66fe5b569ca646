#![doc = include_str!("../README.md")]

mod access_log;
pub mod callbacks;
mod enqueue;
mod gate;
mod http;
mod meters;
mod public_url;
mod queues;
mod refusal;
mod service;
mod settings;
mod together;

pub use enqueue::{Intake, Target};
pub use gate::Gate;
pub use http::endpoint;
pub use public_url::PublicUrl;
pub use refusal::Refusal;
pub use service::{Ingest, run};
pub use settings::{Alias, Config, Durability, IngestSettings, Kind};
