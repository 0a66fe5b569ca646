//! What is left of a word without the endings and prefixes that grammar asks for.

/// Longest first, so that "-ed" goes before "-e" is looked for.
const ENDINGS: [&str; 7] = ["ing", "ed", "es", "er", "s", "e", "y"];
/// And, the, in, to, as, from, that.
const PREFIXES: [char; 7] = ['ו', 'ה', 'ב', 'ל', 'כ', 'מ', 'ש'];
/// Plural and feminine, as normalised words end: without final letters.
const HEBREW_ENDINGS: [&str; 4] = ["ימ", "ות", "ה", "ת"];

/// The stem of a normalised word, which is a part of it.
pub fn stem(word: &str) -> &str {
    if word.is_ascii() {
        english(word)
    } else if word.starts_with(|c| ('א'..='ת').contains(&c)) {
        hebrew(word)
    } else {
        word
    }
}

fn english(word: &str) -> &str {
    if word.len() < 5 {
        return word.strip_suffix(['s', 'e']).filter(|rest| rest.len() > 2).unwrap_or(word);
    }
    let bare = ENDINGS.iter().find_map(|ending| word.strip_suffix(ending)).unwrap_or(word);
    // "Dripping" and "drip" are one.
    let bytes = bare.as_bytes();
    let doubled = bytes.len() > 3 && bytes[bytes.len() - 1] == bytes[bytes.len() - 2];
    if doubled { &bare[..bare.len() - 1] } else { bare }
}

fn hebrew(word: &str) -> &str {
    let mut rest = word;
    for _ in 0..3 {
        match rest.strip_prefix(PREFIXES) {
            Some(bare) if rest.chars().nth(3).is_some() => rest = bare,
            _ => break,
        }
    }
    let long = rest.chars().nth(4).is_some();
    let bare = HEBREW_ENDINGS.iter().find_map(|ending| rest.strip_suffix(ending));
    bare.filter(|_| long).unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_one_word_have_one_stem() {
        for (one, other) in [
            ("dripping", "drips"),
            ("leaked", "leaking"),
            ("pipes", "pipe"),
            ("keys", "key"),
            ("והמנעול", "מנעול"),
            ("מזגנימ", "מזגנ"),
        ] {
            assert_eq!(stem(one), stem(other));
        }
        assert_eq!(stem("gas"), "gas");
        assert_eq!(stem("é"), "é");
    }
}
