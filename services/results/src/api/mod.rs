//! The REST API, version 1.
//!
//! One table of routes ([`ROUTES`]) dispatches requests, checks them and describes itself as
//! OpenAPI 3.1. Every answer is JSON unless another format was asked for; an error is a problem
//! document (RFC 9457).

mod access;
mod again;
mod audio;
mod calls;
mod course;
mod cursor;
mod deliveries;
mod describe;
mod docs;
mod export;
mod kind;
mod leads;
mod limit;
mod live;
mod openapi;
mod params;
mod problem;
mod queue_views;
mod queues;
mod range;
mod request;
mod retention;
mod route;
mod statistics;
mod streaming;
mod token;
mod transcript;

use std::sync::Arc;

use bytes::Buf;
use chassis::{queues as queues_of, serve::Peer};
use futures_util::Stream;
use queue::{Link, Queue};
use tokio_util::sync::CancellationToken;
use warp::{
    Filter, Rejection,
    http::{Method, StatusCode},
    path::FullPath,
    reply::Response,
};

use self::{
    access::Caller, describe::Description, params::Params, request::Request, route::Route,
    streaming::Places,
};
pub use self::{
    openapi::document,
    problem::Problem,
    token::{Scope, Token, WrongToken},
};
use crate::{outbound, settings::ResultsSettings, store::Store};

/// Everything that is served.
const ROUTES: &[&[Route]] = &[
    calls::ROUTES,
    again::ROUTES,
    transcript::ROUTES,
    audio::ROUTES,
    export::ROUTES,
    leads::ROUTES,
    statistics::ROUTES,
    live::ROUTES,
    queues::ROUTES,
    deliveries::ROUTES,
    retention::ROUTES,
    describe::ROUTES,
];

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    store: Store,
    calls: Queue,
    results: Queue,
    webhooks: Queue,
    settings: Arc<ResultsSettings>,
    access: Arc<access::Access>,
    limiter: Arc<limit::Limiter>,
    places: Arc<Places>,
    twilio: Option<twilio::Client>,
    stop: CancellationToken,
    description: Arc<Description>,
}

impl Api {
    /// An API over a database and the queues behind a link. Without a client for Twilio it has no
    /// audio; what it streams ends when `stop` is cancelled.
    pub fn new(
        store: Store,
        link: &Link,
        settings: Arc<ResultsSettings>,
        twilio: Option<twilio::Client>,
        stop: CancellationToken,
    ) -> Self {
        let access = Arc::new(access::Access::new(&settings.api));
        let [calls, results, webhooks] =
            [queues_of::calls, queues_of::results, outbound::queue].map(|open| open(link.clone()));
        Self {
            store,
            calls,
            results,
            webhooks,
            access,
            limiter: Arc::new(limit::Limiter::new(settings.api.requests_per_minute)),
            places: Arc::new(Places::new()),
            settings,
            twilio,
            stop,
            description: Arc::new(Description::new()),
        }
    }

    async fn answer<B: Buf>(
        self,
        mut request: Request,
        body: impl Stream<Item = Result<B, warp::Error>>,
    ) -> Response {
        let caller = self.access.caller(&request.headers);
        let token = caller.as_ref().ok().and_then(|caller| caller.token);
        let left = match self.limiter.count(token, request.peer) {
            Ok(left) => left,
            Err(problem) => return problem.into_response(&request.path),
        };
        let mut response = match self.dispatch(&mut request, caller, body).await {
            Ok(response) => response,
            Err(problem) => problem.into_response(&request.path),
        };
        if let Some(left) = left {
            left.tell(&mut response);
        }
        response
    }

    async fn dispatch<B: Buf>(
        &self,
        request: &mut Request,
        caller: Result<Caller, Problem>,
        body: impl Stream<Item = Result<B, warp::Error>>,
    ) -> Result<Response, Problem> {
        let path = request.path.clone();
        let found = find(&request.method, &path);
        match found.as_ref().map(|(route, _)| route.scope) {
            Ok(None) => self.access.check_open(&request.headers)?,
            Ok(Some(needed)) => caller?.check(needed)?,
            Err(_) => drop(caller?),
        }
        let (route, segments) = found?;
        request.params = Params::read(route, &segments, &request.query, &request.headers)?;
        if route.body.is_some() {
            request.read(body).await?;
        }
        (route.handler)(self, request).await
    }
}

type Found<'p> = (&'static Route, Vec<(&'static str, &'p str)>);

/// The route of a request: of those whose path fits, the one with the fewest variable segments.
fn find<'p>(method: &Method, path: &'p str) -> Result<Found<'p>, Problem> {
    let mut fitting: Vec<Found<'p>> = ROUTES
        .iter()
        .copied()
        .flatten()
        .filter_map(|route| Some((route, route.names(path)?)))
        .collect();
    let fewest = fitting.iter().map(|(_, names)| names.len()).min();
    fitting.retain(|(_, names)| Some(names.len()) == fewest);
    let allowed: Vec<&str> = fitting.iter().map(|(route, _)| route.method.as_str()).collect();
    let problem = match allowed.as_slice() {
        [] if path == "/v1" || path.starts_with("/v1/") => {
            Problem::not_found("there is nothing at this path; /v1/docs says what there is")
        }
        [] => Problem::not_found("there is nothing here; the API starts at /v1"),
        allowed => Problem::method_not_allowed(&allowed.join(", ")),
    };
    fitting.into_iter().find(|(route, _)| route.method.as_str() == method.as_str()).ok_or(problem)
}

/// The routes, for [`warp::service`].
pub fn routes(
    api: Api,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::method()
        .and(warp::path::full())
        .and(query)
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional::<Peer>())
        .and(warp::body::stream())
        .then(move |method, path: FullPath, query, headers, peer: Option<Peer>, body| {
            let mut request = Request::new(method, path.as_str(), query, headers);
            request.peer = peer.map(|Peer(address)| address);
            api.clone().answer(request, body)
        })
}

fn json(value: &impl serde::Serialize) -> Result<Response, Problem> {
    json_with(StatusCode::OK, value)
}

fn json_with(status: StatusCode, value: &impl serde::Serialize) -> Result<Response, Problem> {
    let body = serde_json::to_vec(value).map_err(|error| {
        tracing::error!(%error, "an answer cannot be written as JSON");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer cannot be written")
    })?;
    Ok(problem::response(status, "application/json", body))
}
