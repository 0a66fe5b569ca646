//! The real queues, behind the memory mark.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chassis::{Check, queues};
use queue::{Durable, Enqueued, Entry, Link, QueueError};
use tokio_util::sync::CancellationToken;

use crate::{Durability, IngestSettings, Intake, Target, together::Together};

/// How often Redis is looked after.
const LOOK: Duration = Duration::from_secs(1);

/// The queues of calls and of results.
#[derive(Clone)]
pub(crate) struct Queues {
    link: Link,
    calls: Together,
    results: Together,
    /// Whether Redis is above its memory mark.
    full: Arc<AtomicBool>,
}

impl Queues {
    pub(crate) fn new(link: Link, settings: &IngestSettings) -> Self {
        let on_disk = settings.durability == Durability::Aof;
        let durable = on_disk.then(|| Durable::new(link.clone()));
        Self {
            calls: Together::new(queues::calls(link.clone()), durable.clone()),
            results: Together::new(queues::results(link.clone()), durable),
            full: Arc::default(),
            link,
        }
    }

    /// Keeps readiness and the memory mark up to date until the stop.
    pub(crate) async fn watch(self, high_water: f64, check: Check, stop: CancellationToken) {
        let mut interval = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                _ = interval.tick() => {}
                () = stop.cancelled() => return,
            }
            match self.link.ping().await {
                Ok(()) => check.ready(),
                Err(error) => check.not_ready(error.to_string()),
            }
            // Where it cannot be read, Redis is away (and says so itself) or forbids the question.
            if let Ok(memory) = self.link.memory().await {
                self.note(memory.share().unwrap_or(0.0), high_water);
            }
        }
    }

    fn note(&self, share: f64, high_water: f64) {
        let full = share >= high_water;
        if self.full.swap(full, Ordering::Relaxed) == full {
            return;
        }
        if full {
            tracing::warn!(
                share,
                high_water,
                "Redis is above its memory mark: callbacks are refused until there is room; raise \
                 maxmemory or add transcribers"
            );
        } else {
            tracing::info!(share, high_water, "Redis has room again: callbacks are taken");
        }
    }
}

impl Intake for Queues {
    async fn enqueue(&self, target: Target, entry: Entry) -> Result<Enqueued, QueueError> {
        if self.full.load(Ordering::Relaxed) {
            return Err(QueueError::Refused("Redis is above its memory mark".into()));
        }
        match target {
            Target::Calls => self.calls.enqueue(entry).await,
            Target::Results => self.results.enqueue(entry).await,
        }
    }
}
