//! Full-text search in transcripts, in the order in which calls were stored.

pub mod snippet;
mod text;

use sea_orm::{
    ColumnTrait, DbBackend, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Select,
    sea_query::{Alias, Expr, Func, JoinType},
};
use serde::Serialize;
use snippet::Part;
pub use text::{NoSearchText, SearchText};

use super::{
    Store, StoreError,
    calls::CallQuery,
    entities::call_logs::{Column, Entity, Model},
    narrow,
};

/// Postgres first looks among so many calls. Its index of words knows nothing of their order: a
/// word that is in every third call would have all of them fetched and sorted.
const WINDOW: i64 = 40_000;

/// A call that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// The call.
    #[serde(flatten)]
    pub call: Model,
    /// The words around the first places, in order.
    pub snippet: Vec<Part>,
}

/// One search: what for, in which calls, and where to go on.
struct Search<'a> {
    text: &'a SearchText,
    query: &'a CallQuery,
    after_id: Option<i64>,
    /// Rows to fetch: one more than are shown.
    wanted: u64,
}

impl Store {
    /// Calls in whose transcript all words occur, the latest to be stored first unless the query
    /// says otherwise, and the number to go on from.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn search(
        &self,
        text: &SearchText,
        query: &CallQuery,
        after_id: Option<i64>,
    ) -> Result<(Vec<Found>, Option<i64>), StoreError> {
        let limit = query.limit.clamp(1, 1000);
        let search = Search { text, query, after_id, wanted: limit + 1 };
        let mut rows = match self.reader.get_database_backend() {
            DbBackend::Postgres => self.search_postgres(&search).await?,
            _ => self.search_sqlite(&search).await?,
        };
        let more = rows.len() as u64 > limit;
        rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let next = rows.last().filter(|_| more).map(|last| last.id);
        let forms = text.folded().concat();
        let found = rows.into_iter().map(|call| {
            let transcript = call.final_transcript.as_deref().unwrap_or_default();
            Found { snippet: snippet::cut(transcript, &forms), call }
        });
        Ok((found.collect(), next))
    }

    /// In the calls next in order first, and then in all others.
    async fn search_postgres(&self, search: &Search<'_>) -> Result<Vec<Model>, StoreError> {
        let Some(start) = self.start(search).await? else { return Ok(Vec::new()) };
        let matches = Expr::cust_with_values(
            "\"call_logs\".\"search\" @@ to_tsquery('simple', $1)",
            [search.text.tsquery()],
        );
        let found = search.rows().filter(matches).filter(narrow::condition(search.query));
        let (near, far) = if search.query.oldest_first {
            let end = start.saturating_add(WINDOW);
            (Column::Id.gt(start).and(Column::Id.lte(end)), Column::Id.gt(end))
        } else {
            let end = start.saturating_sub(WINDOW);
            (Column::Id.lt(start).and(Column::Id.gte(end)), Column::Id.lt(end))
        };
        let mut rows = found.clone().filter(near).all(&self.reader).await?;
        let missing = search.wanted.saturating_sub(rows.len() as u64);
        if missing > 0 {
            // Few of the calls hold the words, then. The sum keeps Postgres, which guesses that they
            // are many, from walking through all calls in the order of their numbers.
            let mut rest = found.filter(far).limit(missing);
            QueryTrait::query(&mut rest)
                .clear_order_by()
                .order_by_expr(Expr::cust("\"call_logs\".\"id\" + 0"), search.query.order());
            rows.extend(rest.all(&self.reader).await?);
        }
        Ok(rows)
    }

    /// The number all that is wanted lies beyond; `None` in an empty table.
    async fn start(&self, search: &Search<'_>) -> Result<Option<i64>, StoreError> {
        if search.after_id.is_some() {
            return Ok(search.after_id);
        }
        let first = Entity::find()
            .select_only()
            .column(Column::Id)
            .order_by(Column::Id, search.query.order())
            .into_tuple::<i64>()
            .one(&self.reader)
            .await?;
        Ok(first.map(|id| if search.query.oldest_first { id - 1 } else { id + 1 }))
    }

    /// From the index of words to the rows: it yields them in order without sorting. Where a filter
    /// leaves few calls, those are read instead.
    async fn search_sqlite(&self, search: &Search<'_>) -> Result<Vec<Model>, StoreError> {
        if let Some(readings) = narrow::few(&self.reader, search.query).await? {
            return self.search_few(search, readings).await;
        }
        let mut found = search.rows();
        let on = Expr::cust("\"call_search\".\"rowid\" = \"call_logs\".\"id\"");
        let rowid = Expr::cust("\"call_search\".\"rowid\"");
        QueryTrait::query(&mut found)
            .clear_order_by()
            .join(JoinType::InnerJoin, Alias::new("call_search"), on)
            .order_by_expr(rowid, search.query.order());
        let matches = Expr::cust_with_values("\"call_search\" MATCH ?", [search.text.fts5()]);
        // COALESCE keeps SQLite from beginning at another index and asking the words of each row.
        let others = Expr::expr(narrow::condition(search.query));
        let others = Func::coalesce([others, Expr::cust("FALSE")]);
        found = found.filter(matches).filter(Expr::expr(others));
        if let Some(id) = search.after_id {
            let than = if search.query.oldest_first { '>' } else { '<' };
            let beyond = format!("\"call_search\".\"rowid\" {than} ?");
            found = found.filter(Expr::cust_with_values(beyond, [id]));
        }
        Ok(found.all(&self.reader).await?)
    }

    async fn search_few(
        &self,
        search: &Search<'_>,
        readings: Vec<sea_orm::Condition>,
    ) -> Result<Vec<Model>, StoreError> {
        let words = search.text.folded();
        let oldest_first = search.query.oldest_first;
        let is_beyond = |id: i64| match search.after_id {
            Some(after) if oldest_first => id > after,
            Some(after) => id < after,
            None => true,
        };
        let mut rows = Vec::new();
        for reading in readings {
            let read = Entity::find().filter(reading).all(&self.reader).await?;
            rows.extend(read.into_iter().filter(|call| {
                let transcript = call.final_transcript.as_deref().unwrap_or_default();
                is_beyond(call.id) && snippet::holds_all(transcript, &words)
            }));
        }
        rows.sort_by_key(|call| if oldest_first { call.id } else { -call.id });
        rows.dedup_by_key(|call| call.id);
        rows.truncate(usize::try_from(search.wanted).unwrap_or(usize::MAX));
        Ok(rows)
    }
}

impl Search<'_> {
    fn rows(&self) -> Select<Entity> {
        Entity::find().order_by(Column::Id, self.query.order()).limit(self.wanted)
    }
}
