//! How the queues stand, their dead letters, their pauses.

use std::time::Duration;

use queue::{Queue, Selection};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use warp::{http::StatusCode, reply::Response};

use super::{
    Api, Problem, Request,
    access::Scope,
    json,
    kind::Kind,
    params::LIMIT,
    queue_views::{DeadLetterList, NamedQueue, QueueList, QueueStats},
    route::{Answer, Content, JSON, Parameter, Route, Verb, schema},
};

/// The longest pause with an end, and the name under which a person pauses.
const LONGEST_PAUSE_SECONDS: u64 = 30 * 24 * 3600;
const OPERATOR: &str = "operator";
/// Dead letters named in one request.
const MOST_IDS: usize = 1000;

const NAME: Parameter = Parameter::required(
    "name",
    Kind::Choice(&["calls", "results", "webhooks"]),
    "The queue's name.",
);
const STATS: &[Answer] = &[Answer::json(&[(JSON, Content::Json(schema::<QueueStats>))])];

/// What it serves.
pub const ROUTES: &[Route] = &[
    Route {
        summary: "How the queues stand",
        answers: &[Answer::json(&[(JSON, Content::Json(schema::<QueueList>))])],
        ..Route::get("/v1/queues", "list_queues", |api, request| Box::pin(list(api, request)))
    },
    Route {
        method: Verb::Put,
        scope: Some(Scope::Admin),
        summary: "Pause a queue",
        description: "What is in hand is finished; nothing further is taken until the queue is \
                      resumed or the time is over.",
        segments: &[NAME],
        body: Some(schema::<PauseBody>),
        answers: STATS,
        ..Route::get("/v1/queues/{name}/pause", "pause_queue", |api, request| {
            Box::pin(pause(api, request))
        })
    },
    Route {
        method: Verb::Delete,
        scope: Some(Scope::Admin),
        summary: "Resume a queue that a person paused",
        segments: &[NAME],
        answers: STATS,
        problems: &[(404, "The queue is not paused by a person.")],
        ..Route::get("/v1/queues/{name}/pause", "resume_queue", |api, request| {
            Box::pin(resume(api, request))
        })
    },
    Route {
        summary: "Dead letters, oldest first",
        segments: &[NAME],
        query: &[LIMIT, Parameter::new("cursor", Kind::StreamId, "Where to go on: `next_cursor`.")],
        answers: &[Answer::json(&[(JSON, Content::Json(schema::<DeadLetterList>))])],
        ..Route::get("/v1/queues/{name}/dead", "list_dead_letters", |api, request| {
            Box::pin(dead(api, request))
        })
    },
    Route {
        method: Verb::Post,
        scope: Some(Scope::Admin),
        summary: "Put dead letters back to work",
        segments: &[NAME],
        body: Some(schema::<SelectionBody>),
        answers: &[Answer::json(&[(JSON, Content::Json(schema::<Redriven>))])],
        ..Route::get("/v1/queues/{name}/dead/redrive", "redrive_dead_letters", |api, request| {
            Box::pin(redrive(api, request))
        })
    },
    Route {
        method: Verb::Post,
        scope: Some(Scope::Admin),
        summary: "Throw dead letters away",
        segments: &[NAME],
        body: Some(schema::<SelectionBody>),
        answers: &[Answer::json(&[(JSON, Content::Json(schema::<Discarded>))])],
        ..Route::get("/v1/queues/{name}/dead/discard", "discard_dead_letters", |api, request| {
            Box::pin(discard(api, request))
        })
    },
];

async fn list(api: &Api, _: &Request) -> Result<Response, Problem> {
    let mut queues = Vec::new();
    for queue in [&api.calls, &api.results, &api.webhooks] {
        queues.push(NamedQueue::read(queue).await?);
    }
    json(&QueueList { queues })
}

/// Why and how long a queue is paused.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "PauseRequest")]
#[serde(deny_unknown_fields)]
struct PauseBody {
    /// Why, for whoever looks at the queue.
    #[schemars(length(min = 1, max = 200), regex(pattern = r"\S"))]
    reason: String,
    /// How long; until it is resumed unless given.
    #[schemars(range(min = 1, max = LONGEST_PAUSE_SECONDS))]
    seconds: Option<u64>,
}

async fn pause(api: &Api, request: &Request) -> Result<Response, Problem> {
    let queue = named(api, request)?;
    let body: PauseBody = request.json()?;
    if body.seconds.is_some_and(|seconds| !(1..=LONGEST_PAUSE_SECONDS).contains(&seconds)) {
        return Err(Problem::unusable("seconds", "1 to 2592000 (30 days), or absent"));
    }
    let reason = body.reason.trim();
    if reason.is_empty() || body.reason.chars().count() > 200 {
        return Err(Problem::unusable("reason", "1 to 200 characters"));
    }
    queue.pause(OPERATOR, body.seconds.map(Duration::from_secs), reason).await?;
    tracing::warn!(queue = queue.name(), seconds = body.seconds, reason, "queue paused");
    json(&QueueStats::from(queue.stats().await?))
}

async fn resume(api: &Api, request: &Request) -> Result<Response, Problem> {
    let queue = named(api, request)?;
    if !queue.resume(OPERATOR).await? {
        return Err(Problem::not_found("the queue is not paused by an operator"));
    }
    tracing::warn!(queue = queue.name(), "queue resumed");
    json(&QueueStats::from(queue.stats().await?))
}

async fn dead(api: &Api, request: &Request) -> Result<Response, Problem> {
    let queue = named(api, request)?;
    let limit = usize::try_from(request.params.limit()).unwrap_or(usize::MAX);
    let letters = queue.dead_letters(request.params.get("cursor"), limit).await?;
    let next = (letters.len() == limit).then(|| letters.last().map(|letter| letter.id.clone()));
    let dead_letters = letters.into_iter().map(Into::into).collect();
    json(&DeadLetterList { dead_letters, next_cursor: next.flatten() })
}

/// Which dead letters: exactly one of the three.
#[derive(Deserialize, JsonSchema)]
#[schemars(
    rename = "Selection",
    extend("oneOf" = [
        { "required": ["ids"], "properties": { "all": { "const": false } } },
        { "required": ["reason"], "properties": { "all": { "const": false } } },
        { "required": ["all"], "properties": { "all": { "const": true } } },
    ])
)]
#[serde(deny_unknown_fields)]
struct SelectionBody {
    /// All that are there now.
    #[serde(default)]
    all: bool,
    /// Those with this reason (`exhausted`, …) or failure code.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "String", length(min = 1, max = 200))]
    reason: Option<String>,
    /// Those with these ids.
    #[serde(default, deserialize_with = "present")]
    #[schemars(
        with = "Vec<String>",
        length(min = 1, max = MOST_IDS),
        inner(regex(pattern = "^[0-9]{1,15}-[0-9]{1,15}$"))
    )]
    ids: Option<Vec<String>>,
}

/// What is given is there: null is not left out.
fn present<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(from).map(Some)
}

#[derive(Serialize, JsonSchema)]
struct Redriven {
    /// How many were put back.
    redriven: u64,
}

#[derive(Serialize, JsonSchema)]
struct Discarded {
    /// How many were thrown away.
    discarded: u64,
}

async fn redrive(api: &Api, request: &Request) -> Result<Response, Problem> {
    let (queue, selections) = selected(api, request)?;
    let mut redriven = 0;
    for which in &selections {
        redriven += queue.redrive(which).await?;
    }
    tracing::info!(queue = queue.name(), count = redriven, "dead letters redriven");
    json(&Redriven { redriven })
}

async fn discard(api: &Api, request: &Request) -> Result<Response, Problem> {
    let (queue, selections) = selected(api, request)?;
    let mut discarded = 0;
    for which in &selections {
        discarded += queue.discard(which).await?;
    }
    tracing::warn!(queue = queue.name(), count = discarded, "dead letters discarded");
    json(&Discarded { discarded })
}

fn selected<'a>(api: &'a Api, request: &Request) -> Result<(&'a Queue, Vec<Selection>), Problem> {
    let queue = named(api, request)?;
    let selections = match request.json()? {
        SelectionBody { all: true, reason: None, ids: None } => vec![Selection::All],
        SelectionBody { all: false, reason: Some(reason), ids: None }
            if (1..=200).contains(&reason.chars().count()) =>
        {
            vec![Selection::Reason(reason)]
        }
        SelectionBody { all: false, reason: None, ids: Some(ids) }
            if (1..=MOST_IDS).contains(&ids.len()) =>
        {
            for id in &ids {
                Kind::StreamId.check(id).map_err(|allowed| Problem::unusable("ids", allowed))?;
            }
            ids.into_iter().map(Selection::One).collect()
        }
        _ => {
            return Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "the body: exactly one of \"ids\": [1 to 1000 ids], \"reason\": \"1 to 200 \
                 characters\" and \"all\": true",
            ));
        }
    };
    Ok((queue, selections))
}

fn named<'a>(api: &'a Api, request: &Request) -> Result<&'a Queue, Problem> {
    [&api.calls, &api.results, &api.webhooks]
        .into_iter()
        .find(|queue| queue.name() == request.params.segment("name"))
        .ok_or_else(|| Problem::not_found("no such queue; there are calls, results and webhooks"))
}
