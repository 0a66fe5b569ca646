//! Whether an expired lease means anything.
//!
//! Leases run out on the server's clock while nobody can extend them: after an outage all of them
//! look expired, those of healthy owners too. So their owners get one lease's time, from the end of
//! the last outage that kept them from extending, before anybody takes their work.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

pub(crate) struct Steady {
    lease: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When a write last went through.
    last: Option<Instant>,
    /// When the last outage ended, the time before the first write being one.
    since: Option<Instant>,
    /// How many disturbances are accounted for.
    disturbances: u64,
}

impl Steady {
    pub fn new(lease: Duration) -> Self {
        Self { lease, state: Mutex::default() }
    }

    /// A write went through at `now`, when there had been so many disturbances.
    pub fn wrote(&self, now: Instant, disturbances: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let gap = state.last.map_or(Duration::MAX, |last| now - last);
        // An owner that missed one beat still has its lease: a short cut is no outage.
        let disturbed = state.disturbances != disturbances && gap >= self.lease / 3;
        if disturbed || gap >= self.lease {
            state.since = Some(now);
        }
        state.last = Some(now);
        state.disturbances = disturbances;
    }

    /// Whether expired leases may be taken over at `now`.
    pub fn may_reclaim(&self, now: Instant, disturbances: u64) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let undisturbed = state.disturbances == disturbances;
        undisturbed && state.since.is_some_and(|since| now - since >= self.lease)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(60);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn nothing_is_taken_over_within_a_lease_of_the_start_or_of_an_outage() {
        let start = Instant::now();
        let steady = Steady::new(LEASE);
        assert!(!steady.may_reclaim(start, 0));
        for second in 0..=60 {
            steady.wrote(start + seconds(second), 0);
        }
        assert!(!steady.may_reclaim(start + seconds(59), 0));
        assert!(steady.may_reclaim(start + seconds(60), 0));
        // An outage of 30 s begins; while it lasts, and for a lease afterwards:
        assert!(!steady.may_reclaim(start + seconds(61), 1));
        steady.wrote(start + seconds(91), 5);
        assert!(!steady.may_reclaim(start + seconds(150), 5));
        assert!(steady.may_reclaim(start + seconds(151), 5));
    }

    #[test]
    fn connections_that_are_cut_now_and_then_do_not_keep_crashed_work_from_being_taken_over() {
        let start = Instant::now();
        let steady = Steady::new(LEASE);
        for second in 0..=60 {
            steady.wrote(start + seconds(second), second / 10);
        }
        assert!(steady.may_reclaim(start + seconds(60), 6));
    }

    #[test]
    fn a_long_silence_is_an_outage_even_when_nothing_failed() {
        let start = Instant::now();
        let steady = Steady::new(LEASE);
        steady.wrote(start, 0);
        steady.wrote(start + seconds(70), 0);
        assert!(!steady.may_reclaim(start + seconds(71), 0));
    }
}
