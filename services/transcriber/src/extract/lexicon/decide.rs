//! Which entry the evidence speaks for, and how clearly.

use std::collections::{HashMap, HashSet};

use domain::Speaker;

use super::{
    Heard,
    city::{self, CityRanking},
    confidence::{FLOOR, calibrated, posterior},
    cue::Cue,
    ranking::{Ranking, Standings},
    relevance::{Clue, clues},
    scene::{Mention, Scene},
    service,
    stance::Stance,
    weights::{DecideWeights, Weights},
};
use crate::extract::{
    catalogue::{Kind, Strength},
    text::Break,
};

/// A value and what it rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The entry's number in the catalogue.
    pub entry: usize,
    /// What says so.
    pub basis: Basis,
    /// Between [`FLOOR`] and 1.
    pub confidence: f32,
    /// Whether more than hints speak for it.
    pub firm: bool,
}

/// A corrected mention is as good as gone.
const CORRECTED: f32 = -6.0;
/// Words between a correction and the name it brings.
const CORRECTION: usize = 12;
/// Only hints, or against the rules: worth showing to a person, not worth acting on.
const HINTED: f32 = 0.75;

/// What speaks for an entry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Basis {
    /// The mention that says it best, by its number in the scene.
    Mention(usize),
    /// A mention that the rules do not believe, by its number.
    Doubted(usize),
    /// What the call sounds like.
    Sound,
}

/// An entry that could fill a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The entry's number in the catalogue.
    pub entry: usize,
    /// Evidence in log-odds against no value at all.
    pub score: f32,
    /// What says it best.
    pub basis: Basis,
}

/// What values are judged by.
#[derive(Debug, Clone, Copy)]
pub struct Judges<'l> {
    /// Of the rules.
    pub weights: &'l Weights,
    /// Of what speaks for services.
    pub services: &'l Ranking,
    /// Of what speaks for cities.
    pub cities: &'l CityRanking,
}

/// The value of a field, if the evidence is good enough for one.
pub fn choose(heard: &Heard<'_>, judges: Judges<'_>, kind: Kind) -> Option<Choice> {
    let weights = judges.weights;
    let ranked = candidates(heard, judges, kind);
    let best = ranked.first()?;
    let scores: Vec<f32> = ranked.iter().map(|candidate| candidate.score).collect();
    let posterior = posterior(&scores, weights.confidence.sharpness);
    let mut confidence = calibrated(posterior, weights.confidence.of(kind));
    let firm = match best.basis {
        Basis::Mention(number) => {
            let mention = &heard.scene.mentions[number];
            heard.scene.phrase(mention).strength >= Strength::Sign
        }
        Basis::Doubted(_) | Basis::Sound => false,
    };
    if !firm {
        confidence = confidence.min(HINTED);
    }
    let choice = Choice { entry: best.entry, basis: best.basis, confidence, firm };
    (confidence >= FLOOR).then_some(choice)
}

/// All entries that have evidence, best first.
pub fn candidates(heard: &Heard<'_>, judges: Judges<'_>, kind: Kind) -> Vec<Candidate> {
    let (stances, ranked) = by_rule(heard, judges.weights, kind);
    match kind {
        Kind::Service => judges.services.rank(heard, &stances, &ranked),
        Kind::City | Kind::Region => judges.cities.rank(heard, &stances, &ranked),
    }
}

/// What services are ranked by, for learning the weights.
pub fn study(heard: &Heard<'_>, weights: &Weights, ranking: &Ranking) -> (Vec<Clue>, Standings) {
    let (stances, ranked) = by_rule(heard, weights, Kind::Service);
    (clues(heard, &stances), ranking.standings(heard, &stances, &ranked))
}

/// A mention of a city.
#[derive(Debug, Clone)]
pub struct CityClue {
    /// The city's number in the catalogue.
    pub entry: usize,
    /// Whether it is a place where work could be.
    pub place: bool,
    /// What stands around it, by name, with how much there is of it.
    pub around: Vec<(String, f32)>,
}

/// The same for cities.
pub fn study_cities(
    heard: &Heard<'_>,
    weights: &Weights,
    ranking: &CityRanking,
) -> (Vec<CityClue>, Standings) {
    let (stances, ranked) = by_rule(heard, weights, Kind::City);
    let clues = city::Clues::new(heard, &stances);
    let told = |(number, stance): (usize, &Stance)| {
        let mut around = Vec::new();
        clues.each(number, &mut |name, much| around.push((name.to_owned(), much)));
        let place = !stance.is_no_place(&heard.scene);
        CityClue { entry: stance.of(&heard.scene).entry, place, around }
    };
    let told = stances.iter().enumerate().map(told).collect();
    (told, ranking.standings(heard, &stances, &ranked))
}

/// What the rules make of all mentions, and of the entries, best first.
fn by_rule(heard: &Heard<'_>, weights: &Weights, kind: Kind) -> (Vec<Stance>, Vec<Candidate>) {
    let scene = &heard.scene;
    let mut stances: Vec<Stance> = judge_all(scene, weights, kind);
    if kind == Kind::City {
        city::hear_turns(scene, &weights.city, &mut stances);
    }
    let weights = &weights.decide;
    answer(scene, weights, &mut stances);
    let denied = distrust(scene, weights, &mut stances, &HashSet::new());
    correct(scene, weights, &mut stances);
    distrust(scene, weights, &mut stances, &denied);
    let mut ranked = rank(scene, weights, &stances);
    let nothing = if kind == Kind::City { weights.no_city } else { weights.no_service };
    for candidate in &mut ranked {
        candidate.score -= nothing;
    }
    (stances, ranked)
}

/// How often it is said that no work is wanted: a wrong number, an advertisement or a cancellation,
/// someone who looks for a job.
pub fn reluctant(scene: &Scene<'_>) -> [u8; 3] {
    let mut seen = [0_u8; 3];
    for passage in &scene.passages {
        let agent = passage.speaker == Speaker::Agent;
        for (cue, _) in &passage.cues {
            let kind = match cue {
                Cue::Wrong => 0,
                Cue::Idle if !agent => 1,
                Cue::Applicant if !agent => 2,
                _ => continue,
            };
            seen[kind] = seen[kind].saturating_add(1);
        }
    }
    seen
}

fn judge_all(scene: &Scene<'_>, weights: &Weights, kind: Kind) -> Vec<Stance> {
    let judge = |number| match kind {
        Kind::City | Kind::Region => city::judge(scene, &weights.city, number),
        Kind::Service => service::judge(scene, &weights.service, number),
    };
    let own = |(number, mention): (usize, &Mention)| (mention.kind == kind).then(|| judge(number));
    scene.mentions.iter().enumerate().filter_map(own).collect()
}

/// What the agent names and the caller confirms counts as the caller's; what is denied is out.
fn answer(scene: &Scene<'_>, weights: &DecideWeights, stances: &mut [Stance]) {
    for stance in stances {
        let mention = stance.of(scene);
        if scene.passages[mention.segment].speaker != Speaker::Agent {
            continue;
        }
        let Some(reply) = scene.next(mention.segment) else { continue };
        // "Okay, so a plumber. Are you still in Haifa?" "No.": the last question is answered.
        let answered = mention.kind == Kind::City || !names_city(scene, mention.segment);
        if mention.settled {
            stance.weigh(true, weights.confirmed_city);
            continue;
        }
        if stance.excluded {
            continue;
        }
        if !answered {
            let corrected = reply.opens_with(Cue::No, 1);
            let guess = scene.passages[mention.segment].has(Cue::Recap);
            stance.weigh(corrected && guess, weights.corrected_guess);
            continue;
        }
        let denied = reply.opens_with(Cue::No, 1);
        stance.deny(denied);
        let confirmed = match mention.kind {
            Kind::City | Kind::Region => weights.confirmed_city,
            Kind::Service => weights.confirmed_service,
        };
        stance.weigh(!denied && reply.opens_with(Cue::Yes, 2), confirmed);
    }
}

fn names_city(scene: &Scene<'_>, segment: usize) -> bool {
    let from = scene.mentions.partition_point(|m| m.segment < segment);
    let own = scene.mentions[from..].iter().take(32).take_while(|m| m.segment == segment);
    own.into_iter().any(|m| m.kind == Kind::City)
}

/// A later name takes back an earlier one when a correction stands between or just before, and
/// takes over what spoke for it.
fn correct(scene: &Scene<'_>, weights: &DecideWeights, stances: &mut [Stance]) {
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
        if mention.kind == Kind::City && city::repeats_guess(scene, mention, at) {
            continue;
        }
        for old in earlier.iter_mut().rev().take(8) {
            let known = old.of(scene);
            let before = known.segment < mention.segment || known.tokens.end <= at + 2;
            if before && known.entry != mention.entry {
                if known.segment == mention.segment {
                    stance.score = stance.score.max(old.score + weights.inherited);
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
        Kind::City | Kind::Region => 0.0,
        Kind::Service => 1.0,
    };
    let named = scene.phrase(mention).strength > Strength::Hint;
    !stance.excluded && !stance.beside && stance.score > least && named
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
        // "No storage. My last movers, in Reno": the "no" is of something else.
        let of_this = mention.kind != Kind::City
            || passage.unbroken(span.end + 1..start + 1, Break::Sentence);
        *cue == Cue::Correct || *cue == Cue::No && opens && of_this
    };
    near.iter().rev().find(corrects).map(|(_, span)| span.start)
}

/// What was denied in one place is not believed in another. Gives all denied entries; those
/// already `known` were weighed before.
fn distrust(
    scene: &Scene<'_>,
    weights: &DecideWeights,
    stances: &mut [Stance],
    known: &HashSet<usize>,
) -> HashSet<usize> {
    let denied: HashSet<usize> =
        stances.iter().filter(|s| s.denied).map(|s| s.of(scene).entry).collect();
    for stance in stances {
        let entry = stance.of(scene).entry;
        stance.weigh(denied.contains(&entry) && !known.contains(&entry), weights.denied);
    }
    denied
}

/// Entries by their evidence, best first, each with the mention that says it best.
fn rank(scene: &Scene<'_>, weights: &DecideWeights, stances: &[Stance]) -> Vec<Candidate> {
    let mut heard: Vec<&Stance> = stances.iter().filter(|stance| !stance.excluded).collect();
    heard.sort_by(|a, b| b.score.total_cmp(&a.score).then(b.mention.cmp(&a.mention)));
    let mut sums: Vec<Candidate> = Vec::new();
    let mut places: HashMap<usize, (usize, f32, Vec<&str>)> = HashMap::new();
    for stance in heard {
        let mention = stance.of(scene);
        let word = scene.first_word(mention);
        match places.get_mut(&mention.entry) {
            None => {
                places.insert(mention.entry, (sums.len(), 0.0, vec![word]));
                sums.push(Candidate {
                    entry: mention.entry,
                    score: stance.score,
                    basis: Basis::Mention(stance.mention),
                });
            }
            Some((_, added, _)) if *added >= weights.most_repeated => {}
            Some((at, added, words)) => {
                let known = words.contains(&word);
                let share = if known { weights.repeated } else { weights.another };
                let more =
                    (stance.score * share).clamp(0.0, 1.0).min(weights.most_repeated - *added);
                *added += more;
                sums[*at].score += more;
                if !known {
                    words.push(word);
                }
            }
        }
    }
    sums.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.entry.cmp(&b.entry)));
    sums
}
