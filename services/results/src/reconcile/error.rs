//! What can end a comparison.

use queue::QueueError;
use twilio::TwilioError;

use crate::store::StoreError;

/// Why a comparison ended early. What it enqueued stays enqueued; the mark has not moved.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// Twilio did not give its list.
    #[error(transparent)]
    Twilio(#[from] TwilioError),
    /// The database did not say what is known.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue did not take the work.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// A job could not be written, which no job of ours is.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// Another replica has taken over.
    #[error("another replica has taken over the comparison")]
    LeaseLost,
    /// The process is stopping.
    #[error("stopped")]
    Stopped,
    /// The days are the wrong way round.
    #[error("the first day ({since}) comes after the last one ({until})")]
    Days {
        /// The first day.
        since: chrono::NaiveDate,
        /// The last day.
        until: chrono::NaiveDate,
    },
    /// The same back-fill is under way.
    #[error(
        "the same back-fill is under way in another process; if that one was killed, start it \
         again after {}", .until.format("%F %T UTC")
    )]
    UnderWay {
        /// When its lease ends, unless it is renewed.
        until: chrono::DateTime<chrono::Utc>,
    },
}

impl ReconcileError {
    /// The name in logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Twilio(_) => "twilio",
            Self::Store(_) => "database",
            Self::Queue(_) => "queue",
            Self::Json(_) => "internal",
            Self::LeaseLost | Self::UnderWay { .. } => "lease",
            Self::Stopped => "stopped",
            Self::Days { .. } => "days",
        }
    }
}
