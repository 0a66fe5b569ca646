//! Files made to break a decoder: an error at worst, never a panic.

use std::path::Path;

use callscribe_transcriber::audio::{AudioLimits, SpeechDetector, read};
use proptest::prelude::*;

use crate::media::{CODINGS, shared, tone, wav};

#[path = "../../fuzz/targets/decode.rs"]
mod targets;

/// How many inputs are made of the fuzzer's corpus.
const INPUTS: usize = 1_000;

#[test]
fn whatever_a_fixed_seed_makes_of_the_corpus_is_refused_or_fits_together() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/decode");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let corpus: Vec<_> = files.into_iter().map(|file| std::fs::read(file).unwrap()).collect();
    assert!(corpus.len() > 20);
    corpus.iter().for_each(|input| targets::decode(input));
    let mut rng = fastrand::Rng::with_seed(5);
    for _ in 0..INPUTS {
        let mut input = rng.choice(&corpus).unwrap().clone();
        for _ in 0..rng.usize(1..6) {
            let (at, head) = (rng.usize(..=input.len()), 48.min(input.len()));
            match rng.u8(..5) {
                0 => input.truncate(at),
                1 => input
                    .splice(at..at, std::iter::repeat_n(rng.u8(..), rng.usize(..9)))
                    .for_each(drop),
                // Headers are where the meaning is.
                2 | 3 if head > 0 => input[at % head] = rng.u8(..),
                _ => {
                    let other = rng.choice(&corpus).unwrap();
                    input.extend_from_slice(&other[rng.usize(..=other.len())..]);
                }
            }
        }
        targets::decode(&input);
    }
}

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
