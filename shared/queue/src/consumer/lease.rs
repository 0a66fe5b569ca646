//! Leases: one timer, one call for all that is in hand.

use std::sync::Arc;

use redis::Value;

use super::{hand::Place, settle::positions, work::Work};
use crate::{QueueError, metric};

/// Extends the leases of what is in hand for ever, three times as often as they run out.
pub(crate) async fn run(work: Arc<Work>) {
    let mut timer = tokio::time::interval(work.options.lease / 3);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        // A failure is in the state of the link; the next beat comes soon enough, for nobody
        // reclaims until one lease after Redis is back.
        let _ = beat(&work).await;
    }
}

async fn beat(work: &Work) -> Result<(), QueueError> {
    let places = work.hand.places();
    if places.is_empty() {
        return Ok(());
    }
    let link = work.queue.link();
    let mut call = work.on_lanes(&link.scripts().heartbeat);
    call.text(&work.name);
    for place in &places {
        place.push(&mut call);
    }
    let answer = link.call(&call).await?;
    let Value::Array(mut answer) = answer else { return Ok(()) };
    let vanished = answer.pop().map(positions).unwrap_or_default();
    for place in vanished.into_iter().filter_map(|n| places.get(n - 1)) {
        metric::vanished(work.queue.name(), &[format!("{}:{}", place.lane.name(), place.id)]);
        work.hand.orphan(place);
    }
    let orphaned = answer.pop().map(positions).unwrap_or_default();
    let mut lost = answer.pop().map(positions).unwrap_or_default();
    // The only copy of an entry that the server lost is the one in hand: it is worked on.
    lost.extend(orphaned.into_iter().filter(|n| {
        let place = places.get(n - 1);
        place.and_then(|place| work.hand.incarnation(place)) == Some(link.incarnation())
    }));
    for n in lost {
        // What was settled meanwhile is not in hand any more, and was not lost.
        if let Some(place) = places.get(n - 1)
            && work.hand.lose(place)
        {
            metric::transition(work.queue.name(), "lease_lost", "heartbeat", 1);
            tracing::warn!(queue = work.queue.name(), id = %place.id,
                "the lease was lost; its work is abandoned");
        }
    }
    Ok(())
}

/// Gives back what is still in hand, to be taken at once and without counting as a crash.
/// Tells whether that worked.
pub(crate) async fn hand_back(work: &Work, places: &[Place]) -> bool {
    if places.is_empty() {
        return true;
    }
    let link = work.queue.link();
    let mut call = work.on_lanes(&link.scripts().hand_back);
    call.text(&work.name);
    for place in places {
        place.push(&mut call);
    }
    let answer = link.call(&call).await;
    match &answer {
        Ok(_) => {
            for place in places {
                work.hand.lose(place);
            }
            metric::transition(work.queue.name(), "handed_back", "", places.len());
        }
        // Their leases run out instead, or this consumer finds them among what it does not have in
        // hand.
        Err(error) => tracing::warn!(queue = work.queue.name(), count = places.len(), %error,
            "work could not be handed back; others take it over when its lease ends"),
    }
    answer.is_ok()
}
