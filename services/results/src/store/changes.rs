//! Reading the outbox in the order of commits.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{
    Store, StoreError,
    entities::outbox::{Column, Entity, Model},
};

impl Store {
    /// The number of the latest change; 0 when there is none.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn last_change(&self) -> Result<i64, StoreError> {
        let latest = Entity::find().order_by_desc(Column::Seq).one(&self.reader).await?;
        Ok(latest.map_or(0, |change| change.seq))
    }

    /// Changes after a number, in order. Writers take turns, so none appears later with a smaller
    /// number.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn changes_after(&self, seq: i64, limit: u64) -> Result<Vec<Model>, StoreError> {
        let later = Entity::find().filter(Column::Seq.gt(seq)).order_by_asc(Column::Seq);
        Ok(later.limit(limit).all(&self.reader).await?)
    }

    /// Changes of a call that are still kept, in order.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn changes_of_call(&self, call_sid: &str) -> Result<Vec<Model>, StoreError> {
        let own = Entity::find().filter(Column::CallSid.eq(call_sid)).order_by_asc(Column::Seq);
        Ok(own.all(&self.reader).await?)
    }
}
