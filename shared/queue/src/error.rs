//! What can go wrong between a program and its queue.

/// Why an operation on a queue did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueueError {
    /// Redis could not be reached or did not answer in time. Nothing is known about the outcome.
    #[error("Redis is not reachable: {0}")]
    Unavailable(String),
    /// Redis answered that it cannot take writes now (full, read-only, loading).
    #[error("Redis refuses writes for now: {0}")]
    Refused(String),
    /// A setting is wrong.
    #[error("{0}")]
    Settings(String),
    /// Redis said something unexpected.
    #[error("Redis answered: {0}")]
    Redis(String),
}

/// Sorts what the client reports into what its user can do about it.
pub(crate) fn classify(error: &redis::RedisError) -> QueueError {
    const REFUSALS: [&str; 12] = [
        "LOADING",
        "READONLY",
        "OOM",
        "MISCONF",
        "CLUSTERDOWN",
        "MASTERDOWN",
        "NOREPLICAS",
        "TRYAGAIN",
        "MOVED",
        "ASK",
        "BUSY",
        "UNKILLABLE",
    ];
    let text = error.to_string();
    if error.is_io_error() || error.is_timeout() || error.is_connection_dropped() {
        return QueueError::Unavailable(text);
    }
    match error.code() {
        Some(code) if REFUSALS.contains(&code) => QueueError::Refused(text),
        // Wrong credentials may be on their way too: a secret is rotated, and so is its user.
        Some("NOAUTH" | "WRONGPASS" | "NOPERM") => QueueError::Unavailable(text),
        Some(_) => QueueError::Redis(text),
        None if error.is_unrecoverable_error() => QueueError::Unavailable(text),
        None => QueueError::Redis(text),
    }
}

/// Whether another connection may do better: this one failed, or leads to the wrong server.
pub(crate) fn drops_connection(error: &redis::RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.is_unrecoverable_error()
        || matches!(error.code(), Some("READONLY" | "MOVED" | "ASK" | "CLUSTERDOWN" | "MASTERDOWN"))
}

impl QueueError {
    /// Whether the stream or its group is not there (any more): it is created anew.
    pub(crate) fn group_is_missing(&self) -> bool {
        matches!(self, Self::Redis(text) if text.contains("NOGROUP") || text.contains("UNBLOCKED"))
    }
}
