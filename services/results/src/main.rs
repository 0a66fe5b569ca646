//! Events in, rows, leads and an API out.

use std::process::ExitCode;

fn main() -> ExitCode {
    chassis::launch("results", callscribe_results::run)
}
