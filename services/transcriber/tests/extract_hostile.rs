//! Whatever is written in a transcript: an answer, its evidence in the transcript, and no panic.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::sync::Arc;

use callscribe_transcriber::extract::{Lexicon, catalogue::Catalogue};
use domain::{Engine, Field, Segment, Speaker, Transcript};
use proptest::prelude::*;

fn lexicon() -> Lexicon {
    Lexicon::new(Arc::new(Catalogue::built_in().unwrap())).unwrap()
}

fn transcript(segments: Vec<(Speaker, String)>) -> Transcript {
    let segments = segments.into_iter().map(|(speaker, text)| Segment {
        speaker,
        start_ms: 0,
        end_ms: 1,
        text,
        confidence: None,
    });
    let engine = Engine { name: "test".into(), model: None, version: None };
    Transcript { segments: segments.collect(), language: None, engine }
}

fn assert_supported(field: &Field, transcript: &Transcript) {
    let evidence = &field.evidence;
    let segment = &transcript.segments[evidence.segment];
    let quote: String = segment
        .text
        .chars()
        .skip(evidence.start_char)
        .take(evidence.end_char - evidence.start_char)
        .collect();
    assert_eq!(quote, evidence.quote);
    assert!(!field.raw.is_empty() && quote.contains(&field.raw), "{field:?}");
    assert_eq!(segment.speaker, evidence.speaker);
    assert!((0.5..=1.0).contains(&field.confidence), "{field:?}");
}

fn speakers() -> impl Strategy<Value = Speaker> {
    prop_oneof![Just(Speaker::Caller), Just(Speaker::Agent), Just(Speaker::Unknown)]
}

/// Fragments of real calls, so that rules meet, with anything between them.
fn fragments() -> impl Strategy<Value = String> {
    let words = [
        "I need a",
        "plumber",
        "in",
        "Haifa",
        "no",
        "not",
        "sorry",
        "Acre",
        ",",
        "?",
        ".",
        "בחיפה",
        "לא",
        "צריך",
        "אינסטלטור",
        "תל־אביב",
        "ת״א",
        "my mother",
        "are you in",
        "St.",
        "Louis",
        "'s",
        "\u{5b0}",
        "\u{200f}",
        "İ",
        "ﬀ",
        "é",
        "\u{0}",
        "🦀",
        "how can I help",
        "street",
        "רחוב",
        "my name is",
        "מדבר",
        "052-555-0123",
        "five five five",
        "urgent",
        "from",
        "to",
        "but",
        "ו",
    ];
    let piece = prop_oneof![
        4 => prop::sample::select(words.to_vec()).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    prop::collection::vec((piece, prop_oneof![Just(" "), Just(""), Just("-")]), 0..40)
        .prop_map(|parts| parts.into_iter().flat_map(|(a, b)| [a, b.to_owned()]).collect())
}

#[test]
fn every_value_stands_in_the_transcript_as_its_evidence_says() {
    let lexicon = lexicon();
    let calls = prop::collection::vec((speakers(), fragments()), 0..6);
    proptest!(ProptestConfig::with_cases(400), |(segments in calls)| {
        let transcript = transcript(segments);
        let found = lexicon.extract(&transcript, None);
        for field in found.service.iter().chain(&found.city).chain(found.extra.values()) {
            assert_supported(field, &transcript);
        }
    });
}

#[test]
fn any_unicode_text_is_survived() {
    let lexicon = lexicon();
    proptest!(ProptestConfig::with_cases(400), |(text in any::<String>(), speaker in speakers())| {
        let transcript = transcript(vec![(speaker, text)]);
        let found = lexicon.extract(&transcript, None);
        prop_assert!(found.service.is_none() || !transcript.segments[0].text.is_empty());
    });
}

/// One megabyte each, of what could make a rule look at everything again and again. No clock is
/// asserted here; a quadratic rule would not end within the test runner's patience, and
/// `examples/extract_bench.rs` measures the time.
#[test]
fn a_megabyte_of_anything_comes_to_an_end() {
    let lexicon = lexicon();
    for word in [
        "haifa ",
        "in haifa no ",
        "not ",
        "plumber ",
        "sink ",
        "i need ",
        "my ",
        "א",
        "ל",
        "ו ",
        "בחיפה לא ",
        "\u{5b0}",
        "'",
        "\"",
        "st. ",
        "ﷺ",
        "new york ",
        "are you in haifa yes ",
        "five ",
        "0",
        "my name is ",
        "urgent ",
        "㌖",
        "が",
        "a b c d ",
        "x",
    ] {
        let text = word.repeat(1_000_000 / word.len());
        let long = transcript(vec![(Speaker::Caller, text.clone())]);
        let _ = lexicon.extract(&long, None);
        let short = text.split_inclusive(' ').map(|part| (Speaker::Unknown, part.to_owned()));
        let _ = lexicon.extract(&transcript(short.take(20_000).collect()), None);
    }
    let letters = vec![(Speaker::Caller, "x".to_owned()); 1_000_000];
    let _ = lexicon.extract(&transcript(letters), None);
}
