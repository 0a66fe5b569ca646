//! What every service stands on: configuration, telemetry, the HTTP server, the ops listener,
//! graceful stop.

pub mod config;
mod launch;
pub mod ops;
mod process;
pub mod queues;
pub mod serve;
pub mod telemetry;
mod worker;

pub use launch::{
    ProcessConfig, install_tls, launch, launch_on_one_thread, load_checked, on_runtime,
};
pub use process::{Check, Process};
pub use worker::Worker;

/// Exit code of a start that was stopped by a wrong setting (`EX_USAGE` of `sysexits.h`).
pub const EXIT_WRONG_SETTING: u8 = 64;
