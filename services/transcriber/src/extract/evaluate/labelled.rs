//! Labelled calls in JSON Lines.

use std::io::BufRead;

use domain::{Engine, Segment, Speaker, Transcript};
use serde::{Deserialize, Deserializer, de::Error};

/// One call and what a careful dispatcher would write on its job sheet.
#[derive(Debug, Clone, Deserialize)]
pub struct Labelled {
    /// Names the call in the list of misses.
    pub id: String,
    /// `en` or `he`.
    pub language: String,
    /// What was said.
    pub segments: Vec<Spoken>,
    /// What should be found.
    pub expect: Expected,
}

/// A stretch of speech.
#[derive(Debug, Clone, Deserialize)]
pub struct Spoken {
    /// Who spoke.
    pub speaker: Speaker,
    /// The words.
    pub text: String,
}

/// What should be found: nothing, or one value by any of its names.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The names of the service.
    #[serde(deserialize_with = "names")]
    pub service: Option<Vec<String>>,
    /// The names of the city.
    #[serde(deserialize_with = "names")]
    pub city: Option<Vec<String>>,
}

/// Null, or names. What is left out altogether was forgotten, and is an error.
fn names<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<String>>, D::Error> {
    let names = Option::<Vec<String>>::deserialize(from)?;
    if names.as_ref().is_some_and(Vec::is_empty) {
        return Err(D::Error::custom("no name in the list; null expects nothing"));
    }
    Ok(names)
}

/// Why a labelled set cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LabelledError {
    /// The reader failed.
    #[error("{name}: {why}")]
    Io {
        /// What was read.
        name: String,
        /// Why it failed.
        why: std::io::Error,
    },
    /// Nothing but empty lines.
    #[error("{0} holds no labelled call; each line is one, as a JSON object")]
    Empty(String),
    /// A line is not a labelled call.
    #[error("{name}, line {line}: {why}")]
    Line {
        /// What was read.
        name: String,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        why: serde_json::Error,
    },
}

/// Reads one call a line, skipping empty lines; `name` is what errors call the reader.
///
/// # Errors
/// When reading fails, a line is not a labelled call, or there is none.
pub fn read(name: &str, lines: impl BufRead) -> Result<Vec<Labelled>, LabelledError> {
    let mut calls = Vec::new();
    for (index, line) in lines.lines().enumerate() {
        let line = line.map_err(|why| LabelledError::Io { name: name.to_owned(), why })?;
        // Some editors begin a file with a byte order mark.
        let line = if index == 0 { line.trim_start_matches('\u{feff}') } else { &line };
        if line.trim().is_empty() {
            continue;
        }
        let call = serde_json::from_str(line).map_err(|why| LabelledError::Line {
            name: name.to_owned(),
            line: index + 1,
            why,
        })?;
        calls.push(call);
    }
    if calls.is_empty() {
        return Err(LabelledError::Empty(name.to_owned()));
    }
    Ok(calls)
}

impl Labelled {
    /// The call as the pipeline would see it, one second a segment.
    pub fn transcript(&self) -> Transcript {
        let segments = self.segments.iter().zip(0_u64..).map(|(spoken, second)| Segment {
            speaker: spoken.speaker,
            start_ms: second * 1000,
            end_ms: second * 1000 + 1000,
            text: spoken.text.clone(),
            confidence: None,
        });
        Transcript {
            segments: segments.collect(),
            language: Some(self.language.clone()),
            engine: Engine { name: "labelled".to_owned(), model: None, version: None },
        }
    }
}
