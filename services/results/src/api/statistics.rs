//! Figures by day.

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde_json::json;
use warp::reply::Response;

use super::{Api, Problem, Request, json, params::Params};

/// Days in one answer at most, and unless asked otherwise.
const MOST_DAYS: i64 = 366;
const DAYS: u64 = 30;

/// `GET /v1/statistics`
pub async fn get(api: &Api, request: &Request) -> Result<Response, Problem> {
    let params = Params::read(&request.query, &["from", "to"])?;
    let to = params.parsed::<NaiveDate>("to")?.unwrap_or_else(|| Utc::now().date_naive());
    let from = match params.parsed::<NaiveDate>("from")? {
        Some(from) => from,
        None => to.checked_sub_days(Days::new(DAYS - 1)).unwrap_or(to),
    };
    let days = to.signed_duration_since(from).num_days() + 1;
    if !(1..=MOST_DAYS).contains(&days) {
        return Err(Problem::parameter("from", "a day before `to`, 366 days in all at most"));
    }
    let (since, until) = (start_of(from, "from")?, start_of(to.succ_opt().unwrap_or(to), "to")?);
    json(&json!({ "from": from, "to": to, "days": api.store.statistics(since, until).await? }))
}

fn start_of(day: NaiveDate, name: &str) -> Result<DateTime<Utc>, Problem> {
    day.and_hms_opt(0, 0, 0)
        .map(|start| start.and_utc())
        .filter(|start| (0..=253_402_300_799).contains(&start.timestamp()))
        .ok_or_else(|| Problem::parameter(name, "a day between 1970-01-01 and 9999-12-30"))
}
