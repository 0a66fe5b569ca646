//! The two queues of the system, wired in one place: `calls` (work for transcribers) and
//! `results` (what happened, for the database).

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use domain::{AttemptOrder, CallEvent, CallJob, EventKind, JobSubject};
use queue::{
    Decision, Delivery, Entry, Failure, Link, Once, Outgoing, Queue, QueueOptions, Transition,
};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::Check;

/// Name of the queue that carries [`CallJob`]s.
pub const CALLS: &str = "calls";
/// Name of the queue that carries [`CallEvent`]s.
pub const RESULTS: &str = "results";

/// How long a job's key is remembered: longer than Twilio repeats a callback and than the overlap
/// of the reconciliation; after it, the database knows the recording.
const ONCE_WINDOW: Duration = Duration::from_secs(3 * 24 * 3600);

/// The age at which a transcription that is done has its key remembered anew. What took less is
/// remembered for two days more as it is; so it costs nothing as long as the work is not behind.
const LATE: Duration = Duration::from_secs(24 * 3600);

/// The queue of jobs. Whatever it decides on its own becomes an event in `results`.
pub fn calls(link: Link) -> Queue {
    let options = QueueOptions {
        on_decision: Some(Arc::new(decided)),
        on_done: Some(Arc::new(|delivery| remembered(delivery, now_ms()))),
        ..QueueOptions::default()
    };
    Queue::new(link, CALLS, options)
}

/// The queue of events.
pub fn results(link: Link) -> Queue {
    Queue::new(link, RESULTS, QueueOptions::default())
}

/// An entry for `calls`: once per recording and generation (or call), with its `Queued` event in
/// the same script.
///
/// # Errors
/// When the job cannot be written as JSON, which no job of ours does.
pub fn job_entry(job: &CallJob, traceparent: Option<String>) -> serde_json::Result<Entry> {
    let queued = event_of(job, AttemptOrder::default(), EventKind::Queued { source: job.source() });
    let entry = Entry::new(job.call_sid().as_str(), json(job)?)
        .once(job.once_key(), ONCE_WINDOW)
        .traced(traceparent.clone());
    Ok(entry.emit(RESULTS, event_entry(&queued, traceparent)?))
}

/// An entry for `results`.
///
/// # Errors
/// When the event cannot be written as JSON, which no event of ours does.
pub fn event_entry(event: &CallEvent, traceparent: Option<String>) -> serde_json::Result<Entry> {
    Ok(Entry::new(event.call_sid.as_str(), json(event)?).traced(traceparent))
}

/// As JSON, with room for all that most events and jobs say.
fn json<T: Serialize>(value: &T) -> serde_json::Result<String> {
    let mut written = Vec::with_capacity(384);
    serde_json::to_writer(&mut written, value)?;
    String::from_utf8(written).map_err(serde::ser::Error::custom)
}

/// An event about a job, at the present time. `order.generation` is taken from the job.
pub fn event_of(job: &CallJob, order: AttemptOrder, kind: EventKind) -> CallEvent {
    event_about(job.subject(), order, kind)
}

/// As [`event_of`], about a job of which no more is understood than what it is about.
pub fn event_about(subject: JobSubject, order: AttemptOrder, kind: EventKind) -> CallEvent {
    let JobSubject { account_sid, call_sid, recording_sid, generation } = subject;
    CallEvent {
        account_sid,
        call_sid,
        recording_sid,
        order: AttemptOrder { generation, ..order },
        at_ms: now_ms(),
        kind,
    }
}

/// Which try a delivery is, for the events of its job.
pub fn order_of(delivery: &Delivery) -> AttemptOrder {
    AttemptOrder { generation: 0, redrive: delivery.redrive, attempt: delivery.attempt }
}

/// Keeps a check up to date with whether Redis answers, until `stop` is cancelled.
pub async fn watch_redis(link: Link, check: Check, every: Duration, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match link.ping().await {
            Ok(()) => check.ready(),
            Err(error) => check.not_ready(error.to_string()),
        }
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Now, in milliseconds since 1970 (UTC).
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// After days without transcribers, the look-up behind a call's transcription comes to its turn when
/// the transcription's key is forgotten, and would have the call transcribed, and paid, once more.
fn remembered(delivery: &Delivery, now_ms: i64) -> Option<Once> {
    let late_ms = i64::try_from(LATE.as_millis()).unwrap_or(i64::MAX);
    if now_ms.saturating_sub(delivery.born_ms) < late_ms {
        return None;
    }
    // Not a look-up: its end is not the end of what the call's further legs and recordings bring.
    match serde_json::from_str(&delivery.body) {
        Ok(job @ CallJob::Transcribe { .. }) => {
            Some(Once { key: job.once_key(), window: ONCE_WINDOW })
        }
        _ => None,
    }
}

fn decided(decision: &Decision) -> Vec<Outgoing> {
    // A malformed entry names no call, so there is no row to tell; it is counted, logged and kept.
    let Ok(subject) = serde_json::from_str::<JobSubject>(&decision.delivery.body) else {
        return Vec::new();
    };
    let order = order_of(&decision.delivery);
    let kind = match decision.transition {
        Transition::Redriven => EventKind::Queued { source: domain::JobSource::Manual },
        Transition::Exhausted | Transition::Poison | Transition::Malformed => {
            let failure = decision.failure.clone().unwrap_or_else(|| {
                Failure::new("worker_crashed", "the worker stopped while it had this call in hand")
            });
            EventKind::Failed {
                code: failure.code,
                message: failure.message,
                attempts: decision.delivery.attempt,
                is_final: true,
            }
        }
    };
    let entry =
        event_entry(&event_about(subject, order, kind), decision.delivery.traceparent.clone());
    entry.map(|entry| Outgoing { queue: RESULTS.into(), entry }).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use domain::JobSource;

    use super::*;

    fn job() -> CallJob {
        CallJob::Transcribe {
            account_sid: format!("AC{:032x}", 1).parse().unwrap(),
            call_sid: format!("CA{:032x}", 2).parse().unwrap(),
            recording_sid: format!("RE{:032x}", 3).parse().unwrap(),
            generation: 2,
            source: JobSource::Callback,
        }
    }

    #[test]
    fn a_job_brings_its_queued_event_along() {
        let entry = job_entry(&job(), None).unwrap();
        assert_eq!(entry.key, format!("CA{:032x}", 2));
        assert_eq!(entry.emit.len(), 1);
        assert_eq!(entry.emit[0].queue, RESULTS);
        let event: CallEvent = serde_json::from_str(&entry.emit[0].entry.body).unwrap();
        assert_eq!(event.order.generation, 2);
        assert_eq!(event.kind, EventKind::Queued { source: JobSource::Callback });
    }

    fn delivery_of(job: &CallJob) -> Delivery {
        Delivery {
            id: "1-0".into(),
            key: "k".into(),
            body: serde_json::to_string(job).unwrap(),
            lane: queue::Lane::Live,
            attempt: 3,
            redrive: 1,
            deliveries: 4,
            born_ms: 0,
            traceparent: None,
            abandoned: Default::default(),
        }
    }

    #[test]
    fn a_transcription_that_took_days_is_remembered_from_its_end_on() {
        let delivery = delivery_of(&job());
        let days = |days: i64| days * 24 * 3600 * 1000;
        let kept = remembered(&delivery, days(4)).unwrap();
        assert_eq!(Some(&kept), job_entry(&job(), None).unwrap().once.as_ref());
        assert_eq!(remembered(&delivery, days(1) - 1), None);
        let look_up = CallJob::Resolve {
            account_sid: job().account_sid().clone(),
            call_sid: job().call_sid().clone(),
            source: JobSource::CallStatus,
        };
        assert_eq!(remembered(&delivery_of(&look_up), days(4)), None);
    }

    #[test]
    fn a_poisoned_job_becomes_a_final_failure_of_its_recording() {
        let delivery = delivery_of(&job());
        let decision = Decision { transition: Transition::Poison, delivery, failure: None };
        let emitted = decided(&decision);
        let event: CallEvent = serde_json::from_str(&emitted[0].entry.body).unwrap();
        assert_eq!(event.order, AttemptOrder { generation: 2, redrive: 1, attempt: 3 });
        assert!(event.kind.is_terminal());
    }
}
