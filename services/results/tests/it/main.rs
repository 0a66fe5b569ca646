//! The results service against a real SQLite, a real Postgres and a real redis-server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod api;
mod api_again;
mod api_audio;
mod api_description;
mod api_export;
mod api_leads;
mod api_live;
mod api_queues;
mod forgetting;
mod importing;
mod killed;
mod leads;
mod outage;
mod projection;
mod reconcile;
mod redacting;
mod retention;
mod schema;
mod searching;
mod support;
mod webhooks;
