//! The queue against a real redis-server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod complaints;
mod consuming;
mod contents;
mod dead;
mod enqueueing;
mod model;
mod observing;
mod outages;
mod stopping;
mod topologies;
