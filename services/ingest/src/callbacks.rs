//! What a callback means: which event and which job.

use domain::{
    AccountSid, AttemptOrder, CallEvent, CallJob, CallMetadata, CallSid, EventKind, JobSource,
    RecordingSid,
};
use twilio::{
    Form, RecordingStatus,
    callback::{CallCallback, End, FormError, RecordingCallback},
};

use crate::Kind;

/// What is to be enqueued for a callback.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// The call.
    pub call_sid: CallSid,
    /// The recording, if the callback is about one.
    pub recording_sid: Option<RecordingSid>,
    /// What the form says of the call.
    pub call: CallMetadata,
    /// What happened, and what is to be done.
    pub news: News,
}

impl Work {
    /// The job it brings, if any.
    pub fn job(&self) -> Option<&CallJob> {
        match &self.news {
            News::Recorded { job, .. } | News::Ended { job, .. } => Some(job),
            News::Nothing | News::Happened(_) => None,
        }
    }
}

/// What happened, and what is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// Nothing yet: another callback will come.
    Nothing,
    /// A recording is finished: it is work, and its call may have been described along the way.
    Recorded {
        /// The transcription.
        job: CallJob,
        /// What the form says of the call.
        observed: Option<CallEvent>,
    },
    /// Something to remember about the call or its recording.
    Happened(CallEvent),
    /// The call is over: its recordings are looked up a while later.
    Ended {
        /// What the form says of the call.
        observed: CallEvent,
        /// The look-up.
        job: CallJob,
        /// Whether nothing says so for certain, or it goes on after a recording: then this look-up does not stand in for the one
        /// after the certain end.
        presumed: bool,
    },
}

/// Reads a callback's form. `now_ms` is the time of its arrival.
///
/// # Errors
/// When an identifier is missing or malformed.
pub fn read(kind: Kind, form: &Form<'_>, now_ms: i64) -> Result<Work, FormError> {
    match kind {
        Kind::Recording => RecordingCallback::read(form).map(|read| recording(read, now_ms)),
        Kind::Call => CallCallback::read(form).map(|read| call(read, now_ms)),
    }
}

/// Reads a form that comes where Twilio waits for instructions: one that names no recording (`<Dial>`
/// tells an address alone, `<Connect>` nothing) is no mistake, and has the recordings looked up. A
/// refusal would reach the caller on the line.
///
/// # Errors
/// As [`read`].
pub fn read_action(kind: Kind, form: &Form<'_>, now_ms: i64) -> Result<Work, FormError> {
    match read(kind, form, now_ms) {
        Err(FormError::Missing("RecordingSid")) => {
            let read = CallCallback::read(form)?;
            let end = if read.end() == End::Said { End::Said } else { End::Presumed };
            Ok(call_at(end, read, now_ms))
        }
        read => read,
    }
}

fn recording(read: RecordingCallback, now_ms: i64) -> Work {
    let RecordingCallback { account_sid, call_sid, recording_sid, status, call, .. } = read;
    let news = match status {
        RecordingStatus::Completed => News::Recorded {
            job: CallJob::Transcribe {
                account_sid: account_sid.clone(),
                call_sid: call_sid.clone(),
                recording_sid: recording_sid.clone(),
                generation: 0,
                source: JobSource::Callback,
            },
            observed: (call != CallMetadata::default())
                .then(|| observed(account_sid, call_sid.clone(), call.clone(), now_ms)),
        },
        RecordingStatus::Absent | RecordingStatus::Failed => {
            let code = match status {
                RecordingStatus::Absent => "absent",
                _ => "recording_failed",
            };
            News::Happened(CallEvent {
                account_sid,
                call_sid: call_sid.clone(),
                recording_sid: Some(recording_sid.clone()),
                order: AttemptOrder::default(),
                at_ms: now_ms,
                kind: EventKind::NoRecording { code: code.into() },
            })
        }
        _ => News::Nothing,
    };
    Work { call_sid, recording_sid: Some(recording_sid), call, news }
}

fn call(read: CallCallback, now_ms: i64) -> Work {
    call_at(read.end(), read, now_ms)
}

fn call_at(end: End, read: CallCallback, now_ms: i64) -> Work {
    let CallCallback { account_sid, call_sid, call, .. } = read;
    let event = observed(account_sid.clone(), call_sid.clone(), call.clone(), now_ms);
    let news = if end == End::No {
        News::Happened(event)
    } else {
        let job = CallJob::Resolve {
            account_sid,
            call_sid: call_sid.clone(),
            source: JobSource::CallStatus,
        };
        News::Ended { observed: event, job, presumed: end == End::Presumed }
    };
    Work { call_sid, recording_sid: None, call, news }
}

fn observed(
    account_sid: AccountSid,
    call_sid: CallSid,
    call: CallMetadata,
    now_ms: i64,
) -> CallEvent {
    CallEvent {
        account_sid,
        call_sid,
        recording_sid: None,
        order: AttemptOrder::default(),
        at_ms: now_ms,
        kind: EventKind::Observed(call),
    }
}

#[cfg(test)]
#[expect(clippy::panic, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const IDS: &str = "AccountSid=AC00000000000000000000000000000001\
                       &CallSid=CA00000000000000000000000000000002\
                       &RecordingSid=RE00000000000000000000000000000003";

    fn news(kind: Kind, more: &str) -> News {
        read(kind, &Form::parse(format!("{IDS}{more}").as_bytes()), 7).unwrap().news
    }

    #[test]
    fn a_finished_recording_is_work() {
        for status in ["&RecordingStatus=completed", "&RecordingStatus=", ""] {
            let News::Recorded { job, observed } = news(Kind::Recording, status) else {
                panic!("{status} made no work");
            };
            assert_eq!(job.once_key(), "transcribe:RE00000000000000000000000000000003:0");
            assert_eq!((job.source(), observed), (JobSource::Callback, None));
        }
    }

    #[test]
    fn what_a_recording_s_form_says_of_its_call_is_not_lost() {
        let more = "&RecordingStatus=completed&From=%2B15125550123";
        let News::Recorded { observed: Some(event), .. } = news(Kind::Recording, more) else {
            panic!("no event");
        };
        let EventKind::Observed(call) = event.kind else { panic!("{event:?}") };
        assert_eq!(call.from.as_deref(), Some("+15125550123"));
    }

    #[test]
    fn a_recording_that_never_came_to_be_is_said_to_be_none() {
        for (status, expected) in [("absent", "absent"), ("failed", "recording_failed")] {
            let news = news(Kind::Recording, &format!("&RecordingStatus={status}"));
            let News::Happened(event) = news else { panic!("{news:?}") };
            assert_eq!(event.kind, EventKind::NoRecording { code: expected.into() });
            assert!(event.recording_sid.is_some());
        }
    }

    #[test]
    fn a_recording_that_goes_on_or_is_in_an_unknown_state_is_no_work() {
        for status in ["in-progress", "processing", "dreaming"] {
            let news = news(Kind::Recording, &format!("&RecordingStatus={status}"));
            assert_eq!(news, News::Nothing, "{status}");
        }
    }

    #[test]
    fn the_end_of_a_call_is_observed_and_its_recordings_are_looked_up() {
        for (more, is_presumed) in [
            ("&CallStatus=completed&From=%2B15125550123", false),
            ("&StreamEvent=stream-stopped", true),
            ("", true),
        ] {
            let News::Ended { job, observed, presumed } = news(Kind::Call, more) else {
                panic!("{more} is no end");
            };
            assert_eq!(job.once_key(), "resolve:CA00000000000000000000000000000002");
            assert!(matches!(observed.kind, EventKind::Observed(_)));
            assert_eq!(presumed, is_presumed, "{more}");
        }
    }

    #[test]
    fn an_action_that_names_no_recording_has_them_looked_up() {
        let ids = IDS.split("&RecordingSid").next().unwrap();
        for (more, is_presumed) in [
            ("&DialCallStatus=completed&CallStatus=in-progress", true),
            ("&RecordingSid=&CallStatus=completed", false),
            ("", true),
        ] {
            let form = format!("{ids}{more}");
            let form = Form::parse(form.as_bytes());
            let work = read_action(Kind::Recording, &form, 7).unwrap();
            let News::Ended { job, presumed, .. } = work.news else { panic!("{more}") };
            assert_eq!(job.once_key(), "resolve:CA00000000000000000000000000000002");
            assert_eq!(presumed, is_presumed, "{more}");
            assert!(read(Kind::Recording, &form, 7).is_err());
        }
        let form = Form::parse(IDS.as_bytes());
        let work = read_action(Kind::Recording, &form, 7).unwrap();
        assert!(matches!(work.news, News::Recorded { .. }));
    }

    #[test]
    fn a_stream_that_starts_ends_nothing() {
        assert!(matches!(news(Kind::Call, "&StreamEvent=stream-started"), News::Happened(_)));
    }

    #[test]
    fn every_other_status_of_a_call_is_only_observed() {
        for status in [
            "queued",
            "initiated",
            "ringing",
            "in-progress",
            "busy",
            "failed",
            "no-answer",
            "canceled",
            "dreaming",
        ] {
            let news = news(Kind::Call, &format!("&CallStatus={status}"));
            let News::Happened(event) = news else { panic!("{news:?}") };
            let EventKind::Observed(call) = event.kind else { panic!("{event:?}") };
            assert_eq!(call.call_status.as_deref(), Some(status));
        }
    }
}
