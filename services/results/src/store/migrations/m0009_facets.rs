//! What a search may also ask for stands beside the words: state, service, city, lead, numbers,
//! language, account and time. One look into one index then yields the calls, however common each
//! of them is alone. Calls without a transcript are not in it.

use sea_orm::DbBackend;
use sea_orm_migration::prelude::*;

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0009_facets"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let statements = match manager.get_database_backend() {
            DbBackend::Postgres => postgres(),
            _ => sqlite(),
        };
        for statement in statements {
            manager.get_connection().execute_unprepared(&statement).await?;
        }
        Ok(())
    }
}

/// The letter of a kind of facet, and the column.
const TEXTS: [(char, &str); 9] = [
    ('a', "status"),
    ('b', "extracted_service"),
    ('b', "service_id"),
    ('c', "extracted_city"),
    ('c', "city_id"),
    ('e', "from_number"),
    ('e', "to_number"),
    ('f', "transcript_language"),
    ('g', "account_sid"),
];
/// Stretches of time, each sixteen times as long as the one before: their letter, and the power of
/// two that is their length in seconds.
pub const TIMES: [(char, u32); 4] = [('h', 12), ('i', 16), ('j', 20), ('k', 24)];

/// Characters of a value that are looked up.
pub const VALUE: usize = 200;

/// In hexadecimal digits: so the tokenizer leaves a value as it is.
fn facets_sqlite(row: &str) -> String {
    let texts = TEXTS.map(|(kind, column)| {
        format!(
            "CASE WHEN {row}{column} IS NULL THEN '' \
             ELSE ' {kind}' || hex(substr({row}{column}, 1, {VALUE})) END"
        )
    });
    let lead = format!("CASE WHEN {row}lead_id IS NULL THEN '' ELSE ' d' || {row}lead_id END");
    let times = TIMES.map(|(kind, power)| {
        format!("' {kind}' || (max(0, unixepoch({row}created_at)) >> {power})")
    });
    [texts.as_slice(), &[lead], &times].concat().join(" || ")
}

fn sqlite() -> Vec<String> {
    let (old, new) = (facets_sqlite("old."), facets_sqlite("new."));
    let columns = TEXTS.map(|(_, column)| column).join(", ");
    vec![
        "DROP TRIGGER call_search_insert".into(),
        "DROP TRIGGER call_search_delete".into(),
        "DROP TRIGGER call_search_update".into(),
        "DROP TABLE call_search".into(),
        format!(
            "CREATE VIEW call_search_rows AS SELECT id, final_transcript, {} AS facets \
             FROM call_logs WHERE final_transcript IS NOT NULL",
            facets_sqlite("")
        ),
        "CREATE VIRTUAL TABLE call_search USING fts5(final_transcript, facets, \
         content='call_search_rows', content_rowid='id', \
         tokenize='unicode61 remove_diacritics 2')"
            .into(),
        // A deleted transcript's words leave the index at once, not at its next merge.
        // Source: SQLite, FTS5, "The 'secure-delete' configuration option".
        "INSERT INTO call_search(call_search, rank) VALUES('secure-delete', 1)".into(),
        format!(
            "CREATE TRIGGER call_search_insert AFTER INSERT ON call_logs \
             WHEN new.final_transcript IS NOT NULL BEGIN \
             INSERT INTO call_search(rowid, final_transcript, facets) \
             VALUES (new.id, new.final_transcript, {new}); END"
        ),
        format!(
            "CREATE TRIGGER call_search_delete AFTER DELETE ON call_logs \
             WHEN old.final_transcript IS NOT NULL BEGIN \
             INSERT INTO call_search(call_search, rowid, final_transcript, facets) \
             VALUES ('delete', old.id, old.final_transcript, {old}); END"
        ),
        format!(
            "CREATE TRIGGER call_search_update \
             AFTER UPDATE OF final_transcript, lead_id, created_at, {columns} ON call_logs \
             WHEN old.final_transcript IS NOT new.final_transcript \
             OR (new.final_transcript IS NOT NULL AND {old} IS NOT {new}) BEGIN \
             INSERT INTO call_search(call_search, rowid, final_transcript, facets) \
             SELECT 'delete', old.id, old.final_transcript, {old} \
             WHERE old.final_transcript IS NOT NULL; \
             INSERT INTO call_search(rowid, final_transcript, facets) \
             SELECT new.id, new.final_transcript, {new} \
             WHERE new.final_transcript IS NOT NULL; END"
        ),
        "INSERT INTO call_search(call_search) VALUES ('rebuild')".into(),
    ]
}

/// A blank stands in each facet: no word has one.
pub(super) fn facets_postgres() -> String {
    let texts = TEXTS.map(|(kind, column)| format!("'{kind} ' || left({column}, {VALUE})"));
    let lead = "'d ' || lead_id::text".to_owned();
    let times = TIMES.map(|(kind, power)| {
        format!(
            "'{kind} ' || (greatest(0, \
             floor(extract(epoch FROM created_at AT TIME ZONE 'UTC'))::bigint) >> {power})::text"
        )
    });
    [texts.as_slice(), &[lead], &times].concat().join(", ")
}

/// A tsvector ends at a megabyte: a longer transcript is searched by its beginning.
fn postgres() -> Vec<String> {
    let facets = facets_postgres();
    vec![
        "ALTER TABLE call_logs DROP COLUMN search".into(),
        format!(
            "ALTER TABLE call_logs ADD COLUMN search tsvector GENERATED ALWAYS AS \
             (CASE WHEN final_transcript IS NOT NULL THEN \
             to_tsvector('simple'::regconfig, left(final_transcript, 150000)) \
             || array_to_tsvector(array_remove(ARRAY[{facets}], NULL)) END) STORED"
        ),
        "CREATE INDEX call_logs_by_search ON call_logs USING gin (search)".into(),
    ]
}
