//! Whether what an engine says it heard can have been said.
//!
//! Engines invent: over silence a phrase they saw under many videos, over noise one word for ever,
//! and what they do not understand they leave out. What is certainly invented is dropped; what is
//! doubtful is kept and says so.

mod inventions;
mod loops;

use crate::{
    audio::Stretch,
    engines::{Heard, HeardSegment},
};

/// A reason to doubt a transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// Something was dropped that stood where nobody speaks.
    TextOverSilence,
    /// The same words stood there over and over; they were kept once.
    Loop,
    /// It is not in the language that was spoken.
    LanguageMismatch,
    /// It is in none of the languages that calls are in.
    LanguageNotAllowed,
    /// There is speech, and not a word.
    NoTextForSpeech,
    /// There is far less text than so much speech holds.
    LittleTextForSpeech,
    /// There is more text than anybody can say in that time.
    MuchTextForSpeech,
}

impl Doubt {
    /// The name it is recorded under.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TextOverSilence => "text_over_silence",
            Self::Loop => "loop",
            Self::LanguageMismatch => "language_mismatch",
            Self::LanguageNotAllowed => "language_not_allowed",
            Self::NoTextForSpeech => "no_text_for_speech",
            Self::LittleTextForSpeech => "little_text_for_speech",
            Self::MuchTextForSpeech => "much_text_for_speech",
        }
    }
}

/// What is left of what was heard in a channel.
#[derive(Debug, Default, PartialEq)]
pub struct Judged {
    /// What can have been said.
    pub kept: Vec<HeardSegment>,
    /// Reasons to doubt it.
    pub doubts: Vec<Doubt>,
}

/// Engines set their times a little off; speech this near to a segment counts as its own.
const SLACK_MS: u64 = 400;

/// Shorter speech than this tells nothing about the amount of text.
const ENOUGH_SPEECH_MS: u64 = 3_000;

/// Characters a second of speech below which text was left out. People say nine to fifteen.
const FEWEST_CHARS_A_SECOND: f64 = 2.5;

/// Characters a second of speech that nobody can say.
const MOST_CHARS_A_SECOND: f64 = 45.0;

/// How sure an engine is that nobody speaks before its words are dropped (Whisper's own limit).
const NO_SPEECH: f32 = 0.6;

/// What is known of the language that is spoken.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spoken<'a> {
    /// The one, where it is known.
    pub language: Option<&'a str>,
    /// Those it can be in; any where there are none.
    pub allowed: &'a [String],
}

/// Fewer letters tell nothing about their language.
const ENOUGH_LETTERS: usize = 10;

impl Spoken<'_> {
    /// What is to be doubted about the language that an engine says it heard.
    pub fn doubt(self, heard: &Heard) -> Option<Doubt> {
        let said = heard.language.as_deref()?;
        let letters = heard.segments.iter().flat_map(|segment| segment.text.chars());
        if letters.filter(|c| c.is_alphabetic()).count() < ENOUGH_LETTERS {
            return None;
        }
        match self.language {
            Some(language) => (said != language).then_some(Doubt::LanguageMismatch),
            None if self.allowed.is_empty() => None,
            None => {
                let is_allowed = self.allowed.iter().any(|allowed| allowed == said);
                (!is_allowed).then_some(Doubt::LanguageNotAllowed)
            }
        }
    }

    /// What is to be doubted about the script in which the words are written.
    fn doubt_script(self, kept: &[HeardSegment]) -> Option<Doubt> {
        match self.language {
            Some(language) => is_other_script(kept, &[language]).then_some(Doubt::LanguageMismatch),
            None => {
                let allowed: Vec<&str> = self.allowed.iter().map(String::as_str).collect();
                is_other_script(kept, &allowed).then_some(Doubt::LanguageNotAllowed)
            }
        }
    }
}

/// Judges what was heard in one channel against where somebody speaks in it.
pub fn judge(heard: Vec<HeardSegment>, speech: &[Stretch], spoken: Spoken<'_>) -> Judged {
    let speech_ms: u64 = speech.iter().map(Stretch::length_ms).sum();
    let before = heard.len();
    let kept: Vec<HeardSegment> =
        heard.into_iter().filter(|segment| can_have_been_said(segment, speech)).collect();
    let mut doubts = Vec::new();
    if kept.len() < before {
        doubts.push(Doubt::TextOverSilence);
    }
    let (kept, looped) = loops::unrolled(kept);
    if looped {
        doubts.push(Doubt::Loop);
    }
    doubts.extend(spoken.doubt_script(&kept));
    doubts.extend(amount(&kept, speech_ms));
    Judged { kept, doubts }
}

/// Whether a segment lies on speech, or near enough for what it says.
fn can_have_been_said(segment: &HeardSegment, speech: &[Stretch]) -> bool {
    let around = Stretch {
        start_ms: segment.start_ms.saturating_sub(SLACK_MS),
        end_ms: segment.end_ms + SLACK_MS,
    };
    let near_ms: u64 = speech.iter().map(|stretch| stretch.overlap_ms(&around)).sum();
    if near_ms == 0 {
        return false;
    }
    let length_ms = segment.end_ms.saturating_sub(segment.start_ms).max(1);
    let is_mostly_silence = near_ms * 3 < length_ms;
    let is_suspect = inventions::is_known(&segment.text)
        || segment.no_speech.is_some_and(|probability| probability > NO_SPEECH);
    !(is_mostly_silence && is_suspect)
}

fn amount(kept: &[HeardSegment], speech_ms: u64) -> Option<Doubt> {
    let chars: usize = kept.iter().map(|segment| segment.text.trim().chars().count()).sum();
    let a_second = chars as f64 * 1000.0 / speech_ms.max(1) as f64;
    if speech_ms >= 1_000 && chars == 0 {
        Some(Doubt::NoTextForSpeech)
    } else if speech_ms < ENOUGH_SPEECH_MS {
        None
    } else if a_second < FEWEST_CHARS_A_SECOND {
        Some(Doubt::LittleTextForSpeech)
    } else if a_second > MOST_CHARS_A_SECOND {
        Some(Doubt::MuchTextForSpeech)
    } else {
        None
    }
}

/// Whether most letters belong to another script than any of the languages is written in. Languages
/// of one script cannot be told apart this way.
fn is_other_script(kept: &[HeardSegment], languages: &[&str]) -> bool {
    let scripts: Option<Vec<_>> = languages.iter().map(|language| script(language)).collect();
    let Some(scripts) = scripts.filter(|scripts| !scripts.is_empty()) else { return false };
    let letters: Vec<char> = kept
        .iter()
        .flat_map(|segment| segment.text.chars())
        .filter(|c| c.is_alphabetic())
        .collect();
    let is_own = |letter: &&char| scripts.iter().any(|script| script(**letter));
    let of_own = letters.iter().filter(is_own).count();
    letters.len() >= ENOUGH_LETTERS && of_own * 2 < letters.len()
}

/// Tells the letters of a language, where they are known.
fn script(language: &str) -> Option<fn(char) -> bool> {
    Some(match language {
        "he" | "yi" => |letter| ('\u{0590}'..='\u{05ff}').contains(&letter),
        "ar" | "fa" => |letter| ('\u{0600}'..='\u{06ff}').contains(&letter),
        "ru" | "uk" => |letter| ('\u{0400}'..='\u{04ff}').contains(&letter),
        "en" | "fr" | "de" | "es" | "it" | "pt" | "nl" | "pl" | "ro" => {
            |letter| letter < '\u{0250}'
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
