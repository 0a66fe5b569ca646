//! From what a callback means to the entry that says so, and whoever takes it.

use std::{future::Future, time::Duration};

use chassis::queues::{self, CALLS, RESULTS};
use queue::{Enqueued, Entry, QueueError};

use crate::callbacks::News;

/// The two queues entries go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// Work.
    Calls,
    /// Events.
    Results,
}

/// Whatever takes entries: the queues, or a double of them.
pub trait Intake: Clone + Send + Sync + 'static {
    /// Stores an entry with all it brings along, in one script; as durable as is configured when
    /// this returns.
    fn enqueue(
        &self,
        target: Target,
        entry: Entry,
    ) -> impl Future<Output = Result<Enqueued, QueueError>> + Send;
}

/// The entry for some news, with everything it brings along; `None` when there are none.
pub(crate) fn entry(
    news: &News,
    resolve_delay: Duration,
    traceparent: Option<String>,
) -> serde_json::Result<Option<(Target, Entry)>> {
    Ok(Some(match news {
        News::Nothing => return Ok(None),
        News::Recorded { job, observed } => {
            let mut entry = queues::job_entry(job, traceparent.clone())?;
            if let Some(observed) = observed {
                entry = entry.emit(RESULTS, queues::event_entry(observed, traceparent)?);
            }
            (Target::Calls, entry)
        }
        News::Happened(event) => (Target::Results, queues::event_entry(event, traceparent)?),
        News::Ended { observed, job, presumed } => {
            // The event leads: it is stored even where the look-up was enqueued before.
            let mut look_up = queues::job_entry(job, traceparent.clone())?.delayed(resolve_delay);
            if let Some(once) = look_up.once.as_mut().filter(|_| *presumed) {
                once.key.push_str(":presumed");
            }
            let entry = queues::event_entry(observed, traceparent)?.emit(CALLS, look_up);
            (Target::Results, entry)
        }
    }))
}
