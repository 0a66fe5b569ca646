//! A bound on requests a second.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Mutex, time::Instant};

/// Lets one request start in each interval; who comes early waits for his turn.
#[derive(Clone)]
pub(super) struct Pace {
    interval: Duration,
    next: Arc<Mutex<Instant>>,
}

impl Pace {
    pub(super) fn per_second(requests: u32) -> Self {
        let interval = Duration::from_secs(1) / requests.max(1);
        Self { interval, next: Arc::new(Mutex::new(Instant::now())) }
    }

    /// Waits until the caller may send.
    pub(super) async fn turn(&self) {
        let mine = {
            let mut next = self.next.lock().await;
            let mine = (*next).max(Instant::now());
            *next = mine + self.interval;
            mine
        };
        tokio::time::sleep_until(mine).await;
    }
}
