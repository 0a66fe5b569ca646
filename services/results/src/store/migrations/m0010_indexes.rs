//! Ways to what is old enough, to a lead's standing values, and to lists that had none.
//!
//! A call's age counts from its recording's start, where that is known: a back-fill hears of old
//! calls late.

use sea_orm_migration::prelude::*;

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0010_indexes"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for statement in STATEMENTS {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }
}

const STATEMENTS: [&str; 12] = [
    "DROP INDEX recordings_with_media",
    "CREATE INDEX recordings_with_media ON recordings \
     (account_sid, COALESCE(started_at, created_at)) WHERE media_deleted_at IS NULL",
    "CREATE INDEX call_logs_by_age ON call_logs (account_sid, COALESCE(started_at, created_at))",
    "CREATE INDEX call_logs_with_transcript ON call_logs \
     (account_sid, COALESCE(started_at, created_at)) WHERE final_transcript IS NOT NULL",
    "CREATE INDEX call_logs_with_number ON call_logs \
     (account_sid, COALESCE(started_at, created_at)) \
     WHERE from_number IS NOT NULL OR to_number IS NOT NULL",
    "CREATE INDEX call_logs_of_lead_by_age ON call_logs (lead_id, COALESCE(started_at, created_at)) \
     WHERE extracted_service IS NOT NULL OR extracted_city IS NOT NULL",
    "CREATE INDEX leads_by_phone_e164 ON leads (phone_e164, id)",
    "CREATE INDEX leads_by_service_type ON leads (service_type, id)",
    "CREATE INDEX leads_by_service_id ON leads (service_id, id)",
    "CREATE INDEX leads_by_city ON leads (city, id)",
    "CREATE INDEX leads_by_city_id ON leads (city_id, id)",
    "CREATE INDEX deliveries_by_endpoint ON deliveries (endpoint, id)",
];
