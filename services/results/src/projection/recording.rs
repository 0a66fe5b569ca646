//! A recording's row.

use domain::{CallEvent, EventKind, Extraction, RecordingFacts, StageTimings, Transcribed};
use serde_json::Value;

use super::{Track, time};
use crate::store::entities::recordings::Model;

/// The row of a recording of which this is the first event.
pub fn new(event: &CallEvent, recording_sid: &str) -> Model {
    Model {
        id: 0,
        recording_sid: recording_sid.to_owned(),
        call_sid: event.call_sid.to_string(),
        account_sid: event.account_sid.to_string(),
        status: super::Status::Observed.to_string(),
        channels: None,
        sample_rate_hz: None,
        duration_ms: None,
        speech_ratio: None,
        transcript: None,
        segments: None,
        language: None,
        engine: None,
        model: None,
        engine_version: None,
        extraction: None,
        flags: None,
        queued_ms: None,
        fetch_ms: None,
        audio_ms: None,
        transcribe_ms: None,
        extract_ms: None,
        cost_microusd: None,
        generation: 0,
        attempts: 0,
        last_error_code: None,
        last_error: None,
        started_at: None,
        enqueued_at: None,
        transcribed_at: None,
        media_deleted_at: None,
        created_at: time::at(event.at_ms),
        updated_at: time::at(event.at_ms),
        fold: Track::default(),
    }
}

/// Merges an event into its row.
pub fn merge(row: &mut Model, event: &CallEvent) {
    if row.fold.merge(event) {
        match &event.kind {
            EventKind::Transcribed(transcribed) => write_transcript(row, transcribed),
            EventKind::NoSpeech { recording, timings } => {
                clear_transcript(row);
                write_facts(row, recording, timings);
            }
            _ => {}
        }
    }
    let track = &row.fold;
    row.status = track.status().to_string();
    row.generation = row.generation.max(track.generation().into());
    row.attempts = track.attempts().into();
    row.last_error_code = track.standing_trouble().map(|trouble| trouble.code.clone());
    row.last_error = track.standing_trouble().and_then(|trouble| trouble.message.clone());
    row.enqueued_at = track.queued.map(|(_, at_ms)| time::at(at_ms));
    row.transcribed_at = track.result.as_ref().map(|stamp| time::at(stamp.at_ms));
    row.created_at = track.first_ms.map_or(row.created_at, time::at);
    row.updated_at = track.last_ms.map_or(row.updated_at, time::at);
}

fn write_transcript(row: &mut Model, transcribed: &Transcribed) {
    let Transcribed { transcript, extraction, recording, timings, cost_microusd, flags } =
        transcribed;
    row.transcript = Some(transcript.text());
    row.segments = Some(json(&transcript.segments));
    row.language = transcript.language.clone();
    row.engine = Some(transcript.engine.name.clone());
    row.model = transcript.engine.model.clone();
    row.engine_version = transcript.engine.version.clone();
    row.extraction = Some(json(extraction));
    row.flags = Some(json(flags));
    row.cost_microusd = cost_microusd.map(saturated);
    write_facts(row, recording, timings);
}

fn clear_transcript(row: &mut Model) {
    row.transcript = None;
    row.segments = None;
    row.language = None;
    row.engine = None;
    row.model = None;
    row.engine_version = None;
    row.extraction = None;
    row.flags = None;
    row.cost_microusd = None;
}

fn write_facts(row: &mut Model, recording: &RecordingFacts, timings: &StageTimings) {
    row.channels = Some(recording.channels.into());
    row.sample_rate_hz = Some(recording.sample_rate_hz.into());
    row.duration_ms = Some(saturated(recording.duration_ms));
    row.speech_ratio = recording.speech_ratio.map(share);
    row.started_at = recording.started_at_ms.and_then(time::plausible);
    row.queued_ms = Some(saturated(timings.queued_ms));
    row.fetch_ms = Some(saturated(timings.fetch_ms));
    row.audio_ms = Some(saturated(timings.audio_ms));
    row.transcribe_ms = Some(saturated(timings.transcribe_ms));
    row.extract_ms = Some(saturated(timings.extract_ms));
}

/// Takes a recording's words away; what was extracted from them stays, without the quotations and
/// without values that are the caller's own words.
pub fn forget_words(row: &mut Model) {
    row.transcript = None;
    row.segments = None;
    if let Some(extraction) = &mut row.extraction {
        without_quotations(extraction);
        keep_extra(extraction, |name, field| CLOSED.contains(&(name, text(field, "id"))));
    }
}

/// Takes the numbers away that were read off a recording's words.
pub fn forget_numbers(row: &mut Model) {
    if let Some(extraction) = &mut row.extraction {
        keep_extra(extraction, |name, field| {
            let held = ["id", "value"].map(|key| text(field, key));
            name != CALLBACK_NUMBER && !held.into_iter().any(holds_number)
        });
    }
}

/// Further fields that say nothing but what they are.
const CLOSED: [(&str, &str); 1] = [("urgency", "urgent")];
/// The further field that holds a telephone number.
pub const CALLBACK_NUMBER: &str = "callback_number";
/// Fewer digits are no telephone number.
const LEAST_DIGITS: usize = 7;

fn keep_extra(extraction: &mut Value, keep: impl Fn(&str, &Value) -> bool) {
    if let Some(extra) = extraction.get_mut("extra").and_then(Value::as_object_mut) {
        extra.retain(|name, field| keep(name, field));
    }
}

fn text<'v>(field: &'v Value, key: &str) -> &'v str {
    field.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn holds_number(text: &str) -> bool {
    text.chars().filter(char::is_ascii_digit).count() >= LEAST_DIGITS
}

fn without_quotations(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(without_quotations),
        Value::Object(fields) => {
            for (name, field) in fields {
                if (name == "quote" || name == "raw") && field.is_string() {
                    *field = Value::String(String::new());
                } else {
                    without_quotations(field);
                }
            }
        }
        _ => {}
    }
}

/// The extraction that stands in a row.
pub fn extraction(row: &Model) -> Extraction {
    row.extraction
        .as_ref()
        .and_then(|json| serde_json::from_value(json.clone()).ok())
        .unwrap_or_default()
}

fn saturated(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A value as JSON, its numbers as people write them.
fn json(value: &impl serde::Serialize) -> Value {
    let mut json = serde_json::to_value(value).unwrap_or_default();
    round(&mut json);
    json
}

fn round(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let rounded = number.as_f64().map(|number| (number * 1e6).round() / 1e6);
            *value = rounded.map_or(Value::Null, Value::from);
        }
        Value::Array(items) => items.iter_mut().for_each(round),
        Value::Object(fields) => fields.values_mut().for_each(round),
        _ => {}
    }
}

/// A share or a confidence as people write it: 0.8, not the nearest single-precision number.
pub fn share(value: f32) -> f64 {
    (f64::from(value) * 1e6).round() / 1e6
}
