//! The sample calls as they are written down beside their recordings.

use domain::{AccountSid, CallSid, RecordingSid};
use serde::Deserialize;

/// `samples/dialogues.toml`; the parts only its synthesiser needs are left unread.
#[derive(Debug, Deserialize)]
pub struct Script {
    /// The account all sample calls belong to.
    pub account_sid: AccountSid,
    /// The calls, in the order in which they are played.
    #[serde(rename = "call")]
    pub calls: Vec<SampleCall>,
}

/// One call.
#[derive(Debug, Clone, Deserialize)]
pub struct SampleCall {
    /// Its name, and that of its recording's file.
    pub name: String,
    /// What it is here for.
    pub shows: String,
    /// As Twilio would give it.
    pub call_sid: CallSid,
    /// Its recording, unless nothing was recorded.
    pub recording_sid: Option<RecordingSid>,
    /// `inbound` or `outbound-api`.
    pub direction: String,
    /// The calling party.
    pub from: String,
    /// The called party.
    pub to: String,
    /// Length of the call in seconds.
    pub duration_seconds: u32,
    /// Channels of the recording.
    #[serde(default = "one")]
    pub channels: u16,
    /// How many times the media answers 404 before it is there.
    #[serde(default)]
    pub media_not_ready: u32,
    /// Whether anything was recorded.
    #[serde(default = "yes")]
    pub recording: bool,
}

fn one() -> u16 {
    1
}

fn yes() -> bool {
    true
}
