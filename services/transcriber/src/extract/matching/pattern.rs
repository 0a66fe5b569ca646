//! The phrases of a catalogue.
//!
//! A phrase is words in order. `a|b` is either word, `a_b` two words as one alternative, `a?` may
//! be missing, `*` stands for up to four words of any kind, `=a` is the word without a Hebrew
//! prefix before it.

use super::super::text::{MAX_WORD_CHARS, normalise_name};

/// How many words `*` may stand for.
const GAP: u8 = 4;
/// Longer phrases are sentences, not names.
const MAX_SLOTS: usize = 8;
/// Alternatives of several words multiply: each combination is a pattern of its own.
const MAX_PATTERNS: usize = 256;

/// One place in a phrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The words that may stand here, normalised.
    pub words: Vec<String>,
    /// Whether the place may stay empty.
    pub optional: bool,
    /// Whether Hebrew prefixes (ו ש כ ה ב ל מ) may stand before the word.
    pub prefixable: bool,
    /// How many other words may stand before this one.
    pub gap: u8,
}

/// A phrase, ready to be matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// Its places, at least one, the first and the last of them not optional.
    pub slots: Vec<Slot>,
}

/// Why a phrase is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing but gaps and punctuation.
    #[error("\"{0}\" has no word in it")]
    Empty(String),
    /// A phrase must begin and end with a word, or it would match anywhere.
    #[error("\"{0}\" begins or ends with a gap or an optional word")]
    Edge(String),
    /// One alternative is several words, or none, or far too long.
    #[error("\"{alternative}\" in \"{phrase}\" is not one word")]
    NotOneWord {
        /// The phrase.
        phrase: String,
        /// The part of it that is wrong.
        alternative: String,
    },
    /// More places than any name has.
    #[error("\"{0}\" has more than {MAX_SLOTS} words")]
    TooLong(String),
    /// More combinations than anybody says.
    #[error(
        "\"{0}\" has more than {MAX_PATTERNS} combinations of its alternatives of several words; \
         write it as several phrases"
    )]
    TooMany(String),
}

impl Pattern {
    /// Reads a plain name: every word of it, nothing between, no prefix inside.
    ///
    /// # Errors
    /// When it holds no word or too many.
    pub fn name(name: &str) -> Result<Self, PatternError> {
        let normal = normalise_name(name);
        let slot = |(index, word): (usize, &str)| Slot {
            words: vec![word.to_owned()],
            optional: false,
            prefixable: index == 0,
            gap: 0,
        };
        let words = normal.split(' ').filter(|word| !word.is_empty());
        Self { slots: words.enumerate().map(slot).collect() }.checked(name)
    }

    /// Reads a phrase of the pattern language: one pattern, or several where an alternative is
    /// more than one word.
    ///
    /// # Errors
    /// When it is empty, has loose ends, or an alternative is not one word.
    pub fn phrase(phrase: &str) -> Result<Vec<Self>, PatternError> {
        let mut patterns = vec![Vec::new()];
        let mut gap = 0;
        for part in phrase.split_whitespace() {
            if part == "*" {
                gap = GAP;
                continue;
            }
            let place = Place::read(phrase, part, gap)?;
            // Asked before they are made: they would fill the memory.
            if patterns.len().saturating_mul(place.ways.len()) > MAX_PATTERNS {
                return Err(PatternError::TooMany(phrase.to_owned()));
            }
            if patterns.iter().any(|slots: &Vec<Slot>| slots.len() >= MAX_SLOTS) {
                return Err(PatternError::TooLong(phrase.to_owned()));
            }
            patterns = patterns
                .iter()
                .flat_map(|slots| place.ways.iter().map(move |way| [&slots[..], &way[..]].concat()))
                .collect();
            // A place that stays empty hands its gap on.
            gap = if place.optional { gap } else { 0 };
        }
        if gap > 0 {
            return Err(PatternError::Edge(phrase.to_owned()));
        }
        patterns.into_iter().map(|slots| Self { slots }.checked(phrase)).collect()
    }

    fn checked(self, phrase: &str) -> Result<Self, PatternError> {
        let (Some(first), Some(last)) = (self.slots.first(), self.slots.last()) else {
            return Err(PatternError::Empty(phrase.to_owned()));
        };
        if first.optional || last.optional || first.gap > 0 {
            return Err(PatternError::Edge(phrase.to_owned()));
        }
        if self.slots.len() > MAX_SLOTS {
            return Err(PatternError::TooLong(phrase.to_owned()));
        }
        Ok(self)
    }

    /// Adds the plurals and construct forms of its last word: fridges, מקררים.
    pub fn inflect(&mut self) {
        let Some(last) = self.slots.last_mut() else { return };
        let forms: Vec<String> = last.words.iter().flat_map(|word| inflections(word)).collect();
        last.words.extend(forms);
    }

    /// Its words written as one, where it is a plain name of several: "telaviv", "לוקסמית".
    pub fn joined(&self) -> Option<String> {
        let plain = self.slots.len() > 1 && self.slots.iter().all(|s| s.words.len() == 1);
        plain.then(|| self.slots.iter().map(|slot| slot.words[0].as_str()).collect())
    }
}

/// The regular forms of a noun. Those that nobody says are never met.
fn inflections(word: &str) -> Vec<String> {
    let with = |stem: &str, endings: &[&str]| {
        endings.iter().map(|ending| format!("{stem}{ending}")).collect::<Vec<_>>()
    };
    if word.is_ascii() {
        let hissing = ["s", "x", "z", "ch", "sh"].iter().any(|end| word.ends_with(end));
        return match word.strip_suffix('y') {
            Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => with(stem, &["ies"]),
            _ if hissing => with(word, &["es"]),
            _ => with(word, &["s"]),
        };
    }
    match word.strip_suffix('ה') {
        Some(stem) => with(stem, &["ות", "ת"]),
        None if word.ends_with("ימ") || word.ends_with("ות") => Vec::new(),
        None => with(word, &["ימ", "י", "ות"]),
    }
}

/// One part of a phrase: the single words it may be, and each of the longer alternatives.
struct Place {
    ways: Vec<Vec<Slot>>,
    optional: bool,
}

impl Place {
    fn read(phrase: &str, part: &str, gap: u8) -> Result<Self, PatternError> {
        let (part, exact) = part.strip_prefix('=').map_or((part, false), |rest| (rest, true));
        let (part, optional) = part.strip_suffix('?').map_or((part, false), |r| (r, true));
        let (long, single): (Vec<&str>, Vec<&str>) = part.split('|').partition(|w| w.contains('_'));
        let slot = |words: Vec<String>, gap| Slot { words, optional, prefixable: !exact, gap };
        let mut ways = Vec::new();
        if !single.is_empty() {
            let words = single.iter().map(|word| one_word(phrase, word)).collect::<Result<_, _>>();
            ways.push(vec![slot(words?, gap)]);
        }
        for alternative in long {
            let mut way = Vec::new();
            for (index, word) in alternative.split('_').enumerate() {
                way.push(slot(vec![one_word(phrase, word)?], if index == 0 { gap } else { 0 }));
            }
            ways.push(way);
        }
        Ok(Self { ways, optional })
    }
}

fn one_word(phrase: &str, word: &str) -> Result<String, PatternError> {
    let normal = normalise_name(word);
    if normal.is_empty() || normal.contains(' ') || normal.chars().count() >= MAX_WORD_CHARS {
        return Err(PatternError::NotOneWord {
            phrase: phrase.to_owned(),
            alternative: word.to_owned(),
        });
    }
    Ok(normal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_reads_alternatives_gaps_and_optional_words() {
        let patterns = Pattern::phrase("locked|shut * my? =out").unwrap();
        assert_eq!(patterns.len(), 1);
        let pattern = &patterns[0];
        assert_eq!(pattern.slots.len(), 3);
        assert_eq!(pattern.slots[0].words, ["locked", "shut"]);
        assert_eq!((pattern.slots[1].gap, pattern.slots[1].optional), (GAP, true));
        assert_eq!(pattern.slots[2].gap, GAP);
        assert!(!pattern.slots[2].prefixable);
    }

    #[test]
    fn an_alternative_of_two_words_is_a_pattern_of_its_own() {
        let patterns = Pattern::phrase("gate * stuck|not_opening").unwrap();
        let last = |pattern: &Pattern| pattern.slots.last().unwrap().words.clone();
        assert_eq!(patterns.iter().map(last).collect::<Vec<_>>(), [["stuck"], ["opening"]]);
        assert_eq!(patterns[1].slots[1].gap, GAP);
    }

    #[test]
    fn a_noun_has_its_plurals_and_construct_forms() {
        let forms = |word: &str| {
            let mut pattern = Pattern::name(word).unwrap();
            pattern.inflect();
            pattern.slots[0].words.clone()
        };
        assert_eq!(forms("fridge"), ["fridge", "fridges"]);
        assert_eq!(forms("latch"), ["latch", "latches"]);
        assert_eq!(forms("battery"), ["battery", "batteries"]);
        assert_eq!(forms("key"), ["key", "keys"]);
        assert_eq!(forms("מכונה"), ["מכונה", "מכונות", "מכונת"]);
        assert_eq!(forms("מקרר"), ["מקרר", "מקררימ", "מקררי", "מקררות"]);
        assert_eq!(forms("מכונות"), ["מכונות"]);
    }

    #[test]
    fn alternatives_that_multiply_are_refused_before_they_do() {
        let phrase = |parts: usize| ["a_b|c"; 22][..parts].join(" ");
        assert_eq!(Pattern::phrase(&phrase(3)).unwrap().len(), 8);
        assert!(matches!(Pattern::phrase(&phrase(22)), Err(PatternError::TooLong(_))));
        let wide = ["a_b|c_d|e_f|g_h|i"; 4].join(" ");
        assert!(matches!(Pattern::phrase(&wide), Err(PatternError::TooMany(_))));
        assert!(matches!(Pattern::phrase(&"a ".repeat(9)), Err(PatternError::TooLong(_))));
        assert!(Pattern::phrase(&"a ".repeat(8)).is_ok());
    }

    #[test]
    fn loose_ends_are_refused() {
        for phrase in ["", "* out", "out *", "a? out", "...", "lock-smith|x"] {
            assert!(Pattern::phrase(phrase).is_err(), "{phrase}");
        }
        assert!(Pattern::name("Tel Aviv-Yafo").is_ok());
    }
}
