//! What cities are ranked by.
//!
//! One model, learned as it is used: the odds of a city are those of all its mentions together, each
//! by what stands around it, times what the rules make of it; against those of the other cities and
//! of none.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write,
};

use callscribe_transcriber::extract::{
    Heard, Lexicon,
    learning::{CITY_ABSENCES, CITY_CIRCUMSTANCES, CityClue, Standings},
};

use crate::regression::{Trial, descend};

/// How strongly the weights of clues, and those of circumstances, are held near zero.
const HOLD: [f32; 2] = [4.0, 1.0];
/// What was seen fewer times teaches nothing.
const LEAST: u32 = 4;
/// How relevant a city's mentions are: as learned with them.
const RELEVANT: usize = CITY_CIRCUMSTANCES.len() - 1;
/// No mention is more relevant than that.
const MOST: f32 = 15.0;

/// A call as it is heard without its own file.
pub struct Example<'l> {
    /// The group of files that is left out with it.
    pub fold: usize,
    /// The number of its file.
    pub file: usize,
    /// Of the call.
    pub language: String,
    /// The call.
    pub heard: Heard<'l>,
    /// What stands around each mention of a city.
    pub clues: Vec<CityClue>,
    /// Everything that speaks for each city but that.
    pub standings: Standings,
    /// Numbers of the right cities; `None` where the right one is not in the catalogue.
    pub right: Option<Vec<usize>>,
}

impl Example<'_> {
    /// The choice, as it stands with weights that `judge` was given.
    pub fn trial(&self, judge: &Lexicon) -> Option<Trial> {
        let right = self.right.as_ref()?;
        let standings = judge.study_cities(&self.heard).1;
        Some(Trial {
            fold: self.fold,
            file: self.file,
            counts: true,
            language: self.language.clone(),
            values: standings
                .values
                .iter()
                .map(|s| (s.circumstances.clone(), right.contains(&s.entry)))
                .collect(),
            absences: standings.absences,
            wanted: !right.is_empty(),
        })
    }
}

/// The learned weights.
pub struct Weights {
    clues: BTreeMap<String, f32>,
    circumstances: Vec<f32>,
    absences: Vec<f32>,
}

impl Weights {
    /// Learns from calls.
    pub fn learn(examples: &[&Example<'_>]) -> Self {
        let mut spread: BTreeMap<&str, u32> = BTreeMap::new();
        for clue in examples.iter().flat_map(|example| &example.clues) {
            clue.around.iter().for_each(|(name, _)| *spread.entry(name).or_default() += 1);
        }
        let names: Vec<&str> =
            spread.into_iter().filter(|(_, seen)| *seen >= LEAST).map(|(name, _)| name).collect();
        let numbers: HashMap<&str, usize> =
            names.iter().enumerate().map(|(number, name)| (*name, number)).collect();
        let choices: Vec<Choice> =
            examples.iter().filter_map(|example| Choice::of(example, &numbers)).collect();
        let count = names.len() + RELEVANT + CITY_ABSENCES.len();
        let hold = |at| if at < names.len() { HOLD[0] } else { HOLD[1] };
        let mut weights = descend(count, hold, |weights, slope| {
            choices.iter().for_each(|choice| choice.slope(names.len(), weights, slope));
        });
        let absences = weights.split_off(names.len() + RELEVANT);
        let mut circumstances = weights.split_off(names.len());
        circumstances.push(1.0);
        let clues = names.into_iter().map(str::to_owned).zip(weights).collect();
        Self { clues, circumstances, absences }
    }

    /// Weights of the circumstances, then of the absences.
    pub fn of_standings(&self) -> Vec<f32> {
        [&self.circumstances[..], &self.absences].concat()
    }

    /// The file of weights.
    pub fn render(&self) -> String {
        let mut source = "# What cities are ranked by, in log-odds, learned by \
                          examples/extract_learn from the\n# tuning calls of data/labelled. What is \
                          not listed weighs nothing.\n\n[mention]\n"
            .to_owned();
        for (name, weight) in self.clues.iter().filter(|(_, weight)| weight.abs() >= 0.005) {
            let name = toml::Value::String(name.clone());
            let _ = writeln!(source, "{name} = {weight:.2}");
        }
        for (section, names, weights) in [
            ("city", &CITY_CIRCUMSTANCES[..], &self.circumstances),
            ("none", &CITY_ABSENCES[..], &self.absences),
        ] {
            let _ = writeln!(source, "\n[{section}]");
            for (name, weight) in names.iter().zip(weights).filter(|(_, w)| w.abs() >= 0.005) {
                let _ = writeln!(source, "{name} = {weight:.2}");
            }
        }
        source
    }
}

/// A call to learn from.
struct Choice {
    cities: Vec<City>,
    absences: Vec<f32>,
    none: bool,
}

/// One of its cities.
struct City {
    /// What stands around each mention.
    mentions: Vec<Vec<(usize, f32)>>,
    circumstances: Vec<f32>,
    right: bool,
}

impl Choice {
    /// `None` where nobody can choose right.
    fn of(example: &Example<'_>, numbers: &HashMap<&str, usize>) -> Option<Self> {
        let right = example.right.as_ref()?;
        let known = |(name, much): &(String, f32)| Some((*numbers.get(name.as_str())?, *much));
        let cities: Vec<_> = example
            .standings
            .values
            .iter()
            .map(|standing| {
                let mentions = example.clues.iter();
                let own = mentions.filter(|clue| clue.place && clue.entry == standing.entry);
                let around = own.map(|clue| clue.around.iter().filter_map(known).collect());
                City {
                    mentions: around.collect(),
                    circumstances: standing.circumstances[..RELEVANT].to_vec(),
                    right: right.contains(&standing.entry),
                }
            })
            .collect();
        let none = right.is_empty();
        let absences = example.standings.absences.clone();
        (none || cities.iter().any(|city| city.right)).then_some(Self { cities, absences, none })
    }

    /// Adds the slope of the loss, which is how improbable the right choice is, as a logarithm.
    fn slope(&self, clues: usize, weights: &[f32], slope: &mut [f32]) {
        let (own, rest) = weights.split_at(clues);
        let (circumstances, absences) = rest.split_at(RELEVANT);
        let dot = |x: &[f32], w: &[f32]| x.iter().zip(w).map(|(x, w)| x * w).sum::<f32>();
        let odds: Vec<Vec<f32>> = self
            .cities
            .iter()
            .map(|city| {
                let odds = |around: &Vec<(usize, f32)>| {
                    let sum: f32 = around.iter().map(|(clue, much)| own[*clue] * much).sum();
                    sum.clamp(-MOST, MOST).exp()
                };
                city.mentions.iter().map(odds).collect()
            })
            .collect();
        let sums: Vec<f32> = odds.iter().map(|odds| odds.iter().sum::<f32>()).collect();
        let score = |(city, sum): (&City, &f32)| {
            sum.max(f32::MIN_POSITIVE).ln() + dot(&city.circumstances, circumstances)
        };
        let mut chances: Vec<f32> = self.cities.iter().zip(&sums).map(score).collect();
        chances.push(dot(&self.absences, absences));
        let best = chances.iter().copied().fold(f32::MIN, f32::max);
        chances.iter_mut().for_each(|chance| *chance = (*chance - best).exp());
        let all: f32 = chances.iter().sum();
        chances.iter_mut().for_each(|chance| *chance /= all);
        let is_right = |at: usize| self.cities.get(at).map_or(self.none, |city| city.right);
        let hit: f32 = (0..chances.len()).filter(|at| is_right(*at)).map(|at| chances[at]).sum();
        let hit = hit.max(1e-9);
        for (at, chance) in chances.iter().enumerate() {
            let miss = chance - if is_right(at) { chance / hit } else { 0.0 };
            let Some(city) = self.cities.get(at) else {
                let slope = &mut slope[clues + RELEVANT..];
                slope.iter_mut().zip(&self.absences).for_each(|(slope, x)| *slope += miss * x);
                continue;
            };
            for (around, odds) in city.mentions.iter().zip(&odds[at]) {
                let share = miss * odds / sums[at];
                around.iter().for_each(|(clue, much)| slope[*clue] += share * much);
            }
            let slope = &mut slope[clues..clues + RELEVANT];
            slope.iter_mut().zip(&city.circumstances).for_each(|(slope, x)| *slope += miss * x);
        }
    }
}
