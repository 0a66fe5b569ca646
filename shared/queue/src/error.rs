//! What can go wrong between a program and its queue.

/// Why an operation on a queue did not happen.
#[derive(Debug, thiserror::Error)]
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
