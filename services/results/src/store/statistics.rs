//! Figures by day (UTC).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use sea_orm::{DbBackend, FromQueryResult, Statement, Value};
use serde::Serialize;

use super::{Store, StoreError};

/// What happened on one day; a call counts for the day it was first heard of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Day {
    /// `2026-11-22`.
    pub day: String,
    /// Calls.
    pub calls: i64,
    /// Calls by where they stand now.
    pub by_status: BTreeMap<String, i64>,
    /// Failed calls by the code of their failure.
    pub failed_by_cause: BTreeMap<String, i64>,
    /// From the first enqueue to the transcript.
    pub time_to_transcript_ms: Percentiles,
    /// What the engines charged for the outcomes that stand, in micro-dollars: what was transcribed
    /// again counts once, as it was charged last.
    pub cost_microusd: i64,
}

/// Two percentiles, in milliseconds; absent where nothing was transcribed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Percentiles {
    /// The median.
    pub p50: Option<i64>,
    /// Of twenty, nineteen were at most this.
    pub p95: Option<i64>,
}

#[derive(FromQueryResult)]
struct Counted {
    day: String,
    status: String,
    cause: Option<String>,
    count: i64,
}

#[derive(FromQueryResult)]
struct Timed {
    day: String,
    p50: Option<f64>,
    p95: Option<f64>,
}

#[derive(FromQueryResult)]
struct Charged {
    day: String,
    cost: Option<i64>,
}

impl Store {
    /// Figures of the days from `since` to `until`, the latter excluded, of all accounts or of
    /// one; days without a call are left out.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn statistics(
        &self,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
        account_sid: Option<&str>,
    ) -> Result<Vec<Day>, StoreError> {
        let mut days = BTreeMap::<String, Day>::new();
        for row in self.by_day::<Counted>(COUNTS, since, until, account_sid).await? {
            let day = entry(&mut days, row.day);
            day.calls += row.count;
            if row.status == "failed" {
                let cause = row.cause.unwrap_or_else(|| "unknown".into());
                *day.failed_by_cause.entry(cause).or_default() += row.count;
            }
            *day.by_status.entry(row.status).or_default() += row.count;
        }
        for row in self.by_day::<Timed>(TIMES, since, until, account_sid).await? {
            let whole = |ms: Option<f64>| ms.map(|ms| ms.round() as i64);
            let percentiles = Percentiles { p50: whole(row.p50), p95: whole(row.p95) };
            entry(&mut days, row.day).time_to_transcript_ms = percentiles;
        }
        for row in self.by_day::<Charged>(COSTS, since, until, account_sid).await? {
            entry(&mut days, row.day).cost_microusd = row.cost.unwrap_or_default();
        }
        Ok(days.into_values().collect())
    }

    async fn by_day<T: FromQueryResult>(
        &self,
        sql: &str,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
        account_sid: Option<&str>,
    ) -> Result<Vec<T>, StoreError> {
        let backend = self.reader.get_database_backend();
        let sql = match backend {
            DbBackend::Postgres => sql
                .replace("{day}", "to_char(calls.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')")
                .replace(
                    "{ms}",
                    "CAST(extract(epoch FROM (transcribed_at - enqueued_at)) * 1000 AS double precision)",
                ),
            _ => sql.replace("{day}", "substr(calls.created_at, 1, 10)").replace(
                "{ms}",
                "(unixepoch(transcribed_at, 'subsec') - unixepoch(enqueued_at, 'subsec')) * 1000.0",
            ),
        };
        let of_account = if account_sid.is_some() { "AND calls.account_sid = $3" } else { "" };
        let sql = sql.replace("{account}", of_account);
        let mut values: Vec<Value> = vec![since.into(), until.into()];
        values.extend(account_sid.map(Value::from));
        let statement = Statement::from_sql_and_values(backend, sql, values);
        Ok(T::find_by_statement(statement).all(&self.reader).await?)
    }
}

fn entry(days: &mut BTreeMap<String, Day>, day: String) -> &mut Day {
    days.entry(day.clone()).or_insert_with(|| Day { day, ..Day::default() })
}

const COUNTS: &str = "\
    SELECT {day} AS day, status, last_error_code AS cause, count(*) AS count \
    FROM call_logs AS calls WHERE calls.created_at >= $1 AND calls.created_at < $2 {account} \
    GROUP BY 1, 2, 3";

const TIMES: &str = "\
    SELECT day, min(CASE WHEN place >= total * 0.5 THEN ms END) AS p50, \
    min(CASE WHEN place >= total * 0.95 THEN ms END) AS p95 FROM (\
    SELECT day, ms, row_number() OVER (PARTITION BY day ORDER BY ms) AS place, \
    count(*) OVER (PARTITION BY day) AS total FROM (\
    SELECT {day} AS day, {ms} AS ms FROM call_logs AS calls \
    WHERE calls.created_at >= $1 AND calls.created_at < $2 {account} \
    AND transcribed_at IS NOT NULL AND enqueued_at IS NOT NULL AND status = 'completed'\
    ) AS timed) AS ranked GROUP BY day";

const COSTS: &str = "\
    SELECT {day} AS day, CAST(sum(recordings.cost_microusd) AS bigint) AS cost \
    FROM call_logs AS calls JOIN recordings ON recordings.call_sid = calls.call_sid \
    WHERE calls.created_at >= $1 AND calls.created_at < $2 {account} \
    AND recordings.cost_microusd IS NOT NULL GROUP BY 1";
