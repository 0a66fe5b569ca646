//! What waits instead of failing: for media, a limit, an account, a newer worker.

use domain::{CallJob, EventKind, JobSource};
use twilio::{
    RecordingStatus,
    double::{DoubleRecording, Fault},
};

use crate::{
    media::{Coding, voice, wav},
    stage::{Stage, account, call, outcome, recording, until_so},
};

#[tokio::test]
async fn media_that_is_not_ready_is_waited_for_without_counting_attempts() {
    let speech = voice(12);
    let mut stage = Stage::start().await;
    stage.engine_hears().await;
    stage.inbound(1);
    let media = wav(Coding::MuLaw, 16_000, &[speech]);
    let media = DoubleRecording::new(recording(1), call(1), media);
    stage.twilio.add_recording(DoubleRecording { not_ready_times: 2, ..media });
    stage.transcribe(1).await;

    let events = stage.until_terminal().await;
    assert!(matches!(outcome(&events), EventKind::Transcribed(_)), "{events:?}");
    assert_eq!(events.iter().map(|event| event.order.attempt).max(), Some(1));
    let waits = events.iter().filter(|event| {
        matches!(&event.kind, EventKind::Failed { code, is_final: false, .. } if code == "not_ready")
    });
    assert_eq!(waits.count(), 2);
    stage.stop().await;
}

#[tokio::test]
async fn a_recording_that_is_still_being_made_is_waited_for_beyond_the_time_for_missing_media() {
    let mut stage = Stage::with(|config| config.transcriber.not_ready_seconds = 0).await;
    let empty = wav(Coding::Pcm16, 8_000, &[vec![]]);
    for (number, status) in [
        (1, RecordingStatus::InProgress),
        (2, RecordingStatus::Paused),
        (3, RecordingStatus::Processing),
        (4, RecordingStatus::InProgress),
    ] {
        stage.inbound(number);
        let media = DoubleRecording::new(recording(number), call(number), empty.clone());
        stage.twilio.add_recording(DoubleRecording { status, ..media });
        if number == 4 {
            stage.resolve(number).await;
        } else {
            stage.transcribe(number).await;
        }
    }
    for _ in 0..4 {
        let events =
            stage.until(|event| event.kind.is_terminal() || event.kind.name() == "failed").await;
        let EventKind::Failed { code, is_final: false, .. } = &events.last().unwrap().kind else {
            panic!("{events:?}")
        };
        assert_eq!(code, "not_ready");
        // The recording's own callback, when it is finished, must not meet work that is done.
        assert!(!events.iter().any(|e| e.call_sid == call(4) && e.recording_sid.is_some()));
    }
    until_so(async || stage.calls.stats().await.unwrap().scheduled == 4).await;
    stage.stop().await;
}

#[tokio::test]
async fn the_first_look_after_an_outage_of_twilio_is_not_believed() {
    let mut stage = Stage::with(|config| config.transcriber.not_ready_seconds = 0).await;
    stage.inbound(1);
    let media = wav(Coding::Pcm16, 8_000, &[vec![]]);
    let media = DoubleRecording::new(recording(1), call(1), media);
    let duration_seconds = Some(0);
    stage.twilio.add_recording(DoubleRecording { not_ready_times: 2, duration_seconds, ..media });
    // Two attempts, of two questions each, meet what stands in front of Twilio.
    stage.twilio.inject(Fault::Nonsense, 4);
    stage.transcribe(1).await;
    let events = stage.until_terminal().await;
    assert!(matches!(outcome(&events), EventKind::NoSpeech { .. }), "{events:?}");
    assert!(events.iter().map(|event| event.order.attempt).max() >= Some(3), "{events:?}");
    stage.stop().await;
}

#[tokio::test]
async fn media_that_is_cut_off_is_waited_for_whatever_went_wrong_before() {
    let mut stage = Stage::start().await;
    stage.inbound(1);
    let whole = wav(Coding::Pcm16, 8_000, &[vec![0.0; 8_000]]);
    let cut_off = whole[..whole.len() / 2].to_vec();
    stage.twilio.add_recording(DoubleRecording::new(recording(1), call(1), cut_off));
    stage.twilio.inject(Fault::Nonsense, 4);
    stage.transcribe(1).await;
    let is_cut_off = |event: &domain::CallEvent| matches!(&event.kind, EventKind::Failed { code, .. } if code == "media_cut_off");
    let mut attempts = Vec::new();
    for _ in 0..2 {
        let events = stage.until(|event| event.kind.is_terminal() || is_cut_off(event)).await;
        assert!(is_cut_off(events.last().unwrap()), "{events:?}");
        attempts.push(events.last().unwrap().order.attempt);
    }
    // As for media that is not there yet, no attempt is counted.
    assert_eq!(attempts[0], attempts[1]);
    stage.stop().await;
}

#[tokio::test]
async fn an_account_that_is_not_configured_is_parked_and_no_attempt_is_counted() {
    let mut stage = Stage::start().await;
    stage.inbound(1);
    let job = CallJob::Transcribe {
        account_sid: format!("AC{:032x}", 0xb).parse().unwrap(),
        call_sid: call(1),
        recording_sid: recording(1),
        generation: 0,
        source: JobSource::Callback,
    };
    assert_ne!(job.account_sid(), &account());
    stage.enqueue(job).await;
    let events = stage.until(|event| matches!(event.kind, EventKind::Failed { .. })).await;
    let EventKind::Failed { code, is_final, .. } = &events.last().unwrap().kind else { panic!() };
    assert_eq!((code.as_str(), *is_final), ("twilio_account_unknown", false));
    let stats = stage.calls.stats().await.unwrap();
    assert!(stats.pauses.iter().any(|pause| pause.by.starts_with("account:AC")), "{stats:?}");
    stage.stop().await;
}

#[tokio::test]
async fn what_goes_beyond_the_daily_limit_waits_and_is_not_paid() {
    let speech = voice(12);
    let mut stage = Stage::with(|config| {
        // Twelve seconds at 0.006 a minute are about 0.0012 dollars.
        config.transcriber.engines.openai.usd_per_day = Some(0.0015);
        config.transcriber.engines.openai.longest_piece_seconds = 15;
    })
    .await;
    stage.engine_hears().await;
    let media = wav(Coding::Pcm16, 16_000, &[speech]);
    for number in [1, 2] {
        stage.inbound(number);
        let media = DoubleRecording::new(recording(number), call(number), media.clone());
        stage.twilio.add_recording(media);
    }
    stage.transcribe(1).await;
    let events = stage.until_terminal().await;
    assert!(matches!(outcome(&events), EventKind::Transcribed(_)), "{events:?}");
    stage.transcribe(2).await;
    let events = stage.until(|event| matches!(event.kind, EventKind::Failed { .. })).await;
    let EventKind::Failed { code, is_final, .. } = &events.last().unwrap().kind else { panic!() };
    assert_eq!((code.as_str(), *is_final), ("daily_limit_spent", false));
    // All of them leave the engine alone, and a person can end that.
    let pauses = stage.calls.stats().await.unwrap().pauses;
    let by = format!("spending:openai:{}", account());
    assert!(pauses.iter().any(|pause| pause.by == by), "{pauses:?}");
    assert_eq!(stage.engine.received_requests().await.unwrap().len(), 1);
    stage.stop().await;
}

#[tokio::test]
async fn an_account_that_another_process_parked_is_left_alone_until_the_pause_ends() {
    let mut stage = Stage::start().await;
    let by = format!("account:{}", account());
    stage.calls.pause(&by, None, "its token is wrong").await.unwrap();
    stage.inbound(1);
    stage.transcribe(1).await;
    stage.resolve(2).await;
    for _ in 0..2 {
        let events = stage.until(|event| matches!(event.kind, EventKind::Failed { .. })).await;
        let EventKind::Failed { code, message, is_final: false, .. } = &events.last().unwrap().kind
        else {
            panic!("{events:?}")
        };
        assert_eq!(code, "account_parked");
        assert!(message.contains("its token is wrong"), "{message}");
    }
    assert_eq!(stage.twilio.api_requests(), 0);
    stage.stop().await;
}

#[tokio::test]
async fn a_call_whose_engine_is_left_alone_has_not_started() {
    let mut stage = Stage::start().await;
    stage.calls.pause("engine:openai", None, "it costs too much").await.unwrap();
    stage.inbound(1);
    stage.transcribe(1).await;
    let events = stage.until(|event| matches!(event.kind, EventKind::Failed { .. })).await;
    assert!(!events.iter().any(|event| event.kind == EventKind::Started), "{events:?}");
    assert_eq!(stage.twilio.api_requests(), 0);
    stage.stop().await;
}

#[tokio::test]
async fn a_call_of_which_all_was_heard_before_waits_for_no_engine() {
    let mut stage = Stage::start().await;
    stage.engine_hears().await;
    stage.inbound(1);
    let media = wav(Coding::Pcm16, 16_000, &[voice(12)]);
    stage.twilio.add_recording(DoubleRecording::new(recording(1), call(1), media));
    stage.transcribe(1).await;
    stage.until_terminal().await;
    stage.calls.pause("engine:openai", None, "it costs too much").await.unwrap();
    stage.transcribe_again(1).await;
    let events = stage.until(|e| e.kind.is_terminal() || e.kind.name() == "failed").await;
    assert!(matches!(outcome(&events), EventKind::Transcribed(_)), "{events:?}");
    assert_eq!(stage.engine.received_requests().await.unwrap().len(), 1);
    stage.stop().await;
}

#[tokio::test]
async fn a_job_of_a_newer_version_is_neither_lost_nor_given_up() {
    let mut stage = Stage::start().await;
    let body = format!(
        r#"{{"job":"summarise","account_sid":"{}","call_sid":"{}","recording_sid":"{}"}}"#,
        account(),
        call(1),
        recording(1)
    );
    stage.calls.enqueue(queue::Entry::new(call(1).as_str(), body)).await.unwrap();
    let events = stage.until(|event| matches!(event.kind, EventKind::Failed { .. })).await;
    let failed = events.last().unwrap();
    assert_eq!(failed.recording_sid, Some(recording(1)));
    let EventKind::Failed { code, is_final: false, .. } = &failed.kind else {
        panic!("{failed:?}")
    };
    assert_eq!(code, "job_not_understood");
    let stats = stage.calls.stats().await.unwrap();
    assert_eq!((stats.scheduled, stats.dead), (1, 0));
    stage.stop().await;
}
