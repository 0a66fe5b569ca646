//! Against a server that takes exactly the fields the interface names for each model.

use std::time::Duration;

use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{header, method, path},
};

use super::*;
use crate::audio::Stretch;

fn piece() -> Piece {
    Piece::new(Stretch { start_ms: 0, end_ms: 2000 }, vec![7; 32_000])
}

async fn engine(server: &MockServer, model: &str) -> Openai {
    chassis::install_tls();
    Openai::new(&OpenaiSettings {
        base_url: Some(format!("{}/v1", server.uri())),
        api_key: Some("sk-test".into()),
        model: model.into(),
        prompt: Some("Short words.".into()),
        ..Default::default()
    })
    .unwrap()
}

/// The names of a form's parts and, for texts, their values.
fn fields(request: &Request) -> Vec<(String, String)> {
    let body = String::from_utf8_lossy(&request.body).into_owned();
    let parts = body.split("\r\n--").filter_map(|part| {
        let (head, value) = part.split_once("\r\n\r\n")?;
        let name = head.split_once("name=\"")?.1.split_once('"')?.0;
        Some((name.to_owned(), value.to_owned()))
    });
    parts.collect()
}

/// Answers as the endpoint does, and refuses what it would refuse.
async fn strict(server: &MockServer, model: &'static str, format: &'static str, answer: &str) {
    let answer = answer.to_owned();
    let respond = move |request: &Request| {
        let allowed: &[&str] = match format {
            "diarized_json" => {
                &["file", "model", "response_format", "language", "chunking_strategy"]
            }
            _ => &["file", "model", "response_format", "language", "prompt"],
        };
        let fields = fields(request);
        for (name, value) in &fields {
            let right = match name.as_str() {
                "model" => value == model,
                "response_format" => value == format,
                "language" => value == "he",
                other => allowed.contains(&other),
            };
            if !right {
                let error = serde_json::json!({ "error": {
                    "message": "Unrecognized request argument", "type": "invalid_request_error",
                    "param": name, "code": "unknown_parameter" } });
                return ResponseTemplate::new(400).set_body_json(error);
            }
        }
        let required = ["file", "model", "response_format"];
        assert!(required.iter().all(|name| fields.iter().any(|(given, _)| given == name)));
        ResponseTemplate::new(200).set_body_raw(answer.clone(), "application/json")
    };
    Mock::given(method("POST"))
        .and(path("/v1/audio/transcriptions"))
        .and(header("authorization", "Bearer sk-test"))
        .respond_with(respond)
        .mount(server)
        .await;
}

#[tokio::test]
async fn whisper_gives_segments_with_times_language_and_confidence() {
    let server = MockServer::start().await;
    let answer = r#"{"task":"transcribe","language":"hebrew","duration":2.0,"text":"שלום מנעולן",
        "segments":[{"id":0,"seek":0,"start":0.0,"end":0.8,"text":" שלום","tokens":[1],
        "temperature":0.0,"avg_logprob":-0.1,"compression_ratio":1.1,"no_speech_prob":0.01},
        {"start":0.8,"end":9.0,"text":" מנעולן"},{"start":1.9,"end":2.0,"text":"  "}]}"#;
    strict(&server, "whisper-1", "verbose_json", answer).await;
    let heard = engine(&server, "whisper-1").await.transcribe(&piece(), Some("he")).await.unwrap();
    assert_eq!(heard.language.as_deref(), Some("he"));
    assert_eq!(heard.segments.len(), 2);
    assert_eq!((heard.segments[0].start_ms, heard.segments[0].end_ms), (0, 800));
    assert!((heard.segments[0].confidence.unwrap() - 0.905).abs() < 0.01);
    // Times never leave the piece.
    assert_eq!((heard.segments[1].end_ms, heard.segments[1].confidence), (2000, None));
}

#[tokio::test]
async fn a_model_that_gives_text_alone_is_asked_for_json() {
    let server = MockServer::start().await;
    strict(&server, "gpt-4o-transcribe", "json", r#"{"text":" i need a plumber "}"#).await;
    let engine = engine(&server, "gpt-4o-transcribe").await;
    let heard = engine.transcribe(&piece(), Some("he")).await.unwrap();
    assert_eq!(heard.segments[0].text, "i need a plumber");
    assert_eq!((heard.segments[0].start_ms, heard.segments[0].end_ms), (0, 2000));
    assert!(engine.cut_rule().at_silence_ms.is_some());
}

#[tokio::test]
async fn the_diarizing_model_gets_no_prompt_and_a_chunking_strategy() {
    let server = MockServer::start().await;
    let answer = r#"{"text":"a b","segments":[{"type":"transcript.text.segment","id":"1",
        "start":0.0,"end":1.0,"text":"a","speaker":"A"},{"start":1.0,"end":2.0,"text":"b","speaker":"B"}]}"#;
    strict(&server, "gpt-4o-transcribe-diarize", "diarized_json", answer).await;
    let engine = engine(&server, "gpt-4o-transcribe-diarize").await;
    let heard = engine.transcribe(&piece(), None).await.unwrap();
    let voices: Vec<_> = heard.segments.iter().map(|segment| segment.voice).collect();
    assert_eq!(voices, [Some(1), Some(2)]);
}

#[tokio::test]
async fn no_words_are_put_into_the_engine_s_mouth_unless_somebody_asks_for_it() {
    let server = MockServer::start().await;
    strict(&server, "whisper-1", "verbose_json", r#"{"text":"hello"}"#).await;
    let engine = engine(&server, "whisper-1").await;
    let settings = OpenaiSettings { prompt: OpenaiSettings::default().prompt, ..engine.settings };
    Openai::new(&settings).unwrap().transcribe(&piece(), None).await.unwrap();
    let sent = fields(&server.received_requests().await.unwrap()[0]);
    assert!(sent.iter().all(|(name, _)| name != "prompt" && name != "language"), "{sent:?}");
}

#[tokio::test]
async fn the_longest_piece_stays_below_what_the_endpoint_takes() {
    chassis::install_tls();
    for model in ["whisper-1", "gpt-4o-transcribe"] {
        let settings = OpenaiSettings {
            model: model.into(),
            longest_piece_seconds: 100_000,
            ..Default::default()
        };
        let longest_ms = Openai::new(&settings).unwrap().cut_rule().longest_ms;
        let samples = usize::try_from(longest_ms * crate::audio::SAMPLES_PER_MS).unwrap();
        // The form around the file takes a few hundred bytes.
        assert!(wav(&vec![0; samples]).len() + 2_000 < 25_000_000, "{model}");
    }
}

#[tokio::test]
async fn a_server_that_gives_text_only_is_enough() {
    let server = MockServer::start().await;
    strict(&server, "large-v3", "verbose_json", r#"{"text":"hello","segments":[]}"#).await;
    let heard = engine(&server, "large-v3").await.transcribe(&piece(), None).await.unwrap();
    assert_eq!(heard.segments[0].text, "hello");
}

#[tokio::test]
async fn segments_without_times_are_as_good_as_the_text_alone() {
    let server = MockServer::start().await;
    let answer =
        r#"{"text":"hello there","segments":[{"start":0.0,"text":"hello"},{"text":"there"}]}"#;
    strict(&server, "large-v3", "verbose_json", answer).await;
    let heard = engine(&server, "large-v3").await.transcribe(&piece(), None).await.unwrap();
    assert_eq!(heard, Heard::whole(&piece(), "hello there", None));
}

#[tokio::test]
async fn failures_are_told_apart() {
    let json = |status: u16, body: &str| {
        ResponseTemplate::new(status).set_body_raw(body.to_owned(), "application/json")
    };
    let error = |code: &str, param: &str| {
        format!(r#"{{"error":{{"message":"m","type":"t","param":"{param}","code":"{code}"}}}}"#)
    };
    let quota = r#"{"error":{"message":"m","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#;
    let cases = [
        (
            json(429, &error("rate_limit_exceeded", "")).insert_header("retry-after", "7"),
            EngineError::RateLimited { after: Some(Duration::from_secs(7)) },
        ),
        (json(429, "slow down"), EngineError::RateLimited { after: None }),
        (json(429, quota), EngineError::QuotaExhausted),
        (json(401, &error("invalid_api_key", "")), EngineError::Credentials { status: 401 }),
        (
            json(403, &error("unsupported_country_region_territory", "")),
            EngineError::Credentials { status: 403 },
        ),
        (json(403, "<html>"), EngineError::Forbidden { code: "no code".into() }),
        (
            json(404, &error("model_not_found", "")),
            EngineError::NotThere { status: 404, code: "model_not_found".into() },
        ),
        (
            json(400, &error("invalid_model", "model")),
            EngineError::NotThere { status: 400, code: "invalid_model".into() },
        ),
        (json(405, ""), EngineError::NotThere { status: 405, code: "no code".into() }),
        (json(308, ""), EngineError::NotThere { status: 308, code: "a redirect".into() }),
        (json(402, ""), EngineError::QuotaExhausted),
        (json(413, ""), EngineError::TooLarge),
        (json(503, "<html>"), EngineError::Unavailable("status 503".into())),
        (json(400, &error("invalid", "language")), EngineError::UnsupportedLanguage),
        (
            json(400, &error("invalid_file", "file")),
            EngineError::Refused("status 400, invalid_file".into()),
        ),
    ];
    for (answer, expected) in cases {
        let server = MockServer::start().await;
        Mock::given(method("POST")).respond_with(answer).mount(&server).await;
        let engine = engine(&server, "whisper-1").await;
        assert_eq!(engine.transcribe(&piece(), None).await.unwrap_err(), expected);
    }
    for broken in ["", "{", r#"{"segments":[]}"#, r#"{"text":null}"#] {
        let server = MockServer::start().await;
        Mock::given(method("POST")).respond_with(json(200, broken)).mount(&server).await;
        let engine = engine(&server, "whisper-1").await;
        let error = engine.transcribe(&piece(), None).await.unwrap_err();
        assert_eq!(error.code(), "engine_malformed_answer", "{broken}");
    }
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_unavailable_and_a_slow_one_times_out() {
    chassis::install_tls();
    let settings =
        OpenaiSettings { base_url: Some("http://127.0.0.1:9/v1".into()), ..Default::default() };
    let error = Openai::new(&settings).unwrap().transcribe(&piece(), None).await.unwrap_err();
    assert!(error.is_free() && error.code() == "engine_unavailable", "{error:?}");
    let server = MockServer::start().await;
    let slow = ResponseTemplate::new(200).set_delay(Duration::from_secs(60));
    Mock::given(method("POST")).respond_with(slow).mount(&server).await;
    let settings =
        OpenaiSettings { base_url: Some(server.uri()), timeout_seconds: 1, ..Default::default() };
    let error = Openai::new(&settings).unwrap().transcribe(&piece(), None).await.unwrap_err();
    assert_eq!(error, EngineError::Timeout { seconds: 1 });
}
