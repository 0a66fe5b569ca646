//! Downloads from a Twilio that breaks, refuses and keeps its media elsewhere.

use std::time::Duration;

use callscribe_transcriber::fetch::{FetchError, FetchLimits, Fetched, Forms, Listed, fetch};
use twilio::{
    Client, TwilioError,
    double::{Double, DoubleRecording, Fault},
};
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::method};

use crate::{
    media::{Coding, tone, wav},
    stage::{account, call, recording},
};

async fn double() -> (Double, Client) {
    chassis::install_tls();
    let double = Double::start(account(), "token").await.unwrap();
    let client = Client::new(&double.settings()).unwrap();
    (double, client)
}

fn media() -> Vec<u8> {
    wav(Coding::Pcm16, 16_000, &[tone(300.0, 0.5, 16_000, 3.0)])
}

fn of(media: Vec<u8>) -> DoubleRecording {
    DoubleRecording::new(recording(1), call(1), media)
}

fn limits() -> FetchLimits {
    FetchLimits { max_bytes: 1_000_000, timeout: Duration::from_secs(30) }
}

async fn fetched(
    client: &Client,
    listed: &Listed,
    limits: FetchLimits,
) -> Result<Fetched, FetchError> {
    let folder = std::env::temp_dir();
    fetch(client, &account(), &recording(1), listed, Forms::Apart, &folder, limits).await
}

fn mono() -> Listed {
    Listed { channels: Some(1), outside: None }
}

fn bytes_of(fetched: &Fetched) -> Vec<u8> {
    std::fs::read(&fetched.file).unwrap()
}

#[tokio::test]
async fn a_broken_download_goes_on_where_it_broke_and_no_byte_comes_twice() {
    for redirected in [false, true] {
        let (double, client) = double().await;
        let breaks_after = [50_000, 10_000, 7].into();
        double.add_recording(DoubleRecording { breaks_after, redirected, ..of(media()) });
        let fetched = fetched(&client, &mono(), limits()).await.unwrap();
        assert!(bytes_of(&fetched) == media() && !fetched.is_cut_off, "redirected: {redirected}");
        assert_eq!(double.media_bytes(&recording(1)), media().len());
        assert_eq!(double.media_served(&recording(1)), 4);
        assert!(!double.storage_saw_credentials());
    }
}

#[tokio::test]
async fn where_no_parts_are_given_a_broken_download_begins_anew() {
    let (double, client) = double().await;
    double.add_recording(DoubleRecording {
        breaks_after: [50_000].into(),
        gives_parts: false,
        ..of(media())
    });
    let fetched = fetched(&client, &mono(), limits()).await.unwrap();
    assert!(bytes_of(&fetched) == media());
    assert_eq!(double.media_bytes(&recording(1)), media().len() + 50_000);
}

#[tokio::test]
async fn a_server_that_is_busy_in_between_is_asked_again() {
    let (double, client) = double().await;
    double.add_recording(DoubleRecording { breaks_after: [50_000].into(), ..of(media()) });
    let listed = mono();
    let first = fetched(&client, &listed, limits());
    let busy = async {
        while double.media_served(&recording(1)) == 0 {
            tokio::task::yield_now().await;
        }
        double.inject(Fault::Unavailable, 1);
    };
    let (fetched, ()) = tokio::join!(first, busy);
    assert!(bytes_of(&fetched.unwrap()) == media());
    assert_eq!(double.media_bytes(&recording(1)), media().len());
}

#[tokio::test]
async fn connections_that_bring_nothing_more_end_the_download() {
    let (double, client) = double().await;
    let breaks_after = vec![1_000; 99].into();
    double.add_recording(DoubleRecording { breaks_after, gives_parts: false, ..of(media()) });
    let error = fetched(&client, &mono(), limits()).await.unwrap_err();
    assert!(matches!(error, FetchError::Twilio(_) | FetchError::Incomplete { .. }), "{error:?}");
    assert_eq!(double.media_served(&recording(1)), 5);
}

#[tokio::test]
async fn a_part_of_something_else_is_not_appended() {
    let (_, client) = double().await;
    let server = MockServer::start().await;
    let whole = media();
    let respond = move |request: &Request| {
        assert_eq!(request.headers.get("range").unwrap(), "bytes=1000-");
        assert_eq!(request.headers.get("if-range").unwrap(), "\"one\"");
        ResponseTemplate::new(200).set_body_raw(whole.clone(), "audio/x-wav")
    };
    Mock::given(method("GET")).respond_with(respond).mount(&server).await;
    let url = server.uri().parse().unwrap();
    let rest = twilio::Rest { from: 1_000, version: Some("\"one\"".into()) };
    let media = client.external_media(&url, &rest).await.unwrap();
    // It has another file now, and says so by sending all of it.
    assert_eq!((media.starts_at(), media.total()), (0, Some(self::media().len() as u64)));
}

#[tokio::test]
async fn a_file_that_is_too_large_and_a_server_that_is_silent_are_given_up() {
    let (double, client) = double().await;
    double.add_recording(of(media()));
    let small = FetchLimits { max_bytes: 10_000, ..limits() };
    let error = fetched(&client, &mono(), small).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { max_bytes: 10_000 }), "{error:?}");
    double.inject(Fault::Silence, 1);
    let short = FetchLimits { timeout: Duration::from_millis(100), ..limits() };
    let error = fetched(&client, &mono(), short).await.unwrap_err();
    assert!(matches!(error, FetchError::Timeout { .. }), "{error:?}");
}

#[tokio::test]
async fn both_channels_are_asked_for_first_and_the_mp3_last() {
    let (double, client) = double().await;
    let two =
        wav(Coding::Pcm16, 8_000, &[tone(300.0, 0.5, 8_000, 1.0), tone(500.0, 0.5, 8_000, 1.0)]);
    let mixed = Some(media().into());
    double.add_recording(DoubleRecording { channels: 2, mixed, ..of(two.clone()) });
    let dual = Listed { channels: Some(2), outside: None };
    assert!(bytes_of(&fetched(&client, &dual, limits()).await.unwrap()) == two);

    // Twilio did not say that there is one channel: it refuses two with a code of its own.
    double.add_recording(of(media()));
    let unknown = Listed::default();
    assert!(bytes_of(&fetched(&client, &unknown, limits()).await.unwrap()) == media());

    // What comes as WAV is an error page with a good status.
    let page = b"<?xml version='1.0'?><TwilioResponse/>".to_vec();
    let mp3 = Some(b"ID3 and so on".as_slice().into());
    double.add_recording(DoubleRecording { mp3, ..of(page.clone()) });
    let fetched_mp3 = fetched(&client, &unknown, limits()).await.unwrap();
    assert_eq!(bytes_of(&fetched_mp3), b"ID3 and so on");

    // Of an encrypted one there is no MP3: the page is what is told.
    double.add_recording(DoubleRecording { encrypted: true, ..of(page) });
    let error = fetched(&client, &unknown, limits()).await.unwrap_err();
    let told = matches!(
        error,
        FetchError::NotAudio { .. }
            | FetchError::Twilio(TwilioError::Api { code: Some(TwilioError::MONO_ONLY), .. })
    );
    assert!(told, "{error:?}");
}

#[tokio::test]
async fn of_two_channels_the_mp3_comes_before_a_mix_and_a_mix_only_where_it_will_do() {
    let (double, client) = double().await;
    let dual = Listed { channels: Some(2), outside: None };
    let page = b"<?xml version='1.0'?><TwilioResponse/>".to_vec();
    let mixed = Some(media().into());
    let mp3 = Some(b"ID3 and so on".as_slice().into());
    let without_mp3 = DoubleRecording { channels: 2, mixed, ..of(page) };
    double.add_recording(DoubleRecording { mp3, ..without_mp3.clone() });
    let apart = fetched(&client, &dual, limits()).await.unwrap();
    assert_eq!((bytes_of(&apart), apart.is_mixed), (b"ID3 and so on".to_vec(), false));

    double.add_recording(without_mp3);
    let error = fetched(&client, &dual, limits()).await.unwrap_err();
    assert!(matches!(error, FetchError::NotApart(_)), "{error:?}");
    let (account, sid, folder) = (account(), recording(1), std::env::temp_dir());
    let any = fetch(&client, &account, &sid, &dual, Forms::Any, &folder, limits()).await.unwrap();
    assert!(bytes_of(&any) == media() && any.is_mixed);
}

#[tokio::test]
async fn media_that_the_account_keeps_outside_twilio_is_fetched_there_without_credentials() {
    let (double, client) = double().await;
    let outside = double.storage_base().replace("127.0.0.1", "localhost");
    let outside = format!("{outside}/{}", recording(1));
    let external = Some(outside.clone());
    double.add_recording(DoubleRecording { external, ..of(media()) });
    let told = client.recording(&account(), &recording(1)).await.unwrap();
    assert_eq!(told.external_media.as_ref().unwrap().as_str(), outside);
    let listed = Listed { channels: Some(1), outside: told.external_media };
    assert!(bytes_of(&fetched(&client, &listed, limits()).await.unwrap()) == media());
    assert!(!double.storage_saw_credentials());

    let lost = Listed { outside: Some(format!("{outside}x").parse().unwrap()), ..mono() };
    assert!(matches!(fetched(&client, &lost, limits()).await, Err(FetchError::NotThere)));
    let server = MockServer::start().await;
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(403)).mount(&server).await;
    let closed = Listed { outside: Some(server.uri().parse().unwrap()), ..mono() };
    let error = fetched(&client, &closed, limits()).await.unwrap_err();
    assert!(matches!(error, FetchError::Outside { status: 403 }), "{error:?}");
}
