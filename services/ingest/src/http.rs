//! The HTTP side: what is read of a request, and how it is answered.

use std::{sync::Arc, time::Instant};

use bytes::{Buf, BufMut};
use futures_util::{Stream, StreamExt};
use twilio::signature;
use warp::{
    Filter,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    path::FullPath,
    reply::Response,
};

use crate::{
    Ingest, Intake, Refusal,
    access_log::Line,
    service::{Encoding, Posted},
};

/// The longest body that is read. Twilio's callbacks are about 1 KiB.
const BODY_LIMIT: usize = 64 * 1024;
/// What a refusal for now asks to wait, in seconds.
const RETRY_AFTER_SECONDS: u64 = 5;
/// The header every answer names its request with.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Twilio names a repetition with it.
const IDEMPOTENCY_TOKEN: &str = "i-twilio-idempotency-token";

/// One request, without its body.
struct Head {
    method: Method,
    path: FullPath,
    query: String,
    headers: HeaderMap,
}

/// All routes of the service.
pub fn routes<Q: Intake>(
    ingest: Arc<Ingest<Q>>,
) -> impl Filter<Extract = (Response,), Error = warp::Rejection> + Clone {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::method()
        .and(warp::path::full())
        .and(query)
        .and(warp::header::headers_cloned())
        .map(|method, path, query, headers| Head { method, path, query, headers })
        .and(warp::body::stream())
        .then(move |head: Head, body| {
            let ingest = ingest.clone();
            async move { respond(&ingest, head, body).await }
        })
}

async fn respond<Q, B>(
    ingest: &Ingest<Q>,
    head: Head,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Response
where
    Q: Intake,
    B: Buf,
{
    let started = Instant::now();
    let request_id = RequestId::new();
    let route = ingest.route(head.path.as_str());
    let taken = async {
        let (route, path) = route.ok_or(Refusal::NotFound)?;
        let (encoding, body) = read(&head, body).await?;
        let signature = head.headers.get(signature::HEADER).and_then(|value| value.to_str().ok());
        let (path, query) = (path, head.query.as_str());
        ingest.take(route.kind, Posted { encoding, body: &body, signature, path, query }).await
    };
    let taken = taken.await;
    let twiml = route.is_some_and(|(route, _)| route.twiml);
    let mut response = match &taken {
        Ok(_) => accepted(twiml),
        Err(refusal) => refused(refusal),
    };
    response.headers_mut().insert(REQUEST_ID, request_id.header());
    let took = started.elapsed();
    let outcome = taken.as_ref().map(|taken| taken.outcome);
    ingest.meters().count(route.map(|(route, _)| route.kind), outcome, took);
    let line = Line {
        request_id: request_id.as_str(),
        path: head.path.as_str(),
        status: response.status(),
        took,
        repeated: head.headers.contains_key(IDEMPOTENCY_TOKEN),
    };
    line.write(&taken);
    response
}

/// Sixteen hexadecimal digits by which an answer and its log line are known.
struct RequestId([u8; 16]);

impl RequestId {
    fn new() -> Self {
        let number = fastrand::u64(..);
        Self(std::array::from_fn(|at| {
            b"0123456789abcdef"[(number >> (60 - 4 * at)) as usize & 0xf]
        }))
    }

    fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }

    fn header(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

/// Checks what the head says of the body, and reads it.
async fn read<B: Buf>(
    head: &Head,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<(Encoding, Vec<u8>), Refusal> {
    if head.method != Method::POST {
        return Err(Refusal::Method);
    }
    let encoding = encoding(&head.headers).ok_or(Refusal::ContentType)?;
    let length = head.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let length: Option<usize> = length.and_then(|length| length.parse().ok());
    if length.is_some_and(|length| length > BODY_LIMIT) {
        return Err(Refusal::TooLarge);
    }
    let mut read = Vec::with_capacity(length.unwrap_or_default());
    let mut body = std::pin::pin!(body);
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|_| Refusal::Unreadable)?;
        if read.len() + piece.remaining() > BODY_LIMIT {
            return Err(Refusal::TooLarge);
        }
        read.put(piece);
    }
    Ok((encoding, read))
}

fn encoding(headers: &HeaderMap) -> Option<Encoding> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let essence = value.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        Some(Encoding::Form)
    } else if essence.eq_ignore_ascii_case("application/json") {
        Some(Encoding::Json)
    } else {
        None
    }
}

fn accepted(twiml: bool) -> Response {
    if !twiml {
        return with(StatusCode::NO_CONTENT, None, "");
    }
    let nothing = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response/>";
    with(StatusCode::OK, Some("text/xml; charset=utf-8"), nothing)
}

fn refused(refusal: &Refusal) -> Response {
    let line = format!("{refusal}\n");
    let mut response = with(refusal.status(), Some("text/plain; charset=utf-8"), line);
    match refusal {
        Refusal::Unavailable { .. } => {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS.into());
        }
        Refusal::Method => {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        }
        _ => {}
    }
    response
}

fn with(
    status: StatusCode,
    content_type: Option<&'static str>,
    body: impl Into<String>,
) -> Response {
    let mut response = Response::new(body.into().into());
    *response.status_mut() = status;
    if let Some(content_type) = content_type {
        let value = HeaderValue::from_static(content_type);
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response
}
