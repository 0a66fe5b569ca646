//! What the queue needs now and then, done by every consumer: promotion, watching for lost leases
//! and for the operator's pause, dead consumers, gauges.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use redis::Value;
use tokio::sync::mpsc;

use super::{backoff::Backoff, complaint::Complaint, work::Work};
use crate::{QueueError, metric, pause, script::Call, wire::millis};

/// How often due entries are looked for when nobody says when one is due; more often where leases
/// are shorter than a few seconds.
const ROUND: Duration = Duration::from_secs(1);
/// How often the gauges are set.
const GAUGES: Duration = Duration::from_secs(10);
/// How many entries are promoted in one call.
const PROMOTE: i64 = 200;

/// Tends the queue until the consumer ends.
pub(crate) async fn run(work: Arc<Work>, mut scheduled: mpsc::UnboundedReceiver<Duration>) {
    let mut swept = Instant::now();
    let mut gauged: Option<Instant> = None;
    let mut pause_known = false;
    let mut backoff = Backoff::new();
    let mut complaint = Complaint::default();
    while !work.hard_stop.is_cancelled() {
        let mut next = Instant::now();
        match tend(&work, pause_known).await {
            Ok(wait) => {
                next += wait;
                pause_known = true;
                backoff = Backoff::new();
                complaint = Complaint::default();
            }
            Err(error) => {
                if let Some(message) = complaint.news(&error) {
                    tracing::error!(queue = work.queue.name(), error = %message,
                        "the queue cannot be tended: nothing scheduled comes due; trying until it \
                         works");
                }
                backoff.pause(&work.hard_stop).await;
            }
        }
        if gauged.is_none_or(|at| at.elapsed() >= GAUGES) {
            gauged = Some(Instant::now());
            let stats = work.queue.stats().await;
            metric::standing(work.queue.name(), stats.as_ref().ok());
            metric::longest_handling(work.queue.name(), work.hand.longest().as_secs_f64());
        }
        if swept.elapsed() >= work.options.lease {
            swept = Instant::now();
            let _ = sweep(&work).await;
        }
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(next.into()) => break,
                due = scheduled.recv() => match due {
                    Some(due) => next = next.min(Instant::now() + due),
                    None => return,
                },
            }
        }
    }
}

/// One round; returns how long the next may wait.
async fn tend(work: &Work, pause_known: bool) -> Result<Duration, QueueError> {
    let (link, keys) = (work.queue.link(), work.queue.keys());
    let keys = [&keys.live, &keys.bulk, &keys.retry, &keys.born, &keys.pause];
    let mut call = Call::new(&link.scripts().tend, &keys.map(String::as_str));
    call.text(&work.name).number(PROMOTE).number(millis(work.options.lease));
    let disturbances = link.health().disturbances();
    let answer = link.call(&call).await?;
    let answered = Instant::now();
    let round = ROUND.min(work.options.lease / 4);
    let Value::Array(mut answer) = answer else { return Ok(round) };
    let paused = answer.pop().and_then(pause::read);
    let flag = |value: Option<Value>| value == Some(Value::BulkString(b"1".to_vec()));
    let handed_back = flag(answer.pop());
    let expired = flag(answer.pop());
    let numbers: Vec<i64> =
        answer.iter().filter_map(|n| redis::from_redis_value_ref(n).ok()).collect();
    let (server_ms, promoted, next_due) = match numbers[..] {
        [server_ms, promoted, next_due] => (server_ms, promoted, next_due),
        _ => return Ok(round),
    };
    work.steady.wrote(answered, server_ms, disturbances);
    metric::transition(work.queue.name(), "promoted", "", promoted as usize);

    if work.paused.swap(paused.is_some(), Ordering::AcqRel) != paused.is_some() {
        match &paused {
            Some(pause) => tracing::info!(queue = work.queue.name(), reason = %pause.reason,
                "the queue is paused"),
            None if pause_known => {
                tracing::info!(queue = work.queue.name(), "the queue is resumed");
            }
            None => {}
        }
        work.rouse();
    }
    let in_reach = handed_back || (expired && work.may_reclaim());
    if in_reach && !work.is_paused() {
        work.reclaimable.store(true, Ordering::Release);
        work.rouse();
    }
    // Zero is a full batch: go on at once. A due time a moment away is not polled for.
    Ok(match next_due {
        0 => Duration::ZERO,
        1.. => Duration::from_millis(next_due as u64).clamp(Duration::from_millis(5), round),
        _ => round,
    })
}

/// Deletes consumers that hold nothing and have been silent for three leases and several rounds.
async fn sweep(work: &Work) -> Result<(), QueueError> {
    let link = work.queue.link();
    let mut call = work.on_lanes(&link.scripts().sweep);
    let silence = work.options.lease.saturating_mul(3).saturating_add(ROUND * 5);
    call.number(millis(silence)).text(&work.name);
    link.call(&call).await.map(drop)
}

/// Deletes this consumer if it holds nothing.
pub(crate) async fn retire(work: &Work) {
    let link = work.queue.link();
    let mut call = work.on_lanes(&link.scripts().sweep);
    call.text("").text(&work.name);
    // Others sweep it up when this fails.
    let _ = link.call(&call).await;
}
