//! What is unfinished here, and no queue knows of: work that Redis lost after its row was written.
//!
//! Twilio's list does not help there: it is looked at a day back, and work may wait for longer.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{AccountSid, CallJob, JobSource};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

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
/// After these something follows; the database's partial indexes name the same ones.
const RECORDING: [Status; 4] =
    [Status::Observed, Status::Queued, Status::Transcribing, Status::Retrying];
const CALL: [Status; 3] = [Status::Queued, Status::Transcribing, Status::Retrying];

impl Sweep {
    /// Enqueues again what has a row without an end while no queue holds its work. Returns how many
    /// jobs.
    pub(super) async fn resume_unfinished(&self) -> Result<u64, ReconcileError> {
        let before = Utc::now() - QUIET;
        let none = recordings_after(&self.store, &self.account, before, 0, 1).await?.is_empty()
            && calls_after(&self.store, &self.account, before, 0, 1).await?.is_empty();
        if none {
            return Ok(0);
        }
        // Before the rows: what ends in between is seen as held here, or as finished there.
        let held = Held::of(&self.calls).await?;
        Ok(self.recordings(&held, before).await? + self.calls(&held, before).await?)
    }

    async fn recordings(&self, held: &Held, before: DateTime<Utc>) -> Result<u64, ReconcileError> {
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
            resumed += self.resume(held, jobs).await?;
        }
    }

    /// Calls whose recordings were still being looked up.
    async fn calls(&self, held: &Held, before: DateTime<Utc>) -> Result<u64, ReconcileError> {
        let (mut resumed, mut after) = (0, 0);
        loop {
            let rows = calls_after(&self.store, &self.account, before, after, PAGE).await?;
            let Some((last, _)) = rows.last() else { return Ok(resumed) };
            after = *last;
            let recorded = with_recordings(&self.store, &rows).await?;
            let jobs =
                rows.iter().filter(|(_, call)| !recorded.contains(call)).filter_map(|(_, call)| {
                    Some(CallJob::Resolve {
                        account_sid: self.account.clone(),
                        call_sid: call.parse().ok()?,
                        source: JobSource::Reconcile,
                    })
                });
            resumed += self.resume(held, jobs).await?;
        }
    }

    async fn resume(
        &self,
        held: &Held,
        jobs: impl Iterator<Item = CallJob>,
    ) -> Result<u64, ReconcileError> {
        let mut lacking = Vec::new();
        for job in jobs.filter(|job| !held.holds(job)) {
            lacking.push(self.entry(&job)?);
        }
        let mut resumed = 0;
        self.offer(&lacking, |_, added| resumed += u64::from(added)).await?;
        Ok(resumed)
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

async fn calls_after(
    store: &Store,
    account: &AccountSid,
    before: DateTime<Utc>,
    after: i64,
    limit: u64,
) -> Result<Vec<(i64, String)>, StoreError> {
    use call_logs::Column;
    Ok(call_logs::Entity::find()
        .select_only()
        .columns([Column::Id, Column::CallSid])
        .filter(Column::AccountSid.eq(account.as_str()))
        .filter(Column::Status.is_in(CALL.map(Status::as_str)))
        .filter(Column::UpdatedAt.lt(before))
        .filter(Column::Id.gt(after))
        .order_by_asc(Column::Id)
        .limit(limit)
        .into_tuple()
        .all(store.reader())
        .await?)
}

async fn with_recordings(
    store: &Store,
    calls: &[(i64, String)],
) -> Result<Vec<String>, StoreError> {
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
