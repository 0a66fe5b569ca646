//! Cutting a segment into words.

use std::ops::Range;

use super::{
    budget::Budget,
    normalise::{MAX_WORD_CHARS, Piece, canonical_word, is_composed, piece, pieces},
};

/// The letters a word begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// Hebrew letters.
    Hebrew,
    /// Latin letters.
    Latin,
    /// Digits, other alphabets.
    Other,
}

/// What stands between a word and the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Break {
    /// White space, a hyphen or a quotation mark.
    None,
    /// A comma, a dash between spaces, brackets.
    Comma,
    /// The end of a sentence.
    Sentence,
    /// The end of a question.
    Question,
}

/// One word.
#[derive(Debug, Clone)]
pub struct Token {
    /// Where it stands in the text, in characters.
    pub chars: Range<usize>,
    /// Where it stands in the text, in bytes.
    pub bytes: Range<usize>,
    /// What stands before it.
    pub before: Break,
    /// Its alphabet.
    pub script: Script,
    word: Range<usize>,
}

/// A text cut into words.
#[derive(Debug, Clone, Default)]
pub struct Text {
    /// The words in their order.
    pub tokens: Vec<Token>,
    /// What stands after the last word.
    pub ending: Option<Break>,
    words: String,
}

impl Text {
    /// Cuts a text into words, as far as a budget of its own reaches.
    pub fn new(text: &str) -> Self {
        Self::within(text, &mut Budget::default())
    }

    /// Cuts a text into words, as far as the budget reaches. An empty one costs a word, too.
    pub fn within(text: &str, budget: &mut Budget) -> Self {
        let mut cutter = Cutter { pieces: budget.pieces, ..Cutter::default() };
        for (at_char, (at_byte, c)) in text.char_indices().enumerate() {
            if cutter.done.tokens.len() >= budget.words || cutter.pieces == 0 {
                // What is not read to its end is no word.
                cutter.open = None;
                break;
            }
            cutter.step(c, at_char, at_byte);
        }
        budget.pieces = cutter.pieces;
        let mut text = cutter.finish();
        text.tokens.truncate(budget.words);
        budget.words = budget.words.saturating_sub(text.tokens.len().max(1));
        text
    }

    /// The normalised word of a token of this text.
    pub fn word(&self, token: &Token) -> &str {
        self.words.get(token.word.clone()).unwrap_or_default()
    }

    /// The normalised word at a place; nothing behind the last.
    pub fn word_at(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| self.word(token))
    }
}

#[derive(Default)]
struct Cutter {
    done: Text,
    open: Option<Open>,
    pending: Option<Break>,
    spaced_dash: bool,
    /// How many more are read.
    pieces: usize,
}

struct Open {
    start: (usize, usize),
    end: (usize, usize),
    word: String,
    length: usize,
    /// Byte offset in `word` of the letters after the last apostrophe.
    after_apostrophe: Option<usize>,
    quote: bool,
}

impl Cutter {
    fn step(&mut self, c: char, at_char: usize, at_byte: usize) {
        let place = (at_char, at_byte);
        let after = (at_char + 1, at_byte + c.len_utf8());
        if is_composed(c) {
            // A decomposition can hold letters and spaces alike; what ends a word ends it.
            for p in pieces(c) {
                self.take(p, c, place, after);
            }
        } else {
            self.take(piece(c), c, place, after);
        }
    }

    fn take(&mut self, piece: Piece, c: char, place: (usize, usize), after: (usize, usize)) {
        self.pieces = self.pieces.saturating_sub(1);
        match piece {
            Piece::Letter(letter) => self.letter(letter, place, after),
            Piece::Silent => {}
            Piece::Apostrophe => {
                if let Some(open) = &mut self.open {
                    open.after_apostrophe = Some(open.word.len());
                }
            }
            Piece::Quote => match &mut self.open {
                Some(open) if open.word.chars().next_back().is_some_and(is_hebrew) => {
                    open.quote = true;
                }
                _ => self.close(),
            },
            Piece::Gap => {
                self.close();
                self.gap(c);
            }
        }
    }

    fn letter(&mut self, letter: char, place: (usize, usize), after: (usize, usize)) {
        let open = self.open.get_or_insert_with(|| Open {
            start: place,
            end: after,
            word: String::new(),
            length: 0,
            after_apostrophe: None,
            quote: false,
        });
        open.end = after;
        if open.length >= MAX_WORD_CHARS {
            return;
        }
        if std::mem::take(&mut open.quote) && is_hebrew(letter) {
            open.word.push('"');
        }
        let doubled = matches!(letter, 'ו' | 'י') && open.word.ends_with(letter);
        if !doubled {
            open.word.push(letter);
            open.length += 1;
        }
    }

    fn gap(&mut self, c: char) {
        let found = match c {
            '.' | '!' | ';' | '…' | '\n' | '。' => Some(Break::Sentence),
            '?' | '？' | '؟' => Some(Break::Question),
            ',' | ':' | '(' | ')' | '[' | ']' | '،' => Some(Break::Comma),
            '-' | '–' | '—' if self.spaced_dash => Some(Break::Comma),
            _ => None,
        };
        self.spaced_dash = c.is_whitespace();
        self.pending = self.pending.max(found);
    }

    fn close(&mut self) {
        let Some(mut open) = self.open.take() else { return };
        self.spaced_dash = false;
        if open.after_apostrophe.is_some_and(|at| &open.word[at..] == "s")
            && !is_contraction(&open.word)
        {
            open.word.pop();
        }
        let mut before = self.pending.take().unwrap_or(Break::None);
        if before == Break::Sentence && self.done.ends_with_abbreviation() {
            before = Break::None;
        }
        // "Jerusalem, Jerusalem" is two; "jerusalem jerusalem boulevard" is a stumble.
        let spoken = canonical_word(&open.word).unwrap_or(&open.word);
        let again = self.done.tokens.last().is_some_and(|last| self.done.word(last) == spoken);
        if again && before == Break::None && !is_repeatable(spoken) {
            before = self.done.tokens.pop().map_or(before, |last| last.before);
        }
        let start = self.done.words.len();
        self.done.words.push_str(canonical_word(&open.word).unwrap_or(&open.word));
        self.done.tokens.push(Token {
            chars: open.start.0..open.end.0,
            bytes: open.start.1..open.end.1,
            before,
            script: script(&open.word),
            word: start..self.done.words.len(),
        });
    }

    fn finish(mut self) -> Text {
        self.close();
        self.done.ending = self.pending;
        self.done
    }
}

impl Text {
    /// "St. Louis", "Mr. Austin": the full stop does not end a sentence.
    fn ends_with_abbreviation(&self) -> bool {
        self.tokens.last().is_some_and(|token| {
            matches!(
                self.word(token),
                "st" | "mt" | "ft" | "dr" | "mr" | "mrs" | "ms" | "רח" | "שד"
            )
        })
    }
}

/// "It's" is "it is", and is heard as "its" where nobody writes the apostrophe.
fn is_contraction(word: &str) -> bool {
    matches!(
        word,
        "its"
            | "hes"
            | "shes"
            | "thats"
            | "whats"
            | "wheres"
            | "theres"
            | "heres"
            | "whos"
            | "hows"
            | "lets"
            | "whens"
            | "ones"
            | "names"
            | "s"
    )
}

/// Words that are said twice on purpose: numbers, yes and no.
fn is_repeatable(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
        || matches!(
            word,
            "no" | "yes"
                | "oh"
                | "o"
                | "zero"
                | "one"
                | "two"
                | "three"
                | "four"
                | "five"
                | "six"
                | "seven"
                | "eight"
                | "nine"
                | "לא"
                | "כנ"
                | "אפס"
                | "אחת"
                | "שתימ"
                | "שתיימ"
                | "שלוש"
                | "ארבע"
                | "חמש"
                | "שש"
                | "שבע"
                | "שמונה"
                | "תשע"
        )
}

fn is_hebrew(c: char) -> bool {
    ('א'..='ת').contains(&c)
}

fn script(word: &str) -> Script {
    match word.chars().next() {
        Some(c) if is_hebrew(c) => Script::Hebrew,
        Some(c) if c.is_ascii_alphabetic() => Script::Latin,
        _ => Script::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let text = Text::new(text);
        text.tokens.iter().map(|t| text.word(t).to_owned()).collect()
    }

    #[test]
    fn a_token_knows_its_place_in_characters_and_bytes() {
        let source = "אני בתל־אביב, כן";
        let text = Text::new(source);
        let aviv = &text.tokens[2];
        assert_eq!(&source[aviv.bytes.clone()], "אביב");
        let by_char: String = source.chars().skip(8).take(4).collect();
        assert_eq!((aviv.chars.clone(), by_char.as_str()), (8..12, "אביב"));
        assert_eq!(text.tokens[3].before, Break::Comma);
    }

    #[test]
    fn possessives_hyphens_and_acronyms_are_cut_as_they_are_read() {
        assert_eq!(words("The plumber's locked-out"), ["the", "plumber", "locked", "out"]);
        assert_eq!(words("אני בת\"א או ב\"ב\"ש\""), ["אני", "בת\"א", "או", "ב\"ב\"ש"]);
        assert_eq!(words("don’t I'm it's"), ["dont", "im", "its"]);
    }

    #[test]
    fn a_stumble_is_one_word_and_a_number_is_not() {
        assert_eq!(
            words("i i need a a plumber no no five five"),
            ["i", "need", "a", "plumber", "no", "no", "five", "five"]
        );
        assert_eq!(words("Haifa, Haifa"), ["haifa", "haifa"]);
    }

    #[test]
    fn a_megabyte_of_anything_becomes_no_more_than_is_looked_at() {
        let whole = Budget::default();
        for part in ["ﷺ", "㌖", "が", "a b c d ", "haifa ", "x", "\u{5b0}", " ", "א.", "five "]
        {
            let source = part.repeat(1_000_000 / part.len());
            let text = Text::new(&source);
            assert!(text.tokens.len() <= whole.words, "{part}");
            // Four bytes are the most that a letter takes.
            assert!(text.words.len() <= 4 * whole.pieces, "{part}");
            // In pieces of one character it is no more than in one piece.
            let mut budget = Budget::default();
            let (mut words, mut segments) = (0, 0);
            for c in source.chars() {
                if budget.is_spent() {
                    break;
                }
                words += Text::within(c.encode_utf8(&mut [0; 4]), &mut budget).tokens.len();
                segments += 1;
            }
            assert!(words <= whole.words && segments <= whole.words, "{part}");
        }
    }

    #[test]
    fn a_word_that_the_budget_cuts_off_is_left_out() {
        let mut budget = Budget { words: 9, pieces: 10 };
        let text = Text::within("two plumbers", &mut budget);
        assert_eq!((text.tokens.len(), budget.is_spent()), (1, true));
        let mut budget = Budget { words: 2, pieces: 100 };
        assert_eq!(Text::within("one two three", &mut budget).tokens.len(), 2);
    }

    #[test]
    fn an_abbreviation_does_not_end_a_sentence() {
        let text = Text::new("in St. Louis. Is it? Yes");
        let breaks: Vec<Break> = text.tokens.iter().map(|t| t.before).collect();
        assert_eq!(
            breaks,
            [Break::None, Break::None, Break::None, Break::Sentence, Break::None, Break::Question]
        );
    }
}
