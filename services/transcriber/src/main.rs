//! The transcriber on its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    chassis::launch("transcriber", callscribe_transcriber::run)
}
