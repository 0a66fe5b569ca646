//! Events out.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use callscribe_results::{
    erasure,
    outbound::{self, EndpointSettings, Secret, WebhookSettings, sign},
    store::{deliveries::DeliveryQuery, entities::tombstones},
};
use chassis::serve::{HttpSettings, Server};
use queue::Entry;
use sea_orm::{ActiveValue::Set, EntityTrait};
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};
use warp::{Filter, http::HeaderMap};

use crate::support::{
    Db,
    events::{call_sid, usual},
    eventually, on_both,
    service::Service,
};

const T: i64 = 1_790_000_000_000;
const CALLER: &str = "+15125550123";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A customer's server: it answers what it was told to, then 200, and keeps what it was sent.
struct Receiver {
    url: String,
    answers: Arc<Mutex<VecDeque<u16>>>,
    received: Arc<Mutex<Vec<(HeaderMap, String)>>>,
    _stop: DropGuard,
}

impl Receiver {
    async fn start(answers: &[u16]) -> Self {
        let answers = Arc::new(Mutex::new(VecDeque::from(answers.to_vec())));
        let received = Arc::<Mutex<Vec<_>>>::default();
        let stop = CancellationToken::new();
        let server = Server::bind(&HttpSettings::default()).await.unwrap();
        let url = format!("{}/hook", server.url().unwrap());
        let routes =
            warp::post().and(warp::header::headers_cloned()).and(warp::body::bytes()).map({
                let (answers, received) = (answers.clone(), received.clone());
                move |headers, body: bytes::Bytes| {
                    received
                        .lock()
                        .unwrap()
                        .push((headers, String::from_utf8(body.into()).unwrap()));
                    let status = answers.lock().unwrap().pop_front().unwrap_or(200);
                    http::Response::builder().status(status).body("").unwrap()
                }
            });
        tokio::spawn(server.run(warp::service(routes), stop.clone()));
        Self { url, answers, received, _stop: stop.drop_guard() }
    }

    fn settings(&self, events: &[&str]) -> WebhookSettings {
        WebhookSettings {
            endpoints: vec![EndpointSettings {
                name: "crm".into(),
                url: self.url.clone(),
                secret: SECRET.to_owned().into(),
                events: events.iter().map(|event| (*event).to_owned()).collect(),
            }],
            allow_private_targets: true,
            first_retry_ms: 1,
            ..WebhookSettings::default()
        }
    }

    fn count(&self) -> usize {
        self.received.lock().unwrap().len()
    }

    async fn reaches(&self, count: usize) {
        eventually("the receiver was told", || async { self.count() >= count }).await;
    }
}

async fn service(db: Db, webhooks: WebhookSettings) -> Service {
    Service::with(db, |settings| settings.webhooks = webhooks).await
}

async fn are_out(service: &Service) {
    eventually("nothing is on its way", || async {
        let queues = service.json("/v1/queues").await;
        let stats = &queues["queues"][2]["stats"];
        stats["waiting_live"] == 0 && stats["in_flight"] == 0 && stats["scheduled"] == 0
    })
    .await;
}

on_both! {
    async fn a_finished_call_and_its_lead_are_posted_signed_and_once(db: Db) {
        let receiver = Receiver::start(&[]).await;
        let service = service(db, receiver.settings(&[])).await;
        service.publish(&usual(1, T, CALLER, "Austin")).await;
        service.is_idle().await;
        service.publish(&usual(1, T, CALLER, "Austin")).await;
        service.is_idle().await;
        eventually("call.completed arrived", || async {
            receiver.received.lock().unwrap().iter().any(|(_, body)| body.contains("call.completed"))
        }).await;
        are_out(&service).await;
        let received = receiver.received.lock().unwrap().clone();
        let mut ids: Vec<_> = received.iter().map(|(head, _)| head["webhook-id"].clone()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), received.len(), "each event once");
        let secret: Secret = SECRET.parse().unwrap();
        for (head, body) in &received {
            let text = |name: &str| head[name].to_str().unwrap().to_owned();
            let at = text("webhook-timestamp").parse().unwrap();
            assert_eq!(text("webhook-signature"), sign(&secret, &text("webhook-id"), at, body));
        }
        let completed = received.iter().find(|(_, body)| body.contains("call.completed")).unwrap();
        let event: Value = serde_json::from_str(&completed.1).unwrap();
        assert_eq!(event["type"], "call.completed");
        assert_eq!(event["timestamp"], "2026-09-21T14:13:20.030Z");
        assert_eq!(event["data"]["call"]["call_sid"], call_sid(1));
        assert_eq!(event["data"]["call"]["extracted_city"], "Austin");
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_event_is_tried_again_and_every_attempt_is_logged() {
    let receiver = Receiver::start(&[500, 429]).await;
    let service = service(Db::sqlite().await, receiver.settings(&["call.completed"])).await;
    service.publish(&usual(1, T, CALLER, "Austin")).await;
    receiver.reaches(3).await;
    are_out(&service).await;
    assert_eq!(receiver.count(), 3);
    let log = service.json("/v1/deliveries?endpoint=crm").await;
    let codes: Vec<_> = log["deliveries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["status_code"].clone())
        .collect();
    assert_eq!(serde_json::json!(codes), serde_json::json!([200, 429, 500]));
    assert_eq!(log["deliveries"][1]["error"], "answered 429 Too Many Requests");
    let call = service.json(&format!("/v1/calls/{}", call_sid(1))).await;
    let told: Vec<_> = call["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|moment| moment["endpoint"] == "crm")
        .map(|moment| (&moment["event"], &moment["code"]))
        .collect();
    let code = Value::from("call.completed");
    let [not_delivered, delivered] = ["not_delivered", "delivered"].map(Value::from);
    assert_eq!(told, [(&not_delivered, &code), (&not_delivered, &code), (&delivered, &code)]);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_keeps_failing_is_left_alone_and_then_tried_again() {
    let receiver = Receiver::start(&[500, 500, 500]).await;
    let settings = WebhookSettings {
        circuit_failures: 3,
        circuit_seconds: 1,
        ..receiver.settings(&["call.completed"])
    };
    let service = service(Db::sqlite().await, settings).await;
    service.publish(&usual(1, T, CALLER, "Austin")).await;
    receiver.reaches(3).await;
    eventually("the endpoint is left alone", || async {
        let queues = service.json("/v1/queues").await;
        queues["queues"][2]["stats"]["pauses"][0]["by"] == "endpoint:crm"
    })
    .await;
    receiver.reaches(4).await;
    are_out(&service).await;
    assert_eq!(receiver.count(), 4);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_is_too_old_or_unwanted_goes_to_the_dead_letters() {
    let receiver = Receiver::start(&[500, 410]).await;
    let given_up =
        WebhookSettings { give_up_after_seconds: 0, ..receiver.settings(&["call.completed"]) };
    let service = service(Db::sqlite().await, given_up).await;
    service.publish(&usual(1, T, CALLER, "Austin")).await;
    receiver.reaches(1).await;
    service.publish(&usual(2, T, CALLER, "Austin")).await;
    receiver.reaches(2).await;
    are_out(&service).await;
    let dead = service.json("/v1/queues/webhooks/dead").await;
    let codes: Vec<_> = dead["dead_letters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|letter| letter["failure"]["code"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(codes, ["given_up", "endpoint_gone"]);
    assert!(receiver.answers.lock().unwrap().is_empty());
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_in_the_outbox_when_the_service_died_goes_out_at_its_next_start() {
    let receiver = Receiver::start(&[]).await;
    let db = Db::sqlite().await;
    db.persist(&usual(1, T, CALLER, "Austin")).await.unwrap();
    let service = service(db, receiver.settings(&["call.completed"])).await;
    receiver.reaches(1).await;
    service.stop().await;
}

on_both! {
    async fn what_was_told_long_ago_is_tidied_up_and_nothing_else(db: Db) {
        db.persist(&usual(1, T, CALLER, "Austin")).await.unwrap();
        let old = "'2020-01-02T10:00:00+00:00'";
        db.execute(&format!("UPDATE outbox SET created_at = {old}, relayed_at = {old}")).await;
        db.persist(&usual(2, T, "+15125550124", "Dallas")).await.unwrap();
        let numbers = "WITH RECURSIVE numbers (n) AS \
                       (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1200)";
        db.execute(&format!(
            "INSERT INTO deliveries (event_id, endpoint, attempt, took_ms, attempted_at) {numbers} \
             SELECT 'msg_' || n, 'crm', 1, 1, {old} FROM numbers"
        )).await;
        db.execute(
            "INSERT INTO deliveries (event_id, endpoint, attempt, took_ms, attempted_at) \
             VALUES ('msg_new', 'crm', 1, 1, '2999-01-02T10:00:00+00:00')",
        ).await;
        let store = db.store.clone();
        let service = service(db, WebhookSettings::default()).await;
        eventually("the old goes", || async {
            let query = DeliveryQuery { limit: 1000, ..Default::default() };
            let (deliveries, _) = store.deliveries(&query).await.unwrap();
            deliveries.len() == 1 && deliveries[0].event_id == "msg_new"
        }).await;
        let told = store.changes_after(0, 100).await.unwrap();
        assert!(!told.is_empty() && told.iter().all(|event| event.payload.to_string().contains("Dallas")));
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_of_a_call_that_was_erased_meanwhile_is_not_told() {
    let receiver = Receiver::start(&[]).await;
    let db = Db::sqlite().await;
    let erased = tombstones::ActiveModel {
        sid_hash: Set(erasure::hash(&call_sid(1))),
        created_at: Set(chrono::Utc::now()),
    };
    let transaction = db.store.begin().await.unwrap();
    tombstones::Entity::insert(erased).exec_without_returning(&transaction).await.unwrap();
    transaction.commit().await.unwrap();
    let service = service(db, receiver.settings(&["call.completed"])).await;
    let webhooks = outbound::queue(service.results.link().clone());
    for n in [1, 2] {
        let told = json!({
            "endpoint": "crm", "event_id": format!("msg_{n}"), "call_sid": call_sid(n),
            "body": call_sid(n),
        });
        webhooks.enqueue(Entry::new(format!("msg_{n}"), told.to_string())).await.unwrap();
    }
    are_out(&service).await;
    let bodies: Vec<_> =
        receiver.received.lock().unwrap().iter().map(|(_, body)| body.clone()).collect();
    assert_eq!(bodies, [call_sid(2)]);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_takes_its_time_holds_up_no_other() {
    let receiver = Receiver::start(&[]).await;
    // It takes connections and answers none of them.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = receiver.settings(&["call.completed"]);
    let url = format!("http://{}/hook", silent.local_addr().unwrap());
    settings.endpoints.push(EndpointSettings {
        name: "slow".into(),
        url,
        secret: SECRET.to_owned().into(),
        events: vec!["call.failed".into()],
    });
    settings.timeout_seconds = 3600;
    let service = service(Db::sqlite().await, settings).await;
    let webhooks = outbound::queue(service.results.link().clone());
    let told = |n: u32, endpoint: &str| {
        let told = json!({
            "endpoint": endpoint, "event_id": format!("msg_{n}"), "call_sid": call_sid(n),
            "body": call_sid(n),
        });
        Entry::new(format!("msg_{n}"), told.to_string())
    };
    let slow: Vec<Entry> = (0..60).map(|n| told(n, "slow")).collect();
    webhooks.enqueue_batch(slow).await.unwrap();
    let (mut stuck, _) = silent.accept().await.unwrap();
    webhooks.enqueue(told(100, "crm")).await.unwrap();
    receiver.reaches(1).await;
    tokio::io::AsyncWriteExt::shutdown(&mut stuck).await.unwrap();
    drop(silent);
    service.process.stop().cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_leads_into_the_private_network_is_not_connected_to() {
    let inside = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    inside.set_nonblocking(true).unwrap();
    let mut settings = Receiver::start(&[]).await.settings(&["call.completed"]);
    settings.allow_private_targets = false;
    settings.endpoints[0].url =
        format!("https://localhost:{}/hook", inside.local_addr().unwrap().port());
    settings.validate().unwrap();
    let service = service(Db::sqlite().await, settings).await;
    service.publish(&usual(1, T, CALLER, "Austin")).await;
    eventually("it was tried", || async {
        let log = service.json("/v1/deliveries?endpoint=crm").await;
        log["deliveries"].as_array().is_some_and(|rows| {
            rows.len() >= 2 && rows.iter().all(|row| row["error"] == "no connection")
        })
    })
    .await;
    let knocked = inside.accept().map(drop).unwrap_err();
    assert_eq!(knocked.kind(), std::io::ErrorKind::WouldBlock, "nobody knocked");
    service.stop().await;
}

#[test]
fn endpoints_in_private_networks_are_refused_unless_allowed() {
    let settings = |url: &str, secret: &str| WebhookSettings {
        endpoints: vec![EndpointSettings {
            name: "crm".into(),
            url: url.to_owned(),
            secret: secret.to_owned().into(),
            events: vec![],
        }],
        ..WebhookSettings::default()
    };
    settings("https://crm.example/hook", SECRET).validate().unwrap();
    for (url, word) in [
        ("http://crm.example/hook", "not https"),
        ("https://169.254.169.254/latest", "not public"),
        ("https://[fd00::1]/", "not public"),
        ("https://0x7f000001/", "not public"),
        ("https://user:word@crm.example/", "user name"),
        ("crm.example", "is no URL"),
    ] {
        let sentence = settings(url, SECRET).validate().unwrap_err();
        assert!(sentence.contains("crm") && sentence.contains(word), "{url}: {sentence}");
    }
    let sentence = settings("https://crm.example/", "secret").validate().unwrap_err();
    assert!(sentence.contains("whsec_"), "{sentence}");
}
