//! Twilio callbacks in, stream entries out.

use std::process::ExitCode;

/// Each callback takes many small pieces of memory for a moment: a tenth of the service's time less.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // One thread accepts and looks after Redis; those that take callbacks are started by `run`.
    chassis::launch_on_one_thread("ingest", callscribe_ingest::run)
}
