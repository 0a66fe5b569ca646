//! One queue.

use std::{collections::HashMap, sync::Arc};

use crate::{Delivery, Entry, Failure, Link, Outgoing, QueueError, Stats};

/// A queue by name. Cheap to clone.
#[derive(Clone)]
pub struct Queue {}

/// How a queue behaves, the same for all its users.
#[derive(Clone, Default)]
pub struct QueueOptions {
    /// Builds what a transition the queue decides on its own emits to other queues, so that no
    /// entry ends in `dead`, or leaves it, without an event that says so.
    pub on_decision: Option<Arc<dyn Fn(&Decision) -> Vec<Outgoing> + Send + Sync>>,
}

/// A transition that the queue decides, not a handler.
#[derive(Debug, Clone)]
pub struct Decision {
    /// Which.
    pub transition: Transition,
    /// The entry, as far as it can be read (a malformed one has gaps).
    pub delivery: Delivery,
    /// Why.
    pub failure: Option<Failure>,
}

/// The transitions a queue decides on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transition {
    /// Failed too often: dead.
    Exhausted,
    /// Crashed its worker too often: dead.
    Poison,
    /// Cannot be read: dead.
    Malformed,
    /// Taken out of the dead letters by an operator.
    Redriven,
}

/// What became of an entry handed to [`Queue::enqueue`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enqueued {
    /// It stands in the stream, under this id.
    Added(String),
    /// It waits for its time among the scheduled ones.
    Scheduled,
    /// An entry with the same key was enqueued before; nothing was added.
    Duplicate,
}

impl Queue {
    /// The queue `name` behind a link.
    pub fn new(_link: Link, _name: &str, _options: QueueOptions) -> Self {
        unimplemented!()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        unimplemented!()
    }

    /// The link it uses.
    pub fn link(&self) -> &Link {
        unimplemented!()
    }

    /// Adds an entry (and what it emits) in one script; durable as Redis is when this returns.
    pub async fn enqueue(&self, _entry: Entry) -> Result<Enqueued, QueueError> {
        unimplemented!()
    }

    /// Adds many entries, each as [`Queue::enqueue`] does, in few round trips.
    pub async fn enqueue_batch(&self, _entries: Vec<Entry>) -> Result<Vec<Enqueued>, QueueError> {
        unimplemented!()
    }

    /// How the queue stands, in one round trip.
    pub async fn stats(&self) -> Result<Stats, QueueError> {
        unimplemented!()
    }

    /// Pauses by whom a resource or the whole queue (`by` = `operator`) is stopped.
    pub async fn pauses(&self) -> Result<HashMap<String, crate::Pause>, QueueError> {
        unimplemented!()
    }
}
