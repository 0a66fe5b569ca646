//! Callback forms, typed. All that is certain are the identifiers: every other parameter may be
//! absent, empty, `-1` or new.

use domain::{AccountSid, CallMetadata, CallSid, RecordingSid};

use crate::{Form, RecordingStatus};

/// What is wrong with a form. Names the parameter, and repeats nothing of what was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// A parameter that is needed is not there, or empty.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// An identifier has the wrong shape.
    #[error("{name} is malformed: {reason}")]
    Malformed {
        /// The parameter.
        name: &'static str,
        /// What is allowed.
        reason: String,
    },
}

/// A recording status callback, as far as it is relied on: length, channels and start are taken from
/// the recording itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingCallback {
    /// The account.
    pub account_sid: AccountSid,
    /// The call.
    pub call_sid: CallSid,
    /// The recording.
    pub recording_sid: RecordingSid,
    /// How far it is. A callback without a status (that of `<Record action=…>`) speaks of a
    /// recording that is finished.
    pub status: RecordingStatus,
    /// What the form says of the call itself: as a rule nothing.
    pub call: CallMetadata,
}

/// A call status callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallCallback {
    /// The account.
    pub account_sid: AccountSid,
    /// The call.
    pub call_sid: CallSid,
    /// What Twilio says of it.
    pub call: CallMetadata,
    /// What happened to a media stream of the call (`stream-started`, `stream-stopped`,
    /// `stream-error`), where the callback is that of a stream: then it has no status of the call.
    pub stream_event: Option<String>,
}

/// Whether a call is over and was answered: only then can all its recordings be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Its status says something else, or a stream of it has just started.
    No,
    /// There is no status to say so: a stream of it ended, or the callback tells nothing.
    Presumed,
    /// Its status says so.
    Said,
}

impl CallCallback {
    /// Reads the form of a call status callback.
    ///
    /// # Errors
    /// When an identifier is missing or malformed.
    pub fn read(form: &Form<'_>) -> Result<Self, FormError> {
        Ok(Self {
            account_sid: sid(form, "AccountSid")?,
            call_sid: sid(form, "CallSid")?,
            call: metadata(form),
            stream_event: form.get("StreamEvent").map(str::to_owned),
        })
    }

    /// Whether the call is over.
    pub fn end(&self) -> End {
        match (self.call.call_status.as_deref(), self.stream_event.as_deref()) {
            (Some("completed"), _) => End::Said,
            (Some(_), _) | (None, Some("stream-started")) => End::No,
            // A stream ends with its call as a rule, but not always; and a callback that tells
            // nothing may be the only one that is configured.
            (None, _) => End::Presumed,
        }
    }
}

impl RecordingCallback {
    /// Reads the form of a recording status callback.
    ///
    /// # Errors
    /// When an identifier is missing or malformed.
    pub fn read(form: &Form<'_>) -> Result<Self, FormError> {
        Ok(Self {
            account_sid: sid(form, "AccountSid")?,
            call_sid: sid(form, "CallSid")?,
            recording_sid: sid(form, "RecordingSid")?,
            status: form.get("RecordingStatus").unwrap_or("completed").into(),
            call: metadata(form),
        })
    }
}

fn sid<T>(form: &Form<'_>, name: &'static str) -> Result<T, FormError>
where
    T: std::str::FromStr<Err = domain::SidError>,
{
    let text = form.get(name).ok_or(FormError::Missing(name))?;
    text.parse()
        .map_err(|error: domain::SidError| FormError::Malformed { name, reason: error.to_string() })
}

fn metadata(form: &Form<'_>) -> CallMetadata {
    let text = |name| form.get(name).map(str::to_owned);
    CallMetadata {
        from: text("From"),
        to: text("To"),
        direction: text("Direction"),
        // A malformed parent only costs a link between two legs, so the callback is taken anyway.
        parent_call_sid: form.get("ParentCallSid").and_then(|sid| sid.parse().ok()),
        call_status: text("CallStatus"),
        duration_seconds: form.number("CallDuration"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AC: &str = "AC00000000000000000000000000000001";
    const CA: &str = "CA00000000000000000000000000000002";
    const RE: &str = "RE00000000000000000000000000000003";

    fn ids() -> String {
        format!("AccountSid={AC}&CallSid={CA}&RecordingSid={RE}")
    }

    fn recording(more: &str) -> Result<RecordingCallback, FormError> {
        RecordingCallback::read(&Form::parse(format!("{}{more}", ids()).as_bytes()))
    }

    #[test]
    fn a_recording_callback_is_read_as_twilio_sends_it() {
        let read = recording(
            "&RecordingStatus=completed&RecordingDuration=17&RecordingChannels=2&ErrorCode=0\
             &RecordingStartTime=Fri%2C+14+Oct+2016+21%3A56%3A34+%2B0000&RecordingUrl=https%3A%2F%2Fx\
             &RecordingSource=DialVerb&RecordingTrack=both&Tomorrow=new",
        )
        .unwrap();
        assert_eq!(read.status, RecordingStatus::Completed);
        assert_eq!(read.call, CallMetadata::default());
    }

    #[test]
    fn only_the_identifiers_are_needed() {
        let read = recording("&RecordingDuration=&RecordingChannels=-1").unwrap();
        assert_eq!(read.status, RecordingStatus::Completed);
    }

    #[test]
    fn an_unknown_status_is_kept_as_it_is() {
        let read = recording("&RecordingStatus=dreaming").unwrap();
        assert_eq!(read.status, RecordingStatus::Other("dreaming".into()));
    }

    #[test]
    fn what_is_missing_or_malformed_is_named_and_not_repeated() {
        let form = format!("AccountSid={AC}&CallSid={CA}");
        let error = RecordingCallback::read(&Form::parse(form.as_bytes())).unwrap_err();
        assert_eq!(error.to_string(), "RecordingSid is missing");
        let form = format!("AccountSid={AC}&CallSid=%3Cscript%3E");
        let error = CallCallback::read(&Form::parse(form.as_bytes())).unwrap_err().to_string();
        assert_eq!(
            error,
            "CallSid is malformed: a CallSid is CA followed by 32 hexadecimal digits"
        );
    }

    #[test]
    fn a_call_callback_brings_what_it_knows_of_the_call() {
        let form = format!(
            "AccountSid={AC}&CallSid={CA}&From=%2B972541234567&To=&Direction=inbound\
             &CallStatus=completed&CallDuration=61&ParentCallSid=nonsense&Timestamp=x"
        );
        let read = CallCallback::read(&Form::parse(form.as_bytes())).unwrap();
        assert_eq!(read.end(), End::Said);
        assert_eq!(read.call.from.as_deref(), Some("+972541234567"));
        assert_eq!((read.call.to, read.call.parent_call_sid), (None, None));
        assert_eq!(read.call.duration_seconds, Some(61));
    }

    #[test]
    fn only_a_status_says_that_a_call_is_over() {
        for (more, end) in [
            ("&CallStatus=completed", End::Said),
            ("&CallStatus=in-progress", End::No),
            ("&CallStatus=in-progress&StreamEvent=stream-stopped", End::No),
            ("&StreamEvent=stream-started", End::No),
            ("&StreamEvent=stream-stopped", End::Presumed),
            ("&StreamEvent=stream-error", End::Presumed),
            ("&CallStatus=", End::Presumed),
            ("", End::Presumed),
        ] {
            let form = format!("AccountSid={AC}&CallSid={CA}{more}");
            let read = CallCallback::read(&Form::parse(form.as_bytes())).unwrap();
            assert_eq!(read.end(), end, "{more}");
        }
    }
}
