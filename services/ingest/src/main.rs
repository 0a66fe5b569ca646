//! Twilio callbacks in, stream entries out.

use std::process::ExitCode;

fn main() -> ExitCode {
    chassis::launch("ingest", callscribe_ingest::run)
}
