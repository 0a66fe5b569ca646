//! One delivery of the `calls` queue: what is done, and how it is settled.

mod strange;

use std::time::Duration;

use chassis::{
    queues::{self, RESULTS, event_entry, event_of, job_entry, now_ms, order_of},
    telemetry::{continue_trace, traceparent},
};
use domain::{CallJob, CallMetadata, EventKind};
use queue::{Delivery, Failure, Handler, Lane, Queue, Settlement, Verdict};
use tokio::time::Instant;
use tracing::{Instrument, Span, debug, info, info_span, warn};
use twilio::Client;

use crate::{
    parking::{Parked, Parking},
    patience::Patience,
    pipeline::{Attempt, Attempted, Pipeline},
    resolve::{Resolved, resolve},
    setback::{Setback, Treatment},
};

/// Handles the jobs of a process.
pub struct Worker {
    /// The way of one recording.
    pub pipeline: Pipeline,
    /// Where recordings are listed.
    pub twilio: Client,
    /// What other processes, or a person, parked.
    pub parking: Parking,
    /// Where `Started` goes at once; everything else goes with the settlement.
    pub results: Queue,
    /// How long something that is not ready is waited for.
    pub not_ready: Duration,
}

/// How long telling that work has started may take: it must not hold the work up.
const TELLING: Duration = Duration::from_secs(2);

impl Handler for Worker {
    async fn handle(&self, delivery: Delivery) -> Settlement {
        let job: CallJob = match serde_json::from_str(&delivery.body) {
            Ok(job) => job,
            Err(error) => return strange::settlement(&delivery, &error),
        };
        let span = info_span!(
            "process calls", otel.kind = "consumer", call_sid = %job.call_sid(),
            messaging.system = "redis", messaging.destination.name = "calls",
            attempt = delivery.attempt,
        );
        continue_trace(&span, delivery.traceparent.as_deref());
        self.handled(job, delivery).instrument(span).await
    }
}

impl Worker {
    async fn handled(&self, job: CallJob, delivery: Delivery) -> Settlement {
        let account = format!("account:{}", job.account_sid());
        if let Some(Parked { wait, reason }) = self.parking.look(&[&account]).await {
            let message = format!("the account is parked: {reason}");
            let setback = Setback::new(Treatment::Wait(wait), "account_parked", message);
            return set_back(&job, &delivery, setback);
        }
        match &job {
            CallJob::Resolve { account_sid, call_sid, source } => {
                let patience = self.patience(&delivery);
                let resolved =
                    resolve(&self.twilio, account_sid, call_sid, *source, patience).await;
                settled_call(&job, &delivery, resolved)
            }
            CallJob::Transcribe { account_sid, call_sid, recording_sid, generation, .. } => {
                let attempt = Attempt {
                    account: account_sid,
                    call: call_sid,
                    recording: recording_sid,
                    generation: *generation,
                    patience: self.patience(&delivery),
                    lane: delivery.lane,
                    began: Instant::now(),
                    queued_ms: u64::try_from(age(&delivery).as_millis()).unwrap_or(u64::MAX),
                };
                // What only waits has not begun, and tells nobody so again and again.
                if let Err(setback) = self.pipeline.look(&attempt).await {
                    return set_back(&job, &delivery, setback);
                }
                info!(%call_sid, %recording_sid, attempt = delivery.attempt, "starting transcription");
                // One after the other would cost every call a round trip.
                let (attempted, ()) =
                    tokio::join!(self.pipeline.run(&attempt), self.tell_started(&job, &delivery));
                settled_recording(&job, &delivery, attempted)
            }
        }
    }

    fn patience(&self, delivery: &Delivery) -> Patience {
        Patience::new(age(delivery), self.not_ready)
    }

    /// Says that work has begun. The call goes on whether or not it can be said.
    async fn tell_started(&self, job: &CallJob, delivery: &Delivery) {
        let event = event_of(job, order_of(delivery), EventKind::Started);
        let Ok(entry) = event_entry(&event, traceparent(&Span::current())) else { return };
        match tokio::time::timeout(TELLING, self.results.enqueue(entry)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => debug!(call_sid = %job.call_sid(), %error, "start not told"),
            Err(_) => debug!(call_sid = %job.call_sid(), "start not told in time"),
        }
    }
}

fn settled_recording(job: &CallJob, delivery: &Delivery, attempted: Attempted) -> Settlement {
    let Attempted { observed, outcome } = attempted;
    let settlement = match outcome {
        Ok(kind) => {
            completed(job, &kind);
            with_event(Settlement::done(), job, delivery, kind)
        }
        Err(setback) => set_back(job, delivery, setback),
    };
    with_observed(settlement, job, delivery, observed)
}

fn settled_call(job: &CallJob, delivery: &Delivery, resolved: Resolved) -> Settlement {
    let Resolved { observed, jobs, outcome } = resolved;
    let settlement = match outcome {
        Ok(None) => {
            info!(call_sid = %job.call_sid(), recordings = jobs.len(), "recordings found");
            count("resolved");
            if jobs.iter().any(|found| found.call_sid() == job.call_sid()) {
                Settlement::done()
            } else {
                // They are the parent leg's; nothing more will be told of this one.
                let kind = EventKind::NoRecording { code: "parent_leg".into() };
                with_event(Settlement::done(), job, delivery, kind)
            }
        }
        Ok(Some(kind)) => {
            completed(job, &kind);
            with_event(Settlement::done(), job, delivery, kind)
        }
        Err(setback) => set_back(job, delivery, setback),
    };
    let settlement = with_observed(settlement, job, delivery, observed);
    jobs.iter().fold(settlement, |settlement, found| {
        let Ok(entry) = job_entry(found, traceparent(&Span::current())) else { return settlement };
        // Nobody waits for a back-fill's recordings either.
        let entry = if delivery.lane == Lane::Bulk { entry.bulk() } else { entry };
        settlement.emit(queues::CALLS, entry)
    })
}

fn age(delivery: &Delivery) -> Duration {
    Duration::from_millis(u64::try_from(now_ms() - delivery.born_ms).unwrap_or(0))
}

fn count(outcome: &'static str) {
    metrics::counter!("transcriber_calls_total", "outcome" => outcome).increment(1);
}

fn completed(job: &CallJob, kind: &EventKind) {
    count(kind.name());
    info!(call_sid = %job.call_sid(), outcome = kind.name(), "handing over the outcome");
}

fn set_back(job: &CallJob, delivery: &Delivery, setback: Setback) -> Settlement {
    let Failure { code, message } = setback.failure.clone();
    let waits = matches!(setback.treatment, Treatment::Wait(_));
    let verdict = setback.verdict();
    let is_final = matches!(verdict, Verdict::Dead { .. });
    let (call_sid, attempt) = (job.call_sid(), delivery.attempt);
    if waits {
        count("waiting");
        info!(%call_sid, attempt, %code, reason = %message, "waiting");
    } else {
        count(if is_final { "failed" } else { "retried" });
        warn!(%call_sid, attempt, %code, error = %message, is_final, "attempt failed");
    }
    let kind = EventKind::Failed { code, message, attempts: attempt, is_final };
    with_event(verdict.into(), job, delivery, kind)
}

/// Before everything else: what is read together with the outcome, and told with it, is the call's
/// numbers as well.
fn with_observed(
    mut settlement: Settlement,
    job: &CallJob,
    delivery: &Delivery,
    observed: Option<CallMetadata>,
) -> Settlement {
    let Some(metadata) = observed else { return settlement };
    let others = std::mem::take(&mut settlement.emit);
    let mut settlement = with_event(settlement, job, delivery, EventKind::Observed(metadata));
    settlement.emit.extend(others);
    settlement
}

fn with_event(
    settlement: Settlement,
    job: &CallJob,
    delivery: &Delivery,
    kind: EventKind,
) -> Settlement {
    let event = event_of(job, order_of(delivery), kind);
    match event_entry(&event, traceparent(&Span::current())) {
        Ok(entry) => settlement.emit(RESULTS, entry),
        Err(_) => settlement,
    }
}

#[cfg(test)]
mod tests {
    use domain::JobSource;

    use super::*;

    #[test]
    fn the_recordings_of_a_call_wait_in_the_lane_of_the_call() {
        let account = || format!("AC{:032x}", 1).parse().unwrap();
        let call = || format!("CA{:032x}", 2).parse().unwrap();
        let source = JobSource::Reconcile;
        let job = CallJob::Resolve { account_sid: account(), call_sid: call(), source };
        let found = CallJob::Transcribe {
            account_sid: account(),
            call_sid: call(),
            recording_sid: format!("RE{:032x}", 3).parse().unwrap(),
            generation: 0,
            source,
        };
        for lane in [Lane::Live, Lane::Bulk] {
            let delivery = Delivery {
                id: "1-0".into(),
                key: job.call_sid().as_str().into(),
                body: String::new(),
                lane,
                attempt: 1,
                redrive: 0,
                deliveries: 1,
                born_ms: now_ms(),
                traceparent: None,
                abandoned: Default::default(),
            };
            let jobs = vec![found.clone()];
            let resolved = Resolved { observed: None, jobs, outcome: Ok(None) };
            let settlement = settled_call(&job, &delivery, resolved);
            assert_eq!(settlement.emit.len(), 1);
            assert_eq!(settlement.emit[0].entry.lane, lane);
        }
    }
}
