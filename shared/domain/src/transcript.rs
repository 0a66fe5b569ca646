//! What was said, by whom, when.

use serde::{Deserialize, Serialize};

/// What a speech engine heard in one recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Transcript {
    /// Segments in order of their start.
    pub segments: Vec<Segment>,
    /// BCP 47 language, `en` or `he`; absent where the engine could not tell.
    pub language: Option<String>,
    /// Who transcribed it.
    pub engine: Engine,
}

/// The engine a transcript came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Engine {
    /// The engine's configured name, such as `openai` or `pocketsphinx`.
    pub name: String,
    /// The model, as the engine names it.
    pub model: Option<String>,
    /// The program's or the API's version, where it says one.
    pub version: Option<String>,
}

/// A stretch of speech by one speaker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Segment {
    /// Who spoke, where the channels or the engine tell.
    pub speaker: Speaker,
    /// Start, in milliseconds from the beginning of the recording.
    pub start_ms: u64,
    /// End, in milliseconds from the beginning of the recording.
    pub end_ms: u64,
    /// The words.
    pub text: String,
    /// The engine's own confidence between 0 and 1, where it gives one.
    pub confidence: Option<f32>,
}

/// Who spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// The person outside the company.
    Caller,
    /// The company's side.
    Agent,
    /// Nobody told us: a mono recording without diarization.
    Unknown,
}

impl Speaker {
    /// The name used in rows and texts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Agent => "agent",
            Self::Unknown => "unknown",
        }
    }
}

impl Transcript {
    /// The words alone, one line a segment; a line names its speaker where one is known.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for segment in &self.segments {
            let words = segment.text.trim();
            if words.is_empty() {
                continue;
            }
            if !text.is_empty() {
                text.push('\n');
            }
            match segment.speaker {
                Speaker::Unknown => {}
                known => {
                    text.push_str(known.as_str());
                    text.push_str(": ");
                }
            }
            text.push_str(words);
        }
        text
    }

    /// How many characters were said, without speaker names.
    pub fn spoken_chars(&self) -> usize {
        self.segments.iter().map(|s| s.text.trim().chars().count()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(speaker: Speaker, text: &str) -> Segment {
        Segment { speaker, start_ms: 0, end_ms: 1, text: text.into(), confidence: None }
    }

    #[test]
    fn the_text_names_known_speakers_and_leaves_out_empty_segments() {
        let engine = Engine { name: "test".into(), model: None, version: None };
        let transcript = Transcript {
            segments: vec![
                segment(Speaker::Agent, "hello"),
                segment(Speaker::Caller, "  "),
                segment(Speaker::Caller, " i need a plumber "),
                segment(Speaker::Unknown, "goodbye"),
            ],
            language: Some("en".into()),
            engine,
        };
        assert_eq!(transcript.text(), "agent: hello\ncaller: i need a plumber\ngoodbye");
        assert_eq!(transcript.spoken_chars(), 28);
    }
}
