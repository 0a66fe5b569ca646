//! The REST API, version 1.
//!
//! Every answer is JSON unless another format was asked for; an error is a problem document
//! (RFC 9457).

mod auth;
mod calls;
mod cursor;
mod deliveries;
mod leads;
mod params;
mod problem;
mod queues;
mod request;
mod retention;
mod statistics;
mod transcript;

use std::sync::Arc;

use bytes::Buf;
use chassis::queues as queues_of;
use futures_util::Stream;
use queue::{Link, Queue};
use warp::{Filter, Rejection, http::StatusCode, path::FullPath, reply::Response};

pub use problem::Problem;
use request::Request;

use crate::{outbound, settings::ResultsSettings, store::Store};

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    store: Store,
    calls: Queue,
    results: Queue,
    webhooks: Queue,
    settings: Arc<ResultsSettings>,
    access: Arc<auth::Access>,
}

impl Api {
    /// An API over a database and the queues behind a link.
    pub fn new(store: Store, link: &Link, settings: Arc<ResultsSettings>) -> Self {
        let access = Arc::new(auth::Access::new(&settings.api));
        let [calls, results, webhooks] =
            [queues_of::calls, queues_of::results, outbound::queue].map(|open| open(link.clone()));
        Self { store, calls, results, webhooks, settings, access }
    }

    async fn answer<B: Buf>(
        self,
        mut request: Request,
        body: impl Stream<Item = Result<B, warp::Error>>,
    ) -> Response {
        let answer = match self.access.check(&request.headers) {
            Ok(()) => match request.read(body).await {
                Ok(()) => self.dispatch(&request).await,
                Err(problem) => Err(problem),
            },
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
        match (segments, request.method.as_str()) {
            (["calls"], "GET") => calls::list(self, request).await,
            (["calls", sid], "GET") => calls::one(self, request, sid).await,
            (["calls", sid, "transcript"], "GET") => transcript::get(self, request, sid).await,
            (["calls", sid, "transcribe-again"], "POST") => {
                calls::transcribe_again(self, request, sid).await
            }
            (["leads"], "GET") => leads::list(self, request).await,
            (["leads", id], "GET") => leads::one(self, request, id).await,
            (["leads", id], "PATCH") => leads::edit(self, request, id).await,
            (["leads", id, "changes"], "GET") => leads::changes(self, request, id).await,
            (["deliveries"], "GET") => deliveries::list(self, request).await,
            (["retention"], "GET") => retention::get(self, request).await,
            (["statistics"], "GET") => statistics::get(self, request).await,
            (["queues"], "GET") => queues::list(self, request).await,
            (["queues", name, "pause"], "PUT") => queues::pause(self, request, name).await,
            (["queues", name, "pause"], "DELETE") => queues::resume(self, request, name).await,
            (["queues", name, "dead"], "GET") => queues::dead(self, request, name).await,
            (["queues", name, "dead", "redrive"], "POST") => {
                queues::redrive(self, request, name).await
            }
            (["queues", name, "dead", "discard"], "POST") => {
                queues::discard(self, request, name).await
            }
            (segments, _) => Err(unanswered(segments)),
        }
    }
}

fn unanswered(segments: &[&str]) -> Problem {
    let allow = match segments {
        ["calls" | "leads" | "queues" | "statistics" | "deliveries" | "retention"]
        | ["calls", _]
        | ["calls", _, "transcript"]
        | ["leads", _, "changes"]
        | ["queues", _, "dead"] => "GET",
        ["leads", _] => "GET, PATCH",
        ["queues", _, "pause"] => "PUT, DELETE",
        ["calls", _, "transcribe-again"] | ["queues", _, "dead", "redrive" | "discard"] => "POST",
        _ => return Problem::not_found("there is nothing at this path"),
    };
    Problem::method_not_allowed(allow)
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
