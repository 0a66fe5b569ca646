//! Events for the outside, written in the transaction that made them true.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use serde::Serialize;

/// An event for the outside.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize)]
#[sea_orm(table_name = "outbox")]
pub struct Model {
    /// Position in the order of commits.
    #[sea_orm(primary_key)]
    pub seq: i64,
    /// The same for the same fact, however often it is computed.
    pub event_id: String,
    /// `call.completed`, `call.failed` or `lead.updated`.
    pub event_type: String,
    /// The account.
    pub account_sid: String,
    /// The call, where the event is about one.
    pub call_sid: Option<String>,
    /// The lead, where the event is about one.
    pub lead_id: Option<i64>,
    /// What is told.
    #[sea_orm(column_type = "JsonBinary")]
    pub payload: Json,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// When the relay handed it on.
    pub relayed_at: Option<DateTime<Utc>>,
}

/// None: the tables are joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
