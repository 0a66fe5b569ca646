//! Leads.

use domain::{AccountSid, E164};
use serde_json::json;
use warp::{
    http::{
        HeaderValue, StatusCode,
        header::{ETAG, IF_MATCH},
    },
    reply::Response,
};

use super::{Api, Problem, Request, json, params::Params};
use crate::store::{
    entities::leads::Model,
    lead_edit::{Edited, LeadEdit},
    leads::LeadQuery,
};

/// `GET /v1/leads`
pub async fn list(api: &Api, request: &Request) -> Result<Response, Problem> {
    let known = ["account", "phone", "service", "city", "limit", "cursor"];
    let params = Params::read(&request.query, &known)?;
    let query = LeadQuery {
        account_sid: params.parsed::<AccountSid>("account")?.map(String::from),
        phone: params.parsed::<E164>("phone")?.map(String::from),
        service: params.text("service")?,
        city: params.text("city")?,
        before_id: params.parsed("cursor")?,
        limit: params.limit()?,
    };
    let (leads, next) = api.store.leads(&query).await?;
    let next = next.map(|id| id.to_string());
    json(&json!({ "leads": leads, "next_cursor": next }))
}

/// `GET /v1/leads/{id}`, with the version as its ETag.
pub async fn one(api: &Api, request: &Request, id: &str) -> Result<Response, Problem> {
    Params::read(&request.query, &[])?;
    let lead = api.store.lead(lead_id(id)?).await?.ok_or_else(unknown)?;
    tagged(&lead)
}

/// `GET /v1/leads/{id}/changes`, newest first.
pub async fn changes(api: &Api, request: &Request, id: &str) -> Result<Response, Problem> {
    let params = Params::read(&request.query, &["limit", "cursor"])?;
    let lead = api.store.lead(lead_id(id)?).await?.ok_or_else(unknown)?;
    let (changes, next) =
        api.store.lead_changes(lead.id, params.parsed("cursor")?, params.limit()?).await?;
    let next = next.map(|id| id.to_string());
    json(&json!({ "changes": changes, "next_cursor": next }))
}

/// `PATCH /v1/leads/{id}`: what a person says of a lead. It needs `If-Match` with the ETag of the
/// lead as the person saw it, so that nobody overwrites what they have not read.
pub async fn edit(api: &Api, request: &Request, id: &str) -> Result<Response, Problem> {
    Params::read(&request.query, &[])?;
    let id = lead_id(id)?;
    let seen = seen_version(request)?;
    let edit: LeadEdit = request.json()?;
    edit.check().map_err(|(field, allowed)| Problem::parameter(field, allowed))?;
    match api.store.edit_lead(id, seen, &edit, &api.settings).await? {
        Edited::Now(lead) => {
            tracing::info!(lead_id = id, version = lead.version, "lead edited by a person");
            tagged(&lead)
        }
        Edited::Missing => Err(unknown()),
        Edited::Stale => Err(Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "the lead has changed since you read it; read it again",
        )),
    }
}

/// `None` is any version (`If-Match: *`).
fn seen_version(request: &Request) -> Result<Option<i64>, Problem> {
    let Some(tag) = request.headers.get(IF_MATCH) else {
        return Err(Problem::new(
            StatusCode::PRECONDITION_REQUIRED,
            "send If-Match with the ETag of the lead as you have read it",
        ));
    };
    let tag = tag.to_str().unwrap_or_default().trim();
    if tag == "*" {
        return Ok(None);
    }
    let version = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
    // A tag that no lead has had matches none: versions begin at 1.
    Ok(Some(version.and_then(|version| version.parse().ok()).unwrap_or(0)))
}

fn tagged(lead: &Model) -> Result<Response, Problem> {
    let mut response = json(lead)?;
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", lead.version)) {
        response.headers_mut().insert(ETAG, tag);
    }
    Ok(response)
}

fn lead_id(text: &str) -> Result<i64, Problem> {
    text.parse().map_err(|_| Problem::parameter("id", "the number of a lead"))
}

fn unknown() -> Problem {
    Problem::not_found("no such lead")
}
