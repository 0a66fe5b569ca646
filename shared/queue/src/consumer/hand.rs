//! What a consumer has in hand: a map from place (lane and id) to lease.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{Delivery, Lane, script::Call};

/// Where a delivery came from, and which one of that entry it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub lane: Lane,
    pub id: String,
    pub deliveries: u32,
}

impl From<&Delivery> for Place {
    fn from(delivery: &Delivery) -> Self {
        Self { lane: delivery.lane, id: delivery.id.clone(), deliveries: delivery.deliveries }
    }
}

impl Place {
    /// Appends it as the scripts read it.
    pub fn push(&self, call: &mut Call<'_>) {
        call.text(self.lane.name()).text(&self.id).number(self.deliveries.into());
    }
}

/// The incarnation of no server: that of one which has what somebody deleted.
const GONE: u64 = u64::MAX;

struct Held {
    abandoned: CancellationToken,
    incarnation: u64,
    since: Instant,
}

/// Deliveries from their reading until their settlement.
#[derive(Default)]
pub(crate) struct Hand {
    held: Mutex<HashMap<Place, Held>>,
    emptied: Notify,
}

impl Hand {
    fn held(&self) -> MutexGuard<'_, HashMap<Place, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a delivery that a server of this incarnation handed out.
    pub fn take(&self, delivery: &Delivery, incarnation: u64) {
        let abandoned = delivery.abandoned.clone();
        let held = Held { abandoned, incarnation, since: Instant::now() };
        self.held().insert(delivery.into(), held);
    }

    /// The incarnation of the server that handed a delivery out, while it is in hand.
    pub fn incarnation(&self, place: &Place) -> Option<u64> {
        self.held().get(place).map(|held| held.incarnation)
    }

    /// The delivery's entry is gone from the server: the copy in hand is the only one.
    pub fn orphan(&self, place: &Place) {
        if let Some(held) = self.held().get_mut(place) {
            held.incarnation = GONE;
        }
    }

    pub fn len(&self) -> usize {
        self.held().len()
    }

    pub fn places(&self) -> Vec<Place> {
        self.held().keys().cloned().collect()
    }

    /// How long the oldest delivery has been in hand.
    pub fn longest(&self) -> Duration {
        self.held().values().map(|held| held.since.elapsed()).max().unwrap_or_default()
    }

    /// The delivery is settled.
    pub fn put_down(&self, place: &Place) {
        let mut held = self.held();
        held.remove(place);
        if held.is_empty() {
            self.emptied.notify_waiters();
        }
    }

    /// The delivery is not ours any more: its handler is told so. False when it was not in hand.
    pub fn lose(&self, place: &Place) -> bool {
        let token = self.held().get(place).map(|held| held.abandoned.clone());
        if let Some(token) = &token {
            token.cancel();
        }
        self.put_down(place);
        token.is_some()
    }

    /// Tells every handler to stop; the places stay in hand.
    pub fn abandon_all(&self) {
        for held in self.held().values() {
            held.abandoned.cancel();
        }
    }

    /// Returns once nothing is in hand.
    pub async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.held().is_empty() {
                return;
            }
            emptied.await;
        }
    }
}
