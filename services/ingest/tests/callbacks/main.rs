//! Callbacks over HTTP, up to the door of the queue.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod accepting;
mod refusing;
mod support;
