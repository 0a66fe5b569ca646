//! What is refused, and how.

use callscribe_ingest::IngestSettings;
use metrics_exporter_prometheus::PrometheusBuilder;
use twilio::signature;

use crate::support::{Mood, Running, TOKEN, call_form, recording_form, recording_json};

const RECORDING: &str = "/webhooks/twilio/recording";
const CALL: &str = "/webhooks/twilio/call";

#[tokio::test]
async fn a_wrong_a_foreign_and_a_missing_signature_are_forbidden() {
    let running = Running::start().await;
    let form = recording_form();
    let of_another_path = running.signature(CALL, &form);
    for shown in ["", "bm9uc2Vuc2U=", &of_another_path] {
        let request = running.request(RECORDING, &form).header(signature::HEADER, shown);
        assert_eq!(request.send().await.unwrap().status(), 403, "{shown:?}");
    }
    assert_eq!(running.request(RECORDING, &form).send().await.unwrap().status(), 403);
    let tampered = form.replace("RecordingDuration=17", "RecordingDuration=18");
    let signed = running.signature(RECORDING, &form);
    let request = running.request(RECORDING, &tampered).header(signature::HEADER, signed);
    assert_eq!(request.send().await.unwrap().status(), 403);
    assert!(running.given().is_empty());
}

#[tokio::test]
async fn an_account_that_is_not_served_is_forbidden_however_it_is_signed() {
    let running = Running::start().await;
    let form = recording_form().replace(&format!("AC{:032x}", 1), &format!("AC{:032x}", 9));
    assert_eq!(running.post(RECORDING, &form).await.status(), 403);
    assert!(running.given().is_empty());
}

#[tokio::test]
async fn what_is_missing_or_malformed_is_named_in_one_line_and_not_repeated() {
    let running = Running::start().await;
    let sid = format!("RE{:032x}", 3);
    for (form, named) in [
        (recording_form().replace(&sid, "RE%3Cscript%3E"), "RecordingSid is malformed"),
        (recording_form().replace(&sid, ""), "RecordingSid is missing"),
        (recording_form().replace("CallSid=", "CallSit="), "CallSid is missing"),
        (recording_form().replace("AccountSid=", "x="), "AccountSid is missing"),
        (recording_form().replace("AccountSid=AC", "AccountSid=XX"), "AccountSid is malformed"),
        (String::new(), "AccountSid is missing"),
    ] {
        let answer = running.post(RECORDING, &form).await;
        assert_eq!(answer.status(), 400, "{form}");
        let line = answer.text().await.unwrap();
        assert!(line.starts_with(named) && !line.contains("script"), "{line}");
        assert_eq!(line.matches('\n').count(), 1);
    }
    assert!(running.given().is_empty());
}

#[tokio::test]
async fn a_body_beyond_64_kib_is_too_large_whether_its_length_is_said_or_not() {
    let running = Running::start().await;
    let body = format!("{}&x={}", recording_form(), "y".repeat(64 * 1024));
    assert_eq!(running.post(RECORDING, &body).await.status(), 413);
    let pieces = vec![Ok::<_, std::io::Error>(body.clone().into_bytes())];
    let chunked = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    let answer = running.request(RECORDING, "").body(chunked).send().await.unwrap();
    assert_eq!(answer.status(), 413);
    let just = format!("{}&x=", recording_form());
    let just = format!("{just}{}", "y".repeat(64 * 1024 - just.len()));
    assert_eq!(running.post(RECORDING, &just).await.status(), 204);
}

#[tokio::test]
async fn only_forms_and_json_are_taken() {
    let running = Running::start().await;
    let client = reqwest::Client::new();
    for content_type in ["application/jsonp", "text/plain", "multipart/form-data; boundary=x"] {
        let request = client.post(format!("{}{RECORDING}", running.url));
        let request = request.header("content-type", content_type).body(recording_form());
        assert_eq!(request.send().await.unwrap().status(), 415, "{content_type}");
    }
    let request = client.post(format!("{}{RECORDING}", running.url)).body("");
    assert_eq!(request.send().await.unwrap().status(), 415);
}

#[tokio::test]
async fn json_without_the_digest_of_its_body_in_the_signed_url_is_forbidden() {
    let running = Running::start().await;
    let json = recording_json();
    assert_eq!(running.post_json(RECORDING, &json, "another body").await.status(), 403);
    let url = format!("{}{RECORDING}", running.url);
    let request = reqwest::Client::new()
        .post(&url)
        .header("content-type", "application/json")
        .header(signature::HEADER, signature::sign_url(&TOKEN.into(), &url))
        .body(json);
    assert_eq!(request.send().await.unwrap().status(), 403);
    assert!(running.given().is_empty());
}

#[tokio::test]
async fn what_is_said_to_be_json_and_is_none_is_malformed() {
    let running = Running::start().await;
    for body in ["", "[]", "AccountSid=AC1", "{\"AccountSid\":"] {
        let answer = running.post_json(RECORDING, body, body).await;
        assert_eq!(answer.status(), 400, "{body}");
        assert_eq!(answer.text().await.unwrap(), "the body is no JSON object\n");
    }
}

#[tokio::test]
async fn callbacks_are_posted_and_come_to_two_paths() {
    let running = Running::start().await;
    let answer = reqwest::get(format!("{}{RECORDING}", running.url)).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["allow"]),
        (405, &"POST".parse().unwrap())
    );
    for path in ["/", "/webhooks/twilio/recordings", "/webhooks/twilio/recording/"] {
        assert_eq!(running.post(path, &recording_form()).await.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn a_queue_that_cannot_take_work_is_told_with_retry_after() {
    for mood in [Mood::Refusing, Mood::Silent] {
        let settings = IngestSettings { enqueue_timeout_ms: 50, ..Default::default() };
        let running = Running::with(settings, mood).await;
        for (path, form) in [(RECORDING, recording_form()), (CALL, call_form("completed"))] {
            let answer = running.post(path, &form).await;
            assert_eq!(answer.status(), 503);
            assert_eq!(answer.headers()["retry-after"], "5");
            assert_eq!(answer.text().await.unwrap(), "not possible right now\n");
        }
    }
}

#[tokio::test]
async fn every_answer_names_its_request() {
    let running = Running::start().await;
    let taken = running.post(RECORDING, &recording_form()).await;
    let refused = running.request(RECORDING, "").send().await.unwrap();
    let id = |answer: &reqwest::Response| answer.headers()["x-request-id"].clone();
    assert_ne!(id(&taken), id(&refused));
}

// The counters of a thread: this test and its server share one.
#[tokio::test(flavor = "current_thread")]
async fn every_outcome_is_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let running = Running::start().await;
    let form = recording_form();
    running.post(RECORDING, &form).await;
    running.post(RECORDING, &form).await;
    running.post(RECORDING, &form.replace("completed", "in-progress")).await;
    running.post(RECORDING, &form.replace("RecordingSid", "x")).await;
    for _ in 0..3 {
        running.post(CALL, &call_form("completed")).await;
    }
    running.request(CALL, &call_form("completed")).send().await.unwrap();
    running.post("/elsewhere", &form).await;
    let text = metrics.render();
    for line in [
        "{kind=\"recording\",outcome=\"accepted\"} 1",
        "{kind=\"recording\",outcome=\"duplicate\"} 1",
        "{kind=\"recording\",outcome=\"ignored\"} 1",
        "{kind=\"recording\",outcome=\"malformed\"} 1",
        "{kind=\"call\",outcome=\"accepted\"} 1",
        "{kind=\"call\",outcome=\"duplicate\"} 2",
        "{kind=\"call\",outcome=\"wrong_signature\"} 1",
        "{kind=\"none\",outcome=\"not_found\"} 1",
    ] {
        assert!(text.contains(&format!("ingest_callbacks_total{line}")), "{line}\n{text}");
    }
    assert!(text.contains("ingest_callback_seconds_count 9"), "{text}");
}
