//! What services are ranked by.

use std::fmt::Write;

use callscribe_transcriber::extract::learning::{
    ABSENCES, CIRCUMSTANCES, Clue, FEATURES, Source, name,
};

use crate::regression::{self, descend};

/// How strongly the weights of clues are held near zero.
const HOLD: f32 = 3.0;

/// A call, and what in it may be about the work.
pub type Example<'l> = regression::Example<'l, Clue>;

/// Weights of the clues' features: of mentions, then of words.
pub fn relevance(examples: &[&Example<'_>]) -> Vec<f32> {
    let mut rows: Vec<(Vec<(usize, f32)>, f32)> = Vec::new();
    let mut spread = vec![0_u32; 2 * FEATURES];
    for example in examples {
        let Some(right) = &example.right else { continue };
        for clue in &example.clues {
            let offset = if clue.source == Source::Mention { 0 } else { FEATURES };
            let row: Vec<_> = clue.features.iter().map(|(f, x)| (f + offset, *x)).collect();
            row.iter().for_each(|(feature, _)| spread[*feature] += 1);
            rows.push((row, f32::from(u8::from(right.contains(&clue.entry)))));
        }
    }
    descend(
        2 * FEATURES,
        |_| HOLD,
        |weights, slope| {
            for (row, right) in &rows {
                let sum: f32 = row.iter().map(|(feature, x)| weights[*feature] * x).sum();
                let miss = 1.0 / (1.0 + (-sum).exp()) - right;
                // What was seen a few times only teaches nothing.
                for (feature, x) in row.iter().filter(|(feature, _)| spread[*feature] >= 5) {
                    slope[*feature] += miss * x;
                }
            }
        },
    )
}

/// The file of weights.
pub fn render(relevance: &[f32], services: &[f32], absences: &[f32]) -> String {
    let mut source = "# What services are ranked by, in log-odds, learned by examples/extract_learn \
                      from the\n# tuning calls of data/labelled. What is not listed weighs nothing.\n"
        .to_owned();
    let features: Vec<String> = (0..FEATURES).map(name).collect();
    let (mentions, windows) = relevance.split_at(FEATURES);
    let texts = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    for (section, names, weights) in [
        ("mention", &features, mentions),
        ("window", &features, windows),
        ("service", &texts(&CIRCUMSTANCES), services),
        ("none", &texts(&ABSENCES), absences),
    ] {
        let _ = writeln!(source, "\n[{section}]");
        for (name, weight) in names.iter().zip(weights).filter(|(_, w)| w.abs() >= 0.005) {
            let _ = writeln!(source, "{name} = {weight:.2}");
        }
    }
    source
}
