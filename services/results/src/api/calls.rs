//! Calls.

use chassis::queues;
use domain::{AccountSid, CallJob, CallSid, JobSource, RecordingSid};
use queue::Enqueued;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use serde_json::json;
use warp::{http::StatusCode, reply::Response};

use super::{Api, Problem, Request, cursor::Cursor, json, json_with, params::Params};
use crate::store::{
    calls::CallQuery,
    entities::{call_logs, recordings},
    search::SearchText,
};

/// `GET /v1/calls`
pub async fn list(api: &Api, request: &Request) -> Result<Response, Problem> {
    let known = [
        "q", "status", "service", "city", "lead", "number", "language", "since", "until", "limit",
        "cursor",
    ];
    let params = Params::read(&request.query, &known)?;
    let query = CallQuery {
        status: params.parsed("status")?,
        service: params.text("service")?,
        city: params.text("city")?,
        lead_id: params.parsed("lead")?,
        number: params.text("number")?,
        language: params.text("language")?,
        since: params.parsed("since")?,
        until: params.parsed("until")?,
        after: None,
        limit: params.limit()?,
    };
    if let Some(text) = params.parsed::<SearchText>("q")? {
        let (calls, next) = api.store.search(&text, &query, params.parsed("cursor")?).await?;
        let next = next.map(|id| id.to_string());
        return json(&json!({ "calls": calls, "next_cursor": next }));
    }
    let after = params.parsed::<Cursor>("cursor")?.map(|cursor| cursor.0);
    let query = CallQuery { after, ..query };
    let page = api.store.calls(&query).await?;
    let next = page.next.as_ref().map(Cursor::text);
    json(&json!({ "calls": page.rows, "next_cursor": next }))
}

/// `GET /v1/calls/{sid}`
pub async fn one(api: &Api, request: &Request, sid: &str) -> Result<Response, Problem> {
    Params::read(&request.query, &[])?;
    let sid = call_sid(sid)?;
    let call = api.store.call(sid.as_str()).await?.ok_or_else(unknown)?;
    json(&call)
}

/// `POST /v1/calls/{sid}/transcribe-again`: every recording of the call gets its next generation,
/// which is given out here and nowhere else; a call without a known recording is searched again.
pub async fn transcribe_again(
    api: &Api,
    request: &Request,
    sid: &str,
) -> Result<Response, Problem> {
    Params::read(&request.query, &[])?;
    let sid = call_sid(sid)?;
    let jobs = next_generation(api, &sid).await?;
    let mut given = Vec::new();
    for job in jobs {
        let mut entry = queues::job_entry(&job, None).map_err(|error| {
            tracing::error!(call_sid = %sid, %error, "a job cannot be written");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the job cannot be written")
        })?;
        if let CallJob::Resolve { .. } = job {
            // A person asks for the search to be repeated: that it was done before is the reason.
            entry.once = None;
        }
        if api.calls.enqueue(entry).await? != Enqueued::Duplicate {
            tracing::info!(call_sid = %sid, "job enqueued");
        }
        given.push(match &job {
            CallJob::Transcribe { recording_sid, generation, .. } => {
                json!({ "recording_sid": recording_sid, "generation": generation })
            }
            CallJob::Resolve { .. } => json!({ "recording_sid": null, "generation": 0 }),
        });
    }
    json_with(StatusCode::ACCEPTED, &json!({ "call_sid": sid, "enqueued": given }))
}

async fn next_generation(api: &Api, sid: &CallSid) -> Result<Vec<CallJob>, Problem> {
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
        return Ok(vec![CallJob::Resolve { account_sid, call_sid: sid.clone(), source }]);
    }
    let mut jobs = Vec::new();
    for row in rows {
        let recording_sid: RecordingSid = stored(row.recording_sid.parse())?;
        let generation = row.generation + 1;
        let raised = recordings::ActiveModel {
            id: Set(row.id),
            generation: Set(generation),
            ..Default::default()
        };
        raised.update(&transaction).await?;
        jobs.push(CallJob::Transcribe {
            account_sid: account_sid.clone(),
            call_sid: sid.clone(),
            recording_sid,
            generation: u32::try_from(generation).unwrap_or(u32::MAX),
            source: JobSource::Manual,
        });
    }
    transaction.commit().await?;
    Ok(jobs)
}

pub(super) fn call_sid(text: &str) -> Result<CallSid, Problem> {
    text.parse().map_err(|error: domain::SidError| Problem::parameter("sid", error.to_string()))
}

pub(super) fn unknown() -> Problem {
    Problem::not_found("no such call; it may not have been reported yet, or was erased")
}

/// A SID that came out of the database.
fn stored<T, E: std::fmt::Display>(parsed: Result<T, E>) -> Result<T, Problem> {
    parsed.map_err(|error| {
        tracing::error!(%error, "a stored identifier cannot be read");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "a stored identifier cannot be read")
    })
}
