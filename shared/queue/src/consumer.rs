//! Taking work out of a queue.

use std::{future::Future, time::Duration};

use tokio_util::sync::CancellationToken;

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
    /// Deliveries without an outcome before `poison`. Default 3.
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

/// Works until `stop` is cancelled, then drains: survives Redis being away, restarts included.
pub async fn consume(
    _queue: Queue,
    _options: ConsumerOptions,
    _handler: impl Handler,
    _stop: CancellationToken,
) -> Result<(), QueueError> {
    unimplemented!()
}

/// As [`consume`], with up to `concurrency` deliveries handled in one call.
pub async fn consume_batches(
    _queue: Queue,
    _options: ConsumerOptions,
    _handler: impl BatchHandler,
    _stop: CancellationToken,
) -> Result<(), QueueError> {
    unimplemented!()
}
