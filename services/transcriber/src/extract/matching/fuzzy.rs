//! Bounded forgiveness for what a speech engine misspells.
//!
//! Candidates come from an index of the vocabulary's words with one letter left out, so that a
//! look-up costs a few hashes whatever the size of the catalogue; `strsim` then measures them.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::vocabulary::{Prefix, Reading, WordId};

/// Shorter words have too many neighbours that are words themselves.
const MIN_LATIN: usize = 6;
/// Hebrew writes fewer letters for the same word.
const MIN_HEBREW: usize = 5;
/// Shortest word that is recognised by its sound.
const MIN_SOUND: usize = 4;
/// Letters by which two words of the same consonants may still differ.
const FAR: usize = 3;
/// Shortest row of consonants that tells a name.
const MIN_SKELETON: usize = 4;
/// No word of a catalogue is longer.
const MAX: usize = 24;

#[derive(Debug, Clone, Default)]
pub(super) struct Neighbours {
    words: Vec<(Box<str>, WordId)>,
    by_deletion: HashMap<Box<str>, Vec<u32>, FixedState>,
    by_sound: HashMap<Box<str>, Vec<u32>, FixedState>,
    by_skeleton: HashMap<Box<str>, Vec<u32>, FixedState>,
    by_ear: HashMap<Box<str>, Vec<u32>, FixedState>,
}

impl Neighbours {
    pub(super) fn add(&mut self, word: &str, id: WordId) {
        if self.words.iter().any(|(_, known)| *known == id) {
            return;
        }
        let letters: Vec<char> = word.chars().collect();
        let Ok(index) = u32::try_from(self.words.len()) else { return };
        self.words.push((word.into(), id));
        if (MIN_SOUND..=MAX).contains(&letters.len()) {
            self.by_sound.entry(sound(&letters).into()).or_default().push(index);
        }
        if let Some(skeleton) = skeleton(&letters) {
            self.by_skeleton.entry(skeleton.into()).or_default().push(index);
        }
        if let Some(ear) = by_ear(&letters) {
            self.by_ear.entry(ear.into()).or_default().push(index);
        }
        if !(least(&letters)..=MAX).contains(&letters.len()) {
            return;
        }
        self.by_deletion.entry(word.into()).or_default().push(index);
        for shorter in deletions(&letters) {
            let at = self.by_deletion.entry(shorter.into()).or_default();
            if at.last() != Some(&index) {
                at.push(index);
            }
        }
    }

    /// Appends the words that sound like this one.
    pub(super) fn read_alike(&self, word: &str, readings: &mut Vec<Reading>) {
        let letters: Vec<char> = word.chars().take(MAX + 1).collect();
        if (MIN_SOUND..=MAX).contains(&letters.len())
            && let Some(alike) = self.by_sound.get(sound(&letters).as_str())
        {
            readings.extend(alike.iter().map(|at| self.reading(*at, Prefix::default(), 1)));
        }
    }

    /// Appends the words with the same consonants, as far as one hears them, and vowels in the same
    /// places; `loose`, those that are written much alike too.
    pub(super) fn read_by_ear(
        &self,
        word: &str,
        prefix: Prefix,
        loose: bool,
        readings: &mut Vec<Reading>,
    ) {
        let letters: Vec<char> = word.chars().take(MAX + 1).collect();
        let Some(ear) = by_ear(&letters) else { return };
        let mut spoken = None;
        for &index in self.by_ear.get(ear.as_str()).into_iter().flatten() {
            let known = &*self.words[index as usize].0;
            let spoken = spoken.get_or_insert_with(|| syllables(&letters));
            let alike =
                !spoken.is_empty() && *spoken == syllables(&known.chars().collect::<Vec<_>>());
            if alike || loose && strsim::osa_distance(known, word) * 5 <= letters.len() * 2 {
                readings.push(self.reading(index, prefix, 3));
            }
        }
    }

    /// Appends the words that sound like this one, or else those one letter away.
    pub(super) fn read(&self, word: &str, prefix: Prefix, readings: &mut Vec<Reading>) {
        let letters: Vec<char> = word.chars().take(MAX + 1).collect();
        if !(MIN_SOUND..=MAX).contains(&letters.len()) {
            return;
        }
        if let Some(alike) = self.by_sound.get(sound(&letters).as_str()) {
            readings.extend(alike.iter().map(|index| self.reading(*index, prefix, 1)));
            return;
        }
        if letters.len() < least(&letters) {
            return;
        }
        let before = readings.len();
        for index in self.candidates(word, &letters) {
            let known = &*self.words[index as usize].0;
            let begins_alike = known.chars().next() == letters.first().copied();
            if begins_alike && strsim::osa_distance(known, word) == 1 {
                readings.push(self.reading(index, prefix, 2));
            }
        }
        let Some(skeleton) = skeleton(&letters).filter(|_| readings.len() == before) else {
            return;
        };
        for &index in self.by_skeleton.get(skeleton.as_str()).into_iter().flatten() {
            if strsim::osa_distance(&self.words[index as usize].0, word) <= FAR {
                readings.push(self.reading(index, prefix, 2));
            }
        }
    }

    /// Appends the words that begin otherwise, and are this one but for that letter; all others
    /// one letter away were read already.
    pub(super) fn read_beheaded(&self, word: &str, prefix: Prefix, readings: &mut Vec<Reading>) {
        let letters: Vec<char> = word.chars().take(MAX + 1).collect();
        if !(least(&letters)..=MAX).contains(&letters.len()) {
            return;
        }
        let rest = letters.first().map_or("", |first| &word[first.len_utf8()..]);
        for alike in [word, rest].into_iter().filter_map(|part| self.by_deletion.get(part)) {
            for &index in alike {
                let known = &*self.words[index as usize].0;
                let other = known.chars().next() != letters.first().copied();
                if other && strsim::osa_distance(known, word) == 1 {
                    readings.push(self.reading(index, prefix, 3));
                }
            }
        }
    }

    fn candidates(&self, word: &str, letters: &[char]) -> Vec<u32> {
        let mut found: Vec<u32> = Vec::new();
        found.extend(self.by_deletion.get(word).into_iter().flatten());
        for shorter in deletions(letters) {
            found.extend(self.by_deletion.get(shorter.as_str()).into_iter().flatten());
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn reading(&self, index: u32, prefix: Prefix, distance: u8) -> Reading {
        Reading { word: self.words[index as usize].1, prefix, distance }
    }
}

fn least(letters: &[char]) -> usize {
    if letters.first().is_some_and(char::is_ascii) { MIN_LATIN } else { MIN_HEBREW }
}

/// The word with each of its letters left out, in turn.
fn deletions(letters: &[char]) -> impl Iterator<Item = String> {
    (0..letters.len()).map(|gone| {
        letters.iter().enumerate().filter(|(at, _)| *at != gone).map(|(_, c)| *c).collect()
    })
}

/// The consonants one hears, of a word that has enough of them: engines guess vowels
/// (albequerque, chatanuga).
fn skeleton(letters: &[char]) -> Option<String> {
    if letters.len() < least(letters) {
        return None;
    }
    let vowel = |c: char| matches!(c, 'a' | 'e' | 'i' | 'o' | 'u' | 'ו' | 'י' | 'א' | 'ה');
    let heard = sound(letters);
    let first = heard.chars().next()?;
    let rest = heard.chars().skip(1).filter(|c| !vowel(*c));
    let consonants: String = std::iter::once(first).chain(rest).collect();
    consonants.chars().nth(MIN_SKELETON - 1).map(|_| consonants)
}

/// The consonants that even a bad line carries; none of too short or too long a word.
fn by_ear(letters: &[char]) -> Option<String> {
    let hebrew = letters.first().is_some_and(|letter| !letter.is_ascii());
    let least = if hebrew { 3 } else { 5 };
    if !(least..=MAX).contains(&letters.len()) {
        return None;
    }
    let mut kept = String::new();
    let silent = |at: usize| letters[at] == 'g' && letters.get(at + 1) == Some(&'h');
    let spoken: Vec<char> =
        (0..letters.len()).filter(|at| !silent(*at)).map(|at| letters[at]).collect();
    for (at, voice) in sound(&spoken).chars().enumerate() {
        let voice = match voice {
            'ח' => 'כ',
            'צ' => 'ס',
            'z' => 's',
            'a' | 'e' | 'i' | 'o' | 'u' if at == 0 => 'a',
            'א' | 'ה' | 'ו' | 'י' if at == 0 => 'א',
            'a' | 'e' | 'i' | 'o' | 'u' | 'h' | 'v' | 'א' | 'ה' | 'ו' | 'י' => continue,
            other => other,
        };
        if !kept.ends_with(voice) {
            kept.push(voice);
        }
    }
    kept.chars().nth(if hebrew { 1 } else { 2 }).map(|_| kept)
}

/// Where a word in Latin letters has which consonants, and where vowels, whichever: "sin sin naughty" is
/// Cincinnati, "fee nix" Phoenix. Empty for other alphabets.
fn syllables(letters: &[char]) -> String {
    if !letters.iter().all(char::is_ascii) {
        return String::new();
    }
    let silent = |at: usize| {
        let (letter, next) = (letters[at], letters.get(at + 1));
        letter == 'g' && next == Some(&'h')
            || letter == 'w' && at > 0 && "aeo".contains(letters[at - 1])
    };
    let spoken: Vec<char> =
        (0..letters.len()).filter(|at| !silent(*at)).map(|at| letters[at]).collect();
    let mut kept = String::new();
    for voice in sound(&spoken).chars() {
        let voice = match voice {
            'z' => 's',
            'a' | 'e' | 'i' | 'o' | 'u' => 'a',
            'h' => continue,
            other => other,
        };
        if !kept.ends_with(voice) {
            kept.push(voice);
        }
    }
    if kept.len() > 1 && kept.ends_with('a') {
        kept.pop();
    }
    kept
}

/// What the word sounds like: Hebrew letters that are pronounced alike are one, and so are the
/// ways in which Hebrew names are written in Latin letters (Petakh Tiqwa, Petach Tikva).
fn sound(letters: &[char]) -> String {
    let mut heard = String::with_capacity(letters.len() * 2);
    let mut at = 0;
    while let Some(&letter) = letters.get(at) {
        let next = letters.get(at + 1).copied().unwrap_or(' ');
        let last = at + 1 == letters.len();
        let (voice, taken) = match (letter, next) {
            ('p', 'h') => ('f', 2),
            ('k' | 'c', 'h') => ('h', 2),
            ('t', 'z' | 's') | ('z', 'z') => ('z', 2),
            ('t', 'h') => ('t', 2),
            ('c', 'e' | 'i' | 'y') => ('s', 1),
            ('q' | 'c', _) => ('k', 1),
            ('w', _) => ('v', 1),
            ('x', _) => {
                heard.push('k');
                ('s', 1)
            }
            ('e' | 'a', 'i' | 'y') | ('e', 'e') => ('i', 2),
            ('y', _) => ('i', 1),
            ('o', 'o' | 'u') => ('u', 2),
            ('ט', _) => ('ת', 1),
            ('ק', _) => ('כ', 1),
            ('א' | 'ע', _) if last => ('ה', 1),
            ('ע', _) => ('א', 1),
            ('ה', _) if !last => ('א', 1),
            _ => (letter, 1),
        };
        let last_h = voice == 'h' && at + taken == letters.len();
        let doubled = voice.is_ascii() && heard.ends_with(voice);
        if !last_h && !doubled {
            heard.push(voice);
        }
        at += taken;
    }
    heard
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sounds(word: &str) -> String {
        sound(&word.chars().collect::<Vec<_>>())
    }

    #[test]
    fn transliterations_of_one_name_sound_the_same() {
        for (one, other) in [
            ("tikvah", "tiqwa"),
            ("hadera", "chaderah"),
            ("petach", "petah"),
            ("raanana", "rananna"),
            ("tzfat", "tsfat"),
            ("עפולה", "אפולה"),
            ("טבריה", "תבריא"),
            ("הדברה", "אדברה"),
        ] {
            assert_eq!(sounds(one), sounds(other), "{one} {other}");
        }
        assert_ne!(sounds("haifa"), sounds("jaffa"));
    }

    #[test]
    fn a_name_torn_into_words_has_the_same_syllables() {
        let said = |word: &str| syllables(&word.chars().filter(|c| *c != ' ').collect::<Vec<_>>());
        for (one, other) in [
            ("sin sin naughty", "cincinnati"),
            ("fee nicks", "phoenix"),
            ("knocks vill", "knoxville"),
            ("albaquirky", "albuquerque"),
            ("re ho vote", "rehovot"),
            ("greens burrow", "greensboro"),
            ("high aleah", "hialeah"),
        ] {
            assert_eq!(said(one), said(other), "{one} {other}");
        }
        assert_ne!(said("danville"), said("denver"));
        assert_eq!(syllables(&['ח', 'י']), "");
    }
}
