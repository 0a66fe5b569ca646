//! The transcriber against real files, real programs and doubles of what it talks to.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod ahead;
mod audio;
mod fetch;
mod hostile;
mod media;
mod paid;
mod pocketsphinx;
mod service;
mod stage;
mod waiting;
#[cfg(feature = "whisper")]
mod whisper;
