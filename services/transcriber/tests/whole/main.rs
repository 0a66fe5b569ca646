//! The transcriber against real files, real programs and doubles of what it talks to.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod audio;
mod hostile;
mod media;
mod pocketsphinx;
mod service;
mod stage;
#[cfg(feature = "whisper")]
mod whisper;
