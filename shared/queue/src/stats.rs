//! How a queue stands.

use std::time::Duration;

use redis::Value;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::{Queue, QueueError, metric, pause, script::Call, wire::millis};

/// A consistent reading of one queue, taken in one round trip.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Stats {
    /// Entries that nobody has in hand yet, live lane.
    pub waiting_live: u64,
    /// Entries that nobody has in hand yet, bulk lane.
    pub waiting_bulk: u64,
    /// Entries somebody has in hand.
    pub in_flight: u64,
    /// Entries that wait for a time.
    pub scheduled: u64,
    /// Dead letters.
    pub dead: u64,
    /// Consumers that are there: those heard of within [`crate::QueueOptions::silence`].
    pub consumers: u64,
    /// Age in milliseconds of the oldest waiting entry of both lanes, by its first enqueue; of one that
    /// came back from the dead letters, since it did.
    pub oldest_waiting_ms: Option<u64>,
    /// The same of the live lane alone.
    pub oldest_waiting_live_ms: Option<u64>,
    /// The same of the bulk lane alone.
    pub oldest_waiting_bulk_ms: Option<u64>,
    /// Age in milliseconds of the oldest entry in hand, by its first enqueue.
    pub oldest_in_flight_ms: Option<u64>,
    /// Age in milliseconds, by its first enqueue, of the oldest entry that was in hand before and waits
    /// for a time again: to be retried, or parked.
    pub oldest_scheduled_ms: Option<u64>,
    /// The highest delivery count among the entries in hand.
    pub max_deliveries: u64,
    /// What is paused, by whom, until when.
    pub pauses: Vec<Pause>,
}

/// One record of something being paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Pause {
    /// Who or what: `operator`, `engine:openai`, `account:AC…`.
    pub by: String,
    /// End in milliseconds since 1970 (UTC); `None` until resumed by hand.
    pub until_ms: Option<i64>,
    /// Why.
    pub reason: String,
}

/// Exports the statistics of a queue as gauges until `stop` is cancelled. Every consumer does so by
/// itself; this is for processes without one. What cannot be read is not a number meanwhile.
pub async fn export_stats(queue: Queue, every: Duration, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let stats = queue.stats().await;
        metric::standing(queue.name(), stats.as_ref().ok());
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Reads them in one script.
pub(crate) async fn read(queue: &Queue) -> Result<Stats, QueueError> {
    let (link, keys) = (queue.link(), queue.keys());
    let keys = [&keys.live, &keys.bulk, &keys.retry, &keys.dead, &keys.born, &keys.pause];
    let mut call = Call::new(&link.scripts().stats, &keys.map(String::as_str));
    call.number(millis(queue.silence()));
    let answer = link.call(&call).await?;
    let unexpected = || QueueError::Redis("the statistics have an unexpected form".to_owned());
    let Value::Array(mut answer) = answer else { return Err(unexpected()) };
    let Some(Value::Array(pauses)) = answer.pop() else { return Err(unexpected()) };
    let numbers: Vec<i64> =
        answer.iter().filter_map(|value| redis::from_redis_value_ref(value).ok()).collect();
    let Ok(numbers) = <[i64; 11]>::try_from(numbers) else { return Err(unexpected()) };
    let count = |n: usize| u64::try_from(numbers[n]).unwrap_or_default();
    let age = |n: usize| u64::try_from(numbers[n]).ok();
    Ok(Stats {
        waiting_live: count(0),
        waiting_bulk: count(1),
        in_flight: count(2),
        scheduled: count(3),
        dead: count(4),
        consumers: count(5),
        oldest_waiting_ms: age(6).max(age(7)),
        oldest_waiting_live_ms: age(6),
        oldest_waiting_bulk_ms: age(7),
        oldest_in_flight_ms: age(8),
        max_deliveries: count(9),
        oldest_scheduled_ms: age(10),
        pauses: pauses.into_iter().filter_map(pause::read).collect(),
    })
}
