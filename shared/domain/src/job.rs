//! What the `calls` queue carries.

use serde::{Deserialize, Serialize};

use crate::{AccountSid, CallSid, RecordingSid};

/// One piece of work for a transcriber.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "snake_case")]
pub enum CallJob {
    /// Fetch one recording and turn it into a transcript and extracted fields.
    Transcribe {
        /// The account the recording belongs to.
        account_sid: AccountSid,
        /// The call it was made of.
        call_sid: CallSid,
        /// The recording.
        recording_sid: RecordingSid,
        /// 0 for the first transcription; one more for each "transcribe again".
        generation: u32,
        /// Who asked.
        source: JobSource,
    },
    /// List the call's recordings and enqueue a `Transcribe` for each.
    Resolve {
        /// The account the call belongs to.
        account_sid: AccountSid,
        /// The call.
        call_sid: CallSid,
        /// Who asked.
        source: JobSource,
    },
}

/// What a job is about: what every job says, those of newer versions included, so that a worker that
/// does not understand a job can still say of which call it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct JobSubject {
    /// The account the call belongs to.
    pub account_sid: AccountSid,
    /// The call.
    pub call_sid: CallSid,
    /// The recording, where the job is about one.
    #[serde(default)]
    pub recording_sid: Option<RecordingSid>,
    /// As in [`CallJob::Transcribe`].
    #[serde(default)]
    pub generation: u32,
}

/// Where a job came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobSource {
    /// Twilio's recording status callback.
    Callback,
    /// Twilio's call status callback.
    CallStatus,
    /// The comparison with Twilio's own list of recordings.
    Reconcile,
    /// A person.
    Manual,
}

impl JobSource {
    /// The name used in streams, rows and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Callback => "callback",
            Self::CallStatus => "call_status",
            Self::Reconcile => "reconcile",
            Self::Manual => "manual",
        }
    }
}

impl CallJob {
    /// The call this job is about: the key of its stream entry.
    pub fn call_sid(&self) -> &CallSid {
        match self {
            Self::Transcribe { call_sid, .. } | Self::Resolve { call_sid, .. } => call_sid,
        }
    }

    /// The account this job is about.
    pub fn account_sid(&self) -> &AccountSid {
        match self {
            Self::Transcribe { account_sid, .. } | Self::Resolve { account_sid, .. } => account_sid,
        }
    }

    /// Who asked for it.
    pub fn source(&self) -> JobSource {
        match self {
            Self::Transcribe { source, .. } | Self::Resolve { source, .. } => *source,
        }
    }

    /// What it is about.
    pub fn subject(&self) -> JobSubject {
        let (recording_sid, generation) = match self {
            Self::Transcribe { recording_sid, generation, .. } => {
                (Some(recording_sid.clone()), *generation)
            }
            Self::Resolve { .. } => (None, 0),
        };
        let (account_sid, call_sid) = (self.account_sid().clone(), self.call_sid().clone());
        JobSubject { account_sid, call_sid, recording_sid, generation }
    }

    /// What makes two jobs the same work: the recording and its generation, or the call.
    pub fn once_key(&self) -> String {
        match self {
            Self::Transcribe { recording_sid, generation, .. } => {
                format!("transcribe:{recording_sid}:{generation}")
            }
            Self::Resolve { call_sid, .. } => format!("resolve:{call_sid}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transcribe() -> CallJob {
        CallJob::Transcribe {
            account_sid: format!("AC{:032x}", 1).parse().unwrap(),
            call_sid: format!("CA{:032x}", 2).parse().unwrap(),
            recording_sid: format!("RE{:032x}", 3).parse().unwrap(),
            generation: 0,
            source: JobSource::Callback,
        }
    }

    #[test]
    fn a_job_survives_the_way_through_json() {
        let json = serde_json::to_string(&transcribe()).unwrap();
        assert!(json.contains(r#""job":"transcribe""#), "{json}");
        assert_eq!(serde_json::from_str::<CallJob>(&json).unwrap(), transcribe());
    }

    #[test]
    fn the_subject_of_any_job_is_read_from_its_json() {
        let json = serde_json::to_string(&transcribe()).unwrap();
        assert_eq!(serde_json::from_str::<JobSubject>(&json).unwrap(), transcribe().subject());
        let newer = json.replace("transcribe", "summarise").replace("callback", "console");
        assert!(serde_json::from_str::<CallJob>(&newer).is_err());
        assert_eq!(serde_json::from_str::<JobSubject>(&newer).unwrap(), transcribe().subject());
    }

    #[test]
    fn the_same_recording_and_generation_is_the_same_work() {
        assert_eq!(transcribe().once_key(), format!("transcribe:RE{:032x}:0", 3));
    }
}
