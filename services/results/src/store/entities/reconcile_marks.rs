//! How far the comparison with Twilio's list is, one row a scope.

use sea_orm::entity::prelude::*;

/// One scope: an account's reconciliation, or one back-fill.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "reconcile_marks")]
pub struct Model {
    /// `reconcile:AC…` or `backfill:AC…:since:until`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub scope: String,
    /// Everything created up to here is settled, in milliseconds since 1970 (UTC).
    pub mark_ms: i64,
    /// Nothing created before this is looked at, in milliseconds since 1970 (UTC).
    pub floor_ms: i64,
    /// The replica that is at it.
    pub owner: String,
    /// Until when it keeps the others away, in milliseconds since 1970 (UTC).
    pub leased_until_ms: i64,
}

/// None: the tables are joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
