//! The whole service: job in, events out.

use domain::{CallEvent, EventKind, Speaker};
use twilio::{
    RecordingStatus,
    double::{DoubleRecording, Fault},
};
use wiremock::{Mock, Request, ResponseTemplate, matchers::method};

use crate::{
    media::{Coding, voice, wav},
    stage::{Stage, call, is_loud, outcome, recording},
};

/// The caller speaks first, then the agent, each on a channel of his own.
fn dialogue(speech: &[f32]) -> Vec<u8> {
    let silence = vec![0.0; speech.len()];
    let quiet: Vec<f32> = speech.iter().map(|s| s * 0.2).collect();
    let peak = speech.iter().fold(0.0_f32, |most, s| most.max(s.abs()));
    let loud: Vec<f32> = speech.iter().map(|s| s * 0.9 / peak).collect();
    wav(Coding::Pcm16, 16_000, &[[loud, silence.clone()].concat(), [silence, quiet].concat()])
}

fn names(events: &[CallEvent]) -> Vec<&'static str> {
    events.iter().map(|event| event.kind.name()).collect()
}

#[tokio::test]
async fn a_card_number_is_told_to_nobody_and_kept_nowhere() {
    let speech = voice(12);
    let mut stage = Stage::with(|config| config.redact.cards = true).await;
    let said = "i need a locksmith in austin my card is 4242 4242 4242 4242";
    let segment = serde_json::json!({ "start": 0.3, "end": 2.0, "text": said });
    let heard = serde_json::json!({ "text": said, "language": "english", "segments": [segment] });
    let answer = ResponseTemplate::new(200).set_body_json(heard);
    Mock::given(method("POST")).respond_with(answer).mount(&stage.engine).await;
    stage.inbound(1);
    let media = wav(Coding::Pcm16, 16_000, &[speech]);
    stage.twilio.add_recording(DoubleRecording::new(recording(1), call(1), media));
    stage.transcribe(1).await;
    let events = stage.until_terminal().await;
    let EventKind::Transcribed(done) = outcome(&events) else { panic!("{events:?}") };
    let text = done.transcript.segments[0].text.as_str();
    assert_eq!(text, "i need a locksmith in austin my card is **** **** **** ****");
    assert_eq!(done.extraction.city.as_ref().unwrap().id, "austin");
    let kept = stage.everything_in_redis().await;
    assert!(kept.contains(":heard:") && !kept.contains("4242"), "{kept}");
    stage.stop().await;
}

#[tokio::test]
async fn a_dual_channel_recording_becomes_a_labelled_transcript_with_its_fields() {
    let speech = voice(12);
    let mut stage = Stage::start().await;
    stage.engine_hears().await;
    stage.inbound(1);
    let media = DoubleRecording::new(recording(1), call(1), dialogue(&speech));
    stage.twilio.add_recording(DoubleRecording { channels: 2, redirected: true, ..media });
    stage.transcribe(1).await;

    let events = stage.until_terminal().await;
    let EventKind::Transcribed(done) = outcome(&events) else { panic!("{events:?}") };
    let segments = &done.transcript.segments;
    assert_eq!(segments.len(), 2, "{segments:?}");
    assert_eq!((segments[0].speaker, segments[1].speaker), (Speaker::Caller, Speaker::Agent));
    let texts = segments.iter().map(|segment| segment.text.as_str()).collect::<Vec<_>>();
    assert_eq!(texts, ["i need a locksmith in austin", "how can i help you"]);
    assert!(segments[1].start_ms > 11_000, "{segments:?}");
    assert_eq!(done.transcript.language.as_deref(), Some("en"));
    assert_eq!(done.transcript.engine.model.as_deref(), Some("whisper-1"));
    assert_eq!(done.extraction.service.as_ref().unwrap().id, "locksmith");
    assert_eq!(done.extraction.city.as_ref().unwrap().id, "austin");
    assert_eq!((done.recording.channels, done.recording.sample_rate_hz), (2, 16_000));
    assert!(done.recording.started_at_ms.is_some());
    assert!(done.cost_microusd.unwrap() > 1_000, "{:?}", done.cost_microusd);
    assert!(!stage.twilio.storage_saw_credentials());

    // What is told of the outcome is told with the call's numbers.
    let seen = events;
    assert!(names(&seen).contains(&"queued") && names(&seen).contains(&"started"), "{seen:?}");
    let observed = seen.iter().find_map(|event| match &event.kind {
        EventKind::Observed(metadata) => Some(metadata),
        _ => None,
    });
    assert_eq!(observed.unwrap().direction.as_deref(), Some("inbound"));
    stage.stop().await;
}

#[tokio::test]
async fn silence_and_an_empty_recording_never_reach_an_engine() {
    let mut stage = Stage::start().await;
    // Whatever asked this engine would fail.
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(500)).mount(&stage.engine).await;
    for (number, media) in [
        (1, wav(Coding::Pcm16, 8_000, &[vec![]])),
        (2, wav(Coding::MuLaw, 8_000, &[vec![0.0; 80_000], vec![0.0; 80_000]])),
    ] {
        stage.inbound(number);
        let duration_seconds = Some(if number == 1 { 0 } else { 10 });
        let media = DoubleRecording::new(recording(number), call(number), media);
        stage.twilio.add_recording(DoubleRecording { duration_seconds, ..media });
        stage.transcribe(number).await;
        let events = stage.until_terminal().await;
        assert!(matches!(outcome(&events), EventKind::NoSpeech { .. }), "{events:?}");
    }
    assert!(stage.engine.received_requests().await.unwrap().is_empty());
    stage.stop().await;
}

#[tokio::test]
async fn silence_in_a_part_of_a_recording_is_not_taken_for_a_call_without_speech() {
    let mut stage = Stage::with(|config| {
        (config.transcriber.not_ready_seconds, config.transcriber.max_attempts) = (0, 1);
    })
    .await;
    let silence = wav(Coding::Pcm16, 8_000, &[vec![0.0; 24_000]]);
    for (number, media) in [
        (1, silence.clone()),
        (2, silence[..silence.len() / 2].to_vec()),
        (3, silence[..44].to_vec()),
        (4, wav(Coding::Pcm16, 8_000, &[vec![]])),
    ] {
        stage.inbound(number);
        let media = DoubleRecording::new(recording(number), call(number), media);
        // Of those that say themselves that they are cut off Twilio says nothing.
        let duration_seconds = [1, 4].contains(&number).then_some(30);
        stage.twilio.add_recording(DoubleRecording { duration_seconds, ..media });
        stage.transcribe(number).await;
    }
    for _ in 0..4 {
        let events = stage.until_terminal().await;
        let EventKind::Failed { code, is_final: true, .. } = outcome(&events) else {
            panic!("{events:?}")
        };
        assert_eq!(code, "media_cut_off");
    }
    stage.stop().await;
}

#[tokio::test]
async fn what_will_never_be_ready_ends_as_no_recording() {
    let mut stage = Stage::with(|config| config.transcriber.not_ready_seconds = 0).await;
    let header = wav(Coding::Pcm16, 8_000, &[vec![]]);
    for (number, status, not_ready_times, expected) in [
        (1, RecordingStatus::Deleted, 0, "deleted"),
        (2, RecordingStatus::Absent, 0, "absent"),
        (4, RecordingStatus::Completed, 99, "not_ready"),
    ] {
        stage.inbound(number);
        let media = DoubleRecording::new(recording(number), call(number), header.clone());
        stage.twilio.add_recording(DoubleRecording { status, not_ready_times, ..media });
        stage.transcribe(number).await;
        let events = stage.until_terminal().await;
        assert_eq!(*outcome(&events), EventKind::NoRecording { code: expected.into() });
    }
    // One that Twilio does not list at all.
    stage.inbound(5);
    stage.transcribe(5).await;
    let events = stage.until_terminal().await;
    assert_eq!(*outcome(&events), EventKind::NoRecording { code: "deleted".into() });
    stage.stop().await;
}

#[tokio::test]
async fn an_encrypted_recording_and_a_page_of_html_are_given_up_with_their_reason() {
    let mut stage = Stage::with(|config| config.transcriber.max_attempts = 1).await;
    for (number, encrypted, expected) in [(1, true, "encrypted"), (2, false, "media_not_audio")] {
        stage.inbound(number);
        let media = DoubleRecording::new(recording(number), call(number), "<html>sorry</html>");
        stage.twilio.add_recording(DoubleRecording { encrypted, ..media });
        stage.transcribe(number).await;
        let events = stage.until_terminal().await;
        let EventKind::Failed { code, is_final: true, .. } = outcome(&events) else {
            panic!("{events:?}")
        };
        assert_eq!(code, expected);
    }
    stage.stop().await;
}

#[tokio::test]
async fn a_broken_twilio_and_a_broken_engine_are_tried_again_and_the_call_completes_once() {
    let speech = voice(12);
    let mut stage = Stage::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(503))
        .up_to_n_times(1)
        .mount(&stage.engine)
        .await;
    stage.engine_hears().await;
    stage.inbound(1);
    let media = wav(Coding::Pcm16, 16_000, &[speech]);
    stage.twilio.add_recording(DoubleRecording::new(recording(1), call(1), media));
    stage.twilio.inject(Fault::Unavailable, 2);
    stage.transcribe(1).await;
    let events = stage.until_terminal().await;
    assert!(matches!(outcome(&events), EventKind::Transcribed(_)), "{events:?}");
    assert!(events.iter().any(|event| {
        matches!(&event.kind, EventKind::Failed { code, is_final: false, .. } if code == "engine_unavailable")
    }));
    stage.stop().await;
}

#[tokio::test]
async fn the_recordings_of_a_call_are_found_and_each_is_transcribed() {
    let speech = voice(12);
    let mut stage = Stage::start().await;
    stage.engine_hears().await;
    stage.inbound(1);
    let media = wav(Coding::Pcm16, 16_000, &[speech]);
    for number in [1, 2] {
        stage.twilio.add_recording(DoubleRecording::new(recording(number), call(1), media.clone()));
    }
    // The callback of one of them came already: it is not transcribed twice.
    stage.transcribe(1).await;
    stage.resolve(1).await;
    let mut done = Vec::new();
    while done.len() < 2 {
        let events = stage.until(|e| matches!(e.kind, EventKind::Transcribed(_))).await;
        done.push(events.last().unwrap().recording_sid.clone().unwrap());
    }
    done.sort();
    assert_eq!(done, [recording(1), recording(2)]);
    assert_eq!(stage.twilio.media_served(&recording(1)), 1);
    stage.stop().await;
}

#[tokio::test]
async fn a_call_without_recordings_says_so_and_a_child_leg_finds_its_parent_s() {
    let speech = voice(12);
    let mut stage = Stage::start().await;
    stage.engine_hears().await;
    stage.inbound(1);
    stage.resolve(1).await;
    let events = stage.until_terminal().await;
    assert_eq!(*outcome(&events), EventKind::NoRecording { code: "none_listed".into() });

    stage.inbound(2);
    let child = twilio::double::DoubleCall::inbound(call(3), "+15125550100", "+15125550123");
    stage.twilio.add_call(twilio::double::DoubleCall { parent_call_sid: Some(call(2)), ..child });
    let media = wav(Coding::Pcm16, 16_000, &[speech]);
    stage.twilio.add_recording(DoubleRecording::new(recording(2), call(2), media));
    stage.resolve(3).await;
    let events = stage.until(|event| matches!(event.kind, EventKind::Transcribed(_))).await;
    assert_eq!(events.last().unwrap().call_sid, call(2));
    // The leg itself comes to an end too, or its row would stay queued for ever.
    let of_the_leg = EventKind::NoRecording { code: "parent_leg".into() };
    assert!(events.iter().any(|e| e.call_sid == call(3) && e.kind == of_the_leg), "{events:?}");
    stage.stop().await;
}

#[tokio::test]
async fn a_piece_that_was_paid_for_is_not_paid_again_when_another_fails() {
    let speech = voice(12);
    let mut stage = Stage::start().await;
    // The quiet channel is the agent's, and fails once.
    Mock::given(method("POST"))
        .and(|request: &Request| !is_loud(request))
        .respond_with(ResponseTemplate::new(503))
        .up_to_n_times(1)
        .mount(&stage.engine)
        .await;
    stage.engine_hears().await;
    stage.inbound(1);
    let media = DoubleRecording::new(recording(1), call(1), dialogue(&speech));
    stage.twilio.add_recording(DoubleRecording { channels: 2, ..media });
    stage.transcribe(1).await;
    let events = stage.until_terminal().await;
    let EventKind::Transcribed(done) = outcome(&events) else { panic!("{events:?}") };
    assert_eq!(done.transcript.segments.len(), 2);
    let asked = stage.engine.received_requests().await.unwrap();
    let loud = asked.iter().filter(|request| is_loud(request)).count();
    assert_eq!((loud, asked.len()), (1, 3));
    stage.stop().await;
}

#[tokio::test]
async fn media_lost_outside_twilio_is_a_failure_that_says_where_to_look() {
    let mut stage = Stage::with(|config| config.transcriber.not_ready_seconds = 0).await;
    let header = wav(Coding::Pcm16, 8_000, &[vec![]]);
    let outside = stage.twilio.storage_base().replace("127.0.0.1", "localhost");
    let (there, lost) = (format!("{outside}/{}", recording(1)), format!("{outside}/lost"));
    for (number, external) in [(1, there), (2, lost)] {
        stage.inbound(number);
        let media = DoubleRecording::new(recording(number), call(number), header.clone());
        let (external, duration_seconds) = (Some(external), Some(0));
        stage.twilio.add_recording(DoubleRecording { external, duration_seconds, ..media });
        stage.transcribe(number).await;
    }
    let mut ends = Vec::new();
    for _ in 0..2 {
        let events = stage.until_terminal().await;
        let end = events.into_iter().find(|event| event.kind.is_terminal()).unwrap();
        ends.push((end.recording_sid.unwrap(), end.kind));
    }
    ends.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(matches!(&ends[0].1, EventKind::NoSpeech { .. }), "{ends:?}");
    assert!(
        matches!(&ends[1].1, EventKind::Failed { code, .. } if code == "external_media"),
        "{ends:?}"
    );
    stage.stop().await;
}

#[tokio::test]
async fn a_call_in_a_language_that_is_not_allowed_is_kept_and_flagged() {
    let speech = voice(12);
    let mut stage = Stage::with(|config| {
        config.transcriber.languages = vec!["he".into(), "en".into()];
    })
    .await;
    let text = "мне нужен слесарь в хайфе у меня закрылась дверь и я не могу войти";
    let answer = serde_json::json!({ "text": text, "language": "russian" });
    let answer = ResponseTemplate::new(200).set_body_json(answer);
    Mock::given(method("POST")).respond_with(answer).mount(&stage.engine).await;
    stage.inbound(1);
    let media = wav(Coding::Pcm16, 16_000, &[speech]);
    stage.twilio.add_recording(DoubleRecording::new(recording(1), call(1), media));
    stage.transcribe(1).await;
    let events = stage.until_terminal().await;
    let EventKind::Transcribed(done) = outcome(&events) else { panic!("{events:?}") };
    assert_eq!(done.flags, ["language_not_allowed"]);
    assert_eq!(done.transcript.language.as_deref(), Some("ru"));
    assert!(done.extraction.service.is_none() && done.extraction.city.is_none());
    stage.stop().await;
}
