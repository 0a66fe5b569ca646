//! Taking entries into hand: what was read, and what others left behind.

use std::sync::{Arc, atomic::Ordering};

use redis::Value;

use super::{
    hand::Place,
    job::{Item, Ruling},
    lease,
    read::Reader,
    slots::{Room, Slot},
};
use crate::{
    Lane, QueueError, metric, pause,
    script::Call,
    wire::{StreamEntry, id_ms, millis},
};

impl Reader {
    /// Takes over what is in nobody's hands.
    pub(super) async fn reclaim(&mut self, room: Room) -> Result<Vec<(Item, Slot)>, QueueError> {
        let work = Arc::clone(&self.work);
        let (link, keys) = (work.queue.link(), work.queue.keys());
        let keys = [keys.live.as_str(), &keys.bulk, &keys.born];
        let mut call = Call::new(&link.scripts().reclaim, &keys);
        call.text(&work.name).count(room.free).count(room.bulk_most).count(room.free);
        let most_deliveries = if work.options.suspects() { work.options.max_deliveries } else { 0 };
        call.number(millis(work.options.lease));
        call.text(&work.reclaims_at().map_or_else(String::new, |at| at.to_string()));
        call.number(work.steady.tolerance_ms())
            .text(if room.idle { "1" } else { "" })
            .number(most_deliveries.into());
        for Place { lane, id, .. } in work.hand.places() {
            call.text(&format!("{}:{id}", lane.name()));
        }
        let answer = link.call(&call).await?;
        let Some((taken, vanished, suspects_left)) = parts(answer) else { return Ok(Vec::new()) };
        self.clearing = suspects_left;
        if !vanished.is_empty() {
            metric::vanished(work.queue.name(), &vanished);
        }
        // As much as there was room for: there may be more.
        if taken.len() >= room.free {
            work.reclaimable.store(true, Ordering::Release);
        }
        let mut items = Vec::new();
        for value in taken {
            let Some((entry, why, deliveries)) = reclaimed(value) else { continue };
            metric::transition(work.queue.name(), "reclaimed", &why, 1);
            items.extend(self.admit(entry, deliveries).await);
        }
        Ok(items)
    }

    /// Takes what was read into hand. What exceeds the free slots (both lanes can fill while
    /// there is one slot) is given back at once.
    pub(super) async fn accept(&self, entries: Vec<StreamEntry>, room: Room) -> Vec<(Item, Slot)> {
        let mut items = Vec::with_capacity(entries.len());
        let mut excess = Vec::new();
        for entry in entries {
            if items.len() < room.free {
                items.extend(self.admit(entry, 1).await);
            } else {
                excess.push(Place { lane: entry.lane, id: entry.id, deliveries: 1 });
            }
        }
        if !excess.is_empty() && !lease::hand_back(&self.work, &excess).await {
            self.work.reclaimable.store(true, Ordering::Release);
        }
        items
    }

    /// Takes an entry into hand; the malformed and the poisonous go on to their end at once.
    async fn admit(&self, entry: StreamEntry, deliveries: u32) -> Option<(Item, Slot)> {
        let work = &self.work;
        let flaw = entry.flaw().map(|flaw| (flaw, entry.fields_json()));
        let history = entry.history();
        // What cannot be read does not tell; an index that misses it is not harmed.
        let came_back = entry.came_back() || flaw.is_some();
        let delivery = entry.into_delivery(deliveries);
        work.hand.take(&delivery, work.queue.link().incarnation());
        let waited = pause::now_ms().saturating_sub(id_ms(&delivery.id)).max(0);
        let item = Item { delivery, history, came_back };
        if let Some((flaw, fields)) = flaw {
            work.decide(item, Ruling::Malformed { flaw, fields }).await;
            return None;
        }
        if deliveries > work.options.max_deliveries {
            work.decide(item, Ruling::Poison).await;
            return None;
        }
        work.durations.wait.record(waited as f64 / 1000.0);
        if deliveries == 1 || !work.options.suspects() {
            let slot = work.slots.take(item.delivery.lane);
            return Some((item, slot));
        }
        tracing::info!(queue = work.queue.name(), key = %item.delivery.key, deliveries,
            "its worker crashed with it in hand: it is handled alone");
        let slot = work.slots.take_all(item.delivery.lane);
        Some((item, slot))
    }
}

fn parts(answer: Value) -> Option<(Vec<Value>, Vec<String>, bool)> {
    let Value::Array(mut answer) = answer else { return None };
    let suspects_left: String = redis::from_redis_value(answer.pop()?).ok()?;
    let vanished = redis::from_redis_value(answer.pop()?).ok()?;
    let Value::Array(taken) = answer.pop()? else { return None };
    Some((taken, vanished, suspects_left == "1"))
}

fn reclaimed(value: Value) -> Option<(StreamEntry, String, u32)> {
    let Value::Array(mut parts) = value else { return None };
    let entry = parts.pop()?;
    let deliveries = redis::from_redis_value(parts.pop()?).ok()?;
    let why = redis::from_redis_value(parts.pop()?).ok()?;
    let lane: String = redis::from_redis_value(parts.pop()?).ok()?;
    Some((StreamEntry::read(Lane::named(&lane)?, entry)?, why, deliveries))
}
