//! Recordings that are ready before there is a slot for them.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use callscribe_transcriber::{
    audio::CutRule,
    engines::{Engine, EngineError, Heard, Piece},
};
use domain::EventKind;
use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;
use twilio::double::DoubleRecording;

use crate::{
    media::{Coding, voice, wav},
    stage::{Stage, call, recording, until_so},
};

/// Answers one piece for each permit that a test gives.
struct Gated {
    asked: AtomicUsize,
    gate: Semaphore,
}

impl Engine for Gated {
    fn identity(&self) -> domain::Engine {
        domain::Engine { name: "gated".into(), model: None, version: None }
    }

    fn cut_rule(&self) -> CutRule {
        CutRule { longest_ms: 300_000, at_silence_ms: None }
    }

    fn microusd_per_minute(&self) -> Option<u64> {
        None
    }

    /// More than there are slots.
    fn places(&self) -> usize {
        8
    }

    fn transcribe<'a>(
        &'a self,
        piece: &'a Piece,
        _: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Heard, EngineError>> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.gate.acquire().await.unwrap().forget();
            let text = "and so my fellow americans ask not what your country can do for you";
            Ok(Heard::whole(piece, text, None))
        })
    }
}

/// A transcriber with one slot and one call ahead: the first call is at the engine, and the media
/// of the second has come.
async fn one_at_the_engine_and_one_ahead(speech: Vec<f32>) -> (Stage, Arc<Gated>) {
    let engine = Arc::new(Gated { asked: AtomicUsize::new(0), gate: Semaphore::new(0) });
    let stage = Stage::with_engines(vec![engine.clone()], |config| {
        config.transcriber.slots = 1;
        config.transcriber.ahead = Some(1);
    })
    .await;
    let media = wav(Coding::Pcm16, 16_000, &[speech]);
    for number in [1, 2, 3] {
        stage.inbound(number);
        let media = DoubleRecording::new(recording(number), call(number), media.clone());
        stage.twilio.add_recording(media);
    }
    stage.transcribe(1).await;
    until_so(async || engine.asked.load(Ordering::SeqCst) == 1).await;
    for number in [2, 3] {
        stage.transcribe(number).await;
    }
    until_so(async || stage.twilio.media_served(&recording(2)) == 1).await;
    (stage, engine)
}

#[tokio::test]
async fn the_next_recording_is_fetched_while_all_slots_are_taken_and_no_further_one() {
    let speech = voice(12);
    let (mut stage, engine) = one_at_the_engine_and_one_ahead(speech).await;
    let stats = stage.calls.stats().await.unwrap();
    assert_eq!((stats.in_flight, stats.waiting_live), (2, 1), "{stats:?}");
    assert_eq!(stage.twilio.media_requests(&recording(3)), 0);
    assert_eq!(engine.asked.load(Ordering::SeqCst), 1);
    engine.gate.add_permits(3);
    for _ in 0..3 {
        let events = stage.until_terminal().await;
        assert!(matches!(events.last().unwrap().kind, EventKind::Transcribed(_)), "{events:?}");
    }
    stage.stop().await;
}

#[tokio::test]
async fn a_stop_finishes_what_is_at_the_engine_and_hands_on_what_is_ahead() {
    let speech = voice(12);
    let (stage, engine) = one_at_the_engine_and_one_ahead(speech).await;
    stage.tell_to_stop();
    // Before the slot becomes free: the call that is ahead does not wait for it.
    until_so(async || stage.calls.stats().await.unwrap().scheduled == 1).await;
    engine.gate.add_permits(3);
    until_so(async || stage.calls.stats().await.unwrap().in_flight == 0).await;
    let stats = stage.calls.stats().await.unwrap();
    assert_eq!((stats.waiting_live, stats.scheduled, stats.dead), (1, 1, 0), "{stats:?}");
    assert_eq!(engine.asked.load(Ordering::SeqCst), 1);
    stage.stop().await;
}
