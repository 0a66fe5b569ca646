//! Transcribing again on request: the next generation of each recording. (The reconciliation gives
//! one to a recording that was given up as not ready and came after all.)

use chassis::queues;
use domain::{AccountSid, CallJob, CallSid, JobSource, RecordingSid};
use queue::{Enqueued, Entry};
use schemars::JsonSchema;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use serde::Serialize;
use warp::{http::StatusCode, reply::Response};

use super::{
    Api, Problem, Request,
    access::Scope,
    calls::{SID, UNKNOWN, unknown},
    json_with,
    route::{Answer, Content, JSON, Route, Verb, schema},
};
use crate::{
    projection::Status,
    store::entities::{call_logs, recordings},
};

/// What it serves.
pub const ROUTES: &[Route] = &[Route {
    method: Verb::Post,
    scope: Some(Scope::Write),
    summary: "Transcribe a call again",
    description: "Every recording of the call gets its next generation, whose result replaces the \
                  one there is; a call without a known recording is searched for one again. \
                  Recordings that were deleted at Twilio are left as they are.",
    segments: &[SID],
    answers: &[Answer {
        status: 202,
        description: "The work is enqueued.",
        ..Answer::json(&[(JSON, Content::Json(schema::<Again>))])
    }],
    problems: &[UNKNOWN, (410, "Every recording of the call was deleted at Twilio.")],
    ..Route::get("/v1/calls/{sid}/transcribe-again", "transcribe_again", |api, request| {
        Box::pin(transcribe_again(api, request))
    })
}];

#[derive(Serialize, JsonSchema)]
struct Again {
    call_sid: String,
    /// What is done again.
    enqueued: Vec<Given>,
}

#[derive(Serialize, JsonSchema)]
struct Given {
    /// The recording; null is a search for recordings.
    recording_sid: Option<String>,
    /// Its new generation.
    generation: u32,
}

async fn transcribe_again(api: &Api, request: &Request) -> Result<Response, Problem> {
    let sid: CallSid = request.params.parsed("sid")?.ok_or_else(unknown)?;
    let enqueued = next_generation(api, &sid).await?;
    json_with(StatusCode::ACCEPTED, &Again { call_sid: sid.into(), enqueued })
}

/// Enqueues the work, then raises the generations, in one transaction: the person may go, or this
/// process end, in between. Work that was enqueued raises its generation by its own events as well.
async fn next_generation(api: &Api, sid: &CallSid) -> Result<Vec<Given>, Problem> {
    let transaction = api.store.begin().await?;
    let of_call = call_logs::Column::CallSid.eq(sid.as_str());
    let call = call_logs::Entity::find().filter(of_call).one(&transaction).await?;
    let call = call.ok_or_else(unknown)?;
    let rows = recordings::Entity::find()
        .filter(recordings::Column::CallSid.eq(sid.as_str()))
        .all(&transaction)
        .await?;
    let account_sid: AccountSid = stored(call.account_sid.parse())?;
    if rows.is_empty() {
        transaction.rollback().await?;
        let source = JobSource::Manual;
        let job = CallJob::Resolve { account_sid, call_sid: sid.clone(), source };
        // A person asks for the search to be repeated: that it was done before is the reason.
        api.calls.enqueue(Entry { once: None, ..entry(&job)? }).await?;
        tracing::info!(call_sid = %sid, "job enqueued");
        return Ok(vec![Given { recording_sid: None, generation: 0 }]);
    }
    // What is deleted cannot be fetched: the try would put "no recording" over a transcript.
    let mut given = Vec::new();
    for row in rows.into_iter().filter(|row| row.media_deleted_at.is_none()) {
        let recording_sid: RecordingSid = stored(row.recording_sid.parse())?;
        let mut generation = u32::try_from(row.generation).unwrap_or(u32::MAX);
        loop {
            generation = generation.saturating_add(1);
            let job = CallJob::Transcribe {
                account_sid: account_sid.clone(),
                call_sid: sid.clone(),
                recording_sid: recording_sid.clone(),
                generation,
                source: JobSource::Manual,
            };
            // One that the queue remembers was given out before the database was restored, or by a
            // request that ended early: the next one is nobody's.
            if api.calls.enqueue(entry(&job)?).await? != Enqueued::Duplicate {
                tracing::info!(call_sid = %sid, "job enqueued");
                break;
            }
        }
        let raised = recordings::ActiveModel {
            id: Set(row.id),
            generation: Set(generation.into()),
            // Should Redis lose the work before its event is a row: what is queued and held by no queue
            // is taken up.
            status: Set(Status::Queued.to_string()),
            ..Default::default()
        };
        raised.update(&transaction).await?;
        given.push(Given { recording_sid: Some(recording_sid.into()), generation });
    }
    if given.is_empty() {
        transaction.rollback().await?;
        let gone = "every recording of the call was deleted at Twilio";
        return Err(Problem::new(StatusCode::GONE, gone));
    }
    transaction.commit().await?;
    Ok(given)
}

fn entry(job: &CallJob) -> Result<Entry, Problem> {
    queues::job_entry(job, None).map_err(|error| {
        tracing::error!(call_sid = %job.call_sid(), %error, "a job cannot be written");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the job cannot be written")
    })
}

/// A SID that came out of the database.
pub fn stored<T, E: std::fmt::Display>(parsed: Result<T, E>) -> Result<T, Problem> {
    parsed.map_err(|error| {
        tracing::error!(%error, "a stored identifier cannot be read");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "a stored identifier cannot be read")
    })
}
