//! What engines behind HTTP have in common.

use std::time::Duration;

use reqwest::{RequestBuilder, StatusCode, header};
use serde::de::DeserializeOwned;
use url::Url;

use super::EngineError;

/// What an engine may ask to wait: never nothing, which would be a loop without a pause.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// The most an answer may hold.
const MAX_ANSWER_BYTES: usize = 8_000_000;

/// A client with limits.
pub struct Client {
    http: reqwest::Client,
    timeout_seconds: u64,
}

/// A whole answer, whatever its status.
pub struct Answered {
    /// The status.
    pub status: StatusCode,
    /// How long the server asks to wait.
    pub retry_after: Option<Duration>,
    body: Vec<u8>,
}

/// The address of an endpoint below a configured base.
///
/// # Errors
/// A sentence that names the setting when the base is no http or https address.
pub fn address(setting: &str, base: &str, path: &str) -> Result<Url, String> {
    let address = format!("{}/{path}", base.trim_end_matches('/'));
    let url = Url::parse(&address).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    url.ok_or_else(|| {
        format!(
            "{setting} is {:?}; it is an http or https address such as https://host/v1",
            domain::mask_url(base)
        )
    })
}

impl Client {
    /// A client whose requests take so many seconds at most.
    ///
    /// # Errors
    /// A sentence, when TLS cannot be set up.
    pub fn new(timeout_seconds: u64) -> Result<Self, String> {
        let http = reqwest::Client::builder()
            .user_agent(concat!("callscribe/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            .timeout(Duration::from_secs(timeout_seconds.max(1)))
            // Keys go to the configured host only.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| format!("TLS cannot be set up: {error}"))?;
        Ok(Self { http, timeout_seconds })
    }

    /// A request to be filled in.
    pub fn post(&self, url: Url) -> RequestBuilder {
        self.http.post(url)
    }

    /// Sends a request and reads its answer as JSON; `refusal` tells what another status than
    /// success means at this provider, where [`Answered::refusal`] does not.
    ///
    /// # Errors
    /// When there is no answer, one that cannot be read, or a refusal.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        refusal: fn(&Answered) -> EngineError,
    ) -> Result<T, EngineError> {
        let answered = self.send(request).await?;
        if answered.status.is_success() { answered.json() } else { Err(refusal(&answered)) }
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// When there is no answer, or one that is too large.
    pub async fn send(&self, request: RequestBuilder) -> Result<Answered, EngineError> {
        let mut response = request.send().await.map_err(|error| self.no_answer(&error))?;
        let retry_after = response.headers().get(header::RETRY_AFTER);
        let retry_after = retry_after
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .map(|wait| wait.clamp(SHORTEST_WAIT, LONGEST_WAIT));
        let status = response.status();
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|error| self.no_answer(&error))? {
            body.extend_from_slice(&part);
            if body.len() > MAX_ANSWER_BYTES {
                return Err(EngineError::Malformed("the answer is larger than 8 MB".into()));
            }
        }
        Ok(Answered { status, retry_after, body })
    }

    fn no_answer(&self, error: &reqwest::Error) -> EngineError {
        if error.is_timeout() {
            return EngineError::Timeout { seconds: self.timeout_seconds };
        }
        let mut cause: &dyn std::error::Error = error;
        while let Some(next) = cause.source() {
            cause = next;
        }
        if error.is_connect() {
            EngineError::Unreachable(cause.to_string())
        } else {
            EngineError::Unavailable(cause.to_string())
        }
    }
}

impl Answered {
    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none, or not as the interface says.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, EngineError> {
        // A parser's message can quote what it could not read, which may be somebody's words.
        serde_json::from_slice(&self.body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            EngineError::Malformed(format!("not as expected at line {line}, column {column}"))
        })
    }

    /// What a status other than success means, as far as all providers agree. `code` is the
    /// provider's own; its sentence is not repeated, for it may quote the request.
    pub fn refusal(&self, code: &str) -> EngineError {
        let status = self.status.as_u16();
        match self.status {
            StatusCode::TOO_MANY_REQUESTS => EngineError::RateLimited { after: self.retry_after },
            StatusCode::UNAUTHORIZED => EngineError::Credentials { status },
            StatusCode::FORBIDDEN if is_about_who_asks(code) => EngineError::Credentials { status },
            StatusCode::FORBIDDEN => EngineError::Forbidden { code: code.into() },
            StatusCode::PAYMENT_REQUIRED => EngineError::QuotaExhausted,
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::GONE => {
                EngineError::NotThere { status, code: code.into() }
            }
            // Where it leads to, no key is sent.
            _ if self.status.is_redirection() => {
                EngineError::NotThere { status, code: "a redirect".into() }
            }
            StatusCode::PAYLOAD_TOO_LARGE => EngineError::TooLarge,
            StatusCode::REQUEST_TIMEOUT => EngineError::Unavailable("status 408".into()),
            _ if self.status.is_server_error() => {
                EngineError::Unavailable(format!("status {status}"))
            }
            _ => EngineError::Refused(format!("status {status}, {code}")),
        }
    }
}

/// Whether a code of a 403 names the key, its rights, its account or its country; one without such a
/// code may come from anything on the way that does not like this one request.
fn is_about_who_asks(code: &str) -> bool {
    let code = code.to_lowercase();
    ["key", "auth", "permission", "credential", "account", "organization", "country"]
        .iter()
        .any(|word| code.contains(word))
}
