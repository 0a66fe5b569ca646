//! One job: the handler under its limits.

use std::{future::Future, sync::Arc, time::Instant};

use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{BatchHandler, Handler, slots::Slot, work::Work};
use crate::{Delivery, Failure, Settlement, Verdict, wire::PastFailure};

/// An entry in hand.
pub(crate) struct Item {
    pub delivery: Delivery,
    pub history: Vec<PastFailure>,
    /// Whether it came back to its stream, from the scheduled ones or the dead.
    pub came_back: bool,
}

/// What was decided about an item.
pub(crate) struct Outcome {
    pub item: Item,
    pub ruling: Ruling,
}

/// Who decided what.
pub(crate) enum Ruling {
    /// The handler did.
    Settled(Settlement),
    /// The queue did: it crashed its workers too often.
    Poison,
    /// The queue did: it cannot be read. What is wrong, and all its fields.
    Malformed { flaw: String, fields: String },
}

/// How a handling ended without a settlement.
enum Broken {
    Panicked,
    TimedOut,
    Abandoned,
}

/// Runs one job and hands its outcome on; the slot is free afterwards.
pub(crate) async fn run_one(work: Arc<Work>, handler: Arc<impl Handler>, item: Item, slot: Slot) {
    let started = Instant::now();
    let delivery = item.delivery.clone();
    let handling = async move { handler.handle(delivery).await };
    let settlement = match guard(&work, handling, &item.delivery.abandoned).await {
        Ok(settlement) => settlement,
        Err(Broken::Abandoned) => return,
        Err(broken) => broken.settlement(&work),
    };
    work.durations.handle.record(started.elapsed());
    work.decide(item, Ruling::Settled(settlement)).await;
    drop(slot);
}

/// Runs a batch and hands its outcomes on. When it panics, its members are tried one by one, so
/// that one of them does not fail the others.
pub(crate) async fn run_batch(
    work: Arc<Work>,
    handler: Arc<impl BatchHandler>,
    items: Vec<(Item, Slot)>,
) {
    let started = Instant::now();
    let deliveries: Vec<_> = items.iter().map(|(item, _)| item.delivery.clone()).collect();
    let handling = {
        let handler = Arc::clone(&handler);
        async move { handler.handle(deliveries).await }
    };
    let settlements = match guard(&work, handling, &work.hard_stop).await {
        Err(Broken::Panicked) if items.len() > 1 => {
            for pair in items {
                Box::pin(run_batch(Arc::clone(&work), Arc::clone(&handler), vec![pair])).await;
            }
            return;
        }
        Err(Broken::Abandoned) => return,
        Err(broken) => vec![broken.settlement(&work); items.len()],
        Ok(settlements) => settlements,
    };
    work.durations.handle.record(started.elapsed());
    let mut settlements = settlements.into_iter();
    for (item, slot) in items {
        let settlement = settlements.next().unwrap_or_else(|| {
            failed("no_settlement", "the handler returned fewer settlements than deliveries")
        });
        work.decide(item, Ruling::Settled(settlement)).await;
        drop(slot);
    }
}

/// Contains panics, keeps the time limit, and ends when the work is abandoned. The handler runs as
/// a task of its own, so that a long computation does not keep its limit from being noticed.
async fn guard<T: Send + 'static>(
    work: &Work,
    handling: impl Future<Output = T> + Send + 'static,
    abandoned: &CancellationToken,
) -> Result<T, Broken> {
    let task = AbortOnDropHandle::new(tokio::spawn(handling));
    tokio::select! {
        biased;
        ended = tokio::time::timeout(work.options.timeout, task) => match ended {
            Ok(Ok(settlement)) => Ok(settlement),
            Ok(Err(_)) => Err(Broken::Panicked),
            Err(_) => Err(Broken::TimedOut),
        },
        () = abandoned.cancelled() => Err(Broken::Abandoned),
    }
}

impl Broken {
    fn settlement(&self, work: &Work) -> Settlement {
        match self {
            Self::TimedOut => failed(
                "timeout",
                format!("took longer than the limit of {} s", work.options.timeout.as_secs_f64()),
            ),
            Self::Panicked | Self::Abandoned => failed("panic", "the handler panicked"),
        }
    }
}

fn failed(code: &str, message: impl Into<String>) -> Settlement {
    let failure = Failure::new(code, message);
    Verdict::Retry { after: None, failure, counts: true }.into()
}
