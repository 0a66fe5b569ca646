//! A recording as Twilio's REST API tells it.

use domain::{CallSid, RecordingSid};
use serde::Deserialize;
use url::Url;

/// One recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// Its identifier.
    pub sid: RecordingSid,
    /// The call it was made of (the parent leg).
    pub call_sid: CallSid,
    /// How far it is.
    pub status: RecordingStatus,
    /// Length in seconds; absent while Twilio does not know it.
    pub duration_seconds: Option<u32>,
    /// Channels of the media.
    pub channels: Option<u16>,
    /// When it started, in milliseconds since 1970 (UTC).
    pub start_time_ms: Option<i64>,
    /// When Twilio's list got it, in milliseconds since 1970 (UTC).
    pub created_ms: Option<i64>,
    /// What made it: `DialVerb`, `OutboundAPI`, `RecordVerb`, …
    pub source: Option<String>,
    /// Why it failed, as Twilio's error code.
    pub error_code: Option<u32>,
    /// Whether the media is encrypted with a key of the account's owner.
    pub encrypted: bool,
    /// Where the media is, when the account keeps it in a place of its own, outside Twilio.
    pub external_media: Option<Url>,
}

/// How far a recording is, in callbacks and in the REST API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordingStatus {
    /// The call is being recorded.
    InProgress,
    /// Recording is paused.
    Paused,
    /// Recording has stopped.
    Stopped,
    /// Twilio is preparing the media.
    Processing,
    /// The media is there, or will be in a moment.
    Completed,
    /// There is no recording: silence was trimmed away, or the call was too short.
    Absent,
    /// Recording failed.
    Failed,
    /// It was deleted.
    Deleted,
    /// Something Twilio did not document yet.
    Other(String),
}

impl RecordingStatus {
    /// Whether it will change without anybody's doing: not finished, not failed.
    pub fn is_pending(&self) -> bool {
        matches!(self, Self::InProgress | Self::Paused | Self::Stopped | Self::Processing)
    }

    /// Twilio's word for it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::InProgress => "in-progress",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Absent => "absent",
            Self::Failed => "failed",
            Self::Deleted => "deleted",
            Self::Other(word) => word,
        }
    }
}

impl From<&str> for RecordingStatus {
    fn from(word: &str) -> Self {
        match word {
            "in-progress" => Self::InProgress,
            "paused" => Self::Paused,
            "stopped" => Self::Stopped,
            "processing" => Self::Processing,
            "completed" => Self::Completed,
            "absent" => Self::Absent,
            "failed" => Self::Failed,
            "deleted" => Self::Deleted,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// A recording as it stands in the answer: everything but the identifiers may be missing.
#[derive(Debug, Deserialize)]
pub(crate) struct RecordingJson {
    sid: RecordingSid,
    call_sid: CallSid,
    #[serde(default)]
    status: Option<String>,
    #[serde(default, deserialize_with = "lenient_number")]
    duration: Option<u32>,
    #[serde(default, deserialize_with = "lenient_number")]
    channels: Option<u16>,
    #[serde(default)]
    start_time: Option<String>,
    #[serde(default)]
    date_created: Option<String>,
    #[serde(default)]
    source: Option<String>,
    #[serde(default, deserialize_with = "lenient_number")]
    error_code: Option<u32>,
    #[serde(default)]
    encryption_details: Option<serde_json::Value>,
    #[serde(default)]
    media_url: Option<String>,
}

impl RecordingJson {
    pub(crate) fn into_recording(self, api_host: Option<&str>) -> Recording {
        let is_external =
            |url: &Url| url.host_str().is_some_and(|h| Some(h) != api_host && !is_twilio(h));
        let media = self.media_url.as_deref().and_then(|media| Url::parse(media).ok());
        Recording {
            sid: self.sid,
            call_sid: self.call_sid,
            status: self.status.as_deref().unwrap_or_default().into(),
            duration_seconds: self.duration,
            channels: self.channels,
            start_time_ms: self.start_time.as_deref().and_then(rfc2822_ms),
            created_ms: self.date_created.as_deref().and_then(rfc2822_ms),
            source: self.source,
            error_code: self.error_code,
            encrypted: self.encryption_details.is_some_and(|details| !details.is_null()),
            external_media: media.filter(is_external),
        }
    }
}

fn is_twilio(host: &str) -> bool {
    host == "twilio.com" || host.ends_with(".twilio.com")
}

/// `Fri, 14 Oct 2016 21:56:34 +0000` in milliseconds since 1970.
pub(crate) fn rfc2822_ms(text: &str) -> Option<i64> {
    Some(chrono::DateTime::parse_from_rfc2822(text.trim()).ok()?.timestamp_millis())
}

/// Twilio writes numbers as texts or numbers, and unknown ones as null, `""` or `-1`.
pub(crate) fn lenient_number<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: std::str::FromStr,
{
    let text = match serde_json::Value::deserialize(from)? {
        serde_json::Value::String(text) => text,
        serde_json::Value::Number(number) => number.to_string(),
        _ => return Ok(None),
    };
    Ok(text.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: serde_json::Value) -> Recording {
        serde_json::from_value::<RecordingJson>(json)
            .unwrap()
            .into_recording(Some("api.twilio.com"))
    }

    fn sids() -> serde_json::Value {
        serde_json::json!({ "sid": format!("RE{:032x}", 1), "call_sid": format!("CA{:032x}", 2) })
    }

    fn with(more: serde_json::Value) -> Recording {
        let mut json = sids();
        json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        read(json)
    }

    #[test]
    fn a_recording_is_read_as_twilio_documents_it() {
        let recording = with(serde_json::json!({
            "status": "completed", "duration": "17", "channels": 2,
            "start_time": "Fri, 14 Oct 2016 21:56:34 +0000",
            "date_created": "Fri, 14 Oct 2016 21:56:35 +0000",
            "source": "DialVerb", "error_code": null, "encryption_details": null,
            "media_url": "https://api.twilio.com/2010-04-01/Accounts/AC/Recordings/RE",
        }));
        assert_eq!(recording.status, RecordingStatus::Completed);
        assert_eq!((recording.duration_seconds, recording.channels), (Some(17), Some(2)));
        assert_eq!(recording.start_time_ms, Some(1_476_482_194_000));
        assert_eq!(recording.created_ms, Some(1_476_482_195_000));
        assert!(!recording.encrypted && recording.external_media.is_none());
    }

    #[test]
    fn what_twilio_does_not_know_yet_is_absent() {
        let recording = with(serde_json::json!({ "status": "processing", "duration": "-1" }));
        assert_eq!((recording.duration_seconds, recording.channels), (None, None));
        assert!(recording.status.is_pending());
        assert_eq!(read(sids()).status, RecordingStatus::Other(String::new()));
    }

    #[test]
    fn media_outside_twilio_and_encryption_are_noticed() {
        let recording = with(serde_json::json!({
            "encryption_details": { "type": "rsa-aes" },
            "media_url": "https://bucket.s3.amazonaws.com/x",
        }));
        assert!(recording.encrypted && recording.external_media.is_some());
        let regional = with(serde_json::json!({ "media_url": "https://api.ie1.twilio.com/x" }));
        assert!(regional.external_media.is_none());
        let lookalike = with(serde_json::json!({ "media_url": "https://eviltwilio.com/x" }));
        assert!(lookalike.external_media.is_some());
    }

    #[test]
    fn an_unknown_status_keeps_its_word() {
        let status = RecordingStatus::from("dreaming");
        assert_eq!(status.as_str(), "dreaming");
        assert!(!status.is_pending());
    }
}
