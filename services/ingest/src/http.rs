//! The HTTP side: what is read of a request, and how it is answered, counted and logged.

use std::{sync::Arc, time::Instant};

use bytes::{Buf, BufMut};
use domain::mask_phone;
use futures_util::{Stream, StreamExt};
use twilio::signature;
use warp::{
    Filter,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    path::FullPath,
    reply::Response,
};

use crate::{Ingest, Intake, Refusal, service::Taken};

/// The longest body that is read. Twilio's callbacks are about 1 KiB.
const BODY_LIMIT: usize = 64 * 1024;
/// What a refusal for now asks to wait, in seconds.
const RETRY_AFTER_SECONDS: u64 = 5;
/// How much of an unknown path is logged.
const LOGGED_PATH: usize = 100;
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
    let request_id = format!("{:016x}", fastrand::u64(..));
    let route = ingest.route(head.path.as_str());
    let kind = route.map_or("none", |(route, _)| route.kind.as_str());
    let taken = async {
        let (route, path) = route.ok_or(Refusal::NotFound)?;
        let body = read(&head, body).await?;
        let shown = head.headers.get(signature::HEADER).and_then(|value| value.to_str().ok());
        let path_and_query = match head.query.as_str() {
            "" => path.to_owned(),
            query => format!("{path}?{query}"),
        };
        ingest.take(route.kind, &body, shown, &path_and_query).await
    };
    let taken = taken.await;
    let twiml = route.is_some_and(|(route, _)| route.twiml);
    let mut response = match &taken {
        Ok(_) => accepted(twiml),
        Err(refusal) => refused(refusal),
    };
    // Hexadecimal digits are always a header's value.
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    let outcome = taken.as_ref().map_or_else(Refusal::name, |taken| taken.outcome);
    metrics::counter!("ingest_callbacks_total", "kind" => kind, "outcome" => outcome).increment(1);
    metrics::histogram!("ingest_callback_seconds").record(started.elapsed().as_secs_f64());
    log(&request_id, &head, &taken, response.status(), started);
    response
}

/// Checks what the head says of the body, and reads it.
async fn read<B: Buf>(
    head: &Head,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Vec<u8>, Refusal> {
    if head.method != Method::POST {
        return Err(Refusal::Method);
    }
    if !is_form(&head.headers) {
        return Err(Refusal::ContentType);
    }
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
    Ok(read)
}

fn is_form(headers: &HeaderMap) -> bool {
    let Some(Ok(value)) = headers.get(header::CONTENT_TYPE).map(HeaderValue::to_str) else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
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

/// The access log: one line a request, numbers masked.
fn log(
    request_id: &str,
    head: &Head,
    taken: &Result<Taken, Refusal>,
    status: StatusCode,
    started: Instant,
) {
    let path = head.path.as_str();
    let path = path.get(..LOGGED_PATH).unwrap_or(path);
    let (status, ms) = (status.as_u16(), started.elapsed().as_secs_f64() * 1000.0);
    let repeated = head.headers.contains_key(IDEMPOTENCY_TOKEN);
    match taken {
        Ok(Taken { work, outcome }) => {
            let masked = |number: &Option<String>| number.as_deref().map(mask_phone);
            // Operators look for the first of these sentences.
            let message = match (work.job(), *outcome) {
                (Some(_), "accepted") => "job enqueued",
                _ => "callback",
            };
            tracing::info!(
                target: "access",
                request_id, path, status, ms, outcome, repeated,
                call_sid = %work.call_sid,
                recording_sid = work.recording_sid.as_ref().map(tracing::field::display),
                source = work.job().map(|job| job.source().as_str()),
                from = masked(&work.call.from),
                to = masked(&work.call.to),
                "{message}"
            );
        }
        Err(Refusal::Unavailable { reason }) => {
            tracing::warn!(target: "access", request_id, path, status, ms, repeated, reason,
                outcome = "unavailable", "callback refused");
        }
        Err(refusal) => {
            tracing::info!(target: "access", request_id, path, status, ms, repeated,
                outcome = refusal.name(), reason = %refusal, "callback refused");
        }
    }
}
