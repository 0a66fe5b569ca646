//! The `callscribe` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    callscribe::cli::main()
}
