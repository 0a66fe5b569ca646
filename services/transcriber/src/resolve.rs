//! From a call to its recordings.

use std::time::Duration;

use domain::{AccountSid, CallJob, CallMetadata, CallSid, EventKind, JobSource};
use twilio::{Client, Recording, RecordingStatus, TwilioError};

use crate::{
    patience::Patience,
    setback::{Setback, Treatment},
};

/// What became of a call whose recordings were asked for.
#[derive(Debug)]
pub struct Resolved {
    /// What Twilio says of the call.
    pub observed: Option<CallMetadata>,
    /// A job for each recording that can be transcribed.
    pub jobs: Vec<CallJob>,
    /// How it ends: `None` when the jobs are all there is to do.
    pub outcome: Result<Option<EventKind>, Setback>,
}

/// Lists the recordings of a call, or of its parent where the call itself has none: recordings
/// belong to the parent leg.
pub async fn resolve(
    client: &Client,
    account: &AccountSid,
    call: &CallSid,
    source: JobSource,
    patience: Patience,
) -> Resolved {
    let failed = |error: TwilioError, observed| Resolved {
        observed,
        jobs: Vec::new(),
        outcome: Err(Setback::from_twilio(&error, account, patience)),
    };
    let (details, own) =
        tokio::join!(client.call(account, call), client.recordings_of_call(account, call));
    let observed = match details {
        Ok(details) => Some(CallMetadata::from(details)),
        Err(TwilioError::NotFound { .. }) => None,
        Err(error) => return failed(error, None),
    };
    let own = match own {
        Ok(own) => own,
        Err(error) => return failed(error, observed),
    };
    let parent = observed.as_ref().and_then(|call| call.parent_call_sid.clone());
    let listed = match parent.filter(|_| own.is_empty()) {
        None => own,
        Some(parent) => match client.recordings_of_call(account, &parent).await {
            Ok(listed) => listed,
            Err(error) => return failed(error, observed),
        },
    };
    let is_late = patience.while_under_way().is_none();
    let jobs =
        listed.iter().filter_map(|recording| job(account, recording, source, is_late)).collect();
    let outcome = outcome(observed.as_ref(), &listed, patience);
    Resolved { observed, jobs, outcome }
}

/// How long to wait for the end of a call that is still going on.
const CALL_GOES_ON: Duration = Duration::from_secs(120);

/// A call that has not ended may still be recorded.
fn is_under_way(call: &CallMetadata) -> bool {
    let under_way = ["queued", "initiated", "ringing", "in-progress"];
    call.call_status.as_deref().is_some_and(|status| under_way.contains(&status))
}

fn under_way() -> Setback {
    let message = "Twilio says that the call is still going on";
    Setback::new(Treatment::Wait(CALL_GOES_ON), "call_goes_on", message)
}

/// The work on a recording; on one that Twilio is not done with only when it is `late` for this
/// look-up to wait on.
fn job(
    account: &AccountSid,
    recording: &Recording,
    source: JobSource,
    is_late: bool,
) -> Option<CallJob> {
    let unknown = matches!(recording.status, RecordingStatus::Other(_));
    let pending = is_late && recording.status.is_pending();
    (recording.status == RecordingStatus::Completed || unknown || pending).then(|| {
        CallJob::Transcribe {
            account_sid: account.clone(),
            call_sid: recording.call_sid.clone(),
            recording_sid: recording.sid.clone(),
            generation: 0,
            source,
        }
    })
}

fn outcome(
    call: Option<&CallMetadata>,
    listed: &[Recording],
    patience: Patience,
) -> Result<Option<EventKind>, Setback> {
    // One that goes on for longer than a call can last is one that Twilio has forgotten.
    let is_late = patience.while_under_way().is_none();
    if listed.is_empty() && !is_late && call.is_some_and(is_under_way) {
        return Err(under_way());
    }
    let any = |wanted: fn(&RecordingStatus) -> bool| listed.iter().any(|one| wanted(&one.status));
    let no_recording = |code: &str| Ok(Some(EventKind::NoRecording { code: code.into() }));
    if any(RecordingStatus::is_pending)
        && let Some(wait) = patience.while_under_way()
    {
        let message = "Twilio is not done with the call's recordings yet";
        return Err(Setback::new(Treatment::Wait(wait), "not_ready", message));
    }
    let ready = |status: &RecordingStatus| {
        matches!(status, RecordingStatus::Completed | RecordingStatus::Other(_))
    };
    if listed.is_empty() {
        no_recording("none_listed")
    } else if any(ready) || any(RecordingStatus::is_pending) {
        Ok(None)
    } else if any(|status| *status == RecordingStatus::Deleted) {
        no_recording("deleted")
    } else {
        no_recording("absent")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_goes_on_is_waited_for_as_long_as_a_call_can_last() {
        let call = CallMetadata { call_status: Some("in-progress".into()), ..Default::default() };
        let resolved = |hours: u64| {
            let age = Duration::from_secs(hours * 3600);
            outcome(Some(&call), &[], Patience::new(age, Duration::from_secs(1800)))
        };
        assert_eq!(resolved(23).unwrap_err().treatment, Treatment::Wait(CALL_GOES_ON));
        let none_listed = EventKind::NoRecording { code: "none_listed".into() };
        assert_eq!(resolved(25), Ok(Some(none_listed)));
    }
}
