//! What the words of a call say about whether any work is wanted at all.
//!
//! Wrong numbers, advertisements, cancellations, complaints and people who look for a job have
//! little in common but their words. A logistic regression over words and pairs of neighbours,
//! each counted once for either side, tells them from the rest; `examples/extract_unwanted.rs`
//! fits it to labelled calls.

use std::{
    collections::{HashMap, HashSet},
    hash::BuildHasher,
};

use domain::Speaker;
use foldhash::fast::FixedState;

use super::{cue::Cue, scene::Scene};

/// Callers say early why they call. Bounds the time, and the sum.
const MAX_WORDS: usize = 400;

/// The fitted weights: one a line, with the side, the words and the weight between tabs. The
/// first line is the weight of every call.
const BUILT_IN: &str = include_str!("../../../data/unwanted.tsv");

/// Weights of words and pairs of them.
#[derive(Debug)]
pub struct Unwanted {
    bias: f32,
    weights: HashMap<u64, f32, FixedState>,
}

impl Unwanted {
    /// The fitted ones. Lines that hold no weight are passed over.
    pub fn built_in() -> Self {
        let mut read = Self { bias: 0.0, weights: HashMap::default() };
        for line in BUILT_IN.lines() {
            let Some((words, weight)) = line.rsplit_once('\t') else { continue };
            let Ok(weight) = weight.parse::<f32>() else { continue };
            match words {
                "" => read.bias = weight,
                words => {
                    read.weights.insert(key(words), weight);
                }
            }
        }
        read
    }

    /// Log-odds that nobody wants any work.
    pub fn hear(&self, scene: &Scene<'_>) -> f32 {
        let mut heard: HashSet<u64, FixedState> = HashSet::default();
        let mut sum = self.bias;
        each(scene, &mut |words| {
            if let Some(weight) = self.weights.get(&key(words))
                && heard.insert(key(words))
            {
                sum += weight;
            }
        });
        sum
    }
}

fn key(words: &str) -> u64 {
    FixedState::default().hash_one(words)
}

/// Hands over each word, and each pair of neighbours, after the side that says it; and the cues
/// that speak against any work.
pub fn each(scene: &Scene<'_>, take: &mut impl FnMut(&str)) {
    let mut left = MAX_WORDS;
    let mut said = String::new();
    let mut cues = [0_u8; 3];
    for passage in &scene.passages {
        let side = match passage.speaker {
            Speaker::Agent => "a",
            Speaker::Caller => "c",
            Speaker::Unknown | Speaker::Voice(_) => "u",
        };
        let mut last = "";
        for token in passage.text.tokens.iter().take(left) {
            let word = passage.text.word(token);
            if !last.is_empty() {
                said.clear();
                said.extend([side, "\t", last, " ", word]);
                take(&said);
            }
            said.clear();
            said.extend([side, "\t", word]);
            take(&said);
            last = word;
        }
        left = left.saturating_sub(passage.text.tokens.len());
        for (cue, _) in &passage.cues {
            let kind = match cue {
                Cue::Wrong => 0,
                Cue::Idle if passage.speaker != Speaker::Agent => 1,
                Cue::Applicant if passage.speaker != Speaker::Agent => 2,
                _ => continue,
            };
            cues[kind] = cues[kind].saturating_add(1);
        }
    }
    // Who says so twice means it.
    for (name, seen) in ["wrong", "idle", "applicant"].into_iter().zip(cues) {
        for (count, often) in [(1, "once"), (2, "again"), (3, "often")] {
            if seen >= count {
                said.clear();
                said.extend(["cue\t", name, " ", often]);
                take(&said);
            }
        }
    }
}
