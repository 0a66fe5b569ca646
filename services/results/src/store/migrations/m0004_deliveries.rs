//! The log of events out, and the relay's way to what it has not handed on.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, big_integer_null, text, text_null, timestamp_with_time_zone},
};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0004_deliveries"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut id = big_integer("id");
        id.primary_key().auto_increment();
        let columns = [
            id,
            text("event_id"),
            text("endpoint"),
            big_integer("attempt"),
            big_integer_null("status_code"),
            text_null("error"),
            big_integer("took_ms"),
            timestamp_with_time_zone("attempted_at"),
        ];
        let mut table = Table::create();
        table.table("deliveries");
        for column in columns {
            table.col(column);
        }
        manager.create_table(table).await?;
        for index in [
            "CREATE INDEX deliveries_by_event_id ON deliveries (event_id)",
            "CREATE INDEX outbox_not_relayed ON outbox (seq) WHERE relayed_at IS NULL",
        ] {
            manager.get_connection().execute_unprepared(index).await?;
        }
        Ok(())
    }
}
