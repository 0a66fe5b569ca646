//! What is unfinished here, and no queue knows of: work that Redis lost after its row was written, and
//! outcomes that were lost with a database that was restored from a backup.
//!
//! Twilio's list does not help there: it is looked at a day back, and work may wait for longer.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{AccountSid, CallJob, CallSid, JobSource, RecordingSid};
use queue::{Queue, QueueError};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{ReconcileError, held::Held, sweep::Sweep};
use crate::{
    projection::{Status, Track},
    store::{
        Store, StoreError,
        entities::{call_logs, recordings},
    },
};

/// How long nothing must have been heard of a row: its next event may be on the way.
const QUIET: TimeDelta = TimeDelta::minutes(15);
/// Rows read at once.
const PAGE: u64 = 500;

/// Which rows are looked at.
struct Which {
    recordings: &'static [Status],
    calls: &'static [Status],
    /// Whether those of which Twilio has the media no more are left as they are.
    only_with_media: bool,
}

/// After these something follows; the database's partial index names the same ones.
const UNFINISHED: Which = Which {
    recordings: &[Status::Observed, Status::Queued, Status::Transcribing, Status::Retrying],
    calls: &[Status::Queued, Status::Transcribing, Status::Retrying],
    only_with_media: false,
};
/// After this something follows as long as its dead letter is there.
const FAILED: Which =
    Which { recordings: &[Status::Failed], calls: &[Status::Failed], only_with_media: true };

impl Sweep {
    /// Enqueues again what has a row without an end while no queue holds its work. Returns how many
    /// jobs.
    pub(super) async fn resume_unfinished(&self) -> Result<u64, ReconcileError> {
        self.take_up(&UNFINISHED).await
    }

    /// Enqueues what was given up and whose dead letter is gone, in its next generation. Returns how
    /// many jobs.
    pub(super) async fn resume_failed(&self) -> Result<u64, ReconcileError> {
        self.take_up(&FAILED).await
    }

    async fn take_up(&self, which: &Which) -> Result<u64, ReconcileError> {
        let before = Utc::now() - QUIET;
        if self.has_none(which, before).await? {
            return Ok(0);
        }
        let mut look = Look::of(&self.calls, None).await?;
        let resumed = self.all(which, &mut look, before).await?;
        if look.remembered.is_empty() {
            return Ok(resumed);
        }
        // What the queue remembers may have ended since the look, and its outcome come in. What is
        // still unfinished at another look was lost with a database that was restored.
        let mut again = Look::of(&self.calls, Some(look.remembered)).await?;
        Ok(resumed + self.all(which, &mut again, before).await?)
    }

    async fn all(
        &self,
        which: &Which,
        look: &mut Look,
        before: DateTime<Utc>,
    ) -> Result<u64, ReconcileError> {
        let recordings = self.recordings(which, look, before).await?;
        Ok(recordings + self.calls(which, look, before).await?)
    }

    /// Whether there is nothing to look through the queues for.
    async fn has_none(&self, which: &Which, before: DateTime<Utc>) -> Result<bool, StoreError> {
        for status in which.calls {
            let found = calls_after(&self.store, &self.account, before, *status, &None, 1).await?;
            if !found.is_empty() {
                return Ok(false);
            }
        }
        let found = recordings_after(&self.store, &self.account, which, before, 0, 1).await?;
        Ok(found.is_empty())
    }

    async fn recordings(
        &self,
        which: &Which,
        look: &mut Look,
        before: DateTime<Utc>,
    ) -> Result<u64, ReconcileError> {
        let (mut resumed, mut after) = (0, 0);
        loop {
            let rows = recordings_after(&self.store, &self.account, which, before, after, PAGE);
            let rows = rows.await?;
            let Some((last, ..)) = rows.last() else { return Ok(resumed) };
            after = *last;
            resumed += self.resume(look, rows.iter().filter_map(|row| self.lost(row))).await?;
        }
    }

    /// What is lost if no queue holds a recording's work.
    fn lost(&self, (_, recording, call, generation, status, fold): &RecordingRow) -> Option<Lost> {
        let (call_sid, recording_sid) = (call.parse().ok()?, recording.parse().ok()?);
        let job = |generation| CallJob::Transcribe {
            account_sid: self.account.clone(),
            call_sid: CallSid::clone(&call_sid),
            recording_sid: RecordingSid::clone(&recording_sid),
            generation,
            source: JobSource::Reconcile,
        };
        let generation = u32::try_from(*generation).ok()?;
        // Enqueued anew, work begins at redrive 0: in the same generation, nothing but a result would
        // count as later than what was given up or put back before.
        let is_given_up = *status == Status::Failed.as_str() || fold.is_redriven();
        let is_heard_of = fold.generation() >= generation;
        let next = generation.saturating_add(u32::from(is_given_up && is_heard_of));
        Some(Lost { known: job(generation), job: job(next) })
    }

    /// Calls whose recordings were still being looked up.
    async fn calls(
        &self,
        which: &Which,
        look: &mut Look,
        before: DateTime<Utc>,
    ) -> Result<u64, ReconcileError> {
        let mut resumed = 0;
        for status in which.calls {
            let mut after = None;
            loop {
                let rows =
                    calls_after(&self.store, &self.account, before, *status, &after, PAGE).await?;
                let Some(last) = rows.last().cloned() else { break };
                after = Some(last);
                let recorded = with_recordings(&self.store, &rows).await?;
                let lost = rows.iter().filter(|(_, call)| !recorded.contains(call));
                let lost = lost.filter_map(|(_, call)| {
                    let job = CallJob::Resolve {
                        account_sid: self.account.clone(),
                        call_sid: call.parse().ok()?,
                        source: JobSource::Reconcile,
                    };
                    Some(Lost { known: job.clone(), job })
                });
                resumed += self.resume(look, lost).await?;
            }
        }
        Ok(resumed)
    }

    async fn resume(
        &self,
        look: &mut Look,
        lost: impl Iterator<Item = Lost>,
    ) -> Result<u64, ReconcileError> {
        let (mut keys, mut lacking) = (Vec::new(), Vec::new());
        for Lost { job, .. } in lost.filter(|lost| look.lacks(lost)) {
            lacking.push(match look.only {
                None => self.entry(&job)?,
                Some(_) => self.entry_of_lost(&job)?,
            });
            keys.push(job.once_key());
        }
        if self.dry_run {
            return Ok(lacking.len() as u64);
        }
        let mut resumed = 0;
        let tell = |place: usize, is_new: bool| match is_new {
            true => resumed += 1,
            false => drop(look.remembered.insert(std::mem::take(&mut keys[place]))),
        };
        self.offer(&lacking, tell).await?;
        Ok(resumed)
    }
}

/// One look at all that is unfinished. The queues are looked through before the rows are read: what
/// ends in between is seen as held there, or as finished here.
struct Look {
    held: Held,
    /// The jobs that are meant; `None` is all.
    only: Option<HashSet<String>>,
    /// What no queue holds and the queue remembers, by its key.
    remembered: HashSet<String>,
}

impl Look {
    async fn of(calls: &Queue, only: Option<HashSet<String>>) -> Result<Self, QueueError> {
        Ok(Self { held: Held::of(calls).await?, only, remembered: HashSet::new() })
    }

    fn lacks(&self, Lost { known, job }: &Lost) -> bool {
        let is_meant = self.only.as_ref().is_none_or(|only| only.contains(&job.once_key()));
        is_meant && !self.held.holds(known) && !self.held.holds(job)
    }
}

/// Work that is lost if no queue holds it.
struct Lost {
    /// As the row knows it.
    known: CallJob,
    /// As it is taken up.
    job: CallJob,
}

/// Number, recording, call, generation, status, what happened.
type RecordingRow = (i64, String, String, i64, String, Track);

async fn recordings_after(
    store: &Store,
    account: &AccountSid,
    which: &Which,
    before: DateTime<Utc>,
    after: i64,
    limit: u64,
) -> Result<Vec<RecordingRow>, StoreError> {
    use recordings::Column;
    let mut find = recordings::Entity::find();
    if which.only_with_media {
        find = find.filter(Column::MediaDeletedAt.is_null());
    }
    Ok(find
        .select_only()
        .columns([
            Column::Id,
            Column::RecordingSid,
            Column::CallSid,
            Column::Generation,
            Column::Status,
            Column::Fold,
        ])
        .filter(Column::AccountSid.eq(account.as_str()))
        .filter(Column::Status.is_in(which.recordings.iter().map(|status| status.as_str())))
        .filter(Column::UpdatedAt.lt(before))
        .filter(Column::Id.gt(after))
        .order_by_asc(Column::Id)
        .limit(limit)
        .into_tuple()
        .all(store.reader())
        .await?)
}

/// When it was made, call: a place in the index by status.
type CallRow = (DateTime<Utc>, String);

async fn calls_after(
    store: &Store,
    account: &AccountSid,
    before: DateTime<Utc>,
    status: Status,
    after: &Option<CallRow>,
    limit: u64,
) -> Result<Vec<CallRow>, StoreError> {
    use call_logs::Column;
    let mut find = call_logs::Entity::find()
        .select_only()
        .columns([Column::CreatedAt, Column::CallSid])
        .filter(Column::Status.eq(status.as_str()))
        .filter(Column::AccountSid.eq(account.as_str()))
        .filter(Column::UpdatedAt.lt(before));
    if let Some((at, sid)) = after {
        let at_once = Condition::all().add(Column::CreatedAt.eq(*at)).add(Column::CallSid.gt(sid));
        find = find.filter(Condition::any().add(Column::CreatedAt.gt(*at)).add(at_once));
    }
    Ok(find
        .order_by_asc(Column::CreatedAt)
        .order_by_asc(Column::CallSid)
        .limit(limit)
        .into_tuple()
        .all(store.reader())
        .await?)
}

async fn with_recordings(store: &Store, calls: &[CallRow]) -> Result<Vec<String>, StoreError> {
    use recordings::Column;
    Ok(recordings::Entity::find()
        .select_only()
        .column(Column::CallSid)
        .distinct()
        .filter(Column::CallSid.is_in(calls.iter().map(|(_, call)| call)))
        .into_tuple()
        .all(store.reader())
        .await?)
}
