//! A call as Twilio's REST API tells it.

use domain::{CallMetadata, CallSid};
use serde::{Deserialize, Deserializer};

use crate::recording::{lenient_number, rfc2822_ms};

/// What Twilio knows of a call. Everything may be unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct CallDetails {
    /// The calling party.
    #[serde(deserialize_with = "text")]
    pub from: Option<String>,
    /// The called party.
    #[serde(deserialize_with = "text")]
    pub to: Option<String>,
    /// `inbound`, `outbound-api`, `outbound-dial`, …
    #[serde(deserialize_with = "text")]
    pub direction: Option<String>,
    /// `completed`, `in-progress`, …
    #[serde(deserialize_with = "text")]
    pub status: Option<String>,
    /// How long it lasted, in seconds.
    #[serde(rename = "duration", deserialize_with = "lenient_number")]
    pub duration_seconds: Option<u32>,
    /// The leg that started this one.
    #[serde(deserialize_with = "sid")]
    pub parent_call_sid: Option<CallSid>,
    /// When it started, in milliseconds since 1970 (UTC).
    #[serde(rename = "start_time", deserialize_with = "time_ms")]
    pub start_time_ms: Option<i64>,
}

impl From<CallDetails> for CallMetadata {
    fn from(call: CallDetails) -> Self {
        Self {
            from: call.from,
            to: call.to,
            direction: call.direction,
            parent_call_sid: call.parent_call_sid,
            call_status: call.status,
            duration_seconds: call.duration_seconds,
        }
    }
}

fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.filter(|text| !text.trim().is_empty()))
}

fn sid<'de, D: Deserializer<'de>>(from: D) -> Result<Option<CallSid>, D::Error> {
    Ok(text(from)?.and_then(|sid| sid.parse().ok()))
}

fn time_ms<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    Ok(text(from)?.as_deref().and_then(rfc2822_ms))
}
