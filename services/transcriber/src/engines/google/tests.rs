//! Against a server that takes exactly what the interface names, and refuses the rest as Google does.

use std::{io::Write, sync::Arc};

use tempfile::NamedTempFile;
use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{header, method, path},
};

use super::*;
use crate::audio::Stretch;

fn piece() -> Piece {
    Piece::new(Stretch { start_ms: 0, end_ms: 4000 }, vec![7; 64_000])
}

fn key_file(server: &MockServer) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    let key = json!({
        "type": "service_account",
        "client_email": "calls@example.iam.gserviceaccount.com",
        "private_key": include_str!("for-tests.pem"),
        "token_uri": format!("{}/token", server.uri()),
    });
    file.write_all(key.to_string().as_bytes()).unwrap();
    file
}

async fn engine(server: &MockServer, model: Option<&str>) -> Google {
    chassis::install_tls();
    let key = key_file(server);
    let account = Arc::new(ServiceAccount::load(key.path()).unwrap());
    let token_url = format!("{}/token", server.uri());
    let grant = move |request: &Request| {
        let form: Vec<(String, String)> = url::form_urlencoded::parse(&request.body)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        assert_eq!(form[0].1, "urn:ietf:params:oauth:grant-type:jwt-bearer");
        let claims = account.claims_of(&form[1].1).expect("signed with the account's key");
        assert_eq!(claims["iss"], "calls@example.iam.gserviceaccount.com");
        assert_eq!(claims["aud"], token_url);
        let lasts = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
        assert!(lasts <= 3600);
        let granted = json!({ "access_token": "ya29", "expires_in": 3599, "token_type": "Bearer" });
        ResponseTemplate::new(200).set_body_json(granted)
    };
    Mock::given(method("POST"))
        .and(path("/token"))
        .respond_with(grant)
        .expect(0..=1)
        .mount(server)
        .await;
    let settings = GoogleSettings {
        credentials: Some(key.path().into()),
        base_url: server.uri(),
        model: model.map(str::to_owned),
        ..Default::default()
    };
    Google::new(&settings).unwrap()
}

/// Recognizes Hebrew with the default model only.
async fn strict(server: &MockServer) {
    let respond = |request: &Request| {
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        let known =
            ["encoding", "sampleRateHertz", "languageCode", "enableAutomaticPunctuation", "model"];
        let config = body["config"].as_object().unwrap();
        let invalid = |message: &str| {
            let error = json!({ "error": { "code": 400, "message": message, "status": "INVALID_ARGUMENT" } });
            ResponseTemplate::new(400).set_body_json(error)
        };
        if let Some(unknown) = config.keys().find(|key| !known.contains(&key.as_str())) {
            return invalid(&format!("Unknown name \"{unknown}\" at 'config'"));
        }
        let audio = BASE64_STANDARD.decode(body["audio"]["content"].as_str().unwrap()).unwrap();
        assert_eq!((audio.len(), &config["encoding"]), (128_000, &json!("LINEAR16")));
        if config["languageCode"] == "iw-IL" && config.contains_key("model") {
            return invalid(
                "Invalid recognition 'config': The phone_call model is currently not supported for language : iw-il.",
            );
        }
        ResponseTemplate::new(200).set_body_json(json!({ "results": [
            { "alternatives": [{ "transcript": "שלום", "confidence": 0.92 }],
              "resultEndTime": "1.500s", "languageCode": "iw-il" },
            { "alternatives": [{ "transcript": " אני צריך מנעולן", "confidence": 0 }],
              "resultEndTime": "3.900s", "languageCode": "iw-il" },
            { "alternatives": [{}] }], "totalBilledTime": "4s" }))
    };
    Mock::given(method("POST"))
        .and(path("/v1/speech:recognize"))
        .and(header("authorization", "Bearer ya29"))
        .respond_with(respond)
        .mount(server)
        .await;
}

#[tokio::test]
async fn hebrew_is_asked_for_by_google_s_code_and_the_model_falls_back() {
    let server = MockServer::start().await;
    let engine = engine(&server, Some("phone_call")).await;
    strict(&server).await;
    for _ in 0..2 {
        let heard = engine.transcribe(&piece(), Some("he")).await.unwrap();
        let times: Vec<_> = heard.segments.iter().map(|s| (s.start_ms, s.end_ms)).collect();
        assert_eq!(times, [(0, 1500), (1500, 3900)]);
        assert_eq!(heard.segments[1].text, "אני צריך מנעולן");
        assert_eq!(
            heard.segments.iter().map(|s| s.confidence).collect::<Vec<_>>(),
            [Some(0.92), None]
        );
        assert_eq!(heard.language.as_deref(), Some("he"));
        assert_eq!(heard.model.as_deref(), Some("default"));
    }
}

#[tokio::test]
async fn silence_is_an_answer_without_results() {
    let server = MockServer::start().await;
    let engine = engine(&server, None).await;
    Mock::given(path("/v1/speech:recognize"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({ "totalBilledTime": "4s" })))
        .mount(&server)
        .await;
    assert_eq!(engine.transcribe(&piece(), None).await.unwrap(), Heard::default());
}

#[tokio::test]
async fn failures_are_told_apart() {
    for (status, message, expected) in [
        (400, "Invalid recognition 'config': bad language code xx.", "engine_unsupported_language"),
        (
            400,
            "Sync input too long. For audio longer than 1 min use LongRunningRecognize",
            "engine_too_large",
        ),
        (403, "This API method requires billing to be enabled.", "engine_quota_exhausted"),
        (403, "The caller does not have permission", "engine_credentials"),
        (
            429,
            "Quota exceeded for quota metric 'Requests' and limit 'Requests per minute'",
            "engine_rate_limited",
        ),
        (503, "The service is currently unavailable.", "engine_unavailable"),
    ] {
        let server = MockServer::start().await;
        let engine = engine(&server, None).await;
        let error = json!({ "error": { "code": status, "message": message, "status": "X" } });
        Mock::given(path("/v1/speech:recognize"))
            .respond_with(ResponseTemplate::new(status).set_body_json(error))
            .mount(&server)
            .await;
        assert_eq!(engine.transcribe(&piece(), None).await.unwrap_err().code(), expected);
    }
}

#[tokio::test]
async fn a_refused_account_is_a_matter_of_credentials() {
    chassis::install_tls();
    let server = MockServer::start().await;
    let key = key_file(&server);
    Mock::given(path("/token"))
        .respond_with(ResponseTemplate::new(400).set_body_json(json!({ "error": "invalid_grant" })))
        .mount(&server)
        .await;
    let settings = GoogleSettings {
        credentials: Some(key.path().into()),
        base_url: server.uri(),
        ..Default::default()
    };
    let error = Google::new(&settings).unwrap().transcribe(&piece(), None).await.unwrap_err();
    assert_eq!(error, EngineError::Credentials { status: 400 });
}

#[test]
fn a_key_file_that_is_none_is_refused_by_the_setting_s_name() {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(b"{\"client_email\": \"a\", \"private_key\": \"x\"}").unwrap();
    for credentials in [None, Some(file.path().into()), Some("/no/such/file".into())] {
        let settings = GoogleSettings { credentials, ..Default::default() };
        let sentence = Google::new(&settings).err().unwrap();
        assert!(sentence.contains("transcriber.engines.google.credentials"), "{sentence}");
    }
}
