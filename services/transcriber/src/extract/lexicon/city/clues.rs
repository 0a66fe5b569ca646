//! What stands around each mention of a city, told by name, for the learned weights.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write,
    ops::Range,
};

use domain::Speaker;
use foldhash::fast::FixedState;

use crate::extract::{
    catalogue::Kind,
    lexicon::{
        Heard,
        cue::Cue,
        scene::{Mention, Passage, Scene},
        stance::Stance,
    },
    text::Break,
};

/// Words in which a cue is beside a mention.
const REACH: usize = 6;
/// No cue has more words.
const LONGEST: usize = 16;
/// Words beside a mention that are told with their place, and those that are told without.
const BESIDE: usize = 3;
const AROUND: usize = 8;
/// An answer begins with a cue among so many words.
const ANSWER: usize = 3;
/// A segment of no more words is short.
const SHORT: usize = 3;
/// How another side answers or opens.
const ANSWERS: [Cue; 4] = [Cue::Yes, Cue::No, Cue::Negate, Cue::Correct];
/// What the segment before may ask or tell.
const QUESTIONS: [Cue; 9] = [
    Cue::AskCity,
    Cue::Guess,
    Cue::Tag,
    Cue::AskService,
    Cue::Greeting,
    Cue::AskName,
    Cue::Recap,
    Cue::Dispatch,
    Cue::Own,
];

/// The cities of a call, as far as each mention asks for the others.
pub struct Clues<'h, 'c> {
    heard: &'h Heard<'c>,
    stances: &'h [Stance],
    /// Of each mention: the others before and after it, by the caller's side and the company's.
    before: Vec<[Others; 2]>,
    after: Vec<[Others; 2]>,
    /// The same in its segment, whoever speaks.
    before_here: Vec<Others>,
    after_here: Vec<Others>,
    /// Cities by segment.
    named: HashSet<(usize, usize), FixedState>,
    here: Vec<Others>,
    /// How often each is named by each side.
    often: HashMap<(usize, usize), usize, FixedState>,
}

/// Which entries were seen: enough to tell whether any other than a given one was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Others {
    first: Option<usize>,
    more: bool,
}

impl Others {
    fn see(&mut self, entry: usize) {
        match self.first {
            None => self.first = Some(entry),
            Some(first) => self.more |= first != entry,
        }
    }

    fn than(self, entry: usize) -> bool {
        self.more || self.first.is_some_and(|first| first != entry)
    }
}

impl<'h, 'c> Clues<'h, 'c> {
    /// Looks through the judged mentions of cities.
    pub fn new(heard: &'h Heard<'c>, stances: &'h [Stance]) -> Self {
        let scene = &heard.scene;
        let mut clues = Self {
            heard,
            stances,
            before: Vec::with_capacity(stances.len()),
            after: vec![Default::default(); stances.len()],
            before_here: Vec::with_capacity(stances.len()),
            after_here: vec![Default::default(); stances.len()],
            named: HashSet::default(),
            often: HashMap::default(),
            here: vec![Others::default(); scene.passages.len()],
        };
        let (mut sides, mut here) = <([Others; 2], (usize, Others))>::default();
        for stance in stances {
            let mention = stance.of(scene);
            if here.0 != mention.segment {
                here = (mention.segment, Others::default());
            }
            clues.before.push(sides);
            clues.before_here.push(here.1);
            sides[side(scene, mention)].see(mention.entry);
            here.1.see(mention.entry);
            clues.named.insert((mention.segment, mention.entry));
            clues.here[mention.segment].see(mention.entry);
            *clues.often.entry((mention.entry, side(scene, mention))).or_default() += 1;
        }
        let (mut sides, mut here) = <([Others; 2], (usize, Others))>::default();
        for (number, stance) in stances.iter().enumerate().rev() {
            let mention = stance.of(scene);
            if here.0 != mention.segment {
                here = (mention.segment, Others::default());
            }
            clues.after[number] = sides;
            clues.after_here[number] = here.1;
            sides[side(scene, mention)].see(mention.entry);
            here.1.see(mention.entry);
        }
        clues
    }

    /// Hands over what stands around one mention, each thing once, with how much there is of it.
    pub fn each(&self, number: usize, take: &mut impl FnMut(&str, f32)) {
        let stance = &self.stances[number];
        let mention = stance.of(&self.heard.scene);
        let passage = self.heard.scene.passage(mention);
        let mut told = Told { take, name: String::new() };
        told.is(format_args!("{:?}", self.heard.parts[mention.segment]));
        let score = stance.score.clamp(-8.0, 8.0) / 4.0;
        told.much("score", score);
        told.much("believed", score.max(0.0));
        if !stance.excluded {
            told.much("score-kept", score);
        }
        self.judged(stance, mention, passage, &mut told);
        beside(passage, &mention.tokens, &mut told);
        cues(passage, &mention.tokens, &mut told);
        self.turns(mention, passage, &mut told);
        self.others(number, mention, &mut told);
        if passage.asks() {
            told.is(format_args!("in-question"));
        }
        if passage.text.tokens.len() <= SHORT {
            told.is(format_args!("short"));
        }
    }

    /// What the rules noted of it.
    fn judged<T: FnMut(&str, f32)>(
        &self,
        stance: &Stance,
        mention: &Mention,
        passage: &Passage,
        told: &mut Told<'_, T>,
    ) {
        let scene = &self.heard.scene;
        let phrase = scene.phrase(mention);
        let who = who(passage);
        for (name, holds) in [
            ("excluded", stance.excluded),
            ("denied", stance.denied),
            ("beside", stance.beside),
            ("person", stance.person),
            ("placed", stance.placed),
            ("site", stance.site),
            ("own", stance.own),
            ("settled", mention.settled),
            ("doubtful", phrase.doubtful),
            ("landmark", phrase.landmark),
        ] {
            if holds {
                told.is(format_args!("{name}"));
                told.is(format_args!("{name}-{who}"));
            }
        }
        for (name, holds) in [
            ("unlabelled", matches!(passage.speaker, Speaker::Unknown | Speaker::Voice(_))),
            ("prefix-within", mention.prefix.within),
            ("prefix-from", mention.prefix.from),
            ("prefix-to", mention.prefix.to),
            ("region", scene.region_after(&passage.text, mention) > 0),
            ("in-opening", scene.opening == Some(mention.segment)),
            ("end", mention.segment + 2 >= scene.passages.len()),
        ] {
            if holds {
                told.is(format_args!("{name}"));
            }
        }
        told.is(format_args!("distance-{}", mention.distance));
    }

    /// What was said just before, and how it is answered.
    fn turns<T: FnMut(&str, f32)>(
        &self,
        mention: &Mention,
        passage: &Passage,
        told: &mut Told<'_, T>,
    ) {
        let passages = &self.heard.scene.passages;
        let segment = mention.segment;
        if let Some(before) = segment.checked_sub(1) {
            let said = &passages[before];
            let side = if said.speaker == Speaker::Agent { "asked" } else { "told" };
            for cue in QUESTIONS.into_iter().filter(|cue| said.has(*cue)) {
                told.is(format_args!("{side}-{cue:?}"));
            }
            if said.asks() {
                told.is(format_args!("{side}-question"));
            }
            let same = self.named.contains(&(before, mention.entry));
            let other = self.here[before].than(mention.entry);
            for (name, holds) in
                [("same", same), ("other", other), ("same-and-other", same && other)]
            {
                if holds {
                    told.is(format_args!("{side}-{name}"));
                }
            }
            if same || other {
                let which = if same { "same" } else { "other" };
                for cue in ANSWERS.into_iter().filter(|cue| passage.opens_with(*cue, ANSWER)) {
                    told.is(format_args!("{side}-{which}-opens-{cue:?}"));
                }
            } else if passage.opens_with(Cue::No, ANSWER - 1) {
                told.is(format_args!("opens-No"));
            }
        }
        let reply = passages.get(segment + 1).filter(|reply| reply.speaker != passage.speaker);
        let Some(reply) = reply else { return };
        let who = who(passage);
        for cue in ANSWERS.into_iter().filter(|cue| reply.opens_with(*cue, ANSWER)) {
            told.is(format_args!("reply-{cue:?}-{who}"));
        }
        for (name, holds) in [
            ("reply-same", self.named.contains(&(segment + 1, mention.entry))),
            ("reply-other", self.here[segment + 1].than(mention.entry)),
            ("asks", passage.asks()),
        ] {
            if holds {
                told.is(format_args!("{name}-{who}"));
            }
        }
    }

    /// Which other cities are named, and whether this one is again.
    fn others<T: FnMut(&str, f32)>(
        &self,
        number: usize,
        mention: &Mention,
        told: &mut Told<'_, T>,
    ) {
        let entry = mention.entry;
        let (before, after) = (&self.before[number], &self.after[number]);
        let own = side(&self.heard.scene, mention);
        let again = |side: usize| {
            let times = self.often.get(&(entry, side)).copied().unwrap_or_default();
            times > usize::from(side == own)
        };
        let only = !before.iter().chain(after).any(|others| others.than(entry));
        for (name, holds) in [
            ("other-later-same-segment", self.after_here[number].than(entry)),
            ("other-earlier-same-segment", self.before_here[number].than(entry)),
            ("other-earlier-caller", before[0].than(entry)),
            ("other-later-caller", after[0].than(entry)),
            ("other-earlier-agent", before[1].than(entry)),
            ("other-later-agent", after[1].than(entry)),
            ("only", only),
            ("again-caller", again(0)),
            ("again-agent", again(1)),
        ] {
            if holds {
                told.is(format_args!("{name}"));
            }
        }
    }
}

/// Takes names and how much there is of what they stand for.
struct Told<'t, T> {
    take: &'t mut T,
    name: String,
}

impl<T: FnMut(&str, f32)> Told<'_, T> {
    fn is(&mut self, name: std::fmt::Arguments<'_>) {
        self.name.clear();
        // Writing to a string cannot fail.
        let _ = self.name.write_fmt(name);
        (self.take)(&self.name, 1.0);
    }

    fn much(&mut self, name: &str, value: f32) {
        (self.take)(name, value);
    }
}

/// The words beside it, and what parts them from it.
fn beside<T: FnMut(&str, f32)>(passage: &Passage, tokens: &Range<usize>, told: &mut Told<'_, T>) {
    let text = &passage.text;
    let before = text.tokens.get(tokens.start).filter(|_| tokens.start > 0);
    let before = before.map_or("start", |token| pause(token.before));
    let after = match text.tokens.get(tokens.end) {
        Some(token) => pause(token.before),
        None => text.ending.map_or("open", pause),
    };
    told.is(format_args!("break-before-{before}"));
    told.is(format_args!("break-after-{after}"));
    if tokens.end >= text.tokens.len() {
        told.is(format_args!("last-word"));
    }
    for distance in 1..=AROUND {
        let before = tokens.start.checked_sub(distance);
        let after = Some(tokens.end + distance - 1).filter(|at| *at < text.tokens.len());
        for (side, at) in [("before", before), ("after", after)] {
            let Some(word) = at.map(|at| text.word_at(at)) else { continue };
            if distance <= BESIDE {
                told.is(format_args!("{side}-{distance} {word}"));
                told.is(format_args!("{side} {word}"));
            } else {
                told.is(format_args!("far-{side} {word}"));
            }
        }
    }
}

fn pause(pause: Break) -> &'static str {
    match pause {
        Break::None => "none",
        Break::Comma => "comma",
        Break::Sentence => "sentence",
        Break::Question => "question",
    }
}

/// The cues around it and in the segment, each once in each place.
fn cues<T: FnMut(&str, f32)>(passage: &Passage, tokens: &Range<usize>, told: &mut Told<'_, T>) {
    const PLACES: [&str; 5] = ["next-to", "before", "within", "followed-by", "after"];
    let mut seen = [0_u64; PLACES.len()];
    let from = tokens.start.saturating_sub(REACH + LONGEST);
    for (cue, span) in passage.cues_in(from..tokens.end + REACH + 1) {
        let place = if span.end <= tokens.start {
            match tokens.start - span.end {
                0..=1 => 0,
                2..=REACH => 1,
                _ => continue,
            }
        } else if span.start >= tokens.end {
            match span.start - tokens.end {
                0..=1 => 3,
                2..=REACH => 4,
                _ => continue,
            }
        } else {
            2
        };
        // Cues are fewer than bits.
        let bit = 1 << *cue as u64;
        if seen[place] & bit == 0 {
            seen[place] |= bit;
            told.is(format_args!("{}-{cue:?}", PLACES[place]));
        }
    }
    for cue in Cue::ALL.into_iter().filter(|cue| passage.has(*cue)) {
        told.is(format_args!("in-{cue:?}"));
    }
}

fn who(passage: &Passage) -> &'static str {
    if passage.speaker == Speaker::Agent { "agent" } else { "caller" }
}

fn side(scene: &Scene<'_>, mention: &Mention) -> usize {
    debug_assert_eq!(mention.kind, Kind::City);
    usize::from(scene.passage(mention).speaker == Speaker::Agent)
}

#[cfg(test)]
mod tests;
