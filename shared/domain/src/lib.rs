//! The vocabulary of Callscribe: identifiers, jobs, transcripts, extractions and events.
//!
//! No I/O and no clock: everything here is a value that can be written to a stream entry, a
//! database row or a log line, and read back as the same value.

mod event;
mod extraction;
mod job;
mod phone;
mod redact;
mod sid;
mod transcript;

pub use event::{
    AttemptOrder, CallEvent, CallMetadata, EventKind, RecordingFacts, StageTimings, Transcribed,
};
pub use extraction::{Agreement, Evidence, Extraction, Field};
pub use job::{CallJob, JobSource};
pub use phone::{E164, PhoneError, mask_phone};
pub use redact::{RedactError, RedactSettings, Redactor};
pub use sid::{AccountSid, CallSid, RecordingSid, SidError};
pub use transcript::{Engine, Segment, Speaker, Transcript};
