use proptest::prelude::*;

use super::*;
use crate::{Engine, Evidence, Extraction, RecordingFacts, Segment, StageTimings};

fn redactor(patterns: &[&str]) -> Redactor {
    let patterns = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    Redactor::new(&RedactSettings { cards: true, patterns }).unwrap()
}

fn redacted(text: &str) -> String {
    let mut text = text.to_owned();
    redactor(&[]).texts([&mut text]);
    text
}

#[test]
fn card_numbers_are_masked_however_they_are_written_or_said() {
    for (said, kept) in [
        ("it is 4242424242424242 thanks", "it is **************** thanks"),
        ("it is 4242 4242 4242 4242.", "it is **** **** **** ****."),
        ("5555-5555-5555-4444", "****-****-****-****"),
        ("amex 3782 822463 10005 ok", "amex **** ****** ***** ok"),
        ("zip 78701, 4242 4242, 4242 4242", "zip 78701, **** ****, **** ****"),
        ("4242 uh 4242 and 4242 4242", "**** uh **** and **** ****"),
        (
            "four two four two four two four two four two four two four two four two yes",
            "**** *** **** *** **** *** **** *** **** *** **** *** **** *** **** *** yes",
        ),
        (
            "forty-two forty-two forty-two forty-two 42 42 4242",
            "*****-*** *****-*** *****-*** *****-*** ** ** ****",
        ),
        (
            "Four one double one triple one 1 1111 1111",
            "**** *** ****** *** ****** *** * **** ****",
        ),
        ("ארבע שתיים ארבע שתיים 4242 4242 4242", "**** ***** **** ***** **** **** ****"),
    ] {
        assert_eq!(redacted(said), kept);
        assert_eq!(redacted(kept), kept);
    }
}

#[test]
fn a_text_that_begins_or_ends_with_digits_may_hold_a_part_of_a_card_number() {
    for (said, may) in [
        ("my card is 4242", true),
        ("4242, 4242", true),
        ("uh, forty two is the end of it", true),
        ("it is 4242 and uh.", true),
        ("הכרטיס הוא ארבע שתיים", true),
        ("at 9 30 on 24 12 in room 4 please", false),
        ("it is 4242 4242 4242 4242", false),
        ("in austin", false),
        ("uh", false),
        ("", false),
    ] {
        let text = redacted(said);
        assert_eq!(redactor(&[]).may_hold_a_part([text.as_str()]), may, "{said}");
    }
    let apart = ["i am in austin", "and it is 42"];
    assert!(redactor(&[]).may_hold_a_part(apart) && !Redactor::default().may_hold_a_part(apart));
}

#[test]
fn other_numbers_stay() {
    for text in [
        "call me at 512 555 0123 or 512 555 0199",
        "+972 54 123 4567",
        "972541234567",
        "4242 4242 4242 4243",
        "order 1234567890123456",
        "at 9 30 on 24 12 2026 in room 4",
        "באר שבע 4242",
    ] {
        assert_eq!(redacted(text), text);
    }
}

fn segment(speaker: Speaker, text: &str) -> Segment {
    Segment { speaker, start_ms: 0, end_ms: 1, text: text.into(), confidence: None }
}

fn field(quote: &str, raw: &str, segment: usize, start: usize) -> Field {
    let (quote, raw) = (quote.to_owned(), raw.to_owned());
    let evidence = Evidence {
        segment,
        start_char: start,
        end_char: start + quote.chars().count(),
        quote,
        speaker: Speaker::Caller,
        start_ms: 0,
    };
    Field { id: "x".into(), value: raw.clone(), raw, confidence: 0.9, evidence }
}

#[test]
fn a_number_that_is_read_out_in_pieces_is_masked_and_the_quotations_follow() {
    let transcript = Transcript {
        segments: vec![
            segment(Speaker::Caller, "i am in austin and it is 4242 4242"),
            segment(Speaker::Agent, "yes 4242"),
            segment(Speaker::Caller, "4242 4242 in austin"),
        ],
        language: None,
        engine: Engine { name: "test".into(), model: None, version: None },
    };
    let extraction = Extraction {
        city: Some(field("austin and it is 4242", "austin", 0, 8)),
        extra: [("callback_number".to_owned(), field("4242 4242", "4242", 2, 0))].into(),
        ..Extraction::default()
    };
    let mut transcribed = Transcribed {
        transcript,
        extraction,
        recording: RecordingFacts::default(),
        timings: StageTimings::default(),
        cost_microusd: None,
        flags: vec![],
    };
    redactor(&[]).transcribed(&mut transcribed);
    let texts: Vec<_> = transcribed.transcript.segments.iter().map(|s| s.text.as_str()).collect();
    assert_eq!(texts, ["i am in austin and it is **** ****", "yes 4242", "**** **** in austin"]);
    let city = transcribed.extraction.city.unwrap();
    assert_eq!(
        (city.evidence.quote.as_str(), city.raw.as_str()),
        ("austin and it is ****", "austin")
    );
    assert!(transcribed.extraction.extra.is_empty(), "its evidence is masked");
}

#[test]
fn what_each_voice_says_is_masked_whoever_it_is() {
    for speaker in ["caller", "agent", "unknown", "speaker_1", "speaker_9"] {
        let speaker = Speaker::from(speaker.to_owned());
        let segments =
            vec![segment(speaker, "it is 4242 4242 4242"), segment(speaker, "4242 in austin")];
        let engine = Engine { name: "test".into(), model: None, version: None };
        let mut transcript = Transcript { segments, language: None, engine };
        redactor(&[]).transcript(&mut transcript);
        let texts: Vec<_> = transcript.segments.iter().map(|s| s.text.as_str()).collect();
        assert_eq!(texts, ["it is **** **** ****", "**** in austin"], "{speaker:?}");
    }
}

#[test]
fn what_a_business_adds_is_masked_as_well() {
    let redactor = redactor(&[r"(?i)passport \w+", r"\d{3}-\d{2}-\d{4}", "x*"]);
    let mut text = "my Passport AB12 and 123-45-6789 in שדרות".to_owned();
    redactor.texts([&mut text]);
    assert_eq!(text, "my ******** **** and ***-**-**** in שדרות");
}

#[test]
fn a_pattern_that_cannot_be_used_is_refused_by_number() {
    let refused = |patterns: Vec<String>| {
        Redactor::new(&RedactSettings { cards: false, patterns }).unwrap_err().to_string()
    };
    assert!(refused(vec!["ok".into(), "(".into()]).contains("pattern 2 cannot be used"));
    assert!(refused(vec!["a".repeat(501)]).contains("too long"));
    assert!(refused(vec![r"\w{1000}{1000}".into()]).contains("pattern 1"));
    assert!(refused(vec!["a".into(); 33]).contains("32 at most"));
    let off = Redactor::new(&RedactSettings::default()).unwrap();
    assert!(!off.is_on());
}

proptest! {
    #[test]
    fn lengths_stay_and_masking_twice_is_masking_once(
        texts in prop::collection::vec("([0-9]{1,8}|four|two|uh|austin|[ -]{1,3}|.){0,20}", 1..4),
    ) {
        let mut once = texts.clone();
        redactor(&["[a-z]+ 4"]).texts(once.iter_mut());
        for (before, after) in texts.iter().zip(&once) {
            prop_assert_eq!(before.chars().count(), after.chars().count());
        }
        let cards_only = redactor(&[]);
        let mut first = texts.clone();
        cards_only.texts(first.iter_mut());
        let mut twice = first.clone();
        cards_only.texts(twice.iter_mut());
        prop_assert_eq!(first, twice);
    }
}
