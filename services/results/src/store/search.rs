//! Full-text search in transcripts.

use std::str::FromStr;

use schemars::JsonSchema;
use sea_orm::{
    DbBackend, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    Statement, Value,
    sea_query::{Alias, Expr, JoinType},
};
use serde::Serialize;

use super::{
    Store, StoreError,
    calls::{CallQuery, condition},
    entities::call_logs::{self, Column},
};

/// Words to look for; all of them must occur.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchText(Vec<String>);

/// A text that cannot be searched for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("1 to 10 words of letters or digits, 200 characters at most")]
pub struct NoSearchText;

/// A call that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// The call.
    #[serde(flatten)]
    pub call: call_logs::Model,
    /// The words around the first places, in order.
    pub snippet: Vec<Part>,
}

/// A stretch of a snippet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "SnippetPart")]
pub struct Part {
    /// The words as they stand in the transcript.
    pub text: String,
    /// Whether they were looked for.
    #[serde(rename = "match")]
    pub is_match: bool,
}

/// Hebrew writes "and", "the", "in", "to", "as", "from", "that" as one letter before the word,
/// and several of them together: who looks for עפולה wants בעפולה as well.
const HEBREW_PREFIXES: [&str; 22] = [
    "ו", "ה", "ב", "ל", "כ", "מ", "ש", "וה", "וב", "ול", "וכ", "ומ", "וש", "שה", "שב", "של", "שמ",
    "מה", "כש", "לכש", "מש", "וכש",
];

/// Around what was found. They cannot occur in a transcript's words.
const OPEN: char = '\u{2}';
const CLOSE: char = '\u{3}';
/// Words in a snippet.
const SNIPPET_WORDS: u32 = 16;

impl FromStr for SearchText {
    type Err = NoSearchText;

    fn from_str(text: &str) -> Result<Self, NoSearchText> {
        let words: Vec<String> = text
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect();
        let fits = (1..=10).contains(&words.len()) && text.chars().count() <= 200;
        if fits { Ok(Self(words)) } else { Err(NoSearchText) }
    }
}

impl SearchText {
    /// An expression for FTS5.
    fn fts5(&self) -> String {
        self.expression(" AND ", " OR ", |form| format!("\"{form}\""))
    }

    /// An expression for `to_tsquery`.
    fn tsquery(&self) -> String {
        self.expression(" & ", " | ", |form| format!("'{form}'"))
    }

    fn expression(&self, and: &str, or: &str, quote: fn(&str) -> String) -> String {
        let of_word = |word: &String| {
            let forms: Vec<String> = forms(word).iter().map(|form| quote(form)).collect();
            format!("({})", forms.join(or))
        };
        self.0.iter().map(of_word).collect::<Vec<_>>().join(and)
    }
}

fn forms(word: &str) -> Vec<String> {
    let mut forms = vec![word.to_owned()];
    if word.chars().count() > 1 && word.chars().all(|c| ('\u{5d0}'..='\u{5ea}').contains(&c)) {
        forms.extend(HEBREW_PREFIXES.iter().map(|prefix| format!("{prefix}{word}")));
    }
    forms
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
        let mut find = call_logs::Entity::find().filter(condition(query));
        match self.reader.get_database_backend() {
            DbBackend::Postgres => {
                let matches = Expr::cust_with_values(
                    "\"call_logs\".\"search\" @@ to_tsquery('simple', $1)",
                    [text.tsquery()],
                );
                find = find.filter(matches).order_by(Column::Id, query.order());
            }
            // From the index to the rows: it yields the newest first without sorting.
            _ => {
                let on = Expr::cust("\"call_search\".\"rowid\" = \"call_logs\".\"id\"");
                let rowid = Expr::cust("\"call_search\".\"rowid\"");
                QueryTrait::query(&mut find)
                    .join(JoinType::InnerJoin, Alias::new("call_search"), on)
                    .order_by_expr(rowid, query.order());
                let matches = Expr::cust_with_values("\"call_search\" MATCH ?", [text.fts5()]);
                find = find.filter(matches);
            }
        }
        if let Some(id) = after_id {
            find = find.filter(self.beyond(id, query.oldest_first));
        }
        let mut rows = find.limit(limit + 1).all(&self.reader).await?;
        let more = rows.len() as u64 > limit;
        rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let next = rows.last().filter(|_| more).map(|last| last.id);
        let mut snippets = self.snippets(text, &rows).await?;
        let found = rows.into_iter().map(|call| {
            let place = snippets.iter().position(|snippet| snippet.id == call.id);
            let marked = place.map(|place| snippets.swap_remove(place).snippet);
            Found { call, snippet: parts(&marked.unwrap_or_default()) }
        });
        Ok((found.collect(), next))
    }

    fn beyond(&self, id: i64, oldest_first: bool) -> Expr {
        let than = if oldest_first { '>' } else { '<' };
        match self.reader.get_database_backend() {
            DbBackend::Postgres => {
                Expr::cust_with_values(format!("\"call_logs\".\"id\" {than} $1"), [id])
            }
            _ => Expr::cust_with_values(format!("\"call_search\".\"rowid\" {than} ?"), [id]),
        }
    }

    async fn snippets(
        &self,
        text: &SearchText,
        rows: &[call_logs::Model],
    ) -> Result<Vec<Snippet>, StoreError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let ids = rows.iter().map(|row| row.id.to_string()).collect::<Vec<_>>().join(", ");
        let backend = self.reader.get_database_backend();
        let (sql, values): (String, Vec<Value>) = match backend {
            DbBackend::Postgres => {
                let options = format!(
                    "StartSel=\"{OPEN}\", StopSel=\"{CLOSE}\", MaxWords={SNIPPET_WORDS}, MinWords=8"
                );
                let sql = format!(
                    "SELECT id, ts_headline('simple', final_transcript, \
                     to_tsquery('simple', $1), $2) AS snippet FROM call_logs WHERE id IN ({ids})"
                );
                (sql, vec![text.tsquery().into(), options.into()])
            }
            _ => {
                let sql = format!(
                    "SELECT rowid AS id, snippet(call_search, 0, ?, ?, '…', {SNIPPET_WORDS}) \
                     AS snippet FROM call_search WHERE call_search MATCH ? AND rowid IN ({ids})"
                );
                (sql, vec![OPEN.to_string().into(), CLOSE.to_string().into(), text.fts5().into()])
            }
        };
        let statement = Statement::from_sql_and_values(backend, sql, values);
        Ok(Snippet::find_by_statement(statement).all(&self.reader).await?)
    }
}

#[derive(FromQueryResult)]
struct Snippet {
    id: i64,
    snippet: String,
}

fn parts(marked: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    for (place, stretch) in marked.split(OPEN).enumerate() {
        let (found, rest) = match stretch.split_once(CLOSE) {
            Some((found, rest)) if place > 0 => (found, rest),
            _ => ("", stretch),
        };
        for (text, is_match) in [(found, true), (rest, false)] {
            if !text.is_empty() {
                parts.push(Part { text: text.to_owned(), is_match });
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hebrew_word_is_found_with_its_prefixes_and_quotes_do_not_get_through() {
        let text: SearchText = "עפולה \"OR' (x)".parse().unwrap();
        let expression = text.fts5();
        assert!(expression.starts_with("(\"עפולה\" OR \"ועפולה\" OR"), "{expression}");
        assert!(expression.ends_with(") AND (\"OR\") AND (\"x\")"), "{expression}");
        assert!("?! -".parse::<SearchText>().is_err());
    }

    #[test]
    fn a_snippet_is_cut_where_it_was_marked() {
        let part = |text: &str, is_match| Part { text: text.into(), is_match };
        assert_eq!(
            parts("in \u{2}Afula\u{3} today"),
            [part("in ", false), part("Afula", true), part(" today", false)]
        );
        assert_eq!(parts("\u{2}a\u{3}"), [part("a", true)]);
        assert_eq!(parts(""), []);
    }
}
