//! The API's description of itself, and whether it is true.

use std::collections::BTreeSet;

use callscribe_results::api;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use twilio::double::{Double, DoubleRecording};

use crate::support::{
    Db,
    events::{account, call_sid, recording_sid, usual},
    service::{Service, problem},
};

const T: i64 = 1_790_000_000_000;
const CALLER: &str = "+15125550123";

struct Operation<'d> {
    method: Method,
    path: &'d str,
    about: &'d Value,
}

fn operations(document: &Value) -> Vec<Operation<'_>> {
    let paths = document["paths"].as_object().unwrap();
    let methods = paths.iter().flat_map(|(path, methods)| {
        methods.as_object().unwrap().iter().map(move |(method, about)| Operation {
            method: method.to_uppercase().parse().unwrap(),
            path,
            about,
        })
    });
    methods.collect()
}

fn references<'d>(value: &'d Value, found: &mut Vec<&'d str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|field| references(field, found));
        }
        _ => {}
    }
}

#[test]
fn the_description_is_openapi_3_1_and_leads_nowhere_in_vain() {
    let document = api::document();
    let read = oas3::from_json(document.to_string()).unwrap();
    assert!(read.openapi.starts_with("3.1."), "{}", read.openapi);
    let mut found = Vec::new();
    references(&document, &mut found);
    for reference in &found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        if let Err(error) = jsonschema::meta::validate(schema) {
            panic!("{name} is no JSON schema: {error}");
        }
        let path = format!("#/components/schemas/{name}");
        assert!(found.contains(&path.as_str()), "{name} is used nowhere");
    }
    let mut names = BTreeSet::new();
    for Operation { path, about, method } in operations(&document) {
        assert!(names.insert(about["operationId"].as_str().unwrap()), "{method} {path}: its name");
        assert!(!about["summary"].as_str().unwrap().is_empty(), "{method} {path}: its summary");
        let parameters = about["parameters"].as_array().unwrap();
        let in_path = parameters.iter().filter(|own| own["in"] == "path");
        let mut declared: Vec<_> = in_path.map(|own| own["name"].as_str().unwrap()).collect();
        declared.sort_unstable();
        let mut variable: Vec<_> =
            path.split('/').filter_map(|s| s.strip_prefix('{')?.strip_suffix('}')).collect();
        variable.sort_unstable();
        assert_eq!(declared, variable, "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_answers_and_what_it_answers_is_what_the_description_says() {
    let db = Db::sqlite().await;
    db.persist(&usual(1, T, CALLER, "Austin")).await.unwrap();
    let twilio = Double::start(account().parse().unwrap(), "token").await.unwrap();
    twilio.add_recording(DoubleRecording::new(
        recording_sid(1).parse().unwrap(),
        call_sid(1).parse().unwrap(),
        "RIFF, and so on",
    ));
    let service = Service::configured(db, |config| {
        config.twilio = twilio.settings();
        config.results.reconcile.enabled = false;
    })
    .await;
    let document = service.json("/v1/openapi.json").await;
    assert_eq!(document, api::document());
    let mut operations = operations(&document);
    // What is resumed was paused before.
    operations.sort_by_key(|operation| operation.method == Method::DELETE);
    assert!(operations.len() >= 23, "{}", operations.len());
    for operation in operations {
        let request = request(&service, &operation);
        let name = format!("{} {}", operation.method, operation.path);
        let response = request.send().await.unwrap();
        let status = response.status();
        assert!(status.is_success(), "{name}: {status} {}", response.text().await.unwrap());
        let described = &operation.about["responses"][status.as_str()]["content"];
        let content_type = response.headers()["content-type"].to_str().unwrap().to_owned();
        let essence = content_type.split(';').next().unwrap();
        assert!(described.get(essence).is_some(), "{name} answers {essence}: {described}");
        if essence == "application/json" {
            let schema = json!({
                "allOf": [described[essence]["schema"]],
                "components": document["components"],
            });
            let body: Value = response.json().await.unwrap();
            let schema = jsonschema::validator_for(&schema).unwrap();
            let wrong: Vec<_> = schema.iter_errors(&body).map(|e| e.to_string()).collect();
            assert_eq!(wrong, Vec::<String>::new(), "{name}");
        }
    }
    service.stop().await;
}

/// The simplest request that should be answered.
fn request(service: &Service, operation: &Operation<'_>) -> RequestBuilder {
    let path = operation
        .path
        .replace("{sid}", &call_sid(1))
        .replace("{id}", "1")
        .replace("{name}", "results");
    let request = service.request(operation.method.clone(), &path);
    match operation.about["operationId"].as_str().unwrap() {
        "edit_lead" => request.header("if-match", "*").json(&json!({ "city": "Waco" })),
        "pause_queue" => request.json(&json!({ "reason": "a look", "seconds": 60 })),
        "redrive_dead_letters" | "discard_dead_letters" => request.json(&json!({ "all": true })),
        _ => request,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_names_every_path_and_asks_nobody_for_anything() {
    let service = Service::start(Db::sqlite().await).await;
    let response = service.get("/v1/docs").await;
    let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'"), "{policy}");
    let page = response.text().await.unwrap();
    for path in api::document()["paths"].as_object().unwrap().keys() {
        assert!(page.contains(&format!("<code>{path}</code>")), "{path} is missing");
    }
    for outside in ["<script", "src=", "http://", "https://", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_method_that_a_path_does_not_have_is_refused_with_those_it_has() {
    let service = Service::start(Db::sqlite().await).await;
    for (method, path, allow) in [
        (Method::DELETE, "/v1/calls", "GET"),
        (Method::POST, "/v1/leads/1", "GET, PATCH"),
        (Method::GET, "/v1/queues/calls/pause", "PUT, DELETE"),
        (Method::PUT, "/v1/calls/CA1/transcribe-again", "POST"),
    ] {
        let response = service.request(method, path).send().await.unwrap();
        assert_eq!(response.headers()["allow"], allow, "{path}");
        problem(response, 405).await;
    }
    service.stop().await;
}
