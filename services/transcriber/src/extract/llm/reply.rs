//! What the model answers.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A chat completion, as far as it matters here.
#[derive(Debug, Deserialize)]
pub(super) struct Completion {
    pub choices: Vec<Choice>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Choice {
    pub message: Message,
}

#[derive(Debug, Deserialize)]
pub(super) struct Message {
    /// Absent when the model refused.
    pub content: Option<String>,
}

/// The job sheet. Each field stands on its own: null in one says nothing of another.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct JobSheet {
    #[serde(default)]
    pub service: Option<Quoted>,
    #[serde(default)]
    pub city: Option<Quoted>,
    #[serde(default)]
    pub extra: BTreeMap<String, Option<Quoted>>,
}

/// A value and the words it was taken from.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Quoted {
    #[serde(alias = "id", alias = "name")]
    pub value: String,
    pub quote: String,
    #[serde(default)]
    pub segment: usize,
}

impl JobSheet {
    /// Reads the model's text. Some endpoints wrap JSON in a code fence in spite of the schema.
    pub(super) fn read(content: &str) -> Result<Self, serde_json::Error> {
        let text = content.trim();
        let text = text.strip_prefix("```json").or(text.strip_prefix("```")).unwrap_or(text);
        serde_json::from_str(text.trim_end().trim_end_matches("```"))
    }
}
