//! The fuzz targets over their corpus and over what a fixed seed makes of it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use fastrand::Rng;

#[path = "../fuzz/targets.rs"]
mod targets;

/// How many inputs are made of the corpus.
const INPUTS: usize = 20_000;
/// Texts that mean something to the parsers.
const WORDS: [&[u8]; 12] = [
    b"&",
    b"=",
    b"%",
    b"+",
    b"\n",
    b"CallSid=",
    b"RecordingStatus=",
    b"-1",
    b"://",
    b"@",
    b":443",
    b"bodySHA256=",
];

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| std::fs::read(file).unwrap()).collect()
}

fn run(target: &str, check: fn(&[u8])) {
    let corpus = corpus(target);
    assert!(!corpus.is_empty());
    corpus.iter().for_each(|input| check(input));
    let mut rng = Rng::with_seed(4);
    for _ in 0..INPUTS {
        let mut input = rng.choice(&corpus).unwrap().clone();
        for _ in 0..rng.usize(1..6) {
            mutate(&mut input, &corpus, &mut rng);
        }
        check(&input);
    }
}

fn mutate(input: &mut Vec<u8>, corpus: &[Vec<u8>], rng: &mut Rng) {
    let at = rng.usize(..=input.len());
    match rng.u8(..6) {
        0 => input.insert(at, rng.u8(..)),
        1 => drop(input.splice(at..at, rng.choice(WORDS).unwrap().iter().copied())),
        2 => input.truncate(at),
        3 if at < input.len() => input[at] ^= 1 << rng.u8(..8),
        4 if at < input.len() => {
            input.remove(at);
        }
        _ => {
            let other = rng.choice(corpus).unwrap();
            input.extend_from_slice(&other[rng.usize(..=other.len())..]);
        }
    }
}

#[test]
fn any_body_is_some_form() {
    run("form", targets::form);
}

#[test]
fn a_signature_fits_its_own_token_and_no_other() {
    run("signature", targets::signature);
}

#[test]
fn any_form_is_refused_in_plain_words_or_is_work_that_can_be_stored() {
    run("callback", targets::callback);
}
