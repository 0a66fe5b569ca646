//! One way through Twilio's list: page by page, each recording weighed, what is lacking enqueued.

use std::time::Duration;

use chassis::queues;
use domain::{AccountSid, CallJob, JobSource};
use queue::{Enqueued, Entry, Queue, QueueError};
use tokio_util::sync::CancellationToken;
use twilio::{Client, Days, Recording, RecordingPages, RecordingStatus};

use super::{ReconcileError, Summary, seen::Seen};
use crate::store::Store;

/// Entries that are added together, unless the rate allows fewer a second.
const TOGETHER: usize = 100;
/// How often a page, or the room in Redis, is asked for again before giving up.
const PATIENCE: u32 = 8;
/// The longest wait between two such questions.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A recording with an unfinished row is offered to the queue again up to this age: within it the
/// queue still remembers what it has (the `once` keys live three days), so that only what Redis
/// lost is enqueued a second time.
const OFFERED_AGAIN_MS: i64 = 2 * 24 * 3600 * 1000;

/// How long after its end a recording is left to its callback, which comes into the live lane.
const ON_ITS_WAY_MS: i64 = 3 * 60 * 1000;

/// What a sweep works with.
#[derive(Clone)]
pub(super) struct Sweep {
    pub(super) store: Store,
    pub(super) calls: Queue,
    pub(super) twilio: Client,
    pub(super) account: AccountSid,
    pub(super) max_per_second: u32,
    pub(super) redis_high_water: f64,
    pub(super) dry_run: bool,
    pub(super) stop: CancellationToken,
}

/// What a sweep found.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Found {
    pub(super) summary: Summary,
    /// When the oldest recording that is not finished, here or at Twilio, was created.
    pub(super) oldest_pending_ms: Option<i64>,
}

impl Found {
    /// Keeps the mark from passing a recording that was created then.
    fn hold_back(&mut self, since_ms: i64) {
        let oldest = self.oldest_pending_ms.get_or_insert(since_ms);
        *oldest = since_ms.min(*oldest);
    }
}

/// What one recording needs.
enum Need {
    /// Nothing; where it is counted.
    Nothing(fn(&mut Summary) -> &mut u64),
    /// Twilio has not finished it, or only just.
    Time,
    /// It is lacking.
    Work,
}

/// A sweep under way.
pub(super) struct Walk<'a> {
    sweep: &'a Sweep,
    pages: RecordingPages,
    floor_ms: i64,
    /// What was found so far.
    pub(super) found: Found,
}

impl Walk<'_> {
    /// Takes the next page; `false` after the last.
    pub(super) async fn page(&mut self) -> Result<bool, ReconcileError> {
        let Some(page) = self.sweep.next_page(&mut self.pages).await? else { return Ok(false) };
        self.sweep.page(&page, self.floor_ms, &mut self.found).await?;
        Ok(true)
    }
}

impl Sweep {
    /// Begins with the recordings of some days; those created before `floor_ms` are left alone.
    pub(super) fn walk(&self, days: Days, floor_ms: i64) -> Result<Walk<'_>, ReconcileError> {
        let pages = self.twilio.recordings(&self.account, days)?;
        Ok(Walk { sweep: self, pages, floor_ms, found: Found::default() })
    }

    async fn page(
        &self,
        page: &[Recording],
        floor_ms: i64,
        found: &mut Found,
    ) -> Result<(), ReconcileError> {
        let seen = Seen::of(&self.store, page).await?;
        let now_ms = queues::now_ms();
        let mut lacking = Vec::new();
        for recording in page {
            found.summary.listed += 1;
            match need(recording, &seen, floor_ms, now_ms) {
                Need::Nothing(count) => *count(&mut found.summary) += 1,
                Need::Time => {
                    found.summary.pending += 1;
                    found.hold_back(created_ms(recording).unwrap_or(floor_ms));
                }
                Need::Work => {
                    let since = created_ms(recording).unwrap_or(floor_ms);
                    lacking.push((self.entry(recording)?, since));
                }
            }
        }
        if self.dry_run {
            found.summary.enqueued += lacking.len() as u64;
            return Ok(());
        }
        self.enqueue(lacking, found).await
    }

    fn entry(&self, recording: &Recording) -> Result<Entry, ReconcileError> {
        let job = CallJob::Transcribe {
            account_sid: self.account.clone(),
            call_sid: recording.call_sid.clone(),
            recording_sid: recording.sid.clone(),
            generation: 0,
            source: JobSource::Reconcile,
        };
        Ok(queues::job_entry(&job, None)?.bulk())
    }

    async fn enqueue(
        &self,
        lacking: Vec<(Entry, i64)>,
        found: &mut Found,
    ) -> Result<(), ReconcileError> {
        let together = TOGETHER.min(self.max_per_second as usize);
        for lacking in lacking.chunks(together) {
            self.wait_for_room().await?;
            let entries = lacking.iter().map(|(entry, _)| entry.clone()).collect();
            let outcomes = self.calls.enqueue_batch(entries).await?;
            for (outcome, (_, since)) in outcomes.into_iter().zip(lacking) {
                match outcome {
                    Enqueued::Duplicate => {
                        found.summary.under_way += 1;
                        // Work that is remembered but has no row may be done in a database that was
                        // lost: it is looked at again until it is here.
                        found.hold_back(*since);
                    }
                    Enqueued::Added(_) | Enqueued::Scheduled => found.summary.enqueued += 1,
                }
            }
            let share = lacking.len() as f64 / f64::from(self.max_per_second);
            self.pause(Duration::from_secs_f64(share)).await?;
        }
        Ok(())
    }

    /// Leaves a full Redis to the live work.
    async fn wait_for_room(&self) -> Result<(), ReconcileError> {
        for attempt in 0..PATIENCE {
            let share = self.calls.link().memory().await?.share();
            if share.is_none_or(|share| share < self.redis_high_water) {
                return Ok(());
            }
            self.pause(wait(attempt)).await?;
        }
        let full = "Redis is above results.reconcile.redis_high_water";
        Err(QueueError::Refused(full.into()).into())
    }

    /// The next page. Where Twilio asks to wait or is away, it is asked again for a while.
    async fn next_page(
        &self,
        pages: &mut RecordingPages,
    ) -> Result<Option<Vec<Recording>>, ReconcileError> {
        let mut attempt = 0;
        loop {
            if self.stop.is_cancelled() {
                return Err(ReconcileError::Stopped);
            }
            let error = match pages.next_page().await {
                Ok(page) => return Ok(page),
                Err(error) => error,
            };
            attempt += 1;
            if !error.is_transient() || attempt >= PATIENCE {
                return Err(error.into());
            }
            self.pause(error.retry_after().unwrap_or_else(|| wait(attempt))).await?;
        }
    }

    async fn pause(&self, duration: Duration) -> Result<(), ReconcileError> {
        tokio::select! {
            () = tokio::time::sleep(duration) => Ok(()),
            () = self.stop.cancelled() => Err(ReconcileError::Stopped),
        }
    }
}

fn wait(attempt: u32) -> Duration {
    Duration::from_secs(1).saturating_mul(2u32.saturating_pow(attempt)).min(LONGEST_WAIT)
}

fn created_ms(recording: &Recording) -> Option<i64> {
    recording.created_ms.or(recording.start_time_ms)
}

/// About when it ended.
fn ended_ms(recording: &Recording) -> Option<i64> {
    let seconds = recording.duration_seconds.unwrap_or_default();
    Some(created_ms(recording)? + i64::from(seconds) * 1000)
}

fn need(recording: &Recording, seen: &Seen, floor_ms: i64, now_ms: i64) -> Need {
    let created = created_ms(recording);
    if created.is_some_and(|created| created < floor_ms) {
        return Need::Nothing(|summary| &mut summary.too_old);
    }
    if seen.is_erased(recording) {
        return Need::Nothing(|summary| &mut summary.erased);
    }
    let finished = seen.row(recording);
    let on_its_way = finished.is_none() && ended_ms(recording) > Some(now_ms - ON_ITS_WAY_MS);
    if recording.status.is_pending() || on_its_way {
        return Need::Time;
    }
    let recent = created.is_none_or(|created| created >= now_ms - OFFERED_AGAIN_MS);
    match (finished, &recording.status) {
        (Some(true), _) => Need::Nothing(|summary| &mut summary.known),
        (Some(false), _) if !recent => Need::Nothing(|summary| &mut summary.known),
        (_, RecordingStatus::Absent | RecordingStatus::Failed | RecordingStatus::Deleted) => {
            Need::Nothing(|summary| &mut summary.without_media)
        }
        _ => Need::Work,
    }
}
