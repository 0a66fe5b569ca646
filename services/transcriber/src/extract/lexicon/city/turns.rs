//! What the turns of the talk say about cities: guesses and refusals, moves, the company's own.

use domain::Speaker;

use crate::extract::{
    catalogue::Kind,
    lexicon::{
        cue::Cue,
        scene::{Mention, Scene},
        stance::Stance,
        weights::CityWeights,
    },
    text::Break,
};

/// Between the two ends of a move.
const MOVE: usize = 6;

/// Words in which a reply may turn from what it began with.
const RECENT: usize = 24;

/// Mentions of a segment that one of them bears upon. Bounds the time.
const REACH: usize = 8;

/// Weighs what only several turns together say.
pub fn hear_turns(scene: &Scene<'_>, weights: &CityWeights, stances: &mut [Stance]) {
    hear_names(stances, scene);
    hear_moves(scene, weights, stances);
    hear_refusals(scene, stances);
    hear_acceptances(scene, weights, stances);
    hear_sites(scene, weights, stances);
    hear_bases(scene, weights, stances);
    hear_summaries(scene, weights, stances);
    hear_denials(scene, stances);
}

/// "What's his name?" "Boston." "Boston is a good boy.": a name that someone bears is his wherever
/// nothing speaks of a place.
fn hear_names(stances: &mut [Stance], scene: &Scene<'_>) {
    let borne: Vec<usize> =
        stances.iter().filter(|s| s.person).map(|s| s.of(scene).entry).collect();
    for stance in stances {
        let again = borne.contains(&stance.of(scene).entry) && !stance.placed;
        stance.exclude(again);
    }
}

/// "From Herzliya to Kfar Saba", "Haifa to Acre": the work is at both ends, and the second stands
/// for both. A later destination takes the place of an earlier one.
fn hear_moves(scene: &Scene<'_>, weights: &CityWeights, stances: &mut [Stance]) {
    let mut ends: Option<(usize, usize)> = None;
    let mut left = Vec::new();
    for pair in stances.windows(2) {
        let [from, to] = pair else { continue };
        if from.excluded || to.excluded {
            continue;
        }
        let (from, to) = (from.of(scene), to.of(scene));
        if is_move(scene, from, to) {
            left.push(from.entry);
            if let Some((origin, end)) = ends.filter(|(_, end)| *end != to.entry)
                && origin == from.entry
            {
                left.push(end);
            }
            ends = Some((from.entry, to.entry));
        }
    }
    let Some((_, end)) = ends else { return };
    for stance in stances {
        let entry = stance.of(scene).entry;
        stance.weigh(left.contains(&entry) && entry != end, weights.moved_from);
    }
}

fn is_move(scene: &Scene<'_>, from: &Mention, to: &Mention) -> bool {
    let passage = scene.passage(from);
    let joined = passage.unbroken(from.tokens.end..to.tokens.start + 1, Break::Comma);
    let near = from.segment == to.segment
        && (joined || to.tokens.start - from.tokens.end < 2)
        && from.entry != to.entry
        && from.tokens.end <= to.tokens.start
        && to.tokens.start - from.tokens.end <= MOVE;
    if !near || passage.speaker == Speaker::Agent && !to.prefix.to {
        return false;
    }
    let word = |at: usize| passage.text.word_at(at);
    let between = from.tokens.end..to.tokens.start;
    let said_from = from.tokens.start.checked_sub(1).is_some_and(|at| word(at) == "from");
    let said_to = to.tokens.start.checked_sub(1).is_some_and(|at| word(at) == "to");
    let other = between.clone().any(|at| matches!(word(at), "not" | "לא"));
    // "The flat in Dimona to the one in Beer Sheva", "מהדירה שבדימונה לזאת שבבאר שבע".
    let hebrew = (from.prefix.from || from.prefix.within) && to.prefix.to
        || from.prefix.from && between.clone().any(|at| word(at).starts_with('ל'))
        || from.prefix.within
            && to.prefix.within
            && between.clone().any(|at| matches!(word(at), "לזאת" | "לזה" | "לדירה" | "לבית"));
    !other && (said_from && said_to || hebrew || between.len() == 1 && said_to)
}

/// "You in New Orleans?" "No ma'am, my mama's in New Orleans. I'm in Baton Rouge.": who refuses a
/// guess and names it again explains it.
fn hear_refusals(scene: &Scene<'_>, stances: &mut [Stance]) {
    let others = |entry: usize, stances: &[Stance]| {
        stances.iter().any(|s| {
            let mention = s.of(scene);
            mention.entry != entry
                && !s.excluded
                && scene.passage(mention).speaker == Speaker::Caller
        })
    };
    for number in 0..stances.len() {
        let mention = stances[number].of(scene);
        let Some(guess) = guess_before(scene, mention) else { continue };
        let again = guess == mention.entry
            && scene.passage(mention).refuses()
            && !is_named_before(scene, mention)
            && others(guess, stances);
        stances[number].deny(again);
    }
}

/// "And you're in Nashville?" "Yes ma'am, Germantown.": what is named beside a guess that is
/// accepted is a part of it, or nothing to the point, unless it comes after a turn.
fn hear_acceptances(scene: &Scene<'_>, weights: &CityWeights, stances: &mut [Stance]) {
    for stance in stances {
        let mention = stance.of(scene);
        let passage = scene.passage(mention);
        let Some(before) = mention.segment.checked_sub(1) else { continue };
        let question = &scene.passages[before];
        let asked = question.asks() || question.has(Cue::Guess) || question.has(Cue::Tag);
        let accepted = passage.opens_with(Cue::Yes, 1) && !passage.refuses();
        if !asked || !accepted {
            continue;
        }
        let guess = guess_before(scene, mention).filter(|guess| *guess != mention.entry);
        let recent = mention.tokens.start.saturating_sub(RECENT)..mention.tokens.start;
        let turned = passage.cues_in(recent).iter().any(|(cue, _)| {
            matches!(cue, Cue::But | Cue::Correct | Cue::No | Cue::Negate | Cue::Moved)
        });
        stance.aside = guess.is_some() && !turned;
        stance.weigh(stance.aside, weights.aside);
    }
}

/// "I'm in Hoboken, the apartment's in Manhattan": where the caller is gives way to where the
/// work is.
fn hear_sites(scene: &Scene<'_>, weights: &CityWeights, stances: &mut [Stance]) {
    let sites: Vec<usize> = stances
        .iter()
        .filter(|s| s.site && !s.excluded && !s.beside && s.score > 0.0)
        .map(|s| s.of(scene).entry)
        .collect();
    for stance in stances {
        let entry = stance.of(scene).entry;
        let outdone = stance.own
            && scene.passage(stance.of(scene)).speaker != Speaker::Agent
            && !sites.contains(&entry)
            && !sites.is_empty();
        stance.weigh(outdone, weights.outdone);
    }
}

/// The city that the agent names in the turn before.
fn guess_before(scene: &Scene<'_>, mention: &Mention) -> Option<usize> {
    let before = mention.segment.checked_sub(1)?;
    let agent = scene.passages[before].speaker == Speaker::Agent;
    let own = scene.passage(mention).speaker == Speaker::Caller;
    let first = scene.mentions.partition_point(|m| m.segment < before);
    let named = scene.mentions[first..].iter().take_while(|m| m.segment == before);
    let named = named.filter(|m| m.kind == Kind::City).last()?;
    (agent && own).then_some(named.entry)
}

/// Whether the caller named the city before the turn of a mention.
fn is_named_before(scene: &Scene<'_>, mention: &Mention) -> bool {
    scene
        .mentions
        .iter()
        .take_while(|m| m.segment < mention.segment)
        .any(|m| m.entry == mention.entry && scene.passages[m.segment].speaker == Speaker::Caller)
}

/// Whether a correction that begins at this word only refuses what the agent guessed, and the
/// mention says it again: "Not Durham?" "No, Durham's where I live."
pub fn repeats_guess(scene: &Scene<'_>, mention: &Mention, correction: usize) -> bool {
    let key = (mention.segment, mention.tokens.start);
    let own = scene.mentions.partition_point(|m| (m.segment, m.tokens.start) < key);
    let denied_before = scene.mentions[..own].iter().rev().take(REACH).any(|m| {
        m.segment == mention.segment && m.entry == mention.entry && m.tokens.start > correction
    });
    guess_before(scene, mention) == Some(mention.entry)
        && correction < 2
        && scene.passage(mention).refuses()
        || denied_before
}

/// "I'm sending someone from Ramla." "From Ramla?": where the company comes from, after the
/// caller said where the work is.
fn hear_bases(scene: &Scene<'_>, weights: &CityWeights, stances: &mut [Stance]) {
    let mut bases: Vec<(usize, usize)> = Vec::new();
    for stance in stances {
        let mention = stance.of(scene);
        let passage = scene.passage(mention);
        let word = mention.tokens.start.checked_sub(1).and_then(|at| passage.text.tokens.get(at));
        let from = mention.prefix.from || word.is_some_and(|t| passage.text.word(t) == "from");
        let (entry, segment) = (mention.entry, mention.segment);
        if passage.speaker == Speaker::Agent {
            let told = passage.has(Cue::Dispatch) || passage.has(Cue::Own);
            let new = !is_named_before(scene, mention);
            if from && told && new && !passage.asks() {
                stance.exclude(true);
                bases.push((entry, segment));
            }
        } else {
            let echo = bases.iter().any(|(base, said)| *base == entry && segment - said <= 2);
            stance.weigh(echo, weights.echoed);
        }
    }
}

/// "Okay, so we go to Tacoma.": of the cities that the caller named the agent takes up one.
fn hear_summaries(scene: &Scene<'_>, weights: &CityWeights, stances: &mut [Stance]) {
    let mut taken: Vec<(usize, usize)> = Vec::new();
    for stance in stances.iter().filter(|s| !s.excluded) {
        let mention = stance.of(scene);
        let passage = scene.passage(mention);
        if passage.speaker != Speaker::Agent || !is_named_before(scene, mention) {
            continue;
        }
        let others = scene.mentions.iter().any(|m| {
            m.segment == mention.segment && m.kind == Kind::City && m.entry != mention.entry
        });
        let refused = scene.next(mention.segment).is_some_and(|reply| reply.refuses());
        if !others && !refused && !passage.asks() {
            taken.push((mention.entry, mention.segment));
        }
    }
    for stance in stances.iter_mut() {
        let mention = stance.of(scene);
        let before =
            taken.iter().any(|(entry, at)| *entry == mention.entry && mention.segment < *at);
        stance.weigh(before, weights.taken_up);
    }
}

/// Who denies a city denies it however often he names it: "Even Yehuda, not Tel Mond, the site
/// said Tel Mond".
fn hear_denials(scene: &Scene<'_>, stances: &mut [Stance]) {
    for number in 0..stances.len() {
        if !stances[number].denied {
            continue;
        }
        let denied = stances[number].of(scene).clone();
        for later in stances[number + 1..].iter_mut().take(REACH) {
            let mention = later.of(scene);
            if mention.segment != denied.segment {
                break;
            }
            let passage = scene.passage(mention);
            let between = passage.cues_in(denied.tokens.end..mention.tokens.start);
            let back = between.iter().any(|(cue, _)| matches!(cue, Cue::Correct | Cue::Yes));
            let again = mention.entry == denied.entry && !back;
            later.exclude(again);
        }
    }
}
