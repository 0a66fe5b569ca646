//! The "well" that only fills a pause: most calls have one, and none of them is about wells.

use crate::extract::text::{Break, Text};

/// Stands for a "well" that is no water well; no stem has a comma.
pub const FILLER: &str = "well,";
/// Behind these a "well" is no thing.
const BEFORE_FILLER: [&str; 28] = [
    "oh", "um", "uh", "ah", "hmm", "yeah", "yes", "no", "okay", "ok", "so", "and", "but", "as",
    "very", "pretty", "quite", "really", "works", "work", "working", "worked", "doing", "going",
    "might", "may", "know", "just",
];
/// At the beginning of a clause, a "well" before these is none either.
const AFTER_FILLER: [&str; 52] = [
    "i", "im", "ive", "id", "ill", "it", "its", "we", "were", "weve", "wed", "he", "hes", "she",
    "shes", "they", "theyre", "theres", "there", "the", "my", "our", "his", "her", "you", "youre",
    "can", "could", "do", "does", "is", "this", "that", "thats", "what", "whats", "if", "no",
    "yes", "hello", "hi", "okay", "ok", "thank", "thanks", "let", "lets", "a", "actually", "see",
    "now", "maybe",
];

/// "Well, my door is stuck", "as well": most calls have one, and none of them is about wells.
pub fn is_filler(text: &Text, at: usize) -> bool {
    if text.word_at(at) != "well" {
        return false;
    }
    let begins = at == 0 || text.tokens[at].before >= Break::Comma;
    let alone = text.tokens.get(at + 1).is_none_or(|next| next.before >= Break::Comma);
    let behind =
        at.checked_sub(1).is_some_and(|before| BEFORE_FILLER.contains(&text.word_at(before)));
    behind || begins && (alone || AFTER_FILLER.contains(&text.word_at(at + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_well_that_only_fills_a_pause_is_told_from_one_with_water() {
        let fills = |sentence: &str| {
            let text = Text::new(sentence);
            let at = text.tokens.iter().position(|token| text.word(token) == "well");
            is_filler(&text, at.unwrap())
        };
        for sentence in ["Well, my door is stuck", "well I need a plumber", "Oh well.", "as well"] {
            assert!(fills(sentence), "{sentence}");
        }
        for sentence in ["our well is dry", "well pump quit", "a well, an old one", "dig a well"] {
            assert!(!fills(sentence), "{sentence}");
        }
    }
}
