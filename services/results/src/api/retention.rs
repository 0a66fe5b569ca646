//! What retention would take away now, and what it has taken.

use chrono::Utc;
use schemars::JsonSchema;
use sea_orm::{EntityTrait, QueryOrder, QuerySelect};
use serde::Serialize;
use warp::reply::Response;

use super::{
    Api, Problem, Request, json,
    params::LIMIT,
    route::{Answer, Content, JSON, Route, schema},
};
use crate::{
    retention::{self, Due},
    store::entities::audit::{Column, Entity, Model},
};

/// What it serves.
pub const ROUTES: &[Route] = &[Route {
    summary: "What is old enough to go, and what went",
    query: &[LIMIT],
    answers: &[Answer::json(&[(JSON, Content::Json(schema::<Retention>))])],
    ..Route::get("/v1/retention", "get_retention", |api, request| Box::pin(get(api, request)))
}];

#[derive(Serialize, JsonSchema)]
struct Retention {
    /// Whether nothing is taken away, only counted.
    dry_run: bool,
    /// What is old enough now.
    due: Vec<Due>,
    /// What was taken away, the latest first.
    done: Vec<Model>,
}

async fn get(api: &Api, request: &Request) -> Result<Response, Problem> {
    let settings = &api.settings.retention;
    let due = retention::due(&api.store, settings, Utc::now()).await?;
    let newest = Entity::find().order_by_desc(Column::Id).limit(request.params.limit());
    let done = newest.all(api.store.reader()).await?;
    json(&Retention { dry_run: settings.dry_run, due, done })
}
