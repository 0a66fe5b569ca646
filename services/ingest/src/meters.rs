//! What is counted and measured of callbacks, under the names the dashboards use.

use std::time::Duration;

use metrics::{Counter, Histogram, counter, histogram};

use crate::{Kind, Refusal, service::Outcome};

/// The counters that every callback needs, looked up once.
#[derive(Clone)]
pub(crate) struct Meters {
    recording: Taken,
    call: Taken,
    seconds: Histogram,
}

/// The callbacks of one kind that were taken.
#[derive(Clone)]
struct Taken {
    accepted: Counter,
    duplicate: Counter,
    ignored: Counter,
}

impl Meters {
    pub fn new() -> Self {
        let taken = |kind| Taken {
            accepted: callbacks(kind, Outcome::Accepted.as_str()),
            duplicate: callbacks(kind, Outcome::Duplicate.as_str()),
            ignored: callbacks(kind, Outcome::Ignored.as_str()),
        };
        Self {
            recording: taken(Kind::Recording.as_str()),
            call: taken(Kind::Call.as_str()),
            seconds: histogram!("ingest_callback_seconds"),
        }
    }

    /// Counts one answer; `kind` is absent where no callback comes to the path.
    pub fn count(&self, kind: Option<Kind>, answer: Result<Outcome, &Refusal>, took: Duration) {
        self.seconds.record(took.as_secs_f64());
        let taken = match kind {
            Some(Kind::Recording) => &self.recording,
            _ => &self.call,
        };
        match answer {
            Ok(Outcome::Accepted) => taken.accepted.increment(1),
            Ok(Outcome::Duplicate) => taken.duplicate.increment(1),
            Ok(Outcome::Ignored) => taken.ignored.increment(1),
            Err(refusal) => {
                callbacks(kind.map_or("none", Kind::as_str), refusal.name()).increment(1);
            }
        }
    }
}

fn callbacks(kind: &'static str, outcome: &'static str) -> Counter {
    counter!("ingest_callbacks_total", "kind" => kind, "outcome" => outcome)
}
