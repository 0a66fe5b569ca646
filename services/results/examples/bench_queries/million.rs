//! A table of many calls whose values are spread as in life: a few common, many rare.

use std::io::Write;

use callscribe_results::{
    projection::{CallFold, Status, Track},
    store::{
        Store,
        calls::{CallQuery, Place},
        entities::{call_logs, recordings},
    },
};
use chrono::{DateTime, Utc};
use fastrand::Rng;
use sea_orm::{ActiveValue::NotSet, ConnectionTrait, EntityTrait, IntoActiveModel};

const WORDS: usize = 20_000;
const SERVICES: usize = 77;
const CITIES: usize = 455;
/// Milliseconds between two calls, and when the first one came.
const STEP_MS: i64 = 20_000;
const FIRST_MS: i64 = 1_760_000_000_000;
const STATUSES: [(Status, u32); 8] = [
    (Status::Completed, 880),
    (Status::NoSpeech, 60),
    (Status::Failed, 30),
    (Status::NoRecording, 25),
    (Status::Queued, 2),
    (Status::Transcribing, 1),
    (Status::Retrying, 1),
    (Status::Observed, 1),
];

pub fn call_sid(call: u32) -> String {
    format!("CA{call:032x}")
}

fn account() -> String {
    format!("AC{:032x}", 1)
}

/// A place in the list.
pub fn place(call: u32) -> Place {
    Place { created_at: time(call), sid: call_sid(call) }
}

fn time(call: u32) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(FIRST_MS + i64::from(call) * STEP_MS).unwrap()
}

/// A number below `end`, small ones far more often (Zipf's law).
fn rank(rng: &mut Rng, end: usize) -> usize {
    let exponent = rng.f64();
    ((end as f64 + 1.0).powf(exponent) - 1.0) as usize % end
}

fn service(rank: usize) -> String {
    format!("service-{rank}")
}

fn city(rank: usize) -> String {
    format!("city-{rank}")
}

/// A pronounceable word, Hebrew for the odd ranks.
fn word(rank: usize) -> String {
    let letters: [&[char]; 2] = [
        &['b', 'a', 'd', 'e', 'g', 'i', 'k', 'o', 'l', 'u'],
        &['ב', 'א', 'ד', 'ה', 'ג', 'י', 'כ', 'ו', 'ל', 'מ'],
    ];
    let letters = letters[rank % 2];
    let digits = format!("{:04}", rank);
    digits.bytes().map(|digit| letters[usize::from(digit - b'0')]).collect()
}

/// One to three words, as people search: seldom one of those that stand in every call.
pub fn search_words(rng: &mut Rng) -> String {
    let word_of = |rng: &mut Rng| {
        let commonest = if rng.u8(0..20) == 0 { 0 } else { 20 };
        word(commonest + rank(rng, WORDS - commonest))
    };
    let words: Vec<String> = (0..rng.usize(1..=3)).map(|_| word_of(rng)).collect();
    words.join(" ")
}

/// One or two filters, of common and of rare values.
pub fn narrow(query: &mut CallQuery, rng: &mut Rng) {
    for _ in 0..rng.u8(1..=2) {
        match rng.u8(0..9) {
            0 => query.status = Some(STATUSES[rng.usize(0..STATUSES.len())].0),
            1 => query.service = Some(service(rng.usize(0..SERVICES))),
            2 => query.city = Some(city(rng.usize(0..CITIES))),
            3 => query.number = Some(number(rng.u32(0..300_000))),
            4 => query.lead_id = Some(rng.i64(0..300_000)),
            5 => query.language = Some(["en", "he", "ru"][rng.usize(0..3)].into()),
            6 => query.account_sid = Some(account()),
            7 => query.since = Some(time(rng.u32(0..1_000_000))),
            _ => query.until = Some(time(rng.u32(0..1_000_000))),
        }
    }
}

fn number(lead: u32) -> String {
    format!("+9725{lead:08}")
}

struct Draw(Rng);

impl Draw {
    /// A call with its recording.
    fn next_call(&mut self, number_of_call: u32) -> (call_logs::Model, recordings::Model) {
        let rng = &mut self.0;
        let mut draw = rng.u32(0..1000);
        let mut status = Status::Completed;
        for (one, share) in STATUSES {
            status = one;
            match draw.checked_sub(share) {
                Some(rest) => draw = rest,
                None => break,
            }
        }
        let done = status == Status::Completed;
        let lead = rng.u32(0..300_000);
        let (service_rank, city_rank) = (rank(rng, SERVICES), rank(rng, CITIES));
        let text = done.then(|| {
            let words: Vec<_> = (0..rng.usize(20..100)).map(|_| word(rank(rng, WORDS))).collect();
            format!("caller: {}", words.join(" "))
        });
        let at = time(number_of_call);
        let language = done.then(|| if rng.u8(0..10) < 6 { "he" } else { "en" }.to_owned());
        let call = call_logs::Model {
            id: 0,
            call_sid: call_sid(number_of_call),
            account_sid: account(),
            parent_call_sid: None,
            from_number: Some(number(lead)),
            to_number: Some("+97231234567".into()),
            direction: Some("inbound".into()),
            call_status: Some("completed".into()),
            duration_seconds: Some(60),
            status: status.as_str().into(),
            final_transcript: text.clone(),
            transcript_language: language.clone(),
            transcript_engine: done.then(|| "whisper".into()),
            extracted_service: done.then(|| format!("{} name", service(service_rank))),
            extracted_city: done.then(|| format!("{} name", city(city_rank))),
            service_confidence: done.then_some(0.9),
            city_confidence: done.then_some(0.9),
            extraction_confidence: done.then_some(0.9),
            service_id: done.then(|| service(service_rank)),
            city_id: done.then(|| city(city_rank)),
            lead_id: Some(i64::from(lead)),
            attempts: 1,
            last_error_code: None,
            last_error: None,
            started_at: Some(at),
            enqueued_at: Some(at),
            transcribed_at: done.then_some(at),
            imported_at: None,
            created_at: at,
            updated_at: at,
            fold: CallFold::default(),
        };
        let recording = recording(&call, text, language);
        (call, recording)
    }
}

fn recording(
    call: &call_logs::Model,
    transcript: Option<String>,
    language: Option<String>,
) -> recordings::Model {
    let segments = transcript.as_deref().map(|text| {
        serde_json::json!([{"speaker": "caller", "start_ms": 0, "end_ms": 9000, "text": text}])
    });
    recordings::Model {
        id: 0,
        recording_sid: call.call_sid.replace("CA", "RE"),
        call_sid: call.call_sid.clone(),
        account_sid: call.account_sid.clone(),
        status: call.status.clone(),
        channels: Some(2),
        sample_rate_hz: Some(8000),
        duration_ms: Some(60_000),
        speech_ratio: Some(0.7),
        transcript,
        segments,
        language,
        engine: call.transcript_engine.clone(),
        model: None,
        engine_version: None,
        extraction: None,
        flags: None,
        queued_ms: Some(10),
        fetch_ms: Some(10),
        audio_ms: Some(10),
        transcribe_ms: Some(10),
        extract_ms: Some(1),
        cost_microusd: Some(6000),
        generation: 0,
        attempts: 1,
        last_error_code: None,
        last_error: None,
        started_at: call.started_at,
        enqueued_at: call.enqueued_at,
        transcribed_at: call.transcribed_at,
        media_deleted_at: None,
        created_at: call.created_at,
        updated_at: call.updated_at,
        fold: Track::default(),
    }
}

/// Fills an empty database; one that holds as many calls already is left as it is.
pub async fn fill(store: &Store, calls: u32) {
    let newest = store.calls(&CallQuery { limit: 1, ..CallQuery::default() }).await.unwrap().rows;
    if newest.first().is_some_and(|call| call.call_sid == call_sid(calls - 1)) {
        return;
    }
    let mut draw = Draw(Rng::with_seed(1));
    for start in (0..calls).step_by(10_000) {
        let transaction = store.begin().await.unwrap();
        for chunk in (start..calls.min(start + 10_000)).collect::<Vec<_>>().chunks(500) {
            let (calls, recordings): (Vec<_>, Vec<_>) =
                chunk.iter().map(|call| draw.next_call(*call)).unzip();
            let calls = calls
                .into_iter()
                .map(|row| call_logs::ActiveModel { id: NotSet, ..row.into_active_model() });
            let recordings = recordings
                .into_iter()
                .map(|row| recordings::ActiveModel { id: NotSet, ..row.into_active_model() });
            call_logs::Entity::insert_many(calls)
                .exec_without_returning(&transaction)
                .await
                .unwrap();
            recordings::Entity::insert_many(recordings)
                .exec_without_returning(&transaction)
                .await
                .unwrap();
        }
        transaction.commit().await.unwrap();
        eprint!("\r{} calls", start + 10_000);
        std::io::stderr().flush().unwrap();
    }
    eprintln!();
    // What autovacuum does by itself after a while.
    if store.reader().get_database_backend() == sea_orm::DbBackend::Postgres {
        store.reader().execute_unprepared("VACUUM ANALYZE call_logs").await.unwrap();
        store.reader().execute_unprepared("VACUUM ANALYZE recordings").await.unwrap();
    }
}
