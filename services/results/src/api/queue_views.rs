//! How queues are shown: the API's own words for what the queue tells, so that a change there is
//! no change here.

use queue::{DeadLetter, Lane, Pause, Queue, QueueError, Stats};
use schemars::JsonSchema;
use serde::Serialize;

/// All queues.
#[derive(Serialize, JsonSchema)]
pub struct QueueList {
    /// Calls, results and webhooks.
    pub queues: Vec<NamedQueue>,
}

/// A queue and how it stands.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Queue")]
pub struct NamedQueue {
    /// Its name.
    name: String,
    /// How it stands.
    stats: QueueStats,
}

/// How a queue stands.
#[derive(Serialize, JsonSchema)]
pub struct QueueStats {
    /// Entries that nobody has in hand yet, live lane.
    waiting_live: u64,
    /// Entries that nobody has in hand yet, bulk lane.
    waiting_bulk: u64,
    /// Entries somebody has in hand.
    in_flight: u64,
    /// Entries that wait for a time.
    scheduled: u64,
    /// Dead letters.
    dead: u64,
    /// Consumers that were heard of lately.
    consumers: u64,
    /// Age in milliseconds of the oldest waiting entry of both lanes, by its first enqueue; of one
    /// that came back from the dead letters, since it did.
    oldest_waiting_ms: Option<u64>,
    /// The same of the live lane alone.
    oldest_waiting_live_ms: Option<u64>,
    /// The same of the bulk lane alone.
    oldest_waiting_bulk_ms: Option<u64>,
    /// Age in milliseconds of the oldest entry in hand, by its first enqueue.
    oldest_in_flight_ms: Option<u64>,
    /// Age in milliseconds, by its first enqueue, of the oldest entry that was in hand before and
    /// waits for a time again: to be retried, or parked.
    oldest_scheduled_ms: Option<u64>,
    /// The highest delivery count among the entries in hand.
    max_deliveries: u64,
    /// What is paused, by whom, until when.
    pauses: Vec<PauseRecord>,
}

/// One record of a queue being paused.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Pause")]
struct PauseRecord {
    /// Who or what: `operator`, `engine:openai`, `account:AC…`.
    by: String,
    /// End in milliseconds since 1970 (UTC); null until resumed by hand.
    until_ms: Option<i64>,
    /// Why.
    reason: String,
}

/// Dead letters, oldest first.
#[derive(Serialize, JsonSchema)]
pub struct DeadLetterList {
    /// The letters.
    pub dead_letters: Vec<Letter>,
    /// Where the list goes on; null at its end.
    pub next_cursor: Option<String>,
}

/// An entry that nobody works on any more.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DeadLetter")]
pub struct Letter {
    /// Its id among the dead letters.
    id: String,
    /// What the work is about: a call's SID as a rule.
    key: String,
    /// The work itself.
    body: String,
    /// The lane it came from and goes back to: `live` or `bulk`.
    lane: &'static str,
    /// `exhausted`, `permanent`, `poison` or `malformed`.
    reason: String,
    /// The last failure.
    failure: Failure,
    /// The attempt it died in.
    attempt: u32,
    /// How often it was taken out of the dead letters before.
    redrive: u32,
    /// How often it had been handed out when it died.
    deliveries: u32,
    /// First enqueue, in milliseconds since 1970 (UTC).
    born_ms: i64,
    /// When it died, in milliseconds since 1970 (UTC).
    died_ms: i64,
    /// The id it had in its stream.
    entry_id: String,
    /// The consumer that had it in hand last.
    consumer: String,
    /// Its failures, oldest first, the last ten of them.
    history: Vec<PastFailure>,
    /// W3C trace context.
    traceparent: Option<String>,
    /// All fields of a malformed entry, as a JSON object in a text.
    fields: Option<String>,
}

/// Why work did not succeed.
#[derive(Serialize, JsonSchema)]
struct Failure {
    /// A short code.
    code: String,
    /// A sentence.
    message: String,
}

/// One failure in the history of an entry.
#[derive(Serialize, JsonSchema)]
struct PastFailure {
    /// When, in milliseconds since 1970 (UTC).
    at_ms: i64,
    /// Which attempt failed.
    attempt: u32,
    /// A short code.
    code: String,
    /// A sentence.
    message: String,
    /// Which consumer had it in hand.
    consumer: String,
}

impl NamedQueue {
    /// Reads how a queue stands.
    pub async fn read(queue: &Queue) -> Result<Self, QueueError> {
        Ok(Self { name: queue.name().to_owned(), stats: queue.stats().await?.into() })
    }
}

impl From<Stats> for QueueStats {
    fn from(stats: Stats) -> Self {
        Self {
            waiting_live: stats.waiting_live,
            waiting_bulk: stats.waiting_bulk,
            in_flight: stats.in_flight,
            scheduled: stats.scheduled,
            dead: stats.dead,
            consumers: stats.consumers,
            oldest_waiting_ms: stats.oldest_waiting_ms,
            oldest_waiting_live_ms: stats.oldest_waiting_live_ms,
            oldest_waiting_bulk_ms: stats.oldest_waiting_bulk_ms,
            oldest_in_flight_ms: stats.oldest_in_flight_ms,
            oldest_scheduled_ms: stats.oldest_scheduled_ms,
            max_deliveries: stats.max_deliveries,
            pauses: stats.pauses.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Pause> for PauseRecord {
    fn from(pause: Pause) -> Self {
        Self { by: pause.by, until_ms: pause.until_ms, reason: pause.reason }
    }
}

impl From<DeadLetter> for Letter {
    fn from(letter: DeadLetter) -> Self {
        let history = letter.history.into_iter().map(|past| PastFailure {
            at_ms: past.at_ms,
            attempt: past.attempt,
            code: past.failure.code,
            message: past.failure.message,
            consumer: past.consumer,
        });
        Self {
            id: letter.id,
            key: letter.key,
            body: letter.body,
            lane: match letter.lane {
                Lane::Live => "live",
                Lane::Bulk => "bulk",
            },
            reason: letter.reason,
            failure: Failure { code: letter.failure.code, message: letter.failure.message },
            attempt: letter.attempt,
            redrive: letter.redrive,
            deliveries: letter.deliveries,
            born_ms: letter.born_ms,
            died_ms: letter.died_ms,
            entry_id: letter.entry_id,
            consumer: letter.consumer,
            history: history.collect(),
            traceparent: letter.traceparent,
            fields: letter.fields,
        }
    }
}
