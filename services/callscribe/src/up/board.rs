//! The sample calls on the terminal: a line for each change, and a table at the end.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use chassis::Process;
use comfy_table::{ContentArrangement, Table, presets::UTF8_HORIZONTAL_ONLY};
use domain::CallSid;

use crate::{Config, up::samples::Samples};

/// How often the rows are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(150);

/// Posts the callbacks of the calls that are not finished yet, and shows them until all are.
///
/// Returns whether all reached their end; `false` when the process was stopped first.
///
/// # Errors
/// When the database cannot be read or a callback is refused.
pub async fn play(
    samples: &Samples,
    config: &Config,
    process: &Process,
    ingest: &str,
) -> anyhow::Result<bool> {
    todo!()
}
