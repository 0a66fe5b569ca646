//! Taking work out of a queue.

mod admit;
mod backoff;
mod complaint;
mod hand;
mod job;
mod lease;
mod read;
mod settle;
mod slots;
mod steady;
mod tend;
mod work;

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

pub use self::slots::kept_for_live;
use self::{
    backoff::Backoff,
    job::Item,
    read::Reader,
    slots::{Slot, Slots},
    work::Work,
};
use crate::{Delivery, Queue, QueueError, Settlement};

/// Handles one delivery at a time, many at once.
pub trait Handler: Send + Sync + 'static {
    /// Does the work. A panic counts as a retry with the code `panic`.
    fn handle(&self, delivery: Delivery) -> impl Future<Output = Settlement> + Send;
}

/// Handles many deliveries together (a database transaction, for instance).
pub trait BatchHandler: Send + Sync + 'static {
    /// Does the work; one settlement for each delivery, in the same order.
    fn handle(&self, deliveries: Vec<Delivery>) -> impl Future<Output = Vec<Settlement>> + Send;
}

/// How work is taken and how failures are treated.
#[derive(Debug, Clone)]
pub struct ConsumerOptions {
    /// Jobs in hand at once (or the largest batch). Default 4.
    pub concurrency: usize,
    /// How long an entry stays ours without a heartbeat. Default 60 s.
    pub lease: Duration,
    /// Hard limit for one handling. Default 10 min.
    pub timeout: Duration,
    /// Counted attempts before `exhausted`. Default 8.
    pub max_attempts: u32,
    /// Deliveries without an outcome before `poison`. From the second on, the entry is handled alone:
    /// nothing else of the same consumer is begun or under way. With `u32::MAX` crashes bury nothing,
    /// and nothing is handled alone. Default 3.
    pub max_deliveries: u32,
    /// First backoff; doubles with each attempt, full jitter. Default 2 s.
    pub backoff: Duration,
    /// Longest backoff. Default 15 min.
    pub max_backoff: Duration,
    /// How long a stop waits for work in hand before handing it back. Default 20 s.
    pub grace: Duration,
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        Self {
            concurrency: 4,
            lease: Duration::from_secs(60),
            timeout: Duration::from_secs(600),
            max_attempts: 8,
            max_deliveries: 3,
            backoff: Duration::from_secs(2),
            max_backoff: Duration::from_secs(900),
            grace: Duration::from_secs(20),
        }
    }
}

impl ConsumerOptions {
    /// Whether what crashed its worker is suspect, and so handled alone.
    pub(crate) fn suspects(&self) -> bool {
        self.max_deliveries < u32::MAX
    }

    fn check(&self) -> Result<(), QueueError> {
        let wrong = |what: &str| Err(QueueError::Settings(what.to_owned()));
        if self.concurrency == 0 {
            return wrong("concurrency: must be at least 1");
        }
        if self.lease < Duration::from_millis(30) {
            return wrong("lease: must be at least 30 ms");
        }
        if self.timeout.is_zero() {
            return wrong("timeout: must not be zero");
        }
        if self.max_attempts == 0 || self.max_deliveries == 0 {
            return wrong("max_attempts, max_deliveries: must be at least 1");
        }
        Ok(())
    }
}

/// Works until `stop` is cancelled, then drains: survives Redis being away, restarts included.
///
/// # Errors
/// [`QueueError::Settings`] when an option cannot be used, or the server must not be (too old, or
/// not durable although that is required). Failures of Redis are survived.
pub async fn consume(
    queue: Queue,
    options: ConsumerOptions,
    handler: impl Handler,
    stop: CancellationToken,
) -> Result<(), QueueError> {
    let slots = Slots::new(options.concurrency, false);
    let handler = Arc::new(handler);
    run(queue, options, slots, stop, |work, items| {
        for (item, slot) in items {
            tokio::spawn(job::run_one(Arc::clone(work), Arc::clone(&handler), item, slot));
        }
    })
    .await
}

/// As [`consume`], with up to `concurrency` deliveries handled in one call, one call at a time.
/// When a call panics, its deliveries are handled one by one.
///
/// # Errors
/// As [`consume`].
pub async fn consume_batches(
    queue: Queue,
    options: ConsumerOptions,
    handler: impl BatchHandler,
    stop: CancellationToken,
) -> Result<(), QueueError> {
    let slots = Slots::new(options.concurrency, true);
    let handler = Arc::new(handler);
    run(queue, options, slots, stop, |work, items| {
        tokio::spawn(job::run_batch(Arc::clone(work), Arc::clone(&handler), items));
    })
    .await
}

/// Stops what is in hand when the consumer is dropped.
struct Abandon(Arc<Work>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.hard_stop.cancel();
        self.0.hand.abandon_all();
    }
}

async fn run(
    queue: Queue,
    options: ConsumerOptions,
    slots: Slots,
    stop: CancellationToken,
    dispatch: impl Fn(&Arc<Work>, Vec<(Item, Slot)>),
) -> Result<(), QueueError> {
    options.check()?;
    let (outcomes, to_settle) = mpsc::channel(options.concurrency.max(16));
    let (scheduled, due) = mpsc::unbounded_channel();
    let work = Arc::new(Work::new(queue, options, slots, outcomes, scheduled));
    let _abandon = Abandon(Arc::clone(&work));
    let reader = Reader::new(Arc::clone(&work));

    // Dropped, and so ended, with this function.
    let mut background = JoinSet::new();
    background.spawn(settle::run(Arc::clone(&work), to_settle));
    background.spawn(lease::run(Arc::clone(&work)));
    background.spawn(tend::run(Arc::clone(&work), due));
    background.spawn(read::wake(Arc::clone(&work), reader.blocked(), stop.clone()));

    tracing::info!(queue = work.queue.name(), consumer = %work.name, "worker loop started");
    admitted(&work, &stop).await?;
    reader.run(&stop, |items| dispatch(&work, items)).await;
    drain(&work).await;
    tracing::info!(queue = work.queue.name(), consumer = %work.name, "worker loop ended");
    Ok(())
}

/// Waits for a server, and makes sure that it may be used.
async fn admitted(work: &Work, stop: &CancellationToken) -> Result<(), QueueError> {
    let mut backoff = Backoff::new();
    while !stop.is_cancelled() {
        match work.queue.link().verify().await {
            Ok(()) => break,
            Err(error @ QueueError::Settings(_)) => return Err(error),
            Err(_) => backoff.pause(stop).await,
        }
    }
    Ok(())
}

/// The rest of a graceful stop: wait for what is in hand, abandon the rest, hand it back.
async fn drain(work: &Work) {
    let drained = tokio::time::timeout(work.options.grace, work.hand.empty()).await;
    if drained.is_err() {
        work.hard_stop.cancel();
        work.hand.abandon_all();
        lease::hand_back(work, &work.hand.places()).await;
    }
    tend::retire(work).await;
}
