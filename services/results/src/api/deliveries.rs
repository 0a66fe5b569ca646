//! The log of events out.

use schemars::JsonSchema;
use serde::Serialize;
use warp::reply::Response;

use super::{
    Api, Problem, Request, json,
    kind::Kind,
    params::{CURSOR, LIMIT},
    route::{Answer, Content, JSON, Parameter, Route, schema},
};
use crate::store::{deliveries::DeliveryQuery, entities::deliveries::Model};

/// What it serves.
pub const ROUTES: &[Route] = &[Route {
    summary: "Attempts to post events to endpoints, newest first",
    query: &[
        Parameter::new("event", Kind::Text(100), "Only those of this event."),
        Parameter::new("endpoint", Kind::Text(100), "Only those to the endpoint of this name."),
        LIMIT,
        CURSOR,
    ],
    answers: &[Answer::json(&[(JSON, Content::Json(schema::<DeliveryList>))])],
    ..Route::get("/v1/deliveries", "list_deliveries", |api, request| Box::pin(list(api, request)))
}];

#[derive(Serialize, JsonSchema)]
struct DeliveryList {
    deliveries: Vec<Model>,
    /// Where the list goes on; null at its end.
    next_cursor: Option<String>,
}

async fn list(api: &Api, request: &Request) -> Result<Response, Problem> {
    let params = &request.params;
    let query = DeliveryQuery {
        event_id: params.text("event"),
        endpoint: params.text("endpoint"),
        before_id: params.parsed("cursor")?,
        limit: params.limit(),
    };
    let (deliveries, next) = api.store.deliveries(&query).await?;
    json(&DeliveryList { deliveries, next_cursor: next.map(|id| id.to_string()) })
}
