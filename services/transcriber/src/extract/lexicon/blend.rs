//! The rules and what the call sounds like, put together.

use super::{
    decide::{Basis, Candidate},
    phrases::Impression,
    scene::Scene,
    weights::SoundWeights,
};
use crate::extract::catalogue::{Kind, Strength};
use domain::Speaker;

/// Shifts the services that the rules found by what the call sounds like, and adds those that it
/// sounds like and no rule found. Best first.
pub fn blend(
    scene: &Scene<'_>,
    impression: &Impression<'_>,
    weights: &SoundWeights,
    ranked: &mut Vec<Candidate>,
) {
    let gain = |sum: f32| weights.gain * (sum / weights.grain.max(0.01)).ln_1p();
    for candidate in &mut *ranked {
        candidate.score *= weights.rules;
    }
    for (entry, sum) in impression.services() {
        if let Some(known) = ranked.iter_mut().find(|known| known.entry == entry) {
            if known.score <= 0.0 {
                // What the rules do not believe rests on how the call sounds alone.
                known.basis = Basis::Sound;
            }
            known.score += gain(sum);
        } else if !is_settled(scene, entry) {
            let score = weights.unnamed + gain(sum);
            ranked.push(Candidate { entry, score, basis: Basis::Sound });
        }
    }
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.entry.cmp(&b.entry)));
}

/// Whether the caller named the service and the rules do not believe it: of the past, of others,
/// or denied. They know better.
fn is_settled(scene: &Scene<'_>, entry: usize) -> bool {
    scene.mentions.iter().any(|mention| {
        mention.kind == Kind::Service
            && mention.entry == entry
            && scene.passage(mention).speaker != Speaker::Agent
            && scene.phrase(mention).strength >= Strength::Said
    })
}
