//! Waiting longer each time.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(1);

/// Backoff between attempts to reach Redis.
pub(crate) struct Backoff {
    attempt: u32,
}

impl Backoff {
    pub fn new() -> Self {
        Self { attempt: 0 }
    }

    /// Waits, unless told to stop.
    pub async fn pause(&mut self, stop: &CancellationToken) {
        self.attempt += 1;
        let most = doubled(FIRST, LONGEST, self.attempt);
        // At least half of it: reconnecting at once helps nobody.
        let wait = most.mul_f64(0.5 + fastrand::f64() / 2.0);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => {}
        }
    }

    /// How long an entry waits after its `attempt`th failure: doubling, full jitter.
    pub fn wait(first: Duration, longest: Duration, attempt: u32) -> Duration {
        doubled(first, longest, attempt).mul_f64(fastrand::f64())
    }
}

fn doubled(first: Duration, longest: Duration, attempt: u32) -> Duration {
    let factor = 2u32.saturating_pow(attempt.saturating_sub(1));
    first.saturating_mul(factor).min(longest)
}
