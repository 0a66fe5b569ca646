//! Leads.

use domain::{AccountSid, E164};
use serde_json::json;
use warp::reply::Response;

use super::{Api, Problem, json, params::Params};
use crate::store::leads::LeadQuery;

/// `GET /v1/leads`
pub async fn list(api: &Api, query: &str) -> Result<Response, Problem> {
    let params = Params::read(query, &["account", "phone", "service", "city", "limit", "cursor"])?;
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

/// `GET /v1/leads/{id}`
pub async fn one(api: &Api, id: &str, query: &str) -> Result<Response, Problem> {
    Params::read(query, &[])?;
    let lead = api.store.lead(lead_id(id)?).await?.ok_or_else(unknown)?;
    json(&lead)
}

pub(super) fn lead_id(text: &str) -> Result<i64, Problem> {
    text.parse().map_err(|_| Problem::parameter("id", "the number of a lead"))
}

pub(super) fn unknown() -> Problem {
    Problem::not_found("no such lead")
}
