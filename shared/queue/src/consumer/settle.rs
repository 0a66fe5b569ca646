//! Settling: outcomes of jobs that finish together go out in one fenced script call.

use std::{
    collections::{HashMap, HashSet},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use redis::Value;
use tokio::sync::mpsc;

use super::{
    backoff::Backoff,
    hand::Place,
    job::{Item, Outcome, Ruling},
    work::Work,
};
use crate::{
    Decision, Failure, Once, Outgoing, QueueError, Settlement, Transition, Verdict,
    keys::Keys,
    metric, pause,
    script::Call,
    wire::{self, PastFailure, history_json, millis, push_emissions},
};

/// How many deliveries one script call settles at most.
const TOGETHER: usize = 256;
/// How much in hand is still looked at with one XPENDING; well below the limit in the script.
const MOST_AT_ONCE: usize = 4_000;

/// Settles outcomes until nobody sends any. A finished result waits here for Redis to come back.
pub(crate) async fn run(work: Arc<Work>, mut outcomes: mpsc::Receiver<Outcome>) {
    let mut batch = Vec::with_capacity(TOGETHER);
    while outcomes.recv_many(&mut batch, TOGETHER).await > 0 {
        let transitions: Vec<_> = batch.drain(..).map(|o| Transit::of(&work, o)).collect();
        settle(&work, transitions, Standing::default()).await;
    }
}

/// One delivery on its way out of its consumer's hands.
struct Transit {
    place: Place,
    indexed: bool,
    born_ms: i64,
    change: Change,
    emit: Vec<Outgoing>,
    reason: String,
}

/// What the script does with the entry.
enum Change {
    /// And which de-duplication key is remembered from now on.
    Done(Option<Once>),
    Retry {
        wait: Duration,
        member: String,
    },
    Park {
        by: String,
        wait: Duration,
        reason: String,
        member: String,
    },
    Dead {
        fields: Vec<(&'static str, String)>,
    },
}

impl Change {
    fn name(&self) -> &'static str {
        match self {
            Self::Done(_) => "done",
            Self::Retry { .. } => "retry",
            Self::Park { .. } => "park",
            Self::Dead { .. } => "dead",
        }
    }
}

impl Transit {
    fn of(work: &Work, outcome: Outcome) -> Self {
        let Outcome { item, ruling } = outcome;
        let place = Place::from(&item.delivery);
        let born_ms = item.delivery.born_ms;
        let indexed = item.came_back;
        let (change, emit, reason) = rule(work, item, ruling);
        Self { place, indexed, born_ms, change, emit, reason }
    }

    fn push(&self, call: &mut Call<'_>, keys: &Keys, prefix: &str) {
        self.place.push(call);
        let verdict = match &self.change {
            Change::Done(Some(_)) => "remember",
            change => change.name(),
        };
        call.text(if self.indexed { "1" } else { "" }).text(verdict);
        match &self.change {
            Change::Done(None) => {}
            Change::Done(Some(once)) => {
                call.text(&keys.once(&once.key)).number(millis(once.window).max(1));
            }
            Change::Retry { wait, member } => {
                call.number(millis(*wait)).text(member);
            }
            Change::Park { by, wait, reason, member } => {
                call.text(by).number(millis(*wait).max(1)).text(reason).text(member);
            }
            Change::Dead { fields } => {
                call.count(fields.len() * 2);
                for (name, value) in fields {
                    call.text(name).text(value);
                }
            }
        }
        push_emissions(call, prefix, &self.emit);
    }
}

/// What becomes of an entry: the change, what is emitted, and the reason for the metrics.
fn rule(work: &Work, mut item: Item, ruling: Ruling) -> (Change, Vec<Outgoing>, String) {
    match ruling {
        Ruling::Poison => {
            let failure = Failure::new(
                "poison",
                format!("no outcome after {} deliveries", item.delivery.deliveries - 1),
            );
            let emit = decided(work, &item, Transition::Poison, &failure);
            (bury(work, &item, "poison", &failure, None), emit, "poison".to_owned())
        }
        Ruling::Malformed { flaw, fields } => {
            let failure = Failure::new("malformed", flaw);
            let emit = decided(work, &item, Transition::Malformed, &failure);
            (bury(work, &item, "malformed", &failure, Some(fields)), emit, "malformed".to_owned())
        }
        Ruling::Settled(Settlement { verdict, mut emit }) => match verdict {
            Verdict::Done => {
                let remembered = work.queue.remembered(&item.delivery);
                (Change::Done(remembered), emit, String::new())
            }
            Verdict::Retry { after, failure, counts } => {
                if !counts {
                    item.forget_the_same(&failure);
                }
                item.remember(work, &failure);
                if counts && item.delivery.attempt >= work.options.max_attempts {
                    emit.extend(decided(work, &item, Transition::Exhausted, &failure));
                    let change = bury(work, &item, "exhausted", &failure, None);
                    return (change, emit, "exhausted".to_owned());
                }
                let wait = after.unwrap_or_else(|| {
                    let options = &work.options;
                    Backoff::wait(options.backoff, options.max_backoff, item.delivery.attempt)
                });
                let attempt = item.delivery.attempt + u32::from(counts);
                let member = wire::scheduled(&item.delivery, attempt, &item.history);
                (Change::Retry { wait, member }, emit, failure.code)
            }
            Verdict::Dead { failure } => {
                item.remember(work, &failure);
                (bury(work, &item, "permanent", &failure, None), emit, "permanent".to_owned())
            }
            Verdict::Park { by, wait, failure } => {
                let attempt = item.delivery.attempt;
                let member = wire::scheduled(&item.delivery, attempt, &item.history);
                (Change::Park { by, wait, reason: failure.message, member }, emit, failure.code)
            }
        },
    }
}

impl Item {
    /// What waits for hours does so for one reason: it must not push out of the history what else
    /// went wrong, nor make the entry grow.
    fn forget_the_same(&mut self, failure: &Failure) {
        let (attempt, code) = (self.delivery.attempt, &failure.code);
        let is_same =
            |last: &mut PastFailure| last.attempt == attempt && last.failure.code == *code;
        self.history.pop_if(is_same);
    }

    fn remember(&mut self, work: &Work, failure: &Failure) {
        self.history.push(PastFailure {
            at_ms: pause::now_ms(),
            attempt: self.delivery.attempt,
            failure: failure.clone(),
            consumer: work.name.clone(),
        });
    }
}

fn decided(work: &Work, item: &Item, transition: Transition, failure: &Failure) -> Vec<Outgoing> {
    work.queue.decided(&Decision {
        transition,
        delivery: item.delivery.clone(),
        failure: Some(failure.clone()),
    })
}

fn bury(work: &Work, item: &Item, reason: &str, failure: &Failure, raw: Option<String>) -> Change {
    let delivery = &item.delivery;
    let mut fields = vec![
        ("key", delivery.key.clone()),
        ("body", delivery.body.clone()),
        ("reason", reason.to_owned()),
        ("code", failure.code.clone()),
        ("message", failure.message.clone()),
        ("attempt", delivery.attempt.to_string()),
        ("redrive", delivery.redrive.to_string()),
        ("deliveries", delivery.deliveries.to_string()),
        ("born", delivery.born_ms.to_string()),
        ("id", delivery.id.clone()),
        ("lane", delivery.lane.name().to_owned()),
        ("consumer", work.name.clone()),
        ("history", history_json(&item.history)),
    ];
    fields.extend(delivery.traceparent.clone().map(|trace| ("traceparent", trace)));
    fields.extend(raw.map(|raw| ("fields", raw)));
    Change::Dead { fields }
}

/// How some settlements stand that are tried together.
#[derive(Clone, Copy, Default)]
struct Standing {
    /// Whether nothing else waits for this one.
    alone: bool,
    /// Whether an answer never came, so that an earlier try may have settled them.
    in_doubt: bool,
    /// Whether their server lost them, and the copies in hand are the only ones.
    orphans: bool,
}

/// Settles until it is done. What cannot be written goes on by itself, so that it holds up no other;
/// so does each of a call that Redis chokes on. What is not settled when the consumer ends is done
/// again by another one.
async fn settle(work: &Arc<Work>, mut transits: Vec<Transit>, mut standing: Standing) {
    let mut backoff = Backoff::new();
    let mut complained = false;
    loop {
        // What was never sent is not in doubt.
        if work.queue.link().verify().await.is_err() {
            backoff.pause(&work.hard_stop).await;
            if work.hard_stop.is_cancelled() {
                return;
            }
            continue;
        }
        match call(work, &transits, standing.orphans).await {
            Ok(Answer { lost, stuck }) => {
                let mut orphaned = Vec::new();
                let mut waiting = Vec::new();
                for (n, transit) in (1..).zip(transits) {
                    let lost = lost.contains(&n);
                    if stuck.contains_key(&n) {
                        waiting.push(transit);
                    } else if lost
                        && !standing.orphans
                        && !standing.in_doubt
                        && outlived_its_server(work, &transit)
                    {
                        orphaned.push(transit);
                    } else {
                        finish(work, &transit, lost, standing.in_doubt);
                    }
                }
                if standing.alone && !waiting.is_empty() {
                    if let Some(why) = stuck.values().next() {
                        complain(&mut complained, &waiting[0], why);
                    }
                    transits = waiting;
                    backoff.pause(&work.hard_stop).await;
                } else {
                    settle_each_alone(work, waiting, standing);
                    if orphaned.is_empty() {
                        return;
                    }
                    (transits, standing.orphans) = (orphaned, true);
                }
            }
            Err(QueueError::Redis(_)) if !standing.alone => {
                return settle_each_alone(work, transits, standing);
            }
            Err(error) => {
                if let QueueError::Redis(message) = &error {
                    complain(&mut complained, &transits[0], message);
                }
                standing.in_doubt |= matches!(error, QueueError::Unavailable(_));
                backoff.pause(&work.hard_stop).await;
            }
        }
        if work.hard_stop.is_cancelled() {
            return;
        }
    }
}

/// One log line for a settlement that cannot be written, however often it is tried.
fn complain(complained: &mut bool, transit: &Transit, why: &str) {
    if !std::mem::replace(complained, true) {
        tracing::error!(id = %transit.place.id, error = %why,
            "a settlement cannot be written; trying until it can");
    }
}

fn settle_each_alone(work: &Arc<Work>, transits: Vec<Transit>, standing: Standing) {
    for transit in transits {
        let work = Arc::clone(work);
        let standing = Standing { alone: true, ..standing };
        let alone: Pin<Box<dyn Future<Output = ()> + Send>> =
            Box::pin(async move { settle(&work, vec![transit], standing).await });
        tokio::spawn(alone);
    }
}

/// Whether the entry may be gone because the server that handed it out lost data.
fn outlived_its_server(work: &Work, transit: &Transit) -> bool {
    let incarnation = work.hand.incarnation(&transit.place);
    incarnation.is_some_and(|known| known != work.queue.link().incarnation())
}

/// What became of the settlements of one call, by their positions from 1.
#[derive(Default)]
struct Answer {
    /// Those that were not ours any more.
    lost: HashSet<usize>,
    /// Those that cannot be written now, with the reason.
    stuck: HashMap<usize, String>,
}

async fn call(work: &Work, transits: &[Transit], orphans: bool) -> Result<Answer, QueueError> {
    let (link, keys) = (work.queue.link(), work.queue.keys());
    let declared = [&keys.live, &keys.bulk, &keys.retry, &keys.dead, &keys.born, &keys.pause];
    let mut call = Call::new(&link.scripts().settle, &declared.map(String::as_str));
    // One look at all that this consumer holds is cheaper when most of it is being settled.
    let held = work.hand.len();
    let most = transits.len() > 3 && transits.len() * 2 >= held && held < MOST_AT_ONCE;
    let mode = if orphans {
        "orphan"
    } else if most {
        "range"
    } else {
        "each"
    };
    call.text(&work.name).text(mode).count(transits.len());
    for transit in transits {
        transit.push(&mut call, keys, link.prefix());
    }
    Ok(Answer::read(metric::without_emitted(link.prefix(), link.call(&call).await?)?))
}

impl Answer {
    fn read(value: Value) -> Self {
        let Value::Array(mut parts) = value else { return Self::default() };
        let stuck = parts.pop().and_then(|stuck| redis::from_redis_value(stuck).ok());
        let lost = parts.pop().map(positions);
        Self { lost: lost.unwrap_or_default(), stuck: stuck.unwrap_or_default() }
    }
}

/// Positions a script complains about.
pub(crate) fn positions(answer: Value) -> HashSet<usize> {
    let Value::Array(found) = answer else { return HashSet::new() };
    found.iter().filter_map(|n| redis::from_redis_value_ref(n).ok()).collect()
}

fn finish(work: &Work, transit: &Transit, lost: bool, in_doubt: bool) {
    let queue = work.queue.name();
    if lost {
        // After an answer that never came, the first call may well have settled it.
        let reason = if in_doubt { "in_doubt" } else { "settling" };
        metric::transition(queue, "lease_lost", reason, 1);
        work.hand.lose(&transit.place);
        return;
    }
    work.hand.put_down(&transit.place);
    metric::transition(queue, transit.change.name(), &transit.reason, 1);
    match &transit.change {
        Change::Done(_) | Change::Dead { .. } => {
            let age = pause::now_ms().saturating_sub(transit.born_ms).max(0);
            work.durations.total.record(age as f64 / 1000.0);
        }
        Change::Retry { wait, .. } | Change::Park { wait, .. } => {
            // Nobody listens any more while the consumer stops.
            let _ = work.scheduled.send(*wait);
        }
    }
}
