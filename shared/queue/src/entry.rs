//! What goes into a queue and what comes out of it.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Work to be enqueued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What the work is about, readable in redis-cli.
    pub key: String,
    /// The work itself, opaque to the queue (JSON by convention).
    pub body: String,
    /// Which lane it waits in.
    pub lane: Lane,
    /// De-duplication: nothing is enqueued while the key is remembered.
    pub once: Option<Once>,
    /// How long it waits before it may be read; zero is at once.
    pub delay: Duration,
    /// W3C trace context to carry along.
    pub traceparent: Option<String>,
    /// Entries for other queues, added in the same script, and only if this entry is added.
    pub emit: Vec<Outgoing>,
}

/// An entry on its way to another queue (or the same one) in the script of a transition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Name of the queue, under the same prefix.
    pub queue: String,
    /// What to add there.
    pub entry: Entry,
}

/// The two lanes of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// Work somebody waits for: read first.
    #[default]
    Live,
    /// Bulk work: gets what is left, and at least one slot, or job, in five.
    Bulk,
}

/// De-duplication of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// What makes two entries the same.
    pub key: String,
    /// How long the key is remembered after the entry was added.
    pub window: Duration,
}

impl Entry {
    /// An entry for the live lane, to be read at once.
    pub fn new(key: impl Into<String>, body: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            body: body.into(),
            lane: Lane::Live,
            once: None,
            delay: Duration::ZERO,
            traceparent: None,
            emit: Vec::new(),
        }
    }

    /// Puts the entry into the bulk lane.
    pub fn bulk(mut self) -> Self {
        self.lane = Lane::Bulk;
        self
    }

    /// Enqueues only if no entry with this key was enqueued within the window.
    pub fn once(mut self, key: impl Into<String>, window: Duration) -> Self {
        self.once = Some(Once { key: key.into(), window });
        self
    }

    /// Keeps the entry among the scheduled ones for this long first.
    pub fn delayed(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Carries a W3C `traceparent`.
    pub fn traced(mut self, traceparent: Option<String>) -> Self {
        self.traceparent = traceparent;
        self
    }

    /// Adds an entry to another queue in the same script, if and only if this one is added.
    pub fn emit(mut self, queue: impl Into<String>, entry: Entry) -> Self {
        self.emit.push(Outgoing { queue: queue.into(), entry });
        self
    }
}

/// Work in hand: one delivery of one entry to one consumer.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The stream's id of the entry.
    pub id: String,
    /// What the work is about.
    pub key: String,
    /// The work itself.
    pub body: String,
    /// Which lane it came from.
    pub lane: Lane,
    /// Which attempt this is, counted from 1; only failures that count raise it.
    pub attempt: u32,
    /// How often the entry was taken out of the dead letters.
    pub redrive: u32,
    /// How often the entry was handed out since it last waited; above 1 a worker crashed on it.
    pub deliveries: u32,
    /// First enqueue, in milliseconds since 1970 (UTC), kept through retries.
    pub born_ms: i64,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// Cancelled when the lease is lost or the grace period of a stop is over: abandon the work.
    pub abandoned: CancellationToken,
}
