//! Leaves an engine alone while it cannot help.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::engines::EngineError;

/// Failures in a row before an engine is left alone.
const FAILURES: u32 = 5;

/// How long a failing engine is left alone before one request tries it again.
const OPEN: Duration = Duration::from_secs(30);

/// How long an engine that asks for fewer requests is left alone when it does not say how long.
const RATE_LIMITED: Duration = Duration::from_secs(30);

/// A circuit breaker, shared by all slots of a process.
#[derive(Debug, Default)]
pub struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    until: Instant,
    because: EngineError,
    /// Whether its time was over and a request tries the engine since.
    is_tried: bool,
}

/// Why an engine is not asked now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftAlone {
    /// Until then.
    pub wait: Duration,
    /// What it last said.
    pub because: EngineError,
}

impl Breaker {
    /// Whether the engine is left alone now; changes nothing.
    ///
    /// # Errors
    /// How long yet, and why.
    pub fn look(&self) -> Result<(), LeftAlone> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = |until: Instant| until.saturating_duration_since(Instant::now());
        match &state.open {
            Some(Open { until, because, .. }) if !wait(*until).is_zero() => {
                Err(LeftAlone { wait: wait(*until), because: because.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Whether the engine may be asked. When the time is over, one request goes through and the
    /// others wait for what becomes of it.
    ///
    /// # Errors
    /// How long it is left alone, and why.
    pub fn admit(&self) -> Result<(), LeftAlone> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = &mut state.open else { return Ok(()) };
        let now = Instant::now();
        if open.until > now {
            return Err(LeftAlone { wait: open.until - now, because: open.because.clone() });
        }
        open.until = now + OPEN;
        open.is_tried = true;
        Ok(())
    }

    /// Takes note of an answer. True when the engine is left alone from now on and was not before.
    pub fn note(&self, outcome: Result<(), &EngineError>) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Err(error) = outcome else {
            state.failures = 0;
            // An answer to a question of before takes back nothing that was asked since.
            state.open.take_if(|open| open.is_tried || open.until <= Instant::now());
            return false;
        };
        let alone = match error {
            EngineError::RateLimited { after } => Some(after.unwrap_or(RATE_LIMITED)),
            // How long a person takes, the record for all processes says, and a person ends it.
            error if error.needs_somebody() => Some(OPEN),
            EngineError::Unavailable(_)
            | EngineError::Unreachable(_)
            | EngineError::Forbidden { .. }
            | EngineError::Timeout { .. }
            | EngineError::Malformed(_)
            | EngineError::Program(_) => {
                state.failures += 1;
                (state.failures >= FAILURES).then_some(OPEN)
            }
            // The others say something about the request, not about the engine.
            _ => None,
        };
        let Some(alone) = alone else { return false };
        let was_open = state.open.is_some();
        let (until, because) = (Instant::now() + alone, error.clone());
        state.open = Some(Open { until, because, is_tried: false });
        !was_open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn down() -> EngineError {
        EngineError::Unavailable("status 503".into())
    }

    #[tokio::test(start_paused = true)]
    async fn five_failures_in_a_row_open_it_and_one_success_closes_it() {
        let breaker = Breaker::default();
        for _ in 0..4 {
            assert!(!breaker.note(Err(&down())));
        }
        breaker.note(Ok(()));
        for _ in 0..4 {
            assert!(!breaker.note(Err(&down())));
        }
        assert_eq!(breaker.admit(), Ok(()));
        assert!(breaker.note(Err(&down())));
        assert_eq!(breaker.admit(), Err(LeftAlone { wait: OPEN, because: down() }));
        tokio::time::advance(OPEN).await;
        assert_eq!(breaker.admit(), Ok(()));
        assert!(breaker.admit().is_err(), "one probe at a time");
        breaker.note(Ok(()));
        assert_eq!(breaker.admit(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_limit_is_kept_as_long_as_the_engine_asks() {
        let breaker = Breaker::default();
        let asked = Duration::from_secs(7);
        let error = EngineError::RateLimited { after: Some(asked) };
        breaker.note(Err(&error));
        assert_eq!(breaker.admit(), Err(LeftAlone { wait: asked, because: error }));
        tokio::time::advance(asked).await;
        assert_eq!(breaker.admit(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_of_before_does_not_take_back_what_the_engine_asked_for_since() {
        let breaker = Breaker::default();
        let asked = Duration::from_secs(7);
        breaker.note(Err(&EngineError::RateLimited { after: Some(asked) }));
        breaker.note(Ok(()));
        assert!(breaker.admit().is_err());
        tokio::time::advance(asked).await;
        assert_eq!(breaker.admit(), Ok(()));
        breaker.note(Ok(()));
        assert_eq!((breaker.look(), breaker.admit()), (Ok(()), Ok(())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_wrong_in_itself_leaves_it_closed() {
        let breaker = Breaker::default();
        for _ in 0..50 {
            breaker.note(Err(&EngineError::TooLarge));
        }
        assert_eq!(breaker.admit(), Ok(()));
    }
}
