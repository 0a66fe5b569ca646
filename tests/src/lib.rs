//! The test harness: real servers of our own, on free ports or sockets, gone when dropped.
//!
//! Nothing here ever talks to a server the machine runs for others.

#![expect(clippy::expect_used, reason = "a test that cannot be set up must fail")]

mod callscribe_process;
mod collector;
pub mod dashboards;
mod postgres;
mod redis_server;

pub use callscribe_process::{CallscribeProcess, Database};
pub use collector::{Collector, Span};
pub use postgres::Postgres;
pub use redis_server::RedisServer;

use std::path::PathBuf;

/// A file of the shared test data beside the repository, or `None`, said so, where it is absent.
pub fn shared_data(name: &str) -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let path = root.join(name);
    if !path.is_file() {
        eprintln!("skipped: the shared test file {name} is not here");
        return None;
    }
    Some(path)
}

/// Sends a signal by its name (`TERM`, `INT`, `KILL`) to a process.
pub fn signal(pid: u32, name: &str) {
    let status = std::process::Command::new("kill")
        .args([format!("-{name}"), pid.to_string()])
        .status()
        .expect("the kill command runs");
    assert!(status.success(), "kill -{name} {pid}: {status}");
}
