//! What is fuzzed: by `cargo fuzz run extract` without an end, and by the tests for a while.

use std::sync::Arc;

use callscribe_transcriber::extract::{Lexicon, catalogue::Catalogue};
use domain::{Engine, Field, Segment, Speaker, Transcript};

/// The built-in rules.
pub fn lexicon() -> Lexicon {
    Lexicon::new(Arc::new(Catalogue::built_in().unwrap())).unwrap()
}

/// Any lines, each spoken by whom its first letter says: every value stands where its evidence
/// says, and the same call gives the same values again.
pub fn extract(lexicon: &Lexicon, data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let segments = text.split('\n').map(|line| {
        let (speaker, text) = match line.split_at_checked(1) {
            Some(("A", text)) => (Speaker::Agent, text),
            Some(("C", text)) => (Speaker::Caller, text),
            _ => (Speaker::Unknown, line),
        };
        Segment { speaker, start_ms: 0, end_ms: 1, text: text.to_owned(), confidence: None }
    });
    let engine = Engine { name: "fuzz".to_owned(), model: None, version: None };
    let call = Transcript { segments: segments.collect(), language: None, engine };
    let found = lexicon.extract(&call, None);
    for field in found.service.iter().chain(&found.city).chain(found.extra.values()) {
        supported(field, &call);
    }
    assert_eq!(lexicon.extract(&call, None), found);
}

fn supported(field: &Field, call: &Transcript) {
    let evidence = &field.evidence;
    let spoken = call.segments[evidence.segment].text.chars();
    let length = evidence.end_char - evidence.start_char;
    let quote: String = spoken.skip(evidence.start_char).take(length).collect();
    assert_eq!(quote, evidence.quote);
    assert!(!field.raw.is_empty() && quote.contains(&field.raw), "{field:?}");
    assert!((0.5..=1.0).contains(&field.confidence), "{field:?}");
}
