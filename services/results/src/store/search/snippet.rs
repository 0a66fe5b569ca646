//! The words around what was looked for, cut from the transcript here and not by the database:
//! the two would cut differently, and Postgres takes a millisecond and more for a long call.

use schemars::JsonSchema;
use serde::Serialize;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Words in a snippet.
const WORDS: usize = 16;
/// Of those, how many stand before the first match.
const BEFORE: usize = 5;

/// A stretch of a snippet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "SnippetPart")]
pub struct Part {
    /// The words as they stand in the transcript.
    pub text: String,
    /// Whether they were looked for.
    #[serde(rename = "match")]
    pub is_match: bool,
}

/// Cuts the words around the first match out of a transcript. `forms` are the words looked for, as
/// [`folded`] writes them.
pub fn cut(transcript: &str, forms: &[String]) -> Vec<Part> {
    let words: Vec<(usize, usize)> = words(transcript).collect();
    let text = |(start, end): (usize, usize)| &transcript[start..end];
    let is_match = |word| forms.contains(&folded(text(word)));
    let Some(found) = words.iter().position(|word| is_match(*word)) else { return Vec::new() };

    let first = found.saturating_sub(BEFORE).min(words.len().saturating_sub(WORDS));
    let last = (first + WORDS).min(words.len()) - 1;
    let start = if first == 0 { 0 } else { words[first].0 };
    let end = if last + 1 == words.len() { transcript.len() } else { words[last].1 };

    let mut parts = Parts::default();
    parts.add(if first == 0 { "" } else { "…" }, false);
    let mut at = start;
    for word in &words[first..=last] {
        parts.add(&transcript[at..word.0], false);
        parts.add(text(*word), is_match(*word));
        at = word.1;
    }
    parts.add(&transcript[at..end], false);
    parts.add(if last + 1 == words.len() { "" } else { "…" }, false);
    parts.0
}

/// A word in lower case and without accents or vowel points.
pub fn folded(word: &str) -> String {
    without_marks(word).chars().flat_map(char::to_lowercase).collect()
}

/// A word without accents or vowel points.
pub fn without_marks(word: &str) -> String {
    word.nfd().filter(|c| !is_combining_mark(*c)).collect()
}

/// Where the words start and end, in bytes.
fn words(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let is_part = |c: char| c.is_alphanumeric() || is_combining_mark(c);
    text.split(move |c| !is_part(c)).filter(|word| !word.is_empty()).map(|word| {
        let start = word.as_ptr().addr() - text.as_ptr().addr();
        (start, start + word.len())
    })
}

#[derive(Default)]
struct Parts(Vec<Part>);

impl Parts {
    fn add(&mut self, text: &str, is_match: bool) {
        match self.0.last_mut() {
            _ if text.is_empty() => {}
            Some(last) if last.is_match == is_match => last.text.push_str(text),
            _ => self.0.push(Part { text: text.to_owned(), is_match }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(transcript: &str, forms: &[&str]) -> String {
        let forms: Vec<String> = forms.iter().map(|form| (*form).to_owned()).collect();
        let part = |part: Part| if part.is_match { format!("[{}]", part.text) } else { part.text };
        cut(transcript, &forms).into_iter().map(part).collect()
    }

    #[test]
    fn what_was_looked_for_is_marked_in_its_own_spelling() {
        assert_eq!(marked("I'm in Afula, today.", &["afula"]), "I'm in [Afula], today.");
        assert_eq!(marked("עֲפוּלָה ובעפולה", &["עפולה", "ובעפולה"]), "[עֲפוּלָה] [ובעפולה]");
        assert_eq!(marked("Café. CAFE!", &["cafe"]), "[Café]. [CAFE]!");
    }

    #[test]
    fn a_long_transcript_is_cut_around_the_first_match() {
        let transcript: String = (1..=60).map(|word| format!("w{word} ")).collect();
        let cut = marked(&transcript, &["w30"]);
        assert!(
            cut.starts_with("…w25 ") && cut.contains("[w30]") && cut.ends_with("w40…"),
            "{cut}"
        );
        assert_eq!(marked(&transcript, &["w60"]).split(' ').filter(|w| !w.is_empty()).count(), 16);
    }

    #[test]
    fn a_transcript_without_the_word_gives_no_snippet() {
        assert_eq!(cut("", &["a".into()]), []);
        assert_eq!(cut("other words", &["a".into()]), []);
    }
}
