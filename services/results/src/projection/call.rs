//! A call's row: a pure fold over its recordings and what Twilio said of it.

use std::cmp::Reverse;

use domain::{CallEvent, CallMetadata, E164, EventKind, Field};
use sea_orm::FromJsonQueryResult;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    Status, Track,
    recording::{extraction, share},
    time,
};
use crate::store::entities::{call_logs::Model, recordings};

/// What later events of a call are merged with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
#[serde(default)]
pub struct CallFold {
    /// The call as a whole: its resolution. Its times cover the recordings' events as well.
    pub track: Track,
    /// What Twilio said of the call, each value with the time it was said at.
    pub said: Said,
    /// The outcome in another system, of a call that was taken over from there: its transcript and
    /// fields stand in the row alone, until a recording here has a result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imported: Option<Status>,
    /// The numbers were erased: a repetition does not bring them back.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub numbers_erased: bool,
}

/// What Twilio said of a call, each value with the time it was said at: the later one stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Said {
    from: Option<(i64, String)>,
    to: Option<(i64, String)>,
    direction: Option<(i64, String)>,
    parent_call_sid: Option<(i64, String)>,
    /// A status that ends a call is not taken back by an earlier one that arrives late.
    call_status: Option<(bool, i64, String)>,
    duration_seconds: Option<(i64, u32)>,
}

/// Twilio's statuses after which none follows.
/// Source: Twilio's Call resource, `CallStatus`.
const ENDED: [&str; 5] = ["completed", "busy", "failed", "no-answer", "canceled"];

impl Said {
    fn merge(&mut self, metadata: &CallMetadata, at_ms: i64) {
        later(&mut self.from, text(&metadata.from).map(|value| (at_ms, value)));
        later(&mut self.to, text(&metadata.to).map(|value| (at_ms, value)));
        later(&mut self.direction, text(&metadata.direction).map(|value| (at_ms, value)));
        let parent = metadata.parent_call_sid.as_ref().map(|sid| (at_ms, sid.to_string()));
        later(&mut self.parent_call_sid, parent);
        let status = text(&metadata.call_status)
            .map(|value| (ENDED.contains(&value.as_str()), at_ms, value));
        later(&mut self.call_status, status);
        later(&mut self.duration_seconds, metadata.duration_seconds.map(|value| (at_ms, value)));
    }
}

impl Said {
    fn forget_numbers(&mut self) {
        self.from = None;
        self.to = None;
    }
}

fn text(value: &Option<String>) -> Option<String> {
    value.as_deref().map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned)
}

fn later<T: Ord>(known: &mut Option<T>, said: Option<T>) {
    if said > *known {
        *known = said;
    }
}

/// The row of a call of which this is the first event.
pub fn new(event: &CallEvent) -> Model {
    Model {
        id: 0,
        call_sid: event.call_sid.to_string(),
        account_sid: event.account_sid.to_string(),
        parent_call_sid: None,
        from_number: None,
        to_number: None,
        direction: None,
        call_status: None,
        duration_seconds: None,
        status: Status::Observed.to_string(),
        final_transcript: None,
        transcript_language: None,
        transcript_engine: None,
        extracted_service: None,
        extracted_city: None,
        service_confidence: None,
        city_confidence: None,
        extraction_confidence: None,
        service_id: None,
        city_id: None,
        lead_id: None,
        attempts: 0,
        last_error_code: None,
        last_error: None,
        started_at: None,
        enqueued_at: None,
        transcribed_at: None,
        imported_at: None,
        created_at: time::at(event.at_ms),
        updated_at: time::at(event.at_ms),
        fold: CallFold::default(),
    }
}

/// Merges an event about the call as a whole, or of one of its recordings (its time only).
pub fn merge(row: &mut Model, event: &CallEvent) {
    match (&event.kind, &event.recording_sid) {
        (EventKind::Observed(metadata), _) => {
            row.fold.said.merge(metadata, event.at_ms);
            row.fold.track.steps.merge(event);
            if row.fold.numbers_erased {
                row.fold.said.forget_numbers();
            }
        }
        (_, None) => {
            row.fold.track.merge(event);
        }
        (_, Some(_)) => {}
    }
    row.fold.track.touch(event.at_ms);
}

/// Writes the row anew from what was merged and from all recordings of the call.
pub fn fold(row: &mut Model, recordings: &[&recordings::Model]) {
    let mut recordings = recordings.to_vec();
    recordings.sort_by_key(|recording| {
        (recording.started_at.unwrap_or(recording.created_at), recording.recording_sid.clone())
    });
    let recordings = recordings.as_slice();
    write_said(row);
    let has_result = recordings.iter().any(|recording| recording.fold.result.is_some());
    match row.fold.imported.filter(|_| !has_result) {
        Some(outcome) => write_imported(row, outcome, recordings),
        None => {
            write_state(row, recordings);
            write_transcript(row, recordings);
            write_fields(row, recordings);
        }
    }
    let track = &row.fold.track;
    row.created_at = track.first_ms.map_or(row.created_at, time::at);
    row.updated_at = track.last_ms.map_or(row.updated_at, time::at);
}

/// What another system made of the call stands, unless work on it is under way here.
fn write_imported(row: &mut Model, outcome: Status, recordings: &[&recordings::Model]) {
    let under_way = recordings
        .iter()
        .map(|recording| recording.fold.status())
        .filter(|status| !status.is_terminal())
        .max_by_key(|status| status.weight());
    row.status = under_way.unwrap_or(outcome).to_string();
}

fn write_said(row: &mut Model) {
    let said = row.fold.said.clone();
    row.from_number = said.from.map(|(_, value)| value);
    row.to_number = said.to.map(|(_, value)| value);
    row.direction = said.direction.map(|(_, value)| value);
    row.parent_call_sid = said.parent_call_sid.map(|(_, value)| value);
    row.call_status = said.call_status.map(|(_, _, value)| value);
    row.duration_seconds = said.duration_seconds.map(|(_, value)| value.into());
}

fn write_state(row: &mut Model, recordings: &[&recordings::Model]) {
    let of_call = row.fold.track.queued.map(|(_, at_ms)| time::at(at_ms));
    row.started_at = recordings.iter().filter_map(|recording| recording.started_at).min();
    let enqueued = recordings.iter().filter_map(|recording| recording.enqueued_at);
    row.enqueued_at = enqueued.min().or(of_call);
    row.transcribed_at = recordings.iter().filter_map(|recording| recording.transcribed_at).max();
    let Some(weightiest) = recordings
        .iter()
        .max_by_key(|recording| recording.fold.status().weight())
        .map(|recording| recording.fold.status())
    else {
        return write_state_of_call(row);
    };
    row.status = weightiest.to_string();
    row.attempts = recordings.iter().map(|recording| recording.attempts).max().unwrap_or(0);
    let trouble = recordings
        .iter()
        .filter_map(|recording| recording.fold.standing_trouble())
        .max_by_key(|trouble| (trouble.stamp.at_ms, &trouble.stamp));
    row.last_error_code = trouble.map(|trouble| trouble.code.clone());
    row.last_error = trouble.and_then(|trouble| trouble.message.clone());
}

/// Without a recording, the call stands where the search for its recordings stands.
fn write_state_of_call(row: &mut Model) {
    let track = &row.fold.track;
    row.status = match track.status() {
        Status::Transcribing => Status::Queued,
        other => other,
    }
    .to_string();
    row.attempts = track.attempts().into();
    row.last_error_code = track.standing_trouble().map(|trouble| trouble.code.clone());
    row.last_error = track.standing_trouble().and_then(|trouble| trouble.message.clone());
}

fn write_transcript(row: &mut Model, recordings: &[&recordings::Model]) {
    let read: Vec<_> =
        recordings.iter().filter(|recording| recording.transcript.is_some()).collect();
    let texts: Vec<&str> = read
        .iter()
        .filter_map(|recording| recording.transcript.as_deref())
        .filter(|text| !text.is_empty())
        .collect();
    row.final_transcript = (!read.is_empty()).then(|| texts.join("\n"));
    row.transcript_language = read.iter().find_map(|recording| recording.language.clone());
    row.transcript_engine = read.iter().find_map(|recording| recording.engine.clone());
}

fn write_fields(row: &mut Model, recordings: &[&recordings::Model]) {
    let extractions: Vec<_> = recordings.iter().map(|recording| extraction(recording)).collect();
    let service = surest(extractions.iter().map(|extraction| extraction.service.as_ref()));
    let city = surest(extractions.iter().map(|extraction| extraction.city.as_ref()));
    row.extracted_service = service.map(|field| field.value.clone());
    row.service_id = service.map(|field| field.id.clone());
    row.service_confidence = service.map(|field| share(field.confidence));
    row.extracted_city = city.map(|field| field.value.clone());
    row.city_id = city.map(|field| field.id.clone());
    row.city_confidence = city.map(|field| share(field.confidence));
    row.extraction_confidence =
        [row.service_confidence, row.city_confidence].into_iter().flatten().min_by(f64::total_cmp);
}

/// The field with the highest confidence; of equal ones that of the later recording.
fn surest<'a>(fields: impl Iterator<Item = Option<&'a Field>>) -> Option<&'a Field> {
    fields.flatten().max_by(|a, b| a.confidence.total_cmp(&b.confidence))
}

/// Takes the words away that no recording's row holds.
pub fn forget_words(row: &mut Model) {
    row.final_transcript = None;
}

/// Takes a call's numbers away, for good.
pub fn forget_numbers(row: &mut Model) {
    row.fold.numbers_erased = true;
    row.fold.said.forget_numbers();
    row.from_number = None;
    row.to_number = None;
}

/// The person outside the company: From of an inbound call, To of an outbound one. A leg that
/// another one started stands for the same conversation, and may lead to an agent's own telephone.
pub fn external_party(row: &Model) -> Option<E164> {
    if row.parent_call_sid.is_some() {
        return None;
    }
    outside(row.direction.as_deref()?, row.from_number.as_deref(), row.to_number.as_deref())
}

/// Which of a call's two parties is outside the company, after its direction.
pub fn outside(direction: &str, from: Option<&str>, to: Option<&str>) -> Option<E164> {
    let number = match direction {
        "inbound" | "trunking-terminating" => from,
        direction if direction.starts_with("outbound") => to,
        "trunking-originating" => to,
        _ => None,
    };
    number?.parse().ok()
}

/// What became of a call, when nothing is left to do: the same text for the same tries.
pub fn outcome(row: &Model, recordings: &[&recordings::Model]) -> Option<String> {
    let status: Status = row.status.parse().ok()?;
    if !status.is_terminal() {
        return None;
    }
    let mut tries: Vec<_> = recordings
        .iter()
        .map(|recording| (recording.recording_sid.as_str(), &recording.fold))
        .collect();
    if tries.is_empty() {
        tries.push(("", &row.fold.track));
    }
    tries.sort_by_key(|(sid, _)| Reverse(*sid));
    let mut hash = Sha256::new();
    hash.update(&row.call_sid);
    for (sid, track) in tries {
        let stamp = track.latest.as_ref()?;
        hash.update(format!("|{sid}:{:?}:{}", stamp.order, stamp.rank));
    }
    Some(hex::encode(hash.finalize()))
}
