//! Dead letters and pauses through the API.

use queue::Entry;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    Db,
    events::{call_sid, usual},
    eventually,
    service::{Service, problem},
};

const T: i64 = 1_790_000_000_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_are_listed_redriven_and_discarded() {
    let service = Service::start(Db::sqlite().await).await;
    for call in 1..=3 {
        service.results.enqueue(Entry::new(call_sid(call), "no event")).await.unwrap();
    }
    let dead = || async { service.results.stats().await.unwrap().dead };
    eventually("three are dead", || async { dead().await == 3 }).await;
    let page = service.json("/v1/queues/results/dead?limit=2").await;
    assert_eq!(page["dead_letters"][0]["key"], call_sid(1));
    assert_eq!(page["dead_letters"][0]["reason"], "permanent");
    assert_eq!(page["dead_letters"][0]["failure"]["code"], "malformed_event");
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = service.json(&format!("/v1/queues/results/dead?cursor={cursor}")).await;
    assert_eq!(rest["dead_letters"].as_array().unwrap().len(), 1);
    assert_eq!(rest["next_cursor"], Value::Null);

    let post = async |what: &str, body: Value| {
        let path = format!("/v1/queues/results/dead/{what}");
        let response = service.request(Method::POST, &path).json(&body).send().await.unwrap();
        assert_eq!(response.status(), 200, "{what} {body}");
        response.json::<Value>().await.unwrap()
    };
    let first = &page["dead_letters"][0]["id"];
    assert_eq!(post("discard", json!({ "ids": [first] })).await, json!({ "discarded": 1 }));
    assert_eq!(dead().await, 2);
    let moved = post("redrive", json!({ "reason": "malformed_event" })).await;
    assert_eq!(moved, json!({ "redriven": 2 }));
    eventually("they are dead again", || async { dead().await == 2 }).await;
    assert_eq!(post("discard", json!({ "all": true })).await, json!({ "discarded": 2 }));
    assert_eq!(dead().await, 0);
    for wrong in [json!({}), json!({ "all": true, "reason": "x" }), json!({ "ids": [] })] {
        let request = service.request(Method::POST, "/v1/queues/results/dead/redrive").json(&wrong);
        problem(request.send().await.unwrap(), 422).await;
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_queue_holds_its_work_until_it_is_resumed() {
    let service = Service::start(Db::sqlite().await).await;
    let pause =
        |body: Value| service.request(Method::PUT, "/v1/queues/results/pause").json(&body).send();
    let paused: Value = pause(json!({ "reason": "move" })).await.unwrap().json().await.unwrap();
    assert_eq!(paused["pauses"][0]["by"], "operator");
    assert_eq!(paused["pauses"][0]["reason"], "move");
    let listed = service.json("/v1/queues").await;
    assert_eq!(listed["queues"][1]["stats"]["pauses"][0]["reason"], "move");
    for wrong in [json!({ "reason": " " }), json!({ "reason": "x", "seconds": 0 })] {
        problem(pause(wrong).await.unwrap(), 422).await;
    }
    let resume = || service.request(Method::DELETE, "/v1/queues/results/pause").send();
    assert_eq!(resume().await.unwrap().status(), 200);
    problem(resume().await.unwrap(), 404).await;
    service.publish(&usual(1, T, "+15125550123", "Austin")).await;
    service.is_idle().await;
    assert_eq!(service.json("/v1/calls").await["calls"][0]["status"], "completed");
    service.stop().await;
}
