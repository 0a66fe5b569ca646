//! The classifier.

use std::collections::{HashMap, HashSet};

use foldhash::fast::FixedState;

use super::{
    features::{Bag, features},
    file::{GistError, UNIT, decode},
};
use crate::extract::{
    catalogue::{Catalogue, Kind},
    lexicon::phrases::IDLE,
    text::Text,
};

const BUILT_IN: &[u8] = include_bytes!("../../../../data/gist.bin");
/// How sharply a difference of margins tells classes apart.
const SHARPNESS: f32 = 6.0;
/// The margin of a text that is about nothing in particular: a class counts by how far it is above.
const NOTHING: f32 = -0.5;

/// The learned weights.
#[derive(Debug)]
pub struct Gist {
    classes: Vec<Class>,
    features: HashMap<u32, Feature, FixedState>,
    /// Classes, and units of weight.
    weights: Vec<(u8, i8)>,
    /// The entries that have a class.
    known: HashSet<usize, FixedState>,
}

#[derive(Debug)]
struct Class {
    /// The entry's number in the catalogue; `None` where this catalogue does not have it.
    entry: Option<usize>,
    idle: bool,
    bias: f32,
}

#[derive(Debug, Clone, Copy)]
struct Feature {
    rarity: f32,
    /// Where its weights are.
    from: u32,
    count: u8,
}

/// How likely a text is about each class.
#[derive(Debug)]
pub struct Posterior<'g> {
    gist: &'g Gist,
    chances: Vec<f32>,
}

impl Gist {
    /// What the program brings along.
    ///
    /// # Errors
    /// When that is damaged.
    pub fn built_in(catalogue: &Catalogue) -> Result<Self, GistError> {
        Self::parse(BUILT_IN, catalogue)
    }

    /// Other weights, while they are learned.
    ///
    /// # Errors
    /// When the file is none of weights.
    pub fn parse(file: &[u8], catalogue: &Catalogue) -> Result<Self, GistError> {
        let mut classes: Vec<Class> = Vec::new();
        let (mut features, mut weights) = (HashMap::default(), Vec::new());
        let number =
            |id: &str| catalogue.entries.iter().position(|e| e.kind == Kind::Service && e.id == id);
        decode(
            file,
            |id, bias| classes.push(Class { entry: number(id), idle: id == IDLE, bias }),
            |key, rarity, own| {
                let from = weights.len() as u32;
                weights.extend(own);
                let count = (weights.len() as u32 - from) as u8;
                features.insert(key, Feature { rarity, from, count });
            },
        )?;
        let known = classes.iter().filter_map(|class| class.entry).collect();
        Ok(Self { classes, features, weights, known })
    }

    /// Whether it can tell a service, by its number in the catalogue, from others.
    pub fn knows(&self, entry: usize) -> bool {
        self.known.contains(&entry)
    }

    /// How likely these texts, as far as so many words, are about each class; `None` where none of
    /// their words is known.
    pub fn posterior<'t>(
        &self,
        texts: impl Iterator<Item = &'t Text>,
        mut words: usize,
    ) -> Option<Posterior<'_>> {
        let mut bag = Bag::default();
        for text in texts {
            features(text, words, |key| *bag.entry(key).or_default() += 1);
            words = words.saturating_sub(text.tokens.len());
        }
        let chances = self.chances(&bag)?;
        Some(Posterior { gist: self, chances })
    }

    fn chances(&self, bag: &Bag) -> Option<Vec<f32>> {
        let mut scores = vec![0.0_f32; self.classes.len()];
        let mut square = 0.0;
        for (key, count) in bag {
            let Some(feature) = self.features.get(key) else { continue };
            let much = ((*count as f32).ln() + 1.0) * feature.rarity;
            square += much * much;
            let from = feature.from as usize;
            for (class, weight) in &self.weights[from..from + usize::from(feature.count)] {
                scores[usize::from(*class)] += much * f32::from(*weight);
            }
        }
        if square == 0.0 {
            return None;
        }
        let scale = UNIT / square.sqrt();
        for (score, class) in scores.iter_mut().zip(&self.classes) {
            *score = SHARPNESS * (*score * scale + class.bias);
        }
        let nothing = SHARPNESS * NOTHING;
        let best = scores.iter().copied().fold(nothing, f32::max);
        scores.iter_mut().for_each(|score| *score = (*score - best).exp());
        let sum: f32 = scores.iter().sum::<f32>() + (nothing - best).exp();
        scores.iter_mut().for_each(|score| *score /= sum);
        Some(scores)
    }
}

impl Posterior<'_> {
    /// How likely it wants no work.
    pub fn idle(&self) -> f32 {
        self.each().filter(|(class, _)| class.idle).map(|(_, chance)| chance).sum()
    }

    /// How likely it is about each service that the catalogue has, by its number there.
    pub fn services(&self) -> impl Iterator<Item = (usize, f32)> {
        self.each().filter_map(|(class, chance)| Some((class.entry?, chance)))
    }

    fn each(&self) -> impl Iterator<Item = (&Class, f32)> {
        self.gist.classes.iter().zip(self.chances.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best<'c>(
        gist: &Gist,
        catalogue: &'c Catalogue,
        said: &[&str],
        words: usize,
    ) -> (&'c str, f32) {
        let texts: Vec<Text> = said.iter().map(|text| Text::new(text)).collect();
        let posterior = gist.posterior(texts.iter(), words).unwrap();
        let best = posterior.services().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        (&catalogue.entries[best.0].id, best.1)
    }

    #[test]
    fn what_is_told_in_several_turns_and_misspelt_is_about_one_service() {
        let catalogue = Catalogue::built_in().unwrap();
        let gist = Gist::built_in(&catalogue).unwrap();
        let said =
            ["hi um so my dish washer it leaves", "yeah the plates are filthy and the pump hums"];
        let (id, chance) = best(&gist, &catalogue, &said, 400);
        assert_eq!(id, "appliance-repair");
        assert!(chance > 0.5);
        let said = ["שלום נפל לי המפתח לביוב ואני נעולה מחוץ לבית הדלת נטרקה"];
        assert_eq!(best(&gist, &catalogue, &said, 400).0, "locksmith");
    }

    #[test]
    fn words_beyond_the_limit_do_not_count() {
        let catalogue = Catalogue::built_in().unwrap();
        let gist = Gist::built_in(&catalogue).unwrap();
        let said = ["the walls need paint", "we need a tow truck for the car"];
        assert_eq!(best(&gist, &catalogue, &said, 4).0, "painter");
    }

    #[test]
    fn a_wrong_number_wants_no_work_and_silence_says_nothing() {
        let catalogue = Catalogue::built_in().unwrap();
        let gist = Gist::built_in(&catalogue).unwrap();
        let wrong = Text::new("oh sorry I must have dialed the wrong number, have a nice day");
        assert!(gist.posterior([&wrong].into_iter(), 400).unwrap().idle() > 0.5);
        assert!(gist.posterior([&Text::new("...")].into_iter(), 400).is_none());
    }

    #[test]
    fn every_class_is_a_service_of_the_catalogue_and_a_catalogue_of_ones_own_may_have_few() {
        let catalogue = Catalogue::built_in().unwrap();
        let gist = Gist::built_in(&catalogue).unwrap();
        assert_eq!(gist.classes.iter().filter(|class| class.entry.is_none()).count(), 2);
        let source = "[[service]]\nid = \"painter\"\nen = [\"painter\"]\n\
                      [[service]]\nid = \"falconer\"\nen = [\"falconer\"]\n\
                      [[city]]\nid = \"haifa\"\nen = [\"Haifa\"]\n";
        let own = Catalogue::parse("own.toml", source).unwrap();
        let gist = Gist::built_in(&own).unwrap();
        assert!(gist.knows(0) && !gist.knows(1));
    }
}
