//! The queue against a real redis-server.

#[path = "../support/mod.rs"]
mod support;

mod consuming;
mod dead;
mod enqueueing;
mod outages;
mod stopping;
