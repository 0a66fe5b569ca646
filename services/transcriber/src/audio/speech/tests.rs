use super::*;

/// Every detector that can be had here.
pub fn detectors() -> Vec<SpeechDetector> {
    let mut detectors = vec![SpeechDetector::default()];
    detectors.extend(silero());
    detectors
}

#[cfg(feature = "whisper")]
fn silero() -> Option<SpeechDetector> {
    let model = shared("for-tests-silero-v6.2.0-ggml.bin")?;
    let detector = DetectorName::Silero;
    let settings = SpeechSettings { detector, silero_model: Some(model), ..Default::default() };
    Some(SpeechDetector::new(&settings).unwrap())
}

#[cfg(not(feature = "whisper"))]
fn silero() -> Option<SpeechDetector> {
    None
}

fn shared(name: &str) -> Option<std::path::PathBuf> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let path = folder.join(name);
    if path.is_file() {
        return Some(path);
    }
    eprintln!("skipped: {} is not here", path.display());
    None
}

fn listened(detector: &SpeechDetector, sound: &[i16]) -> (Vec<Stretch>, Vec<u8>) {
    let mut listener = Listener::new(detector);
    listener.push(sound).unwrap();
    listener.finish().unwrap()
}

#[test]
fn silence_noise_and_tones_are_no_speech() {
    let mut random = fastrand::Rng::with_seed(7);
    let second = 16_000;
    let silence = vec![0; second * 3];
    let hiss: Vec<i16> = (0..second * 3).map(|_| random.i16(-300..300)).collect();
    let tone = |hz: f32| -> Vec<i16> {
        (0..second * 3)
            .map(|n| ((n as f32 * std::f32::consts::TAU * hz / 16_000.0).sin() * 8e3) as i16)
            .collect()
    };
    let ringing = tone(440.0).iter().zip(tone(480.0)).map(|(a, b)| (a + b) / 2).collect();
    for (name, sound) in [
        ("silence", silence),
        ("hiss", hiss),
        ("dial tone", tone(425.0)),
        ("beep", tone(1e3)),
        ("ringing", ringing),
    ] {
        for detector in detectors() {
            let (stretches, levels) = listened(&detector, &sound);
            assert_eq!(stretches, [], "{name}, {:?}", detector.settings().detector);
            assert_eq!(levels.len(), sound.len().div_ceil(FRAME));
        }
    }
}

#[test]
fn overlapping_speech_is_counted_once() {
    let one = [Stretch { start_ms: 0, end_ms: 100 }, Stretch { start_ms: 200, end_ms: 300 }];
    let two = [Stretch { start_ms: 50, end_ms: 250 }];
    assert_eq!(union_ms([&one[..], &two[..]].into_iter()), 300);
}

/// A public speech of eleven seconds at 16 kHz.
pub fn speech() -> Option<Vec<i16>> {
    let file = std::fs::read(shared("jfk.wav")?).unwrap();
    let data = file.windows(4).position(|bytes| bytes == b"data").unwrap() + 8;
    Some(file[data..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect())
}

#[test]
fn both_detectors_find_a_president_s_words_and_his_pauses() {
    let Some(speech) = speech() else { return };
    for detector in detectors() {
        let name = detector.settings().detector;
        let (stretches, _) = listened(&detector, &speech);
        let said_ms: u64 = stretches.iter().map(Stretch::length_ms).sum();
        assert!((5_500..9_500).contains(&said_ms), "{name:?}: {said_ms} ms in {stretches:?}");
        // "And so, my fellow Americans" begins at once; "ask not" follows after a long pause.
        let pause = Stretch { start_ms: 2_500, end_ms: 3_000 };
        let heard_ms: u64 = stretches.iter().map(|stretch| stretch.overlap_ms(&pause)).sum();
        assert_eq!(heard_ms, 0, "{name:?}: {stretches:?}");
    }
}

#[cfg(feature = "whisper")]
#[test]
fn silero_hears_the_same_in_blocks_however_they_come() {
    let (Some(speech), Some(silero)) = (speech(), silero()) else { return };
    // Over the end of a block, silence for a whole one, and speech again.
    let long: Vec<i16> =
        [vec![0; 16_000 * 25], speech.clone(), vec![0; 16_000 * 45], speech].concat();
    let (at_once, levels) = listened(&silero, &long);
    assert_eq!(levels.len(), long.len().div_ceil(FRAME));
    let mut listener = Listener::new(&silero);
    for part in long.chunks(4_001) {
        listener.push(part).unwrap();
    }
    assert_eq!(listener.finish().unwrap(), (at_once.clone(), levels));
    let within = |from: u64| {
        let around = Stretch { start_ms: from, end_ms: from + 11_000 };
        at_once.iter().map(|stretch| stretch.overlap_ms(&around)).sum::<u64>()
    };
    assert!(within(25_000) > 5_500 && within(81_000) > 5_500, "{at_once:?}");
    assert_eq!(within(25_000) + within(81_000), union_ms([&at_once[..]].into_iter()));
}

#[cfg(feature = "whisper")]
#[test]
fn a_wrong_model_for_silero_is_named_with_its_setting() {
    let detector = DetectorName::Silero;
    let refused = |silero_model| {
        let settings = SpeechSettings { detector, silero_model, ..Default::default() };
        SpeechDetector::new(&settings).unwrap_err()
    };
    assert!(refused(None).contains("transcriber.speech.silero_model is not set"));
    let missing = refused(Some("/no/such/model.bin".into()));
    assert!(missing.contains("silero_model is /no/such/model.bin"), "{missing}");
    let Some(whisper) = shared("for-tests-ggml-tiny.bin") else { return };
    assert!(refused(Some(whisper)).contains("no ggml model of Silero"));
}

#[cfg(not(feature = "whisper"))]
#[test]
fn a_build_without_whisper_refuses_silero() {
    let settings = SpeechSettings { detector: DetectorName::Silero, ..Default::default() };
    let sentence = SpeechDetector::new(&settings).unwrap_err();
    assert!(sentence.contains("feature `whisper`"), "{sentence}");
}
