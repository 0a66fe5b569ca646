//! What a handler decides about the work it was given.

use std::time::Duration;

use crate::{Entry, Outgoing};

/// The outcome of one delivery, and what is added to other queues in the script that settles it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// What becomes of the entry.
    pub verdict: Verdict,
    /// Entries for other queues, added in the same script.
    pub emit: Vec<Outgoing>,
}

/// What becomes of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The work is done; the entry goes.
    Done,
    /// Try again later.
    Retry {
        /// When; `None` leaves it to the queue's backoff with full jitter.
        after: Option<Duration>,
        /// Why.
        failure: Failure,
        /// Whether this attempt counts towards the limit ("not ready yet" does not).
        counts: bool,
    },
    /// Give up; a person may redrive it.
    Dead {
        /// Why.
        failure: Failure,
    },
    /// Pause a resource for everybody, and try this entry again when the pause ends; no attempt is
    /// counted.
    Park {
        /// Name of the pause, such as `engine:openai` or `account:AC…`.
        by: String,
        /// How long.
        wait: Duration,
        /// Why.
        failure: Failure,
    },
}

/// Why work did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Failure {
    /// A short code in snake_case; one of few, it becomes a metric label.
    pub code: String,
    /// What happened, in a sentence without secrets.
    pub message: String,
}

impl Failure {
    /// A failure with a code and a sentence.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }
}

impl Settlement {
    /// Done, nothing to hand on.
    pub fn done() -> Self {
        Verdict::Done.into()
    }

    /// Adds an entry to another queue in the script that settles this delivery.
    pub fn emit(mut self, queue: impl Into<String>, entry: Entry) -> Self {
        self.emit.push(Outgoing { queue: queue.into(), entry });
        self
    }
}

impl From<Verdict> for Settlement {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, emit: Vec::new() }
    }
}
