//! What stands in Redis after a callback was answered.

use std::collections::BTreeSet;

use domain::{CallJob, EventKind};

use super::running::{Running, recording};

fn names(running: &Running) -> Vec<&'static str> {
    running.events().iter().map(|event| event.kind.name()).collect()
}

#[tokio::test]
async fn both_callbacks_of_a_call_in_either_order_and_twice_are_one_transcription() {
    for recording_first in [true, false] {
        let running = Running::start().await;
        running.add_call(1);
        for _ in 0..2 {
            if recording_first {
                assert_eq!(running.post_recording(1).await, 204);
            }
            assert_eq!(running.post_call(1).await, 204);
            if !recording_first {
                assert_eq!(running.post_recording(1).await, 204);
            }
        }
        let jobs = running.jobs();
        assert!(matches!(jobs.as_slice(), [CallJob::Transcribe { .. }]), "{jobs:?}");
        assert_eq!(running.scheduled(), "1", "one look-up waits for its time");
        let mut names = names(&running);
        names.sort_unstable();
        // One `queued` for the transcription and one for the look-up.
        assert_eq!(names, ["observed", "observed", "queued", "queued"]);
        running.stop().await;
    }
}

#[tokio::test]
async fn several_recordings_of_one_call_are_each_transcribed_once() {
    let running = Running::start().await;
    running.add_call(1);
    let mut second =
        twilio::double::DoubleRecording::new(recording(2), super::running::call(1), "");
    second.channels = 2;
    running.double.add_recording(second);
    for n in [1, 2, 2, 1] {
        assert_eq!(running.post_recording(n).await, 204);
    }
    assert_eq!(running.jobs().len(), 2);
}

#[tokio::test]
async fn the_same_callback_a_hundred_times_at_once_is_one_job() {
    let running = Running::start().await;
    running.add_call(1);
    let posts = (0..100).map(|_| running.post_recording(1));
    let statuses: BTreeSet<u16> = futures_util::future::join_all(posts).await.into_iter().collect();
    assert_eq!(statuses, BTreeSet::from([204]));
    assert_eq!((running.jobs().len(), running.events().len()), (1, 1));
}

#[tokio::test]
async fn nothing_malformed_or_unsigned_reaches_a_stream() {
    let running = Running::start().await;
    running.add_call(1);
    let url = format!("{}/webhooks/twilio/recording", running.url);
    let mut form = running.double.recording_form(&recording(1));
    form.retain(|(name, _)| name != "RecordingSid");
    assert_eq!(running.double.post(&url, &url, &form).await.unwrap(), 400);
    let form = running.double.recording_form(&recording(1));
    let elsewhere = "https://example.com/webhooks/twilio/recording";
    assert_eq!(running.double.post(&url, elsewhere, &form).await.unwrap(), 403);
    assert!(running.jobs().is_empty() && running.events().is_empty());
}

#[tokio::test]
async fn an_absent_recording_is_told_to_the_results_and_is_no_job() {
    let running = Running::start().await;
    let mut absent =
        twilio::double::DoubleRecording::new(recording(1), super::running::call(1), "");
    absent.status = twilio::RecordingStatus::Absent;
    running.double.add_recording(absent);
    assert_eq!(running.post_recording(1).await, 204);
    assert!(running.jobs().is_empty());
    let events = running.events();
    assert_eq!(events[0].kind, EventKind::NoRecording { code: "absent".into() });
}
