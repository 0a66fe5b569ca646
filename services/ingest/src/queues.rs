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

use crate::{Intake, Target, together::Together};

/// How often Redis is looked after.
const LOOK: Duration = Duration::from_secs(1);

/// The queues of calls and of results, as one thread stores in them.
#[derive(Clone)]
pub(crate) struct Queues {
    calls: Together,
    results: Together,
    mark: MemoryMark,
}

impl Queues {
    /// Starts the tasks that store, on the runtime this is called on.
    pub(crate) fn new(link: &Link, durable: Option<&Durable>, mark: &MemoryMark) -> Self {
        let store = |queue| Together::new(queue, durable.cloned());
        Self {
            calls: store(queues::calls(link.clone())),
            results: store(queues::results(link.clone())),
            mark: mark.clone(),
        }
    }
}

/// Whether Redis is above its memory mark. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct MemoryMark {
    above: Arc<AtomicBool>,
}

impl MemoryMark {
    /// Keeps the mark and readiness up to date until the stop.
    pub(crate) async fn watch(
        self,
        link: Link,
        high_water: f64,
        check: Check,
        stop: CancellationToken,
    ) {
        let mut interval = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                _ = interval.tick() => {}
                () = stop.cancelled() => return,
            }
            match link.ping().await {
                Ok(()) => check.ready(),
                Err(error) => check.not_ready(error.to_string()),
            }
            // Where it cannot be read, Redis is away (and says so itself) or forbids the question.
            if let Ok(memory) = link.memory().await {
                self.note(memory.share().unwrap_or(0.0), high_water);
            }
        }
    }

    fn note(&self, share: f64, high_water: f64) {
        let above = share >= high_water;
        if self.above.swap(above, Ordering::Relaxed) == above {
            return;
        }
        if above {
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
        if self.mark.above.load(Ordering::Relaxed) {
            return Err(QueueError::Refused("Redis is above its memory mark".into()));
        }
        match target {
            Target::Calls => self.calls.enqueue(entry).await,
            Target::Results => self.results.enqueue(entry).await,
        }
    }
}
