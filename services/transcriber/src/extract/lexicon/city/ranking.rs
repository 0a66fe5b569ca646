//! In which city the work is: everything that speaks for each, put together.
//!
//! As with services (`lexicon/ranking.rs`): learned weights say how relevant each mention is, by the
//! words around it and the turns of the talk, and how relevant mentions and the rules' findings
//! weigh against those of other cities and against none. `examples/extract_learn` writes them into
//! `data/ranking-cities.toml`.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::FixedState;
use serde::Deserialize;

use super::clues::Clues;
use crate::extract::lexicon::{
    Heard,
    decide::{Basis, Candidate},
    ranking::{self, Standing, Standings, in_order},
    stance::Stance,
};

/// What speaks for a city, in their order.
pub const CIRCUMSTANCES: [&str; 6] =
    ["rules", "rules-believe", "rules-name", "times", "last", "relevant"];

/// What speaks for no city, in their order: what speaks for no work, and whether several are named.
pub const ABSENCES: [&str; ranking::ABSENCES.len() + 1] = {
    let mut all = ["several"; ranking::ABSENCES.len() + 1];
    let mut at = 0;
    while at < ranking::ABSENCES.len() {
        all[at] = ranking::ABSENCES[at];
        at += 1;
    }
    all
};

/// Where it stands how much the first thing the caller says sounds like no work; all of it is next.
const FIRST_IDLE: usize = ranking::ABSENCES.len() - 2;

/// Learned weights.
#[derive(Debug, Clone)]
pub struct CityRanking {
    clues: HashMap<String, f32, FixedState>,
    circumstances: Vec<f32>,
    absences: Vec<f32>,
}

/// No mention is more relevant than that, in log-odds.
const MOST: f32 = 15.0;
const BUILT_IN: &str = include_str!("../../../../data/ranking-cities.toml");

impl CityRanking {
    /// The learned ones.
    pub fn built_in() -> Result<Self, toml::de::Error> {
        Self::parse(BUILT_IN)
    }

    /// Others, while they are learned. What is not in the file weighs nothing.
    pub fn parse(source: &str) -> Result<Self, toml::de::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            mention: HashMap<String, f32, FixedState>,
            city: BTreeMap<String, f32>,
            none: BTreeMap<String, f32>,
        }
        let file: File = toml::from_str(source)?;
        Ok(Self {
            clues: file.mention,
            circumstances: in_order(&CIRCUMSTANCES, file.city)?,
            absences: in_order(&ABSENCES, file.none)?,
        })
    }

    /// The cities that are named, best first, each with its evidence against none. `rules` is what
    /// the rules make of the judged mentions.
    pub fn rank(
        &self,
        heard: &Heard<'_>,
        stances: &[Stance],
        rules: &[Candidate],
    ) -> Vec<Candidate> {
        self.standings(heard, stances, rules).rank(&self.circumstances, &self.absences)
    }

    /// All evidence.
    pub fn standings(
        &self,
        heard: &Heard<'_>,
        stances: &[Stance],
        rules: &[Candidate],
    ) -> Standings {
        let clues = Clues::new(heard, stances);
        let mut all: BTreeMap<usize, Evidence> = BTreeMap::new();
        let is_place = |stance: &Stance| !stance.is_no_place(&heard.scene);
        let places = stances.iter().enumerate().filter(|(_, stance)| is_place(stance));
        for (number, stance) in places {
            let mut relevance = 0.0;
            clues.each(number, &mut |name, much| {
                relevance += self.clues.get(name).copied().unwrap_or_default() * much;
            });
            let relevance = relevance.clamp(-MOST, MOST);
            let entry = stance.of(&heard.scene).entry;
            all.entry(entry).or_default().add(stance.mention, relevance);
        }
        let last = stances.last().map(|stance| stance.of(&heard.scene).entry);
        let mut absences = ranking::absences(heard).to_vec();
        absences[2] = f32::from(u8::from(rules.is_empty()));
        // "I'm looking for an electrician, call me any time": it sounds like a job seeker, but more like
        // an electrician's customer.
        let [opening, whole] = best_sound(heard);
        absences[FIRST_IDLE] -= ranking::likely(opening);
        absences[FIRST_IDLE + 1] -= ranking::likely(whole);
        absences.push(f32::from(u8::from(all.len() > 1)));
        let values = all.into_iter().map(|(entry, evidence)| {
            let rule = rules.iter().find(|candidate| candidate.entry == entry);
            let circumstances = evidence.circumstances(rule, last == Some(entry));
            let basis = rule.map_or(Basis::Doubted(evidence.best), |rule| rule.basis);
            Standing { entry, circumstances, basis }
        });
        Standings { values: values.collect(), absences }
    }
}

/// How much the first thing the caller says, and all of it, sound like the service they sound like most.
fn best_sound(heard: &Heard<'_>) -> [f32; 2] {
    let sounds = heard.impression.services().map(|(_, sound)| sound);
    sounds.fold([0.0; 2], |[opening, whole], sound| {
        [sound.opening.max(opening), sound.whole.max(whole)]
    })
}

/// What the mentions of one city say for it.
#[derive(Debug, Default)]
struct Evidence {
    /// The number of the most relevant mention.
    best: usize,
    most: f32,
    odds: f32,
    count: u16,
}

impl Evidence {
    fn add(&mut self, mention: usize, relevance: f32) {
        if self.count == 0 || relevance > self.most {
            (self.best, self.most) = (mention, relevance);
        }
        self.odds += relevance.exp();
        self.count = self.count.saturating_add(1);
    }

    fn circumstances(&self, rule: Option<&Candidate>, last: bool) -> Vec<f32> {
        let score = rule.map_or(-3.0, |rule| rule.score.clamp(-5.0, 10.0));
        vec![
            score / 3.0,
            score.max(0.0) / 3.0,
            f32::from(u8::from(rule.is_some())),
            f32::from(self.count).ln(),
            f32::from(u8::from(last)),
            self.odds.ln(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_learned_weights_are_read_and_an_unknown_circumstance_is_refused() {
        let ranking = CityRanking::built_in().unwrap();
        assert!(ranking.circumstances.iter().any(|weight| *weight != 0.0));
        let refused = CityRanking::parse("[mention]\n[city]\nmoon = 1.0\n[none]\n").unwrap_err();
        assert!(refused.to_string().contains("moon"), "{refused}");
    }

    #[test]
    fn the_most_relevant_mention_is_what_a_city_rests_on() {
        let mut evidence = Evidence::default();
        evidence.add(4, -1.0);
        evidence.add(7, 2.0);
        evidence.add(9, 1.0);
        assert_eq!(evidence.best, 7);
        assert!(evidence.circumstances(None, false)[5] > 1.9);
    }
}
