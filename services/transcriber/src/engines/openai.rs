//! OpenAI's transcription endpoint and every server compatible with it.
//!
//! Source: the endpoint's OpenAPI description, `POST /v1/audio/transcriptions`; it forbids unknown
//! fields, and which fields exist depends on the model.

use chassis::config::{comma_list, masked_option, masked_url_option};
use futures_util::future::BoxFuture;
use reqwest::{StatusCode, multipart};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    Engine, EngineError, Heard, HeardSegment, Piece, Voices,
    http::{self, Answered},
    wav,
};
use crate::{audio::CutRule, language, settings::empty_is_none};

/// The engine `openai`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpenaiSettings {
    /// Base of the API, with its version: `https://api.openai.com/v1`, or a server of your own
    /// such as `http://127.0.0.1:8000/v1`. Default none: the engine is off unless a key is set.
    #[serde(deserialize_with = "empty_is_none", serialize_with = "masked_url_option")]
    pub base_url: Option<String>,
    /// The key. Default none; OpenAI itself needs one, a server of your own may not.
    #[serde(deserialize_with = "empty_is_none", serialize_with = "masked_option")]
    pub api_key: Option<SecretString>,
    /// The model. Default `whisper-1`, which gives times and works everywhere.
    pub model: String,
    /// The languages it is asked for, such as `he,en`: calls that can only be in others go to the
    /// next engine without a request. Default none: any.
    #[serde(deserialize_with = "comma_list")]
    pub languages: Vec<String>,
    /// Words that set the style, given to the engine with each piece. It tends to hear what stands
    /// here: no names of cities or services unless that is wanted. Default none.
    #[serde(deserialize_with = "empty_is_none")]
    pub prompt: Option<String>,
    /// Time limit for one piece, in seconds. Default 120.
    pub timeout_seconds: u64,
    /// Longest piece, in seconds; its size stays below the 25 MB the endpoint takes. Default 300.
    pub longest_piece_seconds: u64,
    /// Pieces at the endpoint at once, from all slots of the process. Default 8.
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

impl Default for OpenaiSettings {
    fn default() -> Self {
        Self {
            base_url: None,
            api_key: None,
            model: "whisper-1".into(),
            languages: Vec::new(),
            prompt: None,
            timeout_seconds: 120,
            longest_piece_seconds: 300,
            max_concurrent: 8,
            max_per_minute: None,
            usd_per_minute: None,
            usd_per_day: None,
        }
    }
}

impl OpenaiSettings {
    /// Whether there is enough to ask an endpoint.
    pub fn is_configured(&self) -> bool {
        let set = |text: &str| !text.trim().is_empty();
        self.base_url.as_deref().is_some_and(set)
            || self.api_key.as_ref().is_some_and(|key| set(key.expose_secret()))
    }
}

/// What a family of models takes and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// whisper-1 and what servers of one's own run: segments with times.
    Whisper,
    /// gpt-4o-transcribe and its kin: text alone.
    Text,
    /// gpt-4o-transcribe-diarize: segments with times and speakers, no prompt.
    Diarize,
}

impl Family {
    fn of(model: &str) -> Self {
        if model.ends_with("-diarize") {
            Self::Diarize
        } else if model.starts_with("gpt-") {
            Self::Text
        } else {
            Self::Whisper
        }
    }

    fn response_format(self) -> &'static str {
        match self {
            Self::Whisper => "verbose_json",
            Self::Text => "json",
            Self::Diarize => "diarized_json",
        }
    }
}

/// The endpoint takes about 25 MB: the longest piece that stays below 25,000,000 bytes.
const LONGEST_SECONDS: u64 = 780;

/// Asks an endpoint.
pub struct Openai {
    settings: OpenaiSettings,
    family: Family,
    url: Url,
    http: http::Client,
}

impl Openai {
    /// The engine, from its settings.
    ///
    /// # Errors
    /// A sentence that names the setting that is wrong.
    pub fn new(settings: &OpenaiSettings) -> Result<Self, String> {
        let base = settings.base_url.as_deref().unwrap_or("https://api.openai.com/v1");
        let setting = "transcriber.engines.openai.base_url";
        let url = http::address(setting, base, "audio/transcriptions")?;
        language::check("transcriber.engines.openai.languages", &settings.languages)?;
        let http = http::Client::new(settings.timeout_seconds)?;
        let family = Family::of(&settings.model);
        Ok(Self { settings: settings.clone(), family, url, http })
    }

    fn form(&self, piece: &Piece, language: Option<&str>) -> Result<multipart::Form, EngineError> {
        let file = multipart::Part::bytes(wav(&piece.samples))
            .file_name("audio.wav")
            .mime_str("audio/wav")
            .map_err(|error| EngineError::Refused(error.to_string()))?;
        let mut form = multipart::Form::new()
            .part("file", file)
            .text("model", self.settings.model.clone())
            .text("response_format", self.family.response_format());
        if let Some(language) = language {
            form = form.text("language", language.to_owned());
        }
        let prompt = self.settings.prompt.as_ref().filter(|_| self.family != Family::Diarize);
        if let Some(prompt) = prompt {
            form = form.text("prompt", prompt.clone());
        }
        if self.family == Family::Diarize {
            // Needed above 30 s, allowed below.
            form = form.text("chunking_strategy", "auto");
        }
        Ok(form)
    }

    async fn ask(&self, piece: &Piece, language: Option<&str>) -> Result<Heard, EngineError> {
        let mut request = self.http.post(self.url.clone()).multipart(self.form(piece, language)?);
        if let Some(key) = &self.settings.api_key {
            request = request.bearer_auth(key.expose_secret());
        }
        Ok(self.http.ask::<Answer>(request, refusal).await?.into_heard(piece))
    }
}

impl Engine for Openai {
    fn identity(&self) -> domain::Engine {
        let model = Some(self.settings.model.clone());
        domain::Engine { name: "openai".into(), model, version: None }
    }

    fn cut_rule(&self) -> CutRule {
        let longest = self.settings.longest_piece_seconds.clamp(5, LONGEST_SECONDS) * 1000;
        match self.family {
            // Text alone has no times: a piece for each turn of the conversation.
            Family::Text => CutRule { longest_ms: longest.min(60_000), at_silence_ms: Some(1_000) },
            Family::Whisper | Family::Diarize => {
                CutRule { longest_ms: longest, at_silence_ms: None }
            }
        }
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

/// An answer in any of the formats; every field beyond `text` may be missing.
#[derive(Deserialize)]
struct Answer {
    text: String,
    #[serde(default)]
    language: Option<String>,
    #[serde(default)]
    segments: Option<Vec<AnswerSegment>>,
}

#[derive(Deserialize)]
struct AnswerSegment {
    #[serde(default)]
    start: Option<f64>,
    #[serde(default)]
    end: Option<f64>,
    text: String,
    #[serde(default)]
    avg_logprob: Option<f64>,
    #[serde(default)]
    no_speech_prob: Option<f64>,
    #[serde(default)]
    speaker: Option<String>,
}

impl Answer {
    fn into_heard(self, piece: &Piece) -> Heard {
        let language = self.language.as_deref().and_then(language::code);
        let segments = match self.segments {
            // Segments without times are no better than the text alone.
            Some(segments) if !segments.is_empty() && segments.iter().all(|s| s.is_timed()) => {
                let mut voices = Voices::default();
                segments.into_iter().filter_map(|one| one.into_heard(piece, &mut voices)).collect()
            }
            _ => Heard::whole(piece, &self.text, None).segments,
        };
        Heard { segments, language, ..Heard::default() }
    }
}

impl AnswerSegment {
    fn is_timed(&self) -> bool {
        self.start.is_some() && self.end.is_some()
    }

    fn into_heard(self, piece: &Piece, voices: &mut Voices) -> Option<HeardSegment> {
        let (start, end) = (self.start?, self.end?);
        let confidence = self.avg_logprob.map(|p| p.exp().clamp(0.0, 1.0) as f32);
        (!self.text.trim().is_empty()).then(|| HeardSegment {
            voice: self.speaker.map(|name| voices.number(name)),
            no_speech: self.no_speech_prob.map(|p| p.clamp(0.0, 1.0) as f32),
            ..HeardSegment::timed(piece, start, end, &self.text).with_confidence(confidence)
        })
    }
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
        code: Option<String>,
        #[serde(default, rename = "type")]
        kind: Option<String>,
        #[serde(default)]
        param: Option<String>,
    }
    let Detail { code, kind, param } = answered.json::<Refusal>().unwrap_or_default().error;
    let says = |word: &str| [&code, &kind].into_iter().flatten().any(|given| given == word);
    if says("insufficient_quota") {
        return EngineError::QuotaExhausted;
    }
    if answered.status == StatusCode::BAD_REQUEST && param.as_deref() == Some("language") {
        return EngineError::UnsupportedLanguage;
    }
    let code = code.or(kind);
    if answered.status == StatusCode::BAD_REQUEST && param.as_deref() == Some("model") {
        let code = code.unwrap_or_else(|| "model".into());
        return EngineError::NotThere { status: answered.status.as_u16(), code };
    }
    answered.refusal(code.as_deref().unwrap_or("no code"))
}

#[cfg(test)]
mod tests;
