//! The connection to Redis.

use crate::{QueueError, RedisSettings};

/// A cheap-to-clone link to one Redis (server, sentinel set or cluster), shared by all queues.
#[derive(Debug, Clone)]
pub struct Link {}

impl Link {
    /// Prepares connections; does not wait for Redis, which may come later.
    pub async fn open(_settings: &RedisSettings) -> Result<Self, QueueError> {
        unimplemented!()
    }

    /// Whether Redis answered and takes writes, as of now (readiness).
    pub fn is_ready(&self) -> bool {
        unimplemented!()
    }

    /// One round trip to Redis: an error that names what is wrong.
    pub async fn ping(&self) -> Result<(), QueueError> {
        unimplemented!()
    }
}
