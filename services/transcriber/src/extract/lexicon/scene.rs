//! A transcript with everything that was recognised in it, and the questions rules ask of it.

mod passage;
mod region;

use std::ops::Range;

use domain::{Speaker, Transcript};

pub use passage::Passage;

use super::cue::Cue;
use crate::extract::{
    catalogue::{Catalogue, Kind, Phrase, Strength},
    matching::{Hit, Matcher, Prefix},
    text::{Break, Budget, Text},
};

/// No phrase covers more words, gaps included; rules look no further than this around one.
const SPAN: usize = 32;

/// A call of ten minutes has a hundred. Bounds the time.
const MAX_MENTIONS: usize = 2_000;

/// A segment of no more words is a greeting.
const OPENING: usize = 4;

/// What a pattern of the lexicon stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A phrase of an entry, both by number.
    Phrase(u32, u32),
    /// A cue.
    Cue(Cue),
}

/// A name or sign of an entry, somewhere in the transcript.
#[derive(Debug, Clone)]
pub struct Mention {
    /// The entry's number in the catalogue.
    pub entry: usize,
    /// The phrase's number in the entry.
    pub phrase: usize,
    /// What the entry is.
    pub kind: Kind,
    /// The segment's number in the transcript.
    pub segment: usize,
    /// The words it covers.
    pub tokens: Range<usize>,
    /// Hebrew prefixes before it.
    pub prefix: Prefix,
    /// 0 as written, 1 by sound, 2 one letter off, 3 the same consonants at best.
    pub distance: u8,
    /// Cities of the same name in other regions.
    pub rivals: Vec<usize>,
    /// Whether the other side said which of them it is.
    pub settled: bool,
    /// Whether its words stand side by side.
    pub contiguous: bool,
}

/// The transcript.
#[derive(Debug)]
pub struct Scene<'c> {
    /// What can be found.
    pub catalogue: &'c Catalogue,
    /// Its segments, as far as they are read.
    pub passages: Vec<Passage>,
    /// What was found, in order.
    pub mentions: Vec<Mention>,
    /// The one city that is named, where no other is.
    pub only_city: Option<usize>,
    /// The segment in which the caller says something of substance for the first time.
    pub opening: Option<usize>,
    /// Services that the company names in its greeting.
    pub greeted: Vec<usize>,
    for_another: bool,
    of_kin: bool,
    asks_for_service: bool,
}

impl<'c> Scene<'c> {
    /// Reads a transcript.
    pub fn read(
        catalogue: &'c Catalogue,
        matcher: &Matcher<Target>,
        transcript: &Transcript,
    ) -> Self {
        let mut scene = Self {
            catalogue,
            passages: Vec::new(),
            mentions: Vec::new(),
            only_city: None,
            opening: None,
            greeted: Vec::new(),
            for_another: false,
            of_kin: false,
            asks_for_service: false,
        };
        let mut budget = Budget::default();
        for (segment, spoken) in transcript.segments.iter().enumerate() {
            if budget.is_spent() || scene.mentions.len() >= MAX_MENTIONS {
                break;
            }
            let text = Text::within(&spoken.text, &mut budget);
            let (mut mentions, mut cues) = scene.sort(segment, matcher.find(&text));
            scene.settle_regions(&text, &mut mentions);
            drop_parts_of_names(&mentions, &mut cues);
            scene.drop_parts_of_cities(&mut mentions);
            scene.mentions.extend(mentions);
            scene.passages.push(Passage::new(spoken.speaker, text, cues));
        }
        scene.guess_roles();
        scene.opening = scene
            .passages
            .iter()
            .position(|p| p.speaker != Speaker::Agent && p.text.tokens.len() > OPENING);
        scene.greeted = scene.greeted();
        scene.asks_for_service = scene.mentions.iter().any(|m| {
            let own = scene.passage(m).speaker != Speaker::Agent;
            own && m.kind == Kind::Service && scene.phrase(m).strength >= Strength::Thing
        });
        scene.settle_by_reply();
        let mut cities = scene.mentions.iter().filter(|m| m.kind == Kind::City && m.distance < 2);
        let first = cities.next().map(|m| m.entry);
        scene.only_city = first.filter(|entry| cities.all(|m| m.entry == *entry));
        scene.of_kin =
            scene.passages.iter().any(|p| p.speaker != Speaker::Agent && p.has(Cue::Kin));
        let asks_for = |p: &Passage| p.speaker != Speaker::Agent && p.has(Cue::KinNeeds);
        scene.for_another = scene.passages.iter().any(asks_for)
            || scene.mentions.iter().any(|m| scene.befalls_kin(m));
        scene
    }

    /// באר יעקב is no well.
    fn drop_parts_of_cities(&self, mentions: &mut Vec<Mention>) {
        let cities: Vec<Range<usize>> = mentions
            .iter()
            .filter(|m| m.kind == Kind::City && m.distance == 0)
            .map(|m| m.tokens.clone())
            .collect();
        mentions.retain(|m| {
            let within =
                |city: &Range<usize>| city.start <= m.tokens.start && m.tokens.end <= city.end;
            let weak = m.kind == Kind::Service && self.phrase(m).strength < Strength::Said;
            !(weak && cities.iter().any(within))
        });
    }

    fn greeted(&self) -> Vec<usize> {
        let first = self.mentions.iter().take_while(|m| m.segment == 0);
        let greets =
            |m: &&Mention| m.kind == Kind::Service && self.passage(m).speaker == Speaker::Agent;
        let mut greeted: Vec<usize> = first.filter(greets).map(|m| m.entry).collect();
        greeted.sort_unstable();
        greeted.dedup();
        greeted
    }

    /// "My mother is locked out": what happened, happened to someone else.
    fn befalls_kin(&self, mention: &Mention) -> bool {
        let passage = self.passage(mention);
        mention.kind == Kind::Service
            && self.phrase(mention).strength == Strength::Sign
            && passage.speaker != Speaker::Agent
            && passage.before(Cue::Kin, mention.tokens.start, 2, Break::Comma).is_some()
    }

    /// Where nobody told who speaks, a segment that greets, asks for the city or sends someone
    /// is the company's. One single segment holds both sides and stays unknown.
    fn guess_roles(&mut self) {
        let unknown = |p: &Passage| matches!(p.speaker, Speaker::Unknown | Speaker::Voice(_));
        if self.passages.len() < 2 || !self.passages.iter().all(unknown) {
            return;
        }
        for passage in &mut self.passages {
            let words = passage.text.tokens.len();
            let wish = passage.has(Cue::Me) && passage.has(Cue::Need);
            let company = passage.has(Cue::Greeting)
                || passage.has(Cue::Guess)
                || (passage.has(Cue::AskCity) || passage.has(Cue::Dispatch)) && words < 16;
            passage.speaker = if company && !wish { Speaker::Agent } else { Speaker::Caller };
        }
    }

    fn sort(
        &self,
        segment: usize,
        hits: Vec<Hit<Target>>,
    ) -> (Vec<Mention>, Vec<(Cue, Range<usize>)>) {
        let mut mentions = Vec::new();
        let mut cues: Vec<(Cue, Range<usize>, bool)> = Vec::new();
        for hit in hits {
            match hit.target {
                Target::Cue(cue) => cues.push((cue, hit.tokens, hit.contiguous)),
                Target::Phrase(..) if mentions.len() >= MAX_MENTIONS => {}
                Target::Phrase(entry, phrase) => {
                    let (entry, phrase) = (entry as usize, phrase as usize);
                    let Some(known) = self.catalogue.entries.get(entry) else { continue };
                    let kind = known.kind;
                    let heard = known.phrases.get(phrase).is_some_and(|phrase| phrase.heard);
                    // "The", "like": no name of a place follows.
                    if kind == Kind::City && hit.prefix.common {
                        continue;
                    }
                    mentions.push(Mention {
                        entry,
                        phrase,
                        kind,
                        segment,
                        tokens: hit.tokens,
                        prefix: hit.prefix,
                        distance: hit.distance.max(u8::from(heard)),
                        rivals: Vec::new(),
                        settled: false,
                        contiguous: hit.contiguous,
                    });
                }
            }
        }
        self.keep_longest(&mut mentions);
        (mentions, unmasked(cues))
    }

    /// A phrase inside a longer one is part of it: "Newport" in "Newport News", "heater" in
    /// "water heater".
    fn keep_longest(&self, mentions: &mut Vec<Mention>) {
        mentions.sort_by_key(|m| (m.tokens.start, m.tokens.end, m.entry));
        let longest = mentions.iter().map(|m| m.tokens.len()).max().unwrap_or(0);
        let kept = |(at, mention): (usize, &Mention)| {
            let earlier = mentions[..at].iter().rev();
            let later = mentions[at + 1..].iter();
            let near =
                |other: &&Mention| other.tokens.start.abs_diff(mention.tokens.start) < longest;
            let hidden = earlier.take_while(near).any(|known| self.hides(known, mention))
                || later.take_while(near).any(|known| self.hides(known, mention));
            (!hidden).then(|| mention.clone())
        };
        *mentions = mentions.iter().enumerate().filter_map(kept).collect();
    }

    fn hides(&self, known: &Mention, mention: &Mention) -> bool {
        if known.kind != mention.kind {
            return false;
        }
        let (outer, inner) = (&known.tokens, &mention.tokens);
        let overlap = outer.start < inner.end && inner.start < outer.end;
        let inside = outer.start <= inner.start && inner.end <= outer.end;
        match mention.kind {
            // Cities of one name share a span; their regions decide later.
            Kind::City if outer == inner => known.distance < mention.distance,
            // "In Ann Arbor" is no badly heard name of three words.
            Kind::City if (known.distance < 2) != (mention.distance < 2) => {
                overlap && known.distance < mention.distance
            }
            Kind::City => overlap && (outer.len(), inner.start) > (inner.len(), outer.start),
            Kind::Region => false,
            Kind::Service => {
                let (own, other) = (self.phrase(known).strength, self.phrase(mention).strength);
                let other_trade = known.entry != mention.entry && own >= Strength::Sign;
                let whole = known.contiguous && (own >= other || other_trade);
                // "The chimney needs cleaning": its last word is no cleaner.
                let edge = outer.start == inner.start || outer.end == inner.end;
                let part = edge && own == Strength::Said && other == Strength::Name;
                inside && outer != inner && (whole || part)
            }
        }
    }

    /// Whether the caller named a service, or something that one mends.
    pub fn asks_for_service(&self) -> bool {
        self.asks_for_service
    }

    /// Whether the caller wants the work for someone else: "for my mother".
    pub fn acts_for_another(&self) -> bool {
        self.for_another
    }

    /// Whether the caller speaks of anyone else: "my sister".
    pub fn speaks_of_kin(&self) -> bool {
        self.of_kin
    }

    /// The phrase a mention was recognised by.
    pub fn phrase(&self, mention: &Mention) -> &'c Phrase {
        &self.catalogue.entries[mention.entry].phrases[mention.phrase]
    }

    /// The first word of a mention.
    pub fn first_word(&self, mention: &Mention) -> &str {
        let text = &self.passage(mention).text;
        text.word_at(mention.tokens.start)
    }

    /// The segment of a mention.
    pub fn passage(&self, mention: &Mention) -> &Passage {
        &self.passages[mention.segment]
    }

    /// The nearest earlier segment by the other side, if it directly precedes.
    pub fn previous(&self, segment: usize) -> Option<&Passage> {
        let own = self.passages[segment].speaker;
        self.passages[..segment]
            .iter()
            .rev()
            .take(4)
            .find(|p| !p.text.tokens.is_empty())
            .filter(|p| p.speaker != own)
    }

    /// The next segment, if it is by the other side.
    pub fn next(&self, segment: usize) -> Option<&Passage> {
        self.reply(segment).map(|reply| &self.passages[reply])
    }

    /// The number of the next segment, if it is by the other side.
    pub fn reply(&self, segment: usize) -> Option<usize> {
        let own = self.passages[segment].speaker;
        (segment + 1..self.passages.len())
            .take(4)
            .find(|at| !self.passages[*at].text.tokens.is_empty())
            .filter(|at| self.passages[*at].speaker != own)
    }
}

/// The "בית" of בית שמש is no house.
fn drop_parts_of_names(mentions: &[Mention], cues: &mut Vec<(Cue, Range<usize>)>) {
    let names: Vec<&Range<usize>> = mentions
        .iter()
        .filter(|m| m.kind == Kind::City && m.distance < 2 && m.tokens.len() > 1)
        .map(|m| &m.tokens)
        .collect();
    cues.retain(|(cue, span)| {
        let first = names.partition_point(|name| name.end <= span.start);
        let within = |name: &&&Range<usize>| name.start <= span.start && span.end <= name.end;
        *cue == Cue::Inside || names.get(first).filter(within).is_none()
    });
}

/// Leaves out cues inside a longer one: the "not" in "not far from".
fn unmasked(mut cues: Vec<(Cue, Range<usize>, bool)>) -> Vec<(Cue, Range<usize>)> {
    cues.sort_by_key(|(cue, span, _)| (span.start, span.end, *cue));
    let kept = |(at, (cue, span, _)): (usize, &(Cue, Range<usize>, bool))| {
        if !matches!(cue, Cue::Negate | Cue::No | Cue::Urgent) {
            return Some((*cue, span.clone()));
        }
        let covers = |(outer, around, contiguous): &(Cue, Range<usize>, bool)| {
            *contiguous
                && around.len() > span.len()
                && around.start <= span.start
                && span.end <= around.end
                && masks(*outer, *cue)
        };
        let near =
            |(_, other, _): &&(Cue, Range<usize>, bool)| other.start.abs_diff(span.start) < SPAN;
        let masked = cues[..at].iter().rev().take_while(near).any(covers)
            || cues[at + 1..].iter().take_while(near).any(covers);
        (!masked).then(|| (*cue, span.clone()))
    };
    cues.iter().enumerate().filter_map(kept).collect()
}

fn masks(outer: Cue, inner: Cue) -> bool {
    let denial = matches!(inner, Cue::Negate | Cue::No);
    let other = matches!(outer, Cue::Near | Cue::Unserved | Cue::Relaxed);
    // "No no": a correction, and a "no" all the same.
    let corrected = outer == Cue::Correct && inner == Cue::Negate;
    denial && other || corrected || inner == Cue::Urgent && outer == Cue::Relaxed
}
