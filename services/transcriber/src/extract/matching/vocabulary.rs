//! The words of the catalogue, and how a word of a text is read as one of them.

use std::collections::{HashMap, HashSet};

use foldhash::fast::FixedState;

use super::fuzzy::Neighbours;

/// A word of the vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WordId(pub u32);

/// Hebrew prefixes that were taken off a word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Prefix {
    /// ב: in.
    pub within: bool,
    /// ל: to.
    pub to: bool,
    /// מ: from.
    pub from: bool,
    /// Any prefix at all, ו ש כ ה included.
    pub any: bool,
    /// ה or כ right before the word: the, like. Names of places have neither.
    pub common: bool,
}

/// One way to read a word of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The word of the vocabulary.
    pub word: WordId,
    /// What stood before it in the same written word.
    pub prefix: Prefix,
    /// 0 as written, 1 sounds the same, 2 one letter away, 3 the same consonants at best.
    pub distance: u8,
}

/// Every word the patterns are made of.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    words: HashMap<Box<str>, WordId, FixedState>,
    neighbours: Neighbours,
    torn: HashMap<Box<str>, WordId, FixedState>,
    whole: HashSet<Box<str>, FixedState>,
    common: HashSet<Box<str>, FixedState>,
    short: HashMap<Box<str>, WordId, FixedState>,
    halves: HashSet<WordId, FixedState>,
    expecting: HashSet<WordId, FixedState>,
    /// Words that stand in badly heard names only ("vill"), and mean nothing by themselves.
    senseless: HashSet<WordId, FixedState>,
}

/// More letters are never taken off: "וכשבה" is already rare.
const MAX_PREFIX: usize = 4;

/// Shorter words are not looked for in two halves; Hebrew ones may have one letter less.
const MIN_TORN: usize = 6;
/// The same where a name is expected.
const MIN_SHORT: usize = 4;
/// Shorter names of two words must be spelt right.
const MIN_HALVES: usize = 6;

impl Vocabulary {
    /// The word's number, given out now if it is new.
    pub fn intern(&mut self, word: &str) -> WordId {
        let id = self.number(word);
        self.senseless.remove(&id);
        id
    }

    /// The number of a word of a badly heard name.
    pub fn intern_heard(&mut self, word: &str) -> WordId {
        let is_new = !self.words.contains_key(word);
        let id = self.number(word);
        if is_new && word.len() > 1 {
            self.senseless.insert(id);
        }
        id
    }

    fn number(&mut self, word: &str) -> WordId {
        let next = WordId(u32::try_from(self.words.len()).unwrap_or(u32::MAX));
        *self.words.entry(word.into()).or_insert(next)
    }

    /// An everyday word: never read as a name, neither misspelt nor with its first letters off.
    pub fn keep_whole(&mut self, word: &str) {
        self.intern(word);
        self.whole.insert(word.into());
    }

    /// A word that is often said: never read as a misspelt name. Its first letters may come off.
    pub fn keep_spelling(&mut self, word: &str) {
        self.common.insert(word.into());
    }

    /// Whether it is a word that is often said.
    pub fn is_common(&self, word: &str) -> bool {
        self.common.contains(word) || self.whole.contains(word)
    }

    /// The word's number.
    pub fn get(&self, word: &str) -> Option<WordId> {
        self.words.get(word).copied()
    }

    /// From now on misspellings of this word are read as it.
    pub fn forgive(&mut self, word: &str) {
        let id = self.intern(word);
        self.neighbours.add(word, id);
        let least = if word.is_ascii() { MIN_TORN } else { MIN_TORN - 1 };
        if word.chars().nth(least - 1).is_some() {
            self.torn.insert(word.into(), id);
        }
        if word.chars().nth(MIN_SHORT - 1).is_some() {
            self.short.insert(word.into(), id);
        }
    }

    /// Appends the ways to read a word: as it stands, without Hebrew prefixes, and, if it is
    /// neither, as the word it was probably meant to be.
    pub fn read(&self, word: &str, readings: &mut Vec<Reading>) {
        let before = readings.len();
        self.read_exact(word, Prefix::default(), readings);
        // מיקום is a word; it is not "from Yakum".
        if self.whole.contains(word) {
            return;
        }
        if readings.len() > before && !self.common.contains(word) {
            // Spellings mix: "Petach Tikva" and "Petah Tiqwa" make "Petach Tiqwa".
            let known = readings.len();
            self.neighbours.read_alike(word, readings);
            let own = readings[before].word;
            let mut at = 0;
            readings.retain(|reading| {
                at += 1;
                at <= known || reading.word != own
            });
        }
        let stems: Vec<(&str, Prefix)> = stems(word).collect();
        for (stem, prefix) in &stems {
            self.read_exact(stem, *prefix, readings);
        }
        if readings.len() > before || self.common.contains(word) {
            return;
        }
        self.neighbours.read(word, Prefix::default(), readings);
        for (stem, prefix) in stems {
            self.neighbours.read(stem, prefix, readings);
        }
    }

    /// Appends the readings of two neighbours written as one, which a speech engine tore apart
    /// ("lock smith", "חו לון"). A name of two words may also be misspelt (טל אביב), if one of
    /// the two is `known` to belong to such a name.
    pub fn read_pair(&self, pair: &str, known: bool, readings: &mut Vec<Reading>) {
        if let Some(word) = self.torn.get(pair) {
            readings.push(Reading { word: *word, prefix: Prefix::default(), distance: 1 });
            return;
        }
        let from = readings.len();
        for (stem, prefix) in stems(pair) {
            if let Some(word) = self.torn.get(stem) {
                readings.push(Reading { word: *word, prefix, distance: 2 });
                return;
            }
        }
        // Latin names have longer words, each of which is forgiven on its own.
        if known && !pair.is_ascii() && pair.chars().nth(MIN_HALVES - 1).is_some() {
            self.neighbours.read(pair, Prefix::default(), readings);
            for (stem, prefix) in stems(pair) {
                self.neighbours.read(stem, prefix, readings);
            }
        }
        for reading in &mut readings[from..] {
            reading.distance = 2;
        }
    }

    /// Appends the names that sound roughly like several words, or like one that means nothing
    /// ("high a leah", "murfrees burrow", רהאט); `loose`, those that only look like it too, which is
    /// right only where a name is expected.
    pub fn read_by_ear(&self, heard: &str, loose: bool, readings: &mut Vec<Reading>) {
        self.neighbours.read_by_ear(heard, Prefix::default(), loose, readings);
        if !heard.is_ascii() {
            for (stem, prefix) in stems(heard) {
                self.neighbours.read_by_ear(stem, prefix, loose, readings);
            }
        }
    }

    /// Appends the name that was torn into these words ("hi fa", "tel a viv"). Right only where a
    /// name is expected.
    pub fn read_pieces(&self, heard: &str, readings: &mut Vec<Reading>) {
        let whole = std::iter::once((heard, Prefix::default())).chain(stems(heard));
        for (stem, prefix) in whole {
            if let Some(word) = self.short.get(stem) {
                readings.push(Reading { word: *word, prefix, distance: 2 });
                return;
            }
        }
    }

    /// Appends the names whose first letter was lost or misheard ("lizabeth"). Right only where a
    /// name is expected.
    pub fn read_beheaded(&self, heard: &str, readings: &mut Vec<Reading>) {
        self.neighbours.read_beheaded(heard, Prefix::default(), readings);
    }

    /// After this word a name may follow that was heard badly.
    pub fn expect_after(&mut self, word: &str) {
        let id = self.intern(word);
        self.expecting.insert(id);
    }

    /// Whether a name may follow after one of the readings.
    pub fn expects(&self, readings: &[Reading]) -> bool {
        readings.iter().any(|r| r.distance == 0 && self.expecting.contains(&r.word))
    }

    /// Whether it is an everyday word.
    pub fn is_ordinary(&self, word: &str) -> bool {
        self.whole.contains(word)
    }

    /// Whether a word that is read so means anything as it stands.
    pub fn means(&self, readings: &[Reading]) -> bool {
        readings.iter().any(|r| r.distance == 0 && !self.senseless.contains(&r.word))
    }

    /// From now on this word is known to be half of a name.
    pub fn half(&mut self, word: &str) {
        let id = self.intern(word);
        self.halves.insert(id);
    }

    /// Whether one of the readings is half of a name.
    pub fn has_half(&self, readings: &[Reading]) -> bool {
        readings.iter().any(|r| r.distance == 0 && self.halves.contains(&r.word))
    }

    fn read_exact(&self, word: &str, prefix: Prefix, readings: &mut Vec<Reading>) {
        if let Some(word) = self.get(word) {
            readings.push(Reading { word, prefix, distance: 0 });
        }
    }
}

/// The word without its first letters, as long as these are prefixes in an order that Hebrew
/// allows: ו, then ש (alone or in כש, מש), then one of ב ל מ כ, then ה.
fn stems(word: &str) -> impl Iterator<Item = (&str, Prefix)> {
    let mut prefix = Prefix::default();
    let mut at = 0;
    let mut stage = 0;
    let mut last = ' ';
    let mut letters = word.chars();
    std::iter::from_fn(move || {
        let letter = letters.next()?;
        let conjunction = stage <= 1 || stage == 3 && matches!(last, 'כ' | 'מ');
        stage = match letter {
            'ו' if stage == 0 => 1,
            'ש' if conjunction => 2,
            'ב' | 'ל' | 'מ' | 'כ' if stage <= 2 => 3,
            'ה' if stage <= 3 => 4,
            _ => return None,
        };
        last = letter;
        // מש and כש are conjunctions; the מ in them is not "from".
        prefix = Prefix {
            within: letter == 'ב' || prefix.within && letter == 'ה',
            to: letter == 'ל' || prefix.to && letter == 'ה',
            from: letter == 'מ' || prefix.from && letter == 'ה',
            any: true,
            common: matches!(letter, 'ה' | 'כ'),
        };
        at += letter.len_utf8();
        Some((&word[at..], prefix))
    })
    .take(MAX_PREFIX)
    .filter(|(stem, _)| stem.chars().nth(1).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vocabulary: &Vocabulary, word: &str) -> Vec<Reading> {
        let mut readings = Vec::new();
        vocabulary.read(word, &mut readings);
        readings
    }

    #[test]
    fn hebrew_prefixes_and_their_pile_ups_come_off() {
        let mut vocabulary = Vocabulary::default();
        let haifa = vocabulary.intern("חיפה");
        for (word, within, to, from) in [
            ("חיפה", false, false, false),
            ("בחיפה", true, false, false),
            ("לחיפה", false, true, false),
            ("ושמחיפה", false, false, true),
            ("כשבחיפה", true, false, false),
        ] {
            let readings = read(&vocabulary, word);
            assert_eq!(readings.len(), 1, "{word}");
            assert_eq!(readings[0].word, haifa);
            let prefix = readings[0].prefix;
            assert_eq!((prefix.within, prefix.to, prefix.from), (within, to, from), "{word}");
        }
        assert!(read(&vocabulary, "רחיפה").is_empty());
    }

    #[test]
    fn a_misspelling_is_read_only_where_no_word_fits() {
        let mut vocabulary = Vocabulary::default();
        vocabulary.forgive("netanya");
        let meadow = vocabulary.intern("netania");
        assert_eq!(read(&vocabulary, "netania")[0].word, meadow);
        assert_eq!(read(&vocabulary, "netanyo")[0].distance, 2);
        assert!(read(&vocabulary, "nothing").is_empty());
    }

    #[test]
    fn a_name_is_heard_by_its_consonants() {
        let mut vocabulary = Vocabulary::default();
        for name in [
            "hialeah",
            "murfreesboro",
            "batonrouge",
            "cincinnati",
            "knoxville",
            "karmiel",
            "רהט",
            "קרייתגת",
        ] {
            vocabulary.forgive(&crate::extract::text::normalise_name(name));
        }
        let heard = |word: &str| {
            let mut readings = Vec::new();
            vocabulary.read_by_ear(
                &crate::extract::text::normalise_name(word),
                true,
                &mut readings,
            );
            readings.len()
        };
        for word in [
            "murfreesburrow",
            "battenrouge",
            "sinsinnaughty",
            "knocksvill",
            "carmyel",
            "רהאט",
            "קריאתגת",
        ] {
            assert_eq!(heard(word), 1, "{word}");
        }
        for word in ["table", "rouge", "burrow", "ראש", "קורה"] {
            assert_eq!(heard(word), 0, "{word}");
        }
    }
}
