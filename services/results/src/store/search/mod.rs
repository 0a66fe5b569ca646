//! Full-text search in transcripts, in the order of the list.
//!
//! The index holds words and facets (state, city, time, …), so it yields what has all of them; but it
//! yields them in no order, and a word may be in every call. So the calls next in order are looked
//! through first, then ever longer stretches of time, until enough were found.

mod facets;
pub mod snippet;
mod text;
mod window;

use chrono::{DateTime, TimeDelta, Utc};
use facets::Facets;
use sea_orm::{
    ColumnTrait, Condition, DbBackend, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Select,
    sea_query::{Alias, Expr, Func, JoinType},
};
use serde::Serialize;
use snippet::Part;
pub use text::{NoSearchText, SearchText};
use window::{Window, windows};

use super::{
    Store, StoreError,
    calls::{CallQuery, Page, Place},
    entities::call_logs::{Column, Entity, Model},
    narrow,
};

/// Calls that are looked through first.
const NEAR: u64 = 1000;

/// A call that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// The call.
    #[serde(flatten)]
    pub call: Model,
    /// The words around the first places, in order.
    pub snippet: Vec<Part>,
}

impl Store {
    /// Calls in whose transcript all words occur, newest first unless the query says otherwise.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn search(
        &self,
        text: &SearchText,
        query: &CallQuery,
    ) -> Result<Page<Found>, StoreError> {
        let limit = query.limit.clamp(1, 1000);
        let mut rows = self.found(text, query, limit + 1).await?;
        let more = rows.len() as u64 > limit;
        rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let next = rows.last().filter(|_| more).map(Place::of);
        let forms = text.folded();
        let found = rows.into_iter().map(|call| {
            let transcript = call.final_transcript.as_deref().unwrap_or_default();
            Found { snippet: snippet::cut(transcript, &forms), call }
        });
        Ok(Page { rows: found.collect(), next })
    }

    async fn found(
        &self,
        text: &SearchText,
        query: &CallQuery,
        wanted: u64,
    ) -> Result<Vec<Model>, StoreError> {
        let Some(whole) = self.whole(query).await? else { return Ok(Vec::new()) };
        let near = self.near(query, &whole).await?;
        let mut rows = Vec::new();
        for window in windows(whole, near, query.oldest_first) {
            let missing = wanted - rows.len() as u64;
            let found = rows_of(self.reader.get_database_backend(), text, query, &window);
            rows.extend(found.limit(missing).all(&self.reader).await?);
            if rows.len() as u64 >= wanted {
                break;
            }
        }
        Ok(rows)
    }

    /// The time in which there are calls that the query may mean; `None` in an empty table.
    async fn whole(&self, query: &CallQuery) -> Result<Option<Window>, StoreError> {
        let Some(earliest) = self.time(Order::Asc, Condition::all(), 0).await? else {
            return Ok(None);
        };
        let latest = self.time(Order::Desc, Condition::all(), 0).await?.unwrap_or(earliest);
        let place = query.after.as_ref().map(|place| place.created_at);
        let (from, to) = if query.oldest_first { (place, None) } else { (None, place) };
        let start = [query.since, from].into_iter().flatten().fold(earliest, Ord::max);
        // A window ends before its end, so that is beyond what may be in it.
        let end = to.into_iter().fold(latest, Ord::min) + TimeDelta::seconds(1);
        let end = query.until.into_iter().fold(end, Ord::min);
        Ok(Some(Window { start, end }))
    }

    /// How long it took the calls next in order to come in.
    async fn near(&self, query: &CallQuery, whole: &Window) -> Result<TimeDelta, StoreError> {
        let last = self.time(query.order(), within(whole), NEAR).await?;
        Ok(match last {
            Some(time) if query.oldest_first => time - whole.start,
            Some(time) => whole.end - time,
            None => whole.end - whole.start,
        })
    }

    /// The time of a call, by its place in an order.
    async fn time(
        &self,
        order: Order,
        which: Condition,
        place: u64,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        let time = Entity::find()
            .select_only()
            .column(Column::CreatedAt)
            .filter(which)
            .order_by(Column::CreatedAt, order.clone())
            .order_by(Column::CallSid, order)
            .offset(place)
            .into_tuple()
            .one(&self.reader);
        Ok(time.await?)
    }
}

fn within(window: &Window) -> Condition {
    let start = Column::CreatedAt.gte(window.start);
    Condition::all().add(start).add(Column::CreatedAt.lt(window.end))
}

/// The calls of a window: the index of words and facets leads to them, their rows are compared with
/// the query, and they are sorted. COALESCE keeps both databases from another way, which would be
/// right for most values and long for some.
fn rows_of(
    backend: DbBackend,
    text: &SearchText,
    query: &CallQuery,
    window: &Window,
) -> Select<Entity> {
    let facets = Facets::of(query, window);
    let mut rows = Entity::find();
    if backend == DbBackend::Postgres {
        // In several conditions: Postgres skips from the entries of one to those of the next, where it
        // would look at each entry of a single long one.
        for word in text.tsqueries() {
            rows = rows.filter(in_tsvector("to_tsquery('simple', $1)", word));
        }
        for facets in facets.tsqueries() {
            rows = rows.filter(in_tsvector("CAST($1 AS tsquery)", facets));
        }
    } else {
        let on = Expr::cust("\"call_search\".\"rowid\" = \"call_logs\".\"id\"");
        QueryTrait::query(&mut rows).join(JoinType::InnerJoin, Alias::new("call_search"), on);
        let all = format!("final_transcript : ({}) AND {}", text.fts5(), facets.fts5());
        rows = rows.filter(Expr::cust_with_values("\"call_search\" MATCH ?", [all]));
    }
    let exact = Expr::expr(narrow::condition(query).add(within(window)));
    let exact = Func::coalesce([exact, Expr::cust("FALSE")]);
    let time = Func::coalesce([Column::CreatedAt.into_expr(), Column::CreatedAt.into_expr()]);
    rows.filter(Expr::expr(exact))
        .order_by(Expr::expr(time), query.order())
        .order_by(Column::CallSid, query.order())
}

fn in_tsvector(query: &str, value: String) -> Expr {
    Expr::cust_with_values(format!("\"call_logs\".\"search\" @@ {query}"), [value])
}
