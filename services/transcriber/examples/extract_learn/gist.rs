//! The gist of a call: a support vector machine for each service against all others.

use std::collections::HashMap;

use callscribe_transcriber::extract::{
    catalogue::{Catalogue, Kind},
    learning::{self, Bag, Learned, LearnedFeature, bag},
};

use crate::machine::{Samples, separate};

/// What fewer examples have teaches nothing.
const LEAST: u32 = 3;
/// How much a miss costs.
const COST: f32 = 0.5;
/// An example with no more words is a sentence of a call, which counts for less.
const SENTENCE: u32 = 15;

/// Everything that is counted as an example: `calls` are lines as in `data/phrases/calls.tsv`.
pub struct Examples<'s> {
    /// The class and the features of each.
    rows: Vec<(&'s str, Bag, u32)>,
}

impl<'s> Examples<'s> {
    /// Reads all examples but the calls.
    pub fn new(catalogue: &'s Catalogue) -> Self {
        let mut rows: Vec<(&str, Bag, u32)> = Vec::new();
        rows.extend(learning::sentences().map(|(class, text)| row(class, text)));
        rows.extend(learning::openings().map(|(class, text)| row(class, &text)));
        for entry in catalogue.of(Kind::Service) {
            rows.extend(entry.names.values().flatten().map(|name| row(&entry.id, name)));
        }
        Self { rows }
    }

    /// The classifier that these examples and calls make.
    pub fn learn(&self, calls: &str) -> Learned {
        let calls: Vec<_> = learning::calls(calls).map(|(class, text)| row(class, &text)).collect();
        let rows: Vec<_> = self.rows.iter().chain(&calls).collect();
        let features = Features::of(rows.iter().map(|(_, bag, _)| bag));
        let mut samples = Samples::default();
        for (_, bag, words) in &rows {
            let cost = if *words > SENTENCE { COST } else { COST / 2.0 };
            samples.add(&features.weigh(bag), cost);
        }
        let mut classes: Vec<&str> = rows.iter().map(|(class, ..)| *class).collect();
        classes.sort_unstable();
        classes.dedup();
        let own = |class: &str| rows.iter().map(|(other, ..)| *other == class).collect::<Vec<_>>();
        let half = classes.len().div_ceil(2);
        let work = |classes: &[&str]| -> Vec<(Vec<f32>, f32)> {
            let one = |class: &&str| separate(&samples, &own(class), features.keys.len());
            classes.iter().map(one).collect()
        };
        let (first, second) = classes.split_at(half);
        let separated = std::thread::scope(|scope| {
            let second = scope.spawn(|| work(second));
            let mut all = work(first);
            all.extend(second.join().into_iter().flatten());
            all
        });
        let learned = |(number, key): (usize, &u32)| LearnedFeature {
            key: *key,
            rarity: features.rarity[number],
            weights: separated
                .iter()
                .enumerate()
                .map(|(class, (weights, _))| (class as u8, weights[number]))
                .collect(),
        };
        Learned {
            classes: classes
                .iter()
                .zip(&separated)
                .map(|(id, (_, bias))| ((*id).to_owned(), *bias))
                .collect(),
            features: features.keys.iter().enumerate().map(learned).collect(),
        }
    }
}

fn row<'s>(class: &'s str, text: &str) -> (&'s str, Bag, u32) {
    (class, bag(text), text.split_whitespace().count() as u32)
}

/// The features that enough examples have, in the order of their keys.
struct Features {
    keys: Vec<u32>,
    rarity: Vec<f32>,
    numbers: HashMap<u32, u32>,
}

impl Features {
    fn of<'b>(bags: impl Iterator<Item = &'b Bag>) -> Self {
        let mut spread: HashMap<u32, u32> = HashMap::new();
        let mut count = 0_u32;
        for bag in bags {
            count += 1;
            bag.keys().for_each(|key| *spread.entry(*key).or_default() += 1);
        }
        let mut keys: Vec<u32> =
            spread.iter().filter(|(_, seen)| **seen >= LEAST).map(|(key, _)| *key).collect();
        keys.sort_unstable();
        let rarity = |key: &u32| ((count + 1) as f32 / (spread[key] + 1) as f32).ln() + 1.0;
        let rarity = keys.iter().map(rarity).collect();
        let numbers = keys.iter().zip(0..).map(|(key, number)| (*key, number)).collect();
        Self { keys, rarity, numbers }
    }

    /// The known features of a text, of which the squares add up to one.
    fn weigh(&self, bag: &Bag) -> Vec<(u32, f32)> {
        let much = |(key, count): (&u32, &u32)| {
            let number = *self.numbers.get(key)?;
            Some((number, ((*count as f32).ln() + 1.0) * self.rarity[number as usize]))
        };
        let mut features: Vec<(u32, f32)> = bag.iter().filter_map(much).collect();
        features.sort_unstable_by_key(|(number, _)| *number);
        let norm = features.iter().map(|(_, much)| much * much).sum::<f32>().sqrt();
        features.iter_mut().for_each(|(_, much)| *much /= norm.max(f32::MIN_POSITIVE));
        features
    }
}
