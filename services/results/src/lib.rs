//! Events in, rows, leads and an API out.
//!
//! [`projection`] writes what happened to calls into [`store`]; [`api`] serves it; [`reconcile`]
//! looks for what Twilio lists and the database lacks.

pub mod api;
pub mod erasure;
pub mod health;
pub mod import;
pub mod outbound;
pub mod projection;
pub mod reconcile;
pub mod retention;
mod service;
pub mod settings;
pub mod store;

pub use service::run;
pub use settings::{Config, DatabaseSettings, ResultsSettings};
