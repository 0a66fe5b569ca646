//! What the queue counts and measures, under the names the dashboards use.

use metrics::{counter, gauge, histogram};
use redis::Value;

use crate::{Enqueued, Lane, Pause, QueueError, Stats};

/// The kinds of pauses, by what their name begins with; all others are counted together, so that
/// there are never more.
const KINDS_OF_PAUSES: [&str; 4] = ["operator", "engine", "account", "spending"];
const OTHER_PAUSES: &str = "other";

/// One transition of one entry; `reason` is one of few.
pub(crate) fn transition(queue: &str, transition: &'static str, reason: &str, count: usize) {
    if count > 0 {
        counter!("queue_transitions_total", "queue" => queue.to_owned(),
            "transition" => transition, "reason" => reason.to_owned())
        .increment(count as u64);
    }
}

/// Entries that were deleted by somebody's hand while they were pending. What a worker has in hand is
/// worked on all the same; the others are lost.
pub(crate) fn vanished(queue: &str, ids: &[String]) {
    transition(queue, "vanished", "payload_deleted", ids.len());
    tracing::error!(
        queue,
        count = ids.len(),
        ?ids,
        "entries were deleted by somebody else while they were pending: those in nobody's hands are \
         lost"
    );
}

pub(crate) fn enqueued(queue: &str, results: &[Enqueued]) {
    let (mut added, mut scheduled, mut duplicates) = (0, 0, 0);
    for result in results {
        match result {
            Enqueued::Added(_) | Enqueued::InPart(_) => added += 1,
            Enqueued::Scheduled => scheduled += 1,
            Enqueued::Duplicate => duplicates += 1,
        }
    }
    transition(queue, "enqueued", "waiting", added);
    transition(queue, "enqueued", "scheduled", scheduled);
    transition(queue, "enqueued", "duplicate", duplicates);
}

/// Counts what a script that adds entries has emitted, by the queue it came to, and returns the
/// rest of its answer.
pub(crate) fn without_emitted(prefix: &str, answer: Value) -> Result<Value, QueueError> {
    let unexpected = || QueueError::Redis("a script's answer has an unexpected form".to_owned());
    let Value::Array(parts) = answer else { return Err(unexpected()) };
    let [rest, emitted] = <[Value; 2]>::try_from(parts).map_err(|_| unexpected())?;
    let Value::Array(emitted) = emitted else { return Err(unexpected()) };
    for pair in emitted.chunks_exact(2) {
        let base: String = redis::from_redis_value_ref(&pair[0]).map_err(|_| unexpected())?;
        let count: usize = redis::from_redis_value_ref(&pair[1]).map_err(|_| unexpected())?;
        let queue = base.strip_prefix(&format!("{{{prefix}}}:")).unwrap_or(&base);
        transition(queue, "enqueued", "emitted", count);
    }
    Ok(rest)
}

/// Durations of one queue, looked up once for the hot path.
#[derive(Clone)]
pub(crate) struct Durations {
    pub wait: metrics::Histogram,
    pub handle: metrics::Histogram,
    pub total: metrics::Histogram,
}

impl Durations {
    pub fn new(queue: &str) -> Self {
        Self {
            wait: histogram!("queue_wait_seconds", "queue" => queue.to_owned()),
            handle: histogram!("queue_handle_seconds", "queue" => queue.to_owned()),
            total: histogram!("queue_total_seconds", "queue" => queue.to_owned()),
        }
    }
}

/// Sets the gauges; every process that does so tells the same truth, so `max` adds them up. What
/// cannot be read is not a number, never 0.
pub(crate) fn standing(queue: &str, stats: Option<&Stats>) {
    let value = |read: fn(&Stats) -> u64| stats.map_or(f64::NAN, |stats| read(stats) as f64);
    let entries = |state: &'static str, lane: &'static str, value: f64| {
        gauge!("queue_entries", "queue" => queue.to_owned(), "state" => state, "lane" => lane)
            .set(value);
    };
    entries("waiting", Lane::Live.name(), value(|s| s.waiting_live));
    entries("waiting", Lane::Bulk.name(), value(|s| s.waiting_bulk));
    entries("in_flight", "", value(|s| s.in_flight));
    entries("scheduled", "", value(|s| s.scheduled));
    entries("dead", "", value(|s| s.dead));
    let plain = |name: &'static str, value: f64| {
        gauge!(name, "queue" => queue.to_owned()).set(value);
    };
    // Nothing waiting is an age of zero; only an unknown one is not a number.
    let seconds = |age: fn(&Stats) -> Option<u64>| {
        stats.map_or(f64::NAN, |stats| age(stats).unwrap_or_default() as f64 / 1000.0)
    };
    let oldest_waiting = |lane: Lane, value: f64| {
        gauge!("queue_oldest_waiting_seconds", "queue" => queue.to_owned(), "lane" => lane.name())
            .set(value);
    };
    oldest_waiting(Lane::Live, seconds(|s| s.oldest_waiting_live_ms));
    oldest_waiting(Lane::Bulk, seconds(|s| s.oldest_waiting_bulk_ms));
    plain("queue_oldest_in_flight_seconds", seconds(|s| s.oldest_in_flight_ms));
    plain("queue_oldest_scheduled_seconds", seconds(|s| s.oldest_scheduled_ms));
    plain("queue_consumers", value(|s| s.consumers));
    plain("queue_max_deliveries", value(|s| s.max_deliveries));
    for kind in KINDS_OF_PAUSES.into_iter().chain([OTHER_PAUSES]) {
        let count = |stats: &Stats| stats.pauses.iter().filter(|p| kind_of(p) == kind).count();
        gauge!("queue_pauses", "queue" => queue.to_owned(), "kind" => kind)
            .set(stats.map_or(f64::NAN, |stats| count(stats) as f64));
    }
}

fn kind_of(pause: &Pause) -> &'static str {
    let kind = pause.by.split(':').next().unwrap_or_default();
    KINDS_OF_PAUSES.into_iter().find(|known| *known == kind).unwrap_or(OTHER_PAUSES)
}

/// How long the oldest handling of this process has been going on.
pub(crate) fn longest_handling(queue: &str, seconds: f64) {
    gauge!("queue_longest_handling_seconds", "queue" => queue.to_owned()).set(seconds);
}
