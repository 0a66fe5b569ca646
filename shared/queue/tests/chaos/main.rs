//! The fault test: nothing lost, nothing handed over twice. `CALLS`, `SECONDS` and `SEED` change
//! it. A program of its own, since its worker processes are this same program.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
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
    // A filter of test names that does not mean this one.
    let filters: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    if arguments.iter().any(|argument| argument == "--list")
        || !filters.is_empty() && !filters.iter().any(|filter| "chaos".contains(filter.as_str()))
    {
        return;
    }
    let report = run(Plan::from_environment()).await;
    println!("{}", serde_json::to_string_pretty(&report).unwrap());
    assert!(report.holds(), "entries were lost or doubled: {report:?}");
    assert!(report.calls > 0 && report.faults.values().sum::<usize>() > 5);
}
