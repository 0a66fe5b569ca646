//! Requests with credentials: to Twilio's host only, bounded in time and rate, repeated when Twilio
//! is busy or broken.

use std::time::Duration;

use domain::AccountSid;
use reqwest::{Method, Response, StatusCode, header, header::HeaderMap, redirect};
use secrecy::ExposeSecret;
use serde::{Deserialize, de::DeserializeOwned};
use url::Url;

use super::{Credentials, pace::Pace};
use crate::{TwilioError, TwilioSettings};

/// The first wait before a request is repeated; doubles each time.
const FIRST_BACKOFF: Duration = Duration::from_millis(250);
/// The longest wait before a request is repeated. When Twilio asks for a longer one, the error goes
/// up to whoever can do something else meanwhile.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// How much of an error's body is read.
const ERROR_BODY_BYTES: usize = 16 * 1024;
/// How many redirects a download may take.
const MEDIA_REDIRECTS: usize = 5;

#[derive(Clone)]
pub(crate) struct Transport {
    /// Sends credentials and follows nothing.
    with_credentials: reqwest::Client,
    /// Follows redirects and knows no credentials.
    anonymous: reqwest::Client,
    base: Url,
    pace: Pace,
    request_timeout: Duration,
    max_retries: u32,
}

impl Transport {
    pub(crate) fn new(settings: &TwilioSettings) -> Result<Self, TwilioError> {
        settings.validate().map_err(TwilioError::Settings)?;
        let base = Url::parse(settings.api_base.trim_end_matches('/'))
            .map_err(|error| TwilioError::Settings(format!("twilio.api_base: {error}")))?;
        let client = |redirects: redirect::Policy| {
            reqwest::Client::builder()
                .user_agent(concat!("callscribe/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(Duration::from_secs(settings.connect_timeout_seconds))
                .read_timeout(Duration::from_secs(settings.media_idle_timeout_seconds))
                .redirect(redirects)
                .https_only(base.scheme() == "https")
                .build()
                .map_err(|error| TwilioError::Settings(format!("TLS cannot be set up: {error}")))
        };
        Ok(Self {
            with_credentials: client(redirect::Policy::none())?,
            anonymous: client(redirect::Policy::limited(MEDIA_REDIRECTS))?,
            pace: Pace::per_second(settings.max_requests_per_second),
            request_timeout: Duration::from_secs(settings.request_timeout_seconds),
            max_retries: settings.max_retries,
            base,
        })
    }

    pub(crate) fn host(&self) -> Option<&str> {
        self.base.host_str()
    }

    /// `{base}/Accounts/{account}/{path}?{query}`.
    pub(crate) fn url(&self, account: &AccountSid, path: &str, query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!(
            "{}/Accounts/{account}/{path}",
            self.base.path().trim_end_matches('/')
        ));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Asks for JSON, again where that may help.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        credentials: &Credentials,
        url: Url,
    ) -> Result<T, TwilioError> {
        let body = self.ask(Method::GET, credentials, &url).await?;
        serde_json::from_slice(&body).map_err(|error| TwilioError::Unreadable(error.to_string()))
    }

    /// Sends a request that may be repeated, and reads its whole answer.
    pub(crate) async fn ask(
        &self,
        method: Method,
        credentials: &Credentials,
        url: &Url,
    ) -> Result<Vec<u8>, TwilioError> {
        let mut attempt = 0;
        loop {
            let error = match self.ask_once(method.clone(), credentials, url).await {
                Ok(body) => return Ok(body),
                Err(error) => error,
            };
            let wait = wait_before_next(&error, attempt);
            if !error.is_transient() || attempt >= self.max_retries || wait > LONGEST_WAIT {
                return Err(error);
            }
            tracing::debug!(%error, path = url.path(), ?wait, "asking Twilio again");
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    async fn ask_once(
        &self,
        method: Method,
        credentials: &Credentials,
        url: &Url,
    ) -> Result<Vec<u8>, TwilioError> {
        // The wait for our own pace is none of Twilio's time.
        self.pace.turn().await;
        let exchange = async {
            let response = self.send(method, credentials, url.clone(), HeaderMap::new()).await?;
            if response.status().is_redirection() {
                return Err(TwilioError::Unreadable(format!(
                    "an unexpected redirect ({})",
                    response.status().as_u16()
                )));
            }
            Ok(accepted(response).await?.bytes().await?.to_vec())
        };
        tokio::time::timeout(self.request_timeout, exchange)
            .await
            .unwrap_or(Err(TwilioError::Timeout))
    }

    /// Sends one request in its turn, with credentials and further headers, and returns whatever
    /// comes.
    pub(crate) async fn send_in_turn(
        &self,
        method: Method,
        credentials: &Credentials,
        url: Url,
        headers: HeaderMap,
    ) -> Result<Response, TwilioError> {
        self.pace.turn().await;
        self.send(method, credentials, url, headers).await
    }

    async fn send(
        &self,
        method: Method,
        credentials: &Credentials,
        url: Url,
        headers: HeaderMap,
    ) -> Result<Response, TwilioError> {
        let password = credentials.password.expose_secret();
        let request = self.with_credentials.request(method, url).headers(headers);
        Ok(request.basic_auth(&credentials.user, Some(password)).send().await?)
    }

    /// Asks without credentials, and follows wherever that leads.
    pub(crate) async fn follow(
        &self,
        url: Url,
        headers: HeaderMap,
    ) -> Result<Response, TwilioError> {
        Ok(self.anonymous.get(url).headers(headers).send().await?)
    }
}

/// How long to wait: what Twilio asks for, else a random share of a doubling time.
fn wait_before_next(error: &TwilioError, attempt: u32) -> Duration {
    let longest = FIRST_BACKOFF.saturating_mul(2u32.saturating_pow(attempt)).min(LONGEST_WAIT);
    error.retry_after().unwrap_or_else(|| longest.mul_f64(0.5 + fastrand::f64() / 2.0))
}

/// The response itself when its status is good, else the error it stands for.
pub(crate) async fn accepted(response: Response) -> Result<Response, TwilioError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let retry_after = retry_after(&response);
    let ErrorBody { code, message } = read_error(response).await;
    Err(match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => TwilioError::NotFound { code },
        // Too many requests is said with 429, and with its code where a gateway changed the status.
        StatusCode::TOO_MANY_REQUESTS => TwilioError::RateLimited { retry_after, code },
        _ if code == Some(20429) => TwilioError::RateLimited { retry_after, code },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            TwilioError::Forbidden { status: status.as_u16(), code }
        }
        _ if status.is_server_error() => {
            TwilioError::Unavailable { reason: format!("status {}", status.as_u16()), retry_after }
        }
        _ => TwilioError::Api { status: status.as_u16(), code, message },
    })
}

/// The wait in a `Retry-After` header; the form with a date is not used by Twilio.
fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

#[derive(Deserialize, Default)]
struct ErrorBody {
    #[serde(default)]
    code: Option<u32>,
    #[serde(default)]
    message: String,
}

/// Twilio's errors are JSON or XML, whatever the content type says.
async fn read_error(mut response: Response) -> ErrorBody {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > ERROR_BODY_BYTES {
            break;
        }
    }
    if let Ok(read) = serde_json::from_slice(&body) {
        return read;
    }
    let text = String::from_utf8_lossy(&body);
    ErrorBody {
        code: between(&text, "<Code>", "</Code>").and_then(|code| code.trim().parse().ok()),
        message: between(&text, "<Message>", "</Message>").unwrap_or_default().to_owned(),
    }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    Some(rest.split_once(end)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twilio_s_own_wait_is_kept_and_ours_grows_and_is_bounded() {
        let asked = TwilioError::RateLimited {
            retry_after: Some(Duration::from_secs(3)),
            code: Some(20429),
        };
        assert_eq!(wait_before_next(&asked, 0), Duration::from_secs(3));
        assert!(wait_before_next(&TwilioError::Timeout, 0) <= FIRST_BACKOFF);
        assert!(wait_before_next(&TwilioError::Timeout, 3) >= FIRST_BACKOFF * 4);
        assert!(wait_before_next(&TwilioError::Timeout, 90) <= LONGEST_WAIT);
    }

    #[test]
    fn urls_are_built_from_the_base_with_its_path() {
        let settings = TwilioSettings {
            api_base: "http://127.0.0.1:1/twilio/2010-04-01/".into(),
            ..Default::default()
        };
        let _ = rustls::crypto::ring::default_provider().install_default();
        let transport = Transport::new(&settings).unwrap();
        let account: AccountSid = format!("AC{:032x}", 1).parse().unwrap();
        let url = transport.url(&account, "Recordings.json", &[("DateCreated>", "2026-01-31")]);
        assert_eq!(
            url.as_str(),
            format!(
                "http://127.0.0.1:1/twilio/2010-04-01/Accounts/{account}/Recordings.json\
                 ?DateCreated%3E=2026-01-31"
            )
        );
    }
}
