//! Reading calls.

use std::cmp::Reverse;

use chrono::{DateTime, Utc};
use domain::StageTimings;
use schemars::JsonSchema;
use sea_orm::{ColumnTrait, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;

use super::{
    Store, StoreError,
    entities::{
        call_logs::{self, Column},
        recordings,
    },
};
use crate::projection::Status;

/// Which calls, newest first unless the other way round.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CallQuery {
    /// Only those in this state.
    pub status: Option<Status>,
    /// Only those whose service has this name or identifier.
    pub service: Option<String>,
    /// Only those whose city has this name or identifier.
    pub city: Option<String>,
    /// Only those of this lead.
    pub lead_id: Option<i64>,
    /// Only those to or from this number.
    pub number: Option<String>,
    /// Only those in this language.
    pub language: Option<String>,
    /// Only those of this account.
    pub account_sid: Option<String>,
    /// Only those created at or after this time.
    pub since: Option<DateTime<Utc>>,
    /// Only those created before this time.
    pub until: Option<DateTime<Utc>>,
    /// The oldest first, not the newest.
    pub oldest_first: bool,
    /// Only those after this place in the list.
    pub after: Option<Place>,
    /// How many at most.
    pub limit: u64,
}

/// A place in a list that is sorted by time, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Time of the row.
    pub created_at: DateTime<Utc>,
    /// Which of the rows of that time.
    pub sid: String,
}

impl Place {
    /// The place of a call.
    pub fn of(call: &call_logs::Model) -> Self {
        Self { created_at: call.created_at, sid: call.call_sid.clone() }
    }
}

/// A stretch of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where the next stretch starts; `None` at the end.
    pub next: Option<Place>,
}

impl<T> Page<T> {
    /// The same stretch, its rows made into something else.
    pub fn map<U>(self, make: impl FnMut(T) -> U) -> Page<U> {
        Page { rows: self.rows.into_iter().map(make).collect(), next: self.next }
    }
}

/// One call with all its recordings.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CallDetail {
    /// The call.
    #[serde(flatten)]
    pub call: call_logs::Model,
    /// Its recordings, in the order of their start.
    pub recordings: Vec<recordings::Model>,
}

/// How far a call is, for a live table.
#[derive(Debug, Clone, PartialEq)]
pub struct CallProgress {
    /// The call.
    pub call: call_logs::Model,
    /// Length of its recordings in milliseconds, where they were read.
    pub recorded_ms: Option<i64>,
    /// Time spent in each stage, summed over its recordings.
    pub timings: StageTimings,
}

impl CallQuery {
    pub(super) fn order(&self) -> Order {
        if self.oldest_first { Order::Asc } else { Order::Desc }
    }
}

impl Store {
    /// Calls, newest first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn calls(&self, query: &CallQuery) -> Result<Page<call_logs::Model>, StoreError> {
        let limit = query.limit.clamp(1, 1000);
        let mut rows = Vec::new();
        for reading in super::narrow::readings(&self.reader, query).await? {
            let found = call_logs::Entity::find()
                .filter(reading)
                .order_by(Column::CreatedAt, query.order())
                .order_by(Column::CallSid, query.order())
                .limit(limit + 1)
                .all(&self.reader)
                .await?;
            rows.extend(found);
        }
        let place = |row: &call_logs::Model| (row.created_at, row.call_sid.clone());
        if query.oldest_first {
            rows.sort_by_cached_key(place);
        } else {
            rows.sort_by_cached_key(|row| Reverse(place(row)));
        }
        rows.dedup_by(|one, other| one.id == other.id);
        let more = rows.len() as u64 > limit;
        rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let next = rows.last().filter(|_| more).map(Place::of);
        Ok(Page { rows, next })
    }

    /// One call with its recordings.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn call(&self, call_sid: &str) -> Result<Option<CallDetail>, StoreError> {
        let of_call = Column::CallSid.eq(call_sid);
        let call = call_logs::Entity::find().filter(of_call).one(&self.reader).await?;
        let Some(call) = call else { return Ok(None) };
        let mut recordings = recordings::Entity::find()
            .filter(recordings::Column::CallSid.eq(call_sid))
            .all(&self.reader)
            .await?;
        recordings.sort_by_key(|recording| {
            (recording.started_at.unwrap_or(recording.created_at), recording.recording_sid.clone())
        });
        Ok(Some(CallDetail { call, recordings }))
    }

    /// How far the latest calls are, newest first, with the time each stage took.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn progress(&self, limit: u64) -> Result<Vec<CallProgress>, StoreError> {
        let calls = self.calls(&CallQuery { limit, ..CallQuery::default() }).await?.rows;
        let sids = calls.iter().map(|call| call.call_sid.as_str());
        let timed: Vec<Timed> = recordings::Entity::find()
            .select_only()
            .columns([
                recordings::Column::CallSid,
                recordings::Column::DurationMs,
                recordings::Column::QueuedMs,
                recordings::Column::FetchMs,
                recordings::Column::AudioMs,
                recordings::Column::TranscribeMs,
                recordings::Column::ExtractMs,
            ])
            .filter(recordings::Column::CallSid.is_in(sids))
            .into_model()
            .all(&self.reader)
            .await?;
        Ok(calls.into_iter().map(|call| progress_of(call, &timed)).collect())
    }
}

#[derive(sea_orm::FromQueryResult)]
struct Timed {
    call_sid: String,
    duration_ms: Option<i64>,
    queued_ms: Option<i64>,
    fetch_ms: Option<i64>,
    audio_ms: Option<i64>,
    transcribe_ms: Option<i64>,
    extract_ms: Option<i64>,
}

fn progress_of(call: call_logs::Model, timed: &[Timed]) -> CallProgress {
    let own = || timed.iter().filter(|timed| timed.call_sid == call.call_sid);
    let sum = |stage: fn(&Timed) -> Option<i64>| {
        own().filter_map(stage).filter_map(|ms| u64::try_from(ms).ok()).sum()
    };
    let timings = StageTimings {
        queued_ms: sum(|timed| timed.queued_ms),
        fetch_ms: sum(|timed| timed.fetch_ms),
        audio_ms: sum(|timed| timed.audio_ms),
        transcribe_ms: sum(|timed| timed.transcribe_ms),
        extract_ms: sum(|timed| timed.extract_ms),
    };
    let lengths: Vec<i64> = own().filter_map(|timed| timed.duration_ms).collect();
    let recorded_ms = (!lengths.is_empty()).then(|| lengths.iter().sum());
    CallProgress { call, recorded_ms, timings }
}
