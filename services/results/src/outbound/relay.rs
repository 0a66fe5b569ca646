//! From the outbox to the queue.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use queue::{Entry, Queue, QueueError, Selection};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::WebhookSettings;
use crate::store::{
    Store,
    entities::{deliveries, outbox},
};

/// How often the outbox is looked at, and tidied up.
const LOOK: Duration = Duration::from_millis(500);
const TIDY: Duration = Duration::from_secs(3600);
/// Events handed on in one go.
const EVENTS: u64 = 200;
/// Rows removed in one transaction.
const TIDIED: u64 = 500;
/// How long the queue remembers what was handed on: far longer than a relay can die between
/// handing on and marking.
const ONCE_WINDOW: Duration = Duration::from_secs(7 * 24 * 3600);

/// What the queue carries: one event for one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outgoing {
    /// The endpoint's name.
    pub endpoint: String,
    /// The event's identifier.
    pub event_id: String,
    /// The call, where the event is about one.
    pub call_sid: Option<String>,
    /// The body to post.
    pub body: String,
}

/// Hands events on until `stop` is cancelled.
pub async fn run(
    store: Store,
    queue: Queue,
    settings: Arc<WebhookSettings>,
    stop: CancellationToken,
) {
    let mut failing = false;
    let mut tidied: Option<tokio::time::Instant> = None;
    while !stop.is_cancelled() {
        match hand_on(&store, &queue, &settings).await {
            Ok(EVENTS..) => continue,
            Ok(_) => failing = false,
            // Redis or the database is away: their own checks tell. What was not marked stays.
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(error = format!("{error:#}"), "events out are waiting");
            }
            Err(_) => {}
        }
        if !failing && tidied.is_none_or(|at| at.elapsed() >= TIDY) {
            tidied = Some(tokio::time::Instant::now());
            if let Err(error) = tidy(&store, &queue, settings.keep_days).await {
                tracing::warn!(error = format!("{error:#}"), "old events were not removed");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Hands on what is not marked yet, oldest first, then marks it. Returns how many events.
async fn hand_on(store: &Store, queue: &Queue, settings: &WebhookSettings) -> anyhow::Result<u64> {
    let events = outbox::Entity::find()
        .filter(outbox::Column::RelayedAt.is_null())
        .order_by_asc(outbox::Column::Seq)
        .limit(EVENTS)
        .all(store.reader())
        .await?;
    if events.is_empty() {
        return Ok(0);
    }
    let mut entries = Vec::new();
    for event in &events {
        for endpoint in settings.endpoints.iter().filter(|e| e.wants(&event.event_type)) {
            let outgoing = Outgoing {
                endpoint: endpoint.name.clone(),
                event_id: event.event_id.clone(),
                call_sid: event.call_sid.clone(),
                body: event.payload.to_string(),
            };
            let key = format!("{}:{}", event.event_id, endpoint.name);
            let entry = Entry::new(event.event_id.clone(), serde_json::to_string(&outgoing)?);
            entries.push(entry.once(key, ONCE_WINDOW));
        }
    }
    if !entries.is_empty() {
        queue.enqueue_batch(entries).await?;
    }
    let transaction = store.begin().await?;
    outbox::Entity::update_many()
        .col_expr(outbox::Column::RelayedAt, Expr::value(Utc::now()))
        .filter(outbox::Column::Seq.is_in(events.iter().map(|event| event.seq)))
        .exec(&transaction)
        .await?;
    transaction.commit().await?;
    Ok(events.len() as u64)
}

/// Dead letters hold what was to be told: they are kept as long as the rest of it.
async fn discard_dead(queue: &Queue, before_ms: i64) -> Result<(), QueueError> {
    loop {
        let letters = queue.dead_letters(None, 100).await?;
        let old: Vec<_> = letters.into_iter().filter(|letter| letter.died_ms < before_ms).collect();
        if old.is_empty() {
            return Ok(());
        }
        for letter in old {
            queue.discard(&Selection::One(letter.id)).await?;
        }
    }
}

async fn tidy(store: &Store, queue: &Queue, keep_days: u32) -> anyhow::Result<()> {
    let before = Utc::now() - TimeDelta::days(keep_days.into());
    discard_dead(queue, before.timestamp_millis()).await?;
    let mut after = Some(0);
    while let Some(place) = after {
        after = tidy_outbox(store, before, place).await?;
    }
    after = Some(0);
    while let Some(place) = after {
        after = tidy_deliveries(store, before, place).await?;
    }
    Ok(())
}

/// Takes a page away, oldest first, without holding other writers up for longer; returns where to go
/// on. Numbers are given out in the order of time: behind a page without anything old, nothing is.
async fn tidy_outbox(
    store: &Store,
    before: DateTime<Utc>,
    after: i64,
) -> anyhow::Result<Option<i64>> {
    use outbox::Column;
    type Row = (i64, DateTime<Utc>, Option<DateTime<Utc>>);
    let page: Vec<Row> = outbox::Entity::find()
        .select_only()
        .columns([Column::Seq, Column::CreatedAt, Column::RelayedAt])
        .filter(Column::Seq.gt(after))
        .order_by_asc(Column::Seq)
        .limit(TIDIED)
        .into_tuple()
        .all(store.reader())
        .await?;
    let old = page.iter().filter(|(_, created_at, _)| *created_at < before);
    let Some((last, ..)) = old.clone().next_back() else { return Ok(None) };
    let told: Vec<i64> =
        old.filter(|(.., relayed)| relayed.is_some()).map(|(seq, ..)| *seq).collect();
    let transaction = store.begin().await?;
    outbox::Entity::delete_many().filter(Column::Seq.is_in(told)).exec(&transaction).await?;
    transaction.commit().await?;
    Ok(Some(*last))
}

/// The same of the log of deliveries.
async fn tidy_deliveries(
    store: &Store,
    before: DateTime<Utc>,
    after: i64,
) -> anyhow::Result<Option<i64>> {
    use deliveries::Column;
    let page: Vec<(i64, DateTime<Utc>)> = deliveries::Entity::find()
        .select_only()
        .columns([Column::Id, Column::AttemptedAt])
        .filter(Column::Id.gt(after))
        .order_by_asc(Column::Id)
        .limit(TIDIED)
        .into_tuple()
        .all(store.reader())
        .await?;
    let old = page.iter().filter(|(_, at)| *at < before).map(|(id, _)| *id);
    let old: Vec<i64> = old.collect();
    let Some(last) = old.last().copied() else { return Ok(None) };
    let transaction = store.begin().await?;
    deliveries::Entity::delete_many().filter(Column::Id.is_in(old)).exec(&transaction).await?;
    transaction.commit().await?;
    Ok(Some(last))
}
