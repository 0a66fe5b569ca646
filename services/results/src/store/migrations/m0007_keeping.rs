//! What erasing, importing and the search for unfinished work need.

use sea_orm::DbBackend;
use sea_orm_migration::{
    prelude::*,
    schema::{text_null, timestamp_with_time_zone_null},
};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0007_keeping"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in [
            ("audit", text_null("subject")),
            ("call_logs", timestamp_with_time_zone_null("imported_at")),
        ] {
            let alter = Table::alter().table(Alias::new(table)).add_column(column).to_owned();
            manager.alter_table(alter).await?;
        }
        let connection = manager.get_connection();
        for index in INDEXES {
            connection.execute_unprepared(index).await?;
        }
        if manager.get_database_backend() == DbBackend::Sqlite {
            connection.execute_unprepared(SECURE_DELETE).await?;
        }
        Ok(())
    }
}

const INDEXES: [&str; 7] = [
    "CREATE INDEX recordings_unfinished ON recordings (account_sid, id) \
     WHERE status IN ('observed', 'queued', 'transcribing', 'retrying')",
    "CREATE INDEX call_logs_unfinished ON call_logs (account_sid, id) \
     WHERE status IN ('queued', 'transcribing', 'retrying')",
    "CREATE INDEX call_logs_by_from_number ON call_logs (from_number)",
    "CREATE INDEX call_logs_by_to_number ON call_logs (to_number)",
    "CREATE INDEX call_logs_by_parent_call_sid ON call_logs (parent_call_sid) \
     WHERE parent_call_sid IS NOT NULL",
    "CREATE INDEX outbox_by_call_sid ON outbox (call_sid)",
    "CREATE INDEX outbox_by_lead_id ON outbox (lead_id)",
];

/// A deleted transcript's words leave the index at once, not at its next merge.
/// Source: SQLite, FTS5, "The 'secure-delete' configuration option".
const SECURE_DELETE: &str = "INSERT INTO call_search(call_search, rank) VALUES('secure-delete', 1)";
