//! How much the words around a mention, or around words that sound like a service, speak for its
//! being about the work that is wanted.
//!
//! Each circumstance is a feature with a learned weight (`data/ranking.toml`): who speaks, in which
//! part of the call, how firmly, which cues stand before, within and after it, what was asked and
//! answered.

use std::ops::Range;

use domain::Speaker;

use super::{Heard, cue::Cue, part::Part, stance::Stance};
use crate::extract::{catalogue::Strength, text::Break};

/// Words in which a cue is beside something.
const REACH: usize = 6;
/// An answer begins with it among so many words.
const ANSWER: usize = 3;

/// What a reading rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A mention that the rules judged.
    Mention,
    /// Words that sound like it.
    Window,
}

/// Something that may be about the work that is wanted.
#[derive(Debug, Clone)]
pub struct Clue {
    /// The entry's number in the catalogue.
    pub entry: usize,
    /// What it rests on.
    pub source: Source,
    /// Its features, by number, each with how much there is of it.
    pub features: Vec<(usize, f32)>,
}

const BIAS: usize = 0;
/// Of a mention what the rules make of it, of words how much they sound like the service.
const SCORE: usize = 1;
const BELIEVED: usize = 2;
const EXCLUDED: usize = 3;
const DENIED: usize = 4;
const DOUBTFUL: usize = 5;
const LAST: usize = 6;
const DISTANCE: usize = 7;
const ENDING: usize = 11;
const PART: usize = 15;
/// Of words, how much they sound like the service in each part.
const STRENGTH: usize = 19;
const STRENGTH_IN: usize = 24;
const CUES: usize = 44;
/// Where cues stand.
const PLACES: [&str; 6] = ["before", "after", "within", "asked", "told", "answered"];

/// The number of features.
pub const FEATURES: usize = CUES + PLACES.len() * Cue::ALL.len();

/// What a feature is called in the file of weights.
pub fn name(feature: usize) -> String {
    let strengths = Strength::ALL;
    match feature {
        BIAS => "bias".into(),
        SCORE => "score".into(),
        BELIEVED => "believed".into(),
        EXCLUDED => "excluded".into(),
        DENIED => "denied".into(),
        DOUBTFUL => "doubtful".into(),
        LAST => "last".into(),
        DISTANCE..ENDING => format!("distance-{}", feature - DISTANCE),
        ENDING..PART => {
            format!("ending-{}", ["none", "comma", "sentence", "question"][feature - ENDING])
        }
        PART..STRENGTH => format!("{:?}", Part::ALL[feature - PART]),
        STRENGTH..STRENGTH_IN => format!("{:?}", strengths[feature - STRENGTH]),
        STRENGTH_IN..CUES => {
            let (strength, part) = ((feature - STRENGTH_IN) / 4, (feature - STRENGTH_IN) % 4);
            format!("{:?}-{:?}", strengths[strength], Part::ALL[part])
        }
        _ => {
            let (place, cue) = place(feature);
            format!("{place}-{cue:?}")
        }
    }
}

fn place(feature: usize) -> (&'static str, Cue) {
    let count = Cue::ALL.len();
    let (place, cue) = ((feature - CUES) / count, (feature - CUES) % count);
    (PLACES[place.min(PLACES.len() - 1)], Cue::ALL[cue])
}

/// Everything in the call that may be about the work: the mentions of services, judged, and the
/// words that sound like one.
pub fn clues(heard: &Heard<'_>, stances: &[Stance]) -> Vec<Clue> {
    let mentions = stances.iter().map(|stance| of_mention(heard, stance));
    let windows = heard.impression.windows.iter().map(|window| {
        let part = heard.parts[window.segment];
        let mut features = vec![
            (BIAS, 1.0),
            (SCORE, window.posterior),
            (PART + part as usize, 1.0),
            (STRENGTH_IN + part as usize, window.posterior),
        ];
        around(heard, window.segment, &window.tokens, &mut features);
        Clue { entry: window.entry, source: Source::Window, features }
    });
    mentions.chain(windows).collect()
}

fn of_mention(heard: &Heard<'_>, stance: &Stance) -> Clue {
    let mention = stance.of(&heard.scene);
    let phrase = heard.scene.phrase(mention);
    let part = heard.parts[mention.segment] as usize;
    let strength = phrase.strength as usize;
    let mut features = vec![
        (BIAS, 1.0),
        (SCORE, stance.score.clamp(-6.0, 8.0) / 4.0),
        (BELIEVED, stance.score.clamp(0.0, 8.0) / 4.0),
        (DISTANCE + usize::from(mention.distance.min(3)), 1.0),
        (PART + part, 1.0),
        (STRENGTH + strength, 1.0),
        (STRENGTH_IN + strength * 4 + part, 1.0),
    ];
    for (feature, holds) in
        [(EXCLUDED, stance.excluded), (DENIED, stance.denied), (DOUBTFUL, phrase.doubtful)]
    {
        if holds {
            features.push((feature, 1.0));
        }
    }
    around(heard, mention.segment, &mention.tokens, &mut features);
    Clue { entry: mention.entry, source: Source::Mention, features }
}

/// What stands around these words.
fn around(
    heard: &Heard<'_>,
    segment: usize,
    tokens: &Range<usize>,
    features: &mut Vec<(usize, f32)>,
) {
    let passages = &heard.scene.passages;
    let passage = &passages[segment];
    if segment + 2 >= passages.len() {
        features.push((LAST, 1.0));
    }
    let ending = match passage.text.ending {
        None | Some(Break::None) => 0,
        Some(Break::Comma) => 1,
        Some(Break::Sentence) => 2,
        Some(Break::Question) => 3,
    };
    features.push((ENDING + ending, 1.0));
    // Cues are fewer than bits; each counts once in each place.
    let mut seen = [0_u64; PLACES.len()];
    let mut note = |place: usize, cue: Cue| {
        let bit = 1 << cue as u64;
        if seen[place] & bit == 0 {
            seen[place] |= bit;
            features.push((CUES + place * Cue::ALL.len() + cue as usize, 1.0));
        }
    };
    let from = tokens.start.saturating_sub(REACH + LONGEST);
    for (cue, span) in passage.cues_in(from..tokens.end + REACH + 1) {
        if span.end <= tokens.start {
            if tokens.start - span.end <= REACH {
                note(0, *cue);
            }
        } else if span.start >= tokens.end {
            if span.start - tokens.end <= REACH {
                note(1, *cue);
            }
        } else {
            note(2, *cue);
        }
    }
    if let Some(before) = segment.checked_sub(1).map(|before| &passages[before]) {
        let place = if before.speaker == Speaker::Agent { 3 } else { 4 };
        for cue in QUESTIONS.into_iter().filter(|cue| before.has(*cue)) {
            note(place, cue);
        }
    }
    if passage.speaker == Speaker::Agent
        && let Some(reply) = passages.get(segment + 1).filter(|p| p.speaker != Speaker::Agent)
    {
        for cue in ANSWERS.into_iter().filter(|cue| reply.opens_with(*cue, ANSWER)) {
            note(5, cue);
        }
    }
}

/// A cue of more words is none.
const LONGEST: usize = 16;
/// What the segment before may ask or tell.
const QUESTIONS: [Cue; 7] =
    [Cue::AskService, Cue::Greeting, Cue::AskCity, Cue::Guess, Cue::Recap, Cue::Tag, Cue::Dispatch];
/// How the next segment may answer.
const ANSWERS: [Cue; 4] = [Cue::Yes, Cue::No, Cue::Negate, Cue::Correct];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_feature_has_a_name_of_its_own() {
        let names: HashSet<String> = (0..FEATURES).map(name).collect();
        assert_eq!(names.len(), FEATURES);
        assert_eq!(name(CUES + Cue::Need as usize), "before-Need");
    }
}
