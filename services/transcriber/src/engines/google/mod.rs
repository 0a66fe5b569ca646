//! Google Speech-to-Text v1: `POST v1/speech:recognize`.
//!
//! Inline audio is limited to a minute and ten megabytes, and 58.8 seconds have been refused: pieces
//! of fifty seconds at most. Each channel is sent on its own, so nothing is billed twice. Voices are
//! not told apart: in pieces this short they would be nobody's.

mod account;

use std::path::PathBuf;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use chassis::config::{comma_list, masked_url};
use futures_util::future::BoxFuture;
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;

use self::account::{ServiceAccount, Tokens};
use super::{
    Engine, EngineError, Heard, HeardSegment, Piece,
    http::{self, Answered},
};
use crate::{
    audio::{CutRule, SAMPLE_RATE_HZ},
    language,
    settings::empty_is_none,
};

/// The engine `google`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct GoogleSettings {
    /// The service account's key file (JSON). Default none: the engine is off.
    #[serde(deserialize_with = "empty_is_none")]
    pub credentials: Option<PathBuf>,
    /// Base of the API. Default `https://speech.googleapis.com`.
    #[serde(serialize_with = "masked_url")]
    pub base_url: String,
    /// The model, such as `phone_call` or `latest_long`; for a language that does not have it the
    /// default model is used. Default none: Google's default model.
    #[serde(deserialize_with = "empty_is_none")]
    pub model: Option<String>,
    /// The languages it is asked for, such as `he,en`: calls that can only be in others go to the
    /// next engine without a request. Default none: any.
    #[serde(deserialize_with = "comma_list")]
    pub languages: Vec<String>,
    /// The language where `transcriber.language` does not say; all calls are taken to be in it.
    /// Default `en-US`.
    pub language: String,
    /// Google's code for Hebrew: `iw-IL` or `he-IL`. Default `iw-IL`.
    pub hebrew: String,
    /// Time limit for one piece, in seconds. Default 120.
    pub timeout_seconds: u64,
    /// Pieces at Google at once, from all slots of the process. Default 8.
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

impl Default for GoogleSettings {
    fn default() -> Self {
        Self {
            credentials: None,
            base_url: "https://speech.googleapis.com".into(),
            model: None,
            languages: Vec::new(),
            language: "en-US".into(),
            hebrew: "iw-IL".into(),
            timeout_seconds: 120,
            max_concurrent: 8,
            max_per_minute: None,
            usd_per_minute: None,
            usd_per_day: None,
        }
    }
}

/// The name of the model that Google takes where none is asked for.
const DEFAULT_MODEL: &str = "default";

/// Asks Google.
pub struct Google {
    settings: GoogleSettings,
    url: Url,
    http: http::Client,
    tokens: Tokens,
}

impl Google {
    /// The engine, from its settings.
    ///
    /// # Errors
    /// A sentence that names the setting that is missing or wrong.
    pub fn new(settings: &GoogleSettings) -> Result<Self, String> {
        let setting = "transcriber.engines.google.credentials";
        let path = settings.credentials.as_ref().ok_or_else(|| format!("{setting} is not set"))?;
        let account = ServiceAccount::load(path)
            .map_err(|error| format!("{setting} is {}; {error}", path.display()))?;
        let setting = "transcriber.engines.google.base_url";
        let url = http::address(setting, &settings.base_url, "v1/speech:recognize")?;
        language::check("transcriber.engines.google.languages", &settings.languages)?;
        let http = http::Client::new(settings.timeout_seconds)?;
        Ok(Self { settings: settings.clone(), url, http, tokens: Tokens::new(account) })
    }

    /// Google's code for a language, with a region where Google wants one.
    fn language_code(&self, language: Option<&str>) -> String {
        match language {
            None => self.settings.language.clone(),
            Some("he") => self.settings.hebrew.clone(),
            Some("en") => "en-US".into(),
            Some(other) => other.to_owned(),
        }
    }

    async fn ask(&self, piece: &Piece, language: Option<&str>) -> Result<Heard, EngineError> {
        let language = self.language_code(language);
        let model = self.settings.model.as_deref();
        match self.recognize(piece, &language, model).await {
            // Not every model knows every language; the default one knows them all.
            Err(EngineError::UnsupportedLanguage | EngineError::Refused(_)) if model.is_some() => {
                let heard = self.recognize(piece, &language, None).await?;
                Ok(Heard { model: Some(DEFAULT_MODEL.into()), ..heard })
            }
            answered => answered,
        }
    }

    async fn recognize(
        &self,
        piece: &Piece,
        language: &str,
        model: Option<&str>,
    ) -> Result<Heard, EngineError> {
        let bytes: Vec<u8> = piece.samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        let mut config = json!({
            "encoding": "LINEAR16",
            "sampleRateHertz": SAMPLE_RATE_HZ,
            "languageCode": language,
            "enableAutomaticPunctuation": true,
        });
        if let Some(model) = model {
            config["model"] = model.into();
        }
        let body =
            json!({ "config": config, "audio": { "content": BASE64_STANDARD.encode(bytes) } });
        let token = self.tokens.token(&self.http).await?;
        let request = self.http.post(self.url.clone()).bearer_auth(token).json(&body);
        let answer = self.http.ask::<Answer>(request, refusal).await;
        if matches!(answer, Err(EngineError::Credentials { .. })) {
            self.tokens.forget().await;
        }
        Ok(answer?.into_heard(piece))
    }
}

impl Engine for Google {
    fn identity(&self) -> domain::Engine {
        let model = self.settings.model.as_deref().unwrap_or(DEFAULT_MODEL);
        let model = Some(model.to_owned());
        domain::Engine { name: "google".into(), model, version: Some("v1".into()) }
    }

    fn cut_rule(&self) -> CutRule {
        CutRule { longest_ms: 50_000, at_silence_ms: Some(1_000) }
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
    #[serde(default)]
    results: Vec<Recognized>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recognized {
    #[serde(default)]
    alternatives: Vec<Alternative>,
    #[serde(default)]
    result_end_time: Option<String>,
    #[serde(default)]
    language_code: Option<String>,
}

#[derive(Deserialize)]
struct Alternative {
    #[serde(default)]
    transcript: String,
    #[serde(default)]
    confidence: Option<f32>,
}

impl Answer {
    fn into_heard(self, piece: &Piece) -> Heard {
        let codes = self.results.iter().filter_map(|result| result.language_code.as_deref());
        let language = codes.filter_map(language::code).next();
        let end = piece.length_ms() as f64 / 1000.0;
        let mut start = 0.0;
        let mut segments = Vec::new();
        for Recognized { alternatives, result_end_time, .. } in self.results {
            let until = result_end_time.as_deref().and_then(seconds).unwrap_or(end);
            // Google leaves a confidence of 0 where it has none.
            if let Some(best) = alternatives.into_iter().next()
                && !best.transcript.trim().is_empty()
            {
                let confidence = best.confidence.filter(|confidence| *confidence > 0.0);
                let segment = HeardSegment::timed(piece, start, until, &best.transcript);
                segments.push(segment.with_confidence(confidence));
            }
            start = until;
        }
        Heard { segments, language, ..Heard::default() }
    }
}

/// `3.200s`.
fn seconds(text: &str) -> Option<f64> {
    text.strip_suffix('s')?.parse().ok()
}

fn refusal(answered: &Answered) -> EngineError {
    #[derive(Deserialize, Default)]
    struct Refusal {
        #[serde(default)]
        error: Detail,
    }
    #[derive(Deserialize, Default)]
    struct Detail {
        #[serde(default)]
        status: String,
        #[serde(default)]
        message: String,
    }
    let Detail { status, message } = answered.json::<Refusal>().unwrap_or_default().error;
    let message = message.to_lowercase();
    match answered.status {
        StatusCode::TOO_MANY_REQUESTS if message.contains("per day") => EngineError::QuotaExhausted,
        StatusCode::FORBIDDEN if message.contains("billing") => EngineError::QuotaExhausted,
        StatusCode::BAD_REQUEST if message.contains("language") => EngineError::UnsupportedLanguage,
        StatusCode::BAD_REQUEST if message.contains("too long") || message.contains("exceeds") => {
            EngineError::TooLarge
        }
        // Google forbids by who asks, never by what is asked.
        StatusCode::FORBIDDEN if message.contains("permission") => {
            EngineError::Credentials { status: answered.status.as_u16() }
        }
        _ => answered.refusal(&status.to_lowercase()),
    }
}

#[cfg(test)]
mod tests;
