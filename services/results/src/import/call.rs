//! Calls of an export.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use domain::{AccountSid, AttemptOrder, CallEvent, CallMetadata, CallSid, EventKind};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};

use super::{Fate, ImportError, ImportPlan, line::Line, line::Problem};
use crate::{
    erasure,
    projection::{Change, Status, call, leads_of_batch, write},
    settings::ResultsSettings,
    store::{
        Store, StoreError,
        entities::{call_logs, recordings},
    },
};

/// What is read; the rest of the columns of our own table are made here.
pub(super) const COLUMNS: [&str; 26] = [
    "call_sid",
    "account_sid",
    "parent_call_sid",
    "from_number",
    "to_number",
    "direction",
    "call_status",
    "duration_seconds",
    "status",
    "final_transcript",
    "transcript_language",
    "transcript_engine",
    "extracted_service",
    "service_id",
    "service_confidence",
    "extracted_city",
    "city_id",
    "city_confidence",
    "last_error_code",
    "last_error",
    "started_at",
    "enqueued_at",
    "transcribed_at",
    "created_at",
    "updated_at",
    // Known, and computed anew: the lower of the two confidences.
    "extraction_confidence",
];

const SID: &str = "CA and 32 hexadecimal digits";
const ACCOUNT: &str = "AC and 32 hexadecimal digits";
const PARTY: &str = "a number such as +972541234567, client:NAME, sip:ADDRESS or a word";

/// A call as the export has it.
struct Told {
    metadata: CallEvent,
    status: Status,
    updated_at: DateTime<Utc>,
    row: call_logs::Model,
}

/// Imports lines in one transaction; tells of each what became of it.
pub(super) async fn import(
    store: &Store,
    settings: &Arc<ResultsSettings>,
    lines: &[Line],
    plan: &ImportPlan,
) -> Result<Vec<Result<Fate, Problem>>, ImportError> {
    let told: Vec<Result<Told, Problem>> = lines.iter().map(|line| read(line, plan)).collect();
    let now = Utc::now();
    let db = store.begin().await?;
    let mut known = Known::of(&db, told.iter().flatten()).await?;
    let fates = told.into_iter().map(|told| Ok(known.take_over(told?, now))).collect();
    let mut calls: Vec<_> = known.calls.into_values().filter(Change::differs).collect();
    let assigned = leads_of_batch::assign(&db, &mut calls, settings, now).await?;
    write::calls(&db, &calls).await?;
    // What happened elsewhere, and before, is no news: nobody outside is told.
    let _ = leads_of_batch::update(&db, assigned, &calls, settings, now).await?;
    if plan.dry_run {
        db.rollback().await.map_err(StoreError::from)?;
    } else {
        db.commit().await.map_err(StoreError::from)?;
    }
    Ok(fates)
}

/// What the database has of these calls.
struct Known {
    calls: BTreeMap<String, Change<call_logs::Model>>,
    recorded: BTreeSet<String>,
    erased: BTreeSet<String>,
}

impl Known {
    async fn of<'a, C: ConnectionTrait>(
        db: &C,
        told: impl Iterator<Item = &'a Told>,
    ) -> Result<Self, StoreError> {
        let sids: BTreeSet<&str> = told.map(|told| told.row.call_sid.as_str()).collect();
        let erased = erasure::buried(db, sids.iter().copied()).await?;
        let these = call_logs::Column::CallSid.is_in(sids.iter().copied());
        let calls = call_logs::Entity::find().filter(these).all(db).await?;
        let recorded: Vec<String> = recordings::Entity::find()
            .select_only()
            .column(recordings::Column::CallSid)
            .filter(recordings::Column::CallSid.is_in(sids))
            .into_tuple()
            .all(db)
            .await?;
        Ok(Self {
            calls: calls.into_iter().map(|row| (row.call_sid.clone(), Change::of(row))).collect(),
            recorded: recorded.into_iter().collect(),
            erased,
        })
    }

    fn take_over(&mut self, told: Told, now: DateTime<Utc>) -> Fate {
        let Told { metadata, status, updated_at, row: new } = told;
        let sid = new.call_sid.clone();
        if self.erased.contains(&erasure::hash(&sid)) {
            return Fate::Erased;
        }
        if let Some(change) = self.calls.get(&sid) {
            let is_ours = self.recorded.contains(&sid) || change.row.fold.track.latest.is_some();
            let is_newer = change.row.imported_at.is_some() && change.row.updated_at >= updated_at;
            if is_ours || is_newer {
                return Fate::Kept;
            }
        }
        let had = self.calls.remove(&sid);
        let (before, present) = had.map_or((None, None), |had| (had.before, Some(had.row)));
        let mut row = present.unwrap_or_else(|| call::new(&metadata));
        call::merge(&mut row, &metadata);
        row.fold.track.touch(updated_at.timestamp_millis());
        if status.is_terminal() {
            row.imported_at = Some(now);
            row.fold.imported = Some(status);
            row = call_logs::Model {
                id: row.id,
                lead_id: row.lead_id,
                imported_at: row.imported_at,
                fold: row.fold,
                ..new
            };
        }
        call::fold(&mut row, &[]);
        let fate = if before.as_ref() == Some(&row) { Fate::Kept } else { Fate::Imported };
        self.calls.insert(sid, Change { before, row });
        fate
    }
}

/// A party of a call as Twilio writes one. A number in any other form would belong to no lead, and
/// would not be found when its caller is to be forgotten. Who withholds a number is told in words.
fn party(line: &Line, column: &str) -> Result<Option<String>, Problem> {
    let Some(party) = line.text(column)? else { return Ok(None) };
    let is_address = ["client:", "sip:", "sips:"].iter().any(|kind| party.starts_with(kind));
    let is_word = !party.contains(char::is_numeric);
    if is_address || is_word {
        return Ok(Some(party));
    }
    let written: String =
        party.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.')).collect();
    // The form of E.164 also for the numbers that stand for withheld ones, which are nobody's.
    let is_number = written.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|b| b.is_ascii_digit())
    });
    if is_number { Ok(Some(written)) } else { Err(Problem::new(line.number, column, PARTY)) }
}

fn read(line: &Line, plan: &ImportPlan) -> Result<Told, Problem> {
    let call_sid: CallSid = line.required("call_sid", SID)?;
    let account_sid: AccountSid = match (line.parsed("account_sid", ACCOUNT)?, &plan.account) {
        (Some(account), _) => account,
        (None, Some(account)) => account.clone(),
        (None, None) => line.required("account_sid", ACCOUNT)?,
    };
    let metadata = CallMetadata {
        from: party(line, "from_number")?,
        to: party(line, "to_number")?,
        direction: line.text("direction")?,
        parent_call_sid: line.parsed("parent_call_sid", SID)?,
        call_status: line.text("call_status")?,
        duration_seconds: line.parsed("duration_seconds", "a number of seconds")?,
    };
    let mut transcript = line.text("final_transcript")?;
    plan.redactor.texts(&mut transcript);
    let allowed = crate::projection::UnknownStatus.to_string();
    let status = match line.parsed("status", &allowed)? {
        Some(status) => status,
        None if transcript.is_some() => Status::Completed,
        None => Status::Observed,
    };
    if status == Status::Completed && transcript.is_none() {
        let allowed = "a text, where the status is completed";
        return Err(Problem::new(line.number, "final_transcript", allowed));
    }
    let times = ["created_at", "enqueued_at", "started_at", "transcribed_at", "updated_at"];
    let mut known = Vec::new();
    for column in times {
        known.extend(line.time(column)?);
    }
    let missing = || Problem::new(line.number, "created_at", "a time; no time is in the line");
    let created_at =
        line.time("created_at")?.or(known.iter().min().copied()).ok_or_else(missing)?;
    let updated_at = line.time("updated_at")?.or(known.iter().max().copied()).unwrap_or(created_at);
    let metadata = CallEvent {
        account_sid,
        call_sid,
        recording_sid: None,
        order: AttemptOrder::default(),
        at_ms: created_at.timestamp_millis(),
        kind: EventKind::Observed(metadata),
    };
    let extracted_service = line.text("extracted_service")?;
    let extracted_city = line.text("extracted_city")?;
    let service_confidence =
        line.share("service_confidence")?.filter(|_| extracted_service.is_some());
    let city_confidence = line.share("city_confidence")?.filter(|_| extracted_city.is_some());
    let row = call_logs::Model {
        final_transcript: transcript,
        transcript_language: line.text("transcript_language")?,
        transcript_engine: line.text("transcript_engine")?,
        service_id: line.text("service_id")?.filter(|_| extracted_service.is_some()),
        service_confidence,
        extracted_service,
        city_id: line.text("city_id")?.filter(|_| extracted_city.is_some()),
        city_confidence,
        extracted_city,
        extraction_confidence: [service_confidence, city_confidence]
            .into_iter()
            .flatten()
            .min_by(f64::total_cmp),
        last_error_code: line.text("last_error_code")?,
        last_error: line.text("last_error")?,
        started_at: line.time("started_at")?,
        enqueued_at: line.time("enqueued_at")?,
        transcribed_at: line.time("transcribed_at")?,
        ..call::new(&metadata)
    };
    Ok(Told { metadata, status, updated_at, row })
}
