//! How much each circumstance weighs, in log-odds.
//!
//! The figures are data: `examples/extract_fit.rs` fits them to labelled calls and writes them
//! into `data/weights.toml`.

use serde::Deserialize;

use crate::extract::catalogue::Kind;

/// Weights of both fields, and the way from evidence to a probability.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    pub service: ServiceWeights,
    pub city: CityWeights,
    pub decide: DecideWeights,
    pub confidence: Confidence,
}

/// Circumstances of a service's mention.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceWeights {
    pub name: f32,
    pub said: f32,
    pub sign: f32,
    pub thing: f32,
    pub hint: f32,
    pub caller: f32,
    pub unknown: f32,
    pub agent: f32,
    pub misspelt: f32,
    pub name_needed: f32,
    pub said_needed: f32,
    pub sign_needed: f32,
    pub hint_needed: f32,
    pub doubtful: f32,
    pub served: f32,
    pub asked: f32,
    pub first: f32,
    pub thing_fault: f32,
    pub thing_fault_far: f32,
    pub thing_mend: f32,
    pub aside: f32,
    pub greeted: f32,
    pub unserved: f32,
    pub name_done: f32,
    pub sign_done: f32,
    pub past: f32,
    pub recommended: f32,
    pub kin: f32,
    pub concluded: f32,
    pub recap: f32,
    pub menu: f32,
    pub denied_sign: f32,
}

/// Circumstances of a city's mention.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CityWeights {
    pub caller: f32,
    pub unknown: f32,
    pub agent: f32,
    pub by_sound: f32,
    pub misspelt: f32,
    pub misspelt_unplaced: f32,
    pub landmark: f32,
    pub doubtful: f32,
    pub within: f32,
    pub near: f32,
    pub address: f32,
    pub last: f32,
    pub answer: f32,
    pub answer_aside: f32,
    pub untold: f32,
    pub region: f32,
    pub site: f32,
    pub site_far: f32,
    pub subject_site: f32,
    pub subject_foreign: f32,
    /// The work is said to be elsewhere than the caller.
    pub outdone: f32,
    /// Named beside a guess that is accepted.
    pub aside: f32,
    pub live: f32,
    pub serve: f32,
    pub need: f32,
    pub but: f32,
    pub kin_needs: f32,
    pub reply: f32,
    pub summed_up: f32,
    pub read_back: f32,
    pub to_wanted: f32,
    pub destination: f32,
    pub to_moved: f32,
    pub from_moved: f32,
    pub from_introduced: f32,
    pub origin: f32,
    pub past: f32,
    pub past_far: f32,
    pub past_alone: f32,
    pub kin: f32,
    pub kin_far: f32,
    pub kin_alone: f32,
    pub kin_beneficiary: f32,
    pub third: f32,
    pub third_beneficiary: f32,
    pub me_for_another: f32,
    pub recommended: f32,
    pub work: f32,
    pub own: f32,
    pub contrasted: f32,
    pub guessed: f32,
    pub by_ear: f32,
    pub near_another: f32,
    /// The origin of a move to somewhere else.
    pub moved_from: f32,
    /// The caller repeats where the company comes from.
    pub echoed: f32,
    /// The agent takes up the city that the caller named.
    pub taken_up: f32,
    pub from_to: f32,
    pub elsewhere: f32,
    pub caller_guess: f32,
    pub before_site: f32,
    pub before_another: f32,
    pub to_origin: f32,
    pub alone: f32,
    /// No service was asked for, as far as anyone can tell.
    pub no_service: f32,
}

/// What is said elsewhere in the call.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecideWeights {
    pub corrected_guess: f32,
    pub confirmed_service: f32,
    pub confirmed_city: f32,
    pub denied: f32,
    pub inherited: f32,
    /// Share of its evidence that the same phrase adds when it is said again.
    pub repeated: f32,
    /// Share of its evidence that another phrase of the same entry adds.
    pub another: f32,
    /// All of these together add no more.
    pub most_repeated: f32,
    /// Evidence a service or a city must outweigh to be given at all.
    pub no_service: f32,
    pub no_city: f32,
}

/// From evidence to a probability.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confidence {
    /// How sharply evidence tells entries apart.
    pub sharpness: f32,
    /// The posterior of the best entry, and the share of right values there, in rising order.
    pub service: Vec<(f32, f32)>,
    pub city: Vec<(f32, f32)>,
}

impl Confidence {
    /// The knots of a field.
    pub fn of(&self, kind: Kind) -> &[(f32, f32)] {
        match kind {
            Kind::Service => &self.service,
            Kind::City | Kind::Region => &self.city,
        }
    }
}

const BUILT_IN: &str = include_str!("../../../data/weights.toml");

impl Weights {
    /// The fitted ones.
    pub fn built_in() -> Result<Self, toml::de::Error> {
        Self::parse(BUILT_IN)
    }

    /// Others, while they are fitted.
    pub fn parse(source: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(source)
    }
}
