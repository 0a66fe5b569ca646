//! What the caller wants and where, as far as the transcript says so.

use serde::{Deserialize, Serialize};

use crate::Speaker;

/// The fields found in one transcript. A field without evidence is absent, never guessed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Extraction {
    /// What the caller wants.
    pub service: Option<Field>,
    /// Where.
    pub city: Option<Field>,
}

/// One value, how sure we are of it, and where it was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
        let both = Extraction { service: field(0.9), city: field(0.7) };
        assert_eq!(both.confidence(), Some(0.7));
        let one = Extraction { service: field(0.9), city: None };
        assert_eq!(one.confidence(), Some(0.9));
        assert_eq!(Extraction::default().confidence(), None);
    }
}
