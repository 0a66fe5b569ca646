//! Twilio callbacks in, stream entries out.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Redis stores one callback after the other, and a second thread would only cost more for each:
    // whoever needs more than a thread can take starts another replica.
    chassis::launch_on_one_thread("ingest", callscribe_ingest::run)
}
