//! Calls.

use schemars::JsonSchema;
use serde::Serialize;
use warp::reply::Response;

use super::{
    Api, Problem, Request,
    course::{self, Attempt, Moment},
    cursor::Cursor,
    json,
    kind::Kind,
    params::{LIMIT, Params},
    route::{Answer, Content, JSON, Parameter, Route, schema},
};
use crate::{
    projection::Status,
    store::{
        calls::{CallDetail, CallQuery},
        entities::call_logs,
        search::{Found, SearchText, snippet::Part},
    },
};

/// The call in a path.
pub const SID: Parameter = Parameter::required("sid", Kind::Sid("CA"), "The call's SID.");
/// One of several recordings.
pub const RECORDING: Parameter =
    Parameter::new("recording", Kind::Sid("RE"), "Only this recording of the call.");
/// Words that cannot be searched for.
pub const NO_WORD: (u16, &str) = (422, "There is no word in `q`, or there are more than 10.");
/// No call there.
pub const UNKNOWN: (u16, &str) = (404, "There is no such call, or it was erased.");

const STATUSES: &[&str] = &[
    Status::Observed.as_str(),
    Status::Queued.as_str(),
    Status::Transcribing.as_str(),
    Status::Retrying.as_str(),
    Status::Completed.as_str(),
    Status::NoSpeech.as_str(),
    Status::NoRecording.as_str(),
    Status::Failed.as_str(),
];

pub const Q: Parameter = Parameter::new(
    "q",
    Kind::Text(200),
    "Words that all occur in the transcript, 1 to 10 of them; the answer shows where.",
);
pub const STATUS: Parameter =
    Parameter::new("status", Kind::Choice(STATUSES), "Only calls in this state.");
pub const SERVICE: Parameter =
    Parameter::new("service", Kind::Text(200), "Only this service, by name or identifier.");
pub const CITY: Parameter =
    Parameter::new("city", Kind::Text(200), "Only this city, by name or identifier.");
pub const LEAD: Parameter =
    Parameter::new("lead", Kind::Number(1, i64::MAX), "Only calls of this lead.");
pub const NUMBER: Parameter =
    Parameter::new("number", Kind::Text(200), "Only calls to or from this number.");
pub const LANGUAGE: Parameter =
    Parameter::new("language", Kind::Text(35), "Only calls in this language (BCP 47).");
pub const ACCOUNT: Parameter =
    Parameter::new("account", Kind::Sid("AC"), "Only calls of this account.");
pub const SINCE: Parameter =
    Parameter::new("since", Kind::Time, "Only calls first heard of at or after this time.");
pub const UNTIL: Parameter =
    Parameter::new("until", Kind::Time, "Only calls first heard of before this time.");
pub const SORT: Parameter = Parameter::new(
    "sort",
    Kind::Choice(&["-created_at", "created_at"]),
    "Newest first unless given.",
);

/// Attempts at telling the outside of one call that are shown.
const MOST_DELIVERIES: u64 = 200;

/// What it serves.
pub const ROUTES: &[Route] = &[
    Route {
        summary: "Calls, newest first",
        query: &[
            Q,
            STATUS,
            SERVICE,
            CITY,
            LEAD,
            NUMBER,
            LANGUAGE,
            ACCOUNT,
            SINCE,
            UNTIL,
            SORT,
            LIMIT,
            Parameter::new("cursor", Kind::CallCursor, "Where to go on: `next_cursor`."),
        ],
        answers: &[Answer::json(&[(JSON, Content::Json(schema::<CallList>))])],
        problems: &[NO_WORD],
        ..Route::get("/v1/calls", "list_calls", |api, request| Box::pin(list(api, request)))
    },
    Route {
        summary: "One call with its recordings, its course and its attempts",
        segments: &[SID],
        answers: &[Answer::json(&[(JSON, Content::Json(schema::<OneCall>))])],
        problems: &[UNKNOWN],
        ..Route::get("/v1/calls/{sid}", "get_call", |api, request| Box::pin(one(api, request)))
    },
];

#[derive(Serialize, JsonSchema)]
struct CallList {
    calls: Vec<ListedCall>,
    /// Where the list goes on; null at its end.
    next_cursor: Option<String>,
}

/// A call in a list.
#[derive(Serialize, JsonSchema)]
struct ListedCall {
    #[serde(flatten)]
    call: call_logs::Model,
    /// In a search: the words around the first places, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    snippet: Option<Vec<Part>>,
}

async fn list(api: &Api, request: &Request) -> Result<Response, Problem> {
    let cursor = request.params.parsed::<Cursor>("cursor")?;
    let query = CallQuery { after: cursor.map(Cursor::place), ..filter(&request.params)? };
    let page = match request.params.parsed::<SearchText>("q")? {
        Some(text) => api.store.search(&text, &query).await?.map(ListedCall::from),
        None => api.store.calls(&query).await?.map(ListedCall::from),
    };
    json(&CallList { calls: page.rows, next_cursor: page.next.as_ref().map(Cursor::of_place) })
}

/// The filters of a list, its start left out.
pub fn filter(params: &Params) -> Result<CallQuery, Problem> {
    Ok(CallQuery {
        status: params.parsed("status")?,
        service: params.text("service"),
        city: params.text("city"),
        lead_id: params.parsed("lead")?,
        number: params.text("number"),
        language: params.text("language"),
        account_sid: params.text("account"),
        since: params.time("since")?,
        until: params.time("until")?,
        oldest_first: params.get("sort") == Some("created_at"),
        after: None,
        limit: params.limit(),
    })
}

/// A call with everything that belongs to it.
#[derive(Serialize, JsonSchema)]
struct OneCall {
    #[serde(flatten)]
    call: CallDetail,
    /// What happened to it, in the order of time.
    timeline: Vec<Moment>,
    /// The attempts at it, in the order they were made.
    attempt_history: Vec<Attempt>,
}

async fn one(api: &Api, request: &Request) -> Result<Response, Problem> {
    let call = find(api, request).await?;
    let changes = api.store.changes_of_call(&call.call.call_sid).await?;
    let told = changes.iter().map(|change| change.event_id.as_str());
    let deliveries = api.store.deliveries_of(told, MOST_DELIVERIES).await?;
    let timeline = course::timeline(&call, &changes, &deliveries);
    json(&OneCall { timeline, attempt_history: course::attempts(&call), call })
}

/// The call of the path.
pub async fn find(api: &Api, request: &Request) -> Result<CallDetail, Problem> {
    let sid = request.params.segment("sid");
    api.store.call(sid).await?.ok_or_else(unknown)
}

/// The problem of a call that is not there.
pub fn unknown() -> Problem {
    Problem::not_found("no such call; it may not have been reported yet, or was erased")
}

impl From<call_logs::Model> for ListedCall {
    fn from(call: call_logs::Model) -> Self {
        Self { call, snippet: None }
    }
}

impl From<Found> for ListedCall {
    fn from(found: Found) -> Self {
        Self { call: found.call, snippet: Some(found.snippet) }
    }
}
