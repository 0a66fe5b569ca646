//! What cities are ranked by.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write,
};

use callscribe_transcriber::extract::learning::{CITY_ABSENCES, CITY_CIRCUMSTANCES, CityClue};

use crate::regression::{self, descend};

/// How strongly the weights of clues are held near zero.
const HOLD: f32 = 20.0;
/// What was seen fewer times teaches nothing.
const LEAST: u32 = 8;

/// A call, and what in it may name a city.
pub type Example<'l> = regression::Example<'l, CityClue>;

/// Weights of what stands around mentions, by name.
pub fn relevance(examples: &[&Example<'_>]) -> BTreeMap<String, f32> {
    let clues = || {
        let known = examples.iter().filter_map(|example| Some((example, example.right.as_ref()?)));
        known.flat_map(|(example, right)| example.clues.iter().map(move |clue| (clue, right)))
    };
    let mut spread: BTreeMap<&str, u32> = BTreeMap::new();
    for ((_, around), _) in clues() {
        around.iter().for_each(|(name, _)| *spread.entry(name).or_default() += 1);
    }
    let names: Vec<&str> =
        spread.into_iter().filter(|(_, seen)| *seen >= LEAST).map(|(name, _)| name).collect();
    let numbers: HashMap<&str, usize> =
        names.iter().enumerate().map(|(number, name)| (*name, number)).collect();
    let rows: Vec<(Vec<(usize, f32)>, f32)> = clues()
        .map(|((entry, around), right)| {
            let known = |(name, much): &(String, f32)| Some((*numbers.get(name.as_str())?, *much));
            (around.iter().filter_map(known).collect(), f32::from(u8::from(right.contains(entry))))
        })
        .collect();
    let weights = descend(names.len(), HOLD, |weights, slope| {
        for (row, right) in &rows {
            let sum: f32 = row.iter().map(|(name, much)| weights[*name] * much).sum();
            let miss = 1.0 / (1.0 + (-sum).exp()) - right;
            row.iter().for_each(|(name, much)| slope[*name] += miss * much);
        }
    });
    names.into_iter().map(str::to_owned).zip(weights).collect()
}

/// The file of weights.
pub fn render(relevance: &BTreeMap<String, f32>, cities: &[f32], absences: &[f32]) -> String {
    let mut source = "# What cities are ranked by, in log-odds, learned by examples/extract_learn \
                      from the\n# tuning calls of data/labelled. What is not listed weighs nothing.\n\
                      \n[mention]\n"
        .to_owned();
    for (name, weight) in relevance.iter().filter(|(_, weight)| weight.abs() >= 0.005) {
        let _ = writeln!(source, "\"{name}\" = {weight:.2}");
    }
    for (section, names, weights) in
        [("city", &CITY_CIRCUMSTANCES[..], cities), ("none", &CITY_ABSENCES[..], absences)]
    {
        let _ = writeln!(source, "\n[{section}]");
        for (name, weight) in names.iter().zip(weights).filter(|(_, w)| w.abs() >= 0.005) {
            let _ = writeln!(source, "{name} = {weight:.2}");
        }
    }
    source
}
