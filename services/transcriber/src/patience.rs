//! How long something that is not there yet is waited for.

use std::time::Duration;

use domain::EventKind;

use crate::setback::{Setback, Treatment};

/// The time Twilio is given to have a recording ready.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    age: Duration,
    limit: Duration,
    attempt: u32,
}

/// Looks after the time is over, before its end is believed: work that waited behind a backlog has
/// not been looked at once by then.
const LAST_LOOKS: u32 = 3;

/// The first waits: media is there within seconds, as a rule.
const SHORTEST: Duration = Duration::from_secs(2);

/// The longest wait, so that a recording is not found long after it came.
const LONGEST: Duration = Duration::from_secs(300);

impl Patience {
    /// For work that is known since `age`, and waits until it is `limit` old; `attempt` counts from
    /// 1, waits left out.
    pub fn new(age: Duration, limit: Duration, attempt: u32) -> Self {
        Self { age, limit, attempt }
    }

    /// How long to wait before looking again; `None` when the time is over. Each wait is half of
    /// the time that has passed, so that thirty minutes take about fifteen looks.
    pub fn next_wait(self) -> Option<Duration> {
        (self.age < self.limit).then(|| (self.age / 2).clamp(SHORTEST, LONGEST))
    }

    /// Waits, or ends with "no recording" and this code.
    pub fn wait_or(self, code: &str, message: &str) -> Result<EventKind, Setback> {
        match self.next_wait() {
            Some(wait) => Err(Setback::new(Treatment::Wait(wait), "not_ready", message)),
            None if self.attempt < LAST_LOOKS => {
                Err(Setback::new(Treatment::Retry, "not_ready", message))
            }
            None => Ok(EventKind::NoRecording { code: code.into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_from_two_seconds_to_five_minutes_and_end_after_half_an_hour() {
        let limit = Duration::from_secs(1800);
        let mut age = Duration::ZERO;
        let mut waits = Vec::new();
        while let Some(wait) = Patience::new(age, limit, 1).next_wait() {
            waits.push(wait.as_secs());
            age += wait;
        }
        assert_eq!(waits[0], 2);
        assert!(waits.is_sorted() && waits.len() < 25, "{waits:?}");
        assert!(age >= limit && age < limit + LONGEST, "{age:?}");
    }

    #[test]
    fn work_that_is_first_looked_at_when_its_time_is_over_gets_more_looks() {
        let late =
            |attempt| Patience::new(Duration::from_secs(3600), Duration::from_secs(1800), attempt);
        for attempt in [1, 2] {
            let setback = late(attempt).wait_or("deleted", "not listed").unwrap_err();
            assert_eq!(setback.treatment, Treatment::Retry);
        }
        let end = late(3).wait_or("deleted", "not listed").unwrap();
        assert_eq!(end, EventKind::NoRecording { code: "deleted".into() });
    }
}
