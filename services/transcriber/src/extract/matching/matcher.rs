//! All patterns against all words, in one pass.

use std::ops::Range;

use super::super::text::{Break, Text};
use super::{Pattern, Prefix, Reading, Slot, Vocabulary, WordId, read::Read};

/// A phrase that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit<T> {
    /// What the phrase stands for.
    pub target: T,
    /// The words it covers, as indices into the text's tokens.
    pub tokens: Range<usize>,
    /// The Hebrew prefixes before its first word.
    pub prefix: Prefix,
    /// How far the spelling is from the catalogue's: 0 exact, 1 by sound, 2 one letter off, 3 the
    /// same consonants at best.
    pub distance: u8,
    /// Whether its words stand side by side.
    pub contiguous: bool,
}

/// Patterns compiled over one vocabulary.
#[derive(Debug, Clone)]
pub struct Matcher<T> {
    pub(super) vocabulary: Vocabulary,
    patterns: Vec<Compiled<T>>,
    /// For each word, the patterns that begin with it.
    heads: Vec<Vec<u32>>,
    /// For each word, the patterns that go on with it, a bit each.
    seconds: Vec<Box<[u64]>>,
    /// The patterns that need no certain second word.
    free: Box<[u64]>,
}

/// Words in which the second word of a phrase stands, if anywhere: as many as `*` stands for, and
/// that one.
const WINDOW: usize = 5;
/// Fewer phrases are tried at once.
const FEW: usize = 6;

#[derive(Debug, Clone)]
struct Compiled<T> {
    target: T,
    slots: Vec<CompiledSlot>,
    forgiving: bool,
}

#[derive(Debug, Clone)]
struct CompiledSlot {
    words: Vec<WordId>,
    optional: bool,
    prefixable: bool,
    gap: u8,
}

/// Collects patterns.
#[derive(Debug)]
pub struct MatcherBuilder<T> {
    vocabulary: Vocabulary,
    patterns: Vec<Compiled<T>>,
}

impl<T: Clone + PartialEq> MatcherBuilder<T> {
    /// Starts with nothing.
    pub fn new() -> Self {
        Self { vocabulary: Vocabulary::default(), patterns: Vec::new() }
    }

    /// An everyday word, which is never read as a name.
    pub fn ordinary(&mut self, word: &str) {
        self.vocabulary.keep_whole(word);
    }

    /// A word that is often said, which is never read as a misspelt name.
    pub fn common(&mut self, word: &str) {
        self.vocabulary.keep_spelling(word);
    }

    /// Adds a phrase; a forgiving one is also found when its words are slightly misspelt.
    pub fn add(&mut self, pattern: &Pattern, target: T, forgiving: bool) {
        let slots =
            pattern.slots.iter().map(|slot| self.compile(slot, Vocabulary::intern)).collect();
        if forgiving {
            for word in pattern.slots.iter().flat_map(|slot| &slot.words) {
                self.vocabulary.forgive(word);
            }
        }
        self.patterns.push(Compiled { target, slots, forgiving });
    }

    /// Adds a name as speech engines write it down: its words mean nothing otherwise.
    pub fn add_heard(&mut self, pattern: &Pattern, target: T) {
        let slots = pattern.slots.iter();
        let slots = slots.map(|slot| self.compile(slot, Vocabulary::intern_heard)).collect();
        self.patterns.push(Compiled { target, slots, forgiving: false });
    }

    /// After this word a name may follow that was heard badly.
    pub fn expect_after(&mut self, word: &str) {
        self.vocabulary.expect_after(word);
    }

    /// Both words of a name of two, which may be misspelt as one.
    pub fn halves(&mut self, pattern: &Pattern) {
        for word in pattern.slots.iter().flat_map(|slot| &slot.words) {
            self.vocabulary.half(word);
        }
    }

    fn compile(
        &mut self,
        slot: &Slot,
        intern: fn(&mut Vocabulary, &str) -> WordId,
    ) -> CompiledSlot {
        let mut words: Vec<_> =
            slot.words.iter().map(|word| intern(&mut self.vocabulary, word)).collect();
        words.sort_unstable();
        words.dedup();
        CompiledSlot { words, optional: slot.optional, prefixable: slot.prefixable, gap: slot.gap }
    }

    /// Ready to match.
    pub fn build(self) -> Matcher<T> {
        let mut heads: Vec<Vec<u32>> = Vec::new();
        let blank = vec![0_u64; self.patterns.len().div_ceil(64)].into_boxed_slice();
        let mut seconds: Vec<Box<[u64]>> = Vec::new();
        let mut free = blank.clone();
        for (index, pattern) in self.patterns.iter().enumerate() {
            let (block, bit) = (index / 64, 1 << (index % 64));
            let Some(second) = pattern.slots.get(1).filter(|slot| !slot.optional) else {
                free[block] |= bit;
                continue;
            };
            for word in &second.words {
                let at = word.0 as usize;
                if seconds.len() <= at {
                    seconds.resize_with(at + 1, Box::default);
                }
                if seconds[at].is_empty() {
                    seconds[at] = blank.clone();
                }
                seconds[at][block] |= bit;
            }
        }
        for (index, pattern) in self.patterns.iter().enumerate() {
            for word in &pattern.slots[0].words {
                let at = word.0 as usize;
                if heads.len() <= at {
                    heads.resize_with(at + 1, Vec::new);
                }
                heads[at].push(u32::try_from(index).unwrap_or(u32::MAX));
            }
        }
        let patterns = self.patterns;
        Matcher { vocabulary: self.vocabulary, patterns, heads, seconds, free }
    }
}

/// What may still follow.
struct Ahead {
    /// The word from which it was looked for.
    next: usize,
    /// The patterns that can go on there, a bit each.
    possible: Box<[u64]>,
}

/// Where a phrase begins, where it goes on, and which hits begin there too.
#[derive(Clone, Copy)]
struct Place {
    at: usize,
    next: usize,
    from: usize,
}

impl<T: Clone + PartialEq> Matcher<T> {
    /// Finds every phrase. Of one target's hits that begin at the same word the longest is given.
    pub fn find(&self, text: &Text) -> Vec<Hit<T>> {
        let read = self.read(text);
        let mut hits = Vec::new();
        let mut ahead = Ahead { next: usize::MAX, possible: self.free.clone() };
        for at in 0..text.tokens.len() {
            let from = hits.len();
            for reading in &read.all[read.words[at].clone()] {
                let place = Place { at, next: at + 1, from };
                self.find_at(text, &read, &mut ahead, place, *reading, &mut hits);
            }
            for reading in &read.all[read.pairs[at].clone()] {
                let place = Place { at, next: at + 2, from };
                self.find_at(text, &read, &mut ahead, place, *reading, &mut hits);
            }
            let first = read.ears.partition_point(|(start, ..)| *start < at);
            for (_, count, reading) in read.ears[first..].iter().take_while(|e| e.0 == at) {
                let place = Place { at, next: at + count, from };
                self.find_at(text, &read, &mut ahead, place, *reading, &mut hits);
            }
        }
        hits
    }

    /// Marks the patterns whose second word is among the next words.
    fn look_ahead(&self, read: &Read, ahead: &mut Ahead, next: usize) {
        if ahead.next == next {
            return;
        }
        ahead.next = next;
        ahead.possible.copy_from_slice(&self.free);
        for words in read.words.iter().skip(next).take(WINDOW) {
            for reading in &read.all[words.clone()] {
                let Some(second) = self.seconds.get(reading.word.0 as usize) else { continue };
                for (possible, second) in ahead.possible.iter_mut().zip(second) {
                    *possible |= second;
                }
            }
        }
    }

    fn find_at(
        &self,
        text: &Text,
        read: &Read,
        ahead: &mut Ahead,
        place: Place,
        reading: Reading,
        hits: &mut Vec<Hit<T>>,
    ) {
        let Some(heads) = self.heads.get(reading.word.0 as usize) else { return };
        let Place { at, next, from } = place;
        let many = heads.len() > FEW;
        if many {
            self.look_ahead(read, ahead, next);
        }
        for &index in heads {
            let possible = |index: usize| ahead.possible[index / 64] & (1 << (index % 64)) != 0;
            if many && !possible(index as usize) {
                continue;
            }
            let pattern = &self.patterns[index as usize];
            let first = &pattern.slots[0];
            let allowed = (first.prefixable || !reading.prefix.any)
                && (pattern.forgiving || reading.distance == 0);
            if !allowed {
                continue;
            }
            let Some(end) = self.rest(text, read, pattern, next) else { continue };
            let hit = Hit {
                target: pattern.target.clone(),
                tokens: at..end.next,
                prefix: reading.prefix,
                distance: reading.distance.max(end.distance),
                contiguous: !end.gapped,
            };
            let known = hits[from..].iter().position(|known| known.target == hit.target);
            match known.map(|position| &mut hits[from + position]) {
                Some(known) if known.tokens.end < hit.tokens.end => *known = hit,
                Some(_) => {}
                None => hits.push(hit),
            }
        }
    }

    /// Matches the places after the first; the earliest word that fits is taken.
    fn rest(&self, text: &Text, read: &Read, pattern: &Compiled<T>, next: usize) -> Option<End> {
        let mut end = End { next, distance: 0, gapped: false };
        for slot in &pattern.slots[1..] {
            match self.slot(text, read, pattern, slot, end.next) {
                Some((found, distance)) => {
                    end.gapped |= found > end.next;
                    end.distance = end.distance.max(distance);
                    end.next = found + 1;
                }
                None if slot.optional => {}
                None => return None,
            }
        }
        Some(end)
    }

    fn slot(
        &self,
        text: &Text,
        read: &Read,
        pattern: &Compiled<T>,
        slot: &CompiledSlot,
        next: usize,
    ) -> Option<(usize, u8)> {
        for at in next..=next + usize::from(slot.gap) {
            let token = text.tokens.get(at)?;
            let stop = if slot.gap == 0 { Break::Comma } else { Break::Sentence };
            if token.before >= stop {
                return None;
            }
            let fits = |reading: &&Reading| {
                slot.words.binary_search(&reading.word).is_ok()
                    && (slot.prefixable || !reading.prefix.any)
                    && (pattern.forgiving || reading.distance == 0)
            };
            if let Some(reading) = read.all[read.words[at].clone()].iter().find(fits) {
                return Some((at, reading.distance));
            }
        }
        None
    }
}

struct End {
    next: usize,
    distance: u8,
    gapped: bool,
}
