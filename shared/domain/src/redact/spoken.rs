//! Digits as words.

/// A word that can stand in a number that is read out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// A digit.
    Digit(u8),
    /// Ten and some: the digit after the 1.
    Teen(u8),
    /// Twenty, thirty, …: the first digit.
    Tens(u8),
    /// "Double", "triple": how often the next digit stands.
    Times(usize),
    /// "Uh", "and".
    Hesitation,
}

/// What a word in lower case means in a number.
pub(super) fn word(word: &str) -> Option<Word> {
    Some(match word {
        "zero" | "oh" | "o" | "nought" | "אפס" => Word::Digit(0),
        "one" | "אחת" | "אחד" => Word::Digit(1),
        "two" | "שתיים" | "שתים" | "שניים" | "שנים" => Word::Digit(2),
        "three" | "שלוש" | "שלושה" => Word::Digit(3),
        "four" | "ארבע" | "ארבעה" => Word::Digit(4),
        "five" | "חמש" | "חמישה" => Word::Digit(5),
        "six" | "שש" | "שישה" => Word::Digit(6),
        "seven" | "שבע" | "שבעה" => Word::Digit(7),
        "eight" | "שמונה" => Word::Digit(8),
        "nine" | "תשע" | "תשעה" => Word::Digit(9),
        "ten" => Word::Teen(0),
        "eleven" => Word::Teen(1),
        "twelve" => Word::Teen(2),
        "thirteen" => Word::Teen(3),
        "fourteen" => Word::Teen(4),
        "fifteen" => Word::Teen(5),
        "sixteen" => Word::Teen(6),
        "seventeen" => Word::Teen(7),
        "eighteen" => Word::Teen(8),
        "nineteen" => Word::Teen(9),
        "twenty" => Word::Tens(2),
        "thirty" => Word::Tens(3),
        "forty" | "fourty" => Word::Tens(4),
        "fifty" => Word::Tens(5),
        "sixty" => Word::Tens(6),
        "seventy" => Word::Tens(7),
        "eighty" => Word::Tens(8),
        "ninety" => Word::Tens(9),
        "double" | "פעמיים" => Word::Times(2),
        "triple" => Word::Times(3),
        "uh" | "um" | "er" | "and" | "then" | "אה" | "אז" => Word::Hesitation,
        _ => return None,
    })
}
