//! A caller's rows, taken away under tombstones.

use chrono::Utc;
use domain::mask_phone;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter,
};

use super::{ForgetPlan, bury, caller::Caller, imported_lead};
use crate::{
    import::IMPORT,
    store::{
        Store, StoreError,
        entities::{audit, call_logs, deliveries, lead_changes, leads, outbox, recordings},
    },
};

/// Calls in one transaction: other writers wait no longer than that.
const STEP: usize = 200;

/// Takes everything away that was found, and writes into the audit, without the number, that it was
/// done. Each transaction leaves nothing half done.
pub(super) async fn erase(
    store: &Store,
    found: &Caller,
    plan: &ForgetPlan,
) -> Result<(), StoreError> {
    erase_leads(store, found, plan).await?;
    let calls: Vec<(&String, &String)> = found.calls.iter().collect();
    for calls in calls.chunks(STEP) {
        let sids: Vec<&str> = calls.iter().map(|(sid, _)| sid.as_str()).collect();
        let db = store.begin().await?;
        bury(&db, sids.iter().copied()).await?;
        let of_calls = recordings::Column::CallSid.is_in(sids.iter().copied());
        recordings::Entity::delete_many().filter(of_calls).exec(&db).await?;
        let of_calls = outbox::Column::CallSid.is_in(sids.iter().copied());
        outbox::Entity::delete_many().filter(of_calls).exec(&db).await?;
        let these = call_logs::Column::CallSid.is_in(sids.iter().copied());
        call_logs::Entity::delete_many().filter(these).exec(&db).await?;
        let mut accounts: Vec<&str> = calls.iter().map(|(_, account)| account.as_str()).collect();
        accounts.sort_unstable();
        for of_account in accounts.chunk_by(|a, b| a == b) {
            audited(&db, of_account[0], of_account.len(), plan).await?;
        }
        db.commit().await?;
    }
    Ok(())
}

/// The leads with their history, what was told of caller and calls, and the tombstones of recordings
/// and events: first, so that nothing of it goes out any more.
async fn erase_leads(store: &Store, found: &Caller, plan: &ForgetPlan) -> Result<(), StoreError> {
    let db = store.begin().await?;
    let recordings = found.recordings.keys();
    bury(&db, recordings.chain(&found.events_out).map(String::as_str)).await?;
    let events: Vec<&String> = found.events_out.iter().collect();
    for events in events.chunks(STEP) {
        let these = outbox::Column::EventId.is_in(events.iter().copied());
        outbox::Entity::delete_many().filter(these).exec(&db).await?;
        let these = deliveries::Column::EventId.is_in(events.iter().copied());
        deliveries::Entity::delete_many().filter(these).exec(&db).await?;
    }
    for (id, account) in &found.leads {
        let of_lead = lead_changes::Column::LeadId.eq(*id);
        let by_import = of_lead.clone().and(lead_changes::Column::ChangedBy.eq(IMPORT));
        if lead_changes::Entity::find().filter(by_import).one(&db).await?.is_some() {
            bury(&db, [imported_lead(account, *id).as_str()].into_iter()).await?;
        }
        lead_changes::Entity::delete_many().filter(of_lead).exec(&db).await?;
        let of_lead = call_logs::Column::LeadId.eq(*id);
        call_logs::Entity::update_many()
            .col_expr(call_logs::Column::LeadId, sea_orm::sea_query::Expr::value(None::<i64>))
            .filter(of_lead)
            .exec(&db)
            .await?;
        leads::Entity::delete_by_id(*id).exec(&db).await?;
        if found.calls.is_empty() {
            audited(&db, account, 0, plan).await?;
        }
    }
    Ok(db.commit().await?)
}

async fn audited<C: ConnectionTrait>(
    db: &C,
    account_sid: &str,
    count: usize,
    plan: &ForgetPlan,
) -> Result<(), StoreError> {
    let now = Utc::now();
    let row = audit::ActiveModel {
        id: NotSet,
        action: Set("forget".to_owned()),
        account_sid: Set(account_sid.to_owned()),
        count: Set(i64::try_from(count).unwrap_or(i64::MAX)),
        before: Set(now),
        subject: Set(Some(mask_phone(plan.number.as_str()))),
        done_at: Set(now),
    };
    audit::Entity::insert(row).exec_without_returning(db).await?;
    Ok(())
}
