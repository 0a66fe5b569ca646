//! What retention would take away now, and what it has taken.

use chrono::Utc;
use sea_orm::{EntityTrait, QueryOrder, QuerySelect};
use serde_json::json;
use warp::reply::Response;

use super::{Api, Problem, Request, json, params::Params};
use crate::{
    retention,
    store::entities::audit::{Column, Entity},
};

/// `GET /v1/retention`
pub async fn get(api: &Api, request: &Request) -> Result<Response, Problem> {
    let params = Params::read(&request.query, &["limit"])?;
    let settings = &api.settings.retention;
    let due = retention::due(&api.store, settings, Utc::now()).await?;
    let newest = Entity::find().order_by_desc(Column::Id).limit(params.limit()?);
    let done = newest.all(api.store.reader()).await?;
    json(&json!({ "dry_run": settings.dry_run, "due": due, "done": done }))
}
