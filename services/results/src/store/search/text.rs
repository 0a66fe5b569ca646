//! The words that are looked for, and the forms they may stand in.

use std::str::FromStr;

use super::snippet;

/// Words to look for; all of them must occur.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchText(Vec<String>);

/// A text that cannot be searched for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("1 to 10 words of letters or digits, 200 characters at most")]
pub struct NoSearchText;

/// Hebrew writes "and", "the", "in", "to", "as", "from", "that" as one letter before the word,
/// and several of them together: who looks for עפולה wants בעפולה as well.
const HEBREW_PREFIXES: [&str; 22] = [
    "ו", "ה", "ב", "ל", "כ", "מ", "ש", "וה", "וב", "ול", "וכ", "ומ", "וש", "שה", "שב", "של", "שמ",
    "מה", "כש", "לכש", "מש", "וכש",
];

impl FromStr for SearchText {
    type Err = NoSearchText;

    fn from_str(text: &str) -> Result<Self, NoSearchText> {
        let words: Vec<String> = text
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect();
        let fits = (1..=10).contains(&words.len()) && text.chars().count() <= 200;
        if fits { Ok(Self(words)) } else { Err(NoSearchText) }
    }
}

impl SearchText {
    /// An expression for FTS5.
    pub(super) fn fts5(&self) -> String {
        let word = |word: &String| {
            let forms: Vec<String> = forms(word).iter().map(|form| format!("\"{form}\"")).collect();
            format!("({})", forms.join(" OR "))
        };
        self.0.iter().map(word).collect::<Vec<_>>().join(" AND ")
    }

    /// Expressions for `to_tsquery`, all of which must hold. The column holds words without marks, in
    /// lower case as far as the database's locale knows it.
    pub(super) fn tsqueries(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|word| {
            let written = |form: String| if form.is_empty() { word.clone() } else { form };
            let plain = written(snippet::without_marks(word));
            let folded = written(snippet::folded(word));
            let mut forms = forms(&plain);
            if folded != plain {
                forms.push(folded);
            }
            let forms: Vec<String> = forms.iter().map(|form| format!("'{form}'")).collect();
            format!("({})", forms.join(" | "))
        })
    }

    /// What a transcript's words are compared with ([`snippet::folded`]).
    pub(super) fn folded(&self) -> Vec<String> {
        self.0.iter().flat_map(|word| forms(&snippet::folded(word))).collect()
    }
}

fn forms(word: &str) -> Vec<String> {
    let mut forms = vec![word.to_owned()];
    if word.chars().count() > 1 && word.chars().all(|c| ('\u{5d0}'..='\u{5ea}').contains(&c)) {
        forms.extend(HEBREW_PREFIXES.iter().map(|prefix| format!("{prefix}{word}")));
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hebrew_word_is_found_with_its_prefixes_and_quotes_do_not_get_through() {
        let text: SearchText = "עפולה \"OR' (x)".parse().unwrap();
        let expression = text.fts5();
        assert!(expression.starts_with("(\"עפולה\" OR \"ועפולה\" OR"), "{expression}");
        assert!(expression.ends_with(") AND (\"OR\") AND (\"x\")"), "{expression}");
        assert!("?! -".parse::<SearchText>().is_err());
    }
}
