//! One way through Twilio's list: page by page, each recording weighed, what is lacking enqueued.

use std::time::Duration;

use chassis::queues;
use domain::{AccountSid, CallJob, JobSource};
use queue::{Enqueued, Entry, Queue, QueueError};
use tokio_util::sync::CancellationToken;
use twilio::{Client, Days, Recording, RecordingPages};

use super::{
    ReconcileError, Summary,
    held::{Held, Standing},
    need::{Need, created_ms, need},
    seen::Seen,
};
use crate::store::Store;

/// Entries that are added together, unless the rate allows fewer a second.
const TOGETHER: usize = 100;
/// How often a page, or the room in Redis, is asked for again before giving up.
const PATIENCE: u32 = 8;
/// The longest wait between two such questions.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The shortest wait before a question is repeated, even where Twilio asks for none.
const SHORTEST_WAIT: Duration = Duration::from_millis(250);
/// How long work that was lost, and is enqueued past what the queue remembers of it, is remembered in
/// turn: another replica, or a back-fill, may be at the same recordings.
const REMEMBERED_AGAIN: Duration = Duration::from_secs(600);
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

/// A sweep under way.
pub(super) struct Walk<'a> {
    sweep: &'a Sweep,
    pages: RecordingPages,
    floor_ms: i64,
    /// What the queues hold, once it is asked for. What comes into them later is remembered there.
    pub(super) held: Option<Held>,
    /// What was found so far.
    pub(super) found: Found,
}

impl Walk<'_> {
    /// Takes the next page; `false` after the last.
    pub(super) async fn page(&mut self) -> Result<bool, ReconcileError> {
        let Some(page) = self.sweep.next_page(&mut self.pages).await? else { return Ok(false) };
        let unreadable = self.pages.unreadable() - self.found.summary.unreadable;
        self.found.summary.unreadable += unreadable;
        self.found.summary.listed += unreadable;
        let needs = self.needs(&page).await?;
        let mut lacking = Vec::new();
        for (recording, need) in page.iter().zip(needs) {
            self.found.summary.listed += 1;
            match need {
                Need::Nothing(count) => *count(&mut self.found.summary) += 1,
                Need::Time => {
                    self.found.summary.pending += 1;
                    self.hold_back(recording);
                }
                Need::Nobody => {
                    self.found.summary.pending += 1;
                    tracing::warn!(recording_sid = %recording.sid, call_sid = %recording.call_sid,
                        status = ?recording.status, "Twilio has not finished a recording for days: it \
                        is not waited for any more; should it be finished one day, \
                        callscribe backfill brings it");
                }
                Need::Work { generation, remembered } => {
                    if remembered || !self.is_met(recording, generation) {
                        lacking.push((recording, generation));
                    }
                }
            }
        }
        let remembered = self.enqueue(&lacking).await?;
        self.look_again(remembered).await?;
        Ok(true)
    }

    /// What each needs. Where the queues have to be looked through, the rows are read again behind
    /// that: what ends in between is seen as held there, or as finished here.
    async fn needs(&mut self, page: &[Recording]) -> Result<Vec<Need>, ReconcileError> {
        loop {
            let seen = Seen::of(&self.sweep.store, page.iter()).await?;
            let now_ms = queues::now_ms();
            let mut needs: Vec<Need> =
                page.iter().map(|listed| need(listed, &seen, self.floor_ms, now_ms)).collect();
            if self.sweep.dry_run {
                needs.iter_mut().for_each(Need::ask_the_queues);
            }
            let unknown =
                needs.iter().any(|need| matches!(need, Need::Work { remembered: false, .. }));
            if !unknown || self.held.is_some() {
                return Ok(needs);
            }
            self.held = Some(Held::of(&self.sweep.calls).await?);
        }
    }

    /// Offers what is lacking to the queue; returns what it remembers and did not take.
    async fn enqueue<'r>(
        &mut self,
        lacking: &[(&'r Recording, u32)],
    ) -> Result<Vec<(&'r Recording, u32)>, ReconcileError> {
        if self.sweep.dry_run {
            self.found.summary.enqueued += lacking.len() as u64;
            return Ok(Vec::new());
        }
        let job =
            |(recording, generation): &(&Recording, u32)| self.sweep.job(recording, *generation);
        let entries: Result<Vec<Entry>, _> =
            lacking.iter().map(|lacking| self.sweep.entry(&job(lacking))).collect();
        let (mut added, mut remembered) = (Vec::new(), Vec::new());
        let tell = |place: usize, is_new: bool| match is_new {
            true => added.push(lacking[place].0),
            false => remembered.push(lacking[place]),
        };
        let outcome = self.sweep.offer(&entries?, tell).await;
        added.into_iter().for_each(|recording| self.is_enqueued(recording));
        outcome.map(|()| remembered)
    }

    /// What the queue remembers is under way, or is done and its outcome is under way, or was lost
    /// behind the queue's back: with a database that was lost, or restored from a backup. The third
    /// is what neither the queues hold nor the database knows as finished, asked in the order in
    /// which work goes: jobs, events, rows. An event leaves its queue after its row is durable.
    async fn look_again(
        &mut self,
        remembered: Vec<(&Recording, u32)>,
    ) -> Result<(), ReconcileError> {
        let mut unknown = Vec::new();
        for (recording, generation) in remembered {
            if !self.is_met(recording, generation) {
                unknown.push((recording, generation));
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        self.held = Some(Held::of(&self.sweep.calls).await?);
        let seen = Seen::of(&self.sweep.store, unknown.iter().map(|(listed, _)| *listed)).await?;
        let now_ms = queues::now_ms();
        let (mut lost, mut entries) = (Vec::new(), Vec::new());
        for (recording, asked) in unknown {
            match need(recording, &seen, self.floor_ms, now_ms) {
                // Another generation was asked for in between, after the look.
                Need::Work { generation, .. } if generation == asked => {
                    if !self.is_met(recording, asked) {
                        entries.push(self.sweep.entry_of_lost(&self.sweep.job(recording, asked))?);
                        lost.push(recording);
                    }
                }
                Need::Nothing(count) => *count(&mut self.found.summary) += 1,
                Need::Work { .. } | Need::Time | Need::Nobody => self.is_under_way(recording),
            }
        }
        let (mut added, mut elsewhere) = (Vec::new(), Vec::new());
        let tell = |place: usize, is_new: bool| match is_new {
            true => added.push(lost[place]),
            false => elsewhere.push(lost[place]),
        };
        let outcome = self.sweep.offer(&entries, tell).await;
        added.into_iter().for_each(|recording| self.is_enqueued(recording));
        elsewhere.into_iter().for_each(|recording| self.is_under_way(recording));
        outcome
    }

    /// Whether the last look through the queues met the recording's work, or an event of its call;
    /// then it is counted as under way.
    fn is_met(&mut self, recording: &Recording, generation: u32) -> bool {
        let job = self.sweep.job(recording, generation);
        match self.held.as_ref().and_then(|held| held.standing(&job)) {
            None => return false,
            Some(Standing::Alive) => self.is_under_way(recording),
            // The mark does not wait for what somebody has to see to, be it for weeks.
            Some(Standing::Dead) => self.found.summary.under_way += 1,
        }
        true
    }

    /// It is looked at again until it has a row: before, Redis alone knows of it.
    fn is_enqueued(&mut self, recording: &Recording) {
        self.found.summary.enqueued += 1;
        self.hold_back(recording);
    }

    /// It is looked at again until its outcome is here.
    fn is_under_way(&mut self, recording: &Recording) {
        self.found.summary.under_way += 1;
        self.hold_back(recording);
    }

    fn hold_back(&mut self, recording: &Recording) {
        self.found.hold_back(created_ms(recording).unwrap_or(self.floor_ms));
    }
}

impl Sweep {
    /// Begins with the recordings of some days; those created before `floor_ms` are left alone.
    pub(super) fn walk(&self, days: Days, floor_ms: i64) -> Result<Walk<'_>, ReconcileError> {
        let pages = self.twilio.recordings(&self.account, days)?;
        Ok(Walk { sweep: self, pages, floor_ms, held: None, found: Found::default() })
    }

    fn job(&self, recording: &Recording, generation: u32) -> CallJob {
        CallJob::Transcribe {
            account_sid: self.account.clone(),
            call_sid: recording.call_sid.clone(),
            recording_sid: recording.sid.clone(),
            generation,
            source: JobSource::Reconcile,
        }
    }

    pub(super) fn entry(&self, job: &CallJob) -> Result<Entry, ReconcileError> {
        Ok(queues::job_entry(job, None)?.bulk())
    }

    /// An entry past what the queue remembers of the job.
    pub(super) fn entry_of_lost(&self, job: &CallJob) -> Result<Entry, ReconcileError> {
        Ok(self.entry(job)?.once(format!("lost:{}", job.once_key()), REMEMBERED_AGAIN))
    }

    /// Enqueues at the rate that is allowed, where there is room; tells of each entry, by its place,
    /// whether it was added (or the queue remembered it).
    pub(super) async fn offer(
        &self,
        entries: &[Entry],
        mut tell: impl FnMut(usize, bool),
    ) -> Result<(), ReconcileError> {
        let together = TOGETHER.min(self.max_per_second as usize);
        for (number, chunk) in entries.chunks(together).enumerate() {
            self.wait_for_room().await?;
            let outcomes = self.calls.enqueue_batch(chunk.to_vec()).await?;
            for (place, outcome) in outcomes.into_iter().enumerate() {
                tell(number * together + place, outcome != Enqueued::Duplicate);
            }
            let share = chunk.len() as f64 / f64::from(self.max_per_second);
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
            // A page that was not read to its end can be asked for again.
            let page = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(ReconcileError::Stopped),
                page = pages.next_page() => page,
            };
            let error = match page {
                Ok(page) => return Ok(page),
                Err(error) => error,
            };
            attempt += 1;
            if !error.is_transient() || attempt >= PATIENCE {
                return Err(error.into());
            }
            let asked = error.retry_after().map(|asked| asked.max(SHORTEST_WAIT));
            self.pause(asked.unwrap_or_else(|| wait(attempt))).await?;
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
