//! How long something that is not there yet is waited for.

use std::time::Duration;

/// The time Twilio is given to have a recording ready.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    age: Duration,
    limit: Duration,
}

/// The first waits: media is there within seconds, as a rule.
const SHORTEST: Duration = Duration::from_secs(2);

/// The longest wait, so that a recording is not found long after it came.
const LONGEST: Duration = Duration::from_secs(300);

/// How long a recording can be under way: a call lasts a day at most, and its other legs may end
/// long before it does.
const LONGEST_RECORDING: Duration = Duration::from_secs(24 * 3600);

/// How long an outage lasts at most; what takes longer, somebody should look at.
const LONGEST_OUTAGE: Duration = Duration::from_secs(24 * 3600);

/// How long between the last looks, which come when the time is over.
const SHORTEST_LAST: Duration = Duration::from_secs(1);
const LONGEST_LAST: Duration = Duration::from_secs(30);

impl Patience {
    /// For work that is known since `age`, and waits until it is `limit` old.
    pub fn new(age: Duration, limit: Duration) -> Self {
        Self { age, limit }
    }

    /// How long to wait before looking again; `None` when the time is over. Each wait is half of
    /// the time that has passed, so that thirty minutes take about fifteen looks.
    pub fn next_wait(self) -> Option<Duration> {
        (self.age < self.limit).then(|| (self.age / 2).clamp(SHORTEST, LONGEST))
    }

    /// The same for a recording that Twilio says is still being made: then it is not missing,
    /// however long that takes.
    pub fn while_under_way(self) -> Option<Duration> {
        self.next_wait().or_else(|| (self.age < LONGEST_RECORDING).then_some(LONGEST))
    }

    /// How long to wait before Twilio is asked again that was away: for a day, so that no outage
    /// uses up the attempts of every call that meets it.
    pub fn while_away(self) -> Option<Duration> {
        (self.age < LONGEST_OUTAGE).then(|| (self.age / 2).clamp(SHORTEST, LONGEST))
    }

    /// How long to wait before one of the last looks: a sixtieth of the time that is over.
    pub fn last_wait(self) -> Duration {
        (self.limit / 60).clamp(SHORTEST_LAST, LONGEST_LAST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(1800);

    #[test]
    fn waits_grow_from_two_seconds_to_five_minutes_and_end_after_half_an_hour() {
        let mut age = Duration::ZERO;
        let mut waits = Vec::new();
        while let Some(wait) = Patience::new(age, LIMIT).next_wait() {
            waits.push(wait.as_secs());
            age += wait;
        }
        assert_eq!(waits[0], 2);
        assert!(waits.is_sorted() && waits.len() < 25, "{waits:?}");
        assert!(age >= LIMIT && age < LIMIT + LONGEST, "{age:?}");
    }

    #[test]
    fn an_outage_is_waited_for_a_day_however_short_missing_media_is_waited_for() {
        let away =
            |seconds| Patience::new(Duration::from_secs(seconds), Duration::ZERO).while_away();
        assert_eq!(away(0), Some(SHORTEST));
        assert_eq!(away(60), Some(Duration::from_secs(30)));
        assert_eq!(away(23 * 3600), Some(LONGEST));
        assert_eq!(away(24 * 3600), None);
    }

    #[test]
    fn a_recording_that_is_under_way_is_waited_for_as_long_as_a_call_can_last() {
        let under_way =
            |seconds| Patience::new(Duration::from_secs(seconds), LIMIT).while_under_way();
        assert_eq!(under_way(0), Some(SHORTEST));
        for hours in [1, 4, 23] {
            assert_eq!(under_way(hours * 3600), Some(LONGEST), "{hours} h");
        }
        assert_eq!(under_way(24 * 3600), None);
    }
}
