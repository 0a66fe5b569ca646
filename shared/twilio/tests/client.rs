//! The client against the double.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use callscribe_twilio::{
    ByteRange, Client, Days, MediaFormat, RecordingStatus, Stretch, TwilioError, TwilioSettings,
    double::{Double, DoubleCall, DoubleRecording, Fault},
};
use domain::{AccountSid, CallSid, RecordingSid};
use futures_util::StreamExt;

fn account() -> AccountSid {
    format!("AC{:032x}", 1).parse().unwrap()
}

fn call(n: u32) -> CallSid {
    format!("CA{n:032x}").parse().unwrap()
}

fn recording(n: u32) -> RecordingSid {
    format!("RE{n:032x}").parse().unwrap()
}

async fn double() -> Double {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Double::start(account(), "token").await.unwrap()
}

async fn double_and_client() -> (Double, Client) {
    let double = double().await;
    let client = Client::new(&double.settings()).unwrap();
    (double, client)
}

async fn bytes_of(client: &Client, n: u32, channels: Option<u8>) -> Result<Vec<u8>, TwilioError> {
    let media = client.media(&account(), &recording(n), MediaFormat::Wav, channels).await?;
    let pieces: Vec<_> = media.into_stream().collect().await;
    Ok(pieces.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
}

#[tokio::test]
async fn a_part_of_a_recording_comes_as_such_through_a_redirect_too_and_else_the_whole() {
    let (double, client) = double_and_client().await;
    for (n, redirected, gives_parts) in [(1, false, true), (2, true, true), (3, false, false)] {
        let media = DoubleRecording::new(recording(n), call(1), "0123456789");
        double.add_recording(DoubleRecording { redirected, gives_parts, ..media });
        let (account, recording) = (account(), recording(n));
        let part = async |range| {
            client.media_part(&account, &recording, MediaFormat::Wav, Some(range)).await
        };
        let media = part(ByteRange::From(2, Some(4))).await.unwrap();
        let told = gives_parts.then_some(Stretch { first: 2, last: 4, whole: 10 });
        assert_eq!(media.stretch, told);
        let pieces: Vec<_> = media.into_stream().map(Result::unwrap).collect().await;
        assert_eq!(pieces.concat(), if gives_parts { "234" } else { "0123456789" }.as_bytes());
        if gives_parts {
            let beyond = part(ByteRange::From(10, None)).await.unwrap_err();
            assert!(matches!(beyond, TwilioError::Api { status: 416, .. }), "{beyond}");
        }
    }
    assert!(!double.storage_saw_credentials());
}

#[tokio::test]
async fn a_call_and_its_recordings_are_read() {
    let (double, client) = double_and_client().await;
    double.add_call(DoubleCall::inbound(call(1), "+15125550123", "+15125550199"));
    double.add_recording(DoubleRecording::new(recording(1), call(1), "one"));
    double.add_recording(DoubleRecording::new(recording(2), call(1), "two"));
    double.add_recording(DoubleRecording::new(recording(3), call(2), "other"));

    let details = client.call(&account(), &call(1)).await.unwrap();
    assert_eq!(details.from.as_deref(), Some("+15125550123"));
    assert_eq!(details.duration_seconds, Some(30));
    let mut sids: Vec<_> = client
        .recordings_of_call(&account(), &call(1))
        .await
        .unwrap()
        .into_iter()
        .map(|recording| recording.sid)
        .collect();
    sids.sort();
    assert_eq!(sids, [recording(1), recording(2)]);
    let one = client.recording(&account(), &recording(1)).await.unwrap();
    assert_eq!((one.status, one.external_media), (RecordingStatus::Completed, None));
}

#[tokio::test]
async fn media_is_not_there_at_first_and_then_it_is() {
    let (double, client) = double_and_client().await;
    let mut late = DoubleRecording::new(recording(1), call(1), "RIFF");
    late.not_ready_times = 2;
    double.add_recording(late);
    for _ in 0..2 {
        let error = bytes_of(&client, 1, None).await.unwrap_err();
        assert!(matches!(error, TwilioError::NotFound { code: Some(20404) }), "{error:?}");
    }
    assert_eq!(bytes_of(&client, 1, None).await.unwrap(), b"RIFF");
    assert_eq!(double.media_requests(&recording(1)), 3);
    assert_eq!(double.media_served(&recording(1)), 1);
}

#[tokio::test]
async fn two_channels_of_a_mono_recording_are_refused_with_twilio_s_code() {
    let (double, client) = double_and_client().await;
    double.add_recording(DoubleRecording::new(recording(1), call(1), "mono"));
    let error = bytes_of(&client, 1, Some(2)).await.unwrap_err();
    assert_eq!(error.code(), Some(TwilioError::MONO_ONLY));
    assert_eq!(bytes_of(&client, 1, None).await.unwrap(), b"mono");
}

#[tokio::test]
async fn both_channels_come_only_when_they_are_asked_for() {
    let (double, client) = double_and_client().await;
    let mut dual = DoubleRecording::new(recording(1), call(1), "both");
    dual.channels = 2;
    dual.mixed = Some("mixed".into());
    double.add_recording(dual);
    assert_eq!(bytes_of(&client, 1, Some(2)).await.unwrap(), b"both");
    assert_eq!(bytes_of(&client, 1, None).await.unwrap(), b"mixed");
}

#[tokio::test]
async fn there_is_no_mp3_of_an_encrypted_recording() {
    let (double, client) = double_and_client().await;
    let mut encrypted = DoubleRecording::new(recording(1), call(1), "x");
    encrypted.encrypted = true;
    double.add_recording(encrypted);
    let error = client.media(&account(), &recording(1), MediaFormat::Mp3, None).await.unwrap_err();
    assert_eq!(error.code(), Some(TwilioError::NO_MP3_OF_ENCRYPTED));
}

#[tokio::test]
async fn a_redirected_download_leaves_the_credentials_behind() {
    let (double, client) = double_and_client().await;
    let mut stored = DoubleRecording::new(recording(1), call(1), "stored elsewhere");
    stored.redirected = true;
    double.add_recording(stored);
    assert_eq!(bytes_of(&client, 1, None).await.unwrap(), b"stored elsewhere");
    assert!(!double.storage_saw_credentials());
}

#[tokio::test]
async fn a_redirected_question_is_not_followed_at_all() {
    let (double, client) = double_and_client().await;
    double.inject(Fault::Redirect, 1);
    let error = client.call(&account(), &call(1)).await.unwrap_err();
    assert!(matches!(error, TwilioError::Unreadable(_)), "{error:?}");
    assert!(!double.storage_saw_credentials());
}

#[tokio::test]
async fn every_page_of_a_list_is_read() {
    let (double, client) = double_and_client().await;
    double.limit_page_size(3);
    for n in 1..=10 {
        let mut made = DoubleRecording::new(recording(n), call(n), "x");
        made.start_time_ms = 1_000 * i64::from(n);
        double.add_recording(made);
    }
    let mut pages = client.recordings(&account(), Days::default()).unwrap();
    let mut seen = Vec::new();
    while let Some(page) = pages.next_page().await.unwrap() {
        assert!(page.len() <= 3);
        seen.extend(page.into_iter().map(|recording| recording.sid));
    }
    let expected: Vec<_> = (1..=10).rev().map(recording).collect();
    assert_eq!(seen, expected, "newest first, each once");
    assert_eq!(double.api_requests(), 4);
}

#[tokio::test]
async fn a_list_is_bound_to_its_days_both_included() {
    let (double, client) = double_and_client().await;
    const DAY_MS: i64 = 86_400_000;
    for n in 0..5u32 {
        let mut made = DoubleRecording::new(recording(n), call(n), "x");
        made.start_time_ms = DAY_MS * i64::from(n) + DAY_MS - 1;
        double.add_recording(made);
    }
    let day = |n| chrono::NaiveDate::from_ymd_opt(1970, 1, n);
    let days = Days { since: day(2), until: day(4) };
    let mut pages = client.recordings(&account(), days).unwrap();
    let page = pages.next_page().await.unwrap().unwrap();
    let sids: Vec<_> = page.into_iter().map(|recording| recording.sid).collect();
    assert_eq!(sids, [recording(3), recording(2), recording(1)]);
    assert!(pages.next_page().await.unwrap().is_none());
}

#[tokio::test]
async fn a_listed_recording_that_cannot_be_worked_on_does_not_hide_the_others() {
    let (double, client) = double_and_client().await;
    for n in 1..=3 {
        let of_no_call = n == 2;
        let made = DoubleRecording::new(recording(n), call(1), "x");
        double.add_recording(DoubleRecording { of_no_call, ..made });
    }
    let mut pages = client.recordings(&account(), Days::default()).unwrap();
    let page = pages.next_page().await.unwrap().unwrap();
    let mut sids: Vec<_> = page.into_iter().map(|recording| recording.sid).collect();
    sids.sort();
    assert_eq!((sids, pages.unreadable()), (vec![recording(1), recording(3)], 1));
    // Of one call, all or none: what is left out there would be taken for nothing.
    let error = client.recordings_of_call(&account(), &call(1)).await.unwrap_err();
    assert!(matches!(error, TwilioError::Unreadable(_)), "{error}");
}

#[tokio::test]
async fn a_question_is_asked_again_when_twilio_is_busy_or_broken() {
    let (double, client) = double_and_client().await;
    double.add_call(DoubleCall::inbound(call(1), "+15125550123", "+15125550199"));
    double.inject(Fault::TooManyRequests { retry_after_seconds: Some(0) }, 1);
    double.inject(Fault::Unavailable, 1);
    client.call(&account(), &call(1)).await.unwrap();
    assert_eq!(double.api_requests(), 3);
}

#[tokio::test]
async fn a_long_wait_is_left_to_whoever_asked() {
    let (double, client) = double_and_client().await;
    double.inject(Fault::TooManyRequests { retry_after_seconds: Some(3600) }, 1);
    let error = client.call(&account(), &call(1)).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    assert_eq!((error.code(), double.api_requests()), (Some(20429), 1));
}

#[tokio::test]
async fn a_download_is_not_repeated_behind_the_caller_s_back() {
    let (double, client) = double_and_client().await;
    double.add_recording(DoubleRecording::new(recording(1), call(1), "x"));
    double.inject(Fault::Unavailable, 1);
    let error = bytes_of(&client, 1, None).await.unwrap_err();
    assert!(matches!(error, TwilioError::Unavailable { .. }), "{error:?}");
    assert_eq!(double.api_requests(), 1);
}

#[tokio::test]
async fn repetitions_end_and_the_error_says_what_was_seen() {
    let double = double().await;
    let settings = TwilioSettings { max_retries: 1, ..double.settings() };
    let client = Client::new(&settings).unwrap();
    double.inject(Fault::Unavailable, 9);
    let error = client.call(&account(), &call(1)).await.unwrap_err();
    assert_eq!(error.to_string(), "Twilio is not available: status 503");
    assert_eq!(double.api_requests(), 2);
}

#[tokio::test]
async fn silence_ends_in_a_timeout() {
    let double = double().await;
    let settings =
        TwilioSettings { max_retries: 0, request_timeout_seconds: 1, ..double.settings() };
    double.inject(Fault::Silence, 1);
    let error = Client::new(&settings).unwrap().call(&account(), &call(1)).await.unwrap_err();
    assert!(matches!(error, TwilioError::Timeout), "{error:?}");
}

#[tokio::test]
async fn nobody_listening_is_unavailable_with_a_reason() {
    let double = double().await;
    let settings = TwilioSettings { max_retries: 0, ..double.settings() };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let api_base = format!("http://{}/2010-04-01", listener.local_addr().unwrap());
    drop(listener);
    let client = Client::new(&TwilioSettings { api_base, ..settings }).unwrap();
    let error = client.call(&account(), &call(1)).await.unwrap_err().to_string();
    assert!(error.contains("refused"), "{error}");
}

#[tokio::test]
async fn a_page_of_html_is_unreadable_not_a_call() {
    let (double, client) = double_and_client().await;
    double.inject(Fault::Nonsense, 1);
    let error = client.call(&account(), &call(1)).await.unwrap_err();
    assert!(matches!(error, TwilioError::Unreadable(_)), "{error:?}");
}

#[tokio::test]
async fn wrong_credentials_are_refused_and_the_setting_is_named() {
    let double = double().await;
    let settings = TwilioSettings { auth_token: Some("wrong".into()), ..double.settings() };
    let error = Client::new(&settings).unwrap().call(&account(), &call(1)).await.unwrap_err();
    assert_eq!(error.code(), Some(20003));
    assert!(error.to_string().contains("twilio.auth_token"), "{error}");
}

#[tokio::test]
async fn an_api_key_opens_as_the_token_does() {
    let double = double().await;
    double.accept_api_key("SK1", "secret");
    double.add_call(DoubleCall::inbound(call(1), "+15125550123", "+15125550199"));
    let settings = TwilioSettings {
        auth_token: None,
        api_key_sid: Some("SK1".into()),
        api_key_secret: Some("secret".into()),
        ..double.settings()
    };
    Client::new(&settings).unwrap().call(&account(), &call(1)).await.unwrap();
}

#[tokio::test]
async fn an_account_that_is_not_configured_is_never_asked_about() {
    let (double, client) = double_and_client().await;
    let other: AccountSid = format!("AC{:032x}", 9).parse().unwrap();
    let error = client.call(&other, &call(1)).await.unwrap_err();
    assert!(matches!(error, TwilioError::UnknownAccount(_)), "{error:?}");
    assert_eq!(double.api_requests(), 0);
}

#[tokio::test]
async fn deleting_what_is_gone_counts_as_deleted() {
    let (double, client) = double_and_client().await;
    double.add_recording(DoubleRecording::new(recording(1), call(1), "x"));
    client.delete_recording(&account(), &recording(1)).await.unwrap();
    assert!(!double.has_recording(&recording(1)));
    client.delete_recording(&account(), &recording(1)).await.unwrap();
}
