//! The REST API, version 1.
//!
//! Every answer is JSON; an error is a problem document (RFC 9457).

mod auth;
mod calls;
mod cursor;
mod leads;
mod params;
mod problem;
mod queues;

use std::{convert::Infallible, sync::Arc};

use queue::Queue;
use warp::{
    Filter,
    http::{HeaderMap, Method, StatusCode},
    path::FullPath,
    reply::Response,
};

pub use problem::Problem;

use crate::{settings::ResultsSettings, store::Store};

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    store: Store,
    calls: Queue,
    results: Queue,
    access: Arc<auth::Access>,
}

/// A request, as far as the handlers look at it.
struct Request {
    method: Method,
    path: String,
    query: String,
}

impl Api {
    /// An API over a database and the two queues.
    pub fn new(store: Store, calls: Queue, results: Queue, settings: Arc<ResultsSettings>) -> Self {
        Self { store, calls, results, access: Arc::new(auth::Access::new(&settings.api)) }
    }

    async fn answer(self, request: Request, headers: HeaderMap) -> Response {
        let answer = match self.access.check(&headers) {
            Ok(()) => self.dispatch(&request).await,
            Err(problem) => Err(problem),
        };
        answer.unwrap_or_else(|problem| problem.into_response(&request.path))
    }

    async fn dispatch(&self, request: &Request) -> Result<Response, Problem> {
        let segments: Vec<&str> = request.path.trim_matches('/').split('/').collect();
        let Some(("v1", segments)) = segments.split_first().map(|(first, rest)| (*first, rest))
        else {
            return Err(Problem::not_found("there is nothing here; the API starts at /v1"));
        };
        let query = request.query.as_str();
        match (&request.method, segments) {
            (&Method::GET, ["calls"]) => calls::list(self, query).await,
            (&Method::GET, ["calls", sid]) => calls::one(self, sid, query).await,
            (&Method::POST, ["calls", sid, "transcribe-again"]) => {
                calls::transcribe_again(self, sid, query).await
            }
            (&Method::GET, ["leads"]) => leads::list(self, query).await,
            (&Method::GET, ["leads", id]) => leads::one(self, id, query).await,
            (&Method::GET, ["queues"]) => queues::list(self, query).await,
            (_, ["calls" | "leads"] | ["calls" | "leads", _] | ["queues"]) => {
                Err(Problem::method_not_allowed("GET"))
            }
            (_, ["calls", _, "transcribe-again"]) => Err(Problem::method_not_allowed("POST")),
            _ => Err(Problem::not_found("there is nothing at this path")),
        }
    }
}

/// The routes, for [`warp::service`].
pub fn routes(
    api: Api,
) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::method().and(warp::path::full()).and(query).and(warp::header::headers_cloned()).then(
        move |method, path: FullPath, query, headers| {
            let request = Request { method, path: path.as_str().to_owned(), query };
            api.clone().answer(request, headers)
        },
    )
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
