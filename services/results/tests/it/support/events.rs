//! Events as the other services write them.

use domain::{
    AttemptOrder, CallEvent, CallMetadata, Engine, EventKind, Evidence, Extraction, Field,
    JobSource, RecordingFacts, Segment, Speaker, StageTimings, Transcribed, Transcript,
};

pub fn account() -> String {
    format!("AC{:032x}", 1)
}

pub fn call_sid(call: u32) -> String {
    format!("CA{call:032x}")
}

pub fn recording_sid(recording: u32) -> String {
    format!("RE{recording:032x}")
}

/// An event of a call as a whole.
pub fn of_call(call: u32, at_ms: i64, kind: EventKind) -> CallEvent {
    CallEvent {
        account_sid: account().parse().unwrap(),
        call_sid: call_sid(call).parse().unwrap(),
        recording_sid: None,
        order: AttemptOrder::default(),
        at_ms,
        kind,
    }
}

/// An event of a recording: (generation, redrive, attempt).
pub fn of_recording(
    call: u32,
    recording: u32,
    order: (u32, u32, u32),
    at_ms: i64,
    kind: EventKind,
) -> CallEvent {
    CallEvent {
        recording_sid: Some(recording_sid(recording).parse().unwrap()),
        order: AttemptOrder { generation: order.0, redrive: order.1, attempt: order.2 },
        ..of_call(call, at_ms, kind)
    }
}

pub fn observed(from: &str, to: &str, direction: &str) -> EventKind {
    EventKind::Observed(CallMetadata {
        from: Some(from.into()),
        to: Some(to.into()),
        direction: Some(direction.into()),
        call_status: Some("completed".into()),
        duration_seconds: Some(42),
        parent_call_sid: None,
    })
}

pub fn queued() -> EventKind {
    EventKind::Queued { source: JobSource::Callback }
}

pub fn failed(code: &str, is_final: bool) -> EventKind {
    EventKind::Failed {
        code: code.into(),
        message: format!("{code} happened"),
        attempts: 1,
        is_final,
    }
}

pub fn no_speech() -> EventKind {
    EventKind::NoSpeech { recording: facts(), timings: timings(), cost_microusd: None }
}

pub fn no_recording() -> EventKind {
    EventKind::NoRecording { code: "deleted".into() }
}

pub fn transcribed(
    text: &str,
    service: Option<(&str, f32)>,
    city: Option<(&str, f32)>,
) -> EventKind {
    EventKind::Transcribed(Box::new(Transcribed {
        transcript: Transcript {
            segments: vec![Segment {
                speaker: Speaker::Caller,
                start_ms: 0,
                end_ms: 1500,
                text: text.into(),
                confidence: Some(0.9),
            }],
            language: Some("en".into()),
            engine: Engine { name: "test".into(), model: Some("small".into()), version: None },
        },
        extraction: Extraction {
            service: service.map(field),
            city: city.map(field),
            ..Extraction::default()
        },
        recording: facts(),
        timings: timings(),
        cost_microusd: Some(600),
        flags: vec![],
    }))
}

fn field((value, confidence): (&str, f32)) -> Field {
    Field {
        id: value.to_lowercase().replace(' ', "-"),
        value: value.into(),
        raw: value.into(),
        confidence,
        evidence: Evidence {
            quote: value.into(),
            segment: 0,
            start_char: 0,
            end_char: value.chars().count(),
            speaker: Speaker::Caller,
            start_ms: 0,
        },
    }
}

fn facts() -> RecordingFacts {
    RecordingFacts {
        channels: 1,
        sample_rate_hz: 8000,
        duration_ms: 12_000,
        speech_ratio: Some(0.6),
        started_at_ms: None,
    }
}

fn timings() -> StageTimings {
    StageTimings { queued_ms: 5, fetch_ms: 20, audio_ms: 30, transcribe_ms: 400, extract_ms: 1 }
}

/// The usual course of a call with one recording, numbered like the call.
pub fn usual(call: u32, at_ms: i64, from: &str, city: &str) -> Vec<CallEvent> {
    let text = format!("hello i need a locksmith in {city}");
    let fields = transcribed(&text, Some(("locksmith", 0.95)), Some((city, 0.9)));
    vec![
        of_call(call, at_ms, observed(from, "+15125550100", "inbound")),
        of_recording(call, call, (0, 0, 0), at_ms + 10, queued()),
        of_recording(call, call, (0, 0, 1), at_ms + 20, EventKind::Started),
        of_recording(call, call, (0, 0, 1), at_ms + 30, fields),
    ]
}
