//! A batch of events in one transaction.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::Utc;
use domain::{CallEvent, EventKind};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, ModelTrait, QueryFilter};

use super::{call, leads_of_batch, outbox as event_out, recording, write};
use crate::{
    erasure,
    settings::ResultsSettings,
    store::{
        Store, StoreError,
        entities::{
            call_logs,
            recordings::{self, Column},
            tombstones,
        },
    },
};

/// Something a committed batch brought about that people look for in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A call has reached an end.
    Ended {
        /// The call.
        call_sid: String,
        /// Which end.
        status: String,
    },
    /// A lead is new or has changed.
    LeadUpdated {
        /// The call that brought it about.
        call_sid: String,
        /// The lead.
        lead_id: i64,
        /// The fields whose values changed.
        fields: Vec<&'static str>,
    },
}

/// Writes events into rows.
#[derive(Clone)]
pub struct Projection {
    store: Store,
    settings: Arc<ResultsSettings>,
}

impl Projection {
    /// A projection into a database.
    pub fn new(store: Store, settings: Arc<ResultsSettings>) -> Self {
        Self { store, settings }
    }

    /// Writes a batch in one transaction; when this returns, the rows are durable. The same events
    /// again, in any order, change nothing.
    ///
    /// # Errors
    /// When the database is away ([`StoreError::is_transient`]) or refuses a row; nothing of the
    /// batch was written then.
    pub async fn persist(&self, events: &[CallEvent]) -> Result<Vec<Effect>, StoreError> {
        let transaction = self.store.begin().await?;
        let mut batch = Batch::load(&transaction, events).await?;
        batch.merge(events);
        let effects = batch.write(&transaction, &self.settings).await?;
        transaction.commit().await?;
        Ok(effects)
    }
}

/// A row as it was and as it will be.
pub(crate) struct Change<M> {
    pub before: Option<M>,
    pub row: M,
}

impl<M: Clone + PartialEq> Change<M> {
    /// A row as it was loaded.
    pub fn of(before: M) -> Self {
        Self { row: before.clone(), before: Some(before) }
    }

    pub fn differs(&self) -> bool {
        self.before.as_ref() != Some(&self.row)
    }
}

impl<M: ModelTrait> Change<M> {
    /// Whether a column of a known row stays as it was.
    pub fn keeps(&self, column: <M::Entity as EntityTrait>::Column) -> bool {
        self.before.as_ref().is_none_or(|before| before.get(column) == self.row.get(column))
    }
}

struct Batch {
    erased: BTreeSet<String>,
    calls: BTreeMap<String, Change<call_logs::Model>>,
    recordings: BTreeMap<String, Change<recordings::Model>>,
}

impl Batch {
    async fn load<C: ConnectionTrait>(db: &C, events: &[CallEvent]) -> Result<Self, StoreError> {
        let call_sids: BTreeSet<_> = events.iter().map(|event| event.call_sid.as_str()).collect();
        let recording_sids: BTreeSet<_> =
            events.iter().filter_map(|event| event.recording_sid.as_ref()).collect();
        let sids = call_sids.iter().copied().chain(recording_sids.iter().map(|sid| sid.as_str()));
        let erased = tombstones_of(db, sids).await?;

        let mut calls = calls_of(db, call_sids.iter().copied()).await?;
        let known_calls = calls.iter().map(|call| call.call_sid.as_str());
        let mut found = recordings_of(db, Column::CallSid, known_calls).await?;
        let met: BTreeSet<_> = found.iter().map(|row| row.recording_sid.clone()).collect();
        let rest = recording_sids.iter().map(|sid| sid.as_str()).filter(|sid| !met.contains(*sid));
        // A recording that stands under another call than its event says: that call is folded too.
        let elsewhere = recordings_of(db, Column::RecordingSid, rest).await?;
        if !elsewhere.is_empty() {
            let others: BTreeSet<_> = elsewhere.iter().map(|row| row.call_sid.as_str()).collect();
            found.extend(recordings_of(db, Column::CallSid, others.iter().copied()).await?);
            calls.extend(calls_of(db, others.into_iter()).await?);
        }
        Ok(Self {
            erased,
            calls: calls.into_iter().map(|row| (row.call_sid.clone(), Change::of(row))).collect(),
            recordings: found
                .into_iter()
                .map(|row| (row.recording_sid.clone(), Change::of(row)))
                .collect(),
        })
    }

    fn merge(&mut self, events: &[CallEvent]) {
        for event in events {
            let recording_sid = event.recording_sid.as_ref().map(|sid| sid.as_str());
            if self.is_erased(event.call_sid.as_str())
                || recording_sid.is_some_and(|s| self.is_erased(s))
            {
                continue;
            }
            let change = self
                .calls
                .entry(event.call_sid.to_string())
                .or_insert_with(|| Change { before: None, row: call::new(event) });
            call::merge(&mut change.row, event);
            if let Some(sid) = recording_sid
                && !matches!(event.kind, EventKind::Observed(_))
            {
                let change = self
                    .recordings
                    .entry(sid.to_owned())
                    .or_insert_with(|| Change { before: None, row: recording::new(event, sid) });
                recording::merge(&mut change.row, event);
            }
        }
    }

    fn is_erased(&self, sid: &str) -> bool {
        !self.erased.is_empty() && self.erased.contains(&erasure::hash(sid))
    }

    async fn write<C: ConnectionTrait>(
        mut self,
        db: &C,
        settings: &ResultsSettings,
    ) -> Result<Vec<Effect>, StoreError> {
        let now = Utc::now();
        let ended = self.fold();
        let mut calls: Vec<_> = self.calls.into_values().filter(Change::differs).collect();
        let leads = leads_of_batch::assign(db, &mut calls, settings, now).await?;
        let recordings = self.recordings.into_values().filter(Change::differs);
        write::recordings(db, recordings.map(|change| change.row)).await?;
        write::calls(db, &calls).await?;
        let (mut effects, mut events) =
            leads_of_batch::update(db, leads, &calls, settings, now).await?;
        for change in &calls {
            let Some(outcome) = ended.get(&change.row.call_sid) else { continue };
            events.push(event_out::of_call(&change.row, outcome, now));
            effects.push(Effect::Ended {
                call_sid: change.row.call_sid.clone(),
                status: change.row.status.clone(),
            });
        }
        write::events_out(db, events).await?;
        Ok(effects)
    }

    /// Folds every call anew; returns those that reached an end they had not reached before.
    fn fold(&mut self) -> BTreeMap<String, String> {
        let mut of_call =
            BTreeMap::<&str, (Vec<&recordings::Model>, Vec<&recordings::Model>)>::new();
        for change in self.recordings.values() {
            let (before, after) = of_call.entry(change.row.call_sid.as_str()).or_default();
            before.extend(&change.before);
            after.push(&change.row);
        }
        let mut ended = BTreeMap::new();
        for (call_sid, change) in &mut self.calls {
            let (before, after) = of_call.remove(call_sid.as_str()).unwrap_or_default();
            let outcome_before = change.before.as_ref().and_then(|row| call::outcome(row, &before));
            call::fold(&mut change.row, &after);
            let outcome = call::outcome(&change.row, &after);
            if let Some(outcome) =
                outcome.filter(|outcome| Some(outcome) != outcome_before.as_ref())
            {
                ended.insert(call_sid.clone(), outcome);
            }
        }
        ended
    }
}

async fn calls_of<C: ConnectionTrait>(
    db: &C,
    sids: impl Iterator<Item = &str>,
) -> Result<Vec<call_logs::Model>, StoreError> {
    let these = call_logs::Column::CallSid.is_in(sids);
    Ok(call_logs::Entity::find().filter(these).all(db).await?)
}

async fn recordings_of<C: ConnectionTrait>(
    db: &C,
    column: Column,
    sids: impl Iterator<Item = &str>,
) -> Result<Vec<recordings::Model>, StoreError> {
    let sids: Vec<&str> = sids.collect();
    if sids.is_empty() {
        return Ok(Vec::new());
    }
    Ok(recordings::Entity::find().filter(column.is_in(sids)).all(db).await?)
}

async fn tombstones_of<C: ConnectionTrait>(
    db: &C,
    sids: impl Iterator<Item = &str>,
) -> Result<BTreeSet<String>, StoreError> {
    // Most databases have none: then there is nothing to hash for.
    if tombstones::Entity::find().one(db).await?.is_none() {
        return Ok(BTreeSet::new());
    }
    erasure::buried(db, sids).await
}
