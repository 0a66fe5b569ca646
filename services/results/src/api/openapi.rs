//! The table of routes as an OpenAPI 3.1 document.

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    ROUTES, problem,
    route::{Answer, Content, Parameter, Route, schema},
};

const INTRODUCTION: &str = "\
Calls, their transcripts, the leads that follow from them, and how far behind the work is.

Send `Authorization: Bearer TOKEN`; each operation says what the token must allow (`read`, `write` \
or `admin`, each of which includes those before it). Without configured tokens the API answers \
programs on its own machine only. Times are in UTC. Lists come in stretches: pass `next_cursor` of \
one answer as `cursor` of the next request, with the same filters, until it is null. Errors are \
problem documents (RFC 9457). `RateLimit` and `RateLimit-Policy` say how many requests are left.";

/// The whole description.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut answers = settings.clone().for_serialize().into_generator();
    let mut bodies = settings.for_deserialize().into_generator();
    let problem = schema::<problem::Document<'static>>(&mut answers);
    let mut paths = Map::new();
    for route in ROUTES.iter().copied().flatten() {
        let operation = operation(route, &mut answers, &mut bodies, problem.as_value());
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_ascii_lowercase()] = operation;
    }
    let mut schemas = answers.take_definitions(true);
    schemas.extend(bodies.take_definitions(true));
    json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Callscribe",
            "version": env!("CARGO_PKG_VERSION"),
            "description": INTRODUCTION,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "This server." }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "bearer": {
                "type": "http", "scheme": "bearer",
                "description": "A token of `results.api.tokens`.",
            } },
        },
    })
}

fn operation(
    route: &Route,
    answers: &mut SchemaGenerator,
    bodies: &mut SchemaGenerator,
    problem: &Value,
) -> Value {
    let parameters = of_place(route.segments, "path")
        .chain(of_place(route.query, "query"))
        .chain(of_place(route.headers, "header"));
    let mut operation = json!({
        "operationId": route.name,
        "tags": [route.path.split('/').nth(2).unwrap_or_default()],
        "summary": route.summary,
        "parameters": parameters.collect::<Vec<_>>(),
        "responses": responses(route, answers, problem),
        "security": route.scope.map_or(json!([]), |scope| json!([{ "bearer": [scope.as_str()] }])),
    });
    if !route.description.is_empty() {
        operation["description"] = route.description.into();
    }
    if let Some(body) = route.body {
        let schema = body(bodies);
        operation["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    }
    operation
}

fn of_place(parameters: &[Parameter], place: &'static str) -> impl Iterator<Item = Value> {
    parameters.iter().map(move |parameter| {
        json!({
            "name": parameter.name,
            "in": place,
            "required": parameter.required,
            "description": parameter.description,
            "schema": parameter.kind.schema(),
        })
    })
}

fn responses(route: &Route, answers: &mut SchemaGenerator, problem: &Value) -> Value {
    let mut responses = Map::new();
    for answer in route.answers {
        responses.insert(answer.status.to_string(), good(answer, answers));
    }
    for (status, description) in route.all_problems() {
        responses.insert(status.to_string(), bad(status, description, problem));
    }
    responses.insert(
        "408".into(),
        json!({
            "description": "The request, or what it asked for, took too long.",
            "content": { "text/plain": { "schema": { "type": "string" } } },
        }),
    );
    responses.into()
}

fn good(answer: &Answer, answers: &mut SchemaGenerator) -> Value {
    let mut content = Map::new();
    for (media_type, holds) in answer.content {
        let schema = match holds {
            Content::Json(schema) => schema(answers).to_value(),
            Content::Text => json!({ "type": "string" }),
            Content::Binary => json!({}),
        };
        // Parameters of a media type (its charset) do not tell two answers apart.
        let essence = media_type.split(';').next().unwrap_or(media_type);
        content.insert(essence.to_owned(), json!({ "schema": schema }));
    }
    let mut response = json!({ "description": answer.description, "content": content });
    if !answer.headers.is_empty() {
        let headers = answer.headers.iter().map(|(name, about)| header(name, about));
        response["headers"] = headers.collect::<Map<_, _>>().into();
    }
    response
}

fn bad(status: u16, description: &str, problem: &Value) -> Value {
    let mut response = json!({
        "description": description,
        "content": { "application/problem+json": { "schema": problem } },
    });
    let header = match status {
        401 => header("WWW-Authenticate", "`Bearer`, and what is wrong with the token."),
        429 | 503 => header("Retry-After", "Seconds to wait."),
        _ => return response,
    };
    response["headers"] = Map::from_iter([header]).into();
    response
}

fn header(name: &str, about: &str) -> (String, Value) {
    (name.to_owned(), json!({ "description": about, "schema": { "type": "string" } }))
}
