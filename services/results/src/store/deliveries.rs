//! Reading the log of events out.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{
    Store, StoreError,
    entities::deliveries::{Column, Entity, Model},
};

/// Which attempts, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryQuery {
    /// Only those of this event.
    pub event_id: Option<String>,
    /// Only those to this endpoint.
    pub endpoint: Option<String>,
    /// Only those with a smaller number: where the stretch before ended.
    pub before_id: Option<i64>,
    /// How many at most.
    pub limit: u64,
}

impl Store {
    /// Attempts to post some events, the earliest first, so many at most.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn deliveries_of(
        &self,
        event_ids: impl Iterator<Item = &str>,
        limit: u64,
    ) -> Result<Vec<Model>, StoreError> {
        let event_ids: Vec<&str> = event_ids.collect();
        if event_ids.is_empty() {
            return Ok(Vec::new());
        }
        let own = Entity::find().filter(Column::EventId.is_in(event_ids));
        Ok(own.order_by_asc(Column::Id).limit(limit).all(&self.reader).await?)
    }

    /// Attempts to post events, newest first, and the number to go on from.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn deliveries(
        &self,
        query: &DeliveryQuery,
    ) -> Result<(Vec<Model>, Option<i64>), StoreError> {
        let limit = query.limit.clamp(1, 1000);
        let mut find = Entity::find();
        if let Some(event_id) = &query.event_id {
            find = find.filter(Column::EventId.eq(event_id));
        }
        if let Some(endpoint) = &query.endpoint {
            find = find.filter(Column::Endpoint.eq(endpoint));
        }
        if let Some(id) = query.before_id {
            find = find.filter(Column::Id.lt(id));
        }
        let mut rows = find.order_by_desc(Column::Id).limit(limit + 1).all(&self.reader).await?;
        let more = rows.len() as u64 > limit;
        rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let next = rows.last().filter(|_| more).map(|last| last.id);
        Ok((rows, next))
    }
}
