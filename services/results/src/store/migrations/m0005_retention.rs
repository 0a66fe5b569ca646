//! What retention needs to know and leaves behind.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, text, timestamp_with_time_zone, timestamp_with_time_zone_null},
};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0005_retention"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut id = big_integer("id");
        id.primary_key().auto_increment();
        let columns = [
            id,
            text("action"),
            text("account_sid"),
            big_integer("count"),
            timestamp_with_time_zone("before"),
            timestamp_with_time_zone("done_at"),
        ];
        let mut audit = Table::create();
        audit.table("audit");
        for column in columns {
            audit.col(column);
        }
        manager.create_table(audit).await?;
        let deleted = timestamp_with_time_zone_null("media_deleted_at");
        manager
            .alter_table(Table::alter().table("recordings").add_column(deleted).to_owned())
            .await?;
        manager
            .get_connection()
            .execute_unprepared(
                "CREATE INDEX recordings_with_media ON recordings (account_sid, created_at) \
                 WHERE media_deleted_at IS NULL",
            )
            .await?;
        manager
            .get_connection()
            .execute_unprepared(
                "CREATE INDEX call_logs_by_account_sid ON call_logs (account_sid, created_at)",
            )
            .await?;
        Ok(())
    }
}
