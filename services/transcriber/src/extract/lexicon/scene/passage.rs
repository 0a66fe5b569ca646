//! One segment, and the questions rules ask of it.

use std::ops::Range;

use domain::Speaker;

use super::SPAN;
use crate::extract::{
    lexicon::cue::Cue,
    text::{Break, Text},
};

/// One segment.
#[derive(Debug)]
pub struct Passage {
    /// Who speaks.
    pub speaker: Speaker,
    /// Its words.
    pub text: Text,
    /// The cues in it, by their place.
    pub cues: Vec<(Cue, Range<usize>)>,
    /// One bit for each kind of cue that is in it.
    kinds: u64,
}

impl Passage {
    /// A segment with its cues, in their order.
    pub fn new(speaker: Speaker, text: Text, cues: Vec<(Cue, Range<usize>)>) -> Self {
        let kinds = cues.iter().fold(0, |kinds, (cue, _)| kinds | 1 << *cue as u64);
        Self { speaker, text, cues, kinds }
    }

    /// Whether the phrase stands anywhere in the segment.
    pub fn has(&self, cue: Cue) -> bool {
        self.kinds & (1 << cue as u64) != 0
    }

    /// Whether it ends with a question mark.
    pub fn asks(&self) -> bool {
        self.text.ending == Some(Break::Question)
    }

    /// Whether the phrase begins among the first words.
    pub fn opens_with(&self, cue: Cue, words: usize) -> bool {
        self.cues.iter().take_while(|(_, span)| span.start < words).any(|(c, _)| *c == cue)
    }

    /// Whether it begins with a "no", be it after a "yeah" or "well".
    pub fn refuses(&self) -> bool {
        self.opens_with(Cue::No, 1)
            || self.cues_in(1..2).iter().any(|(cue, _)| {
                let first = self.text.tokens.first().map(|token| self.text.word(token));
                let soft = matches!(
                    first,
                    Some("yeah" | "well" | "oh" | "uh" | "um" | "ah" | "אה" | "כנ" | "טוב")
                );
                *cue == Cue::No && soft
            })
    }

    /// The cues that begin in a range of words.
    pub fn cues_in(&self, tokens: Range<usize>) -> &[(Cue, Range<usize>)] {
        let from = self.cues.partition_point(|(_, span)| span.start < tokens.start);
        let to = self.cues.partition_point(|(_, span)| span.start < tokens.end);
        self.cues.get(from..to).unwrap_or_default()
    }

    /// How many words lie between the phrase and a place after it, within the same clause.
    pub fn before(&self, cue: Cue, place: usize, reach: usize, stop: Break) -> Option<usize> {
        self.cues_in(place.saturating_sub(reach + SPAN)..place)
            .iter()
            .filter(|(c, span)| *c == cue && span.end <= place && place - span.end <= reach)
            .filter(|(_, span)| self.unbroken(span.end..place + 1, stop))
            .map(|(_, span)| place - span.end)
            .min()
    }

    /// How many words lie between a place and the phrase after it, within the same clause.
    pub fn after(&self, cue: Cue, place: usize, reach: usize, stop: Break) -> Option<usize> {
        self.cues_in(place..place + reach + 1)
            .iter()
            .filter(|(c, span)| *c == cue && span.start >= place && span.start - place <= reach)
            .filter(|(_, span)| self.unbroken(place..span.start + 1, stop))
            .map(|(_, span)| span.start - place)
            .min()
    }

    /// Whether nothing as strong as `stop` stands before any of these words.
    pub fn unbroken(&self, tokens: Range<usize>, stop: Break) -> bool {
        tokens.filter_map(|at| self.text.tokens.get(at)).all(|token| token.before < stop)
    }
}
