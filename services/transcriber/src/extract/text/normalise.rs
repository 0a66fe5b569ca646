//! Spelling differences that never change which word it is.

use unicode_normalization::UnicodeNormalization;

use super::Text;

/// Longer runs of letters are nobody's city; the rest of them is not looked at.
pub const MAX_WORD_CHARS: usize = 40;

/// What one character of the text contributes to a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// A letter or digit of the word.
    Letter(char),
    /// Belongs to the word and is not written: niqqud, accents, bidirectional marks.
    Silent,
    /// `'`, `’` or geresh: silent inside a word, a quotation mark around it.
    Apostrophe,
    /// `"` or gershayim: kept inside a Hebrew acronym, a quotation mark around a word.
    Quote,
    /// Anything that ends a word.
    Gap,
}

/// Classifies a character that is its own decomposition.
pub(super) fn piece(c: char) -> Piece {
    match c {
        'a'..='z' | '0'..='9' => Piece::Letter(c),
        'A'..='Z' => Piece::Letter(c.to_ascii_lowercase()),
        'ך' => Piece::Letter('כ'),
        'ם' => Piece::Letter('מ'),
        'ן' => Piece::Letter('נ'),
        'ף' => Piece::Letter('פ'),
        'ץ' => Piece::Letter('צ'),
        'א'..='ת' => Piece::Letter(c),
        // Hebrew points and cantillation; U+05BE (maqaf) joins two words and is a gap.
        '\u{0591}'..='\u{05BD}'
        | '\u{05BF}'
        | '\u{05C1}'
        | '\u{05C2}'
        | '\u{05C4}'
        | '\u{05C5}'
        | '\u{05C7}' => Piece::Silent,
        '\'' | '’' | '‘' | '`' | '´' | '׳' | 'ʼ' => Piece::Apostrophe,
        '"' | '”' | '“' | '„' | '״' => Piece::Quote,
        // Soft hyphen, zero-width and bidirectional controls, byte order mark.
        '\u{00AD}'
        | '\u{200B}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{2069}'
        | '\u{FEFF}' => Piece::Silent,
        '\u{0300}'..='\u{036F}' => Piece::Silent,
        c if c.is_ascii() => Piece::Gap,
        c if c.is_alphanumeric() => Piece::Letter(c),
        _ => Piece::Gap,
    }
}

/// Whether a character must be decomposed before it is classified.
pub(super) fn is_composed(c: char) -> bool {
    !c.is_ascii() && !('\u{0590}'..='\u{05FF}').contains(&c)
}

/// The pieces of a composed character: `é` is a letter and a silent accent.
pub(super) fn pieces(c: char) -> impl Iterator<Item = Piece> {
    std::iter::once(c).nfkd().flat_map(char::to_lowercase).map(piece)
}

/// Words written in several ways that are read as one: "Saint" and "St.", doubled vowel letters
/// that only tell the reader that they are consonants (קרייה and קריה).
pub fn canonical_word(word: &str) -> Option<&'static str> {
    Some(match word {
        "saint" => "st",
        "fort" => "ft",
        "mount" => "mt",
        "קירית" | "קריאת" | "קיראת" | "קיריאת" => "קרית",
        "בקירית" | "בקריאת" | "בקיראת" => "בקרית",
        "לקירית" | "לקריאת" => "לקרית",
        "מקירית" | "מקריאת" => "מקרית",
        "גיבעת" => "גבעת",
        "בגיבעת" => "בגבעת",
        _ => return None,
    })
}

/// A name as names are compared: its words in lower case, without points and punctuation.
pub fn normalise_name(name: &str) -> String {
    let text = Text::new(name);
    let words: Vec<&str> = text.tokens.iter().map(|token| text.word(token)).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_equal_whatever_their_case_points_and_punctuation() {
        for (one, other) in [
            ("Ra'anana", "RAANANA"),
            ("St. Louis", "saint louis"),
            ("תֵּל־אָבִיב", "תל אביב"),
            ("קרייה", "קריה"),
            ("Coeur d’Alène", "coeur dalene"),
            ("צ'ק", "צק"),
        ] {
            assert_eq!(normalise_name(one), normalise_name(other));
        }
        assert_ne!(normalise_name("ת״א"), normalise_name("תא"));
    }
}
