//! Dead letters of the queues of jobs and events: what nobody puts back to work goes with the calls
//! and words it is about. An event that the database never took has no row to be found by.

use chrono::{DateTime, TimeDelta, Utc};
use domain::JobSubject;
use queue::{DeadLetter, Queue, QueueError, Selection};

use super::{Ages, RetentionSettings};

/// Letters read at once.
const PAGE: usize = 100;

/// Dead jobs hold who was called when.
pub fn days_of_jobs(ages: Ages) -> Option<u32> {
    ages.calls_days
}

/// Dead events hold everything.
pub fn days_of_events(ages: Ages) -> Option<u32> {
    [ages.transcripts_days, ages.numbers_days, ages.calls_days].into_iter().flatten().min()
}

/// Throws those away that are older than their account's age; returns how many.
pub async fn discard(
    queue: &Queue,
    settings: &RetentionSettings,
    days: fn(Ages) -> Option<u32>,
    now: DateTime<Utc>,
) -> Result<u64, QueueError> {
    let is_old = |letter: &DeadLetter| {
        // What cannot be read is nobody's in particular.
        let subject = serde_json::from_str::<JobSubject>(&letter.body);
        let account = subject.map_or_else(|_| String::new(), |s| s.account_sid.to_string());
        days(settings.ages(&account)).is_some_and(|days| {
            letter.born_ms < (now - TimeDelta::days(days.into())).timestamp_millis()
        })
    };
    let (mut discarded, mut after) = (0, None);
    loop {
        let letters = queue.dead_letters(after.as_deref(), PAGE).await?;
        let Some(last) = letters.last() else { return Ok(discarded) };
        after = Some(last.id.clone());
        for letter in letters.into_iter().filter(is_old) {
            discarded += queue.discard(&Selection::One(letter.id)).await?;
        }
    }
}
