//! What the caller wants and where, as far as the transcript says so.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Speaker;

/// The fields found in one transcript. A field without evidence is absent, never guessed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Extraction {
    /// What the caller wants.
    pub service: Option<Field>,
    /// Where.
    pub city: Option<Field>,
    /// Further fields by name, such as `caller_name`, `callback_number` or `urgency`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Field>,
    /// Whether rules and language model found the same; absent where only the rules ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<Agreement>,
}

/// Whether two extractors found the same; `None` for a field that neither found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Agreement {
    /// The same service.
    pub service: Option<bool>,
    /// The same city.
    pub city: Option<bool>,
}

/// One value, how sure we are of it, and where it was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Field {
    /// The catalogue's identifier, an English slug such as `locksmith` or `tel-aviv`.
    pub id: String,
    /// The catalogue's name for it in the language of the call.
    pub value: String,
    /// The words as they stand in the transcript.
    pub raw: String,
    /// Between 0 and 1: the share of such values that are right.
    pub confidence: f32,
    /// Where it was said.
    pub evidence: Evidence,
}

/// A quotation from the transcript that supports a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Evidence {
    /// The words around the value, exactly as they stand in the segment.
    pub quote: String,
    /// Index of the segment in the transcript.
    pub segment: usize,
    /// Offset of the quotation in the segment's text, in characters (Unicode scalar values).
    pub start_char: usize,
    /// End of the quotation, exclusive, in characters.
    pub end_char: usize,
    /// Who said it.
    pub speaker: Speaker,
    /// When that segment starts, in milliseconds from the beginning of the recording.
    pub start_ms: u64,
}

impl Extraction {
    /// The lower of the two confidences that are present.
    pub fn confidence(&self) -> Option<f32> {
        [&self.service, &self.city]
            .into_iter()
            .flatten()
            .map(|field| field.confidence)
            .min_by(f32::total_cmp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(confidence: f32) -> Option<Field> {
        Some(Field {
            id: "plumber".into(),
            value: "plumber".into(),
            raw: "plumber".into(),
            confidence,
            evidence: Evidence {
                quote: "plumber".into(),
                segment: 0,
                start_char: 0,
                end_char: 7,
                speaker: Speaker::Unknown,
                start_ms: 0,
            },
        })
    }

    #[test]
    fn the_confidence_is_the_lower_of_those_present() {
        let both = Extraction { service: field(0.9), city: field(0.7), ..Extraction::default() };
        assert_eq!(both.confidence(), Some(0.7));
        let one = Extraction { service: field(0.9), ..Extraction::default() };
        assert_eq!(one.confidence(), Some(0.9));
        assert_eq!(Extraction::default().confidence(), None);
    }

    #[test]
    fn an_extraction_written_before_there_were_extra_fields_can_still_be_read() {
        let old: Extraction = serde_json::from_str(r#"{"service":null,"city":null}"#).unwrap();
        assert_eq!(old, Extraction::default());
        assert_eq!(serde_json::to_string(&old).unwrap(), r#"{"service":null,"city":null}"#);
    }
}
