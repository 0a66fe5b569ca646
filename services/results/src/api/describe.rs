//! The API's description of itself, for programs and for people.

use schemars::{Schema, SchemaGenerator, json_schema};
use warp::{http::HeaderValue, http::StatusCode, reply::Response};

use super::{
    docs, openapi, problem,
    route::{Answer, Content, JSON, Route},
};

/// What it serves.
pub const ROUTES: &[Route] = &[
    Route {
        scope: None,
        summary: "This description, as OpenAPI 3.1",
        answers: &[Answer::json(&[(JSON, Content::Json(any_object))])],
        ..Route::get("/v1/openapi.json", "get_description", |api, _| {
            Box::pin(async { Ok(send(JSON, api.description.json.clone())) })
        })
    },
    Route {
        scope: None,
        summary: "This description, as a page",
        answers: &[Answer::json(&[(HTML, Content::Text)])],
        ..Route::get("/v1/docs", "get_docs", |api, _| {
            Box::pin(async { Ok(page(api.description.page.clone())) })
        })
    },
];

const HTML: &str = "text/html; charset=utf-8";
/// The page brings its style with it and runs nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// The description, written once.
pub struct Description {
    json: Vec<u8>,
    page: Vec<u8>,
}

impl Description {
    /// Writes it.
    pub fn new() -> Self {
        let document = openapi::document();
        Self { json: document.to_string().into_bytes(), page: docs::page(&document).into_bytes() }
    }
}

fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object" })
}

fn send(content_type: &'static str, body: Vec<u8>) -> Response {
    problem::response(StatusCode::OK, content_type, body)
}

fn page(body: Vec<u8>) -> Response {
    let mut response = send(HTML, body);
    let policy = HeaderValue::from_static(POLICY);
    response.headers_mut().insert("content-security-policy", policy);
    response
}
