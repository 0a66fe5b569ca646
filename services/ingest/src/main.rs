//! Twilio callbacks in, stream entries out.

use std::process::ExitCode;

/// Each callback takes many small pieces of memory for a moment: a tenth of the service's time less.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Redis stores one callback after the other, and a second thread would only cost more for each:
    // whoever needs more than a thread can take starts another replica.
    chassis::launch_on_one_thread("ingest", callscribe_ingest::run)
}
