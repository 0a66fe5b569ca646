//! What is taken, and what becomes of it.

use std::time::Duration;

use callscribe_ingest::{Alias, IngestSettings, Kind, Target};
use domain::{CallEvent, CallJob, EventKind, JobSource};
use twilio::double::{DoubleCall, DoubleRecording};

use crate::support::{
    Mood, Running, account, call, call_form, recording, recording_form, recording_json,
};

const RECORDING: &str = "/webhooks/twilio/recording";
const CALL: &str = "/webhooks/twilio/call";

fn job(body: &str) -> CallJob {
    serde_json::from_str(body).unwrap()
}

fn event(body: &str) -> CallEvent {
    serde_json::from_str(body).unwrap()
}

#[tokio::test]
async fn a_finished_recording_becomes_a_job_with_its_queued_event() {
    let running = Running::start().await;
    running.double.add_recording(DoubleRecording::new(recording(), call(), "RIFF"));
    let url = format!("{}{RECORDING}#rc=5&rp=all", running.url);
    let status = running.double.post_recording_callback(&url, &recording()).await.unwrap();
    assert_eq!(status, 204);
    let given = running.given();
    let [(Target::Calls, entry)] = given.as_slice() else { panic!("{given:?}") };
    let expected = CallJob::Transcribe {
        account_sid: account(),
        call_sid: call(),
        recording_sid: recording(),
        generation: 0,
        source: JobSource::Callback,
    };
    assert_eq!(job(&entry.body), expected);
    assert_eq!((entry.key.as_str(), entry.delay), (call().as_str(), Duration::ZERO));
    let [queued] = entry.emit.as_slice() else { panic!("{entry:?}") };
    assert_eq!(queued.queue, "results");
    let queued = event(&queued.entry.body);
    assert_eq!(queued.kind, EventKind::Queued { source: JobSource::Callback });
}

#[tokio::test]
async fn a_callback_in_json_is_the_same_as_in_a_form() {
    let running = Running::start().await;
    let json = recording_json();
    assert_eq!(running.post_json(RECORDING, &json, &json).await.status(), 204);
    assert_eq!(running.post(RECORDING, &recording_form()).await.status(), 204);
    let given = running.given();
    let [(Target::Calls, entry)] = given.as_slice() else { panic!("{given:?}") };
    assert_eq!(job(&entry.body).once_key(), format!("transcribe:{}:0", recording()));
}

#[tokio::test]
async fn an_end_that_nobody_says_is_looked_into_beside_the_certain_one() {
    let running = Running::start().await;
    let ids = format!("AccountSid={}&CallSid={}", account(), call());
    for more in ["&StreamEvent=stream-started", "&StreamEvent=stream-stopped", ""] {
        assert_eq!(running.post(CALL, &format!("{ids}{more}")).await.status(), 204);
    }
    running.post(CALL, &call_form("completed")).await;
    let once: Vec<_> = running
        .given()
        .into_iter()
        .map(|(_, entry)| Some(entry.emit.first()?.entry.once.clone()?.key))
        .collect();
    let certain = format!("resolve:{}", call());
    let presumed = Some(format!("{certain}:presumed"));
    assert_eq!(once, [None, presumed.clone(), presumed, Some(certain)]);
}

#[tokio::test]
async fn the_same_callback_twice_is_one_job_and_both_are_answered_well() {
    let running = Running::start().await;
    for _ in 0..2 {
        let answer = running.post(RECORDING, &recording_form()).await;
        assert_eq!(answer.status(), 204);
    }
    assert_eq!(running.given().len(), 1);
}

#[tokio::test]
async fn the_end_of_a_call_is_observed_and_its_recordings_are_looked_up_later() {
    let settings = IngestSettings { resolve_delay_seconds: 45, ..Default::default() };
    let running = Running::with(settings, Mood::Willing).await;
    running.double.add_call(DoubleCall::inbound(call(), "+15125550123", "+15125550199"));
    let url = format!("{}{CALL}", running.url);
    assert_eq!(running.double.post_call_callback(&url, &call()).await.unwrap(), 204);
    let given = running.given();
    let [(Target::Results, entry)] = given.as_slice() else { panic!("{given:?}") };
    let EventKind::Observed(seen) = event(&entry.body).kind else { panic!("{entry:?}") };
    assert_eq!(seen.from.as_deref(), Some("+15125550123"));
    assert_eq!(seen.call_status.as_deref(), Some("completed"));
    let [look_up] = entry.emit.as_slice() else { panic!("{entry:?}") };
    assert_eq!(look_up.queue, "calls");
    assert_eq!(look_up.entry.delay, Duration::from_secs(45));
    assert!(look_up.entry.once.is_some());
    let expected = CallJob::Resolve {
        account_sid: account(),
        call_sid: call(),
        source: JobSource::CallStatus,
    };
    assert_eq!(job(&look_up.entry.body), expected);
}

#[tokio::test]
async fn a_second_end_of_a_call_is_observed_too() {
    let running = Running::start().await;
    for _ in 0..2 {
        assert_eq!(running.post(CALL, &call_form("completed")).await.status(), 204);
    }
    let targets: Vec<_> = running.given().into_iter().map(|(target, _)| target).collect();
    assert_eq!(targets, [Target::Results, Target::Results]);
}

#[tokio::test]
async fn a_call_that_goes_on_or_was_not_answered_is_only_observed() {
    let running = Running::start().await;
    for status in ["ringing", "in-progress", "busy", "no-answer", "dreaming"] {
        assert_eq!(running.post(CALL, &call_form(status)).await.status(), 204);
    }
    let given = running.given();
    assert_eq!(given.len(), 5);
    assert!(
        given.iter().all(|(target, entry)| *target == Target::Results && entry.emit.is_empty())
    );
}

#[tokio::test]
async fn a_recording_in_progress_is_answered_and_nothing_is_done() {
    let running = Running::start().await;
    let form = recording_form().replace("completed", "in-progress");
    assert_eq!(running.post(RECORDING, &form).await.status(), 204);
    assert!(running.given().is_empty());
}

#[tokio::test]
async fn an_absent_recording_is_an_event() {
    let running = Running::start().await;
    let form = recording_form().replace("completed", "absent");
    assert_eq!(running.post(RECORDING, &form).await.status(), 204);
    let given = running.given();
    let [(Target::Results, entry)] = given.as_slice() else { panic!("{given:?}") };
    let expected = EventKind::NoRecording { code: "absent".into() };
    assert_eq!(event(&entry.body).kind, expected);
}

#[tokio::test]
async fn behind_a_proxy_the_public_url_is_what_is_signed() {
    let settings = IngestSettings {
        public_url: Some("https://Example.com/scribe".parse().unwrap()),
        ..Default::default()
    };
    let running = Running::with(settings, Mood::Willing).await;
    running.double.add_recording(DoubleRecording::new(recording(), call(), "RIFF"));
    let form = running.double.recording_form(&recording());
    let public = format!("https://Example.com/scribe{RECORDING}?tenant=7");
    for prefix in ["", "/scribe"] {
        let url = format!("{}{prefix}{RECORDING}?tenant=7", running.url);
        assert_eq!(running.double.post(&url, &public, &form).await.unwrap(), 204, "{prefix:?}");
        assert_eq!(running.double.post(&url, &url, &form).await.unwrap(), 403, "{prefix:?}");
    }
}

#[tokio::test]
async fn a_prefix_may_begin_as_our_own_paths_do() {
    for base in ["/webhooks", "/webhooks/twilio"] {
        let public = format!("https://example.com{base}");
        let settings =
            IngestSettings { public_url: Some(public.parse().unwrap()), ..Default::default() };
        let running = Running::with(settings, Mood::Willing).await;
        running.double.add_recording(DoubleRecording::new(recording(), call(), "RIFF"));
        let form = running.double.recording_form(&recording());
        let public = format!("{public}{RECORDING}");
        for prefix in ["", base] {
            let url = format!("{}{prefix}{RECORDING}", running.url);
            assert_eq!(running.double.post(&url, &public, &form).await.unwrap(), 204, "{url}");
        }
    }
}

#[tokio::test]
async fn a_predecessor_s_path_works_and_is_answered_as_twilio_expects_there() {
    let alias = |path: &str, kind, twiml| Alias { path: path.into(), kind, twiml };
    let settings = IngestSettings {
        aliases: vec![
            alias("/webhook/handle_recording", Kind::Recording, true),
            alias("/webhook/call_status", Kind::Call, false),
        ],
        ..Default::default()
    };
    let running = Running::with(settings, Mood::Willing).await;
    let answer = running.post("/webhook/handle_recording", &recording_form()).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/xml; charset=utf-8");
    assert!(answer.text().await.unwrap().ends_with("<Response/>"));
    let answer = running.post("/webhook/call_status", &call_form("completed")).await;
    assert_eq!(answer.status(), 204);
    assert_eq!(running.given().len(), 2);
}

#[tokio::test]
async fn the_caller_on_the_line_hears_of_no_recording_that_is_not_named() {
    let alias = Alias { path: "/webhook/dialled".into(), kind: Kind::Recording, twiml: true };
    let settings = IngestSettings { aliases: vec![alias], ..Default::default() };
    let running = Running::with(settings, Mood::Willing).await;
    let answer = running.post("/webhook/dialled", &call_form("in-progress")).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.text().await.unwrap().ends_with("<Response/>"));
    let given = running.given();
    let [(Target::Results, entry)] = given.as_slice() else { panic!("{given:?}") };
    let [look_up] = entry.emit.as_slice() else { panic!("{entry:?}") };
    assert!(matches!(job(&look_up.entry.body), CallJob::Resolve { .. }));
}

#[tokio::test]
async fn unsigned_callbacks_are_taken_where_that_is_switched_on() {
    let settings = IngestSettings { accept_unsigned: true, ..Default::default() };
    let running = Running::with(settings, Mood::Willing).await;
    let answer = running.request(RECORDING, &recording_form()).send().await.unwrap();
    assert_eq!(answer.status(), 204);
}
