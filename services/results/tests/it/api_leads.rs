//! Leads edited by people.

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::{
    Db,
    events::usual,
    on_both,
    service::{Service, problem},
};

const T: i64 = 1_790_000_000_000;
const CALLER: &str = "+15125550123";

async fn patch(service: &Service, version: &str, body: Value) -> Response {
    let request = service.request(Method::PATCH, "/v1/leads/1").header("if-match", version);
    request.json(&body).send().await.unwrap()
}

on_both! {
    async fn what_a_person_says_stands_until_it_is_unlocked_and_the_history_tells_it(db: Db) {
        let service = Service::start(db).await;
        service.publish(&usual(1, T, CALLER, "Austin")).await;
        service.is_idle().await;
        let read = service.get("/v1/leads/1").await;
        let version = read.headers()["etag"].to_str().unwrap().to_owned();
        let edited = patch(&service, &version, json!({ "city": "Waco", "name": "Dana", "by": "rui" })).await;
        assert_eq!(edited.status(), 200);
        let version = edited.headers()["etag"].to_str().unwrap().to_owned();
        let lead: Value = edited.json().await.unwrap();
        assert_eq!((&lead["city"], &lead["city_locked"]), (&json!("Waco"), &json!(true)));
        assert_eq!((&lead["city_confidence"], &lead["city_call_sid"]), (&Value::Null, &Value::Null));

        service.publish(&usual(2, T + 100, CALLER, "Dallas")).await;
        service.is_idle().await;
        let lead = service.json("/v1/leads/1").await;
        assert_eq!((&lead["city"], &lead["name"]), (&json!("Waco"), &json!("Dana")));

        let stale = patch(&service, &version, json!({ "unlock": ["city"] })).await;
        assert!(problem(stale, 412).await.contains("read it again"));
        let fresh = service.get("/v1/leads/1").await.headers()["etag"].to_str().unwrap().to_owned();
        let unlocked: Value =
            patch(&service, &fresh, json!({ "unlock": ["city"] })).await.json().await.unwrap();
        assert_eq!((&unlocked["city"], &unlocked["city_locked"]), (&json!("Dallas"), &json!(false)));

        let page = service.json("/v1/leads/1/changes?limit=2").await;
        assert_eq!(page["changes"][0]["from_value"], "Waco");
        assert_eq!(page["changes"][0]["to_value"], "Dallas");
        let cursor = page["next_cursor"].as_str().unwrap();
        let rest = service.json(&format!("/v1/leads/1/changes?cursor={cursor}")).await;
        let all = page["changes"].as_array().unwrap().len() + rest["changes"].as_array().unwrap().len();
        assert_eq!(all, 5, "service, city, name, city, city");
        let by: Vec<_> = rest["changes"].as_array().unwrap().iter().map(|c| &c["changed_by"]).collect();
        assert!(by.contains(&&json!("rui")), "{by:?}");
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_field_can_be_said_to_be_empty_and_an_edit_is_told_to_the_outside() {
    let db = Db::sqlite().await;
    db.persist(&usual(1, T, CALLER, "Austin")).await.unwrap();
    let store = db.store.clone();
    let service = Service::start(db).await;
    assert_eq!(patch(&service, "*", json!({ "city": null })).await.status(), 200);
    let lead = service.json("/v1/leads/1").await;
    assert_eq!((&lead["city"], &lead["city_locked"]), (&Value::Null, &json!(true)));
    // The same again changes nothing and is told to nobody.
    assert_eq!(patch(&service, "*", json!({ "city": null })).await.status(), 200);
    let outbox = {
        use callscribe_results::store::entities::outbox;
        use sea_orm::EntityTrait as _;
        outbox::Entity::find().all(store.reader()).await.unwrap()
    };
    let leads: Vec<_> = outbox.iter().filter(|event| event.event_type == "lead.updated").collect();
    assert_eq!(leads.len(), 2);
    assert_eq!(leads[1].payload["data"]["lead"]["city"], Value::Null);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_is_not_right_changes_nothing_and_says_why() {
    let db = Db::sqlite().await;
    db.persist(&usual(1, T, CALLER, "Austin")).await.unwrap();
    let service = Service::start(db).await;
    let before = service.json("/v1/leads/1").await;
    for (body, status, word) in [
        (json!({}), 422, "at least one of"),
        (json!({ "town": "Waco" }), 422, "town"),
        (json!({ "city": 7 }), 422, "string"),
        (json!({ "city": "" }), 422, "1 to 200"),
        (json!({ "city": "x".repeat(201) }), 422, "1 to 200"),
        (json!({ "city": "a\u{7}" }), 422, "control"),
        (json!({ "city": "Waco", "unlock": ["city"] }), 422, "either"),
        (json!({ "unlock": ["phone"] }), 422, "phone"),
        (json!("x"), 422, "string"),
    ] {
        let detail = problem(patch(&service, "*", body.clone()).await, status).await;
        assert!(detail.contains(word), "{body}: {detail}");
    }
    problem(patch(&service, "W/\"1\"", json!({ "city": "Waco" })).await, 412).await;
    let unread = service.request(Method::PATCH, "/v1/leads/1").json(&json!({ "city": "Waco" }));
    problem(unread.send().await.unwrap(), 428).await;
    let form = service.request(Method::PATCH, "/v1/leads/1").header("if-match", "*").body("city=x");
    problem(form.send().await.unwrap(), 415).await;
    let large = patch(&service, "*", json!({ "city": "x".repeat(70_000) })).await;
    problem(large, 413).await;
    assert_eq!(service.json("/v1/leads/1").await, before);
    service.stop().await;
}
