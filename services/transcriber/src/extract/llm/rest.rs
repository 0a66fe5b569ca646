//! Leaves a model alone that fails again and again: each call would wait for its time limit.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Failures in a row before it is left alone.
const FAILURES: u32 = 3;
/// For how long.
const REST: Duration = Duration::from_secs(60);

/// What a model's last answers came to, shared by all calls of an extractor.
#[derive(Debug, Default)]
pub(super) struct Rest {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    until: Option<Instant>,
}

impl Rest {
    /// How long the model is still left alone; nothing when it may be asked.
    pub(super) fn left(&self) -> Option<Duration> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let left = state.until?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// Takes note of an answer; gives how long the model is left alone from now on, if it was not
    /// before. When that is over, a single failure is enough for as long again.
    pub(super) fn note(&self, answered: bool) -> Option<Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if answered {
            *state = State::default();
            return None;
        }
        state.failures = state.failures.saturating_add(1);
        if state.failures < FAILURES {
            return None;
        }
        let now = Instant::now();
        if state.until.is_some_and(|until| until > now) {
            return None;
        }
        state.until = Some(now + REST);
        Some(REST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn three_failures_in_a_row_rest_a_minute_and_one_answer_forgets_them() {
        let rest = Rest::default();
        for answered in [false, false, true, false, false] {
            assert_eq!(rest.note(answered), None);
        }
        assert_eq!(rest.left(), None);
        assert_eq!(rest.note(false), Some(REST));
        assert_eq!(rest.left(), Some(REST));
        assert_eq!(rest.note(false), None, "it was said already");
        tokio::time::advance(REST).await;
        assert_eq!(rest.left(), None);
        assert_eq!(rest.note(false), Some(REST), "it has not got better");
        rest.note(true);
        assert_eq!((rest.left(), rest.note(false)), (None, None));
    }
}
