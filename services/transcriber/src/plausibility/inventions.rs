//! Phrases that engines trained on subtitles say where nobody speaks.

/// Without punctuation, in lower case; a segment counts when it is one of these and nothing else.
const KNOWN: [&str; 28] = [
    "bye",
    "like and subscribe",
    "please subscribe",
    "please subscribe to my channel",
    "subscribe to my channel",
    "subtitles by the amara org community",
    "subtitles by",
    "thank you",
    "thank you for watching",
    "thank you so much for watching",
    "thank you very much",
    "thanks for listening",
    "thanks for watching",
    "transcription by castingwords",
    "you",
    "הירשמו לערוץ",
    "כתוביות",
    "כתוביות על ידי",
    "כתוביות ותרגום",
    "להתראות",
    "צפייה מהנה",
    "תודה",
    "תודה על הצפייה",
    "תודה רבה",
    "תודה רבה לכם",
    "תודה רבה על הצפייה",
    "תודה שצפיתם",
    "תרגום וכתוביות",
];

/// Whether a segment is nothing but a known invention. People do say some of these (`thank you`),
/// so it takes silence as well to drop one.
pub fn is_known(text: &str) -> bool {
    let plain: String =
        text.to_lowercase().chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    KNOWN.contains(&words.join(" ").as_str())
}
