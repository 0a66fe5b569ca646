//! What the queues still hold, for work so old that its de-duplication key may be gone.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
};

use chassis::queues;
use domain::CallJob;
use queue::{Kept, Queue, QueueError};

/// Everything on its way at one moment, as hashes: a backlog of a million jobs takes 16 MB. Two that
/// fall together hide one piece of work until the next look, which hashes differently.
#[derive(Debug, Default)]
pub(super) struct Held {
    alive: HashSet<u64>,
    dead: HashSet<u64>,
    hasher: RandomState,
}

/// How a queue holds a piece of work, or an event of its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It waits or is in hand: its outcome follows.
    Alive,
    /// It is a dead letter: nothing follows until somebody sees to it.
    Dead,
}

impl Held {
    /// Looks through jobs and events, the dead ones included: an outcome that the database refused
    /// stands there, and its work need not be done again.
    pub(super) async fn of(calls: &Queue) -> Result<Self, QueueError> {
        let mut held = Self::default();
        // Jobs first: their outcomes go from there to the events.
        calls
            .look_through(|kept| match serde_json::from_str::<CallJob>(&kept.body) {
                Ok(job) => held.add(&job.once_key(), kept),
                Err(_) => held.add(&kept.key, kept),
            })
            .await?;
        let events = queues::results(calls.link().clone());
        events.look_through(|kept| held.add(&kept.key, kept)).await?;
        Ok(held)
    }

    /// Whether the job, or an event of its call, is held.
    pub(super) fn holds(&self, job: &CallJob) -> bool {
        self.standing(job).is_some()
    }

    /// How the job, or an event of its call, is held, if it is.
    pub(super) fn standing(&self, job: &CallJob) -> Option<Standing> {
        let hashes = [job.once_key().as_str(), job.call_sid().as_str()]
            .map(|text| self.hasher.hash_one(text));
        let is_among = |held: &HashSet<u64>| hashes.iter().any(|hash| held.contains(hash));
        let dead = || is_among(&self.dead).then_some(Standing::Dead);
        if is_among(&self.alive) { Some(Standing::Alive) } else { dead() }
    }

    fn add(&mut self, text: &str, kept: &Kept) {
        let hash = self.hasher.hash_one(text);
        if kept.is_dead() {
            self.dead.insert(hash)
        } else {
            self.alive.insert(hash)
        };
    }
}
