//! The queue's side of the projection: a batch of deliveries in, a settlement for each out.

use std::time::Duration;

use domain::CallEvent;
use queue::{BatchHandler, Delivery, Failure, Settlement, Verdict};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use super::{Effect, Projection, Status, parse};
use crate::{health::DatabaseHealth, store::StoreError};

/// How long a batch is held while the database is away, before it is handed back uncounted. It is
/// far below the queue's time limit, and long enough that an outage does not churn the backlog.
const PATIENCE: Duration = Duration::from_secs(120);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Projects deliveries of the `results` queue; acknowledges after the commit.
pub struct Projector {
    projection: Projection,
    health: DatabaseHealth,
    stop: CancellationToken,
    patience: Duration,
}

/// An event and its place among the deliveries.
type Placed = (usize, CallEvent);

impl Projector {
    /// A projector that gives its work back when `stop` is cancelled while the database is away.
    pub fn new(projection: Projection, health: DatabaseHealth, stop: CancellationToken) -> Self {
        Self { projection, health, stop, patience: PATIENCE }
    }

    async fn persist(&self, events: Vec<Placed>, settlements: &mut [Settlement], lost: &Lost) {
        let deadline = Instant::now() + self.patience;
        let mut pause = FIRST_PAUSE;
        let mut parts = vec![events];
        while let Some(mut part) = parts.pop() {
            let batch: Vec<CallEvent> = part.iter().map(|(_, event)| event.clone()).collect();
            match self.projection.persist(&batch).await {
                Ok(effects) => {
                    self.health.works();
                    pause = FIRST_PAUSE;
                    effects.iter().for_each(log);
                }
                Err(StoreError::Refused(reason)) if part.len() == 1 => {
                    self.health.works();
                    let (place, event) = part.remove(0);
                    settlements[place] = refused(&event, &reason);
                }
                Err(StoreError::Refused(_)) => {
                    let half = part.split_off(part.len() / 2);
                    parts.extend([half, part]);
                }
                Err(error) => {
                    self.health.fails(&error);
                    let wait = pause;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    parts.push(part);
                    if self.gives_up(wait, deadline, lost).await {
                        hand_back(parts.concat(), settlements, &error);
                        return;
                    }
                }
            }
        }
    }

    /// Waits; `true` when the work is to be handed back.
    async fn gives_up(&self, wait: Duration, deadline: Instant, lost: &Lost) -> bool {
        tokio::select! {
            () = tokio::time::sleep(wait) => Instant::now() >= deadline,
            () = self.stop.cancelled() => true,
            () = lost.wait() => true,
        }
    }
}

impl BatchHandler for Projector {
    async fn handle(&self, deliveries: Vec<Delivery>) -> Vec<Settlement> {
        let begun = Instant::now();
        let mut settlements = vec![Settlement::done(); deliveries.len()];
        let mut events = Vec::with_capacity(deliveries.len());
        let mut spans = Vec::with_capacity(deliveries.len());
        for (place, delivery) in deliveries.iter().enumerate() {
            match parse(&delivery.body) {
                Ok(event) => {
                    count(event.kind.name());
                    spans.push(span_of(&event, delivery.traceparent.as_deref()));
                    events.push((place, event));
                }
                Err(error) => {
                    count("malformed");
                    tracing::error!(call_sid = %delivery.key, entry = %delivery.id, %error, "event refused");
                    let failure = Failure::new("malformed_event", error.to_string());
                    settlements[place] = Verdict::Dead { failure }.into();
                }
            }
        }
        metrics::histogram!("results_batch_events").record(deliveries.len() as f64);
        let lost = Lost(deliveries.iter().map(|delivery| delivery.abandoned.clone()).collect());
        if !events.is_empty() {
            self.persist(events, &mut settlements, &lost).await;
        }
        metrics::histogram!("results_batch_seconds").record(begun.elapsed().as_secs_f64());
        settlements
    }
}

/// The leases of a batch.
struct Lost(Vec<CancellationToken>);

impl Lost {
    /// Until every delivery of the batch was lost to somebody else.
    async fn wait(&self) {
        for lease in &self.0 {
            lease.cancelled().await;
        }
    }
}

fn count(event: &'static str) {
    metrics::counter!("results_events_total", "event" => event).increment(1);
}

fn span_of(event: &CallEvent, traceparent: Option<&str>) -> Span {
    let span = tracing::info_span!(
        "persist",
        call_sid = %event.call_sid,
        event = event.kind.name(),
        messaging.system = "redis",
        messaging.operation.name = "process",
        messaging.destination.name = chassis::queues::RESULTS,
    );
    chassis::telemetry::continue_trace(&span, traceparent);
    span
}

fn refused(event: &CallEvent, reason: &str) -> Settlement {
    tracing::error!(
        call_sid = %event.call_sid, event = event.kind.name(), %reason,
        "the database refuses an event; it stands among the dead letters"
    );
    Verdict::Dead { failure: Failure::new("database_refused", reason) }.into()
}

fn hand_back(events: Vec<Placed>, settlements: &mut [Settlement], error: &StoreError) {
    for (place, _) in events {
        let failure = Failure::new("database_unavailable", error.to_string());
        let after = Some(LONGEST_PAUSE);
        settlements[place] = Verdict::Retry { after, failure, counts: false }.into();
    }
}

fn log(effect: &Effect) {
    match effect {
        Effect::Ended { call_sid, status } if status == Status::Completed.as_str() => {
            tracing::info!(%call_sid, "completed");
        }
        Effect::Ended { call_sid, status } => {
            tracing::info!(%call_sid, %status, "ended without a transcript");
        }
        Effect::LeadUpdated { call_sid, lead_id, fields } => {
            tracing::info!(%call_sid, lead_id, fields = fields.join(","), "lead updated");
        }
    }
}
