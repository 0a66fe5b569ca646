//! What was taken away or taken over, when, and by which rule.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use sea_orm::entity::prelude::*;
use serde::Serialize;

/// One step of retention, one erasure, one import.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, JsonSchema)]
#[schemars(rename = "Audit")]
#[sea_orm(table_name = "audit")]
pub struct Model {
    /// Number of the step.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// `retention_transcripts`, `retention_recordings`, `retention_numbers`, `retention_calls`,
    /// `forget`, `import_calls`, `import_leads`.
    pub action: String,
    /// The account.
    pub account_sid: String,
    /// How many calls or recordings.
    pub count: i64,
    /// Everything from before this time.
    pub before: DateTime<Utc>,
    /// Whom it was about, where it was one person: a masked number.
    pub subject: Option<String>,
    /// When it was done.
    pub done_at: DateTime<Utc>,
}

/// None: the tables are joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
