//! What the words of a text can be read as, before any pattern is looked for.

use std::{collections::HashMap, ops::Range};

use foldhash::fast::FixedState;

use super::{Matcher, Reading};
use crate::extract::text::{Break, Script, Text, Token};

/// The readings of every word of a text, and of every pair of neighbours written as one.
pub(super) struct Read {
    pub(super) all: Vec<Reading>,
    pub(super) words: Vec<Range<usize>>,
    pub(super) pairs: Vec<Range<usize>>,
    /// Names heard badly: the first word, how many there are, and what they are read as.
    pub(super) ears: Vec<(usize, usize, Reading)>,
}

/// Words that may make up one badly heard name.
const EARS: usize = 4;
/// Places of one segment in which a badly heard name is looked for although none is expected. Bounds
/// the time.
const UNEXPECTED: usize = 32;
/// Letters one by one spell a name if there are as many.
const SPELT: usize = 4;

impl<T> Matcher<T> {
    pub(super) fn read(&self, text: &Text) -> Read {
        let count = text.tokens.len();
        let mut read = Read {
            all: Vec::with_capacity(count),
            words: Vec::with_capacity(count),
            pairs: Vec::with_capacity(count),
            ears: Vec::new(),
        };
        let mut pair = String::new();
        // People repeat themselves: each word is looked up once.
        let mut known: HashMap<&str, Range<usize>, FixedState> = HashMap::default();
        for token in &text.tokens {
            let range = known.entry(text.word(token)).or_insert_with_key(|word| {
                let start = read.all.len();
                self.vocabulary.read(word, &mut read.all);
                start..read.all.len()
            });
            read.words.push(range.clone());
        }
        for (at, token) in text.tokens.iter().enumerate() {
            let start = read.all.len();
            if let Some(next) = text.tokens.get(at + 1)
                && next.before == Break::None
                && next.script == token.script
                && token.script != Script::Other
            {
                pair.clear();
                pair.push_str(text.word(token));
                pair.push_str(text.word(next));
                let plain = [token, next].map(|t| self.vocabulary.is_ordinary(text.word(t)));
                let halves = [at, at + 1].map(|at| read.words[at].clone());
                let known = halves.into_iter().any(|r| self.vocabulary.has_half(&read.all[r]))
                    && !plain.contains(&true);
                self.vocabulary.read_pair(&pair, known, &mut read.all);
            }
            read.pairs.push(start..read.all.len());
        }
        self.read_by_ear(text, &mut read);
        read
    }

    /// Names that were heard badly: at the beginning and after words such as "in", where a name is
    /// expected; elsewhere only what means nothing and sounds like one.
    fn read_by_ear(&self, text: &Text, read: &mut Read) {
        let strange: Vec<bool> = text
            .tokens
            .iter()
            .zip(&read.words)
            .map(|(token, known)| {
                let known = &read.all[known.clone()];
                !self.vocabulary.means(known) && !self.vocabulary.is_common(text.word(token))
            })
            .collect();
        let mut unexpected = UNEXPECTED;
        for (at, token) in text.tokens.iter().enumerate() {
            let before = at.checked_sub(1).map(|before| &read.all[read.words[before].clone()]);
            let expected = at < 2
                || token.before >= Break::Comma
                || before.is_some_and(|known| self.vocabulary.expects(known))
                || text.word(token).starts_with(['ב', 'ל', 'מ']);
            let letter = |token: &Token| token.chars.len() == 1 && token.script == Script::Latin;
            let spelt = text.tokens[at..].iter().take(24).take_while(|t| letter(t)).count();
            let near = &strange[at..strange.len().min(at + EARS)];
            let sounds = token.script == Script::Latin && near.contains(&true) && unexpected > 0;
            if expected || spelt >= SPELT {
                self.read_from(text, read, at, spelt, true);
            } else if sounds {
                unexpected -= 1;
                self.read_from(text, read, at, 0, false);
            }
        }
    }

    /// Names that were heard badly and begin with this word.
    fn read_from(&self, text: &Text, read: &mut Read, at: usize, spelt: usize, expected: bool) {
        let mut heard = String::new();
        let mut readings = Vec::new();
        let first = &text.tokens[at];
        let (mut unknown, mut ordinary) = (false, false);
        let most = if spelt >= SPELT { spelt } else { EARS };
        for (count, next) in text.tokens[at..].iter().take(most).enumerate() {
            let word = text.word(next);
            let apart = count > 0 && next.before >= Break::Comma;
            let other = next.script != first.script || next.script == Script::Other;
            ordinary |= self.vocabulary.is_ordinary(word);
            if apart || other || ordinary && first.script == Script::Hebrew {
                break;
            }
            let known = &read.all[read.words[at + count].clone()];
            let half = first.script == Script::Hebrew && self.vocabulary.has_half(known);
            let senseless = !self.vocabulary.means(known);
            unknown |= !self.vocabulary.is_common(word) && (senseless || half);
            heard.push_str(word);
            readings.clear();
            if spelt >= SPELT && count + 1 == spelt {
                self.vocabulary.read(&heard, &mut readings);
            } else if unknown && (count > 0 || known.is_empty()) {
                if expected {
                    match count {
                        0 => self.vocabulary.read_beheaded(&heard, &mut readings),
                        1 if !senseless => {}
                        _ => self.vocabulary.read_pieces(&heard, &mut readings),
                    }
                }
                if readings.is_empty() {
                    self.vocabulary.read_by_ear(&heard, expected && !ordinary, &mut readings);
                }
            }
            let found = readings.iter().map(|reading| (at, count + 1, *reading));
            read.ears.extend(found);
        }
    }
}
