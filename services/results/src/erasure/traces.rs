//! What the queues, and the transcribers beside them, hold of a caller.

use std::collections::HashSet;

use chassis::queues;
use queue::{Kept, Link, Queue, QueueError};
use serde::Deserialize;

use super::{ForgetPlan, caller::Caller};
use crate::{outbound, projection::call};

/// How many entries there are.
pub(super) async fn count(
    link: &Link,
    found: &Caller,
    plan: &ForgetPlan,
) -> Result<u64, QueueError> {
    let (jobs, events) = (queues::calls(link.clone()), queues::results(link.clone()));
    Ok(matching(&jobs, |kept| is_theirs(kept, found, plan)).await?
        + matching(&events, |kept| is_theirs(kept, found, plan)).await?
        + matching(&outbound::queue(link.clone()), |kept| tells_of(kept, found, plan)).await?)
}

async fn matching(
    queue: &Queue,
    is_meant: impl Fn(&Kept) -> bool + Send + Sync,
) -> Result<u64, QueueError> {
    let mut met = HashSet::new();
    let see = |kept: &Kept| {
        if is_meant(kept) {
            met.insert(kept.standing());
        }
    };
    queue.look_through(see).await?;
    Ok(met.len() as u64)
}

/// Takes all of them away.
pub(super) async fn erase(
    link: &Link,
    found: &Caller,
    plan: &ForgetPlan,
) -> Result<u64, QueueError> {
    // In the direction of the work: what moves on meanwhile is met further on.
    let jobs = queues::calls(link.clone()).erase(|kept| is_theirs(kept, found, plan)).await?;
    let events = queues::results(link.clone()).erase(|kept| is_theirs(kept, found, plan)).await?;
    let out = outbound::queue(link.clone()).erase(|kept| tells_of(kept, found, plan)).await?;
    Ok(jobs + events + out)
}

/// Pieces of transcripts that were paid for, as the transcriber's ledger names them.
pub(super) async fn erase_checkpoints(link: &Link, found: &Caller) -> Result<u64, QueueError> {
    let names: Vec<String> = found
        .recordings
        .iter()
        .flat_map(|(sid, recording)| {
            (0..=recording.generation).map(move |generation| format!("heard:{sid}:{generation}"))
        })
        .collect();
    let mut gone = 0;
    for names in names.chunks(super::CHUNK) {
        gone += link.delete_beside(names).await?;
    }
    Ok(gone)
}

fn is_theirs(kept: &Kept, found: &Caller, plan: &ForgetPlan) -> bool {
    if found.calls.contains_key(&kept.key) {
        return true;
    }
    // An entry that nobody can read has no key.
    kept.key.is_empty()
        && (mentions(&kept.body, plan.number.as_str())
            || found.calls.keys().any(|sid| kept.body.contains(sid)))
}

fn tells_of(kept: &Kept, found: &Caller, plan: &ForgetPlan) -> bool {
    let Ok(event) = serde_json::from_str::<outbound::Outgoing>(&kept.body) else {
        return mentions(&kept.body, plan.number.as_str());
    };
    found.events_out.contains(&event.event_id)
        || event.call_sid.is_some_and(|sid| found.calls.contains_key(&sid))
        || tells_of_caller(&event.body, plan)
}

/// What an event out says of whose it is: the row it was made of may be gone already.
#[derive(Deserialize)]
struct Told {
    data: Data,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Data {
    Lead { account_sid: String, phone_e164: String },
    Call(ToldCall),
}

#[derive(Deserialize)]
struct ToldCall {
    account_sid: String,
    parent_call_sid: Option<String>,
    direction: Option<String>,
    from_number: Option<String>,
    to_number: Option<String>,
}

fn tells_of_caller(body: &str, plan: &ForgetPlan) -> bool {
    match serde_json::from_str(body) {
        Ok(Told { data: Data::Lead { account_sid, phone_e164 } }) => {
            phone_e164 == plan.number.as_str() && plan.concerns(&account_sid)
        }
        Ok(Told { data: Data::Call(call) }) => {
            plan.concerns(&call.account_sid) && call.is_of(plan.number.as_str())
        }
        Err(_) => false,
    }
}

impl ToldCall {
    /// As with rows: who is called by somebody else is not forgotten with that number.
    fn is_of(&self, number: &str) -> bool {
        let (from, to) = (self.from_number.as_deref(), self.to_number.as_deref());
        let direction = self.direction.as_deref().filter(|_| self.parent_call_sid.is_none());
        let outside = direction.and_then(|direction| call::outside(direction, from, to));
        [from, to].contains(&Some(number)) && outside.is_none_or(|party| party.as_str() == number)
    }
}

/// Whether a text holds the number, and not a longer one that begins with it.
fn mentions(text: &str, number: &str) -> bool {
    text.match_indices(number).any(|(at, _)| {
        let behind = text[at + number.len()..].chars().next();
        !behind.is_some_and(|c| c.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_number_is_another_one() {
        assert!(mentions(r#"{"from":"+15125550123"}"#, "+15125550123"));
        assert!(!mentions(r#"{"from":"+151255501234"}"#, "+15125550123"));
        assert!(mentions("+151255501234 +15125550123", "+15125550123"));
    }
}
