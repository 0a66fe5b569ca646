//! `callscribe queue status`: how far behind, and why.

use std::fmt::Write;

use chassis::queues;
use queue::{Link, RedisSettings, Stats};
use serde_json::json;

/// Reads both queues and renders them for a person, or as JSON.
///
/// # Errors
/// When Redis cannot be reached.
pub async fn report(redis: &RedisSettings, as_json: bool) -> anyhow::Result<String> {
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
    let oldest = stats.oldest_waiting_ms.map_or("-".into(), |age| seconds(age));
    let in_hand = stats.oldest_in_flight_ms.map_or("-".into(), |age| seconds(age));
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

fn seconds(milliseconds: u64) -> String {
    format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100)
}
