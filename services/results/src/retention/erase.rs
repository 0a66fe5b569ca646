//! Taking away, a few calls in a transaction.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use queue::{Kept, Queue, QueueError};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter,
    QuerySelect,
    sea_query::Expr,
};
use serde::Deserialize;
use serde_json::Value;

use super::{
    STEP,
    due::{Due, Kind, calls_due},
};
use crate::{
    erasure,
    projection::{Change, call, leads_of_batch, recording, write},
    settings::ResultsSettings,
    store::{
        Store, StoreError,
        entities::{audit, call_logs, outbox, recordings},
    },
};

type Call = Change<call_logs::Model>;

/// What of an [`Outgoing`](crate::outbound) tells whose it is.
#[derive(Deserialize)]
struct About {
    call_sid: Option<String>,
}

/// Takes the next calls' share away; returns whose.
pub async fn step(
    store: &Store,
    due: &Due,
    settings: &ResultsSettings,
    now: DateTime<Utc>,
) -> Result<Vec<String>, StoreError> {
    let db = store.begin().await?;
    let calls = calls_due(due, &settings.retention).limit(STEP).all(&db).await?;
    if calls.is_empty() {
        return Ok(Vec::new());
    }
    let sids: Vec<String> = calls.iter().map(|call| call.call_sid.clone()).collect();
    let of_calls = recordings::Column::CallSid.is_in(&sids);
    let recordings = recordings::Entity::find().filter(of_calls).all(&db).await?;
    let mut calls: Vec<Call> = calls.into_iter().map(Change::of).collect();
    match due.kind {
        Kind::Calls => erase_calls(&db, &mut calls, &recordings).await?,
        Kind::Transcripts => erase_transcripts(&db, &mut calls, recordings).await?,
        Kind::Numbers => erase_numbers(&db, &mut calls, recordings).await?,
        Kind::Recordings => {}
    }
    scrub_events_out(&db, &sids, due.kind).await?;
    let assigned = leads_of_batch::assign(&db, &mut calls, settings, now).await?;
    if due.kind != Kind::Calls {
        write::calls(&db, &calls).await?;
    }
    let (_, events) = leads_of_batch::update(&db, assigned, &calls, settings, now).await?;
    write::events_out(&db, events).await?;
    audited(&db, due, sids.len(), now).await?;
    db.commit().await?;
    Ok(sids)
}

/// The calls whose share is to go.
pub async fn calls_of(
    store: &Store,
    due: &Due,
    settings: &ResultsSettings,
) -> Result<HashSet<String>, StoreError> {
    let sids: Vec<String> = calls_due(due, &settings.retention)
        .select_only()
        .column(call_logs::Column::CallSid)
        .into_tuple()
        .all(store.reader())
        .await?;
    Ok(sids.into_iter().collect())
}

/// Events that were handed on hold the same words and numbers, waiting or dead.
pub async fn erase_copies(webhooks: &Queue, calls: &HashSet<String>) -> Result<(), QueueError> {
    if calls.is_empty() {
        return Ok(());
    }
    let tells_of_them = |kept: &Kept| {
        let told = serde_json::from_str::<About>(&kept.body).ok();
        told.and_then(|told| told.call_sid).is_some_and(|sid| calls.contains(&sid))
    };
    webhooks.erase(tells_of_them).await?;
    Ok(())
}

/// Events out hold the same words and numbers. Those that were told go; those that were not are told
/// without them, unless the call itself is gone.
async fn scrub_events_out<C: ConnectionTrait>(
    db: &C,
    calls: &[String],
    kind: Kind,
) -> Result<(), StoreError> {
    use outbox::Column;
    let of_calls = Condition::all().add(Column::CallSid.is_in(calls));
    let gone = match kind {
        Kind::Calls => of_calls.clone(),
        _ => of_calls.clone().add(Column::RelayedAt.is_not_null()),
    };
    outbox::Entity::delete_many().filter(gone).exec(db).await?;
    let fields: &[&str] = match kind {
        Kind::Transcripts => &["final_transcript"],
        Kind::Numbers => &["from_number", "to_number"],
        Kind::Calls | Kind::Recordings => return Ok(()),
    };
    for event in outbox::Entity::find().filter(of_calls).all(db).await? {
        let mut payload = event.payload.clone();
        if let Some(call) = payload.pointer_mut("/data/call").and_then(Value::as_object_mut) {
            for field in fields {
                call.insert((*field).to_owned(), Value::Null);
            }
        }
        if payload != event.payload {
            let mut row = event.into_active_model();
            row.payload = Set(payload);
            outbox::Entity::update(row).exec(db).await?;
        }
    }
    Ok(())
}

async fn erase_calls<C: ConnectionTrait>(
    db: &C,
    calls: &mut [Call],
    recordings: &[recordings::Model],
) -> Result<(), StoreError> {
    let sids: Vec<&str> = calls.iter().map(|change| change.row.call_sid.as_str()).collect();
    let erased = sids.iter().copied().chain(recordings.iter().map(|r| r.recording_sid.as_str()));
    erasure::bury(db, erased).await?;
    let of_calls = recordings::Column::CallSid.is_in(sids.iter().copied());
    recordings::Entity::delete_many().filter(of_calls).exec(db).await?;
    let these = call_logs::Column::CallSid.is_in(sids);
    call_logs::Entity::delete_many().filter(these).exec(db).await?;
    // A call without numbers belongs to no lead: its lead is looked at anew.
    calls.iter_mut().for_each(|change| call::forget_numbers(&mut change.row));
    Ok(())
}

async fn erase_transcripts<C: ConnectionTrait>(
    db: &C,
    calls: &mut [Call],
    mut rows: Vec<recordings::Model>,
) -> Result<(), StoreError> {
    rows.iter_mut().for_each(recording::forget_words);
    for change in calls {
        let own: Vec<_> = rows.iter().filter(|r| r.call_sid == change.row.call_sid).collect();
        call::forget_words(&mut change.row);
        call::fold(&mut change.row, &own);
    }
    write::recordings(db, rows.into_iter()).await
}

async fn erase_numbers<C: ConnectionTrait>(
    db: &C,
    calls: &mut [Call],
    mut rows: Vec<recordings::Model>,
) -> Result<(), StoreError> {
    rows.iter_mut().for_each(recording::forget_numbers);
    calls.iter_mut().for_each(|change| call::forget_numbers(&mut change.row));
    write::recordings(db, rows.into_iter()).await
}

/// Remembers which recordings Twilio does not have any more.
pub async fn mark_deleted(
    store: &Store,
    due: &Due,
    sids: &[String],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if sids.is_empty() {
        return Ok(());
    }
    let db = store.begin().await?;
    recordings::Entity::update_many()
        .col_expr(recordings::Column::MediaDeletedAt, Expr::value(now))
        .filter(recordings::Column::RecordingSid.is_in(sids))
        .exec(&db)
        .await?;
    audited(&db, due, sids.len(), now).await?;
    Ok(db.commit().await?)
}

async fn audited<C: ConnectionTrait>(
    db: &C,
    due: &Due,
    count: usize,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let row = audit::ActiveModel {
        id: NotSet,
        action: Set(format!("retention_{}", due.kind.as_str())),
        account_sid: Set(due.account_sid.clone()),
        count: Set(i64::try_from(count).unwrap_or(i64::MAX)),
        before: Set(due.before),
        subject: Set(None),
        done_at: Set(now),
    };
    audit::Entity::insert(row).exec_without_returning(db).await?;
    Ok(())
}
