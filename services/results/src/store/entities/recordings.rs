//! One row a recording.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use sea_orm::entity::prelude::*;
use serde::Serialize;

use crate::projection::{Status, Track};

/// A recording of a call.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, JsonSchema)]
#[schemars(rename = "Recording")]
#[sea_orm(table_name = "recordings")]
pub struct Model {
    /// Internal number of the row.
    #[sea_orm(primary_key)]
    #[serde(skip)]
    pub id: i64,
    /// Twilio's identifier of the recording.
    pub recording_sid: String,
    /// The call it was made of.
    pub call_sid: String,
    /// The account.
    pub account_sid: String,
    /// Where Callscribe stands with it: one of [`crate::projection::Status`].
    #[schemars(with = "Status")]
    pub status: String,
    /// Number of channels in the media.
    pub channels: Option<i64>,
    /// Samples per second of the media.
    pub sample_rate_hz: Option<i64>,
    /// Length in milliseconds.
    pub duration_ms: Option<i64>,
    /// Share of it that is speech, between 0 and 1.
    pub speech_ratio: Option<f64>,
    /// The words, one line a segment.
    pub transcript: Option<String>,
    /// Segments: speaker, start_ms, end_ms, text, confidence.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    #[schemars(with = "Option<Vec<domain::Segment>>")]
    pub segments: Option<Json>,
    /// BCP 47 language of the transcript.
    pub language: Option<String>,
    /// Name of the engine.
    pub engine: Option<String>,
    /// The engine's model.
    pub model: Option<String>,
    /// The engine's version.
    pub engine_version: Option<String>,
    /// The extracted fields with their evidence.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    #[schemars(with = "Option<domain::Extraction>")]
    pub extraction: Option<Json>,
    /// Reasons to doubt the transcript.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    #[schemars(with = "Option<Vec<String>>")]
    pub flags: Option<Json>,
    /// From the first enqueue to the start of the attempt, in milliseconds.
    pub queued_ms: Option<i64>,
    /// Fetching, in milliseconds.
    pub fetch_ms: Option<i64>,
    /// Decoding, resampling and looking for speech, in milliseconds.
    pub audio_ms: Option<i64>,
    /// The speech engine, in milliseconds.
    pub transcribe_ms: Option<i64>,
    /// Extraction, in milliseconds.
    pub extract_ms: Option<i64>,
    /// What the engines charged for the present outcome, in micro-dollars; earlier generations are not
    /// added up.
    pub cost_microusd: Option<i64>,
    /// The highest generation given out or seen: 0, and one more for each "transcribe again".
    pub generation: i64,
    /// Attempts the present work has taken.
    pub attempts: i64,
    /// Short code of what went wrong last and was not overcome since.
    pub last_error_code: Option<String>,
    /// What went wrong last and was not overcome since.
    pub last_error: Option<String>,
    /// When the recording started, where Twilio said so.
    pub started_at: Option<DateTime<Utc>>,
    /// When the present generation was enqueued.
    pub enqueued_at: Option<DateTime<Utc>>,
    /// When the present result was obtained.
    pub transcribed_at: Option<DateTime<Utc>>,
    /// When it was deleted at Twilio.
    pub media_deleted_at: Option<DateTime<Utc>>,
    /// Time of the earliest event.
    pub created_at: DateTime<Utc>,
    /// Time of the latest event.
    pub updated_at: DateTime<Utc>,
    /// What later events are merged with.
    #[sea_orm(column_type = "JsonBinary")]
    #[serde(skip)]
    pub fold: Track,
}

/// None: the tables are joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
