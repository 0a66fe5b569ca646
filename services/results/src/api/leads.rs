//! Leads.

use schemars::JsonSchema;
use serde::Serialize;
use warp::{
    http::{
        HeaderValue, StatusCode,
        header::{ETAG, IF_MATCH},
    },
    reply::Response,
};

use super::{
    Api, Problem, Request,
    access::Scope,
    json,
    kind::Kind,
    params::{CURSOR, LIMIT, Params},
    route::{Answer, Content, JSON, Parameter, Route, Verb, schema},
};
use crate::store::{
    entities::{lead_changes, leads::Model},
    lead_edit::{Edited, LeadEdit},
    leads::LeadQuery,
};

const ID: Parameter = Parameter::required("id", Kind::Number(1, i64::MAX), "The lead's number.");
const UNKNOWN: (u16, &str) = (404, "There is no such lead.");
const TAG: &[(&str, &str)] = &[("ETag", "The lead's version, for `If-Match`.")];

pub const ACCOUNT: Parameter =
    Parameter::new("account", Kind::Sid("AC"), "Only leads of this account.");
pub const PHONE: Parameter = Parameter::new("phone", Kind::Phone, "Only the one with this number.");
pub const SERVICE: Parameter =
    Parameter::new("service", Kind::Text(200), "Only who wants this, by name or identifier.");
pub const CITY: Parameter =
    Parameter::new("city", Kind::Text(200), "Only who is in this city, by name or identifier.");

/// What it serves.
pub const ROUTES: &[Route] = &[
    Route {
        summary: "Leads, newest first",
        query: &[ACCOUNT, PHONE, SERVICE, CITY, LIMIT, CURSOR],
        answers: &[Answer::json(&[(JSON, Content::Json(schema::<LeadList>))])],
        ..Route::get("/v1/leads", "list_leads", |api, request| Box::pin(list(api, request)))
    },
    Route {
        summary: "One lead",
        segments: &[ID],
        answers: &[Answer {
            headers: TAG,
            ..Answer::json(&[(JSON, Content::Json(schema::<Model>))])
        }],
        problems: &[UNKNOWN],
        ..Route::get("/v1/leads/{id}", "get_lead", |api, request| Box::pin(one(api, request)))
    },
    Route {
        method: Verb::Patch,
        scope: Some(Scope::Write),
        summary: "Edit a lead",
        description: "A field that is given is set, to nothing if it is null, and locked: calls do \
                      not change it any more. A field that is unlocked follows the calls again.",
        segments: &[ID],
        headers: &[Parameter::required(
            "if-match",
            Kind::Text(100),
            "`ETag` of the lead as you have read it, or `*` for any version.",
        )],
        body: Some(schema::<LeadEdit>),
        answers: &[Answer {
            headers: TAG,
            ..Answer::json(&[(JSON, Content::Json(schema::<Model>))])
        }],
        problems: &[
            UNKNOWN,
            (412, "The lead has changed since you read it."),
            (428, "The header `If-Match` is missing."),
        ],
        ..Route::get("/v1/leads/{id}", "edit_lead", |api, request| Box::pin(edit(api, request)))
    },
    Route {
        summary: "What changed in a lead, newest first",
        segments: &[ID],
        query: &[LIMIT, CURSOR],
        answers: &[Answer::json(&[(JSON, Content::Json(schema::<ChangeList>))])],
        problems: &[UNKNOWN],
        ..Route::get("/v1/leads/{id}/changes", "list_lead_changes", |api, request| {
            Box::pin(changes(api, request))
        })
    },
];

#[derive(Serialize, JsonSchema)]
struct LeadList {
    leads: Vec<Model>,
    /// Where the list goes on; null at its end.
    next_cursor: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct ChangeList {
    changes: Vec<lead_changes::Model>,
    /// Where the list goes on; null at its end.
    next_cursor: Option<String>,
}

async fn list(api: &Api, request: &Request) -> Result<Response, Problem> {
    let (leads, next) = api.store.leads(&filter(&request.params)?).await?;
    json(&LeadList { leads, next_cursor: next.map(|id| id.to_string()) })
}

/// The filters of a list.
pub fn filter(params: &Params) -> Result<LeadQuery, Problem> {
    Ok(LeadQuery {
        account_sid: params.text("account"),
        phone: params.text("phone"),
        service: params.text("service"),
        city: params.text("city"),
        before_id: params.parsed("cursor")?,
        limit: params.limit(),
    })
}

async fn one(api: &Api, request: &Request) -> Result<Response, Problem> {
    tagged(&lead(api, request).await?)
}

async fn changes(api: &Api, request: &Request) -> Result<Response, Problem> {
    let params = &request.params;
    let lead = lead(api, request).await?;
    let (changes, next) =
        api.store.lead_changes(lead.id, params.parsed("cursor")?, params.limit()).await?;
    json(&ChangeList { changes, next_cursor: next.map(|id| id.to_string()) })
}

/// It needs `If-Match` with the ETag of the lead as the person saw it, so that nobody overwrites
/// what they have not read.
async fn edit(api: &Api, request: &Request) -> Result<Response, Problem> {
    let id = id(request)?;
    let seen = seen_version(request)?;
    let edit: LeadEdit = request.json()?;
    edit.check().map_err(|(field, allowed)| Problem::unusable(field, allowed))?;
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
    let Some(tag) = request.params.get(IF_MATCH.as_str()) else {
        return Err(Problem::new(
            StatusCode::PRECONDITION_REQUIRED,
            "send If-Match with the ETag of the lead as you have read it",
        ));
    };
    let tag = tag.trim();
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

async fn lead(api: &Api, request: &Request) -> Result<Model, Problem> {
    api.store.lead(id(request)?).await?.ok_or_else(unknown)
}

fn id(request: &Request) -> Result<i64, Problem> {
    request.params.parsed("id")?.ok_or_else(unknown)
}

fn unknown() -> Problem {
    Problem::not_found("no such lead")
}
