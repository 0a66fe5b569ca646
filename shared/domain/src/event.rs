//! What the `results` queue carries: everything that happened to a call, in any order.

use serde::{Deserialize, Serialize};

use crate::{AccountSid, CallSid, Extraction, JobSource, RecordingSid, Transcript};

/// One thing that happened to a call or to one of its recordings.
///
/// Events may arrive in any order and any number of times; whoever folds them into rows orders
/// those of one recording by [`AttemptOrder`] and [`EventKind::rank`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallEvent {
    /// The account.
    pub account_sid: AccountSid,
    /// The call.
    pub call_sid: CallSid,
    /// The recording, where the event is about one; absent for the call as a whole.
    pub recording_sid: Option<RecordingSid>,
    /// Which try at the work this event belongs to.
    #[serde(default)]
    pub order: AttemptOrder,
    /// When it happened, in milliseconds since 1970 (UTC).
    pub at_ms: i64,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// Orders the tries at one piece of work: a later generation, redrive or attempt is newer.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct AttemptOrder {
    /// How many times a person asked to transcribe again.
    pub generation: u32,
    /// How many times the work was taken out of the dead letters.
    pub redrive: u32,
    /// Which attempt, counted from 1; 0 before the first.
    pub attempt: u32,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// Twilio told us about the call.
    Observed(CallMetadata),
    /// Work was enqueued.
    Queued {
        /// Who asked for it.
        source: JobSource,
    },
    /// A transcriber took the work in hand.
    Started,
    /// A transcript was obtained.
    Transcribed(Box<Transcribed>),
    /// The recording holds no speech.
    NoSpeech {
        /// What is known of the recording.
        recording: RecordingFacts,
        /// Where the time went.
        timings: StageTimings,
        /// What engines that heard no word cost, in micro-dollars; absent where none was asked or a
        /// price is not known.
        #[serde(default)]
        cost_microusd: Option<u64>,
    },
    /// There is no recording, or it is gone.
    NoRecording {
        /// A short code: `none_listed`, `absent`, `deleted`, `not_ready`.
        code: String,
    },
    /// An attempt failed.
    Failed {
        /// A short code in snake_case that an operator can look up.
        code: String,
        /// What happened, without secrets, numbers or transcript.
        message: String,
        /// How many attempts were made so far.
        attempts: u32,
        /// Whether Callscribe has given up (the entry stands among the dead letters).
        #[serde(rename = "final")]
        is_final: bool,
    },
}

/// What Twilio says of a call. Empty values never overwrite good ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallMetadata {
    /// The calling party as Twilio gives it (may be `anonymous`, a SIP address or a client name).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The called party.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// `inbound`, `outbound-api`, `outbound-dial`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<String>,
    /// The leg that started this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_call_sid: Option<CallSid>,
    /// Twilio's status of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_status: Option<String>,
    /// How long the call lasted, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<u32>,
}

/// A transcript and what was learnt on the way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transcribed {
    /// What was said.
    pub transcript: Transcript,
    /// What the caller wants and where.
    pub extraction: Extraction,
    /// What is known of the recording.
    pub recording: RecordingFacts,
    /// Where the time went.
    pub timings: StageTimings,
    /// What the engine charged, in micro-dollars (10⁻⁶ USD); absent where no price is known.
    pub cost_microusd: Option<u64>,
    /// Reasons to doubt the transcript, such as `little_text_for_speech`; empty when there are none.
    #[serde(default)]
    pub flags: Vec<String>,
}

/// What is known of a recording once it has been read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RecordingFacts {
    /// Number of channels in the media.
    pub channels: u16,
    /// Samples per second of the media.
    pub sample_rate_hz: u32,
    /// Length in milliseconds.
    pub duration_ms: u64,
    /// Share of the recording that is speech, between 0 and 1.
    pub speech_ratio: Option<f32>,
    /// When the recording started, in milliseconds since 1970 (UTC), where Twilio said so.
    pub started_at_ms: Option<i64>,
}

/// Where the time of one call went, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageTimings {
    /// From the first enqueue to the start of this attempt.
    pub queued_ms: u64,
    /// Fetching the recording.
    pub fetch_ms: u64,
    /// Decoding, resampling and looking for speech.
    pub audio_ms: u64,
    /// The speech engine.
    pub transcribe_ms: u64,
    /// Extraction.
    pub extract_ms: u64,
}

impl EventKind {
    /// Orders the events of one attempt: what can only come later ranks higher.
    pub fn rank(&self) -> u8 {
        match self {
            Self::Observed(_) => 0,
            Self::Queued { .. } => 1,
            Self::Started => 2,
            Self::Failed { is_final: false, .. } => 3,
            Self::Failed { is_final: true, .. } => 4,
            Self::NoRecording { .. } => 5,
            Self::NoSpeech { .. } => 6,
            Self::Transcribed(_) => 7,
        }
    }

    /// Whether nothing follows this event without a person's or an operator's doing.
    pub fn is_terminal(&self) -> bool {
        self.rank() >= 4
    }

    /// The name in streams, rows and metric labels.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Observed(_) => "observed",
            Self::Queued { .. } => "queued",
            Self::Started => "started",
            Self::Transcribed(_) => "transcribed",
            Self::NoSpeech { .. } => "no_speech",
            Self::NoRecording { .. } => "no_recording",
            Self::Failed { .. } => "failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: EventKind) -> CallEvent {
        CallEvent {
            account_sid: format!("AC{:032x}", 1).parse().unwrap(),
            call_sid: format!("CA{:032x}", 2).parse().unwrap(),
            recording_sid: None,
            order: AttemptOrder::default(),
            at_ms: 1,
            kind,
        }
    }

    #[test]
    fn events_survive_the_way_through_json_and_name_themselves() {
        let failed = event(EventKind::Failed {
            code: "media_timeout".into(),
            message: "no answer within 30 s".into(),
            attempts: 2,
            is_final: true,
        });
        let json = serde_json::to_string(&failed).unwrap();
        assert!(json.contains(r#""event":"failed""#) && json.contains(r#""final":true"#), "{json}");
        assert_eq!(serde_json::from_str::<CallEvent>(&json).unwrap(), failed);
    }

    #[test]
    fn a_later_generation_outranks_any_attempt_of_an_earlier_one() {
        let old = AttemptOrder { generation: 0, redrive: 9, attempt: 9 };
        let new = AttemptOrder { generation: 1, redrive: 0, attempt: 0 };
        assert!(new > old);
    }

    #[test]
    fn only_outcomes_are_terminal() {
        assert!(!event(EventKind::Started).kind.is_terminal());
        assert!(event(EventKind::NoRecording { code: "none_listed".into() }).kind.is_terminal());
    }
}
