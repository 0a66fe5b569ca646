//! Calls, recordings, leads and their history, the outbox, tombstones.

use sea_orm_migration::{
    prelude::*,
    schema::{
        big_integer, big_integer_null, boolean, double_null, json_binary, json_binary_null, text,
        text_null, timestamp_with_time_zone, timestamp_with_time_zone_null,
    },
};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0001_calls_and_leads"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [call_logs(), recordings(), leads(), lead_changes(), outbox(), tombstones()] {
            manager.create_table(table).await?;
        }
        for (table, columns) in INDEXES {
            manager.create_index(index(table, columns, false)).await?;
        }
        for (table, columns) in UNIQUE {
            manager.create_index(index(table, columns, true)).await?;
        }
        Ok(())
    }
}

const UNIQUE: [(&str, &[&str]); 4] = [
    ("call_logs", &["call_sid"]),
    ("recordings", &["recording_sid"]),
    ("leads", &["account_sid", "phone_e164"]),
    ("outbox", &["event_id"]),
];

/// What the API filters and sorts by; each ends in the key of the paging.
const INDEXES: [(&str, &[&str]); 9] = [
    ("call_logs", &["created_at", "call_sid"]),
    ("call_logs", &["status", "created_at", "call_sid"]),
    ("call_logs", &["extracted_service", "created_at", "call_sid"]),
    ("call_logs", &["service_id", "created_at", "call_sid"]),
    ("call_logs", &["extracted_city", "created_at", "call_sid"]),
    ("call_logs", &["city_id", "created_at", "call_sid"]),
    ("call_logs", &["lead_id", "created_at", "call_sid"]),
    ("recordings", &["call_sid"]),
    ("lead_changes", &["lead_id"]),
];

fn index(table: &str, columns: &[&str], unique: bool) -> IndexCreateStatement {
    let kind = if unique { "unique" } else { "by" };
    let mut index = Index::create();
    index.name(format!("{table}_{kind}_{}", columns[0])).table(Alias::new(table));
    for column in columns {
        index.col(Alias::new(*column));
    }
    if unique {
        index.unique();
    }
    index
}

fn table(name: &str, columns: Vec<ColumnDef>) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(Alias::new(name));
    for column in columns {
        table.col(column);
    }
    table
}

fn row_number(name: &str) -> ColumnDef {
    let mut column = big_integer(Alias::new(name));
    column.primary_key().auto_increment();
    column
}

fn call_logs() -> TableCreateStatement {
    table(
        "call_logs",
        vec![
            row_number("id"),
            text("call_sid"),
            text("account_sid"),
            text_null("parent_call_sid"),
            text_null("from_number"),
            text_null("to_number"),
            text_null("direction"),
            text_null("call_status"),
            big_integer_null("duration_seconds"),
            text("status"),
            text_null("final_transcript"),
            text_null("transcript_language"),
            text_null("transcript_engine"),
            text_null("extracted_service"),
            text_null("extracted_city"),
            double_null("service_confidence"),
            double_null("city_confidence"),
            double_null("extraction_confidence"),
            text_null("service_id"),
            text_null("city_id"),
            big_integer_null("lead_id"),
            big_integer("attempts"),
            text_null("last_error_code"),
            text_null("last_error"),
            timestamp_with_time_zone_null("started_at"),
            timestamp_with_time_zone_null("enqueued_at"),
            timestamp_with_time_zone_null("transcribed_at"),
            timestamp_with_time_zone("created_at"),
            timestamp_with_time_zone("updated_at"),
            json_binary("fold"),
        ],
    )
}

fn recordings() -> TableCreateStatement {
    table(
        "recordings",
        vec![
            row_number("id"),
            text("recording_sid"),
            text("call_sid"),
            text("account_sid"),
            text("status"),
            big_integer_null("channels"),
            big_integer_null("sample_rate_hz"),
            big_integer_null("duration_ms"),
            double_null("speech_ratio"),
            text_null("transcript"),
            json_binary_null("segments"),
            text_null("language"),
            text_null("engine"),
            text_null("model"),
            text_null("engine_version"),
            json_binary_null("extraction"),
            json_binary_null("flags"),
            big_integer_null("queued_ms"),
            big_integer_null("fetch_ms"),
            big_integer_null("audio_ms"),
            big_integer_null("transcribe_ms"),
            big_integer_null("extract_ms"),
            big_integer_null("cost_microusd"),
            big_integer("generation"),
            big_integer("attempts"),
            text_null("last_error_code"),
            text_null("last_error"),
            timestamp_with_time_zone_null("started_at"),
            timestamp_with_time_zone_null("enqueued_at"),
            timestamp_with_time_zone_null("transcribed_at"),
            timestamp_with_time_zone("created_at"),
            timestamp_with_time_zone("updated_at"),
            json_binary("fold"),
        ],
    )
}

fn leads() -> TableCreateStatement {
    table(
        "leads",
        vec![
            row_number("id"),
            text("account_sid"),
            text("phone_e164"),
            text_null("name"),
            boolean("name_locked"),
            text_null("service_type"),
            text_null("service_id"),
            double_null("service_confidence"),
            text_null("service_call_sid"),
            boolean("service_locked"),
            text_null("city"),
            text_null("city_id"),
            double_null("city_confidence"),
            text_null("city_call_sid"),
            boolean("city_locked"),
            big_integer("version"),
            timestamp_with_time_zone("created_at"),
            timestamp_with_time_zone("updated_at"),
        ],
    )
}

fn lead_changes() -> TableCreateStatement {
    table(
        "lead_changes",
        vec![
            row_number("id"),
            big_integer("lead_id"),
            text("field"),
            text_null("from_value"),
            text_null("to_value"),
            text_null("call_sid"),
            text_null("changed_by"),
            timestamp_with_time_zone("changed_at"),
        ],
    )
}

fn outbox() -> TableCreateStatement {
    table(
        "outbox",
        vec![
            row_number("seq"),
            text("event_id"),
            text("event_type"),
            text("account_sid"),
            text_null("call_sid"),
            big_integer_null("lead_id"),
            json_binary("payload"),
            timestamp_with_time_zone("created_at"),
            timestamp_with_time_zone_null("relayed_at"),
        ],
    )
}

fn tombstones() -> TableCreateStatement {
    let mut hash = text("sid_hash");
    hash.primary_key();
    table("tombstones", vec![hash, timestamp_with_time_zone("created_at")])
}
