//! Callbacks that arrive together are stored together: one script call for all that wait.
//!
//! Each entry stays a unit of its own (with what it brings along); they only share the way to
//! Redis and back. While one call is under way the next callbacks gather for the following one, so
//! a lone callback waits for nobody and a flood needs few round trips.

use queue::{Durable, Enqueued, Entry, Queue, QueueError};
use tokio::sync::{mpsc, oneshot};

/// Entries in one script call at most: enough to share the way, and little enough that neither
/// Redis nor the allocator is held up by it (about 40 kB, less than a millisecond).
const TOGETHER: usize = 32;

type Outcome = Result<Enqueued, QueueError>;
type Waiting = (Entry, oneshot::Sender<Outcome>);

/// Stores entries in one queue. Cheap to clone; ends with its last clone.
#[derive(Clone)]
pub(crate) struct Together {
    waiting: mpsc::UnboundedSender<Waiting>,
}

impl Together {
    /// Starts the task that stores, and that waits for the disk where a [`Durable`] is given.
    pub(crate) fn new(queue: Queue, durable: Option<Durable>) -> Self {
        let (waiting, entries) = mpsc::unbounded_channel();
        tokio::spawn(store_all(queue, durable, entries));
        Self { waiting }
    }

    /// Stores one entry.
    pub(crate) async fn enqueue(&self, entry: Entry) -> Outcome {
        let gone = || QueueError::Unavailable("the service is stopping".to_owned());
        let (tell, told) = oneshot::channel();
        self.waiting.send((entry, tell)).map_err(|_| gone())?;
        told.await.map_err(|_| gone())?
    }
}

async fn store_all(
    queue: Queue,
    durable: Option<Durable>,
    mut entries: mpsc::UnboundedReceiver<Waiting>,
) {
    let mut gathered = Vec::with_capacity(TOGETHER);
    while entries.recv_many(&mut gathered, TOGETHER).await > 0 {
        // Whoever gave up was answered 503 and comes again.
        let (batch, waiting): (Vec<_>, Vec<_>) =
            gathered.drain(..).filter(|(_, tell)| !tell.is_closed()).unzip();
        let stored = queue.enqueue_batch(batch).await;
        // By a task of its own: the next call is on its way to Redis before these answers are
        // written, and need not wait for the disk.
        tokio::spawn(tell(durable.clone(), waiting, stored));
    }
}

/// Tells everybody what became of their entry, once it is on disk where that is asked for.
/// Duplicates wait too: the first one may not be on disk yet.
async fn tell(
    durable: Option<Durable>,
    waiting: Vec<oneshot::Sender<Outcome>>,
    stored: Result<Vec<Enqueued>, QueueError>,
) {
    let outcome = match (durable, stored) {
        (Some(durable), Ok(stored)) => durable.confirm().await.map(|_| stored),
        (_, stored) => stored,
    };
    // Whoever gave up waiting is not told.
    match outcome {
        Ok(stored) => {
            for (tell, enqueued) in waiting.into_iter().zip(stored) {
                let _ = tell.send(Ok(enqueued));
            }
        }
        Err(error) => {
            for tell in waiting {
                let _ = tell.send(Err(error.clone()));
            }
        }
    }
}
