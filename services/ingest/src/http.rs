//! The HTTP side: what is read of a request, and how it is answered.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use tower_service::Service;
use twilio::signature;
use warp::{
    Filter,
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header, request::Parts,
    },
    path::FullPath,
    reply::Response,
};

use crate::{
    Ingest, Intake, Refusal,
    access_log::Line,
    service::{Encoding, Posted, Route, Taken},
};

/// The longest body that is read. Twilio's callbacks are about 1 KiB.
const BODY_LIMIT: usize = 64 * 1024;
/// What a refusal for now asks to wait, in seconds.
const RETRY_AFTER_SECONDS: u64 = 5;
/// The header every answer names its request with.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Twilio names a repetition with it.
const IDEMPOTENCY_TOKEN: &str = "i-twilio-idempotency-token";

/// What answers all requests of the service, for [`chassis::serve::Server::run`].
pub fn endpoint<Q: Intake>(
    ingest: Arc<Ingest<Q>>,
) -> impl Service<Request<Incoming>, Response = Response, Error = Infallible, Future = Answering> + Clone
{
    Endpoint { others: warp::service(no_callback(ingest.clone())), ingest }
}

/// Callbacks come straight from hyper, since a chain of filters costs a tenth of what taking one
/// does; whatever else comes goes through warp.
#[derive(Clone)]
struct Endpoint<Q, Others> {
    ingest: Arc<Ingest<Q>>,
    others: Others,
}

/// A request that is being answered.
type Answering = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

impl<Q, Others> Service<Request<Incoming>> for Endpoint<Q, Others>
where
    Q: Intake,
    Others: Service<Request<Incoming>, Response = Response, Error = Infallible>,
    Others::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.others.poll_ready(context)
    }

    fn call(&mut self, request: Request<Incoming>) -> Answering {
        match self.ingest.route(request.uri().path()) {
            Some((route, path)) if request.method() == Method::POST => {
                let prefix = request.uri().path().len() - path.len();
                let ingest = self.ingest.clone();
                Box::pin(async move { Ok(take(&ingest, route, prefix, request).await) })
            }
            _ => Box::pin(self.others.call(request)),
        }
    }
}

/// What is posted nowhere, or not posted.
fn no_callback<Q: Intake>(
    ingest: Arc<Ingest<Q>>,
) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone {
    warp::path::full().map(move |path: FullPath| {
        let arrived = Arrived { at: Instant::now(), repeated: false };
        let route = ingest.route(path.as_str()).map(|(route, _)| route);
        let refusal = if route.is_some() { Refusal::Method } else { Refusal::NotFound };
        arrived.answer(&ingest, path.as_str(), route, &Err(refusal))
    })
}

/// `prefix` is how much of the path comes before what is below the public base.
async fn take<Q: Intake>(
    ingest: &Ingest<Q>,
    route: Route,
    prefix: usize,
    request: Request<Incoming>,
) -> Response {
    let (Parts { uri, headers, .. }, body) = request.into_parts();
    let repeated = headers.contains_key(IDEMPOTENCY_TOKEN);
    let arrived = Arrived { at: Instant::now(), repeated };
    let taken = async {
        let (encoding, body) = read(&headers, body).await?;
        let signature = headers.get(signature::HEADER).and_then(|value| value.to_str().ok());
        let (path, query) = (&uri.path()[prefix..], uri.query().unwrap_or_default());
        ingest.take(route, Posted { encoding, body: &body, signature, path, query }).await
    };
    let taken = taken.await;
    arrived.answer(ingest, uri.path(), Some(route), &taken)
}

/// What is known of a request before it is handled.
struct Arrived {
    at: Instant,
    repeated: bool,
}

impl Arrived {
    /// Answers the request, counts it and logs it.
    fn answer<Q: Intake>(
        &self,
        ingest: &Ingest<Q>,
        path: &str,
        route: Option<Route>,
        taken: &Result<Taken, Refusal>,
    ) -> Response {
        let request_id = RequestId::new();
        let mut response = match taken {
            Ok(_) => accepted(route.is_some_and(|route| route.twiml)),
            Err(refusal) => refused(refusal),
        };
        response.headers_mut().insert(REQUEST_ID, request_id.header());
        let took = self.at.elapsed();
        let outcome = taken.as_ref().map(|taken| taken.outcome);
        ingest.meters().count(route.map(|route| route.kind), outcome, took);
        let (request_id, repeated) = (request_id.as_str(), self.repeated);
        Line { request_id, path, status: response.status(), took, repeated }.write(taken);
        response
    }
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
async fn read(headers: &HeaderMap, body: Incoming) -> Result<(Encoding, Bytes), Refusal> {
    let encoding = encoding(headers).ok_or(Refusal::ContentType)?;
    // What says that it is too long is not read.
    if body.size_hint().lower() > BODY_LIMIT as u64 {
        return Err(Refusal::TooLarge);
    }
    match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(body) => Ok((encoding, body.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge),
        Err(_) => Err(Refusal::Unreadable),
    }
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
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NO_CONTENT;
        return response;
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
