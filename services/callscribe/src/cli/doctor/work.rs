//! How the work goes: whether somebody does it, what holds it up, what nobody does any more.

use queue::Stats;

use super::Finding;
use crate::{
    Config,
    cli::{local, queues::seconds},
};

/// What to start where nobody works on a queue.
const WORKERS: [(&str, &str); 3] =
    [("calls", "transcriber"), ("results", "results"), ("webhooks", "results")];

/// What was found about each queue.
pub async fn queues(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, worker) in WORKERS {
        let stats = async { anyhow::Ok(local::queue_named(config, name).await?.stats().await?) };
        match stats.await {
            Ok(stats) => findings.extend(queue(name, worker, &stats)),
            Err(error) => findings.push(Finding::wrong(name, format!("{error:#}"))),
        }
    }
    findings
}

fn queue(name: &'static str, worker: &str, stats: &Stats) -> Vec<Finding> {
    let waiting = stats.waiting_live + stats.waiting_bulk;
    let since = stats
        .oldest_waiting_ms
        .map_or_else(String::new, |age| format!(", the oldest since {}", seconds(age)));
    let mut findings = Vec::new();
    if stats.consumers == 0 {
        let says =
            format!("nobody works on it: start `callscribe {worker}`; {waiting} wait{since}");
        findings.push(match waiting {
            0 => Finding::doubtful(name, says),
            _ => Finding::wrong(name, says),
        });
    }
    for pause in &stats.pauses {
        let says = format!(
            "paused by {} ({}): `callscribe queue resume --queue {name} --by {}` ends it",
            pause.by, pause.reason, pause.by
        );
        findings.push(Finding::doubtful(name, says));
    }
    if stats.dead > 0 {
        let says = format!(
            "{} were given up: `callscribe dead list --queue {name}` says why, `callscribe dead \
             redrive --queue {name} --all` puts them back to work",
            stats.dead
        );
        findings.push(Finding::doubtful(name, says));
    }
    if findings.is_empty() {
        let says = format!(
            "{waiting} wait{since}, {} in hand, {} to be tried again",
            stats.in_flight, stats.scheduled
        );
        findings.push(Finding::fine(name, says));
    }
    findings
}
