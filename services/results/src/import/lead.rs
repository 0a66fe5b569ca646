//! Leads of an export.

use chrono::{DateTime, Utc};
use domain::{AccountSid, E164};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, IntoActiveModel, QueryFilter,
};

use super::{Fate, IMPORT, ImportError, ImportPlan, line::Line, line::Problem};
use crate::{
    erasure,
    projection::{lead, write},
    store::{
        Store, StoreError,
        entities::{call_logs, leads},
        lead_edit::changes_by,
    },
};

/// What is read.
pub(super) const COLUMNS: [&str; 16] = [
    "id",
    "account_sid",
    "phone_e164",
    "phone",
    "name",
    "service_type",
    "service_id",
    "service_confidence",
    "city",
    "city_id",
    "city_confidence",
    "name_locked",
    "service_locked",
    "city_locked",
    "created_at",
    "updated_at",
];

const ACCOUNT: &str = "AC and 32 hexadecimal digits";
const PHONE: &str = "a number such as +972541234567";
const ID: &str = "a number from 1 to 9007199254740991";
/// What JSON's readers tell apart; and behind the highest id a new lead needs one of its own.
const HIGHEST_ID: i64 = (1 << 53) - 1;

/// A lead as the export has it.
struct Told {
    line: u64,
    id: Option<i64>,
    lead: leads::Model,
}

/// Imports lines in one transaction; tells of each what became of it.
pub(super) async fn import(
    store: &Store,
    lines: &[Line],
    plan: &ImportPlan,
) -> Result<Vec<Result<Fate, Problem>>, ImportError> {
    let db = store.begin().await?;
    let mut fates = Vec::with_capacity(lines.len());
    let mut kept_an_id = false;
    for line in lines {
        fates.push(match read(line, plan) {
            Ok(told) => {
                kept_an_id |= told.id.is_some();
                take_over(&db, told).await?
            }
            Err(problem) => Err(problem),
        });
    }
    if plan.dry_run {
        db.rollback().await.map_err(StoreError::from)?;
        return Ok(fates);
    }
    if kept_an_id && db.get_database_backend() == DbBackend::Postgres {
        // The next lead's number comes from a sequence that knows nothing of numbers given by hand.
        // It never goes back: the number of a lead that is gone may still be known elsewhere.
        let behind = "SELECT setval(sequence, GREATEST( \
                      (SELECT COALESCE(MAX(id), 1) FROM leads), \
                      COALESCE(pg_sequence_last_value(sequence), 1))) \
                      FROM CAST(pg_get_serial_sequence('leads', 'id') AS regclass) AS sequence";
        db.execute_unprepared(behind).await.map_err(StoreError::from)?;
    }
    db.commit().await.map_err(StoreError::from)?;
    Ok(fates)
}

async fn take_over<C: ConnectionTrait>(
    db: &C,
    told: Told,
) -> Result<Result<Fate, Problem>, StoreError> {
    let Told { line, id, lead: new } = told;
    if let Some(id) = id {
        let name = erasure::imported_lead(&new.account_sid, id);
        if !erasure::buried(db, [name.as_str()].into_iter()).await?.is_empty() {
            return Ok(Ok(Fate::Erased));
        }
    }
    let found = leads::Entity::find()
        .filter(leads::Column::AccountSid.eq(&new.account_sid))
        .filter(leads::Column::PhoneE164.eq(&new.phone_e164))
        .one(db)
        .await?;
    if let Some(present) = found {
        if id.is_some_and(|id| id != present.id) {
            let allowed = format!(
                "{}: this caller is a lead here already (import leads before calls to keep ids)",
                present.id
            );
            return Ok(Err(Problem::new(line, "id", allowed)));
        }
        return Ok(Ok(change(db, present, &new).await?));
    }
    if let Some(id) = id
        && leads::Entity::find_by_id(id).one(db).await?.is_some()
    {
        let allowed = "one that is free; another caller's lead has it here";
        return Ok(Err(Problem::new(line, "id", allowed)));
    }
    let row = leads::ActiveModel { id: id.map_or(NotSet, Set), ..new.clone().into_active_model() };
    let id = leads::Entity::insert(row).exec(db).await?.last_insert_id;
    let made = leads::Model { id, ..new };
    let nothing = leads::Model { name: None, service_type: None, city: None, ..made.clone() };
    write::lead_changes(db, changes_by(&nothing, &made, IMPORT, made.updated_at)).await?;
    Ok(Ok(Fate::Imported))
}

/// Fills in what nobody fixed here and no later call says otherwise.
async fn change<C: ConnectionTrait>(
    db: &C,
    present: leads::Model,
    new: &leads::Model,
) -> Result<Fate, StoreError> {
    let mut row = present.clone();
    if new.name.is_some() && !present.name_locked && present.name.is_none() {
        (row.name, row.name_locked) = (new.name.clone(), new.name_locked);
    }
    let told_at = new.updated_at;
    if new.service_type.is_some()
        && !present.service_locked
        && !is_later(db, present.service_call_sid.as_deref(), told_at).await?
    {
        row.service_type = new.service_type.clone();
        row.service_id = new.service_id.clone();
        row.service_confidence = new.service_confidence;
        row.service_call_sid = None;
        row.service_locked = new.service_locked;
    }
    if new.city.is_some()
        && !present.city_locked
        && !is_later(db, present.city_call_sid.as_deref(), told_at).await?
    {
        row.city = new.city.clone();
        row.city_id = new.city_id.clone();
        row.city_confidence = new.city_confidence;
        row.city_call_sid = None;
        row.city_locked = new.city_locked;
    }
    if row == present {
        return Ok(Fate::Kept);
    }
    row.created_at = row.created_at.min(new.created_at);
    row.version += 1;
    row.updated_at = Utc::now();
    write::lead_changes(db, changes_by(&present, &row, IMPORT, row.updated_at)).await?;
    write::leads(db, vec![row]).await?;
    Ok(Fate::Imported)
}

/// Whether the call that a value comes from is later than the export.
async fn is_later<C: ConnectionTrait>(
    db: &C,
    call_sid: Option<&str>,
    told_at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let Some(call_sid) = call_sid else { return Ok(false) };
    let find = call_logs::Entity::find().filter(call_logs::Column::CallSid.eq(call_sid));
    let call = find.one(db).await?;
    Ok(call.is_some_and(|call| call.started_at.unwrap_or(call.created_at) > told_at))
}

fn read(line: &Line, plan: &ImportPlan) -> Result<Told, Problem> {
    let account_sid: AccountSid = match (line.parsed("account_sid", ACCOUNT)?, &plan.account) {
        (Some(account), _) => account,
        (None, Some(account)) => account.clone(),
        (None, None) => line.required("account_sid", ACCOUNT)?,
    };
    let phone: E164 = match line.parsed("phone", PHONE)? {
        Some(phone) => phone,
        None => line.required("phone_e164", PHONE)?,
    };
    let id: Option<i64> = line.parsed("id", ID)?;
    if id.is_some_and(|id| !(1..=HIGHEST_ID).contains(&id)) {
        return Err(Problem::new(line.number, "id", ID));
    }
    let created_at = line.time("created_at")?;
    let updated_at = line.time("updated_at")?.or(created_at).unwrap_or_else(Utc::now);
    let (name, service, city) =
        (line.text("name")?, line.text("service_type")?, line.text("city")?);
    let locked = |column: &str, value: &Option<String>| -> Result<bool, Problem> {
        Ok(line.switch(column)?.unwrap_or(value.is_some()))
    };
    let lead = leads::Model {
        name_locked: locked("name_locked", &name)?,
        service_locked: locked("service_locked", &service)?,
        city_locked: locked("city_locked", &city)?,
        service_id: line.text("service_id")?.filter(|_| service.is_some()),
        service_confidence: line.share("service_confidence")?.filter(|_| service.is_some()),
        city_id: line.text("city_id")?.filter(|_| city.is_some()),
        city_confidence: line.share("city_confidence")?.filter(|_| city.is_some()),
        name,
        service_type: service,
        city,
        created_at: created_at.unwrap_or(updated_at),
        updated_at,
        ..lead::new(account_sid.as_str(), phone.as_str(), updated_at)
    };
    Ok(Told { line: line.number, id, lead })
}
