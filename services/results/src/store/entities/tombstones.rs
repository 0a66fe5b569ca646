//! Hashes of what was erased, so that neither a late event nor the reconciliation brings it back.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One erased call or recording.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tombstones")]
pub struct Model {
    /// SHA-256 of the SID, hexadecimal.
    #[sea_orm(primary_key, auto_increment = false)]
    pub sid_hash: String,
    /// When it was erased.
    pub created_at: DateTime<Utc>,
}

/// None: the tables are joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
