//! The fault run, for as long as one wants:
//! `CALLS=… SECONDS=… SEED=… cargo run -p callscribe-queue --example queue_chaos -- FILE`
//! writes its report to the file, and ends with 0 only if nothing was lost or doubled.

#![allow(clippy::unwrap_used, reason = "it fails by panicking")]

#[path = "../tests/support/mod.rs"]
mod support;

use support::chaos::{Plan, run, worker};

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [verb, socket] = &arguments[..]
        && verb == "worker"
    {
        return worker(socket).await;
    }
    let report = run(Plan::from_environment()).await;
    let text = serde_json::to_string_pretty(&report).unwrap();
    println!("{text}");
    if let Some(file) = arguments.first() {
        std::fs::write(file, text).unwrap();
    }
    if !report.holds() {
        std::process::exit(1);
    }
}
