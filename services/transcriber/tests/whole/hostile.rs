//! Files made to break a decoder: an error at worst, never a panic.

use callscribe_transcriber::audio::{AudioLimits, SpeechDetector, read};
use proptest::prelude::*;

use crate::media::{CODINGS, shared, tone, wav};

fn survives(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile");
    std::fs::write(&path, bytes).unwrap();
    let limits = AudioLimits { max_seconds: 60, speech: SpeechDetector::default() };
    // Either is fine; what must not happen is a panic.
    let _ = read(&path, folder.path(), limits);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..Default::default() })]

    #[test]
    fn a_wav_file_with_any_bytes_changed_is_survived(
        coding in 0..CODINGS.len(),
        changes in prop::collection::vec((0..400_usize, any::<u8>()), 1..12),
        keep in 0..1200_usize,
    ) {
        let mut bytes = wav(CODINGS[coding], 8_000, &[tone(440.0, 0.4, 8_000, 0.1)]);
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        bytes.truncate(keep.max(12));
        survives(&bytes);
    }

    #[test]
    fn anything_behind_the_right_magic_is_survived(
        magic in prop::sample::select(vec![&b"RIFF\0\0\0\0WAVE"[..], b"RIFF\xff\xff\xff\xffWAVEfmt ", b"ID3\x04\0\0\0\0\0\x10", b"\xff\xfb\x90\x00"]),
        rest in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        survives(&[magic, &rest].concat());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..Default::default() })]

    #[test]
    fn an_mp3_file_with_any_bytes_changed_is_survived(
        changes in prop::collection::vec((0..6_000_usize, any::<u8>()), 1..40),
        keep in 100..6_000_usize,
    ) {
        let Some(path) = shared("jfk.mp3") else { return Ok(()) };
        let mut bytes = std::fs::read(path).unwrap();
        bytes.truncate(6_000);
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        bytes.truncate(keep);
        survives(&bytes);
    }
}
