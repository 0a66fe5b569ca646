//! Calls for tests.

use domain::{Engine, Segment, Speaker, Transcript};

/// A call in which this is said.
pub fn call(said: &[(Speaker, &str)]) -> Transcript {
    let segments = said.iter().map(|(speaker, text)| Segment {
        speaker: *speaker,
        start_ms: 0,
        end_ms: 1,
        text: (*text).to_owned(),
        confidence: None,
    });
    let engine = Engine { name: "test".into(), model: None, version: None };
    Transcript { segments: segments.collect(), language: None, engine }
}
