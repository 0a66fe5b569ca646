//! What must be left alone, as all processes know it: pause records beside the `calls` queue.
//!
//! Nothing here may fail a call: where Redis does not answer, nothing is known to be parked.

use std::time::Duration;

use chassis::queues::now_ms;
use queue::{Pause, Queue};
use tracing::debug;

/// How long a question may take before the answer does not matter.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How long what was parked by hand, without an end, is left alone before somebody looks again.
const BY_HAND: Duration = Duration::from_secs(60);

/// Looks at pause records and writes them. Cheap to clone.
#[derive(Clone, Default)]
pub struct Parking(Option<Queue>);

/// Something that is parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// For how long yet.
    pub wait: Duration,
    /// Why.
    pub reason: String,
}

impl Parking {
    /// The records of this queue.
    pub fn of(calls: Queue) -> Self {
        Self(Some(calls))
    }

    /// Whether any of these is parked: the one that stays so longest.
    pub async fn look(&self, by: &[&str]) -> Option<Parked> {
        let queue = self.0.as_ref()?;
        let pauses = match tokio::time::timeout(TIMEOUT, queue.pauses_of(by)).await {
            Ok(Ok(pauses)) => pauses,
            Ok(Err(error)) => {
                debug!(%error, "not known what is parked");
                return None;
            }
            Err(_) => return None,
        };
        pauses.into_iter().map(Parked::from).max_by_key(|parked| parked.wait)
    }

    /// Parks something for everybody.
    pub async fn park(&self, by: &str, wait: Duration, reason: &str) {
        let Some(queue) = &self.0 else { return };
        match tokio::time::timeout(TIMEOUT, queue.pause(by, Some(wait), reason)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(%error, by, "not parked for other processes"),
            Err(_) => debug!(by, "not parked for other processes in time"),
        }
    }
}

impl From<Pause> for Parked {
    fn from(pause: Pause) -> Self {
        let left = |until: i64| Duration::from_millis(u64::try_from(until - now_ms()).unwrap_or(0));
        Self { wait: pause.until_ms.map_or(BY_HAND, left), reason: pause.reason }
    }
}
