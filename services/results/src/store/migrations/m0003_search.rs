//! Full-text search in transcripts: FTS5 on SQLite, a tsvector on Postgres. The database itself
//! keeps it in step with the rows.

use sea_orm::DbBackend;
use sea_orm_migration::prelude::*;

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0003_search"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let statements = match manager.get_database_backend() {
            DbBackend::Postgres => POSTGRES.as_slice(),
            _ => SQLITE.as_slice(),
        };
        for statement in statements {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }
}

const SQLITE: [&str; 5] = [
    "CREATE VIRTUAL TABLE call_search USING fts5(final_transcript, content='call_logs', \
     content_rowid='id', tokenize='unicode61 remove_diacritics 2')",
    "CREATE TRIGGER call_search_insert AFTER INSERT ON call_logs \
     WHEN new.final_transcript IS NOT NULL BEGIN \
     INSERT INTO call_search(rowid, final_transcript) VALUES (new.id, new.final_transcript); END",
    "CREATE TRIGGER call_search_delete AFTER DELETE ON call_logs \
     WHEN old.final_transcript IS NOT NULL BEGIN \
     INSERT INTO call_search(call_search, rowid, final_transcript) \
     VALUES ('delete', old.id, old.final_transcript); END",
    "CREATE TRIGGER call_search_update AFTER UPDATE OF final_transcript ON call_logs \
     WHEN old.final_transcript IS NOT new.final_transcript BEGIN \
     INSERT INTO call_search(call_search, rowid, final_transcript) \
     SELECT 'delete', old.id, old.final_transcript WHERE old.final_transcript IS NOT NULL; \
     INSERT INTO call_search(rowid, final_transcript) \
     SELECT new.id, new.final_transcript WHERE new.final_transcript IS NOT NULL; END",
    "INSERT INTO call_search(call_search) VALUES ('rebuild')",
];

/// A tsvector ends at a megabyte: a longer transcript is searched by its beginning.
const POSTGRES: [&str; 2] = [
    "ALTER TABLE call_logs ADD COLUMN search tsvector GENERATED ALWAYS AS \
     (to_tsvector('simple'::regconfig, left(coalesce(final_transcript, ''), 150000))) STORED",
    "CREATE INDEX call_logs_by_search ON call_logs USING gin (search)",
];
