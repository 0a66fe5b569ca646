//! One row a call: a pure fold over what happened to it and to its recordings.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use sea_orm::entity::prelude::*;
use serde::Serialize;

use crate::projection::{CallFold, Status};

/// A call.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, JsonSchema)]
#[schemars(rename = "Call")]
#[sea_orm(table_name = "call_logs")]
pub struct Model {
    /// Internal number of the row.
    #[sea_orm(primary_key)]
    #[serde(skip)]
    pub id: i64,
    /// Twilio's identifier of the call.
    pub call_sid: String,
    /// The account.
    pub account_sid: String,
    /// The leg that started this one.
    pub parent_call_sid: Option<String>,
    /// The calling party as Twilio gives it.
    pub from_number: Option<String>,
    /// The called party.
    pub to_number: Option<String>,
    /// `inbound`, `outbound-api`, `outbound-dial`, …
    pub direction: Option<String>,
    /// Twilio's status of the call.
    pub call_status: Option<String>,
    /// Length of the call in seconds.
    pub duration_seconds: Option<i64>,
    /// Where Callscribe stands with it: one of [`crate::projection::Status`].
    #[schemars(with = "Status")]
    pub status: String,
    /// Transcripts of its recordings, in the order of their start.
    pub final_transcript: Option<String>,
    /// BCP 47 language of the transcript.
    pub transcript_language: Option<String>,
    /// Name of the engine the transcript came from.
    pub transcript_engine: Option<String>,
    /// What the caller wants, in the language of the call.
    pub extracted_service: Option<String>,
    /// Where, in the language of the call.
    pub extracted_city: Option<String>,
    /// How sure the service is, between 0 and 1.
    pub service_confidence: Option<f64>,
    /// How sure the city is, between 0 and 1.
    pub city_confidence: Option<f64>,
    /// The lower of the two that are present.
    pub extraction_confidence: Option<f64>,
    /// The catalogue's identifier of the service, the same in every language.
    pub service_id: Option<String>,
    /// The catalogue's identifier of the city, the same in every language.
    pub city_id: Option<String>,
    /// The lead this call belongs to.
    pub lead_id: Option<i64>,
    /// How many attempts the present work has taken.
    pub attempts: i64,
    /// Short code of what went wrong last and was not overcome since.
    pub last_error_code: Option<String>,
    /// What went wrong last and was not overcome since.
    pub last_error: Option<String>,
    /// When its recordings started, where Twilio said so (the earliest).
    pub started_at: Option<DateTime<Utc>>,
    /// When the work was first enqueued.
    pub enqueued_at: Option<DateTime<Utc>>,
    /// When the transcript was obtained.
    pub transcribed_at: Option<DateTime<Utc>>,
    /// When it was taken over from another system.
    #[serde(skip)]
    pub imported_at: Option<DateTime<Utc>>,
    /// Time of the earliest event.
    pub created_at: DateTime<Utc>,
    /// Time of the latest event.
    pub updated_at: DateTime<Utc>,
    /// What later events are merged with.
    #[sea_orm(column_type = "JsonBinary")]
    #[serde(skip)]
    pub fold: CallFold,
}

/// None: the tables are joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
