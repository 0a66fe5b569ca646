//! Reading recordings.

use std::io::Write;

use callscribe_transcriber::audio::{
    AudioLimits, CutRule, Recording, SpeechDetector, Stretch, cut, read,
};

use crate::media::{CODINGS, Coding, shared, speech, tone, wav};

fn read_bytes(bytes: &[u8]) -> Result<Recording, callscribe_transcriber::audio::AudioError> {
    let folder = tempfile::tempdir().unwrap();
    let mut file = tempfile::NamedTempFile::new_in(&folder).unwrap();
    file.write_all(bytes).unwrap();
    read(file.path(), folder.path(), limits())
}

fn limits() -> AudioLimits {
    AudioLimits { max_seconds: 3600, speech: SpeechDetector::default() }
}

/// Root of the mean square of the middle of a channel, between 0 and 1.
fn loudness(recording: &Recording, channel: usize) -> f64 {
    let channel = &recording.channels[channel];
    let middle = Stretch { start_ms: 200, end_ms: channel.length_ms() - 200 };
    let samples = channel.read(middle).unwrap();
    let squares: f64 = samples.iter().map(|s| (f64::from(*s) / 32767.0).powi(2)).sum();
    (squares / samples.len() as f64).sqrt()
}

#[test]
fn every_coding_rate_and_channel_count_is_read_alike() {
    for coding in CODINGS {
        for rate_hz in [8_000, 16_000, 44_100] {
            let (left, right) = (tone(440.0, 0.5, rate_hz, 1.0), tone(700.0, 0.25, rate_hz, 1.0));
            let recording = read_bytes(&wav(coding, rate_hz, &[left.clone(), right])).unwrap();
            assert_eq!(recording.facts.channels, 2, "{coding:?} {rate_hz}");
            assert_eq!(recording.facts.sample_rate_hz, rate_hz);
            assert_eq!(recording.facts.duration_ms, 1000);
            assert!(!recording.identical_channels && !recording.damaged);
            // A sine of amplitude a has a root mean square of a / √2.
            let (first, second) = (loudness(&recording, 0), loudness(&recording, 1));
            assert!((first - 0.3535).abs() < 0.01, "{coding:?} {rate_hz}: {first}");
            assert!((second - 0.1768).abs() < 0.01, "{coding:?} {rate_hz}: {second}");
            let mono = read_bytes(&wav(coding, rate_hz, &[left])).unwrap();
            assert_eq!((mono.facts.channels, mono.channels.len()), (1, 1));
        }
    }
}

#[test]
fn mono_written_as_stereo_counts_as_one_channel() {
    let Some(speech) = speech() else { return };
    let quieter: Vec<f32> = speech.iter().map(|s| s * 0.8).collect();
    for second in [speech.clone(), quieter] {
        let bytes = wav(Coding::MuLaw, 16_000, &[speech.clone(), second]);
        let recording = read_bytes(&bytes).unwrap();
        assert!(recording.identical_channels);
        assert_eq!((recording.facts.channels, recording.channels.len()), (2, 1));
    }
    let silence = vec![0.0; speech.len()];
    let apart = read_bytes(&wav(Coding::Pcm16, 16_000, &[speech, silence])).unwrap();
    assert!(!apart.identical_channels);
    assert_eq!(apart.channels.len(), 2);
    assert!(apart.channels[1].stretches().is_empty());
}

#[test]
fn speech_is_found_where_it_is_and_nowhere_else() {
    let Some(speech) = speech() else { return };
    let mut padded = vec![0.0; 16_000 * 5];
    padded.extend(&speech);
    padded.extend(vec![0.0; 16_000 * 5]);
    let recording = read_bytes(&wav(Coding::Pcm16, 16_000, &[padded])).unwrap();
    assert!(!recording.silent);
    let stretches = recording.channels[0].stretches();
    let (first, last) = (stretches.first().unwrap(), stretches.last().unwrap());
    assert!((4_900..6_000).contains(&first.start_ms), "{stretches:?}");
    assert!((14_500..16_200).contains(&last.end_ms), "{stretches:?}");
    let ratio = recording.facts.speech_ratio.unwrap();
    assert!((0.25..0.55).contains(&ratio), "{ratio}");
}

#[test]
fn telephone_speech_is_heard_as_speech() {
    let Some(speech) = speech() else { return };
    // Every second sample: 8 kHz, with a little folding that a telephone has too.
    let narrow: Vec<f32> = speech.chunks(2).map(|pair| pair.iter().sum::<f32>() / 4.0).collect();
    let recording = read_bytes(&wav(Coding::MuLaw, 8_000, &[narrow])).unwrap();
    let ratio = recording.facts.speech_ratio.unwrap();
    assert!(ratio > 0.5, "{ratio}");
}

#[test]
fn mp3_is_read_as_the_wav_it_came_from() {
    let (Some(mp3), Some(wav)) = (shared("jfk.mp3"), shared("jfk.wav")) else { return };
    let mp3 = read_bytes(&std::fs::read(mp3).unwrap()).unwrap();
    let wav = read_bytes(&std::fs::read(wav).unwrap()).unwrap();
    assert!(mp3.facts.duration_ms.abs_diff(wav.facts.duration_ms) < 150);
    let (one, other) = (mp3.channels[0].speech_ms(), wav.channels[0].speech_ms());
    assert!(one.abs_diff(other) < 800, "{one} {other}");
}

#[test]
fn silence_and_a_bare_header_hold_no_speech() {
    let header = wav(Coding::Pcm16, 8_000, &[Vec::new()]);
    assert_eq!(header.len(), 44);
    let empty = read_bytes(&header).unwrap();
    assert!(empty.silent && empty.channels.is_empty());
    let silence = read_bytes(&wav(Coding::MuLaw, 8_000, &[vec![0.0; 80_000]])).unwrap();
    assert!(silence.silent);
    assert_eq!(silence.facts.duration_ms, 10_000);
    assert_eq!(silence.facts.speech_ratio, Some(0.0));
}

#[test]
fn a_file_that_ends_early_is_read_as_far_as_it_goes() {
    let whole = wav(Coding::Pcm16, 8_000, &[tone(300.0, 0.5, 8_000, 4.0)]);
    let recording = read_bytes(&whole[..whole.len() / 2]).unwrap();
    assert!(recording.damaged);
    assert!((1_800..2_001).contains(&recording.facts.duration_ms), "{:?}", recording.facts);
}

#[test]
fn what_is_no_audio_is_refused_by_kind() {
    for (bytes, code) in [
        (&b""[..], "not_audio"),
        (b"<html><body>Not Found</body></html>", "not_audio"),
        (b"<?xml version='1.0'?><TwilioResponse/>", "not_audio"),
        (b"OggS\0\0\0\0\0\0\0\0\0\0", "not_audio"),
    ] {
        assert_eq!(read_bytes(bytes).unwrap_err().code(), code);
    }
    let mut slow = wav(Coding::Pcm16, 8_000, &[vec![0.1; 8_000]]);
    slow[24..28].copy_from_slice(&1_u32.to_le_bytes());
    assert_eq!(read_bytes(&slow).unwrap_err().code(), "audio_unsupported");
}

#[test]
fn a_recording_longer_than_allowed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.wav");
    std::fs::write(&path, wav(Coding::MuLaw, 8_000, &[vec![0.0; 8_000 * 3]])).unwrap();
    let limits = AudioLimits { max_seconds: 2, ..limits() };
    assert_eq!(read(&path, folder.path(), limits).unwrap_err().code(), "audio_too_long");
}

#[test]
fn pieces_hold_all_speech_once_and_fit_the_engine() {
    let Some(speech) = speech() else { return };
    let mut long = Vec::new();
    for _ in 0..3 {
        long.extend(&speech);
    }
    let recording = read_bytes(&wav(Coding::Pcm16, 16_000, &[long])).unwrap();
    let channel = &recording.channels[0];
    for (longest_ms, at_silence_ms) in
        [(5_000, None), (5_000, Some(300)), (12_000, None), (300_000, None), (300_000, Some(700))]
    {
        let pieces = cut(channel, CutRule { longest_ms, at_silence_ms });
        assert!(pieces.iter().all(|piece| piece.length_ms() <= longest_ms), "{pieces:?}");
        assert!(pieces.windows(2).all(|pair| pair[0].end_ms <= pair[1].start_ms), "{pieces:?}");
        let held: u64 = channel
            .stretches()
            .iter()
            .map(|speech| pieces.iter().map(|piece| piece.overlap_ms(speech)).sum::<u64>())
            .sum();
        assert_eq!(held, channel.speech_ms(), "{longest_ms} {at_silence_ms:?}: {pieces:?}");
    }
    assert_eq!(cut(channel, CutRule { longest_ms: 300_000, at_silence_ms: None }).len(), 1);
}
