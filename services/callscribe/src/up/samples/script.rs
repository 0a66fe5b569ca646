//! The sample calls as they are written down beside their recordings.

use domain::{AccountSid, CallSid, RecordingSid};
use serde::Deserialize;

/// `samples/dialogues.toml`; what only the synthesiser needs is left unread.
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
    /// Which callbacks are posted.
    #[serde(default)]
    pub callbacks: Callbacks,
}

/// Which of Twilio's callbacks an account has configured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Callbacks {
    /// The call's status and the recording's status.
    #[default]
    Both,
    /// Only the recording's status.
    Recording,
    /// Only the call's status.
    Call,
}

fn one() -> u16 {
    1
}
