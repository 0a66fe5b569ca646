//! Each endpoint's share of the deliveries under way: one that takes its time holds up its own events.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

/// Deliveries to one endpoint that are under way at once.
pub const DELIVERIES: usize = 8;
/// While deliveries begin and end, the next one's turn comes: it is waited for. An endpoint at which
/// nothing has moved for this long is slow.
const MOVES: Duration = Duration::from_secs(1);

/// An endpoint's share.
pub struct Share {
    permits: Arc<Semaphore>,
    moved: Arc<Mutex<Instant>>,
    patience: Duration,
}

/// One delivery's place in it.
pub struct Turn {
    moved: Arc<Mutex<Instant>>,
    _permit: OwnedSemaphorePermit,
}

impl Share {
    /// The whole share, free.
    pub fn new() -> Self {
        let permits = Arc::new(Semaphore::new(DELIVERIES));
        Self { permits, moved: Arc::new(Mutex::new(Instant::now())), patience: MOVES }
    }

    /// Waits for a turn; `None` when the endpoint is slow, and the event had better not wait here.
    pub async fn turn(&self) -> Option<Turn> {
        if let Ok(permit) = self.permits.clone().try_acquire_owned() {
            return Some(self.begin(permit));
        }
        loop {
            let until = self.last_move() + self.patience;
            let waiting = tokio::time::timeout_at(until, self.permits.clone().acquire_owned());
            match waiting.await {
                Ok(Ok(permit)) => return Some(self.begin(permit)),
                Err(_) if self.last_move() + self.patience > Instant::now() => {}
                Ok(Err(_)) | Err(_) => return None,
            }
        }
    }

    fn begin(&self, permit: OwnedSemaphorePermit) -> Turn {
        moves(&self.moved);
        Turn { moved: self.moved.clone(), _permit: permit }
    }

    fn last_move(&self) -> Instant {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        moves(&self.moved);
    }
}

fn moves(moved: &Mutex<Instant>) {
    *moved.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn full(patience: Duration) -> (Share, Vec<Turn>) {
        let share = Share { patience, ..Share::new() };
        let mut turns = Vec::new();
        for _ in 0..DELIVERIES {
            turns.extend(share.turn().await);
        }
        assert_eq!(turns.len(), DELIVERIES);
        (share, turns)
    }

    #[tokio::test]
    async fn a_turn_is_waited_for_while_deliveries_end_and_not_where_nothing_moves() {
        let (share, mut turns) = full(Duration::from_secs(3600)).await;
        let ends = async { drop(turns.pop()) };
        let (next, ()) = tokio::join!(share.turn(), ends);
        assert!(next.is_some());
        let (share, _turns) = full(Duration::ZERO).await;
        assert!(share.turn().await.is_none());
    }
}
