//! A recording's audio.

use reqwest::{Method, Response};
use twilio::double::{Double, DoubleRecording, Fault};

use crate::support::{
    Db,
    events::{account, call_sid, of_recording, recording_sid, transcribed, usual},
    service::{Service, problem},
};

const T: i64 = 1_790_000_000_000;
const CALLER: &str = "+15125550123";
const SECRET: &str = "the-secret-of-the-account";

/// A service with one call of two recordings, and the Twilio it asks.
async fn stage(change: impl FnOnce(&mut DoubleRecording)) -> (Service, Double) {
    let db = Db::sqlite().await;
    db.persist(&usual(1, T, CALLER, "Austin")).await.unwrap();
    let second = transcribed("and a ladder", None, None);
    db.persist(&[of_recording(1, 2, (0, 0, 1), T + 500, second)]).await.unwrap();
    let twilio = Double::start(account().parse().unwrap(), SECRET).await.unwrap();
    let mut first = recording(1, b"0123456789");
    change(&mut first);
    twilio.add_recording(first);
    twilio.add_recording(recording(2, b"second"));
    let service = Service::configured(db, |config| {
        config.twilio = twilio.settings();
        config.twilio.max_retries = 0;
        config.results.reconcile.enabled = false;
    })
    .await;
    (service, twilio)
}

fn recording(number: u32, media: &'static [u8]) -> DoubleRecording {
    let sid = recording_sid(number).parse().unwrap();
    DoubleRecording::new(sid, call_sid(1).parse().unwrap(), media)
}

async fn get(service: &Service, query: &str, headers: &[(&'static str, &str)]) -> Response {
    let path = format!("/v1/calls/{}/audio{query}", call_sid(1));
    let mut request = service.request(Method::GET, &path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

fn header<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_is_played_whole_and_from_anywhere_whether_twilio_gives_parts_or_not() {
    for (gives_parts, redirected) in [(true, false), (true, true), (false, false)] {
        let (service, twilio) = stage(|first| {
            first.gives_parts = gives_parts;
            first.redirected = redirected;
        })
        .await;
        let whole = get(&service, "", &[]).await;
        assert_eq!(whole.status(), 200);
        assert_eq!(header(&whole, "content-type"), Some("audio/x-wav"));
        assert_eq!(header(&whole, "content-length"), Some("10"));
        assert_eq!(header(&whole, "accept-ranges"), Some("bytes"));
        let tag = header(&whole, "etag").unwrap().to_owned();
        assert!(!format!("{:?}", whole.headers()).contains(SECRET));
        assert_eq!(whole.text().await.unwrap(), "0123456789");

        for (range, told, bytes) in [
            ("bytes=2-4", "bytes 2-4/10", "234"),
            ("bytes=8-", "bytes 8-9/10", "89"),
            ("bytes=-3", "bytes 7-9/10", "789"),
            ("bytes=5-500", "bytes 5-9/10", "56789"),
        ] {
            let part = get(&service, "", &[("range", range), ("if-range", &tag)]).await;
            assert_eq!(part.status(), 206, "{range}");
            assert_eq!(header(&part, "content-range"), Some(told));
            assert_eq!(header(&part, "content-length"), Some(bytes.len().to_string().as_str()));
            assert_eq!(part.text().await.unwrap(), bytes);
        }
        problem(get(&service, "", &[("range", "bytes=10-")]).await, 416).await;
        for ignored in
            [vec![("range", "bytes=0-1,3-4")], vec![("range", "bytes=0-1"), ("if-range", "\"x\"")]]
        {
            let whole = get(&service, "", &ignored).await;
            assert_eq!((whole.status().as_u16(), whole.text().await.unwrap().len()), (200, 10));
        }
        assert!(!twilio.storage_saw_credentials());
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_several_recordings_is_played_and_one_that_is_gone_is_said_to_be() {
    let (service, twilio) = stage(|first| first.not_ready_times = 1).await;
    let second = format!("?recording={}", recording_sid(2));
    assert_eq!(get(&service, &second, &[]).await.text().await.unwrap(), "second");
    let detail = problem(get(&service, "", &[]).await, 404).await;
    assert!(detail.contains("or not yet"), "{detail}");
    assert_eq!(get(&service, "", &[]).await.status(), 200);
    let other = format!("?recording={}", recording_sid(9));
    problem(get(&service, &other, &[]).await, 404).await;
    problem(get(&service, "?format=mp3", &[]).await, 404).await;

    for (fault, status) in [
        (Fault::Unavailable, 503),
        (Fault::TooManyRequests { retry_after_seconds: Some(7) }, 503),
        (Fault::Nonsense, 502),
    ] {
        twilio.inject(fault, 1);
        let response = get(&service, "", &[]).await;
        if let Fault::TooManyRequests { .. } = fault {
            assert_eq!(header(&response, "retry-after"), Some("7"));
        }
        problem(response, status).await;
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_that_retention_deleted_is_gone_without_asking_twilio() {
    let db = Db::sqlite().await;
    db.persist(&usual(1, T, CALLER, "Austin")).await.unwrap();
    db.execute("UPDATE recordings SET media_deleted_at = '2026-10-01 00:00:00+00:00'").await;
    let service = Service::start(db).await;
    problem(get(&service, "", &[]).await, 410).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_account_there_is_no_audio_and_the_answer_says_why() {
    let db = Db::sqlite().await;
    db.persist(&usual(1, T, CALLER, "Austin")).await.unwrap();
    let service = Service::start(db).await;
    let detail = problem(get(&service, "", &[]).await, 404).await;
    assert!(detail.contains("no Twilio account is configured"), "{detail}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_kept_outside_twilio_is_played_from_there_or_the_answer_says_where_it_is() {
    let (service, twilio) = stage(|_| {}).await;
    let outside = twilio.storage_base().replace("127.0.0.1", "localhost");
    let external = Some(format!("{outside}/{}", recording_sid(1)));
    twilio.add_recording(DoubleRecording { external, ..recording(1, b"0123456789") });
    let external = Some(format!("{outside}/lost"));
    twilio.add_recording(DoubleRecording { external, ..recording(2, b"second") });
    assert_eq!(get(&service, "", &[]).await.text().await.unwrap(), "0123456789");
    let part = get(&service, "", &[("range", "bytes=2-4")]).await;
    assert_eq!(header(&part, "content-range"), Some("bytes 2-4/10"));
    assert_eq!(part.text().await.unwrap(), "234");
    let lost = format!("?recording={}", recording_sid(2));
    let detail = problem(get(&service, &lost, &[]).await, 502).await;
    assert!(detail.contains("outside Twilio, at localhost"), "{detail}");
    assert!(!twilio.storage_saw_credentials());
    service.stop().await;
}
