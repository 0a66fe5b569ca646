//! Where Callscribe stands with a call or a recording.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where Callscribe stands with a call or a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Twilio told us about the call; no work on it is known.
    Observed,
    /// Work waits.
    Queued,
    /// A transcriber has it in hand.
    Transcribing,
    /// An attempt failed, another follows.
    Retrying,
    /// There is a transcript.
    Completed,
    /// The recordings hold no speech.
    NoSpeech,
    /// There is no recording, or it is gone.
    NoRecording,
    /// Callscribe has given up; the work stands among the dead letters.
    Failed,
}

/// A text that is no status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a status is one of observed, queued, transcribing, retrying, completed, no_speech, \
     no_recording, failed"
)]
pub struct UnknownStatus;

impl Status {
    /// Every status.
    pub const ALL: [Self; 8] = [
        Self::Observed,
        Self::Queued,
        Self::Transcribing,
        Self::Retrying,
        Self::Completed,
        Self::NoSpeech,
        Self::NoRecording,
        Self::Failed,
    ];

    /// The name in rows and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observed => "observed",
            Self::Queued => "queued",
            Self::Transcribing => "transcribing",
            Self::Retrying => "retrying",
            Self::Completed => "completed",
            Self::NoSpeech => "no_speech",
            Self::NoRecording => "no_recording",
            Self::Failed => "failed",
        }
    }

    /// Whether nothing follows without a person's or an operator's doing.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::NoSpeech | Self::NoRecording | Self::Failed)
    }

    /// Whether work on it waits or is in hand. A call that was only observed has none: it may be a
    /// leg, or a call nobody recorded.
    pub fn is_under_way(self) -> bool {
        matches!(self, Self::Queued | Self::Transcribing | Self::Retrying)
    }

    /// The status after an event of this rank ([`domain::EventKind::rank`]).
    pub(super) fn of_rank(rank: u8) -> Self {
        match rank {
            0 => Self::Observed,
            1 => Self::Queued,
            2 => Self::Transcribing,
            3 => Self::Retrying,
            4 => Self::Failed,
            5 => Self::NoRecording,
            6 => Self::NoSpeech,
            _ => Self::Completed,
        }
    }

    /// Which recording's status stands for the whole call: unfinished work first, then what
    /// somebody should look at, then what there is to read.
    pub(super) fn weight(self) -> u8 {
        match self {
            Self::Transcribing => 7,
            Self::Retrying => 6,
            Self::Queued => 5,
            Self::Failed => 4,
            Self::Completed => 3,
            Self::NoSpeech => 2,
            Self::NoRecording => 1,
            Self::Observed => 0,
        }
    }
}

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(UnknownStatus)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
