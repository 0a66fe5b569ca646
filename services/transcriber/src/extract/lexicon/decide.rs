//! Which entry the evidence speaks for, and how clearly.

use std::collections::{HashMap, HashSet};

use domain::Speaker;

use super::{
    city,
    confidence::{FLOOR, confidence},
    cue::Cue,
    scene::{Mention, Scene},
    service,
    stance::Stance,
};
use crate::extract::{
    catalogue::{Kind, Strength},
    text::Break,
};

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

/// Another mention of the same entry adds this share of its evidence.
const REPEATED: f32 = 0.35;
/// All repetitions together add no more than this.
const REPETITIONS: f32 = 1.6;
/// A corrected mention is as good as gone.
const CORRECTED: f32 = -6.0;
/// What a correction adds to the evidence it takes over.
const INHERITED: f32 = 0.3;
/// An entry that was denied once is distrusted elsewhere.
const DENIED: f32 = -2.5;
/// Words between a correction and the name it brings.
const CORRECTION: usize = 12;
/// Only hints: worth showing to a person, not worth acting on.
const HINTED: f32 = 0.6;

/// The value of a field, if the evidence is good enough for one.
pub fn choose(scene: &Scene<'_>, kind: Kind) -> Option<Choice> {
    if wants_nothing(scene) {
        return None;
    }
    let mut stances: Vec<Stance> = judge_all(scene, kind);
    answer(scene, &mut stances);
    let denied = distrust(scene, &mut stances, &HashSet::new());
    correct(scene, &mut stances);
    distrust(scene, &mut stances, &denied);
    let ranked = rank(scene, &stances);
    let (best, score, mention) = *ranked.first()?;
    let second = ranked.get(1).map_or(0.0, |(_, score, _)| score.max(0.0));
    let mut confidence = confidence(score, score - second);
    if scene.phrase(&scene.mentions[mention]).strength < Strength::Sign {
        confidence = confidence.min(HINTED);
    }
    (confidence >= FLOOR).then_some(Choice { entry: best, mention, confidence })
}

/// A wrong number, an advertisement, a cancellation, someone who looks for a job.
fn wants_nothing(scene: &Scene<'_>) -> bool {
    scene.passages.iter().any(|passage| {
        let own = passage.has(Cue::Idle) || passage.has(Cue::Applicant);
        passage.has(Cue::Wrong) || passage.speaker != Speaker::Agent && own
    })
}

fn judge_all(scene: &Scene<'_>, kind: Kind) -> Vec<Stance> {
    let judge = match kind {
        Kind::City => city::judge,
        Kind::Service => service::judge,
    };
    let own =
        |(number, mention): (usize, &Mention)| (mention.kind == kind).then(|| judge(scene, number));
    scene.mentions.iter().enumerate().filter_map(own).collect()
}

/// What the agent names and the caller confirms counts as the caller's; what is denied is out.
fn answer(scene: &Scene<'_>, stances: &mut [Stance]) {
    for stance in stances {
        let mention = stance.of(scene);
        if scene.passages[mention.segment].speaker != Speaker::Agent {
            continue;
        }
        let Some(reply) = scene.next(mention.segment) else { continue };
        // "Okay, so a plumber. Are you still in Haifa?" "No.": the last question is answered.
        let answered = mention.kind == Kind::City || !names_city(scene, mention.segment);
        if stance.excluded {
            continue;
        }
        if !answered {
            let corrected = reply.opens_with(Cue::No, 1);
            let guess = scene.passages[mention.segment].has(Cue::Recap);
            stance.weigh(corrected && guess, 1.2);
            continue;
        }
        let denied = reply.opens_with(Cue::No, 1);
        stance.deny(denied);
        stance.weigh(!denied && reply.opens_with(Cue::Yes, 2), 2.6);
    }
}

fn names_city(scene: &Scene<'_>, segment: usize) -> bool {
    let from = scene.mentions.partition_point(|m| m.segment < segment);
    let own = scene.mentions[from..].iter().take(32).take_while(|m| m.segment == segment);
    own.into_iter().any(|m| m.kind == Kind::City)
}

/// A later name takes back an earlier one when a correction stands between or just before, and
/// takes over what spoke for it.
fn correct(scene: &Scene<'_>, stances: &mut [Stance]) {
    for later in 1..stances.len() {
        let (earlier, rest) = stances.split_at_mut(later);
        let Some(stance) = rest.first_mut() else { continue };
        let mention = stance.of(scene);
        if scene.passage(mention).speaker == Speaker::Agent {
            continue;
        }
        let Some(at) = correction(scene, mention).filter(|at| is_firm(scene, stance, *at)) else {
            continue;
        };
        for old in earlier.iter_mut().rev().take(8) {
            let known = old.of(scene);
            let before = known.segment < mention.segment || known.tokens.end <= at + 2;
            if before && known.entry != mention.entry {
                if known.segment == mention.segment {
                    stance.score = stance.score.max(old.score + INHERITED);
                }
                old.score = old.score.min(CORRECTED);
                old.denied = true;
            }
        }
    }
}

/// Whether a mention can take another's place: not itself denied, and about the work, unless it
/// follows the correction at once.
fn is_firm(scene: &Scene<'_>, stance: &Stance, correction: usize) -> bool {
    let mention = stance.of(scene);
    let at_once = mention.tokens.start - correction <= 5;
    let least = match mention.kind {
        Kind::City if at_once => -1.0,
        Kind::City => 0.0,
        Kind::Service => 1.0,
    };
    let named = scene.phrase(mention).strength > Strength::Hint;
    !stance.excluded && stance.score > least && named
}

/// Where the correction that brings this name begins.
fn correction(scene: &Scene<'_>, mention: &Mention) -> Option<usize> {
    let passage = scene.passage(mention);
    let start = mention.tokens.start;
    let reach = if mention.kind == Kind::City { CORRECTION } else { CORRECTION / 2 };
    let near = passage.cues_in(start.saturating_sub(reach)..start);
    let corrects = |(cue, span): &&(Cue, std::ops::Range<usize>)| {
        let opens = span.start == 0
            || passage.text.tokens.get(span.start).is_some_and(|t| t.before >= Break::Comma);
        *cue == Cue::Correct || *cue == Cue::No && opens
    };
    near.iter().rev().find(corrects).map(|(_, span)| span.start)
}

/// What was denied in one place is not believed in another. Gives all denied entries; those
/// already `known` were weighed before.
fn distrust(scene: &Scene<'_>, stances: &mut [Stance], known: &HashSet<usize>) -> HashSet<usize> {
    let denied: HashSet<usize> =
        stances.iter().filter(|s| s.denied).map(|s| s.of(scene).entry).collect();
    for stance in stances {
        let entry = stance.of(scene).entry;
        stance.weigh(denied.contains(&entry) && !known.contains(&entry), DENIED);
    }
    denied
}

/// Entries by their evidence, best first, each with the mention that says it best.
fn rank(scene: &Scene<'_>, stances: &[Stance]) -> Vec<(usize, f32, usize)> {
    let mut heard: Vec<&Stance> = stances.iter().filter(|stance| !stance.excluded).collect();
    heard.sort_by(|a, b| b.score.total_cmp(&a.score).then(b.mention.cmp(&a.mention)));
    let mut sums: Vec<(usize, f32, usize)> = Vec::new();
    let mut places: HashMap<usize, (usize, f32)> = HashMap::new();
    for stance in heard {
        let entry = stance.of(scene).entry;
        match places.get_mut(&entry) {
            None => {
                places.insert(entry, (sums.len(), 0.0));
                sums.push((entry, stance.score, stance.mention));
            }
            Some((at, added)) => {
                let more = (stance.score * REPEATED).clamp(0.0, 0.8).min(REPETITIONS - *added);
                *added += more;
                sums[*at].1 += more;
            }
        }
    }
    sums.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    sums
}
