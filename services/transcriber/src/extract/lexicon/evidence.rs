//! Where it was said, in the caller's own words.

use std::ops::Range;

use domain::{Evidence, Field, Transcript};

use super::scene::Scene;
use crate::extract::{
    catalogue::Language,
    text::{Break, Script, Text},
};

/// Words of the quotation on either side of the value.
const AROUND: usize = 6;

/// Words of one segment that a value rests on.
pub struct Quoted<'a> {
    /// Their transcript, read.
    pub scene: &'a Scene<'a>,
    /// Their transcript, as it was written.
    pub transcript: &'a Transcript,
    /// Their segment.
    pub segment: usize,
    /// The words.
    pub tokens: Range<usize>,
}

/// A field that rests on these words.
pub fn quoted(place: Quoted<'_>, id: &str, value: &str, confidence: f32) -> Field {
    let spoken = &place.transcript.segments[place.segment];
    let text = &place.scene.passages[place.segment].text;
    let words = &text.tokens[place.tokens.clone()];
    let raw = match (words.first(), words.last()) {
        (Some(first), Some(last)) => spoken.text.get(first.bytes.start..last.bytes.end),
        _ => None,
    };
    let (chars, quote) = quotation(text, &spoken.text, place.tokens.start, place.tokens.end);
    Field {
        id: id.to_owned(),
        value: value.to_owned(),
        raw: raw.unwrap_or_default().to_owned(),
        confidence,
        evidence: Evidence {
            quote,
            segment: place.segment,
            start_char: chars.start,
            end_char: chars.end,
            speaker: spoken.speaker,
            start_ms: spoken.start_ms,
        },
    }
}

/// The sentence around these words, cut to a few words on either side.
fn quotation(text: &Text, source: &str, start: usize, end: usize) -> (Range<usize>, String) {
    let ends = |at: &usize| text.tokens[*at].before >= Break::Sentence;
    let first = (start.saturating_sub(AROUND)..=start).rev().find(|at| *at == 0 || ends(at));
    let first = first.unwrap_or(start.saturating_sub(AROUND));
    let limit = text.tokens.len().min(end + AROUND);
    let last = (end..limit).find(ends).unwrap_or(limit);
    let (from, to) = (&text.tokens[first], &text.tokens[last - 1]);
    let quote = source.get(from.bytes.start..to.bytes.end).unwrap_or_default();
    (from.chars.start..to.chars.end, quote.to_owned())
}

/// The language of the call: as the engine says, or else the script most words are in.
pub fn language(transcript: &Transcript, scene: &Scene<'_>) -> Language {
    match transcript.language.as_deref().map(|tag| tag.split('-').next().unwrap_or_default()) {
        Some("he" | "iw") => return Language::He,
        Some("en") => return Language::En,
        _ => {}
    }
    let mut hebrew = 0_i64;
    for token in scene.passages.iter().flat_map(|passage| &passage.text.tokens) {
        match token.script {
            Script::Hebrew => hebrew += 1,
            Script::Latin => hebrew -= 1,
            Script::Other => {}
        }
    }
    if hebrew > 0 { Language::He } else { Language::En }
}
