//! Rows into tables, many in a statement.

use sea_orm::{
    ActiveModelTrait, ActiveValue::NotSet, ConnectionTrait, EntityTrait, IntoActiveModel, Iterable,
    sea_query::OnConflict,
};

use crate::store::{
    StoreError,
    entities::{call_logs, lead_changes, leads, outbox, recordings},
};

/// Rows in a statement: SQLite takes 32,766 values at most, and our widest row has 34.
const ROWS: usize = 500;

/// Inserts or replaces calls.
pub async fn calls<C: ConnectionTrait>(
    db: &C,
    rows: impl Iterator<Item = call_logs::Model>,
) -> Result<(), StoreError> {
    let rows: Vec<_> =
        rows.map(|row| call_logs::ActiveModel { id: NotSet, ..row.into_active_model() }).collect();
    let changed = call_logs::Column::iter()
        .filter(|column| !matches!(column, call_logs::Column::Id | call_logs::Column::CallSid));
    let replace = OnConflict::column(call_logs::Column::CallSid).update_columns(changed).to_owned();
    insert(db, rows, Some(replace)).await
}

/// Inserts or replaces recordings.
pub async fn recordings<C: ConnectionTrait>(
    db: &C,
    rows: impl Iterator<Item = recordings::Model>,
) -> Result<(), StoreError> {
    let rows: Vec<_> =
        rows.map(|row| recordings::ActiveModel { id: NotSet, ..row.into_active_model() }).collect();
    let changed = recordings::Column::iter().filter(|column| {
        !matches!(column, recordings::Column::Id | recordings::Column::RecordingSid)
    });
    let replace =
        OnConflict::column(recordings::Column::RecordingSid).update_columns(changed).to_owned();
    insert(db, rows, Some(replace)).await
}

/// Replaces leads that exist.
pub async fn leads<C: ConnectionTrait>(db: &C, rows: Vec<leads::Model>) -> Result<(), StoreError> {
    let rows: Vec<_> = rows.into_iter().map(IntoActiveModel::into_active_model).collect();
    let changed = leads::Column::iter().filter(|column| !matches!(column, leads::Column::Id));
    let replace = OnConflict::column(leads::Column::Id).update_columns(changed).to_owned();
    insert(db, rows, Some(replace)).await
}

/// Appends to the history of leads.
pub async fn lead_changes<C: ConnectionTrait>(
    db: &C,
    rows: Vec<lead_changes::Model>,
) -> Result<(), StoreError> {
    let rows: Vec<_> = rows
        .into_iter()
        .map(|row| lead_changes::ActiveModel { id: NotSet, ..row.into_active_model() })
        .collect();
    insert(db, rows, None).await
}

/// Adds events for the outside; those that stand there already stay as they are.
pub async fn events_out<C: ConnectionTrait>(
    db: &C,
    rows: Vec<outbox::Model>,
) -> Result<(), StoreError> {
    let rows: Vec<_> = rows
        .into_iter()
        .map(|row| outbox::ActiveModel { seq: NotSet, ..row.into_active_model() })
        .collect();
    let keep = OnConflict::column(outbox::Column::EventId).do_nothing().to_owned();
    insert(db, rows, Some(keep)).await
}

async fn insert<C: ConnectionTrait, A: ActiveModelTrait>(
    db: &C,
    mut rows: Vec<A>,
    on_conflict: Option<OnConflict>,
) -> Result<(), StoreError> {
    while !rows.is_empty() {
        let rest = rows.split_off(rows.len().min(ROWS));
        let mut statement = A::Entity::insert_many(rows);
        if let Some(on_conflict) = &on_conflict {
            statement = statement.on_conflict(on_conflict.clone());
        }
        statement.exec_without_returning(db).await?;
        rows = rest;
    }
    Ok(())
}
