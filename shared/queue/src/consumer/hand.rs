//! What a consumer has in hand: a map from place (lane and id) to lease.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{Delivery, Lane, redis_link::Arguments};

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
    pub fn push(&self, arguments: &mut Arguments) {
        arguments.fixed(self.lane.name()).text(&self.id).number(self.deliveries.into());
    }
}

/// Deliveries from their reading until their settlement.
#[derive(Default)]
pub(crate) struct Hand {
    held: Mutex<HashMap<Place, CancellationToken>>,
    emptied: Notify,
}

impl Hand {
    fn held(&self) -> MutexGuard<'_, HashMap<Place, CancellationToken>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn take(&self, delivery: &Delivery) {
        self.held().insert(delivery.into(), delivery.abandoned.clone());
    }

    pub fn len(&self) -> usize {
        self.held().len()
    }

    pub fn places(&self) -> Vec<Place> {
        self.held().keys().cloned().collect()
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
        let token = self.held().get(place).cloned();
        if let Some(token) = &token {
            token.cancel();
        }
        self.put_down(place);
        token.is_some()
    }

    /// Tells every handler to stop; the places stay in hand.
    pub fn abandon_all(&self) {
        for token in self.held().values() {
            token.cancel();
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
