//! Rows into tables, many in a statement.

use sea_orm::{
    ActiveModelTrait, ActiveValue::NotSet, ConnectionTrait, EntityTrait, IdenStatic,
    IntoActiveModel, Iterable, sea_query::OnConflict,
};

use super::batch::Change;
use crate::store::{
    StoreError,
    entities::{
        call_logs::{self, Column},
        lead_changes, leads, outbox, recordings,
    },
};

/// Rows in a statement: SQLite takes 32,766 values at most, and our widest row has 34.
const ROWS: usize = 500;

/// The columns of calls that an index leads by.
const LEADING: [Column; 9] = [
    Column::CreatedAt,
    Column::Status,
    Column::ExtractedService,
    Column::ServiceId,
    Column::ExtractedCity,
    Column::CityId,
    Column::FromNumber,
    Column::ToNumber,
    Column::TranscriptLanguage,
];

/// Inserts or replaces calls. What no call of the batch changes is not set: SQLite writes the
/// entries of every index on a column that is set, though to the same value.
pub async fn calls<C: ConnectionTrait>(
    db: &C,
    changes: &[Change<call_logs::Model>],
) -> Result<(), StoreError> {
    let kept: Vec<Column> =
        LEADING.into_iter().filter(|column| changes.iter().all(|it| it.keeps(*column))).collect();
    let rows = changes.iter().map(|change| call_logs::ActiveModel {
        id: NotSet,
        ..change.row.clone().into_active_model()
    });
    let changed = Column::iter().filter(|column| {
        let is_kept = kept.iter().any(|kept| kept.as_str() == column.as_str());
        !is_kept && !matches!(column, Column::Id | Column::CallSid)
    });
    let replace = OnConflict::column(Column::CallSid).update_columns(changed).to_owned();
    insert(db, rows.collect(), Some(replace)).await
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
