//! Jobs that this worker does not understand.
//!
//! While a system is upgraded, a newer ingest can enqueue what an older transcriber has never heard
//! of. Such a job waits for a newer worker, and its call says so.

use std::time::Duration;

use chassis::{
    queues::{RESULTS, event_about, event_entry, order_of},
    telemetry::traceparent,
};
use domain::{EventKind, JobSubject};
use queue::{Delivery, Failure, Settlement, Verdict};
use tracing::{Span, warn};

use super::age;

/// How long until another worker, perhaps a newer one, gets to see it.
const WAIT: Duration = Duration::from_secs(60);

/// How long an upgrade may take. A job that is older is no job of a newer version but a wrong one:
/// it becomes a dead letter, from where it can still be put back.
const UPGRADE: Duration = Duration::from_secs(24 * 3600);

/// What becomes of a delivery whose body is no job that is known here.
pub(super) fn settlement(delivery: &Delivery, error: &serde_json::Error) -> Settlement {
    let Ok(subject) = serde_json::from_str::<JobSubject>(&delivery.body) else {
        warn!(key = %delivery.key, id = %delivery.id, %error, "not a job");
        let failure = Failure::new("malformed", format!("the entry is no job: {error}"));
        return Verdict::Dead { failure }.into();
    };
    let is_final = age(delivery) >= UPGRADE;
    warn!(call_sid = %subject.call_sid, %error, is_final,
        "a job this version does not understand: are there newer services than this one?");
    let (code, message) = ("job_not_understood", "no transcriber of this version knows such a job");
    let failure = Failure::new(code, message);
    let verdict = if is_final {
        Verdict::Dead { failure }
    } else {
        Verdict::Retry { after: Some(WAIT), failure, counts: false }
    };
    let (code, message) = (code.into(), message.into());
    let kind = EventKind::Failed { code, message, attempts: delivery.attempt, is_final };
    let event = event_about(subject, order_of(delivery), kind);
    match event_entry(&event, traceparent(&Span::current())) {
        Ok(entry) => Settlement::from(verdict).emit(RESULTS, entry),
        Err(_) => verdict.into(),
    }
}

#[cfg(test)]
mod tests {
    use chassis::queues::now_ms;
    use domain::CallEvent;

    use super::*;

    fn delivery(body: &str, age_ms: i64) -> Delivery {
        Delivery {
            id: "1-0".into(),
            key: format!("CA{:032x}", 2),
            body: body.into(),
            lane: queue::Lane::Live,
            attempt: 3,
            redrive: 1,
            deliveries: 1,
            born_ms: now_ms() - age_ms,
            traceparent: None,
            abandoned: Default::default(),
        }
    }

    fn settled(body: &str, age_ms: i64) -> Settlement {
        let error = serde_json::from_str::<domain::CallJob>(body).unwrap_err();
        settlement(&delivery(body, age_ms), &error)
    }

    fn newer() -> String {
        format!(
            r#"{{"job":"summarise","account_sid":"AC{:032x}","call_sid":"CA{:032x}","recording_sid":"RE{:032x}","generation":4,"style":"short"}}"#,
            1, 2, 3
        )
    }

    #[test]
    fn a_job_of_a_newer_version_waits_for_a_newer_worker_and_its_call_says_so() {
        let settlement = settled(&newer(), 1_000);
        let waits = matches!(&settlement.verdict,
            Verdict::Retry { counts: false, after: Some(after), .. } if *after == WAIT);
        assert!(waits, "{settlement:?}");
        let event: CallEvent = serde_json::from_str(&settlement.emit[0].entry.body).unwrap();
        assert_eq!(settlement.emit[0].queue, RESULTS);
        assert_eq!(event.recording_sid.unwrap().as_str(), format!("RE{:032x}", 3));
        assert_eq!((event.order.generation, event.order.redrive, event.order.attempt), (4, 1, 3));
        assert!(!event.kind.is_terminal());
    }

    #[test]
    fn one_that_nobody_understood_for_a_day_ends_with_an_event_among_the_dead_letters() {
        let settlement = settled(&newer(), 25 * 3600 * 1000);
        assert!(matches!(settlement.verdict, Verdict::Dead { .. }));
        let event: CallEvent = serde_json::from_str(&settlement.emit[0].entry.body).unwrap();
        assert!(event.kind.is_terminal());
    }

    #[test]
    fn what_names_no_call_is_malformed_at_once() {
        for body in ["", "{}", r#"{"job":"summarise","call_sid":"CA1"}"#, "[1]"] {
            let settlement = settled(body, 0);
            let is_malformed = matches!(&settlement.verdict, Verdict::Dead { failure } if failure.code == "malformed");
            assert!(is_malformed && settlement.emit.is_empty(), "{body}: {settlement:?}");
        }
    }
}
