use std::{path::PathBuf, sync::atomic::AtomicBool, time::Duration};

use super::{
    seat::{Limit, Seat, Spoken},
    *,
};
use crate::{
    audio::Stretch,
    engines::{EngineError, Heard, Piece},
};

/// A model without weights: it loads, runs, and hears nothing.
fn weightless() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let path = folder.join("for-tests-ggml-tiny.bin");
    if path.is_file() {
        return Some(path);
    }
    eprintln!("skipped: {} is not here", path.display());
    None
}

fn engine(change: impl FnOnce(&mut WhisperSettings)) -> Option<Whisper> {
    let mut settings = WhisperSettings::default();
    change(&mut settings);
    Some(Whisper::with(Model::load(&weightless()?).unwrap(), &settings).unwrap())
}

fn piece(length_ms: u64) -> Piece {
    let samples = (0..length_ms * 16).map(|at| ((at as f64 * 0.05).sin() * 8e3) as i16).collect();
    Piece::new(Stretch { start_ms: 0, end_ms: length_ms }, samples)
}

fn refused(settings: &WhisperSettings) -> String {
    open(settings).err().unwrap()
}

#[tokio::test]
async fn a_model_that_hears_nothing_gives_empty_answers_side_by_side() {
    let Some(engine) = engine(|settings| {
        settings.max_concurrent = 2;
        settings.threads = 1;
    }) else {
        return;
    };
    let (english, hebrew) = (piece(1_500), piece(100));
    let (english, hebrew) = tokio::join!(
        engine.transcribe(&english, Some("en")),
        engine.transcribe(&hebrew, Some("he")),
    );
    for (heard, language) in [(english, "en"), (hebrew, "he")] {
        assert_eq!(heard, Ok(Heard { language: Some(language.into()), ..Heard::default() }));
    }
    for nothing in [0, 20] {
        let heard = engine.transcribe(&piece(nothing), Some("en")).await;
        assert_eq!(heard, Ok(Heard::default()), "{nothing} ms");
    }
    assert_eq!(engine.places(), 2);
    let identity = engine.identity();
    assert_eq!(identity.name, "whisper");
    assert_eq!(identity.model.as_deref(), Some("for-tests-ggml-tiny"));
    assert!(identity.version.unwrap().starts_with("whisper.cpp 1."));
}

#[tokio::test]
async fn without_a_known_language_one_of_those_that_may_be_spoken_is_taken() {
    let Some(engine) = engine(|settings| settings.languages = vec!["he".into(), "yi".into()])
    else {
        return;
    };
    let heard = engine.transcribe(&piece(1_500), None).await.unwrap();
    assert!(matches!(heard.language.as_deref(), Some("he" | "yi")), "{heard:?}");
    // What all calls are in is known better than what this engine may hear.
    let of_calls = Piece { languages: vec!["ru".into()].into(), ..piece(1_500) };
    let heard = engine.transcribe(&of_calls, None).await.unwrap();
    assert_eq!(heard.language.as_deref(), Some("ru"));
    let unknown = engine.transcribe(&piece(1_500), Some("zz")).await;
    assert_eq!(unknown, Err(EngineError::UnsupportedLanguage));
}

#[test]
fn a_piece_that_takes_too_long_is_aborted_after_its_first_window() {
    let Some(path) = weightless() else { return };
    let model = Model::load(&path).unwrap();
    let mut seat = Seat::new(model.context(), 1).unwrap();
    let spoken = Spoken::new(&["en".into()], true).unwrap();
    // Ten minutes would take twenty windows; whisper.cpp's own answer is what is looked at here, so
    // the time begins when the piece is there.
    let piece = piece(600_000);
    let limit = Limit::of(Duration::from_millis(200), Arc::default());
    assert!(!limit.is_over(), "or the piece would not be begun");
    let outcome = seat.hear(&piece, &spoken, limit);
    assert_eq!(outcome, Err(EngineError::Timeout { seconds: 0 }));
}

#[tokio::test]
async fn work_that_nobody_waits_for_ends_and_frees_its_place() {
    let Some(engine) = engine(|_| {}) else { return };
    let long = piece(30_000);
    let given_up = tokio::time::timeout(Duration::ZERO, engine.transcribe(&long, Some("en"))).await;
    assert!(given_up.is_err());
    // There is one place, and this asks for it.
    let heard = engine.transcribe(&piece(20), Some("en")).await;
    assert_eq!(heard, Ok(Heard::default()));
}

#[test]
fn what_was_given_up_before_it_began_is_not_begun() {
    let Some(path) = weightless() else { return };
    let model = Model::load(&path).unwrap();
    let mut seat = Seat::new(model.context(), 1).unwrap();
    let spoken = Spoken::new(&["en".into()], true).unwrap();
    let limit = Limit::of(Duration::from_secs(600), Arc::new(AtomicBool::new(true)));
    let outcome = seat.hear(&piece(1_500), &spoken, limit);
    assert_eq!(outcome, Err(EngineError::Timeout { seconds: 600 }));
}

#[test]
fn a_model_that_is_missing_or_wrong_is_named_with_its_setting() {
    let sentence = refused(&WhisperSettings::default());
    assert!(sentence.contains("transcriber.engines.whisper.model is not set"), "{sentence}");
    let wrong = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(wrong.path(), "<!doctype html>").unwrap();
    let Some(weightless) = weightless() else { return };
    let cut_off = tempfile::NamedTempFile::new().unwrap();
    let whole = std::fs::read(&weightless).unwrap();
    std::fs::write(cut_off.path(), &whole[..whole.len() / 2]).unwrap();
    for (path, why) in [
        (PathBuf::from("/no/such/model.bin"), "cannot be read"),
        (wrong.path().into(), "no ggml model of Whisper"),
        (cut_off.path().into(), "cut off"),
        (weightless, "no weights"),
    ] {
        let sentence =
            refused(&WhisperSettings { model: Some(path.clone()), ..Default::default() });
        let named = format!("transcriber.engines.whisper.model is {}", path.display());
        assert!(sentence.contains(&named) && sentence.contains(why), "{sentence}");
    }
}

#[test]
fn a_wrong_setting_is_named_with_what_is_allowed() {
    let Some(model) = weightless() else { return };
    let refused = |settings: WhisperSettings| {
        Whisper::with(Model::load(&model).unwrap(), &settings).err().unwrap()
    };
    let threads = refused(WhisperSettings { threads: 0, ..Default::default() });
    assert!(threads.contains("whisper.threads is 0; allowed are 1 to"), "{threads}");
    let longest = refused(WhisperSettings { longest_piece_seconds: 0, ..Default::default() });
    assert!(longest.contains("whisper.longest_piece_seconds is 0"), "{longest}");
    let languages = refused(WhisperSettings { languages: vec!["zz".into()], ..Default::default() });
    assert!(languages.contains("whisper.languages"), "{languages}");
}
