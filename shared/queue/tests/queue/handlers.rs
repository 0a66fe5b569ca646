//! Handlers that tell what they did.

use std::sync::Arc;

use callscribe_queue::{Delivery, Entry, Handler, Settlement};
use tokio::sync::Semaphore;

use crate::support::{Each, Redis, Seen};

/// A handler that is done with everything at once.
pub fn done(
    seen: &Seen<String>,
) -> Each<impl Fn(Delivery) -> std::future::Ready<Settlement> + use<>> {
    let seen = seen.clone();
    Each(move |delivery: Delivery| {
        seen.push(delivery.key);
        std::future::ready(Settlement::done())
    })
}

/// Says what it began, and finishes one job for each permit.
pub struct Gated {
    starts: Seen<String>,
    gate: Arc<Semaphore>,
}

impl Handler for Gated {
    async fn handle(&self, delivery: Delivery) -> Settlement {
        self.starts.push(delivery.key.clone());
        self.gate.acquire().await.unwrap().forget();
        Settlement::done().emit("results", Entry::new(delivery.key, ""))
    }
}

/// A handler whose work begins at once and ends when it may.
pub fn gated(starts: &Seen<String>, gate: &Arc<Semaphore>) -> Gated {
    Gated { starts: starts.clone(), gate: Arc::clone(gate) }
}

/// How many entries were handed over.
pub async fn results(redis: &Redis) -> u64 {
    redis.raw(&["XLEN", "{test}:results"]).await
}
