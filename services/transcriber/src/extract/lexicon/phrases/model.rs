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
use include_dir::{Dir, include_dir};

use super::stem::stem;
use crate::extract::{
    catalogue::{Catalogue, Entry, Kind},
    text::{Break, Text},
};

/// One folder a language, one file a service, one sentence a line.
static EXAMPLES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/data/phrases");
/// The file of what callers say besides what they want.
const SMALL_TALK: &str = "none";
/// The file of what callers say who want no work: a wrong number, a cancellation, a job seeker.
const IDLE: &str = "nothing";
/// How often a word counts as heard in classes that do not have it.
const SMOOTHING: f32 = 1.0;
/// A pair of words repeats what its words say already.
const PAIR: f32 = 0.8;
/// How sharply a difference of scores tells classes apart.
const SHARPNESS: f32 = 15.0;
/// A word in a larger share of all examples says nothing of the service.
const COMMON: f32 = 0.02;

/// What the example sentences teach.
#[derive(Debug)]
pub struct Phrases {
    classes: Vec<Class>,
    features: HashMap<u64, Feature, FixedState>,
    gains: Vec<(u16, f32)>,
}

/// A service, or none.
#[derive(Debug, Clone)]
struct Class {
    /// The entry's number in the catalogue; `None` for small talk, and for services that this
    /// catalogue does not have.
    entry: Option<usize>,
    talk: bool,
    idle: bool,
    /// What every word takes away, for classes that much was said of.
    toll: f32,
}

/// A stem or a pair of them.
#[derive(Debug, Clone, Copy)]
struct Feature {
    /// The rarer, the more it counts.
    weight: f32,
    /// Whether few enough examples have it.
    telling: bool,
    /// Where its gains are.
    from: usize,
    to: usize,
}

/// The features of one text, looked up once.
#[derive(Debug)]
pub struct Looked<'p> {
    phrases: &'p Phrases,
    /// For each word: itself, and it with the word before it.
    words: Vec<[Option<(u64, Feature)>; 2]>,
}

impl Phrases {
    /// Counts the example sentences, and the names in the catalogue as further ones.
    pub fn count(catalogue: &Catalogue) -> Self {
        let mut counter = Counter::default();
        for file in EXAMPLES.dirs().flat_map(Dir::files) {
            let Some(id) = file.path().file_stem().and_then(|stem| stem.to_str()) else { continue };
            for line in file.contents_utf8().unwrap_or_default().lines() {
                counter.add(id, line);
            }
        }
        for entry in catalogue.of(Kind::Service) {
            for name in entry.names.values().flatten() {
                counter.add(&entry.id, name);
            }
        }
        counter.finish(catalogue)
    }

    /// The words of the example sentences, once for each sentence.
    pub fn words() -> impl Iterator<Item = String> {
        let files = EXAMPLES.dirs().flat_map(Dir::files);
        let lines = files.flat_map(|file| file.contents_utf8().unwrap_or_default().lines());
        lines.flat_map(|line| {
            let text = Text::new(line);
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

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes.len()
    }

    /// The catalogue entry of a class.
    pub fn entry(&self, class: usize) -> Option<usize> {
        self.classes[class].entry
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
        let mut seen: Vec<u64> = Vec::with_capacity(2 * words.len());
        let (mut sum, mut square, mut telling) = (0.0, 0.0, false);
        let mut scores = vec![0.0_f32; self.phrases.classes.len()];
        for at in words.clone() {
            for (pair, found) in (0..).zip(self.words[at]) {
                let Some((key, feature)) = found else { continue };
                let across = pair == 1 && at == words.start;
                if across || seen.contains(&key) {
                    continue;
                }
                seen.push(key);
                sum += feature.weight;
                square += feature.weight * feature.weight;
                telling |= pair == 0 && feature.telling;
                for (class, gain) in self.phrases.gains(feature) {
                    scores[usize::from(*class)] += feature.weight * gain;
                }
            }
        }
        if !telling {
            return None;
        }
        let norm = square.sqrt().max(f32::MIN_POSITIVE);
        for (score, class) in scores.iter_mut().zip(&self.phrases.classes) {
            *score = (*score - sum * class.toll) / norm * SHARPNESS;
        }
        Some(softmax(scores))
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

fn softmax(mut scores: Vec<f32>) -> Vec<f32> {
    let best = scores.iter().copied().fold(f32::MIN, f32::max);
    for score in &mut scores {
        *score = (*score - best).exp();
    }
    let sum: f32 = scores.iter().sum();
    scores.iter_mut().for_each(|score| *score /= sum);
    scores
}

/// Stands for a "well" that is no water well; no stem has a comma.
const FILLER: &str = "well,";
/// Behind these a "well" is no thing.
const BEFORE_FILLER: [&str; 28] = [
    "oh", "um", "uh", "ah", "hmm", "yeah", "yes", "no", "okay", "ok", "so", "and", "but", "as",
    "very", "pretty", "quite", "really", "works", "work", "working", "worked", "doing", "going",
    "might", "may", "know", "just",
];
/// At the beginning of a clause, a "well" before these is none either.
const AFTER_FILLER: [&str; 52] = [
    "i", "im", "ive", "id", "ill", "it", "its", "we", "were", "weve", "wed", "he", "hes", "she",
    "shes", "they", "theyre", "theres", "there", "the", "my", "our", "his", "her", "you", "youre",
    "can", "could", "do", "does", "is", "this", "that", "thats", "what", "whats", "if", "no",
    "yes", "hello", "hi", "okay", "ok", "thank", "thanks", "let", "lets", "a", "actually", "see",
    "now", "maybe",
];

/// "Well, my door is stuck", "as well": most calls have one, and none of them is about wells.
fn is_filler(text: &Text, at: usize) -> bool {
    if text.word_at(at) != "well" {
        return false;
    }
    let begins = at == 0 || text.tokens[at].before >= Break::Comma;
    let alone = text.tokens.get(at + 1).is_none_or(|next| next.before >= Break::Comma);
    let behind =
        at.checked_sub(1).is_some_and(|before| BEFORE_FILLER.contains(&text.word_at(before)));
    behind || begins && (alone || AFTER_FILLER.contains(&text.word_at(at + 1)))
}

/// For each word the key of its stem, and of that with the stem before it. Equal in every run.
fn keys(text: &Text) -> Vec<(u64, Option<u64>)> {
    let hash = FixedState::default();
    let mut before: Option<&str> = None;
    let key = |(at, token)| {
        let own = if is_filler(text, at) { FILLER } else { stem(text.word(token)) };
        let pair = before.replace(own).map(|before| hash.hash_one((before, own)));
        (hash.hash_one(own), pair)
    };
    text.tokens.iter().enumerate().map(key).collect()
}

/// The example sentences of one service, and those of all others, as they are counted.
#[derive(Default)]
struct Counter<'s> {
    classes: Vec<&'s str>,
    numbers: HashMap<&'s str, u16>,
    /// The features of each sentence, each once, with whether they are pairs; and its class.
    sentences: Vec<(Vec<(u64, bool)>, u16)>,
    /// In how many sentences a feature is.
    spread: HashMap<u64, u32, FixedState>,
}

impl<'s> Counter<'s> {
    fn add(&mut self, class: &'s str, sentence: &str) {
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

    fn finish(self, catalogue: &Catalogue) -> Phrases {
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
        let classes = self.classes.iter().zip(&totals).map(class).collect();
        Phrases { classes, features, gains }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_examples_is_read_and_names_a_service_of_the_catalogue() {
        let catalogue = Catalogue::built_in().unwrap();
        let files: Vec<_> = EXAMPLES.dirs().flat_map(Dir::files).collect();
        assert!(files.len() > 100);
        for file in files {
            let id = file.path().file_stem().and_then(|stem| stem.to_str()).unwrap();
            assert!(file.contents_utf8().is_some_and(|text| text.lines().count() > 4), "{id}");
            assert!(
                [SMALL_TALK, IDLE].contains(&id) || catalogue.get(Kind::Service, id).is_some(),
                "{id}"
            );
        }
    }

    #[test]
    fn a_well_that_only_fills_a_pause_is_told_from_one_with_water() {
        let fills = |sentence: &str| {
            let text = Text::new(sentence);
            let at = text.tokens.iter().position(|token| text.word(token) == "well");
            is_filler(&text, at.unwrap())
        };
        for sentence in ["Well, my door is stuck", "well I need a plumber", "Oh well.", "as well"] {
            assert!(fills(sentence), "{sentence}");
        }
        for sentence in ["our well is dry", "well pump quit", "a well, an old one", "dig a well"] {
            assert!(!fills(sentence), "{sentence}");
        }
    }

    #[test]
    fn a_sentence_like_the_examples_is_recognised_and_counting_twice_changes_nothing() {
        let catalogue = Catalogue::built_in().unwrap();
        let text = Text::new("my key snapped inside the lock");
        let best = || {
            let phrases = Phrases::count(&catalogue);
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
