//! A bound on requests a second.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// A bucket of tokens: it holds as many as one second brings, each request takes one, and who finds
/// it empty waits for the next. So the few requests of a call go out together, and a flood of them
/// evenly.
#[derive(Clone)]
pub(super) struct Pace {
    bucket: Arc<Mutex<Bucket>>,
}

/// Counted in time: the bucket is full while `paid_until` lies in the past.
struct Bucket {
    interval: Duration,
    /// When all requests so far would have been sent, one in each interval.
    paid_until: Instant,
}

impl Pace {
    pub(super) fn per_second(requests: u32) -> Self {
        let interval = Duration::from_secs(1) / requests.max(1);
        let bucket = Bucket { interval, paid_until: Instant::now() };
        Self { bucket: Arc::new(Mutex::new(bucket)) }
    }

    /// Waits until the caller may send.
    pub(super) async fn turn(&self) {
        let now = Instant::now();
        let wait = self.bucket.lock().unwrap_or_else(PoisonError::into_inner).take(now);
        if !wait.is_zero() {
            tokio::time::sleep_until(now + wait).await;
        }
    }
}

impl Bucket {
    /// Takes a token; how long until it is there.
    fn take(&mut self, now: Instant) -> Duration {
        self.paid_until = self.paid_until.max(now) + self.interval;
        (self.paid_until - now).saturating_sub(Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_s_worth_goes_out_at_once_and_what_follows_evenly() {
        let now = Instant::now();
        let interval = Duration::from_millis(40);
        let mut bucket = Bucket { interval, paid_until: now };
        for _ in 0..25 {
            assert_eq!(bucket.take(now), Duration::ZERO);
        }
        assert_eq!(bucket.take(now), interval);
        assert_eq!(bucket.take(now), 2 * interval);
    }

    #[test]
    fn a_quiet_time_fills_the_bucket_and_never_beyond_a_second_s_worth() {
        let mut now = Instant::now();
        let interval = Duration::from_millis(100);
        let mut bucket = Bucket { interval, paid_until: now };
        for quiet in [Duration::from_secs(3600), Duration::from_secs(1)] {
            now += quiet;
            let waits: Vec<_> = (0..11).map(|_| bucket.take(now)).collect();
            assert_eq!(waits[..10], [Duration::ZERO; 10]);
            assert_eq!(waits[10], interval);
            now += interval;
        }
    }

    #[test]
    fn in_the_long_run_the_rate_is_kept() {
        let start = Instant::now();
        let mut bucket = Bucket { interval: Duration::from_millis(40), paid_until: start };
        let mut now = start;
        for _ in 0..1000 {
            now += bucket.take(now);
        }
        assert_eq!(now - start, Duration::from_millis(40) * 975);
    }
}
