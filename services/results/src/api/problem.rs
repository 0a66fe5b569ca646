//! Errors as problem documents (RFC 9457).

use schemars::JsonSchema;
use serde::Serialize;
use warp::{
    http::{
        HeaderName, HeaderValue, StatusCode,
        header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    reply::Response,
};

use crate::store::StoreError;

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    parameter: Option<String>,
    headers: Vec<(HeaderName, String)>,
}

/// Why a request was not done, after RFC 9457.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub struct Document<'a> {
    /// Always `about:blank`: the status says what kind of problem it is.
    r#type: &'static str,
    /// The status in words.
    title: &'a str,
    /// The status.
    status: u16,
    /// What is wrong and what to do about it.
    detail: &'a str,
    /// The path that was asked for.
    instance: &'a str,
    /// The parameter that is wrong, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'a str>,
}

impl Problem {
    /// A problem with a sentence that says what to do about it.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), parameter: None, headers: Vec::new() }
    }

    /// A parameter is unknown or wrong.
    pub fn parameter(name: &str, detail: impl Into<String>) -> Self {
        let detail = format!("{name}: {}", detail.into());
        Self { parameter: Some(name.to_owned()), ..Self::new(StatusCode::BAD_REQUEST, detail) }
    }

    /// A parameter has the right form and cannot be used all the same.
    pub fn unusable(name: &str, detail: impl Into<String>) -> Self {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Self { status, ..Self::parameter(name, detail) }
    }

    /// There is no such thing.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// The thing is there, but this cannot be done to it.
    pub fn method_not_allowed(allow: &str) -> Self {
        let detail = format!("this path answers {allow} only");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, detail).with(ALLOW, allow)
    }

    /// The same problem, with what a caller needs in order to be let in.
    pub fn challenge(self, challenge: &str) -> Self {
        self.with(WWW_AUTHENTICATE, challenge)
    }

    /// The same problem, with a header.
    pub fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The answer to send.
    pub fn into_response(self, instance: &str) -> Response {
        let document = Document {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            instance,
            parameter: self.parameter.as_deref(),
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = response(self.status, "application/problem+json", body);
        let headers = response.headers_mut();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "a request could not be answered");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the database cannot be used now; try again")
    }
}

impl From<queue::QueueError> for Problem {
    fn from(error: queue::QueueError) -> Self {
        tracing::warn!(%error, "a request could not be answered");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the queue cannot be used now; try again")
    }
}

impl From<sea_orm::DbErr> for Problem {
    fn from(error: sea_orm::DbErr) -> Self {
        StoreError::from(error).into()
    }
}

/// An answer with a body.
pub fn response(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    private(&mut response);
    response
}

/// Calls hold people's words: nothing on the way may keep an answer, or take it for something else.
pub fn private(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
}
