//! The leads of the calls in a batch.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveValue::NotSet,
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait, Func},
};

use super::{
    Effect,
    batch::Change,
    call,
    lead::{self, FieldChange, Said},
    outbox as event_out, write,
};
use crate::{
    settings::ResultsSettings,
    store::{
        StoreError,
        entities::{call_logs, lead_changes, leads, outbox},
    },
};

type Call = Change<call_logs::Model>;
/// Account and number.
type Key = (String, String);

/// The leads that a batch concerns.
#[derive(Default)]
pub(crate) struct Assigned {
    /// Made by this batch, complete.
    new: Vec<(leads::Model, Vec<FieldChange>)>,
    /// To be recomputed once the calls are written.
    known: Vec<leads::Model>,
    /// Leads that lost a call to another number.
    left: BTreeSet<i64>,
}

/// Finds or makes the lead of every call, and writes its number into the call's row.
pub(crate) async fn assign<C: ConnectionTrait>(
    db: &C,
    calls: &mut [Call],
    settings: &ResultsSettings,
    now: DateTime<Utc>,
) -> Result<Assigned, StoreError> {
    // A call whose external party is what it was keeps its lead: most events need no look-up.
    let keys: Vec<Option<Key>> = calls.iter().map(new_key_of).collect();
    let wanted: BTreeSet<&Key> = keys.iter().flatten().collect();
    let mut known = find(db, &wanted).await?;
    let new = make(db, calls, &keys, &known, settings, now).await?;
    let ids: BTreeMap<Key, i64> = known
        .iter()
        .chain(new.iter().map(|(lead, _)| lead))
        .map(|lead| ((lead.account_sid.clone(), lead.phone_e164.clone()), lead.id))
        .collect();
    let mut left = BTreeSet::new();
    let mut concerned = BTreeSet::new();
    for (change, key) in calls.iter_mut().zip(&keys) {
        change.row.lead_id = match key {
            Some(key) => ids.get(key).copied(),
            None if call::external_party(&change.row).is_none() => None,
            None => change.row.lead_id,
        };
        let before = change.before.as_ref().map(Said::from);
        let after = Said::from(&change.row);
        let is_silent = after.is_silent() && before.as_ref().is_none_or(Said::is_silent);
        if !is_silent && before.as_ref() != Some(&after) {
            concerned.extend(change.row.lead_id);
        }
        let old = before.and_then(|said| said.lead_id);
        left.extend(old.filter(|old| change.row.lead_id != Some(*old)));
    }
    known.retain(|lead| concerned.remove(&lead.id));
    for (lead, _) in &new {
        concerned.remove(&lead.id);
    }
    if !concerned.is_empty() {
        let by_id = leads::Entity::find().filter(leads::Column::Id.is_in(concerned));
        known.extend(by_id.all(db).await?);
    }
    Ok(Assigned { new, known, left })
}

/// Recomputes what the batch concerns, after its calls were written.
pub(crate) async fn update<C: ConnectionTrait>(
    db: &C,
    assigned: Assigned,
    calls: &[Call],
    settings: &ResultsSettings,
    now: DateTime<Utc>,
) -> Result<(Vec<Effect>, Vec<outbox::Model>), StoreError> {
    let Assigned { mut new, mut known, left } = assigned;
    known.extend(kept_of(db, &left, &known).await?);
    let mut said = standing_calls(db, &known, settings).await?;
    let mut updated = Vec::new();
    for mut row in known {
        let calls = said.remove(&row.id).unwrap_or_default();
        let threshold = settings.threshold(&row.account_sid);
        let (differs, changes) = lead::recompute(&mut row, &calls, threshold);
        if differs {
            row.version += 1;
            row.updated_at = now;
            updated.push((row, changes));
        }
    }
    write::leads(db, updated.iter().map(|(lead, _)| lead.clone()).collect()).await?;
    updated.retain(|(_, changes)| !changes.is_empty());
    new.append(&mut updated);
    let history = new
        .iter()
        .flat_map(|(lead, changes)| changes.iter().map(|change| history_of(lead, change, now)));
    write::lead_changes(db, history.collect()).await?;
    Ok(new.iter().map(|(lead, changes)| announce(lead, changes, calls, now)).unzip())
}

fn announce(
    lead: &leads::Model,
    changes: &[FieldChange],
    calls: &[Call],
    now: DateTime<Utc>,
) -> (Effect, outbox::Model) {
    let of_batch = calls
        .iter()
        .find(|change| change.row.lead_id == Some(lead.id))
        .map(|change| change.row.call_sid.as_str());
    let call_sid =
        of_batch.or_else(|| changes.iter().find_map(|change| change.call_sid.as_deref()));
    // A call that the lead has lost may be erased, and what tells of an erased call is not told.
    let has_left = |sid: &str| calls.iter().any(|change| change.row.call_sid == sid);
    let told_of = of_batch.or(call_sid.filter(|sid| !has_left(sid)));
    let effect = Effect::LeadUpdated {
        call_sid: call_sid.unwrap_or_default().to_owned(),
        lead_id: lead.id,
        fields: changes.iter().map(|change| change.field).collect(),
    };
    (effect, event_out::of_lead(lead, told_of, now))
}

/// Account and number of the external party, unless the call has its lead already.
fn new_key_of(call: &Call) -> Option<Key> {
    let number = call::external_party(&call.row)?;
    let had = call.before.as_ref().filter(|before| before.lead_id.is_some());
    if had.and_then(call::external_party).as_ref() == Some(&number) {
        return None;
    }
    Some((call.row.account_sid.clone(), number.to_string()))
}

async fn find<C: ConnectionTrait>(
    db: &C,
    keys: &BTreeSet<&Key>,
) -> Result<Vec<leads::Model>, StoreError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let accounts: BTreeSet<_> = keys.iter().map(|(account, _)| account.as_str()).collect();
    let numbers: BTreeSet<_> = keys.iter().map(|(_, number)| number.as_str()).collect();
    let found = leads::Entity::find()
        .filter(leads::Column::AccountSid.is_in(accounts))
        .filter(leads::Column::PhoneE164.is_in(numbers))
        .all(db)
        .await?;
    let is_wanted =
        |lead: &leads::Model| keys.contains(&(lead.account_sid.clone(), lead.phone_e164.clone()));
    Ok(found.into_iter().filter(is_wanted).collect())
}

async fn make<C: ConnectionTrait>(
    db: &C,
    calls: &[Call],
    keys: &[Option<Key>],
    known: &[leads::Model],
    settings: &ResultsSettings,
    now: DateTime<Utc>,
) -> Result<Vec<(leads::Model, Vec<FieldChange>)>, StoreError> {
    let mut said = BTreeMap::<&Key, Vec<Said>>::new();
    for (change, key) in calls.iter().zip(keys) {
        if let Some(key) = key {
            said.entry(key).or_default().push(Said::from(&change.row));
        }
    }
    said.retain(|(account, number), _| {
        !known.iter().any(|lead| lead.account_sid == *account && lead.phone_e164 == *number)
    });
    if said.is_empty() {
        return Ok(Vec::new());
    }
    let mut changes = BTreeMap::new();
    let mut rows = Vec::new();
    for ((account, number), said) in said {
        let mut row = lead::new(account, number, now);
        let (_, changed) = lead::recompute(&mut row, &said, settings.threshold(account));
        changes.insert((account.clone(), number.clone()), changed);
        rows.push(leads::ActiveModel { id: NotSet, ..row.into_active_model() });
    }
    let made = leads::Entity::insert_many(rows).exec_with_returning(db).await?;
    Ok(made
        .into_iter()
        .map(|lead| {
            let key = (lead.account_sid.clone(), lead.phone_e164.clone());
            let changed = changes.remove(&key).unwrap_or_default();
            (lead, changed)
        })
        .collect())
}

/// The leads that lost a call and are to be recomputed. One that has no call left and that no
/// person has touched was never a lead: it goes.
async fn kept_of<C: ConnectionTrait>(
    db: &C,
    left: &BTreeSet<i64>,
    known: &[leads::Model],
) -> Result<Vec<leads::Model>, StoreError> {
    let mut kept = Vec::new();
    for id in left.iter().filter(|id| !known.iter().any(|lead| lead.id == **id)) {
        let Some(lead) = leads::Entity::find_by_id(*id).one(db).await? else { continue };
        let calls =
            call_logs::Entity::find().filter(call_logs::Column::LeadId.eq(*id)).count(db).await?;
        let touched =
            lead.name.is_some() || lead.name_locked || lead.service_locked || lead.city_locked;
        if calls > 0 || touched {
            kept.push(lead);
        } else {
            let of_lead = lead_changes::Column::LeadId.eq(*id);
            lead_changes::Entity::delete_many().filter(of_lead).exec(db).await?;
            // What nobody was told of it yet, nobody is told: it holds the number.
            outbox::Entity::delete_many()
                .filter(outbox::Column::LeadId.eq(*id))
                .filter(outbox::Column::EventType.eq("lead.updated"))
                .exec(db)
                .await?;
            leads::Entity::delete_by_id(*id).exec(db).await?;
        }
    }
    Ok(kept)
}

/// The calls whose service and whose city stand in leads, by lead: however many calls a lead has, no
/// more than two of them are read.
pub(crate) async fn standing_calls<C: ConnectionTrait>(
    db: &C,
    leads: &[leads::Model],
    settings: &ResultsSettings,
) -> Result<BTreeMap<i64, Vec<Said>>, StoreError> {
    use call_logs::Column;
    let mut of_account = BTreeMap::<&str, Vec<i64>>::new();
    for lead in leads {
        of_account.entry(&lead.account_sid).or_default().push(lead.id);
    }
    let mut standing = BTreeSet::new();
    for (account, leads) in of_account {
        let threshold = settings.threshold(account);
        let service = surest(Column::ExtractedService, Column::ServiceConfidence, threshold);
        let city = surest(Column::ExtractedCity, Column::CityConfidence, threshold);
        let of_leads: Vec<(Option<i64>, Option<i64>)> = leads::Entity::find()
            .select_only()
            .expr_as(service, "service")
            .expr_as(city, "city")
            .filter(leads::Column::Id.is_in(leads))
            .into_tuple()
            .all(db)
            .await?;
        standing.extend(of_leads.into_iter().flat_map(|(service, city)| [service, city]).flatten());
    }
    let mut by_lead = BTreeMap::<i64, Vec<Said>>::new();
    if standing.is_empty() {
        return Ok(by_lead);
    }
    let said: Vec<Said> = call_logs::Entity::find()
        .select_only()
        .columns([
            Column::LeadId,
            Column::CallSid,
            Column::StartedAt,
            Column::CreatedAt,
            Column::ExtractedService,
            Column::ServiceId,
            Column::ServiceConfidence,
            Column::ExtractedCity,
            Column::CityId,
            Column::CityConfidence,
        ])
        .filter(Column::Id.is_in(standing))
        .into_model()
        .all(db)
        .await?;
    for said in said {
        if let Some(lead_id) = said.lead_id {
            by_lead.entry(lead_id).or_default().push(said);
        }
    }
    Ok(by_lead)
}

/// The number of the lead's call whose value stands, in the order of [`lead::recompute`].
fn surest(value: call_logs::Column, confidence: call_logs::Column, threshold: f64) -> Expr {
    use call_logs::Column;
    let of_the_lead =
        Expr::col((call_logs::Entity, Column::LeadId)).equals((leads::Entity, leads::Column::Id));
    // In the words of the index.
    let says_something = Condition::any()
        .add(Column::ExtractedService.is_not_null())
        .add(Column::ExtractedCity.is_not_null());
    let at = [Column::StartedAt, Column::CreatedAt].map(|at| Expr::col((call_logs::Entity, at)));
    let call = call_logs::Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(of_the_lead)
        .filter(says_something)
        .filter(value.is_not_null())
        .filter(confidence.gte(threshold))
        .order_by_desc(Expr::from(Func::coalesce(at)))
        .order_by_desc(confidence)
        .order_by_desc(Column::CallSid)
        .limit(1)
        .into_query();
    Expr::SubQuery(None, Box::new(call.into()))
}

/// The history's row of a change that a call brought about.
pub(crate) fn history_of(
    lead: &leads::Model,
    change: &FieldChange,
    now: DateTime<Utc>,
) -> lead_changes::Model {
    lead_changes::Model {
        id: 0,
        lead_id: lead.id,
        field: change.field.into(),
        from_value: change.from.clone(),
        to_value: change.to.clone(),
        call_sid: change.call_sid.clone(),
        changed_by: None,
        changed_at: now,
    }
}
