//! The request, its time limit, its one retry.

use std::{sync::Arc, time::Duration};

use domain::Transcript;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{
    reply::{Completion, JobSheet},
    request::body,
    rest::Rest,
    verify::{Found, verify},
};
use crate::extract::{Lexicon, LlmSettings, Ruled};

/// An answer is a few hundred bytes; this much is somebody else's page.
const MAX_ANSWER: usize = 256 * 1024;

/// A chat endpoint, ready to be asked. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Llm {
    http: reqwest::Client,
    endpoint: Url,
    key: Option<SecretString>,
    settings: Arc<LlmSettings>,
    rest: Arc<Rest>,
}

/// Why the model gave nothing usable.
#[derive(Debug, thiserror::Error)]
pub enum LlmError {
    /// The HTTP client could not be built.
    #[error("cannot build the HTTP client for transcriber.extract.llm: {0}")]
    Client(reqwest::Error),
    /// The endpoint could not be reached, or not in time.
    #[error(
        "the language model did not answer: {0}; check transcriber.extract.llm.url and its time limit"
    )]
    Unreachable(reqwest::Error),
    /// The endpoint refused.
    #[error(
        "the language model answered {status}; check transcriber.extract.llm.api_key and its model"
    )]
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// Twice something that is no job sheet.
    #[error("the language model's answer is not the JSON it was asked for: {0}")]
    Malformed(String),
    /// It failed several times in a row and is not asked.
    #[error("the language model is left alone for {seconds} seconds, after failures in a row")]
    LeftAlone {
        /// From now.
        seconds: u64,
    },
    /// More text than is sent.
    #[error(
        "the transcript has {chars} characters, transcriber.extract.llm.max_chars allows {limit}"
    )]
    TooLong {
        /// Of the transcript.
        chars: usize,
        /// As configured.
        limit: usize,
    },
}

impl LlmError {
    /// One word for metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Client(_) => "client",
            Self::Unreachable(_) => "unreachable",
            Self::Refused { .. } => "refused",
            Self::Malformed(_) => "malformed",
            Self::LeftAlone { .. } => "left_alone",
            Self::TooLong { .. } => "too_long",
        }
    }
}

impl Llm {
    /// The endpoint of the settings; nothing where none is configured.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn from_settings(settings: &LlmSettings) -> Result<Option<Self>, LlmError> {
        let Some(url) = &settings.url else { return Ok(None) };
        let mut endpoint = url.clone();
        let path = format!("{}/chat/completions", url.path().trim_end_matches('/'));
        endpoint.set_path(&path);
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(settings.timeout_seconds))
            // A redirect would carry the transcript to a host nobody configured.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(LlmError::Client)?;
        let key = settings.api_key.clone();
        Ok(Some(Self {
            http,
            endpoint,
            key,
            settings: Arc::new(settings.clone()),
            rest: Arc::default(),
        }))
    }

    /// Asks once, and once more if the answer is malformed.
    ///
    /// # Errors
    /// When the endpoint does not answer in time, refuses, or answers nonsense twice; then, for a
    /// while, without asking it.
    pub async fn ask(
        &self,
        lexicon: &Lexicon,
        transcript: &Transcript,
        ruled: &Ruled,
    ) -> Result<Found, LlmError> {
        let (chars, limit) = (transcript.spoken_chars(), self.settings.max_chars);
        if chars > limit {
            return Err(LlmError::TooLong { chars, limit });
        }
        if let Some(left) = self.rest.left() {
            return Err(LlmError::LeftAlone { seconds: left.as_secs() });
        }
        let settings = &self.settings;
        let catalogue = lexicon.catalogue();
        let body = body(&settings.model, catalogue, &settings.fields, transcript).to_string();
        let sheet = match self.sheet(&body).await {
            Err(LlmError::Malformed(_)) => self.sheet(&body).await,
            answer => answer,
        };
        if let Some(rest) = self.rest.note(sheet.is_ok()) {
            tracing::error!(seconds = rest.as_secs(), "the language model is left alone for now");
        }
        Ok(verify(sheet?, lexicon, transcript, ruled, settings))
    }

    async fn sheet(&self, body: &str) -> Result<JobSheet, LlmError> {
        let mut request = self
            .http
            .post(self.endpoint.clone())
            .header("content-type", "application/json")
            .body(body.to_owned());
        if let Some(key) = &self.key {
            request = request.bearer_auth(key.expose_secret());
        }
        let mut response = request.send().await.map_err(unreachable)?;
        if !response.status().is_success() {
            return Err(LlmError::Refused { status: response.status().as_u16() });
        }
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            answer.extend_from_slice(&chunk);
            if answer.len() > MAX_ANSWER {
                return Err(LlmError::Malformed(format!("longer than {MAX_ANSWER} bytes")));
            }
        }
        read(&answer)
    }
}

fn unreachable(error: reqwest::Error) -> LlmError {
    LlmError::Unreachable(error.without_url())
}

fn read(answer: &[u8]) -> Result<JobSheet, LlmError> {
    // A parser's message can quote what it could not read: the place is enough.
    let place = |error: serde_json::Error| {
        LlmError::Malformed(format!("line {}, column {}", error.line(), error.column()))
    };
    let completion: Completion = serde_json::from_slice(answer).map_err(place)?;
    let content = completion.choices.into_iter().next().and_then(|choice| choice.message.content);
    let content = content.ok_or_else(|| LlmError::Malformed("no content".to_owned()))?;
    JobSheet::read(&content).map_err(place)
}
