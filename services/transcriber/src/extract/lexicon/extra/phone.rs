//! The number to call back, as the caller says it.

mod dialled;

use std::ops::Range;

use domain::{E164, Field, Speaker, Transcript};

use self::dialled::{Run, runs};
use crate::extract::{
    lexicon::{
        cue::Cue,
        evidence::{Quoted, quoted},
        scene::{Passage, Scene},
    },
    text::{Break, Text},
};

/// A whole number that is called one, or that was asked for.
const NAMED: f32 = 0.9;
/// A whole number, and nothing says what of.
const UNNAMED: f32 = 0.6;
/// Words around a number that say what it is.
const AROUND: usize = 8;
/// Words after it that do: "is my old number".
const AFTER: usize = 5;
/// As few digits may correct the end of a number.
const ENDING: usize = 3;

/// The number to call back. Of several the first that is called a number; after a correction the
/// last. Nothing where a correction leaves open what the whole number is.
pub fn callback(scene: &Scene<'_>, transcript: &Transcript) -> Option<Field> {
    let mut chosen: Option<Candidate> = None;
    for (segment, passage) in scene.passages.iter().enumerate() {
        if passage.speaker == Speaker::Agent {
            continue;
        }
        let asked = scene.previous(segment).is_some_and(|other| {
            let words = other.text.tokens.iter().rev().take(2 * AROUND);
            words.into_iter().any(|token| names_a_number(other.text.word(token)))
        });
        let mut from = 0;
        for Run { tokens, digits, number } in runs(&passage.text) {
            let before = from.max(tokens.start.saturating_sub(AROUND))..tokens.start;
            let corrects = is_corrected(passage, &before);
            from = tokens.end;
            let Some(number) = number else {
                if corrects && digits >= ENDING {
                    chosen = None;
                }
                continue;
            };
            if is_of_something_else(&passage.text, &before, tokens.end) {
                continue;
            }
            let named = asked || is_named(&passage.text, &before, tokens.end);
            let known = chosen.as_ref().map_or(0.0, |known| known.confidence);
            let own = if named { NAMED } else { UNNAMED };
            // What corrects a number is a number of the same kind.
            let confidence = if corrects { own.max(known) } else { own };
            if corrects || confidence > known {
                chosen = Some(Candidate { number, segment, tokens, confidence });
            }
        }
    }
    let Candidate { number, segment, tokens, confidence } = chosen?;
    let place = Quoted { scene, transcript, segment, tokens };
    Some(quoted(place, number.as_str(), number.as_str(), confidence))
}

struct Candidate {
    number: E164,
    segment: usize,
    tokens: Range<usize>,
    confidence: f32,
}

fn is_corrected(passage: &Passage, before: &Range<usize>) -> bool {
    passage.cues_in(before.clone()).iter().any(|(cue, _)| matches!(cue, Cue::Correct | Cue::No))
}

/// The words before a number, nearest first, as far back as nothing this strong stands between.
fn back<'t>(text: &'t Text, before: &Range<usize>, stop: Break) -> impl Iterator<Item = &'t str> {
    let broken = move |at: usize| text.tokens.get(at + 1).is_some_and(|next| next.before >= stop);
    let words = before.clone().rev().take_while(move |at| !broken(*at));
    words.filter_map(|at| text.tokens.get(at)).map(|token| text.word(token))
}

/// The words after a number, in its clause.
fn on(text: &Text, end: usize) -> impl Iterator<Item = &str> {
    let words = text.tokens.iter().skip(end).take(AFTER);
    words.take_while(|token| token.before < Break::Comma).map(|token| text.word(token))
}

fn is_named(text: &Text, before: &Range<usize>, end: usize) -> bool {
    back(text, before, Break::Question).any(names_a_number) || on(text, end).any(names_a_number)
}

/// "My order number is", "his number is", "it's not", "… is my old number".
fn is_of_something_else(text: &Text, before: &Range<usize>, end: usize) -> bool {
    let denied = back(text, before, Break::Comma).take(2).any(is_denial);
    let mut after = on(text, end).peekable();
    let told = after.peek().is_some_and(|word| matches!(*word, "is" | "was" | "זה" | "זו" | "היה"));
    denied || back(text, before, Break::Comma).any(is_another) || told && after.any(is_another)
}

fn names_a_number(word: &str) -> bool {
    const HEBREW: [&str; 6] = ["טלפונ", "פלאפונ", "פלפונ", "מספר", "ניד", "ווטסאפ"];
    matches!(
        word,
        "number"
            | "phone"
            | "telephone"
            | "cell"
            | "cellphone"
            | "mobile"
            | "call"
            | "callback"
            | "reach"
            | "text"
            | "contact"
            | "whatsapp"
            | "להתקשר"
            | "תתקשר"
            | "תתקשרי"
            | "תתקשרו"
            | "לחזור"
            | "תחזור"
            | "תחזרי"
            | "תחזרו"
    ) || HEBREW.iter().any(|name| word.ends_with(name))
}

fn is_denial(word: &str) -> bool {
    matches!(word, "not" | "isnt" | "wasnt" | "never" | "לא" | "אינו")
}

/// Whose number, or the number of what, it is instead.
fn is_another(word: &str) -> bool {
    const HEBREW: [&str; 17] = [
        "תעודת",
        "זהות",
        "ת\"ז",
        "תז",
        "הזמנה",
        "ההזמנה",
        "חשבונ",
        "חשבונית",
        "החשבונית",
        "קבלה",
        "פוליסה",
        "רישוי",
        "ישנ",
        "הישנ",
        "הקודמ",
        "שלו",
        "שלה",
    ];
    matches!(
        word,
        "id" | "identity"
            | "passport"
            | "social"
            | "security"
            | "order"
            | "invoice"
            | "receipt"
            | "account"
            | "card"
            | "policy"
            | "claim"
            | "ticket"
            | "case"
            | "reference"
            | "confirmation"
            | "tracking"
            | "serial"
            | "model"
            | "license"
            | "licence"
            | "plate"
            | "vin"
            | "customer"
            | "member"
            | "membership"
            | "fax"
            | "old"
            | "previous"
            | "former"
            | "wrong"
            | "his"
            | "her"
            | "their"
    ) || HEBREW.contains(&word)
}
