//! What is fuzzed: by `cargo fuzz run decode` without an end, and by the tests for a while.

use callscribe_transcriber::audio::{AudioLimits, CutRule, Recording, SpeechDetector, cut, read};

/// The longest recording that is taken, in seconds.
const MAX_SECONDS: u64 = 60;

/// Any file is refused with a code, or is a recording whose parts fit together.
pub fn decode(data: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let media = folder.path().join("media");
    std::fs::write(&media, data).unwrap();
    let limits = AudioLimits { max_seconds: MAX_SECONDS, speech: SpeechDetector::default() };
    match read(&media, folder.path(), limits) {
        Ok(recording) => check(&recording),
        Err(error) => assert!(error.code().starts_with(['a', 'n']), "{error}"),
    }
}

fn check(recording: &Recording) {
    let facts = &recording.facts;
    assert!(facts.duration_ms <= MAX_SECONDS * 1000);
    assert!(facts.speech_ratio.is_none_or(|ratio| (0.0..=1.0).contains(&ratio)));
    assert!(recording.channels.len() <= usize::from(facts.channels));
    for channel in &recording.channels {
        // Resampling rounds, by less than a millisecond at either end.
        assert!(channel.length_ms().abs_diff(facts.duration_ms) <= 2);
        let stretches = channel.stretches();
        assert!(stretches.iter().all(|speech| speech.start_ms <= speech.end_ms));
        assert!(stretches.windows(2).all(|pair| pair[0].end_ms <= pair[1].start_ms));
        assert!(stretches.last().is_none_or(|last| last.end_ms <= channel.length_ms()));
        for (longest_ms, at_silence_ms) in [(2_000, None), (60_000, Some(700))] {
            let pieces = cut(channel, CutRule { longest_ms, at_silence_ms });
            assert!(pieces.windows(2).all(|pair| pair[0].end_ms <= pair[1].start_ms));
            for piece in pieces {
                assert!(piece.length_ms() <= longest_ms);
                let samples = channel.read(piece).unwrap();
                assert_eq!(samples.len() as u64, piece.length_ms() * 16);
            }
        }
    }
}
