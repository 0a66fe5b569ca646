use std::{path::PathBuf, time::Duration};

use super::*;
use crate::{
    audio::Stretch,
    engines::{EngineError, Heard, Piece},
};

/// A model without weights: it loads, runs, and hears nothing.
fn weightless() -> Option<PathBuf> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
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
    Piece { at: Stretch { start_ms: 0, end_ms: length_ms }, samples }
}

fn refused(settings: &WhisperSettings) -> String {
    open(settings).err().unwrap()
}

#[tokio::test]
async fn a_model_that_hears_nothing_gives_an_empty_answer_in_the_language_that_was_pinned() {
    let Some(engine) = engine(|_| {}) else { return };
    for length_ms in [0, 20, 100, 1_500, 31_000] {
        let heard = engine.transcribe(&piece(length_ms), Some("he")).await.unwrap();
        assert_eq!(heard.segments, [], "{length_ms} ms");
        let language = if length_ms < 50 { None } else { Some("he") };
        assert_eq!(heard.language.as_deref(), language, "{length_ms} ms");
    }
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
    let unknown = engine.transcribe(&piece(1_500), Some("zz")).await;
    assert_eq!(unknown, Err(EngineError::UnsupportedLanguage));
}

#[tokio::test]
async fn a_piece_that_takes_too_long_is_aborted_and_the_next_one_is_not() {
    let Some(engine) = engine(|settings| settings.timeout_seconds = 0) else { return };
    let outcome = engine.transcribe(&piece(1_500), Some("en")).await;
    assert_eq!(outcome, Err(EngineError::Timeout { seconds: 0 }));
    let Some(engine) = self::engine(|settings| settings.timeout_seconds = 600) else { return };
    assert!(engine.transcribe(&piece(1_500), Some("en")).await.is_ok());
}

#[tokio::test]
async fn work_that_nobody_waits_for_ends_and_frees_its_place() {
    let Some(engine) = engine(|settings| settings.max_concurrent = 1) else { return };
    let long = piece(600_000);
    let given_up = tokio::time::timeout(Duration::ZERO, engine.transcribe(&long, Some("en"))).await;
    assert!(given_up.is_err());
    let heard = engine.transcribe(&piece(1_500), Some("en")).await;
    assert_eq!(heard, Ok(Heard { language: Some("en".into()), ..Default::default() }));
}

#[tokio::test]
async fn places_are_taken_side_by_side_and_used_again() {
    let Some(engine) = engine(|settings| {
        settings.max_concurrent = 2;
        settings.threads = 1;
    }) else {
        return;
    };
    assert_eq!(engine.places(), 2);
    for _ in 0..2 {
        let (one, two) = (piece(1_500), piece(2_500));
        let (one, two) =
            tokio::join!(engine.transcribe(&one, Some("en")), engine.transcribe(&two, Some("he")),);
        assert_eq!(one.unwrap().language.as_deref(), Some("en"));
        assert_eq!(two.unwrap().language.as_deref(), Some("he"));
    }
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
