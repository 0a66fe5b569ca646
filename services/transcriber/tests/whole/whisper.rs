//! whisper.cpp through the whole service.

use std::sync::Arc;

use callscribe_transcriber::engines::{Whisper, WhisperModel, WhisperSettings};
use domain::EventKind;
use twilio::double::DoubleRecording;

use crate::{
    media::{Coding, shared, speech, wav},
    stage::{Stage, call, outcome, recording},
};

#[tokio::test]
async fn a_recording_goes_through_whisper_and_what_it_did_not_hear_is_not_made_up() {
    let (Some(model), Some(speech)) = (shared("for-tests-ggml-tiny.bin"), speech()) else { return };
    let settings = WhisperSettings { languages: vec!["en".into()], ..Default::default() };
    let engine = Whisper::with(WhisperModel::load(&model).unwrap(), &settings).unwrap();
    let mut stage = Stage::with_engines(vec![Arc::new(engine)], |_| {}).await;
    stage.inbound(1);
    let media = wav(Coding::Pcm16, 16_000, &[speech]);
    stage.twilio.add_recording(DoubleRecording::new(recording(1), call(1), media));
    stage.transcribe(1).await;

    let events = stage.until_terminal().await;
    let EventKind::Transcribed(done) = outcome(&events) else { panic!("{events:?}") };
    // This model has no weights, so it hears nothing; that is told, and nothing is extracted.
    let engine = &done.transcript.engine;
    assert_eq!(
        (engine.name.as_str(), engine.model.as_deref()),
        ("whisper", Some("for-tests-ggml-tiny"))
    );
    assert_eq!(done.transcript.language.as_deref(), Some("en"));
    assert_eq!(done.transcript.segments, []);
    assert_eq!(done.flags, ["no_text_for_speech"]);
    assert!(done.extraction.service.is_none() && done.extraction.city.is_none());
    assert_eq!(done.cost_microusd, Some(0));
    stage.stop().await;
}
