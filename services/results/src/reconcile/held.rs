//! What the queues still hold, for work so old that its de-duplication key may be gone.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
};

use chassis::queues;
use domain::CallJob;
use queue::{Queue, QueueError};

/// Everything on its way at one moment, as hashes: a backlog of a million jobs takes 16 MB. Two that
/// fall together hide one piece of work until the next look, which hashes differently.
#[derive(Debug)]
pub(super) struct Held {
    hashes: HashSet<u64>,
    hasher: RandomState,
}

impl Held {
    /// Looks through jobs and events, the dead ones included: an outcome that the database refused
    /// stands there, and its work need not be done again.
    pub(super) async fn of(calls: &Queue) -> Result<Self, QueueError> {
        let mut held = Self { hashes: HashSet::new(), hasher: RandomState::new() };
        // Jobs first: their outcomes go from there to the events.
        calls
            .look_through(|kept| match serde_json::from_str::<CallJob>(&kept.body) {
                Ok(job) => held.add(&job.once_key()),
                Err(_) => held.add(&kept.key),
            })
            .await?;
        queues::results(calls.link().clone()).look_through(|kept| held.add(&kept.key)).await?;
        Ok(held)
    }

    /// Whether the job, or an event of its call, is on its way.
    pub(super) fn holds(&self, job: &CallJob) -> bool {
        let held = |text: &str| self.hashes.contains(&self.hasher.hash_one(text));
        held(&job.once_key()) || held(job.call_sid().as_str())
    }

    fn add(&mut self, text: &str) {
        self.hashes.insert(self.hasher.hash_one(text));
    }
}
