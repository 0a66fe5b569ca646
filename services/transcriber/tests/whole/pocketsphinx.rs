//! The real PocketSphinx on real speech.

use std::{path::Path, sync::Arc};

use callscribe_transcriber::{
    audio::{AudioLimits, SpeechDetector, read},
    chain::{Chain, Task},
    engines::{PocketSphinx, PocketSphinxSettings},
    ledger::Ledger,
};
use domain::Speaker;

use crate::media::shared;

#[tokio::test]
async fn pocketsphinx_reads_most_of_a_president_s_sentence() {
    let engine = match PocketSphinx::new(&PocketSphinxSettings::default(), &std::env::temp_dir()) {
        Ok(engine) => engine,
        Err(missing) => return eprintln!("skipped: {missing}"),
    };
    let Some(path) = shared("jfk.wav") else { return };
    let folder = tempfile::tempdir().unwrap();
    let limits = AudioLimits { max_seconds: 60, speech: SpeechDetector::default() };
    let recording = Arc::new(read(&path, folder.path(), limits).unwrap());
    let chain = Chain::new(vec![Arc::new(engine)], Ledger::off());
    let task = Task {
        recording,
        speakers: vec![Speaker::Unknown],
        language: None,
        work: "RE1:0".into(),
        account: "AC1".into(),
        waits_until: tokio::time::Instant::now() + crate::stage::PATIENCE,
    };
    let done = chain.transcribe(&task).await.unwrap();
    let text = done.transcript.text();
    let heard = |word: &str| text.split_whitespace().any(|heard| heard == word);
    let expected = ["ask", "not", "what", "your", "country", "can", "do", "for", "you"];
    let found = expected.iter().filter(|word| heard(word)).count();
    assert!(found >= 6, "{text}");
    assert_eq!(done.transcript.engine.name, "pocketsphinx");
    assert_eq!(done.transcript.language.as_deref(), Some("en"));
    assert_eq!(done.cost_microusd, Some(0));
    let segments = &done.transcript.segments;
    assert!(segments.len() >= 2, "cut at its pauses: {segments:?}");
    assert!(segments.iter().all(|s| s.start_ms < s.end_ms && s.end_ms <= 11_000));
}

#[tokio::test]
async fn pocketsphinx_reads_service_and_city_in_the_caller_s_channel_of_a_sample_call() {
    let engine = match PocketSphinx::new(&PocketSphinxSettings::default(), &std::env::temp_dir()) {
        Ok(engine) => engine,
        Err(missing) => return eprintln!("skipped: {missing}"),
    };
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../callscribe/samples/locksmith-austin.wav");
    let folder = tempfile::tempdir().unwrap();
    let limits = AudioLimits { max_seconds: 60, speech: SpeechDetector::default() };
    let recording = Arc::new(read(&path, folder.path(), limits).unwrap());
    let chain = Chain::new(vec![Arc::new(engine)], Ledger::off());
    let task = Task {
        recording,
        speakers: vec![Speaker::Caller, Speaker::Agent],
        language: Some("en".into()),
        work: "RE1:0".into(),
        account: "AC1".into(),
        waits_until: tokio::time::Instant::now() + crate::stage::PATIENCE,
    };
    let done = chain.transcribe(&task).await.unwrap();
    let segments = &done.transcript.segments;
    let caller: Vec<&str> = segments
        .iter()
        .filter(|segment| segment.speaker == Speaker::Caller)
        .flat_map(|segment| segment.text.split_whitespace())
        .collect();
    assert!(caller.contains(&"locksmith") && caller.contains(&"austin"), "{segments:?}");
    // They take turns, as they do in the recording.
    let turns: Vec<Speaker> = segments.iter().map(|segment| segment.speaker).collect();
    let (agent, caller) = (Speaker::Agent, Speaker::Caller);
    assert_eq!(turns, [agent, caller, agent, caller, agent, caller], "{segments:?}");
}
