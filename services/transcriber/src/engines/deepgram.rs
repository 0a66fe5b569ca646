//! Deepgram's `POST /v1/listen`.

use chassis::config::{comma_list, masked_option, masked_url};
use futures_util::future::BoxFuture;
use reqwest::{StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    Engine, EngineError, Heard, HeardSegment, Piece, Voices,
    http::{self, Answered},
    wav,
};
use crate::{audio::CutRule, language, settings::empty_is_none};

/// The engine `deepgram`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeepgramSettings {
    /// The key. Default none: the engine is off.
    #[serde(deserialize_with = "empty_is_none", serialize_with = "masked_option")]
    pub api_key: Option<SecretString>,
    /// Base of the API. Default `https://api.deepgram.com`.
    #[serde(serialize_with = "masked_url")]
    pub base_url: String,
    /// The model. Default `nova-3`.
    pub model: String,
    /// The languages it is asked for, such as `he,en`: calls that can only be in others go to the
    /// next engine without a request. Default none: any.
    #[serde(deserialize_with = "comma_list")]
    pub languages: Vec<String>,
    /// Have the voices of a recording with one channel told apart, which Deepgram charges for. They
    /// are labelled `speaker_1`, `speaker_2`, where the whole recording is one piece: nobody can say
    /// that the first voice of one piece is the first of another. Default `false`.
    pub diarize: bool,
    /// Time limit for one piece, in seconds. Default 120.
    pub timeout_seconds: u64,
    /// Longest piece, in seconds. Default 600.
    pub longest_piece_seconds: u64,
    /// Pieces at Deepgram at once, from all slots of the process. Default 8.
    pub max_concurrent: usize,
    /// Requests a minute, from all slots of the process; a call that would wait long for its turn
    /// goes back to the queue or to the next engine. Default none: no limit.
    pub max_per_minute: Option<u32>,
    /// Price of a minute of audio in US dollars. Default none: no cost is recorded.
    pub usd_per_minute: Option<f64>,
    /// What an account may spend in a day (UTC), in US dollars, by the price above; calls beyond it
    /// wait until tomorrow or go to the next engine. At least what the longest piece costs. Default
    /// none: no limit.
    pub usd_per_day: Option<f64>,
}

impl Default for DeepgramSettings {
    fn default() -> Self {
        Self {
            api_key: None,
            base_url: "https://api.deepgram.com".into(),
            model: "nova-3".into(),
            languages: Vec::new(),
            diarize: false,
            timeout_seconds: 120,
            longest_piece_seconds: 600,
            max_concurrent: 8,
            max_per_minute: None,
            usd_per_minute: None,
            usd_per_day: None,
        }
    }
}

/// Asks Deepgram.
pub struct Deepgram {
    settings: DeepgramSettings,
    key: SecretString,
    url: Url,
    http: http::Client,
}

impl Deepgram {
    /// The engine, from its settings.
    ///
    /// # Errors
    /// A sentence that names the setting that is missing or wrong.
    pub fn new(settings: &DeepgramSettings) -> Result<Self, String> {
        let key = settings.api_key.clone().filter(|key| !key.expose_secret().is_empty());
        let key = key.ok_or("transcriber.engines.deepgram.api_key is not set")?;
        let setting = "transcriber.engines.deepgram.base_url";
        let url = http::address(setting, &settings.base_url, "v1/listen")?;
        language::check("transcriber.engines.deepgram.languages", &settings.languages)?;
        let http = http::Client::new(settings.timeout_seconds)?;
        Ok(Self { settings: settings.clone(), key, url, http })
    }

    async fn ask(&self, piece: &Piece, language: Option<&str>) -> Result<Heard, EngineError> {
        let mut url = self.url.clone();
        url.query_pairs_mut()
            .append_pair("model", &self.settings.model)
            .append_pair("utterances", "true")
            .append_pair("punctuate", "true");
        if self.settings.diarize && piece.is_mixed {
            url.query_pairs_mut().append_pair("diarize", "true");
        }
        match language {
            Some(language) => drop(url.query_pairs_mut().append_pair("language", language)),
            None if piece.languages.is_empty() => {
                url.query_pairs_mut().append_pair("detect_language", "true");
            }
            // One parameter for each of those that it chooses among.
            None => {
                let among = piece.languages.iter().map(|one| ("detect_language", one));
                url.query_pairs_mut().extend_pairs(among);
            }
        }
        let request = self
            .http
            .post(url)
            .header(header::AUTHORIZATION, format!("Token {}", self.key.expose_secret()))
            .header(header::CONTENT_TYPE, "audio/wav")
            .body(wav(&piece.samples));
        Ok(self.http.ask::<Answer>(request, refusal).await?.into_heard(piece))
    }
}

impl Engine for Deepgram {
    fn identity(&self) -> domain::Engine {
        let model = Some(self.settings.model.clone());
        domain::Engine { name: "deepgram".into(), model, version: None }
    }

    fn cut_rule(&self) -> CutRule {
        let longest = self.settings.longest_piece_seconds.clamp(5, 3_600);
        CutRule { longest_ms: longest * 1000, at_silence_ms: None }
    }

    fn microusd_per_minute(&self) -> Option<u64> {
        self.settings.usd_per_minute.and_then(crate::price::microusd)
    }

    fn microusd_per_day(&self) -> Option<u64> {
        self.settings.usd_per_day.and_then(crate::price::microusd)
    }

    fn places(&self) -> usize {
        self.settings.max_concurrent
    }

    fn requests_per_minute(&self) -> Option<u32> {
        self.settings.max_per_minute
    }

    fn knows(&self, language: &str) -> bool {
        language::is_among(&self.settings.languages, language)
    }

    fn transcribe<'a>(
        &'a self,
        piece: &'a Piece,
        language: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Heard, EngineError>> {
        Box::pin(self.ask(piece, language))
    }
}

#[derive(Deserialize)]
struct Answer {
    results: Results,
}

#[derive(Deserialize)]
struct Results {
    #[serde(default)]
    channels: Vec<Channel>,
    #[serde(default)]
    utterances: Vec<Utterance>,
}

#[derive(Deserialize)]
struct Channel {
    #[serde(default)]
    alternatives: Vec<Alternative>,
    #[serde(default)]
    detected_language: Option<String>,
}

#[derive(Deserialize)]
struct Alternative {
    transcript: String,
    #[serde(default)]
    confidence: Option<f32>,
}

#[derive(Deserialize)]
struct Utterance {
    start: f64,
    end: f64,
    transcript: String,
    #[serde(default)]
    confidence: Option<f32>,
    #[serde(default)]
    speaker: Option<u32>,
}

impl Answer {
    fn into_heard(self, piece: &Piece) -> Heard {
        let Results { channels, utterances } = self.results;
        let channel = channels.into_iter().next();
        let detected = channel.as_ref().and_then(|channel| channel.detected_language.as_deref());
        let language = detected.and_then(language::code);
        let mut voices = Voices::default();
        let timed: Vec<HeardSegment> = utterances
            .into_iter()
            .filter(|utterance| !utterance.transcript.trim().is_empty())
            .map(|Utterance { start, end, transcript, confidence, speaker }| HeardSegment {
                voice: speaker.map(|name| voices.number(name)),
                ..HeardSegment::timed(piece, start, end, &transcript).with_confidence(confidence)
            })
            .collect();
        let segments = if timed.is_empty() {
            let whole = channel.and_then(|channel| channel.alternatives.into_iter().next());
            whole.map_or_else(Vec::new, |whole| {
                Heard::whole(piece, &whole.transcript, whole.confidence).segments
            })
        } else {
            timed
        };
        Heard { segments, language, ..Heard::default() }
    }
}

fn refusal(answered: &Answered) -> EngineError {
    #[derive(Deserialize, Default)]
    struct Refusal {
        #[serde(default)]
        err_code: Option<String>,
    }
    let code = answered.json::<Refusal>().unwrap_or_default().err_code;
    let code = code.unwrap_or_else(|| "no code".into());
    match answered.status {
        StatusCode::BAD_REQUEST if code.contains("LANGUAGE") => EngineError::UnsupportedLanguage,
        _ => answered.refusal(&code),
    }
}

#[cfg(test)]
mod tests {
    use wiremock::{
        Mock, MockServer, Request, ResponseTemplate,
        matchers::{header, method, path},
    };

    use super::*;
    use crate::audio::Stretch;

    fn piece() -> Piece {
        Piece::new(Stretch { start_ms: 0, end_ms: 2000 }, vec![7; 32_000])
    }

    async fn engine(server: &MockServer) -> Deepgram {
        chassis::install_tls();
        let settings = DeepgramSettings {
            api_key: Some("dg-test".into()),
            base_url: server.uri(),
            ..Default::default()
        };
        Deepgram::new(&settings).unwrap()
    }

    #[tokio::test]
    async fn utterances_become_segments_and_no_unknown_parameter_is_sent() {
        let server = MockServer::start().await;
        let respond = |request: &Request| {
            let allowed = ["model", "language", "detect_language", "utterances", "punctuate"];
            let known = request.url.query_pairs().all(|(name, _)| allowed.contains(&&*name));
            if !known || !request.body.starts_with(b"RIFF") {
                return ResponseTemplate::new(400);
            }
            let answer = serde_json::json!({ "metadata": { "duration": 2.0 }, "results": {
                "channels": [{ "detected_language": "he", "alternatives": [
                    { "transcript": "שלום אני צריך", "confidence": 0.9, "words": [] }] }],
                "utterances": [
                    { "start": 0.1, "end": 0.9, "transcript": "שלום", "confidence": 0.95, "channel": 0 },
                    { "start": 1.0, "end": 1.9, "transcript": "אני צריך", "confidence": 0.8, "channel": 0 }] } });
            ResponseTemplate::new(200).set_body_json(answer)
        };
        Mock::given(method("POST"))
            .and(path("/v1/listen"))
            .and(header("authorization", "Token dg-test"))
            .and(header("content-type", "audio/wav"))
            .respond_with(respond)
            .mount(&server)
            .await;
        for language in [None, Some("he")] {
            let heard = engine(&server).await.transcribe(&piece(), language).await.unwrap();
            assert_eq!(heard.segments.len(), 2);
            assert_eq!((heard.segments[1].start_ms, heard.segments[1].end_ms), (1000, 1900));
            assert_eq!(heard.segments[0].confidence, Some(0.95));
            assert_eq!(heard.language.as_deref(), Some("he"));
        }
    }

    #[tokio::test]
    async fn voices_are_told_apart_when_that_is_wanted_and_everybody_is_on_the_channel() {
        let server = MockServer::start().await;
        let respond = |request: &Request| {
            let asked: Vec<(String, String)> =
                request.url.query_pairs().map(|(a, b)| (a.into(), b.into())).collect();
            let has = |name: &str, value: &str| asked.contains(&(name.into(), value.into()));
            assert!(has("detect_language", "he") && has("detect_language", "en"), "{asked:?}");
            assert!(!has("detect_language", "true"), "{asked:?}");
            let said = |start: f64, text: &str, speaker: u32| {
                let mut said =
                    serde_json::json!({ "start": start, "end": start + 0.5, "transcript": text });
                if has("diarize", "true") {
                    said["speaker"] = speaker.into();
                }
                said
            };
            let utterances = [said(0.0, "hello", 1), said(0.6, "hi", 0), said(1.2, "bye", 1)];
            let answer =
                serde_json::json!({ "results": { "channels": [], "utterances": utterances } });
            ResponseTemplate::new(200).set_body_json(answer)
        };
        Mock::given(method("POST")).respond_with(respond).mount(&server).await;
        let Deepgram { settings, .. } = engine(&server).await;
        let engine = Deepgram::new(&DeepgramSettings { diarize: true, ..settings }).unwrap();
        for (is_mixed, expected) in [(true, [Some(1), Some(2), Some(1)]), (false, [None; 3])] {
            let languages = ["he".to_owned(), "en".to_owned()].into();
            let piece = Piece { is_mixed, languages, ..piece() };
            let heard = engine.transcribe(&piece, None).await.unwrap();
            let voices: Vec<_> = heard.segments.iter().map(|segment| segment.voice).collect();
            assert_eq!(voices, expected);
        }
    }

    #[tokio::test]
    async fn failures_are_told_apart() {
        for (status, code, expected) in [
            (402, "ASR_PAYMENT_REQUIRED", "engine_quota_exhausted"),
            (401, "INVALID_AUTH", "engine_credentials"),
            (429, "TOO_MANY_REQUESTS", "engine_rate_limited"),
            (413, "", "engine_too_large"),
            (400, "UNSUPPORTED_LANGUAGE", "engine_unsupported_language"),
            (400, "Bad Request", "engine_refused"),
            (504, "", "engine_unavailable"),
        ] {
            let server = MockServer::start().await;
            let body = serde_json::json!({ "err_code": code, "err_msg": "m", "request_id": "r" });
            let answer = ResponseTemplate::new(status).set_body_json(body);
            Mock::given(method("POST")).respond_with(answer).mount(&server).await;
            let error = engine(&server).await.transcribe(&piece(), None).await.unwrap_err();
            assert_eq!(error.code(), expected);
        }
    }

    #[test]
    fn without_a_key_it_is_refused_by_name() {
        let sentence = Deepgram::new(&DeepgramSettings::default()).err().unwrap();
        assert!(sentence.contains("transcriber.engines.deepgram.api_key"), "{sentence}");
    }
}
