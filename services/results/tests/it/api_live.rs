//! Live changes.

use reqwest::{Method, Response};
use serde_json::Value;

use crate::support::{
    Db,
    events::{call_sid, of_recording, transcribed, usual},
    on_both,
    service::{Service, problem},
};

const T: i64 = 1_790_000_000_000;
const CALLER: &str = "+15125550123";

/// What a listener hears, line by line.
struct Listener {
    response: Response,
    heard: String,
}

impl Listener {
    async fn start(service: &Service, query: &str, last: Option<&str>) -> Self {
        let mut request = service.request(Method::GET, &format!("/v1/events{query}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut listener = Self { response, heard: String::new() };
        // The first words come at once: from here on nothing is missed.
        let welcome = listener.block().await.unwrap();
        assert!(welcome.starts_with("retry: "), "{welcome}");
        listener
    }

    /// Up to the next empty line; `None` when the service ends it.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.heard.split_once("\n\n") {
                let block = block.to_owned();
                self.heard = rest.to_owned();
                return Some(block);
            }
            let piece = self.response.chunk().await.unwrap()?;
            self.heard.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }

    /// The next event: its id, its type, its data.
    async fn event(&mut self) -> (String, String, Value) {
        let block = loop {
            let block = self.block().await.unwrap();
            if !block.starts_with(':') {
                break block;
            }
        };
        let line = |name: &str| {
            let value = block.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            value.trim_start_matches(": ").to_owned()
        };
        (line("id"), line("event"), serde_json::from_str(&line("data")).unwrap())
    }
}

on_both! {
    async fn a_listener_hears_what_happens_on_any_replica_and_resumes_where_it_was_cut_off(db: Db) {
        let (store, projection) = (db.store.clone(), db.projection());
        projection.persist(&usual(9, T, "+15125550999", "Dallas")).await.unwrap();
        let service = Service::start(db).await;
        let mut listener = Listener::start(&service, "", None).await;
        // Written by somebody else: as another replica's projection would.
        projection.persist(&usual(1, T, CALLER, "Austin")).await.unwrap();
        let (first, kind, lead) = listener.event().await;
        assert_eq!((kind.as_str(), &lead["data"]["lead"]["city"]), ("lead.updated", &"Austin".into()));
        let (_, kind, call) = listener.event().await;
        assert_eq!(kind, "call.completed");
        assert_eq!(call["data"]["call"]["call_sid"], call_sid(1));
        assert!(call["id"].as_str().unwrap().starts_with("msg_"));
        drop(listener);

        let better = transcribed("in Waco", None, Some(("Waco", 0.97)));
        projection.persist(&[of_recording(1, 1, (1, 0, 1), T + 99, better)]).await.unwrap();
        for (query, last) in [
            (String::new(), Some(first.as_str())),
            (format!("?after={first}"), None),
            ("?after=0".to_owned(), Some(first.as_str())),
        ] {
            let mut resumed = Listener::start(&service, &query, last).await;
            let mut heard = Vec::new();
            for _ in 0..3 {
                heard.push(resumed.event().await.1);
            }
            assert_eq!(heard, ["call.completed", "lead.updated", "call.completed"], "{query}");
        }
        // Beyond the last one is an id of a database that was restored since.
        for after in ["0", "1000"] {
            let mut all = Listener::start(&service, &format!("?after={after}"), None).await;
            assert_eq!(all.event().await.2["data"]["lead"]["city"], "Dallas");
        }
        drop(store);
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listeners_are_let_go_when_the_service_stops_and_no_more_come_than_there_are_places() {
    let service = Service::start(Db::sqlite().await).await;
    let mut listeners = Vec::new();
    for _ in 0..100 {
        listeners.push(Listener::start(&service, "", None).await);
    }
    problem(service.get("/v1/events").await, 503).await;
    listeners.truncate(1);
    crate::support::eventually("a place is free again", || async {
        service.get("/v1/events").await.status() == 200
    })
    .await;
    for (path, word) in [("/v1/events?after=x", "after"), ("/v1/events?since=1", "since")] {
        assert!(problem(service.get(path).await, 400).await.contains(word));
    }
    let wrong = service.request(Method::GET, "/v1/events").header("last-event-id", "x").send();
    problem(wrong.await.unwrap(), 400).await;
    let mut last = listeners.remove(0);
    let (ended, ()) = tokio::join!(async { last.block().await }, service.stop());
    assert_eq!(ended, None);
}
