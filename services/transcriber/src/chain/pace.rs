//! Requests a minute, shared by all slots of a process.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// The longest a call keeps its slot while it waits for its turn.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Lets one request begin in each interval.
#[derive(Debug)]
pub struct Pace {
    interval: Duration,
    next: Mutex<Instant>,
}

impl Pace {
    /// A pace of so many requests a minute, one after the other.
    pub fn per_minute(requests: u32) -> Self {
        let interval = Duration::from_secs(60) / requests.max(1);
        Self { interval, next: Mutex::new(Instant::now()) }
    }

    /// Whether a turn comes soon enough to wait for it.
    ///
    /// # Errors
    /// How long it is until the next turn.
    pub fn look(&self) -> Result<(), Duration> {
        self.wait(*self.next.lock().unwrap_or_else(PoisonError::into_inner)).map(drop)
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// How long it is until the next turn, when that is too long to wait here.
    pub async fn turn(&self) -> Result<(), Duration> {
        let wait = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let wait = self.wait(*next)?;
            *next = Instant::now() + wait + self.interval;
            wait
        };
        tokio::time::sleep(wait).await;
        Ok(())
    }

    fn wait(&self, next: Instant) -> Result<Duration, Duration> {
        let wait = next.saturating_duration_since(Instant::now());
        // However rare turns are, somebody must be next.
        if wait > LONGEST_WAIT.max(self.interval) { Err(wait) } else { Ok(wait) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn turns_come_one_by_one_and_those_too_far_away_are_refused() {
        let start = Instant::now();
        let pace = Pace::per_minute(12);
        for turn in 0..3 {
            pace.turn().await.unwrap();
            assert_eq!(start.elapsed(), Duration::from_secs(5) * turn);
        }
        let waiting = futures_util::future::join_all((0..8).map(|_| pace.turn())).await;
        let refused: Vec<_> = waiting.into_iter().filter_map(Result::err).collect();
        // Six wait for 5 to 30 seconds; the others are told when there is a turn.
        assert_eq!(refused, [Duration::from_secs(35); 2]);
        assert_eq!(pace.look(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_not_saved_up() {
        let pace = Pace::per_minute(60);
        tokio::time::advance(Duration::from_secs(600)).await;
        let start = Instant::now();
        for _ in 0..4 {
            pace.turn().await.unwrap();
        }
        assert_eq!(start.elapsed(), Duration::from_secs(3));
    }
}
