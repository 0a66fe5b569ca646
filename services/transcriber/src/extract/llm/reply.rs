//! What the model answers.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

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

/// The job sheet. Each field stands on its own: null or nonsense in one says nothing of another.
#[derive(Debug, Clone, Default)]
pub(super) struct JobSheet {
    pub service: Option<Quoted>,
    pub city: Option<Quoted>,
    pub extra: BTreeMap<String, Quoted>,
}

/// A value and the words it was taken from.
#[derive(Debug, Clone)]
pub(super) struct Quoted {
    pub value: String,
    pub quote: String,
    /// Where it is said to stand; the quotation is looked for in any segment.
    pub segment: Option<usize>,
}

impl JobSheet {
    /// Reads the model's text. Some endpoints wrap JSON in a code fence in spite of the schema, and
    /// some do not keep to the schema.
    ///
    /// # Errors
    /// When it is no JSON object.
    pub(super) fn read(content: &str) -> Result<Self, serde_json::Error> {
        let text = content.trim();
        let text = text.strip_prefix("```json").or(text.strip_prefix("```")).unwrap_or(text);
        let sheet: Map<String, Value> =
            serde_json::from_str(text.trim_end().trim_end_matches("```"))?;
        let extra = sheet.get("extra").and_then(Value::as_object).into_iter().flatten();
        let extra = extra.filter_map(|(name, value)| Some((name.clone(), Quoted::read(value)?)));
        Ok(Self {
            service: sheet.get("service").and_then(Quoted::read),
            city: sheet.get("city").and_then(Quoted::read),
            extra: extra.collect(),
        })
    }
}

impl Quoted {
    /// Nothing where there is no value or no quotation.
    fn read(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let segment = value.get("segment").and_then(Value::as_u64);
        Some(Self {
            value: text("value").or_else(|| text("id")).or_else(|| text("name"))?,
            quote: text("quote")?,
            segment: segment.and_then(|number| usize::try_from(number).ok()),
        })
    }
}
