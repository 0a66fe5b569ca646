//! Waiting until what was written is on disk, with WAITAOF (Redis 7.2 and newer).
//!
//! The append-only file keeps the order of the writes, so once a write that was sent later is on
//! disk, the earlier ones are, whichever connection they came from. One task with a connection of
//! its own confirms for everybody who waits, all together: a blocking command on the shared
//! connection would hold up everyone else's.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::sync::{mpsc, oneshot};

use crate::{Link, QueueError, error::classify};

/// How long Redis may take to bring a write to disk. `appendfsync everysec` needs up to two.
const PATIENCE: Duration = Duration::from_millis(2500);

/// Confirms that writes are on disk. Cheap to clone; ends with its last clone.
#[derive(Debug, Clone)]
pub struct Durable {
    waiting: mpsc::UnboundedSender<oneshot::Sender<Result<OnDisk, QueueError>>>,
}

/// What is known of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDisk {
    /// It is in the append-only file, and the file is on disk.
    Confirmed,
    /// This server is too old to tell: it is as durable as its `appendfsync` makes it.
    NotOffered,
}

impl Durable {
    /// Starts the task that confirms.
    pub fn new(link: Link) -> Self {
        let (waiting, requests) = mpsc::unbounded_channel();
        tokio::spawn(confirm_all(link, requests));
        Self { waiting }
    }

    /// Waits until every write that was acknowledged before this call is on disk.
    ///
    /// # Errors
    /// When Redis does not confirm in time (about 2.5 s), or keeps no append-only file.
    pub async fn confirm(&self) -> Result<OnDisk, QueueError> {
        let gone = || QueueError::Unavailable("the runtime is stopping".to_owned());
        let (tell, told) = oneshot::channel();
        self.waiting.send(tell).map_err(|_| gone())?;
        told.await.map_err(|_| gone())?
    }
}

async fn confirm_all(
    link: Link,
    mut requests: mpsc::UnboundedReceiver<oneshot::Sender<Result<OnDisk, QueueError>>>,
) {
    let key = format!("{{{}}}:durable", link.prefix());
    let mut connection = None;
    let mut told = false;
    let mut together = Vec::new();
    while requests.recv_many(&mut together, usize::MAX).await > 0 {
        let outcome = confirm(&link, &mut connection, &key).await;
        if outcome.is_err() {
            connection = None;
        }
        if matches!(outcome, Ok(OnDisk::NotOffered)) && !told {
            told = true;
            tracing::warn!(
                "this Redis is older than 7.2 and cannot tell what is on its disk: its appendfsync \
                 setting alone decides how durable an acknowledged write is"
            );
        }
        for waiting in together.drain(..) {
            // Whoever gave up waiting is not told.
            let _ = waiting.send(outcome.clone());
        }
    }
}

async fn confirm(
    link: &Link,
    connection: &mut Option<MultiplexedConnection>,
    key: &str,
) -> Result<OnDisk, QueueError> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(link.dedicated(PATIENCE).await?),
    };
    let mut write = redis::pipe();
    write.cmd("SET").arg(key).arg(1).arg("EX").arg(60).ignore();
    write.cmd("WAITAOF").arg(1).arg(0).arg(PATIENCE.as_millis() as u64);
    match write.query_async::<((u64, u64),)>(connection).await {
        Ok(((local, _),)) if local >= 1 => Ok(OnDisk::Confirmed),
        Ok(_) => Err(QueueError::Unavailable("the write is not on disk yet".to_owned())),
        Err(error) if error.to_string().contains("unknown command") => Ok(OnDisk::NotOffered),
        Err(error) => Err(classify(&error)),
    }
}
