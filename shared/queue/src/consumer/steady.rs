//! Whether an expired lease means anything.
//!
//! Leases run out on the server's clock while nobody can extend them: after an outage all of them
//! look expired, those of healthy owners too. So their owners get one lease's time, from the end of
//! the last outage that kept them from extending, before anybody takes their work. The same holds
//! where the server's clock was set: all leases look expired once it went forward.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::wire::millis;

/// By how much the server's clock may seem to be off, however short leases are: answers take their
/// time.
const LEAST_TOLERANCE: Duration = Duration::from_secs(2);

pub(crate) struct Steady {
    lease: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When a write last went through, by the own clock and by the server's in milliseconds.
    last: Option<(Instant, i64)>,
    /// When the last outage ended, the time before the first write being one.
    since: Option<Instant>,
    /// How many disturbances are accounted for.
    disturbances: u64,
}

impl Steady {
    pub fn new(lease: Duration) -> Self {
        Self { lease, state: Mutex::default() }
    }

    /// A write went through at `now`, `server_ms` by the server's clock, when there had been so many
    /// disturbances.
    pub fn wrote(&self, now: Instant, server_ms: i64, disturbances: u64) {
        let mut state = self.state();
        let gap = state.last.map_or(Duration::MAX, |(last, _)| now - last);
        // An owner that missed one beat still has its lease: a short cut is no outage.
        let disturbed = state.disturbances != disturbances && gap >= self.lease / 3;
        let was_set = state.expected_ms(now).is_some_and(|expected| {
            server_ms.abs_diff(expected) > self.tolerance_ms().unsigned_abs()
        });
        if was_set {
            tracing::warn!(
                "the clock of Redis was set: expired leases are not taken over for a while"
            );
        }
        if disturbed || was_set || gap >= self.lease {
            state.since = Some(now);
        }
        state.last = Some((now, server_ms));
        state.disturbances = disturbances;
    }

    /// What the server's clock should show at `now` if expired leases may be taken over.
    pub fn reclaims_at(&self, now: Instant, disturbances: u64) -> Option<i64> {
        let state = self.state();
        let undisturbed = state.disturbances == disturbances;
        let steady = undisturbed && state.since.is_some_and(|since| now - since >= self.lease);
        state.expected_ms(now).filter(|_| steady)
    }

    /// By how many milliseconds the server's clock may seem to be off.
    pub fn tolerance_ms(&self) -> i64 {
        millis((self.lease / 3).max(LEAST_TOLERANCE))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What the server's clock should show.
    fn expected_ms(&self, now: Instant) -> Option<i64> {
        self.last.map(|(last, server_ms)| server_ms.saturating_add(millis(now - last)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(60);

    /// A write of so many seconds after the start, the clocks going alike.
    fn wrote(steady: &Steady, start: Instant, second: u64, disturbances: u64) {
        steady.wrote(start + seconds(second), second as i64 * 1000, disturbances);
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn nothing_is_taken_over_within_a_lease_of_the_start_or_of_an_outage() {
        let start = Instant::now();
        let steady = Steady::new(LEASE);
        assert!(steady.reclaims_at(start, 0).is_none());
        for second in 0..=60 {
            wrote(&steady, start, second, 0);
        }
        assert!(steady.reclaims_at(start + seconds(59), 0).is_none());
        assert!(steady.reclaims_at(start + seconds(60), 0).is_some());
        // An outage of 30 s begins; while it lasts, and for a lease afterwards:
        assert!(steady.reclaims_at(start + seconds(61), 1).is_none());
        wrote(&steady, start, 91, 5);
        assert!(steady.reclaims_at(start + seconds(150), 5).is_none());
        assert!(steady.reclaims_at(start + seconds(151), 5).is_some());
    }

    #[test]
    fn connections_that_are_cut_now_and_then_do_not_keep_crashed_work_from_being_taken_over() {
        let start = Instant::now();
        let steady = Steady::new(LEASE);
        for second in 0..=60 {
            wrote(&steady, start, second, second / 10);
        }
        assert!(steady.reclaims_at(start + seconds(60), 6).is_some());
    }

    #[test]
    fn a_long_silence_is_an_outage_even_when_nothing_failed() {
        let start = Instant::now();
        let steady = Steady::new(LEASE);
        wrote(&steady, start, 0, 0);
        wrote(&steady, start, 70, 0);
        assert!(steady.reclaims_at(start + seconds(71), 0).is_none());
    }

    #[test]
    fn a_clock_of_the_server_that_was_set_is_an_outage() {
        let start = Instant::now();
        for set_to in [-3_600_000, 61_000 + 90_000] {
            let steady = Steady::new(LEASE);
            for second in 0..=60 {
                wrote(&steady, start, second, 0);
            }
            assert_eq!(steady.reclaims_at(start + seconds(60), 0), Some(60_000));
            steady.wrote(start + seconds(61), set_to, 0);
            for second in 62..121 {
                let server_ms = set_to + (second as i64 - 61) * 1000;
                steady.wrote(start + seconds(second), server_ms, 0);
                assert_eq!(steady.reclaims_at(start + seconds(second), 0), None, "{second}");
            }
            assert!(steady.reclaims_at(start + seconds(121), 0).is_some());
        }
    }
}
