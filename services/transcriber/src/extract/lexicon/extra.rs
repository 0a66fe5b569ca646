//! Further fields that rules read well: the number to call back, how urgent it is, who calls.

mod phone;

use std::{collections::BTreeMap, ops::Range};

use domain::{Field, Speaker, Transcript};

use super::{
    cue::Cue,
    evidence::{Quoted, quoted},
    scene::{Passage, Scene},
};
use crate::extract::{
    catalogue::Language,
    text::{Break, Script},
};

/// "As soon as possible" is rarely said of anything but the visit.
const URGENT: f32 = 0.85;
/// "My name is" is followed by a name, unless the engine misheard it.
const NAME: f32 = 0.75;

/// All further fields that were said.
pub fn extra(
    scene: &Scene<'_>,
    transcript: &Transcript,
    language: Language,
) -> BTreeMap<String, Field> {
    let mut found = BTreeMap::new();
    if let Some(number) = phone::callback(scene, transcript) {
        found.insert("callback_number".to_owned(), number);
    }
    for (segment, passage) in scene.passages.iter().enumerate() {
        if passage.speaker == Speaker::Agent {
            continue;
        }
        let at = |tokens: Range<usize>| Quoted { scene, transcript, segment, tokens };
        let mut note = |name: &str, field: Option<Field>| {
            if let Some(field) = field {
                found.entry(name.to_owned()).or_insert(field);
            }
        };
        note("urgency", urgency(passage, &at, language));
        note("caller_name", caller_name(scene, segment, transcript, &at));
    }
    found
}

fn urgency<'a>(
    passage: &Passage,
    at: &impl Fn(Range<usize>) -> Quoted<'a>,
    language: Language,
) -> Option<Field> {
    if passage.has(Cue::Relaxed) {
        return None;
    }
    let (_, tokens) = passage
        .cues
        .iter()
        .find(|(cue, span)| *cue == Cue::Urgent && !is_past_or_denied(passage, span))?;
    let value = match language {
        Language::En => "urgent",
        Language::He => "דחוף",
    };
    Some(quoted(at(tokens.clone()), "urgent", value, URGENT))
}

/// "It was an emergency last week", "it's not an emergency".
fn is_past_or_denied(passage: &Passage, span: &Range<usize>) -> bool {
    const WORDS: [&str; 12] = [
        "was", "were", "wasnt", "werent", "not", "isnt", "no", "never", "לא", "אינ", "היה", "היתה",
    ];
    let from = span.start.saturating_sub(3);
    let words = passage.text.tokens[from..span.start].iter().map(|token| passage.text.word(token));
    words.into_iter().any(|word| WORDS.contains(&word))
        || passage.after(Cue::Past, span.end, 2, Break::Comma).is_some()
}

/// Between "my name is" and a name, or no name at all.
fn is_filler(word: &str) -> bool {
    const WORDS: [&str; 19] = [
        "spelled",
        "spelt",
        "spelling",
        "um",
        "uh",
        "er",
        "well",
        "actually",
        "it",
        "its",
        "the",
        "a",
        "and",
        "on",
        "under",
        "אה",
        "אממ",
        "נכתב",
        "מאוית",
    ];
    WORDS.contains(&word)
}

/// "My name is Dana", "קוראים לי דנה".
fn caller_name<'a>(
    scene: &Scene<'_>,
    segment: usize,
    transcript: &Transcript,
    at: &impl Fn(Range<usize>) -> Quoted<'a>,
) -> Option<Field> {
    let passage = &scene.passages[segment];
    let source = &transcript.segments[segment].text;
    passage.cues.iter().filter(|(cue, _)| *cue == Cue::Introduced).find_map(|(_, span)| {
        let token = passage.text.tokens.get(span.end).filter(|t| t.before < Break::Sentence)?;
        let said = source.get(token.bytes.clone())?;
        let word = passage.text.word(token);
        // A known cue after "my name is" is "not important" or "on the order".
        let another = passage.cues_in(span.end..span.end + 1).iter();
        let letters = token.script != Script::Other && word.chars().nth(1).is_some();
        let name = letters
            && !is_filler(word)
            && !another.into_iter().any(|(cue, _)| !matches!(cue, Cue::PersonAfter));
        name.then(|| quoted(at(span.end..span.end + 1), "name", said, NAME))
    })
}
