//! Counting examples.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::{
    examples::{IDLE, SMALL_TALK},
    model::{Class, Feature, Phrases, keys},
};
use crate::extract::{
    catalogue::{Catalogue, Entry, Kind},
    text::Text,
};

/// How often a word counts as heard in classes that do not have it.
const SMOOTHING: f32 = 1.0;
/// A pair of words repeats what its words say already.
const PAIR: f32 = 0.8;
/// A word in a larger share of all examples says nothing of the service.
const COMMON: f32 = 0.02;

/// The example sentences of one service, and those of all others, as they are counted.
#[derive(Default)]
pub struct Counter<'s> {
    classes: Vec<&'s str>,
    numbers: HashMap<&'s str, u16>,
    /// The features of each sentence, each once, with whether they are pairs; and its class.
    sentences: Vec<(Vec<(u64, bool)>, u16)>,
    /// In how many sentences a feature is.
    spread: HashMap<u64, u32, FixedState>,
}

impl<'s> Counter<'s> {
    /// Counts an example.
    pub fn add(&mut self, class: &'s str, sentence: &str) {
        let mut features: Vec<(u64, bool)> = Vec::new();
        for (own, pair) in keys(&Text::new(sentence)) {
            for feature in std::iter::once((own, false)).chain(pair.map(|pair| (pair, true))) {
                if !features.contains(&feature) {
                    features.push(feature);
                }
            }
        }
        for (key, _) in &features {
            *self.spread.entry(*key).or_default() += 1;
        }
        let next = u16::try_from(self.classes.len()).unwrap_or(u16::MAX);
        let number = *self.numbers.entry(class).or_insert(next);
        if number == next {
            self.classes.push(class);
        }
        self.sentences.push((features, number));
    }

    /// The rarer a feature, the more it counts.
    fn weight(&self, key: u64, pair: bool) -> f32 {
        let known = self.spread.get(&key).copied().unwrap_or_default();
        let rarity = (self.sentences.len() as f32 + 1.0) / (known as f32 + 1.0);
        (rarity.ln() + 1.0) * if pair { PAIR } else { 1.0 }
    }

    /// What all of them teach.
    pub fn finish(self, catalogue: &Catalogue) -> Phrases {
        let mut shares: HashMap<u64, Share, FixedState> = HashMap::default();
        let mut totals = vec![0.0_f32; self.classes.len()];
        for (sentence, class) in &self.sentences {
            let weights = sentence.iter().map(|(key, pair)| self.weight(*key, *pair));
            let norm = weights.clone().map(|weight| weight * weight).sum::<f32>().sqrt();
            for ((key, pair), weight) in sentence.iter().zip(weights) {
                let share = weight / norm;
                totals[usize::from(*class)] += share;
                shares.entry(*key).or_insert_with(|| Share::new(*pair)).add(*class, share);
            }
        }
        let all: f32 = totals.iter().sum::<f32>() + SMOOTHING * shares.len() as f32;
        let common = (self.sentences.len() as f32 * COMMON) as u32;
        let (mut features, mut gains) = (HashMap::default(), Vec::new());
        for (key, share) in &shares {
            let from = gains.len();
            gains.extend(share.gains());
            let feature = Feature {
                weight: self.weight(*key, share.pair),
                telling: self.spread.get(key).is_some_and(|known| *known < common),
                from,
                to: gains.len(),
            };
            features.insert(*key, feature);
        }
        let number = |id: &str| {
            let own = |entry: &Entry| entry.kind == Kind::Service && entry.id == id;
            catalogue.entries.iter().position(own)
        };
        let class = |(id, total): (&&str, &f32)| Class {
            entry: number(id),
            talk: *id == SMALL_TALK,
            idle: *id == IDLE,
            toll: (all / (all - total)).ln(),
        };
        let classes: Vec<Class> = self.classes.iter().zip(&totals).map(class).collect();
        let numbered = classes.iter().enumerate();
        let numbers = numbered.filter_map(|(class, own)| Some((own.entry?, class))).collect();
        Phrases { classes, features, gains, numbers }
    }
}

/// How much each class has of a feature.
struct Share {
    pair: bool,
    total: f32,
    classes: Vec<(u16, f32)>,
}

impl Share {
    fn new(pair: bool) -> Self {
        Self { pair, total: 0.0, classes: Vec::new() }
    }

    fn add(&mut self, class: u16, share: f32) {
        self.total += share;
        match self.classes.iter_mut().find(|(known, _)| *known == class) {
            Some((_, sum)) => *sum += share,
            None => self.classes.push((class, share)),
        }
    }

    /// How much rarer the feature is in all classes but one than in all of them.
    fn gains(&self) -> impl Iterator<Item = (u16, f32)> {
        let all = self.total + SMOOTHING;
        self.classes.iter().map(move |(class, own)| (*class, (all / (all - own)).ln()))
    }
}
