//! `callscribe queue …`: how far behind, and why; pause and resume.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use chassis::queues;
use clap::{Args, Subcommand};
use queue::{Link, Queue, RedisSettings, Stats};

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
        /// Whose pause to end; `status` names them.
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
    /// For how many minutes, 30 days at most. Default: until `resume`.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=43_200))]
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
                let which = match args.queue.as_str() {
                    queues::CALLS => String::new(),
                    other => format!(" --queue {other}"),
                };
                Ok(format!("{} is paused; `callscribe queue resume{which}` ends it", args.queue))
            })?)
        }
        QueueVerb::Resume { queue, by, data } => {
            let config = data.load()?;
            Ok(chassis::on_runtime(async {
                resume(&queue_named(&config, queue).await?, by).await
            })?)
        }
    }
}

/// Ends a pause, and says what is left that holds the queue up.
async fn resume(queue: &Queue, by: &str) -> anyhow::Result<String> {
    let was_paused = queue.resume(by).await?;
    let mut text = match (was_paused, by) {
        (true, OPERATOR) => format!("{} goes on", queue.name()),
        (true, _) => format!("{}: the pause by {by} is ended", queue.name()),
        (false, _) => format!("{} was not paused by {by}", queue.name()),
    };
    let mut left: Vec<_> = queue.pauses().await?.into_values().collect();
    left.sort_by(|a, b| a.by.cmp(&b.by));
    for pause in left {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  paused     by {}: {}", pause.by, pause.reason);
    }
    Ok(text)
}

/// Reads all queues and renders them for a person, or as JSON.
///
/// # Errors
/// When Redis cannot be reached.
async fn report(redis: &RedisSettings, as_json: bool) -> anyhow::Result<String> {
    let link = Link::open(redis).await?;
    let mut all = Vec::new();
    for open in [queues::calls, queues::results, results::outbound::queue] {
        let queue = open(link.clone());
        all.push((queue.name().to_owned(), queue.stats().await?));
    }
    if as_json {
        let all: BTreeMap<_, _> = all.into_iter().collect();
        return Ok(serde_json::to_string_pretty(&all)?);
    }
    let mut text = String::new();
    for (name, stats) in &all {
        describe(&mut text, name, stats);
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
