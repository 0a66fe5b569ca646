//! The fuzz target over its corpus and over what a fixed seed makes of it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use fastrand::Rng;

#[path = "../fuzz/targets/extract.rs"]
mod targets;

/// How many inputs are made of the corpus.
const INPUTS: usize = 3_000;
/// Words that mean something to the rules.
const WORDS: [&str; 14] = [
    "\nA", "\nC", " in ", " no ", "?", ", ", " near ", "haifa", " ב", "לא ", "ל", "״", "plumber",
    "\u{5b0}",
];

#[test]
fn any_call_is_read_and_every_value_stands_in_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/extract");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let corpus: Vec<Vec<u8>> = files.into_iter().map(|file| std::fs::read(file).unwrap()).collect();
    assert!(!corpus.is_empty());
    let lexicon = targets::lexicon();
    corpus.iter().for_each(|input| targets::extract(&lexicon, input));
    let mut rng = Rng::with_seed(6);
    for _ in 0..INPUTS {
        let mut input = rng.choice(&corpus).unwrap().clone();
        for _ in 0..rng.usize(1..6) {
            mutate(&mut input, &corpus, &mut rng);
        }
        targets::extract(&lexicon, &input);
    }
}

fn mutate(input: &mut Vec<u8>, corpus: &[Vec<u8>], rng: &mut Rng) {
    let at = rng.usize(..=input.len());
    match rng.u8(..6) {
        0 => input.insert(at, rng.u8(..)),
        1 | 2 => drop(input.splice(at..at, rng.choice(WORDS).unwrap().bytes())),
        3 => input.truncate(at),
        4 if at < input.len() => input[at] ^= 1 << rng.u8(..8),
        _ => {
            let other = rng.choice(corpus).unwrap();
            input.extend_from_slice(&other[rng.usize(..=other.len())..]);
        }
    }
}
