//! What nobody should keep, masked before it is stored: card numbers, and what a business adds.
//!
//! Every letter and digit of it becomes `*`, one for one, so that offsets into a text stay right.

mod cards;
mod spoken;

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use crate::{Field, Speaker, Transcribed, Transcript};

/// How many patterns there may be, how long one may be, and how much memory one may take.
const MOST_PATTERNS: usize = 32;
const LONGEST_PATTERN: usize = 500;
const LARGEST_PATTERN: usize = 1 << 20;

/// What is masked in transcripts, and in the words quoted from them, before anything is stored or
/// told: in streams, in the database, in events out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedactSettings {
    /// Mask payment card numbers: 13 to 19 digits with a right check digit, written with or without
    /// blanks and dashes, or spoken digit by digit in English or Hebrew. Default `false`.
    pub cards: bool,
    /// Mask what these regular expressions find within a segment, 32 of them at most. Default none.
    pub patterns: Vec<String>,
}

/// Why a pattern cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedactError {
    /// Too many of them.
    #[error("redact.patterns has {0} patterns; allowed are 32 at most")]
    TooMany(usize),
    /// Not a pattern, or one that is too long or takes too much memory.
    #[error(
        "redact.patterns: pattern {number} cannot be used; allowed is a regular expression of up to \
         500 characters, without look-around and back-references ({reason})"
    )]
    Pattern {
        /// Which, counted from 1.
        number: usize,
        /// Why not.
        reason: String,
    },
}

/// Masks texts. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    cards: bool,
    patterns: Arc<[Regex]>,
}

impl Redactor {
    /// A redactor after the settings.
    ///
    /// # Errors
    /// When a pattern cannot be used.
    pub fn new(settings: &RedactSettings) -> Result<Self, RedactError> {
        if settings.patterns.len() > MOST_PATTERNS {
            return Err(RedactError::TooMany(settings.patterns.len()));
        }
        let compiled = settings.patterns.iter().enumerate().map(|(place, pattern)| {
            let wrong = |reason: String| RedactError::Pattern { number: place + 1, reason };
            if pattern.chars().count() > LONGEST_PATTERN {
                return Err(wrong("it is too long".into()));
            }
            let built = RegexBuilder::new(pattern).size_limit(LARGEST_PATTERN).build();
            built.map_err(|error| wrong(error.to_string().replace('\n', " ")))
        });
        Ok(Self { cards: settings.cards, patterns: compiled.collect::<Result<_, _>>()? })
    }

    /// Whether it masks anything at all.
    pub fn is_on(&self) -> bool {
        self.cards || !self.patterns.is_empty()
    }

    /// Masks texts that follow each other: a card number may begin in one and end in the next.
    pub fn texts<'a>(&self, texts: impl IntoIterator<Item = &'a mut String>) {
        if !self.is_on() {
            return;
        }
        let texts: Vec<&mut String> = texts.into_iter().collect();
        let mut chars: Vec<Vec<char>> = texts.iter().map(|text| text.chars().collect()).collect();
        let original = chars.clone();
        for (text, chars) in texts.iter().zip(&mut chars) {
            for pattern in self.patterns.iter() {
                for found in pattern.find_iter(text) {
                    let start = text[..found.start()].chars().count();
                    mask(&mut chars[start..][..found.as_str().chars().count()]);
                }
            }
        }
        if self.cards {
            // In the texts as they were: a pattern must not hide half of a number.
            for (text, span) in cards::find(&original) {
                mask(&mut chars[text][span]);
            }
        }
        for (text, chars) in texts.into_iter().zip(chars) {
            *text = chars.into_iter().collect();
        }
    }

    /// Whether masked texts that follow each other may still hold a part of a card number, of which
    /// the rest stands before or behind them.
    pub fn may_hold_a_part<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> bool {
        let chars = |text: &str| text.chars().collect();
        self.cards && cards::begin_or_end_within(&texts.into_iter().map(chars).collect::<Vec<_>>())
    }

    /// Masks a transcript: each speaker's words in their order, across segments.
    pub fn transcript(&self, transcript: &mut Transcript) {
        let speakers: HashSet<Speaker> = transcript.segments.iter().map(|s| s.speaker).collect();
        for speaker in speakers {
            let own = transcript.segments.iter_mut().filter(|segment| segment.speaker == speaker);
            self.texts(own.map(|segment| &mut segment.text));
        }
    }

    /// Masks a transcript with what was extracted from it. Quotations stay where they are; a value
    /// whose own words are masked has no evidence left, and goes.
    pub fn transcribed(&self, transcribed: &mut Transcribed) {
        if !self.is_on() {
            return;
        }
        self.transcript(&mut transcribed.transcript);
        let Transcribed { transcript, extraction, .. } = transcribed;
        let service = extraction.service.take();
        extraction.service = service.and_then(|field| requoted(field, transcript));
        let city = extraction.city.take();
        extraction.city = city.and_then(|field| requoted(field, transcript));
        let extra = std::mem::take(&mut extraction.extra).into_iter();
        let extra = extra.filter_map(|(name, field)| Some((name, requoted(field, transcript)?)));
        extraction.extra = extra.collect::<BTreeMap<_, _>>();
    }
}

/// The field with its quotation as it stands now; none when its own words are masked.
fn requoted(mut field: Field, transcript: &Transcript) -> Option<Field> {
    let evidence = &mut field.evidence;
    let Some(segment) = transcript.segments.get(evidence.segment) else { return Some(field) };
    let length = evidence.end_char.saturating_sub(evidence.start_char);
    let quote: String = segment.text.chars().skip(evidence.start_char).take(length).collect();
    if quote == evidence.quote || quote.chars().count() != evidence.quote.chars().count() {
        return Some(field);
    }
    let still_said = quote.contains(&field.raw);
    evidence.quote = quote;
    still_said.then_some(field)
}

fn mask(chars: &mut [char]) {
    for c in chars.iter_mut().filter(|c| c.is_alphanumeric()) {
        *c = '*';
    }
}

#[cfg(test)]
mod tests;
