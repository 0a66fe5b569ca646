//! The lexicon extractor: names and signs from the catalogue, judged by the words around them;
//! beside them weighs what the whole call sounds like.

mod city;
mod confidence;
mod cue;
mod decide;
mod evidence;
mod extra;
mod gist;
mod part;
mod phrases;
mod ranking;
mod relevance;
mod scene;
mod service;
#[cfg(test)]
mod spoken;
mod stance;
mod weights;
mod witness;

/// What values are ranked by, for learning the weights.
pub mod learning {
    pub use super::{
        city::{ABSENCES as CITY_ABSENCES, CIRCUMSTANCES as CITY_CIRCUMSTANCES},
        decide::CityClue,
        gist::{Bag, Learned, LearnedFeature, bag},
        phrases::{calls, openings, sentences},
        ranking::{ABSENCES, CIRCUMSTANCES, Standing, Standings},
        relevance::{Clue, FEATURES, Source, name},
    };
}

use std::{collections::HashSet, sync::Arc};

use domain::{Extraction, Field, Transcript};

pub use cue::CueError;
pub use gist::GistError;

use self::{
    city::CityRanking,
    cue::add_cues,
    decide::{Basis, Choice, CityClue, Judges},
    evidence::{Quoted, quoted},
    gist::Gist,
    part::Part,
    phrases::{Impression, Phrases},
    ranking::{Ranking, Standings},
    relevance::Clue,
    scene::{Scene, Target},
    weights::Weights,
};
use super::{
    catalogue::{Catalogue, Entry, Kind, Language, Phrase, Strength},
    matching::{Matcher, MatcherBuilder, Pattern, Slot},
};

/// The rules, ready to be applied. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lexicon {
    catalogue: Arc<Catalogue>,
    matcher: Arc<Matcher<Target>>,
    weights: Arc<Weights>,
    ranking: Arc<Ranking>,
    cities: Arc<CityRanking>,
    phrases: Arc<Phrases>,
    gist: Arc<Gist>,
}

/// What the rules found in a transcript.
#[derive(Debug, Clone)]
pub struct Ruled {
    /// The fields.
    pub extraction: Extraction,
    /// The language the values are in.
    pub language: Language,
    /// Whether the service rests on more than hints.
    pub firm_service: bool,
    /// Whether the city does.
    pub firm_city: bool,
}

/// A transcript that was read, to be judged with several weights.
#[derive(Debug)]
pub struct Heard<'l> {
    scene: Scene<'l>,
    parts: Vec<Part>,
    impression: Impression<'l>,
}

impl Lexicon {
    /// Compiles a catalogue.
    ///
    /// # Errors
    /// When the built-in cue phrases cannot be read.
    pub fn new(catalogue: Arc<Catalogue>) -> Result<Self, CueError> {
        Self::with_cues(catalogue, cue::BUILT_IN)
    }

    /// Compiles a catalogue with cue phrases other than the built-in ones, for tuning.
    ///
    /// # Errors
    /// When the cue phrases are wrong.
    pub fn with_cues(catalogue: Arc<Catalogue>, cues: &str) -> Result<Self, CueError> {
        let mut builder = MatcherBuilder::new();
        // Cues first: their words are never read as a misspelt name.
        add_cues(cues, &mut builder, Target::Cue)?;
        for word in often_said() {
            builder.common(&word);
        }
        for word in EXPECTING {
            builder.expect_after(word);
        }
        for (number, entry) in catalogue.entries.iter().enumerate() {
            for (index, phrase) in entry.phrases.iter().enumerate() {
                let target = Target::Phrase(id(number), id(index));
                if phrase.heard {
                    builder.add_heard(&phrase.pattern, target);
                    continue;
                }
                let spelt = phrase.landmark && !is_long(entry, phrase);
                let forgiving = !spelt
                    && phrase.strength >= Strength::Said
                    && (!phrase.doubtful || is_long(entry, phrase));
                builder.add(&phrase.pattern, target, forgiving);
                if let Some(joined) = joined(entry, phrase) {
                    builder.add(&joined, target, forgiving);
                    if phrase.pattern.slots.len() == 2 {
                        builder.halves(&phrase.pattern);
                    }
                }
            }
        }
        let weights = Arc::new(Weights::built_in()?);
        let ranking = Arc::new(Ranking::built_in()?);
        let cities = Arc::new(CityRanking::built_in()?);
        let phrases = Arc::new(Phrases::count(&catalogue, phrases::built_in_calls()));
        let gist = Arc::new(Gist::built_in(&catalogue)?);
        let matcher = Arc::new(builder.build());
        Ok(Self { catalogue, matcher, weights, ranking, cities, phrases, gist })
    }

    /// The same rules with other weights (TOML as in `data/weights.toml`), while they are fitted.
    ///
    /// # Errors
    /// When a weight is missing or is no number.
    pub fn with_weights(&self, weights: &str) -> Result<Self, CueError> {
        Ok(Self { weights: Arc::new(Weights::parse(weights)?), ..self.clone() })
    }

    /// The same rules with other learned weights for services, while those are learned.
    ///
    /// # Errors
    /// When the source is not such a file.
    pub fn with_ranking(&self, ranking: &str) -> Result<Self, CueError> {
        Ok(Self { ranking: Arc::new(Ranking::parse(ranking)?), ..self.clone() })
    }

    /// The same rules with other learned weights for cities, while those are learned.
    ///
    /// # Errors
    /// When the source is not such a file.
    pub fn with_city_ranking(&self, ranking: &str) -> Result<Self, CueError> {
        Ok(Self { cities: Arc::new(CityRanking::parse(ranking)?), ..self.clone() })
    }

    /// The same rules, of which the phrases were counted with other calls (lines as in
    /// `data/phrases/calls.tsv`), while weights are learned.
    pub fn with_calls(&self, calls: &str) -> Self {
        Self { phrases: Arc::new(Phrases::count(&self.catalogue, calls)), ..self.clone() }
    }

    /// The same rules with another gist ([`learning::Learned::encode`]), while that is learned.
    ///
    /// # Errors
    /// When the file is none.
    pub fn with_gist(&self, gist: &[u8]) -> Result<Self, GistError> {
        Ok(Self { gist: Arc::new(Gist::parse(gist, &self.catalogue)?), ..self.clone() })
    }

    /// What services are ranked by, for learning the weights.
    pub fn study(&self, heard: &Heard<'_>) -> (Vec<Clue>, Standings) {
        decide::study(heard, &self.weights, &self.ranking)
    }

    /// What cities are ranked by: for each mention its city and what stands around it, by name.
    pub fn study_cities(&self, heard: &Heard<'_>) -> (Vec<CityClue>, Standings) {
        decide::study_cities(heard, &self.weights, &self.cities)
    }

    /// Reads a transcript without judging it.
    pub fn hear(&self, transcript: &Transcript) -> Heard<'_> {
        let scene = Scene::read(&self.catalogue, &self.matcher, transcript);
        let parts = Part::of(&scene);
        let impression = Impression::new(&self.phrases, &self.gist, &scene, &parts);
        Heard { scene, parts, impression }
    }

    /// The entries that could fill a field, best first, each with its evidence in log-odds
    /// against no value.
    pub fn judge(&self, heard: &Heard<'_>, kind: Kind) -> Vec<(&Entry, f32)> {
        let found = decide::candidates(heard, self.judges(), kind);
        found.iter().map(|c| (&self.catalogue.entries[c.entry], c.score)).collect()
    }

    /// What the caller wants and where. `values` is the language of the values; without it they
    /// are in the language of the call.
    pub fn extract(&self, transcript: &Transcript, values: Option<Language>) -> Extraction {
        self.rule(transcript, values).extraction
    }

    /// The same, with how well it is founded.
    pub fn rule(&self, transcript: &Transcript, values: Option<Language>) -> Ruled {
        let heard = self.hear(transcript);
        let language = values.unwrap_or_else(|| evidence::language(transcript, &heard.scene));
        let pick = |kind| {
            let choice = decide::choose(&heard, self.judges(), kind)?;
            Some((self.field(&heard, transcript, &choice, language)?, choice.firm))
        };
        let (service, firm_service) = pick(Kind::Service).unzip();
        let (city, firm_city) = pick(Kind::City).unzip();
        let extra = extra::extra(&heard.scene, transcript, language);
        Ruled {
            extraction: Extraction { service, city, extra, agreement: None },
            language,
            firm_service: firm_service.unwrap_or_default(),
            firm_city: firm_city.unwrap_or_default(),
        }
    }

    /// The field of a choice, with the words it rests on.
    fn field(
        &self,
        heard: &Heard<'_>,
        transcript: &Transcript,
        choice: &Choice,
        language: Language,
    ) -> Option<Field> {
        let scene = &heard.scene;
        let (segment, tokens) = match choice.basis {
            Basis::Mention(number) | Basis::Doubted(number) => {
                let mention = scene.mentions.get(number)?;
                (mention.segment, mention.tokens.clone())
            }
            Basis::Sound => heard.impression.words(scene, &heard.parts, choice.entry)?,
        };
        let entry = self.catalogue.entries.get(choice.entry)?;
        let place = Quoted { scene, transcript, segment, tokens };
        Some(quoted(place, &entry.id, entry.name(language), choice.confidence))
    }

    fn judges(&self) -> Judges<'_> {
        Judges { weights: &self.weights, services: &self.ranking, cities: &self.cities }
    }

    /// The catalogue it was made of.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }
}

/// After these words a place may follow.
const EXPECTING: [&str; 28] = [
    "in",
    "at",
    "from",
    "to",
    "near",
    "of",
    "its",
    "is",
    "im",
    "were",
    "here",
    "no",
    "for",
    "city",
    "yeah",
    "yes",
    "thats",
    "באזור",
    "ליד",
    "עיר",
    "העיר",
    "לא",
    "זה",
    "פה",
    "כנ",
    "אני",
    "איפה",
    "גרה",
];

/// Words that callers say in more than one sentence: no misspelt names.
fn often_said() -> HashSet<String> {
    let (mut once, mut often) = (HashSet::new(), HashSet::new());
    for word in Phrases::words() {
        if !once.insert(word.clone()) {
            often.insert(word);
        }
    }
    often
}

/// A doubtful name may be misspelt only if it is long enough to be no other word.
fn is_long(entry: &Entry, phrase: &Phrase) -> bool {
    let letters = phrase.pattern.slots.iter().flat_map(|slot| &slot.words);
    entry.kind == Kind::City && letters.map(|word| word.chars().count()).sum::<usize>() >= 6
}

fn id(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A city's words written as one, as speech engines sometimes do: "telaviv", "בארשבע".
fn joined(entry: &Entry, phrase: &Phrase) -> Option<Pattern> {
    let word = phrase.pattern.joined().filter(|word| word.chars().nth(4).is_some())?;
    if entry.kind != Kind::City {
        return None;
    }
    let slot = Slot { words: vec![word], optional: false, prefixable: true, gap: 0 };
    Some(Pattern { slots: vec![slot] })
}
