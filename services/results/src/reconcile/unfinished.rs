//! What is unfinished here, and no queue knows of: work that Redis lost after its row was written, and
//! outcomes that were lost with a database that was restored from a backup.
//!
//! Twilio's list does not help there: it is looked at a day back, and work may wait for longer.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{AccountSid, CallJob, JobSource};
use queue::{Queue, QueueError};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{ReconcileError, held::Held, sweep::Sweep};
use crate::{
    projection::Status,
    store::{
        Store, StoreError,
        entities::{call_logs, recordings},
    },
};

/// How long nothing must have been heard of a row: its next event may be on the way.
const QUIET: TimeDelta = TimeDelta::minutes(15);
/// Rows read at once.
const PAGE: u64 = 500;
/// After these something follows; the database's partial index names the same ones.
const RECORDING: [Status; 4] =
    [Status::Observed, Status::Queued, Status::Transcribing, Status::Retrying];
const CALL: [Status; 3] = [Status::Queued, Status::Transcribing, Status::Retrying];

impl Sweep {
    /// Enqueues again what has a row without an end while no queue holds its work. Returns how many
    /// jobs.
    pub(super) async fn resume_unfinished(&self) -> Result<u64, ReconcileError> {
        let before = Utc::now() - QUIET;
        if self.has_none(before).await? {
            return Ok(0);
        }
        let mut look = Look::of(&self.calls, None).await?;
        let resumed = self.all(&mut look, before).await?;
        if look.remembered.is_empty() {
            return Ok(resumed);
        }
        // What the queue remembers may have ended since the look, and its outcome come in. What is
        // still unfinished at another look was lost with a database that was restored.
        let mut again = Look::of(&self.calls, Some(look.remembered)).await?;
        Ok(resumed + self.all(&mut again, before).await?)
    }

    async fn all(&self, look: &mut Look, before: DateTime<Utc>) -> Result<u64, ReconcileError> {
        Ok(self.recordings(look, before).await? + self.calls(look, before).await?)
    }

    /// Whether there is nothing to look through the queues for.
    async fn has_none(&self, before: DateTime<Utc>) -> Result<bool, StoreError> {
        for status in CALL {
            let found = calls_after(&self.store, &self.account, before, status, &None, 1).await?;
            if !found.is_empty() {
                return Ok(false);
            }
        }
        Ok(recordings_after(&self.store, &self.account, before, 0, 1).await?.is_empty())
    }

    async fn recordings(
        &self,
        look: &mut Look,
        before: DateTime<Utc>,
    ) -> Result<u64, ReconcileError> {
        let (mut resumed, mut after) = (0, 0);
        loop {
            let rows = recordings_after(&self.store, &self.account, before, after, PAGE).await?;
            let Some((last, ..)) = rows.last() else { return Ok(resumed) };
            after = *last;
            let jobs = rows.iter().filter_map(|(_, recording, call, generation)| {
                Some(CallJob::Transcribe {
                    account_sid: self.account.clone(),
                    call_sid: call.parse().ok()?,
                    recording_sid: recording.parse().ok()?,
                    generation: u32::try_from(*generation).ok()?,
                    source: JobSource::Reconcile,
                })
            });
            resumed += self.resume(look, jobs).await?;
        }
    }

    /// Calls whose recordings were still being looked up.
    async fn calls(&self, look: &mut Look, before: DateTime<Utc>) -> Result<u64, ReconcileError> {
        let mut resumed = 0;
        for status in CALL {
            let mut after = None;
            loop {
                let rows =
                    calls_after(&self.store, &self.account, before, status, &after, PAGE).await?;
                let Some(last) = rows.last().cloned() else { break };
                after = Some(last);
                let recorded = with_recordings(&self.store, &rows).await?;
                let lost = rows.iter().filter(|(_, call)| !recorded.contains(call));
                let jobs = lost.filter_map(|(_, call)| {
                    Some(CallJob::Resolve {
                        account_sid: self.account.clone(),
                        call_sid: call.parse().ok()?,
                        source: JobSource::Reconcile,
                    })
                });
                resumed += self.resume(look, jobs).await?;
            }
        }
        Ok(resumed)
    }

    async fn resume(
        &self,
        look: &mut Look,
        jobs: impl Iterator<Item = CallJob>,
    ) -> Result<u64, ReconcileError> {
        let (mut keys, mut lacking) = (Vec::new(), Vec::new());
        for job in jobs.filter(|job| look.lacks(job)) {
            lacking.push(match look.only {
                None => self.entry(&job)?,
                Some(_) => self.entry_of_lost(&job)?,
            });
            keys.push(job.once_key());
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

    fn lacks(&self, job: &CallJob) -> bool {
        let is_meant = self.only.as_ref().is_none_or(|only| only.contains(&job.once_key()));
        is_meant && !self.held.holds(job)
    }
}

/// Number, recording, call, generation.
type RecordingRow = (i64, String, String, i64);

async fn recordings_after(
    store: &Store,
    account: &AccountSid,
    before: DateTime<Utc>,
    after: i64,
    limit: u64,
) -> Result<Vec<RecordingRow>, StoreError> {
    use recordings::Column;
    Ok(recordings::Entity::find()
        .select_only()
        .columns([Column::Id, Column::RecordingSid, Column::CallSid, Column::Generation])
        .filter(Column::AccountSid.eq(account.as_str()))
        .filter(Column::Status.is_in(RECORDING.map(Status::as_str)))
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
