//! Which entry the evidence speaks for, and how clearly.

use domain::Speaker;

use super::{
    city,
    confidence::{FLOOR, confidence},
    cue::Cue,
    scene::Scene,
    service,
    stance::Stance,
};
use crate::extract::{catalogue::Kind, text::Break};

/// A value and the mention it rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The entry's number in the catalogue.
    pub entry: usize,
    /// The mention's number in the scene.
    pub mention: usize,
    /// Between [`FLOOR`] and 1.
    pub confidence: f32,
}

/// Another mention of the same entry adds this share of its evidence, each less than the last.
const REPEATED: f32 = 0.35;
/// A corrected mention is as good as gone.
const CORRECTED: f32 = -6.0;
/// Words between a name and the one that corrects it.
const CORRECTION: usize = 12;

/// The value of a field, if the evidence is good enough for one.
pub fn choose(scene: &Scene<'_>, kind: Kind) -> Option<Choice> {
    if wants_nothing(scene) {
        return None;
    }
    let mut stances: Vec<Stance> = judge_all(scene, kind);
    answer(scene, &mut stances);
    correct(scene, &mut stances);
    let ranked = rank(scene, &stances);
    let (best, score, mention) = *ranked.first()?;
    let second = ranked.get(1).map_or(0.0, |(_, score, _)| score.max(0.0));
    let confidence = confidence(score, score - second);
    (confidence >= FLOOR).then_some(Choice { entry: best, mention, confidence })
}

/// A wrong number, or someone who looks for a job.
fn wants_nothing(scene: &Scene<'_>) -> bool {
    scene.passages.iter().any(|passage| {
        passage.speaker != Speaker::Agent && (passage.has(Cue::Idle) || passage.has(Cue::Applicant))
    })
}

fn judge_all(scene: &Scene<'_>, kind: Kind) -> Vec<Stance> {
    let judge = match kind {
        Kind::City => city::judge,
        Kind::Service => service::judge,
    };
    let own = |(number, mention): (usize, &super::scene::Mention)| {
        (mention.kind == kind).then(|| judge(scene, number))
    };
    scene.mentions.iter().enumerate().filter_map(own).collect()
}

/// What the agent names and the caller confirms counts as the caller's; what is denied is out.
fn answer(scene: &Scene<'_>, stances: &mut [Stance]) {
    for stance in stances {
        let segment = stance.of(scene).segment;
        if scene.passages[segment].speaker != Speaker::Agent {
            continue;
        }
        let Some(reply) = scene.next(segment) else { continue };
        let denied = reply.opens_with(Cue::No, 2);
        stance.exclude(denied);
        stance.weigh(!denied && reply.opens_with(Cue::Yes, 2), 2.6);
    }
}

/// A later name takes back an earlier one when a correction stands between or just before.
fn correct(scene: &Scene<'_>, stances: &mut [Stance]) {
    for later in 1..stances.len() {
        let (earlier, rest) = stances.split_at_mut(later);
        let Some(stance) = rest.first().filter(|stance| !stance.excluded) else { continue };
        let mention = stance.of(scene);
        let passage = scene.passage(mention);
        if passage.speaker == Speaker::Agent || !corrects(scene, stance) {
            continue;
        }
        for old in earlier.iter_mut().rev().take(8) {
            if old.of(scene).entry != mention.entry {
                old.score = old.score.min(CORRECTED);
            }
        }
    }
}

fn corrects(scene: &Scene<'_>, stance: &Stance) -> bool {
    let mention = stance.of(scene);
    let passage = scene.passage(mention);
    passage.before(Cue::Correct, mention.tokens.start, CORRECTION, Break::Question).is_some()
        || passage.opens_with(Cue::No, 1) && mention.tokens.start < CORRECTION
}

/// Entries by their evidence, best first, each with the mention that says it best.
fn rank(scene: &Scene<'_>, stances: &[Stance]) -> Vec<(usize, f32, usize)> {
    let mut sums: Vec<(usize, f32, usize)> = Vec::new();
    let mut heard: Vec<&Stance> = stances.iter().filter(|stance| !stance.excluded).collect();
    heard.sort_by(|a, b| b.score.total_cmp(&a.score).then(b.mention.cmp(&a.mention)));
    for stance in heard {
        let entry = stance.of(scene).entry;
        match sums.iter_mut().find(|(known, ..)| *known == entry) {
            Some((_, sum, _)) => *sum += (stance.score * REPEATED).clamp(-0.5, 0.8),
            None => sums.push((entry, stance.score, stance.mention)),
        }
    }
    sums.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    sums
}
