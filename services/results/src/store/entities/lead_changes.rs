//! The history of the leads: what changed, from, to, by which call or person, when.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use sea_orm::entity::prelude::*;
use serde::Serialize;

/// One change of one field.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, JsonSchema)]
#[schemars(rename = "LeadChange")]
#[sea_orm(table_name = "lead_changes")]
pub struct Model {
    /// Number of the change.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The lead.
    pub lead_id: i64,
    /// `name`, `service_type` or `city`.
    pub field: String,
    /// The value before.
    pub from_value: Option<String>,
    /// The value after.
    pub to_value: Option<String>,
    /// The call the new value comes from, or whose correction took the old one away.
    pub call_sid: Option<String>,
    /// The person who made the change.
    pub changed_by: Option<String>,
    /// When.
    pub changed_at: DateTime<Utc>,
}

/// None: the tables are joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
