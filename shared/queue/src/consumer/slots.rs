//! How many jobs run at once, and from which lane: two counters.
//!
//! Each lane has one slot in five (at least one) that the other cannot take for long: of the live
//! lane's, bulk work never takes any, so that live work finds a slot free; bulk work's are offered
//! to it first whenever it has fewer in hand. Of fewer than five slots one would be more than its
//! share: there every fifth job is a bulk one.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::Notify;

use crate::Lane;

/// How many of several slots bulk work never takes, so that live work finds one free. A single slot
/// is shared in turn.
pub fn kept_for_live(slots: usize) -> usize {
    if slots == 1 { 0 } else { one_in_five(slots) }
}

/// Jobs of which one is a bulk one while both lanes have some.
const SHARED_BY: usize = 5;

fn one_in_five(slots: usize) -> usize {
    (slots / SHARED_BY).max(1)
}

pub(crate) struct Slots {
    capacity: usize,
    /// Whether slots are given out all together only.
    together: bool,
    counts: Mutex<Counts>,
    /// Told whenever a slot is freed.
    pub freed: Notify,
    /// Whether the reader waits for live work only, since bulk work has its slots full.
    pub live_only: AtomicBool,
    /// Told when a slot is freed and the reader waits for live work only.
    pub widened: Notify,
}

#[derive(Default)]
struct Counts {
    live: usize,
    bulk: usize,
    live_since_bulk: usize,
}

/// How many entries to ask of each lane first, and how many bulk ones there may be at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    pub free: usize,
    pub bulk_first: usize,
    pub bulk_most: usize,
    /// Whether all slots are free.
    pub idle: bool,
}

impl Slots {
    pub fn new(capacity: usize, together: bool) -> Self {
        Self {
            capacity,
            together,
            counts: Mutex::default(),
            freed: Notify::new(),
            live_only: AtomicBool::new(false),
            widened: Notify::new(),
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn room(&self) -> Room {
        let counts = self.counts();
        let taken = counts.live + counts.bulk;
        let free = if self.together && taken > 0 { 0 } else { self.capacity.saturating_sub(taken) };
        let share = if self.capacity < SHARED_BY {
            usize::from(counts.live_since_bulk + free >= SHARED_BY)
        } else {
            one_in_five(self.capacity)
        };
        let kept = if self.together { 0 } else { kept_for_live(self.capacity) };
        let bulk_most = (self.capacity - kept).saturating_sub(counts.bulk).min(free);
        let bulk_first = share.saturating_sub(counts.bulk).min(bulk_most);
        Room { free, bulk_first, bulk_most, idle: taken == 0 }
    }

    /// Takes a slot until the guard is dropped.
    pub fn take(self: &Arc<Self>, lane: Lane) -> Slot {
        self.take_several(lane, 1)
    }

    /// Takes all slots there are, for a job beside which nothing else may run.
    pub fn take_all(self: &Arc<Self>, lane: Lane) -> Slot {
        self.take_several(lane, self.capacity)
    }

    fn take_several(self: &Arc<Self>, lane: Lane, width: usize) -> Slot {
        let mut counts = self.counts();
        match lane {
            Lane::Live => {
                counts.live += width;
                counts.live_since_bulk += 1;
            }
            Lane::Bulk => {
                counts.bulk += width;
                counts.live_since_bulk = 0;
            }
        }
        Slot { slots: Arc::clone(self), lane, width }
    }
}

/// One job's right to run.
pub(crate) struct Slot {
    slots: Arc<Slots>,
    lane: Lane,
    /// How many slots it is.
    width: usize,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut counts = self.slots.counts();
        match self.lane {
            Lane::Live => counts.live -= self.width,
            Lane::Bulk => counts.bulk -= self.width,
        }
        drop(counts);
        self.slots.freed.notify_one();
        if self.slots.live_only.load(Ordering::Acquire) {
            self.slots.widened.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    #[test]
    fn of_few_slots_every_fifth_job_is_a_bulk_one() {
        for capacity in 1..5 {
            let slots = Arc::new(Slots::new(capacity, false));
            let mut lanes = Vec::new();
            let mut hand = VecDeque::new();
            while lanes.len() < 50 {
                let Room { free, bulk_first, .. } = slots.room();
                let bulk = std::iter::repeat_n(Lane::Bulk, bulk_first);
                for lane in bulk.chain(std::iter::repeat_n(Lane::Live, free - bulk_first)) {
                    lanes.push(lane);
                    hand.push_back(slots.take(lane));
                }
                hand.pop_front();
            }
            let bulk = lanes[..50].iter().filter(|lane| **lane == Lane::Bulk).count();
            assert_eq!(bulk, 10, "{capacity} slots: {lanes:?}");
        }
    }

    #[test]
    fn bulk_work_leaves_one_slot_in_five_to_live_work() {
        let for_bulk = |slots| slots - kept_for_live(slots);
        assert_eq!([1, 2, 4, 5, 10, 64].map(for_bulk), [1, 1, 3, 4, 8, 52]);
    }
}
