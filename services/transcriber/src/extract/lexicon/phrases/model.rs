//! Complement naive Bayes over stems and pairs of neighbouring stems.
//!
//! Each class is known by how much rarer a word is in all the others, after Rennie et al.,
//! "Tackling the Poor Assumptions of Naive Bayes Text Classifiers" (ICML 2003), which stays sound
//! where classes have few examples, and not equally many.

use std::{
    collections::{HashMap, HashSet},
    hash::BuildHasher,
    ops::Range,
};

use foldhash::fast::FixedState;

use super::{
    count::Counter,
    examples,
    filler::{FILLER, is_filler},
    stem::stem,
};
use crate::extract::{
    catalogue::{Catalogue, Kind},
    text::Text,
};

/// How sharply a difference of scores tells classes apart.
const SHARPNESS: f32 = 15.0;
/// A class so far below the best one has no part in the posterior: one in ten thousand of the best's.
const FAR: f32 = -9.2;

/// What the example sentences teach.
#[derive(Debug)]
pub struct Phrases {
    pub(super) classes: Vec<Class>,
    pub(super) features: HashMap<u64, Feature, FixedState>,
    pub(super) gains: Vec<(u16, f32)>,
    /// The class of each entry that has one.
    pub(super) numbers: HashMap<usize, usize, FixedState>,
}

/// A service, or none.
#[derive(Debug, Clone)]
pub(super) struct Class {
    /// The entry's number in the catalogue; `None` for small talk, and for services that this
    /// catalogue does not have.
    pub entry: Option<usize>,
    pub talk: bool,
    pub idle: bool,
    /// What every word takes away, for classes that much was said of.
    pub toll: f32,
}

/// A stem or a pair of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Feature {
    /// The rarer, the more it counts.
    pub weight: f32,
    /// Whether few enough examples have it.
    pub telling: bool,
    /// Where its gains are.
    pub from: usize,
    pub to: usize,
}

/// The features of one text, looked up once.
#[derive(Debug)]
pub struct Looked<'p> {
    phrases: &'p Phrases,
    /// For each word: itself, and it with the word before it.
    words: Vec<[Option<(u64, Feature)>; 2]>,
}

impl Phrases {
    /// Counts the example sentences and openings, what was said in `calls` (lines as
    /// [`examples::calls`] reads them), and the names in the catalogue as further sentences.
    pub fn count(catalogue: &Catalogue, calls: &str) -> Self {
        let mut counter = Counter::default();
        for (class, sentence) in examples::sentences() {
            counter.add(class, sentence);
        }
        for (class, said) in examples::openings() {
            counter.add(class, &said);
        }
        for (class, said) in examples::calls(calls) {
            counter.add(class, &said);
        }
        for entry in catalogue.of(Kind::Service) {
            for name in entry.names.values().flatten() {
                counter.add(&entry.id, name);
            }
        }
        counter.finish(catalogue)
    }

    /// The words of the example sentences and openings, once for each. None of them names a city.
    pub fn words() -> impl Iterator<Item = String> {
        let sentences = examples::sentences().map(|(_, sentence)| sentence.to_owned());
        let openings = examples::openings().map(|(_, said)| said);
        sentences.chain(openings).flat_map(|said| {
            let text = Text::new(&said);
            let words: HashSet<&str> = text.tokens.iter().map(|t| text.word(t)).collect();
            words.into_iter().map(str::to_owned).collect::<Vec<_>>()
        })
    }

    /// Looks a text's words up.
    pub fn look<'p>(&'p self, text: &Text) -> Looked<'p> {
        let known = |key: u64| self.features.get(&key).map(|feature| (key, *feature));
        let words = keys(text).into_iter().map(|(own, pair)| [known(own), pair.and_then(known)]);
        Looked { phrases: self, words: words.collect() }
    }

    /// The posterior of every class for everything in these texts, as far as so many words, each
    /// word and pair counted once; `None` where none of them says anything.
    pub fn posterior<'l>(
        &self,
        texts: impl Iterator<Item = &'l Looked<'l>>,
        mut words: usize,
    ) -> Option<Vec<f32>> {
        let mut seen: HashSet<u64, FixedState> = HashSet::default();
        let mut tally = Tally::new(self);
        for text in texts {
            let count = text.words.len().min(words);
            words -= count;
            text.each(0..count, |key, pair, feature| {
                if seen.insert(key) {
                    tally.add(pair, feature);
                }
            });
        }
        tally.posterior()
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes.len()
    }

    /// The catalogue entry of a class.
    pub fn entry(&self, class: usize) -> Option<usize> {
        self.classes[class].entry
    }

    /// The class of a catalogue entry.
    pub fn class(&self, entry: usize) -> Option<usize> {
        self.numbers.get(&entry).copied()
    }

    /// Whether a class is what callers say besides what they want.
    pub fn is_talk(&self, class: usize) -> bool {
        self.classes[class].talk
    }

    /// Whether a class is what callers say who want no work.
    pub fn is_idle(&self, class: usize) -> bool {
        self.classes[class].idle
    }

    fn gains(&self, feature: Feature) -> &[(u16, f32)] {
        self.gains.get(feature.from..feature.to).unwrap_or_default()
    }
}

impl Looked<'_> {
    /// The posterior of every class for these words; `None` where none of them says anything.
    pub fn posterior(&self, words: Range<usize>) -> Option<Vec<f32>> {
        // A window has few words.
        let mut seen: Vec<u64> = Vec::with_capacity(2 * words.len());
        let mut tally = Tally::new(self.phrases);
        self.each(words, |key, pair, feature| {
            if !seen.contains(&key) {
                seen.push(key);
                tally.add(pair, feature);
            }
        });
        tally.posterior()
    }

    /// Each known stem, and each known pair of neighbours, of these words.
    fn each(&self, words: Range<usize>, mut take: impl FnMut(u64, bool, Feature)) {
        for at in words.clone() {
            for (pair, found) in [false, true].into_iter().zip(self.words[at]) {
                let across = pair && at == words.start;
                if let Some((key, feature)) = found.filter(|_| !across) {
                    take(key, pair, feature);
                }
            }
        }
    }

    /// How much one word of a text speaks for a class, with the word before it and alone. Words
    /// that are said for any reason do not.
    pub fn gain(&self, word: usize, class: usize) -> f32 {
        let [alone, _] = self.words[word];
        if alone.is_none_or(|(_, feature)| !feature.telling) {
            return 0.0;
        }
        let own = |(_, feature): (u64, Feature)| {
            let gains = self.phrases.gains(feature);
            let gain = gains.iter().find(|(known, _)| usize::from(*known) == class);
            gain.map_or(0.0, |(_, gain)| feature.weight * gain)
        };
        self.words[word].iter().flatten().copied().map(own).sum()
    }
}

/// What several words together say.
struct Tally<'p> {
    phrases: &'p Phrases,
    scores: Vec<f32>,
    sum: f32,
    square: f32,
    telling: bool,
}

impl<'p> Tally<'p> {
    fn new(phrases: &'p Phrases) -> Self {
        let scores = vec![0.0; phrases.classes.len()];
        Self { phrases, scores, sum: 0.0, square: 0.0, telling: false }
    }

    fn add(&mut self, pair: bool, feature: Feature) {
        self.sum += feature.weight;
        self.square += feature.weight * feature.weight;
        self.telling |= !pair && feature.telling;
        for (class, gain) in self.phrases.gains(feature) {
            self.scores[usize::from(*class)] += feature.weight * gain;
        }
    }

    fn posterior(mut self) -> Option<Vec<f32>> {
        if !self.telling {
            return None;
        }
        let norm = self.square.sqrt().max(f32::MIN_POSITIVE);
        for (score, class) in self.scores.iter_mut().zip(&self.phrases.classes) {
            *score = (*score - self.sum * class.toll) / norm * SHARPNESS;
        }
        Some(softmax(self.scores))
    }
}

fn softmax(mut scores: Vec<f32>) -> Vec<f32> {
    let best = scores.iter().copied().fold(f32::MIN, f32::max);
    for score in &mut scores {
        let below = *score - best;
        *score = if below < FAR { 0.0 } else { below.exp() };
    }
    let sum: f32 = scores.iter().sum();
    scores.iter_mut().for_each(|score| *score /= sum);
    scores
}

/// For each word the key of its stem, and of that with the stem before it. Equal in every run.
pub(super) fn keys(text: &Text) -> Vec<(u64, Option<u64>)> {
    let hash = FixedState::default();
    let mut before: Option<&str> = None;
    let key = |(at, token)| {
        let own = if is_filler(text, at) { FILLER } else { stem(text.word(token)) };
        let pair = before.replace(own).map(|before| hash.hash_one((before, own)));
        (hash.hash_one(own), pair)
    };
    text.tokens.iter().enumerate().map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_like_the_examples_is_recognised_and_counting_twice_changes_nothing() {
        let catalogue = Catalogue::built_in().unwrap();
        let text = Text::new("my key snapped inside the lock");
        let best = || {
            let phrases = Phrases::count(&catalogue, examples::built_in_calls());
            let posterior = phrases.look(&text).posterior(0..text.tokens.len()).unwrap();
            let best = (0..posterior.len()).max_by(|a, b| posterior[*a].total_cmp(&posterior[*b]));
            let best = best.unwrap();
            (phrases.entry(best).map(|entry| &catalogue.entries[entry].id), posterior[best])
        };
        let (id, posterior) = best();
        assert_eq!(id.map(String::as_str), Some("locksmith"));
        assert!(posterior > 0.5);
        assert!((best().1 - posterior).abs() < f32::EPSILON);
    }
}
