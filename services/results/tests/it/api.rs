//! The service from the queue to the API.

use domain::EventKind;
use reqwest::Method;
use serde_json::json;

use crate::support::{
    Db,
    events::{call_sid, failed, of_call, of_recording, recording_sid, transcribed, usual},
    on_both,
    service::{Service, problem},
};

const T: i64 = 1_790_000_000_000;
const CALLER: &str = "+15125550123";

on_both! {
    async fn what_is_published_stands_in_the_api_and_the_queue_is_empty(db: Db) {
        let service = Service::start(db).await;
        service.publish(&usual(1, T, CALLER, "Austin")).await;
        service.is_idle().await;
        let call = service.json(&format!("/v1/calls/{}", call_sid(1))).await;
        assert_eq!(call["status"], "completed");
        assert_eq!(call["created_at"], "2026-09-21T14:13:20Z");
        assert_eq!(call["recordings"][0]["segments"], json!([{
            "speaker": "caller", "start_ms": 0, "end_ms": 1500, "confidence": 0.9,
            "text": "hello i need a locksmith in Austin",
        }]));
        assert_eq!(call["recordings"][0]["extraction"]["city"]["evidence"]["quote"], "Austin");
        assert!(call.get("fold").is_none());
        let leads = service.json("/v1/leads?phone=%2B15125550123").await;
        assert_eq!(leads["leads"][0]["city"], "Austin");
        assert_eq!(leads["leads"][0]["id"], call["lead_id"]);
        let queues = service.json("/v1/queues").await;
        assert_eq!(queues["queues"][1]["name"], "results");
        assert_eq!(queues["queues"][1]["stats"]["dead"], 0);
        assert!(service.process.checks().values().all(Result::is_ok));
        service.stop().await;
    }
}

on_both! {
    async fn one_call_tells_its_course_and_its_attempts_whatever_came_first(db: Db) {
        let mut events = usual(1, T, CALLER, "Austin");
        events.push(of_recording(1, 1, (0, 0, 2), T + 60, EventKind::Started));
        events[3].order.attempt = 2;
        events[3].at_ms = T + 90;
        events.push(of_recording(1, 1, (0, 0, 1), T + 40, failed("media_timeout", false)));
        events.reverse();
        for event in events {
            db.persist(&[event]).await.unwrap();
        }
        let service = Service::start(db).await;
        let call = service.json(&format!("/v1/calls/{}", call_sid(1))).await;
        let timeline: Vec<_> = call["timeline"]
            .as_array()
            .unwrap()
            .iter()
            .map(|moment| (moment["event"].as_str().unwrap(), moment["at"].as_str().unwrap()))
            .collect();
        assert_eq!(timeline, [
            ("observed", "2026-09-21T14:13:20Z"),
            ("queued", "2026-09-21T14:13:20.010Z"),
            ("started", "2026-09-21T14:13:20.020Z"),
            ("failed", "2026-09-21T14:13:20.040Z"),
            ("started", "2026-09-21T14:13:20.060Z"),
            ("transcribed", "2026-09-21T14:13:20.090Z"),
        ]);
        assert_eq!(call["timeline"][1]["code"], "callback");
        let of = |number| json!({ "generation": 0, "redrive": 0, "number": number });
        assert_eq!(call["attempt_history"], json!([
            {
                "recording_sid": recording_sid(1), "attempt": of(1), "outcome": "failed",
                "started_at": "2026-09-21T14:13:20.020Z", "ended_at": "2026-09-21T14:13:20.040Z",
                "error_code": "media_timeout", "error": "media_timeout happened",
            },
            {
                "recording_sid": recording_sid(1), "attempt": of(2), "outcome": "transcribed",
                "started_at": "2026-09-21T14:13:20.060Z", "ended_at": "2026-09-21T14:13:20.090Z",
                "error_code": null, "error": null,
            },
        ]));
        service.stop().await;
    }
}

on_both! {
    async fn calls_are_listed_newest_first_filtered_and_in_stretches(db: Db) {
        for call in 1..=7u32 {
            let city = if call % 2 == 0 { "Austin" } else { "Dallas" };
            // Two calls a time: the order within one is by SID.
            db.persist(&usual(call, T + i64::from(call / 2), CALLER, city)).await.unwrap();
        }
        db.persist(&[of_call(8, T + 90, EventKind::NoRecording { code: "none_listed".into() })])
            .await
            .unwrap();
        let service = Service::start(db).await;
        let mut seen = Vec::new();
        let mut path = "/v1/calls?limit=3".to_owned();
        loop {
            let page = service.json(&path).await;
            let rows = page["calls"].as_array().unwrap();
            seen.extend(rows.iter().map(|call| call["call_sid"].as_str().unwrap().to_owned()));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("/v1/calls?limit=3&cursor={cursor}");
        }
        let oldest = service.json("/v1/calls?sort=created_at&limit=2").await;
        let cursor = oldest["next_cursor"].as_str().unwrap();
        let next = service.json(&format!("/v1/calls?sort=created_at&limit=1&cursor={cursor}")).await;
        assert_eq!(oldest["calls"][1]["call_sid"], call_sid(2));
        assert_eq!(next["calls"][0]["call_sid"], call_sid(3));
        assert_eq!(seen, (1..=8).rev().map(call_sid).collect::<Vec<_>>());

        for (filter, count) in [
            ("status=no_recording", 1),
            ("status=completed", 7),
            ("city=Austin", 3),
            ("city=dallas", 4),
            ("service=locksmith&city=Austin", 3),
            ("service=plumber", 0),
            ("number=%2B15125550123", 7),
            ("language=en", 7),
            ("lead=1", 7),
            ("account=AC00000000000000000000000000000001", 8),
            ("account=AC00000000000000000000000000000002", 0),
            ("since=2026-09-21T14:13:20.003Z", 3),
            ("until=2026-09-21T14:13:20.001Z", 1),
        ] {
            let page = service.json(&format!("/v1/calls?{filter}")).await;
            assert_eq!(page["calls"].as_array().unwrap().len(), count, "{filter}");
        }
        service.stop().await;
    }
}

on_both! {
    async fn transcripts_are_searched_in_both_languages_with_the_place_that_was_found(db: Db) {
        for (call, text) in [
            (1, "I need a locksmith in Austin, please"),
            (2, "אני צריך מנעולן בעפולה דחוף"),
            (3, "a locksmith, and quickly"),
        ] {
            let kind = transcribed(text, None, None);
            db.persist(&[of_recording(call, call, (0, 0, 1), T, kind)]).await.unwrap();
        }
        // A correction takes the old words out of the search.
        let corrected = transcribed("a plumber, and quickly", None, None);
        db.persist(&[of_recording(3, 3, (1, 0, 1), T + 9, corrected)]).await.unwrap();
        let service = Service::start(db).await;
        for (text, found) in [
            ("LOCKSMITH", vec![1]),
            ("quickly", vec![3]),
            ("locksmith austin", vec![1]),
            ("locksmith quickly", vec![]),
            ("עפולה", vec![2]),
            ("caller", vec![3, 2, 1]),
        ] {
            let query = reqwest::Url::parse_with_params("http://x/v1/calls", [("q", text)]).unwrap();
            let page = service.json(&format!("/v1/calls?{}", query.query().unwrap())).await;
            let sids: Vec<_> =
                page["calls"].as_array().unwrap().iter().map(|call| call["call_sid"].clone()).collect();
            assert_eq!(json!(sids), json!(found.into_iter().map(call_sid).collect::<Vec<_>>()), "{text}");
        }
        let page = service.json("/v1/calls?q=locksmith").await;
        assert_eq!(page["calls"][0]["snippet"], json!([
            { "text": "caller: I need a ", "match": false },
            { "text": "locksmith", "match": true },
            { "text": " in Austin, please", "match": false },
        ]));
        let first = service.json("/v1/calls?q=caller&limit=2").await;
        let cursor = first["next_cursor"].as_str().unwrap();
        let rest = service.json(&format!("/v1/calls?q=caller&limit=2&cursor={cursor}")).await;
        assert_eq!(rest["calls"][0]["call_sid"], call_sid(1));
        assert_eq!(rest["next_cursor"], serde_json::Value::Null);
        problem(service.get("/v1/calls?q=%22").await, 422).await;
        let oldest = service.json("/v1/calls?q=caller&limit=2&sort=created_at").await;
        let cursor = oldest["next_cursor"].as_str().unwrap();
        let rest = service
            .json(&format!("/v1/calls?q=caller&sort=created_at&limit=2&cursor={cursor}"))
            .await;
        assert_eq!(oldest["calls"][0]["call_sid"], call_sid(1));
        assert_eq!(rest["calls"][0]["call_sid"], call_sid(3));
        service.stop().await;
    }
}

on_both! {
    async fn figures_by_day_count_what_ended_how_and_how_long_it_took(db: Db) {
        let day = 24 * 3600 * 1000;
        for call in 1..=4u32 {
            let mut events = usual(call, T, CALLER, "Austin");
            // Transcribed 10, 20, 30, 40 s after it was enqueued.
            events[3].at_ms = T + 10 + i64::from(call) * 10_000;
            db.persist(&events).await.unwrap();
        }
        db.persist(&[of_recording(5, 5, (0, 0, 3), T + day, failed("media_timeout", true))])
            .await
            .unwrap();
        let service = Service::start(db).await;
        let figures = service.json("/v1/statistics?from=2026-09-01&to=2026-09-30").await;
        assert_eq!(figures["days"], json!([
            {
                "day": "2026-09-21", "calls": 4, "by_status": { "completed": 4 },
                "failed_by_cause": {}, "cost_microusd": 2400,
                "time_to_transcript_ms": { "p50": 20_000, "p95": 40_000 },
            },
            {
                "day": "2026-09-22", "calls": 1, "by_status": { "failed": 1 },
                "failed_by_cause": { "media_timeout": 1 }, "cost_microusd": 0,
                "time_to_transcript_ms": { "p50": null, "p95": null },
            },
        ]));
        let short = service.json("/v1/statistics?from=2026-09-22&to=2026-09-22").await;
        assert_eq!(short["days"].as_array().unwrap().len(), 1);
        let other = "account=AC00000000000000000000000000000002&from=2026-09-01&to=2026-09-30";
        assert_eq!(service.json(&format!("/v1/statistics?{other}")).await["days"], json!([]));
        let own = "account=AC00000000000000000000000000000001&from=2026-09-01&to=2026-09-30";
        assert_eq!(service.json(&format!("/v1/statistics?{own}")).await["days"], figures["days"]);
        for (wrong, status) in [
            ("from=2026-09-22&to=2026-09-21", 422),
            ("from=2024-01-01&to=2026-01-01", 422),
            ("from=1", 400),
        ] {
            problem(service.get(&format!("/v1/statistics?{wrong}")).await, status).await;
        }
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_requests_are_answered_with_a_problem_that_names_what_is_wrong() {
    let service = Service::start(Db::sqlite().await).await;
    for (path, status, word) in [
        ("/", 404, "/v1"),
        ("/v1/nothing", 404, "nothing"),
        ("/v1/calls?colour=red", 400, "colour"),
        ("/v1/calls?status=done", 400, "observed, queued"),
        ("/v1/calls?status=failed&status=queued", 400, "more than once"),
        ("/v1/calls?limit=0", 400, "1 to 200"),
        ("/v1/calls?limit=201", 400, "1 to 200"),
        ("/v1/calls?cursor=x", 400, "next_cursor"),
        (
            "/v1/calls?cursor=9999999999999999999-CA00000000000000000000000000000001",
            400,
            "next_cursor",
        ),
        ("/v1/calls?city=", 400, "city"),
        ("/v1/calls?city=%00", 400, "NUL"),
        ("/v1/calls?since=yesterday", 400, "since"),
        ("/v1/calls?lead=one", 400, "lead"),
        ("/v1/calls/CA1", 400, "32 hexadecimal"),
        ("/v1/calls/CA00000000000000000000000000000009", 404, "no such call"),
        ("/v1/leads?phone=12", 400, "phone"),
        ("/v1/leads/99999999999999999999", 400, "id: a number from 1"),
        ("/v1/leads/99", 404, "no such lead"),
        ("/v1/queues?x=1", 400, "x"),
        ("/v1/queues/nothing/dead", 400, "calls, results, webhooks"),
        ("/v1/queues/calls/dead?cursor=x", 400, "1790000000000-0"),
        ("/v1/calls/CA00000000000000000000000000000009/transcript?format=pdf", 400, "srt, vtt"),
    ] {
        let detail = problem(service.get(path).await, status).await;
        assert!(detail.contains(word), "{path}: {detail}");
    }
    let deleted = service.request(Method::DELETE, "/v1/calls").send().await.unwrap();
    assert_eq!(deleted.headers()["allow"], "GET");
    problem(deleted, 405).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_tokens_only_who_knows_one_is_answered() {
    let token = "a-token-of-enough-length";
    let service = Service::with(Db::sqlite().await, |settings| {
        settings.api.tokens = Some(format!("another-long-token-to-rotate, {token}").into());
    })
    .await;
    let bare = service.get("/v1/calls").await;
    assert_eq!(bare.headers()["www-authenticate"], "Bearer");
    problem(bare, 401).await;
    for (token, status) in [("wrong", 401), (token, 200), ("another-long-token-to-rotate", 200)] {
        let request = service.request(Method::GET, "/v1/calls").bearer_auth(token);
        assert_eq!(request.send().await.unwrap().status(), status, "{token}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_allows_what_it_is_for_and_its_hash_in_the_settings_is_enough() {
    let service = Service::with(Db::sqlite().await, |settings| {
        let reader = "sha256:b4e1c7ae0c42bb01297270dbab447c2ad40471364df5856db660bc3c7af7908e";
        settings.api.tokens = Some(
            format!("read={reader}, write=a-token-for-writing, a-token-for-everything").into(),
        );
    })
    .await;
    let again = format!("/v1/calls/{}/transcribe-again", call_sid(9));
    let discard = "/v1/queues/results/dead/discard";
    for (token, statuses) in [
        ("a-token-for-reading", [200, 403, 403]),
        ("a-token-for-writing", [200, 404, 403]),
        ("a-token-for-everything", [200, 404, 200]),
    ] {
        let ask = |method, path| service.request(method, path).bearer_auth(token);
        let requests = [
            ask(Method::GET, "/v1/leads"),
            ask(Method::POST, &again),
            ask(Method::POST, discard).json(&json!({ "all": true })),
        ];
        for (request, status) in requests.into_iter().zip(statuses) {
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), status, "{token}");
            if status == 403 {
                let challenge = response.headers()["www-authenticate"].to_str().unwrap();
                assert!(challenge.contains("insufficient_scope"), "{challenge}");
            }
        }
    }
    assert_eq!(service.get("/v1/openapi.json").await.status(), 200, "it tells nothing of anybody");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_too_often_is_told_when_to_come_again_and_others_are_not_held_up() {
    let service = Service::with(Db::sqlite().await, |settings| {
        settings.api.tokens = Some("read=a-token-for-the-first, read=a-token-for-another".into());
        settings.api.requests_per_minute = 3;
    })
    .await;
    let ask = |token| service.request(Method::GET, "/v1/leads").bearer_auth(token).send();
    let first = ask("a-token-for-the-first").await.unwrap();
    assert_eq!(first.headers()["ratelimit-policy"], "\"default\";q=3;w=60");
    let left = first.headers()["ratelimit"].to_str().unwrap();
    assert!(left.starts_with("\"default\";r=2;t="), "{left}");
    for _ in 0..2 {
        assert_eq!(ask("a-token-for-the-first").await.unwrap().status(), 200);
    }
    let refused = ask("a-token-for-the-first").await.unwrap();
    assert!(refused.headers().contains_key("retry-after"));
    assert!(problem(refused, 429).await.contains("more than 3 requests a minute"));
    assert_eq!(ask("a-token-for-another").await.unwrap().status(), 200);
    // Guessing tokens is counted by address.
    for status in [401, 401, 401, 429] {
        problem(ask("a-guessed-token").await.unwrap(), status).await;
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_no_page_of_another_site_gets_an_answer() {
    let service = Service::start(Db::sqlite().await).await;
    let with = |name: &'static str, value: &'static str| {
        service.request(Method::GET, "/v1/calls").header(name, value).send()
    };
    problem(with("origin", "https://evil.example").await.unwrap(), 403).await;
    problem(with("host", "evil.example").await.unwrap(), 403).await;
    assert_eq!(with("host", "localhost:8081").await.unwrap().status(), 200);
    service.stop().await;
}

#[test]
fn without_a_token_the_api_refuses_to_listen_beyond_this_machine() {
    let mut settings = callscribe_results::ResultsSettings::default();
    settings.validate().unwrap();
    settings.api.listen = ([0, 0, 0, 0], 8081).into();
    let sentence = settings.validate().unwrap_err();
    assert!(sentence.contains("results.api.listen is 0.0.0.0:8081"), "{sentence}");
    settings.api.tokens = Some("a-token-of-enough-length".into());
    settings.validate().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transcript_is_read_as_text_subtitles_or_json() {
    let db = Db::sqlite().await;
    db.persist(&usual(1, T, CALLER, "Austin")).await.unwrap();
    let second = transcribed("and a ladder", None, None);
    db.persist(&[of_recording(1, 2, (0, 0, 1), T + 500, second)]).await.unwrap();
    db.persist(&[of_call(3, T, EventKind::Started)]).await.unwrap();
    let service = Service::start(db).await;
    let path = format!("/v1/calls/{}/transcript", call_sid(1));
    for (query, content_type, text) in [
        ("", "text/plain", "caller: hello i need a locksmith in Austin\ncaller: and a ladder\n"),
        ("?format=srt", "application/x-subrip", "2\n00:00:12,000 --> 00:00:13,500\ncaller: and"),
        ("?format=vtt", "text/vtt", "00:00:12.000 --> 00:00:13.500\n<v caller>and a ladder"),
    ] {
        let response = service.get(&format!("{path}{query}")).await;
        assert!(response.headers()["content-type"].to_str().unwrap().starts_with(content_type));
        let body = response.text().await.unwrap();
        assert!(body.contains(text), "{body}");
    }
    let one = format!("{path}?format=json&recording={}", recording_sid(2));
    let json = service.json(&one).await;
    assert_eq!(json["segments"][0]["text"], "and a ladder");
    assert_eq!(json["segments"][0]["start_ms"], 0);
    let none = service.get(&format!("/v1/calls/{}/transcript", call_sid(3))).await;
    assert!(problem(none, 404).await.contains("the call is queued"));
    service.stop().await;
}
