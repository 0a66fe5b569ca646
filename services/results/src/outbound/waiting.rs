//! How much stands in the outbox, for whoever watches.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};
use tokio_util::sync::CancellationToken;

use crate::store::{
    Store, StoreError,
    entities::outbox::{Column, Entity},
};

/// How often it is counted.
const LOOK: Duration = Duration::from_secs(15);

/// Exports what waits to be handed on until `stop` is cancelled. What cannot be read is not a number.
pub async fn tell(store: Store, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let (waiting, seconds) = look(&store).await.unwrap_or((f64::NAN, f64::NAN));
        metrics::gauge!("results_outbox_waiting").set(waiting);
        metrics::gauge!("results_outbox_oldest_seconds").set(seconds);
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// How many events, and the age of the oldest.
async fn look(store: &Store) -> Result<(f64, f64), StoreError> {
    let waiting = Entity::find().filter(Column::RelayedAt.is_null());
    let count = waiting.clone().count(store.reader()).await?;
    let oldest: Option<DateTime<Utc>> = waiting
        .select_only()
        .column(Column::CreatedAt)
        .order_by_asc(Column::Seq)
        .into_tuple()
        .one(store.reader())
        .await?;
    let age = oldest.map_or(0.0, |at| (Utc::now() - at).as_seconds_f64().max(0.0));
    Ok((count as f64, age))
}
