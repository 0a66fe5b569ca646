//! What the parts of one consumer share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::{
    ConsumerOptions,
    hand::Hand,
    job::{Item, Outcome, Ruling},
    slots::Slots,
    steady::Steady,
};
use crate::{
    Queue,
    metric::Durations,
    script::{Call, Script},
};

pub(crate) struct Work {
    pub queue: Queue,
    pub options: ConsumerOptions,
    /// This consumer's name in the group, used by no other.
    pub name: String,
    pub slots: Arc<Slots>,
    pub hand: Hand,
    pub durations: Durations,
    /// Ends the work in hand.
    pub hard_stop: CancellationToken,
    /// Something in the pending lists is in nobody's hands.
    pub reclaimable: AtomicBool,
    /// The operator paused the queue, or it is not known yet whether he did.
    pub paused: AtomicBool,
    /// Told when the reader has something else to do than to wait inside Redis.
    pub wake: Notify,
    pub steady: Steady,
    /// Told when an entry was scheduled, with how soon it is due.
    pub scheduled: mpsc::UnboundedSender<Duration>,
    outcomes: mpsc::Sender<Outcome>,
}

impl Work {
    pub fn new(
        queue: Queue,
        options: ConsumerOptions,
        slots: Slots,
        outcomes: mpsc::Sender<Outcome>,
        scheduled: mpsc::UnboundedSender<Duration>,
    ) -> Self {
        Self {
            name: consumer_name(),
            slots: Arc::new(slots),
            hand: Hand::default(),
            durations: Durations::new(queue.name()),
            hard_stop: CancellationToken::new(),
            reclaimable: AtomicBool::new(true),
            paused: AtomicBool::new(true),
            wake: Notify::new(),
            steady: Steady::new(options.lease),
            scheduled,
            outcomes,
            queue,
            options,
        }
    }

    /// Hands an outcome to the settler.
    pub async fn decide(&self, item: Item, ruling: Ruling) {
        // Nobody receives once the consumer was dropped; the lease runs out then.
        let _ = self.outcomes.send(Outcome { item, ruling }).await;
    }

    /// A call whose keys are the two lanes.
    pub fn on_lanes<'a>(&'a self, script: &'a Script) -> Call<'a> {
        Call::new(script, &[&self.queue.keys().live, &self.queue.keys().bulk])
    }

    /// Whether leases that look expired are.
    pub fn may_reclaim(&self) -> bool {
        self.reclaims_at().is_some()
    }

    /// The time of the server's clock, in milliseconds, at which leases that look expired are; `None`
    /// while they may only look so.
    pub fn reclaims_at(&self) -> Option<i64> {
        let disturbances = self.queue.link().health().disturbances();
        self.steady.reclaims_at(Instant::now(), disturbances)
    }

    /// Makes the reader look around, whatever it waits for.
    pub fn rouse(&self) {
        self.slots.freed.notify_one();
        self.wake.notify_one();
    }

    pub fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Acquire)
    }
}

/// Host, process and chance: the same on no two consumers, readable in `XINFO CONSUMERS`.
fn consumer_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .unwrap_or_default();
    let host = if host.trim().is_empty() { "worker" } else { host.trim() };
    format!("{host}-{}-{:08x}", std::process::id(), fastrand::u32(..))
}
