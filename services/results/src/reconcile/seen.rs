//! What is known here of the recordings Twilio lists.

use std::collections::{HashMap, HashSet};

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use twilio::Recording;

use crate::{
    erasure,
    projection::Status,
    store::{
        Store, StoreError,
        entities::{recordings, tombstones},
    },
};

/// Recordings asked about in one statement: well below what either database can bind.
const CHUNK: usize = 500;

/// What is known of some recordings.
#[derive(Debug, Default)]
pub(super) struct Seen {
    finished: HashMap<String, bool>,
    erased: HashSet<String>,
}

impl Seen {
    /// Looks up all of them.
    pub(super) async fn of(store: &Store, listed: &[Recording]) -> Result<Self, StoreError> {
        let mut seen = Self::default();
        for listed in listed.chunks(CHUNK) {
            let sids = listed.iter().map(|recording| recording.sid.as_str());
            let rows: Vec<(String, String)> = recordings::Entity::find()
                .select_only()
                .columns([recordings::Column::RecordingSid, recordings::Column::Status])
                .filter(recordings::Column::RecordingSid.is_in(sids))
                .into_tuple()
                .all(store.reader())
                .await?;
            let finished = |status: &str| status.parse().is_ok_and(Status::is_terminal);
            seen.finished.extend(rows.into_iter().map(|(sid, status)| (sid, finished(&status))));

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

    /// Whether it has a row; and whether nothing follows by itself any more.
    pub(super) fn row(&self, recording: &Recording) -> Option<bool> {
        self.finished.get(recording.sid.as_str()).copied()
    }
}
