//! How the queues stand, their dead letters, their pauses.

use std::time::Duration;

use queue::{Queue, QueueError, Selection};
use serde::Deserialize;
use serde_json::json;
use tokio::runtime::Handle;
use warp::{http::StatusCode, reply::Response};

use super::{Api, Problem, Request, json, params::Params};

/// The longest pause with an end, and the name under which a person pauses.
const LONGEST_PAUSE_SECONDS: u64 = 30 * 24 * 3600;
const OPERATOR: &str = "operator";

/// `GET /v1/queues`
pub async fn list(api: &Api, request: &Request) -> Result<Response, Problem> {
    Params::read(&request.query, &[])?;
    let calls = api.calls.stats().await?;
    let results = api.results.stats().await?;
    let webhooks = api.webhooks.stats().await?;
    json(&json!({ "queues": [
        { "name": api.calls.name(), "stats": calls },
        { "name": api.results.name(), "stats": results },
        { "name": api.webhooks.name(), "stats": webhooks },
    ] }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PauseBody {
    reason: String,
    seconds: Option<u64>,
}

/// `PUT /v1/queues/{name}/pause`
pub async fn pause(api: &Api, request: &Request, name: &str) -> Result<Response, Problem> {
    Params::read(&request.query, &[])?;
    let queue = named(api, name)?;
    let body: PauseBody = request.json()?;
    if body.seconds.is_some_and(|seconds| !(1..=LONGEST_PAUSE_SECONDS).contains(&seconds)) {
        return Err(Problem::parameter("seconds", "1 to 2592000 (30 days), or absent"));
    }
    if body.reason.trim().is_empty() || body.reason.chars().count() > 200 {
        return Err(Problem::parameter("reason", "1 to 200 characters"));
    }
    let wait = body.seconds.map(Duration::from_secs);
    queue.pause(OPERATOR, wait, body.reason.trim()).await?;
    tracing::warn!(
        queue = name,
        seconds = body.seconds,
        reason = body.reason.trim(),
        "queue paused"
    );
    json(&queue.stats().await?)
}

/// `DELETE /v1/queues/{name}/pause`
pub async fn resume(api: &Api, request: &Request, name: &str) -> Result<Response, Problem> {
    Params::read(&request.query, &[])?;
    let queue = named(api, name)?;
    if !queue.resume(OPERATOR).await? {
        return Err(Problem::not_found("the queue is not paused by an operator"));
    }
    tracing::warn!(queue = name, "queue resumed");
    json(&queue.stats().await?)
}

/// `GET /v1/queues/{name}/dead`
pub async fn dead(api: &Api, request: &Request, name: &str) -> Result<Response, Problem> {
    let params = Params::read(&request.query, &["limit", "cursor"])?;
    let queue = named(api, name)?;
    let limit = usize::try_from(params.limit()?).unwrap_or(usize::MAX);
    let after = params.text("cursor")?;
    if let Some(id) = &after {
        check_id("cursor", id)?;
    }
    let letters = queue.dead_letters(after.as_deref(), limit).await?;
    let next = (letters.len() == limit).then(|| letters.last().map(|letter| letter.id.clone()));
    json(&json!({ "dead_letters": letters, "next_cursor": next.flatten() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SelectionBody {
    #[serde(default)]
    all: bool,
    reason: Option<String>,
    ids: Option<Vec<String>>,
}

/// `POST /v1/queues/{name}/dead/redrive`
pub async fn redrive(api: &Api, request: &Request, name: &str) -> Result<Response, Problem> {
    let (queue, selections) = selected(api, request, name)?;
    let moved = apart(queue, selections, async |queue, which| queue.redrive(which).await).await?;
    tracing::info!(queue = name, count = moved, "dead letters redriven");
    json(&json!({ "redriven": moved }))
}

/// `POST /v1/queues/{name}/dead/discard`
pub async fn discard(api: &Api, request: &Request, name: &str) -> Result<Response, Problem> {
    let (queue, selections) = selected(api, request, name)?;
    let gone = apart(queue, selections, async |queue, which| queue.discard(which).await).await?;
    tracing::warn!(queue = name, count = gone, "dead letters discarded");
    json(&json!({ "discarded": gone }))
}

/// Moves dead letters on a thread of its own: the futures of the queue's moves cannot be proven to
/// be `Send`, as warp asks of its handlers.
async fn apart(
    queue: &Queue,
    selections: Vec<Selection>,
    move_one: impl AsyncFn(&Queue, &Selection) -> Result<u64, QueueError> + Send + 'static,
) -> Result<u64, Problem> {
    let (queue, runtime) = (queue.clone(), Handle::current());
    let moving = move || {
        runtime.block_on(async {
            let mut moved = 0;
            for which in &selections {
                moved += move_one(&queue, which).await?;
            }
            Ok::<_, QueueError>(moved)
        })
    };
    let moved = tokio::task::spawn_blocking(moving).await.map_err(|error| {
        tracing::error!(%error, "moving dead letters stopped");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "moving dead letters stopped")
    })?;
    Ok(moved?)
}

fn selected<'a>(
    api: &'a Api,
    request: &Request,
    name: &str,
) -> Result<(&'a Queue, Vec<Selection>), Problem> {
    Params::read(&request.query, &[])?;
    let queue = named(api, name)?;
    let selections = match request.json()? {
        SelectionBody { all: true, reason: None, ids: None } => vec![Selection::All],
        SelectionBody { all: false, reason: Some(reason), ids: None } if !reason.is_empty() => {
            vec![Selection::Reason(reason)]
        }
        SelectionBody { all: false, reason: None, ids: Some(ids) } if !ids.is_empty() => {
            for id in &ids {
                check_id("ids", id)?;
            }
            ids.into_iter().map(Selection::One).collect()
        }
        _ => {
            return Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "the body: exactly one of \"ids\": [...], \"reason\": \"...\" and \"all\": true",
            ));
        }
    };
    Ok((queue, selections))
}

fn named<'a>(api: &'a Api, name: &str) -> Result<&'a Queue, Problem> {
    [&api.calls, &api.results, &api.webhooks]
        .into_iter()
        .find(|queue| queue.name() == name)
        .ok_or_else(|| Problem::not_found("no such queue; there are calls, results and webhooks"))
}

/// The id of a stream entry: `1790000000000-0`.
fn check_id(name: &str, id: &str) -> Result<(), Problem> {
    let is_number = |part: &str| part.parse::<u64>().is_ok();
    match id.split_once('-') {
        Some((ms, place)) if is_number(ms) && is_number(place) => Ok(()),
        _ => Err(Problem::parameter(name, "an id of a dead letter, such as 1790000000000-0")),
    }
}
