//! What `make` runs before anything is built: fetching a Whisper model.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod fetch_model;
mod file_server;
