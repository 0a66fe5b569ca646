//! The REST API, version 1.
//!
//! One table of routes ([`ROUTES`]) dispatches requests, checks them and describes itself as
//! OpenAPI 3.1. Every answer is JSON unless another format was asked for; an error is a problem
//! document (RFC 9457).

mod access;
mod again;
mod calls;
mod cursor;
mod deliveries;
mod describe;
mod docs;
mod kind;
mod leads;
mod openapi;
mod params;
mod problem;
mod queue_views;
mod queues;
mod request;
mod retention;
mod route;
mod statistics;
mod token;
mod transcript;

use std::sync::Arc;

use bytes::Buf;
use chassis::queues as queues_of;
use futures_util::Stream;
use queue::{Link, Queue};
use warp::{
    Filter, Rejection,
    http::{Method, StatusCode},
    path::FullPath,
    reply::Response,
};

use self::{describe::Description, params::Params, request::Request, route::Route};
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
    leads::ROUTES,
    statistics::ROUTES,
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
    description: Arc<Description>,
}

impl Api {
    /// An API over a database and the queues behind a link.
    pub fn new(store: Store, link: &Link, settings: Arc<ResultsSettings>) -> Self {
        let access = Arc::new(access::Access::new(&settings.api));
        let [calls, results, webhooks] =
            [queues_of::calls, queues_of::results, outbound::queue].map(|open| open(link.clone()));
        let description = Arc::new(Description::new());
        Self { store, calls, results, webhooks, settings, access, description }
    }

    async fn answer<B: Buf>(
        self,
        mut request: Request,
        body: impl Stream<Item = Result<B, warp::Error>>,
    ) -> Response {
        match self.dispatch(&mut request, body).await {
            Ok(response) => response,
            Err(problem) => problem.into_response(&request.path),
        }
    }

    async fn dispatch<B: Buf>(
        &self,
        request: &mut Request,
        body: impl Stream<Item = Result<B, warp::Error>>,
    ) -> Result<Response, Problem> {
        let path = request.path.clone();
        let found = find(&request.method, &path);
        match found.as_ref().map(|(route, _)| route.scope) {
            Ok(None) => self.access.check_open(&request.headers)?,
            Ok(Some(needed)) => self.access.caller(&request.headers)?.check(needed)?,
            Err(_) => drop(self.access.caller(&request.headers)?),
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
        .and(warp::body::stream())
        .then(move |method, path: FullPath, query, headers, body| {
            let request = Request::new(method, path.as_str(), query, headers);
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
