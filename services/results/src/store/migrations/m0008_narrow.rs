//! What the API also filters by: numbers and language, in the order of its lists.

use sea_orm_migration::prelude::*;

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0008_narrow"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in ["from_number", "to_number", "transcript_language"] {
            let index = Index::create()
                .name(format!("call_logs_by_{column}"))
                .table("call_logs")
                .col(column)
                .col("created_at")
                .col("call_sid")
                .to_owned();
            manager.create_index(index).await?;
        }
        Ok(())
    }
}
