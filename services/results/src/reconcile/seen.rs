//! What is known here of the recordings Twilio lists.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use twilio::Recording;

use crate::{
    erasure,
    projection::{Status, Track},
    store::{
        Store, StoreError,
        entities::{
            call_logs,
            recordings::{self, Column},
            tombstones,
        },
    },
};

/// Recordings asked about in one statement: well below what either database can bind.
const CHUNK: usize = 500;

/// What is known of some recordings.
#[derive(Debug, Default)]
pub(super) struct Seen {
    rows: HashMap<String, Row>,
    imported: HashSet<String>,
    erased: HashSet<String>,
}

/// What a recording's row says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// Whether nothing follows by itself any more.
    pub(super) finished: bool,
    /// Whether it ended because Twilio did not have it, or no media of it: a replica of Twilio's that
    /// lags behind looks like one that has lost it.
    pub(super) missed: bool,
    /// Whether it is unfinished since a dead letter of it was put back to work.
    pub(super) redriven: bool,
    /// The generation that was given out last.
    pub(super) generation: u32,
    /// When its work was enqueued, in milliseconds since 1970 (UTC).
    pub(super) enqueued_ms: i64,
}

impl Seen {
    /// Looks up all of them.
    pub(super) async fn of<'r>(
        store: &Store,
        listed: impl Iterator<Item = &'r Recording>,
    ) -> Result<Self, StoreError> {
        let listed: Vec<&Recording> = listed.collect();
        let mut seen = Self::default();
        for listed in listed.chunks(CHUNK) {
            let sids = listed.iter().map(|recording| recording.sid.as_str());
            let rows = recordings::Entity::find()
                .select_only()
                .columns([
                    Column::RecordingSid,
                    Column::Status,
                    Column::Generation,
                    Column::EnqueuedAt,
                    Column::CreatedAt,
                    Column::Fold,
                ])
                .filter(Column::RecordingSid.is_in(sids))
                .into_tuple::<Columns>()
                .all(store.reader())
                .await?;
            seen.rows.extend(rows.into_iter().map(row));

            let calls = listed.iter().map(|recording| recording.call_sid.as_str());
            let imported: Vec<String> = call_logs::Entity::find()
                .select_only()
                .column(call_logs::Column::CallSid)
                .filter(call_logs::Column::CallSid.is_in(calls))
                .filter(call_logs::Column::ImportedAt.is_not_null())
                .into_tuple()
                .all(store.reader())
                .await?;
            seen.imported.extend(imported);

            let hashes = listed.iter().flat_map(|recording| {
                [erasure::hash(recording.sid.as_str()), erasure::hash(recording.call_sid.as_str())]
            });
            let erased: Vec<String> = tombstones::Entity::find()
                .select_only()
                .column(tombstones::Column::SidHash)
                .filter(tombstones::Column::SidHash.is_in(hashes))
                .into_tuple()
                .all(store.reader())
                .await?;
            seen.erased.extend(erased);
        }
        Ok(seen)
    }

    /// Whether it, or its call, was erased.
    pub(super) fn is_erased(&self, recording: &Recording) -> bool {
        !self.erased.is_empty()
            && [recording.sid.as_str(), recording.call_sid.as_str()]
                .iter()
                .any(|sid| self.erased.contains(&erasure::hash(sid)))
    }

    /// What its row says, if it has one.
    pub(super) fn row(&self, recording: &Recording) -> Option<Row> {
        self.rows.get(recording.sid.as_str()).copied()
    }

    /// Whether its call came, with its outcome, from another system.
    pub(super) fn is_imported(&self, recording: &Recording) -> bool {
        self.imported.contains(recording.call_sid.as_str())
    }
}

type Columns = (String, String, i64, Option<DateTime<Utc>>, DateTime<Utc>, Track);

fn row((sid, status, generation, enqueued, created, fold): Columns) -> (String, Row) {
    let generation = u32::try_from(generation).unwrap_or(u32::MAX);
    // A generation that was given out and that nothing was heard of is not finished either.
    let is_heard_of = fold.generation() >= generation;
    let finished = status.parse().is_ok_and(Status::is_terminal) && is_heard_of;
    let redriven = !finished && is_heard_of && fold.is_redriven();
    let missed = finished && status == Status::NoRecording.as_str();
    let enqueued_ms = enqueued.unwrap_or(created).timestamp_millis();
    (sid, Row { finished, missed, redriven, generation, enqueued_ms })
}
