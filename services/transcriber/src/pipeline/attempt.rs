//! One attempt, and what it came to.

use domain::{AccountSid, CallMetadata, CallSid, EventKind, RecordingSid};
use queue::Lane;
use tokio::time::Instant;
use twilio::TwilioError;

use crate::{patience::Patience, setback::Setback};

/// One attempt at one recording.
pub struct Attempt<'a> {
    /// The account.
    pub account: &'a AccountSid,
    /// The call.
    pub call: &'a CallSid,
    /// The recording.
    pub recording: &'a RecordingSid,
    /// How many times somebody asked to transcribe it again.
    pub generation: u32,
    /// How long Twilio is still given to have the media.
    pub patience: Patience,
    /// Whether a caller waits for it.
    pub lane: Lane,
    /// When it began.
    pub began: Instant,
    /// From the first enqueue to now, in milliseconds.
    pub queued_ms: u64,
}

impl Attempt<'_> {
    /// What makes a later attempt the same work.
    pub(super) fn work(&self) -> String {
        format!("{}:{}", self.recording, self.generation)
    }

    /// What Twilio's failure means for it.
    pub(super) fn set_back(&self, error: &TwilioError) -> Setback {
        Setback::from_twilio(error, self.account, self.patience)
    }
}

/// What an attempt came to, and what was learnt of the call on the way.
#[derive(Debug)]
pub struct Attempted {
    /// What Twilio says of the call, where it could be asked.
    pub observed: Option<CallMetadata>,
    /// The outcome: `Transcribed`, `NoSpeech` or `NoRecording`.
    pub outcome: Result<EventKind, Setback>,
}
