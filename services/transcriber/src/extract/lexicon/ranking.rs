//! Which service the call is about: everything that speaks for each, put together.
//!
//! The weights are data: `examples/extract_learn` learns them from labelled calls and writes
//! them into `data/ranking.toml`.

mod naming;

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    Heard,
    decide::{self, Basis, Candidate},
    phrases::Sound,
    relevance::{self, Clue, Source, clues},
    stance::Stance,
};
use crate::extract::catalogue::Strength;
use naming::Naming;

/// What speaks for a service, in their order.
pub const CIRCUMSTANCES: [&str; 32] = [
    "present",
    "excluded",
    "rules",
    "rules-much",
    "sum-Greeting",
    "sum-Opening",
    "sum-Caller",
    "sum-Agent",
    "most-Greeting",
    "most-Opening",
    "most-Caller",
    "most-Agent",
    "trace-Greeting",
    "trace-Opening",
    "trace-Caller",
    "trace-Agent",
    "sum",
    "relevant",
    "relevant-mention",
    "relevant-window",
    "relevant-mentions",
    "relevant-windows",
    "greeted",
    "greeted-beside",
    "greeted-thing",
    "concluded",
    "times",
    "turns",
    "unnamed",
    "first",
    "whole",
    "whole-much",
];

/// What speaks for no service at all, in their order.
pub const ABSENCES: [&str; 13] = [
    "bias",
    "talk",
    "silent",
    "wrong",
    "idle",
    "applicant",
    "again",
    "sounds-idle",
    "sounds-idle-most",
    "agent-sounds-idle",
    "agent-sounds-idle-most",
    "first-sounds-idle",
    "whole-sounds-idle",
];

/// The evidence for one value.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The entry's number in the catalogue.
    pub entry: usize,
    /// How much there is of each circumstance that speaks for it.
    pub circumstances: Vec<f32>,
    /// What says it best.
    pub basis: Basis,
}

/// All evidence of a call for a field.
#[derive(Debug, Clone)]
pub struct Standings {
    /// For each value that anything speaks for.
    pub values: Vec<Standing>,
    /// For none: how much there is of each circumstance that speaks for none.
    pub absences: Vec<f32>,
}

impl Standings {
    /// The values, best first, each with its evidence against none.
    pub(super) fn rank(&self, circumstances: &[f32], absences: &[f32]) -> Vec<Candidate> {
        let none = dot(&self.absences, absences);
        let candidate = |standing: &Standing| Candidate {
            entry: standing.entry,
            score: dot(&standing.circumstances, circumstances) - none,
            basis: standing.basis,
        };
        let mut ranked: Vec<Candidate> = self.values.iter().map(candidate).collect();
        ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.entry.cmp(&b.entry)));
        ranked
    }
}

/// Learned weights.
#[derive(Debug, Clone)]
pub struct Ranking {
    mention: Vec<f32>,
    window: Vec<f32>,
    circumstances: Vec<f32>,
    absences: Vec<f32>,
}

const BUILT_IN: &str = include_str!("../../../data/ranking.toml");

impl Ranking {
    /// The learned ones.
    pub fn built_in() -> Result<Self, toml::de::Error> {
        Self::parse(BUILT_IN)
    }

    /// Others, while they are learned. What is not in the file weighs nothing.
    pub fn parse(source: &str) -> Result<Self, toml::de::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            mention: BTreeMap<String, f32>,
            window: BTreeMap<String, f32>,
            service: BTreeMap<String, f32>,
            none: BTreeMap<String, f32>,
        }
        let file: File = toml::from_str(source)?;
        let clue: Vec<String> = (0..relevance::FEATURES).map(relevance::name).collect();
        Ok(Self {
            mention: in_order(&clue, file.mention)?,
            window: in_order(&clue, file.window)?,
            circumstances: in_order(&CIRCUMSTANCES, file.service)?,
            absences: in_order(&ABSENCES, file.none)?,
        })
    }

    /// The services that anything speaks for, best first, each with its evidence against none.
    pub fn rank(
        &self,
        heard: &Heard<'_>,
        stances: &[Stance],
        rules: &[Candidate],
    ) -> Vec<Candidate> {
        self.standings(heard, stances, rules).rank(&self.circumstances, &self.absences)
    }

    /// All evidence. `rules` is what the rules make of the judged mentions.
    pub fn standings(
        &self,
        heard: &Heard<'_>,
        stances: &[Stance],
        rules: &[Candidate],
    ) -> Standings {
        let scene = &heard.scene;
        let mut absences = absences(heard).to_vec();
        if rules.is_empty() {
            absences[2] = 1.0;
        }
        // The company alone asks for nothing.
        if !heard.parts.iter().any(|part| part.is_caller()) {
            return Standings { values: Vec::new(), absences };
        }
        let mut all: BTreeMap<usize, Evidence<'_>> = BTreeMap::new();
        for clue in clues(heard, stances) {
            let relevance = self.relevance(&clue).clamp(-6.0, 6.0);
            all.entry(clue.entry).or_default().add(clue.source, relevance);
        }
        for candidate in rules {
            all.entry(candidate.entry).or_default().rules = Some(candidate);
        }
        for (entry, sound) in heard.impression.services() {
            if let Some(evidence) = all.get_mut(&entry) {
                evidence.sound = Some(sound);
            }
        }
        let naming = Naming::of(scene, &heard.parts);
        all.retain(|entry, _| !is_ruled_out(heard, stances, *entry));
        let services = all.into_iter().filter_map(|(entry, evidence)| {
            let mut circumstances = evidence.circumstances();
            naming.add(entry, &mut circumstances);
            let circumstances = circumstances.to_vec();
            Some(Standing { entry, circumstances, basis: evidence.basis()? })
        });
        Standings { values: services.collect(), absences }
    }

    fn relevance(&self, clue: &Clue) -> f32 {
        let weights = match clue.source {
            Source::Mention => &self.mention,
            Source::Window => &self.window,
        };
        clue.features.iter().map(|(feature, value)| weights[*feature] * value).sum()
    }
}

pub(super) fn in_order(
    names: &[impl AsRef<str>],
    mut weights: BTreeMap<String, f32>,
) -> Result<Vec<f32>, toml::de::Error> {
    let ordered = names.iter().map(|name| weights.remove(name.as_ref()).unwrap_or(0.0)).collect();
    match weights.keys().next() {
        None => Ok(ordered),
        Some(name) => Err(serde::de::Error::custom(format!("no circumstance is called {name}"))),
    }
}

fn dot(values: &[f32], weights: &[f32]) -> f32 {
    values.iter().zip(weights).map(|(value, weight)| value * weight).sum()
}

/// What speaks for one service.
#[derive(Default)]
struct Evidence<'h> {
    rules: Option<&'h Candidate>,
    sound: Option<&'h Sound>,
    mentions: Relevant,
    windows: Relevant,
}

/// How relevant several clues are.
#[derive(Default)]
struct Relevant {
    count: u32,
    most: f32,
    sum: f32,
}

impl Evidence<'_> {
    fn add(&mut self, source: Source, relevance: f32) {
        let known = match source {
            Source::Mention => &mut self.mentions,
            Source::Window => &mut self.windows,
        };
        known.count += 1;
        known.most = known.most.max(relevance + 6.0);
        known.sum += 1.0 / (1.0 + (-relevance).exp());
    }

    /// The first of them; the others are about names.
    fn circumstances(&self) -> [f32; CIRCUMSTANCES.len()] {
        let mut found = [0.0; CIRCUMSTANCES.len()];
        match self.rules {
            Some(candidate) => {
                let score = candidate.score.clamp(-5.0, 12.0);
                (found[0], found[2], found[3]) = (1.0, score, (score - 3.0).max(0.0));
            }
            None => found[1] = f32::from(u8::from(self.mentions.count > 0)),
        }
        let sound = self.sound.copied().unwrap_or_default();
        for part in 0..4 {
            found[4 + part] = (sound.sums[part] / GRAIN).ln_1p();
            found[8 + part] = sound.most[part];
            found[12 + part] = (sound.most[part] / TRACE).ln_1p();
        }
        let [_, opening, caller, agent] = sound.sums;
        found[16] = ((opening + caller + agent / 2.0) / GRAIN).ln_1p();
        let several = |sum: f32| (3.0 * sum).ln_1p();
        found[17] = several(self.mentions.sum + self.windows.sum);
        (found[18], found[19]) = (self.mentions.most, self.windows.most);
        (found[20], found[21]) = (several(self.mentions.sum), several(self.windows.sum));
        if self.mentions.count == 0 {
            found[28] = found[16];
        }
        (found[29], found[30], found[31]) =
            (likely(sound.opening), likely(sound.whole), sound.whole);
        found
    }

    fn basis(&self) -> Option<Basis> {
        match self.rules {
            Some(candidate) if candidate.score > 0.0 || self.windows.count == 0 => {
                Some(candidate.basis)
            }
            _ if self.windows.count > 0 => Some(Basis::Sound),
            _ => None,
        }
    }
}

/// A sum of posteriors from which it counts noticeably.
const GRAIN: f32 = 0.4;
/// The least posterior that is more than noise.
const TRACE: f32 = 0.01;
/// The same of many words together, which are surer of themselves.
const LEAST: f32 = 1e-4;
/// Whether the caller mentions a service and the rules believe no mention but hints ("behind the
/// fridge", "I don't need a plumber"), and the call sounds like it only there.
fn is_ruled_out(heard: &Heard<'_>, stances: &[Stance], entry: usize) -> bool {
    let told: Vec<(usize, bool)> = stances
        .iter()
        .map(|stance| (stance.of(&heard.scene), stance.excluded))
        .filter(|(mention, _)| mention.entry == entry && heard.parts[mention.segment].is_caller())
        .filter(|(mention, _)| heard.scene.phrase(mention).strength > Strength::Hint)
        .map(|(mention, excluded)| (mention.segment, excluded))
        .collect();
    let mut windows = heard.impression.windows.iter().filter(|window| window.entry == entry);
    !told.is_empty()
        && told.iter().all(|(_, excluded)| *excluded)
        && windows.all(|window| told.iter().any(|(segment, _)| *segment == window.segment))
}

/// What speaks for no work, but for the rules' finding none.
pub(super) fn absences(heard: &Heard<'_>) -> [f32; ABSENCES.len()] {
    let [wrong, idle, applicant] = decide::reluctant(&heard.scene);
    let again = wrong.saturating_add(idle).saturating_add(applicant).saturating_sub(1).min(3);
    let some = |seen: u8| f32::from(seen.min(1));
    let Sound { sums, most, opening: first, whole } = heard.impression.idle;
    let [_, opening, caller, agent] = sums;
    [
        1.0,
        heard.impression.talk,
        0.0,
        some(wrong),
        some(idle),
        some(applicant),
        f32::from(again),
        (3.0 * (opening + caller)).ln_1p(),
        most[1].max(most[2]),
        (3.0 * agent).ln_1p(),
        most[3],
        likely(first),
        likely(whole),
    ]
}

/// How far a posterior is above next to nothing, as a logarithm.
pub(super) fn likely(posterior: f32) -> f32 {
    (posterior / LEAST).ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_learned_weights_are_read_and_an_unknown_circumstance_is_refused() {
        let ranking = Ranking::built_in().unwrap();
        assert_eq!(ranking.circumstances.len(), CIRCUMSTANCES.len());
        assert!(ranking.absences.iter().any(|weight| *weight != 0.0));
        let source = "[mention]\n[window]\n[service]\nmoon = 1.0\n[none]\n";
        let refused = Ranking::parse(source).unwrap_err().to_string();
        assert!(refused.contains("moon"), "{refused}");
    }

    #[test]
    fn more_relevant_clues_make_more_of_a_service() {
        let mut one = Evidence::default();
        one.add(Source::Mention, 1.0);
        let mut two = Evidence::default();
        two.add(Source::Mention, 1.0);
        two.add(Source::Window, 2.0);
        let relevant = CIRCUMSTANCES.iter().position(|name| *name == "relevant").unwrap();
        assert!(two.circumstances()[relevant] > one.circumstances()[relevant]);
        assert!(one.basis().is_none() && two.basis() == Some(Basis::Sound));
    }
}
