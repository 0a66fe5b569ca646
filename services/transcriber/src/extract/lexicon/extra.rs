//! Further fields that rules read well: the number to call back, how urgent it is, who calls.

use std::{collections::BTreeMap, ops::Range};

use domain::{E164, Field, Speaker, Transcript};

use super::{
    cue::Cue,
    evidence::{Quoted, quoted},
    scene::{Passage, Scene},
};
use crate::extract::{
    catalogue::Language,
    text::{Break, Script, Text},
};

/// Fewer digits are a house number or a price.
const MIN_DIGITS: usize = 9;
/// E.164 allows no more.
const MAX_DIGITS: usize = 15;
/// A number that is complete for its country is rarely anything else.
const NUMBER: f32 = 0.9;
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
        note("callback_number", callback(&passage.text, &at));
        note("urgency", urgency(passage, &at, language));
        note("caller_name", caller_name(scene, segment, transcript, &at));
    }
    found
}

/// Digits, written or spoken one by one, that make a whole telephone number.
fn callback<'a>(text: &Text, at: &impl Fn(Range<usize>) -> Quoted<'a>) -> Option<Field> {
    let mut digits = String::new();
    let mut start = 0;
    let mut end = 0;
    for (index, token) in text.tokens.iter().enumerate() {
        let said = said_digits(text.word(token));
        if said.is_empty() || token.before >= Break::Question || digits.len() > MAX_DIGITS {
            if let Some(number) = number(&digits) {
                return Some(number_field(number, at(start..end)));
            }
            digits.clear();
        }
        if !said.is_empty() {
            if digits.is_empty() {
                start = index;
            }
            digits.push_str(said);
            end = index + 1;
        }
    }
    number(&digits).map(|number| number_field(number, at(start..end)))
}

fn number_field(number: E164, place: Quoted<'_>) -> Field {
    quoted(place, number.as_str(), number.as_str(), NUMBER)
}

/// Ten digits from 0 are Israeli, ten digits without it are North American, eleven from 1 too.
fn number(digits: &str) -> Option<E164> {
    if !(MIN_DIGITS..=MAX_DIGITS).contains(&digits.len()) {
        return None;
    }
    let whole = match (digits.len(), digits.as_bytes().first()?) {
        (9 | 10, b'0') => format!("+972{}", &digits[1..]),
        (10, b'2'..=b'9') => format!("+1{digits}"),
        (11, b'1') | (12, b'9') => format!("+{digits}"),
        _ => return None,
    };
    whole.parse().ok()
}

fn said_digits(word: &str) -> &str {
    match word {
        "zero" | "oh" | "o" | "אפס" => "0",
        "one" | "אחת" | "אחד" => "1",
        "two" | "שתימ" | "שניימ" | "שתיימ" => "2",
        "three" | "שלוש" => "3",
        "four" | "ארבע" => "4",
        "five" | "חמש" => "5",
        "six" | "שש" => "6",
        "seven" | "שבע" => "7",
        "eight" | "שמונה" => "8",
        "nine" | "תשע" => "9",
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits,
        _ => "",
    }
}

fn urgency<'a>(
    passage: &Passage,
    at: &impl Fn(Range<usize>) -> Quoted<'a>,
    language: Language,
) -> Option<Field> {
    if passage.has(Cue::Relaxed) {
        return None;
    }
    let (_, tokens) = passage.cues.iter().find(|(cue, _)| *cue == Cue::Urgent)?;
    let value = match language {
        Language::En => "urgent",
        Language::He => "דחוף",
    };
    Some(quoted(at(tokens.clone()), "urgent", value, URGENT))
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
        let name = letters && !another.into_iter().any(|(cue, _)| !matches!(cue, Cue::PersonAfter));
        name.then(|| quoted(at(span.end..span.end + 1), "name", said, NAME))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_is_one_of_a_country() {
        let number = |digits: &str| number(digits).map(String::from);
        assert_eq!(number("0525550123"), Some("+972525550123".to_owned()));
        assert_eq!(number("2165550183"), Some("+12165550183".to_owned()));
        assert_eq!(number("12165550183"), Some("+12165550183".to_owned()));
        for no in ["", "12", "1234567", "000000000000000000", "123456789012345"] {
            assert_eq!(number(no), None, "{no}");
        }
    }
}
