//! How far the comparison with Twilio's list is.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, text},
};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0002_reconcile_marks"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut scope = text("scope");
        scope.primary_key();
        let mut table = Table::create();
        table.table(Alias::new("reconcile_marks"));
        for column in [
            scope,
            big_integer("mark_ms"),
            big_integer("floor_ms"),
            text("owner"),
            big_integer("leased_until_ms"),
        ] {
            table.col(column);
        }
        manager.create_table(table).await
    }
}
