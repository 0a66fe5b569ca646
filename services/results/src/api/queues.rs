//! How the queues stand.

use serde_json::json;
use warp::reply::Response;

use super::{Api, Problem, json, params::Params};

/// `GET /v1/queues`
pub async fn list(api: &Api, query: &str) -> Result<Response, Problem> {
    Params::read(query, &[])?;
    let calls = api.calls.stats().await?;
    let results = api.results.stats().await?;
    json(&json!({ "queues": [
        { "name": api.calls.name(), "stats": calls },
        { "name": api.results.name(), "stats": results },
    ] }))
}
