//! What a text is made of, as the classifier sees it.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::extract::{
    lexicon::phrases::{FILLER, is_filler, stem},
    text::Text,
};

/// How often each feature is in a text, by key.
pub type Bag = HashMap<u32, u32, FixedState>;

/// Letters of a string that counts, with the beginning and the end of its word.
const LETTERS: usize = 4;
/// Longer words are looked at up to here. Bounds the time.
const LONGEST: usize = 24;

/// All features of a text.
pub fn bag(text: &str) -> Bag {
    let text = Text::new(text);
    let mut bag = Bag::default();
    features(&text, text.tokens.len(), |key| *bag.entry(key).or_default() += 1);
    bag
}

/// Gives the key of each feature of a text's first `words` words, as often as it is there.
pub fn features(text: &Text, words: usize, mut take: impl FnMut(u32)) {
    let mut before: Option<&str> = None;
    for (at, token) in text.tokens.iter().take(words).enumerate() {
        let word = text.word(token);
        let own = if is_filler(text, at) { FILLER } else { stem(word) };
        take(Key::new(b's').with(own).0);
        if let Some(before) = before.replace(own) {
            take(Key::new(b'p').with(before).with(" ").with(own).0);
        }
        letters(word, &mut take);
    }
}

/// The strings of letters of a word, with `<` before its first and `>` behind its last.
fn letters(word: &str, take: &mut impl FnMut(u32)) {
    let mut letters = ['<'; LONGEST + 2];
    let mut count = 1;
    for letter in word.chars().take(LONGEST) {
        letters[count] = letter;
        count += 1;
    }
    letters[count] = '>';
    for string in letters[..=count].windows(LETTERS) {
        let mut key = Key::new(b'l');
        for letter in string {
            key = key.with(letter.encode_utf8(&mut [0; 4]));
        }
        take(key.0);
    }
}

/// A hash that is equal on every machine and in every version, as it stands in a file: 32-bit FNV-1a
/// (<http://www.isthe.com/chongo/tech/comp/fnv/>).
struct Key(u32);

impl Key {
    fn new(kind: u8) -> Self {
        Self(0x811c_9dc5).byte(kind)
    }

    fn with(self, text: &str) -> Self {
        text.bytes().fold(self, Self::byte)
    }

    fn byte(self, byte: u8) -> Self {
        Self((self.0 ^ u32::from(byte)).wrapping_mul(0x0100_0193))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_the_one_its_authors_publish() {
        assert_eq!(Key(0x811c_9dc5).with("foobar").0, 0xbf9c_f968);
    }

    #[test]
    fn a_text_is_its_stems_their_pairs_and_its_words_strings_of_letters() {
        // drip, pip; "drip pip"; <dri drip ripp ippi ppin ping ing>, <pip pipe ipe>.
        assert_eq!(bag("dripping pipe").values().sum::<u32>(), 2 + 1 + 7 + 3);
        let shared = |one: &str, other: &str| {
            let (one, other) = (bag(one), bag(other));
            one.keys().filter(|key| other.contains_key(*key)).count()
        };
        assert!(shared("dishwasher", "dish washer") >= 5);
        assert_eq!(shared("roof", "drain"), 0);
        assert!(bag("").is_empty() && bag("a").len() == 1);
    }

    #[test]
    fn a_word_of_any_length_is_taken() {
        assert!(bag(&"א".repeat(10_000)).len() < 10);
    }
}
