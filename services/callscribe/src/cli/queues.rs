//! `callscribe queue …`: how far behind, and why; pause and resume.

use std::{fmt::Write, time::Duration};

use chassis::queues;
use clap::{Args, Subcommand};
use queue::{Link, RedisSettings, Stats};
use serde_json::json;

use super::{
    Outcome, Output,
    local::{DataArg, queue_named},
};

/// The verbs.
#[derive(Subcommand)]
pub enum QueueVerb {
    /// How much waits, since when, and what is in hand, scheduled, dead or paused.
    Status {
        #[command(flatten)]
        output: Output,
        #[command(flatten)]
        data: DataArg,
    },
    /// Stop the work on a queue; what is in hand is finished.
    Pause(PauseArgs),
    /// Go on with the work on a queue.
    Resume {
        /// Which queue: `calls`, `results` or `webhooks`.
        #[arg(long, default_value = queues::CALLS)]
        queue: String,
        /// Whose pause to end.
        #[arg(long, default_value = OPERATOR)]
        by: String,
        #[command(flatten)]
        data: DataArg,
    },
}

/// Flags of `pause`.
#[derive(Args)]
pub struct PauseArgs {
    /// Which queue: `calls`, `results` or `webhooks`.
    #[arg(long, default_value = queues::CALLS)]
    queue: String,
    /// Why; the others will see it.
    #[arg(long, default_value = "paused by an operator")]
    reason: String,
    /// For how many minutes. Default: until `resume`.
    #[arg(long)]
    minutes: Option<u64>,
    #[command(flatten)]
    data: DataArg,
}

/// The pause that stops a whole queue.
const OPERATOR: &str = "operator";

/// Runs a verb and returns what it prints.
///
/// # Errors
/// When a setting is wrong or Redis cannot be reached.
pub fn run(verb: &QueueVerb) -> Outcome<String> {
    match verb {
        QueueVerb::Status { output, data } => {
            let config = data.load()?;
            Ok(chassis::on_runtime(report(&config.redis, output.json))?)
        }
        QueueVerb::Pause(args) => {
            let config = args.data.load()?;
            let wait = args.minutes.map(|minutes| Duration::from_secs(minutes * 60));
            Ok(chassis::on_runtime(async {
                let queue = queue_named(&config, &args.queue).await?;
                queue.pause(OPERATOR, wait, &args.reason).await?;
                Ok(format!("{} is paused; `callscribe queue resume` ends it", args.queue))
            })?)
        }
        QueueVerb::Resume { queue, by, data } => {
            let config = data.load()?;
            Ok(chassis::on_runtime(async {
                let was_paused = queue_named(&config, queue).await?.resume(by).await?;
                let what = if was_paused { "goes on" } else { "was not paused" };
                Ok(format!("{queue} {what}"))
            })?)
        }
    }
}

/// Reads both queues and renders them for a person, or as JSON.
///
/// # Errors
/// When Redis cannot be reached.
async fn report(redis: &RedisSettings, as_json: bool) -> anyhow::Result<String> {
    let link = Link::open(redis).await?;
    let calls = queues::calls(link.clone()).stats().await?;
    let results = queues::results(link).stats().await?;
    if as_json {
        let both = json!({ queues::CALLS: calls, queues::RESULTS: results });
        return Ok(serde_json::to_string_pretty(&both)?);
    }
    let mut text = String::new();
    for (name, stats) in [(queues::CALLS, calls), (queues::RESULTS, results)] {
        describe(&mut text, name, &stats);
    }
    Ok(text)
}

fn describe(text: &mut String, name: &str, stats: &Stats) {
    let waiting = stats.waiting_live + stats.waiting_bulk;
    let oldest = stats.oldest_waiting_ms.map_or("-".into(), seconds);
    let in_hand = stats.oldest_in_flight_ms.map_or("-".into(), seconds);
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{name}\n  waiting    {waiting} ({} live, {} bulk), the oldest since {oldest}\n  \
         in flight  {}, the oldest since {in_hand}\n  scheduled  {}\n  dead       {}\n  \
         consumers  {}",
        stats.waiting_live,
        stats.waiting_bulk,
        stats.in_flight,
        stats.scheduled,
        stats.dead,
        stats.consumers,
    );
    for pause in &stats.pauses {
        let _ = writeln!(text, "  paused     by {}: {}", pause.by, pause.reason);
    }
}

/// Milliseconds as a person reads them.
pub fn seconds(milliseconds: u64) -> String {
    format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100)
}
