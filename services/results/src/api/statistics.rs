//! Figures by day.

use chrono::{DateTime, Days, NaiveDate, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use warp::reply::Response;

use super::{
    Api, Problem, Request, json,
    kind::Kind,
    route::{Answer, Content, JSON, Parameter, Route, schema},
};
use crate::store::statistics::Day;

/// Days in one answer at most, and unless asked otherwise.
const MOST_DAYS: i64 = 366;
const DAYS: u64 = 30;

/// What it serves.
pub const ROUTES: &[Route] = &[Route {
    summary: "Figures by day (UTC)",
    description: "Calls, where they stand, why they failed, how long a transcript took and what \
                  the present ones cost. A call counts for the day it was first heard of.",
    query: &[
        Parameter::new("from", Kind::Day, "First day; 29 days before `to` unless given."),
        Parameter::new("to", Kind::Day, "Last day; today unless given."),
        Parameter::new("account", Kind::Sid("AC"), "Only calls of this account."),
    ],
    answers: &[Answer::json(&[(JSON, Content::Json(schema::<Statistics>))])],
    problems: &[(422, "`from` is after `to`, or there are more than 366 days between them.")],
    ..Route::get("/v1/statistics", "get_statistics", |api, request| Box::pin(get(api, request)))
}];

#[derive(Serialize, JsonSchema)]
struct Statistics {
    /// First day.
    from: NaiveDate,
    /// Last day.
    to: NaiveDate,
    /// Days with a call, in order.
    days: Vec<Day>,
}

async fn get(api: &Api, request: &Request) -> Result<Response, Problem> {
    let params = &request.params;
    let to = params.parsed::<NaiveDate>("to")?.unwrap_or_else(|| Utc::now().date_naive());
    let from = match params.parsed::<NaiveDate>("from")? {
        Some(from) => from,
        None => to.checked_sub_days(Days::new(DAYS - 1)).unwrap_or(to),
    };
    let days = to.signed_duration_since(from).num_days() + 1;
    if !(1..=MOST_DAYS).contains(&days) {
        return Err(Problem::unusable("from", "a day before `to`, 366 days in all at most"));
    }
    let (since, until) = (start_of(from), start_of(to.succ_opt().unwrap_or(to)));
    let days = api.store.statistics(since, until, params.get("account")).await?;
    json(&Statistics { from, to, days })
}

/// Days that no call can be of begin with the first or the last that can.
fn start_of(day: NaiveDate) -> DateTime<Utc> {
    let start = day.and_time(chrono::NaiveTime::MIN).and_utc();
    crate::projection::time::at(start.timestamp_millis())
}
