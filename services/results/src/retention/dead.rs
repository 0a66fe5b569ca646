//! Dead letters of the queues of jobs and events: what nobody puts back to work goes with the calls
//! and words it is about. An event that the database never took has no row to be found by.

use chrono::{DateTime, TimeDelta, Utc};
use domain::AccountSid;
use queue::{DeadLetter, Queue, QueueError, Selection};
use serde::Deserialize;

use super::{Ages, RetentionSettings};

/// Letters read at once.
const PAGE: usize = 100;

/// What of a job or an event tells whose it is, and what it holds.
#[derive(Deserialize)]
struct About {
    account_sid: AccountSid,
    /// The name of an event; a job has none.
    event: Option<String>,
}

/// The least age of what a letter holds. What cannot be read may hold anything, of anybody.
fn days(body: &str, settings: &RetentionSettings) -> Option<u32> {
    let about: Option<About> = serde_json::from_str(body).ok();
    let account = about.as_ref().map_or("", |about| about.account_sid.as_str());
    let Ages { transcripts_days, numbers_days, calls_days, .. } = settings.ages(account);
    let held = match about.map(|about| about.event) {
        None => [calls_days, transcripts_days, numbers_days],
        Some(Some(event)) if event == "transcribed" => [calls_days, transcripts_days, None],
        Some(Some(event)) if event == "observed" => [calls_days, numbers_days, None],
        Some(_) => [calls_days, None, None],
    };
    held.into_iter().flatten().min()
}

/// Throws those away that are too old; returns how many.
pub async fn discard(
    queue: &Queue,
    settings: &RetentionSettings,
    now: DateTime<Utc>,
) -> Result<u64, QueueError> {
    let is_old = |letter: &DeadLetter| {
        days(&letter.body, settings).is_some_and(|days| {
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
