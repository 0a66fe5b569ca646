//! The log of events out.

use serde_json::json;
use warp::reply::Response;

use super::{Api, Problem, Request, json, params::Params};
use crate::store::deliveries::DeliveryQuery;

/// `GET /v1/deliveries`
pub async fn list(api: &Api, request: &Request) -> Result<Response, Problem> {
    let params = Params::read(&request.query, &["event", "endpoint", "limit", "cursor"])?;
    let query = DeliveryQuery {
        event_id: params.text("event")?,
        endpoint: params.text("endpoint")?,
        before_id: params.parsed("cursor")?,
        limit: params.limit()?,
    };
    let (deliveries, next) = api.store.deliveries(&query).await?;
    let next = next.map(|id| id.to_string());
    json(&json!({ "deliveries": deliveries, "next_cursor": next }))
}
