//! From a query for calls to conditions that an index answers.
//!
//! A service, a city and a number may each stand in either of two columns. `a = ? OR b = ?` makes a
//! database collect and sort everything that matches before it can hand out the newest fifty, so
//! every way to read the query is asked for on its own: one index each, in the order of the list.

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait,
    QueryFilter, QuerySelect, QueryTrait, Value,
    sea_query::{Alias, Asterisk, Expr, ExprTrait, Query},
};

use super::{
    StoreError,
    calls::CallQuery,
    entities::call_logs::{self, Column},
};

/// Calls are counted up to here to find a rare value, whose calls lead to those of the others.
const RARE: u64 = 2000;
/// Where all values are common, up to here: no calls may have two values that many have (a state
/// without a transcript and a language, say), and the fewer are walked through to see it.
const COMMON: u64 = 64_000;

/// A value, and the columns it may stand in.
struct Filter {
    columns: Vec<Column>,
    value: Value,
}

/// One column and its value, and how many calls have it (at least).
#[derive(Clone)]
struct Test {
    column: Column,
    value: Value,
    calls: u64,
}

/// The ways to read a query in which something can be found.
pub async fn readings(
    db: &DatabaseConnection,
    query: &CallQuery,
) -> Result<Vec<Condition>, StoreError> {
    let backend = db.get_database_backend();
    let readings = tested(db, query).await?;
    Ok(readings.into_iter().map(|tests| narrowed(backend, tests).add(span(query))).collect())
}

async fn tested(db: &DatabaseConnection, query: &CallQuery) -> Result<Vec<Vec<Test>>, StoreError> {
    let mut filters_tests = Vec::new();
    for filter in filters(query) {
        filters_tests.push(tests(db, filter).await?);
    }
    let is_common = |tests: &Vec<Test>| tests.iter().any(|test| test.calls >= RARE);
    // Postgres knows which values are common.
    if db.get_database_backend() == DbBackend::Sqlite
        && filters_tests.len() > 1
        && filters_tests.iter().all(is_common)
    {
        for test in filters_tests.iter_mut().flatten().filter(|test| test.calls >= RARE) {
            test.calls = count(db, test.column.eq(test.value.clone()), COMMON).await?;
        }
    }
    let mut readings = vec![Vec::<Test>::new()];
    for tests in filters_tests {
        readings = readings
            .iter()
            .flat_map(|reading| {
                tests.iter().map(|test| [reading.as_slice(), std::slice::from_ref(test)].concat())
            })
            .collect();
    }
    Ok(readings)
}

/// The query as one condition, for where another index leads to the rows.
pub fn condition(query: &CallQuery) -> Condition {
    filters(query).into_iter().fold(span(query), |all, filter| {
        let either = Condition::any();
        let either = filter
            .columns
            .into_iter()
            .fold(either, |either, column| either.add(column.eq(filter.value.clone())));
        all.add(either)
    })
}

fn filters(query: &CallQuery) -> Vec<Filter> {
    let mut filters = Vec::new();
    let mut add = |columns: &[Column], value: Option<Value>| {
        filters.extend(value.map(|value| Filter { columns: columns.to_vec(), value }));
    };
    add(&[Column::Status], query.status.map(|status| status.as_str().into()));
    add(&[Column::ExtractedService, Column::ServiceId], query.service.as_deref().map(Into::into));
    add(&[Column::ExtractedCity, Column::CityId], query.city.as_deref().map(Into::into));
    add(&[Column::LeadId], query.lead_id.map(Into::into));
    add(&[Column::FromNumber, Column::ToNumber], query.number.as_deref().map(Into::into));
    add(&[Column::TranscriptLanguage], query.language.as_deref().map(Into::into));
    add(&[Column::AccountSid], query.account_sid.as_deref().map(Into::into));
    filters
}

/// Where the value stands; each look ends at the index and after [`RARE`] entries.
async fn tests(db: &DatabaseConnection, filter: Filter) -> Result<Vec<Test>, StoreError> {
    let mut tests = Vec::new();
    for column in filter.columns {
        let value = filter.value.clone();
        let calls = count(db, column.eq(value.clone()), RARE).await?;
        if calls > 0 {
            tests.push(Test { column, value, calls });
        }
    }
    Ok(tests)
}

/// How many calls hold a condition, `most` at most.
async fn count(db: &DatabaseConnection, holds: Expr, most: u64) -> Result<u64, StoreError> {
    let some = call_logs::Entity::find()
        .select_only()
        .expr_as(Expr::val(1), "one")
        .filter(holds)
        .limit(most)
        .into_query();
    let count = Query::select()
        .expr_as(Expr::col(Asterisk).count(), "calls")
        .from_subquery(some, "some")
        .to_owned();
    let row = db.query_one(&count).await?;
    let calls: i64 = row.map_or(Ok(0), |row| row.try_get("", "calls"))?;
    Ok(calls.unsigned_abs())
}

fn narrowed(backend: DbBackend, tests: Vec<Test>) -> Condition {
    let counts = || tests.iter().map(|test| test.calls);
    let rarest = counts().min().filter(|rarest| counts().any(|calls| calls > *rarest));
    let mut led = false;
    tests.into_iter().fold(Condition::all(), |all, test| {
        let leads = !led && Some(test.calls) == rarest;
        led |= leads;
        // SQLite knows how often a column's values occur on average, not this one's: it might begin
        // with a common one.
        if backend == DbBackend::Sqlite && rarest.is_some() && !leads {
            all.add(beside(test))
        } else {
            all.add(test.column.eq(test.value))
        }
    })
}

/// A test that leads nowhere by itself. It asks the value's index for this very call: the call's row,
/// which may have to come from the disk, is read when all tests hold.
fn beside(test: Test) -> Condition {
    let own = |column: Column| Expr::col((call_logs::Entity, column));
    if matches!(test.column, Column::AccountSid) {
        // Its index does not tell one call from another of the same moment.
        let test = Expr::cust_with_exprs("+? = ?", [own(test.column), Expr::val(test.value)]);
        return Condition::all().add(test);
    }
    let other = Alias::new("other");
    let of_other = |column: Column| Expr::col((other.clone(), column));
    let entry = Query::select()
        .expr(Expr::val(1))
        .from_as(call_logs::Entity, other.clone())
        .and_where(of_other(test.column).eq(test.value))
        .and_where(of_other(Column::CreatedAt).eq(own(Column::CreatedAt)))
        // The plus sign: its own index is not the one that says all this.
        .and_where(Expr::cust_with_exprs(
            "+? = ?",
            [of_other(Column::CallSid), own(Column::CallSid)],
        ))
        .to_owned();
    Condition::all().add(Expr::exists(entry))
}

/// The times and the place in the list.
fn span(query: &CallQuery) -> Condition {
    let mut all = Condition::all();
    if let Some(since) = query.since {
        all = all.add(Column::CreatedAt.gte(since));
    }
    if let Some(until) = query.until {
        all = all.add(Column::CreatedAt.lt(until));
    }
    if let Some(place) = &query.after {
        let here = Expr::tuple([Column::CreatedAt.into_expr(), Column::CallSid.into_expr()]);
        let there = Expr::tuple([Expr::value(place.created_at), Expr::value(place.sid.as_str())]);
        all = all.add(if query.oldest_first { here.gt(there) } else { here.lt(there) });
    }
    all
}
