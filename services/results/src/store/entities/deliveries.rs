//! The log of events that were posted to endpoints.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use sea_orm::entity::prelude::*;
use serde::Serialize;

/// One attempt to post one event to one endpoint.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, JsonSchema)]
#[schemars(rename = "Delivery")]
#[sea_orm(table_name = "deliveries")]
pub struct Model {
    /// Number of the attempt among all.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The event.
    pub event_id: String,
    /// Name of the endpoint.
    pub endpoint: String,
    /// Which attempt at this event and endpoint, counted from 1.
    pub attempt: i64,
    /// What the endpoint answered, where it did.
    pub status_code: Option<i64>,
    /// Why it did not work.
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub took_ms: i64,
    /// When.
    pub attempted_at: DateTime<Utc>,
}

/// None: the tables are joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
