//! The keys of one queue.
//!
//! | key | type | holds |
//! |---|---|---|
//! | `{P}:Q` | stream, group `workers` | live lane |
//! | `{P}:Q:bulk` | stream, group `workers` | bulk lane |
//! | `{P}:Q:retry` | sorted set, score = due in ms | scheduled entries, each a JSON object |
//! | `{P}:Q:retry:born` | sorted set, score = first enqueue in ms | `due:lane:id` of those that were in hand |
//! | `{P}:Q:dead` | stream | dead letters |
//! | `{P}:Q:born` | sorted set, score = first enqueue in ms | `lane:id` of entries that came back |
//! | `{P}:Q:once:<key>` | string with expiry | de-duplication |
//! | `{P}:Q:pause` | set | who has a pause record |
//! | `{P}:Q:pause:<by>` | string, may expire | one pause |
//! | `{P}:Q:settled:<lane>:<id>` | string with expiry | who took an entry over settled it |
//!
//! All of them share the hash tag `{P}`, so a transition is one script in a cluster too. Scripts
//! that emit derive the keys of other queues from the same tag.

use crate::Lane;

/// The consumer group of every queue.
pub(crate) const GROUP: &str = "workers";

#[derive(Debug, Clone)]
pub(crate) struct Keys {
    pub live: String,
    pub bulk: String,
    pub retry: String,
    pub dead: String,
    pub born: String,
    pub pause: String,
}

impl Keys {
    pub fn new(prefix: &str, queue: &str) -> Self {
        let live = base(prefix, queue);
        Self {
            bulk: format!("{live}:bulk"),
            retry: format!("{live}:retry"),
            dead: format!("{live}:dead"),
            born: format!("{live}:born"),
            pause: format!("{live}:pause"),
            live,
        }
    }

    /// The de-duplication key of what is named so.
    pub fn once(&self, name: &str) -> String {
        once(&self.live, name)
    }

    pub fn stream(&self, lane: Lane) -> &str {
        match lane {
            Lane::Live => &self.live,
            Lane::Bulk => &self.bulk,
        }
    }
}

/// The key every other key of a queue begins with.
pub(crate) fn base(prefix: &str, queue: &str) -> String {
    format!("{{{prefix}}}:{queue}")
}

/// The de-duplication key, in the queue of this base, of what is named so.
pub(crate) fn once(base: &str, name: &str) -> String {
    [base, ":once:", name].concat()
}
