//! Which calls, recordings, leads and events out are a caller's.

use std::collections::{BTreeMap, BTreeSet};

use chassis::queues;
use domain::{CallEvent, CallJob, EventKind};
use queue::Link;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect, Select,
};

use super::{CHUNK, ForgetError, ForgetPlan, Forgotten};
use crate::{
    projection::{Status, call},
    store::{
        Store, StoreError,
        entities::{call_logs, leads, outbox, recordings},
    },
};

/// What is a caller's.
#[derive(Debug, Default)]
pub(super) struct Caller {
    /// Calls, each with its account.
    pub calls: BTreeMap<String, String>,
    /// Recordings.
    pub recordings: BTreeMap<String, Recording>,
    /// Leads, each with its account.
    pub leads: BTreeMap<i64, String>,
    /// Events out, by their identifiers.
    pub events_out: BTreeSet<String>,
}

/// A recording of one of the calls.
#[derive(Debug)]
pub(super) struct Recording {
    pub account_sid: String,
    /// The last generation that is known.
    pub generation: u32,
}

impl Caller {
    pub(super) fn is_nobody(&self) -> bool {
        self.calls.is_empty() && self.leads.is_empty() && self.events_out.is_empty()
    }

    pub(super) fn count(&self, into: &mut Forgotten) {
        into.calls += self.calls.len() as u64;
        into.recordings += self.recordings.len() as u64;
        into.leads += self.leads.len() as u64;
        into.events_out += self.events_out.len() as u64;
    }

    /// Calls that are told of in events that no row knows yet.
    pub(super) async fn look_into_queues(
        &mut self,
        link: &Link,
        plan: &ForgetPlan,
    ) -> Result<(), ForgetError> {
        let results = queues::results(link.clone());
        results
            .look_through(|kept| {
                let Ok(event) = serde_json::from_str::<CallEvent>(&kept.body) else { return };
                if let EventKind::Observed(_) = event.kind {
                    let mut row = call::new(&event);
                    call::merge(&mut row, &event);
                    call::fold(&mut row, &[]);
                    if plan.concerns(&row.account_sid) && is_of(&row, plan) {
                        self.calls.insert(row.call_sid, row.account_sid);
                    }
                }
            })
            .await?;
        if self.calls.is_empty() {
            return Ok(());
        }
        let mut add = |call: &str, account: &str, recording: Option<&str>, generation: u32| {
            if let Some(sid) = recording.filter(|_| self.calls.contains_key(call)) {
                add_recording(&mut self.recordings, sid, account, generation);
            }
        };
        results
            .look_through(|kept| {
                let Ok(event) = serde_json::from_str::<CallEvent>(&kept.body) else { return };
                let recording = event.recording_sid.as_ref().map(|sid| sid.as_str());
                let (call, account) = (event.call_sid.as_str(), event.account_sid.as_str());
                add(call, account, recording, event.order.generation);
            })
            .await?;
        let calls = queues::calls(link.clone());
        calls
            .look_through(|kept| {
                let Ok(CallJob::Transcribe {
                    account_sid,
                    call_sid,
                    recording_sid,
                    generation,
                    ..
                }) = serde_json::from_str(&kept.body)
                else {
                    return;
                };
                let recording = Some(recording_sid.as_str());
                add(call_sid.as_str(), account_sid.as_str(), recording, generation);
            })
            .await?;
        Ok(())
    }

    /// Calls of the number with all their legs, their recordings, leads and events out.
    pub(super) async fn look_into_rows(
        &mut self,
        store: &Store,
        plan: &ForgetPlan,
    ) -> Result<(), StoreError> {
        self.find_calls(store, plan).await?;
        self.find_leads(store, plan).await?;
        let calls: Vec<&str> = self.calls.keys().map(String::as_str).collect();
        for calls in calls.chunks(CHUNK) {
            let rows: Vec<(String, String, i64)> = recordings::Entity::find()
                .select_only()
                .columns([
                    recordings::Column::RecordingSid,
                    recordings::Column::AccountSid,
                    recordings::Column::Generation,
                ])
                .filter(recordings::Column::CallSid.is_in(calls.iter().copied()))
                .into_tuple()
                .all(store.reader())
                .await?;
            for (sid, account, generation) in rows {
                let generation = u32::try_from(generation).unwrap_or(0);
                add_recording(&mut self.recordings, &sid, &account, generation);
            }
            let told = outbox::Column::CallSid.is_in(calls.iter().copied());
            self.events_out.extend(event_ids(store, told).await?);
        }
        let leads: Vec<i64> = self.leads.keys().copied().collect();
        for leads in leads.chunks(CHUNK) {
            let told = outbox::Column::LeadId.is_in(leads.iter().copied());
            self.events_out.extend(event_ids(store, told).await?);
        }
        Ok(())
    }

    async fn find_calls(&mut self, store: &Store, plan: &ForgetPlan) -> Result<(), StoreError> {
        use call_logs::Column;
        let number = plan.number.as_str();
        let party =
            Condition::any().add(Column::FromNumber.eq(number)).add(Column::ToNumber.eq(number));
        let mut new = calls(store, plan, party).await?;
        new.retain(|call| is_of(call, plan));
        // Legs that these started, and those that started them: the same conversation.
        while !new.is_empty() {
            let parents: BTreeSet<String> =
                new.iter().filter_map(|call| call.parent_call_sid.clone()).collect();
            let sids: Vec<String> = new.iter().map(|call| call.call_sid.clone()).collect();
            for call in new.drain(..) {
                self.calls.insert(call.call_sid, call.account_sid);
            }
            for sids in sids.chunks(CHUNK) {
                let children = Column::ParentCallSid.is_in(sids);
                new.extend(calls(store, plan, Condition::all().add(children)).await?);
            }
            let parents: Vec<String> = parents.into_iter().collect();
            for parents in parents.chunks(CHUNK) {
                let these = Condition::all().add(Column::CallSid.is_in(parents));
                let found = calls(store, plan, these).await?;
                new.extend(found.into_iter().filter(|call| !is_of_another(call, plan)));
            }
            new.retain(|call| !self.calls.contains_key(&call.call_sid));
        }
        Ok(())
    }

    async fn find_leads(&mut self, store: &Store, plan: &ForgetPlan) -> Result<(), StoreError> {
        let mut find =
            leads::Entity::find().filter(leads::Column::PhoneE164.eq(plan.number.as_str()));
        if let Some(account) = &plan.account {
            find = find.filter(leads::Column::AccountSid.eq(account.as_str()));
        }
        let found = find.all(store.reader()).await?;
        self.leads.extend(found.into_iter().map(|lead| (lead.id, lead.account_sid)));
        Ok(())
    }
}

/// How many calls are under way of which nobody has said yet whose they are.
pub(super) async fn unknown(store: &Store, plan: &ForgetPlan) -> Result<u64, StoreError> {
    use call_logs::Column;
    let under_way = [Status::Observed, Status::Queued, Status::Transcribing, Status::Retrying];
    let find = call_logs::Entity::find()
        .filter(Column::Status.is_in(under_way.map(Status::as_str)))
        .filter(Column::FromNumber.is_null())
        .filter(Column::ToNumber.is_null());
    Ok(of_plan(find, plan).count(store.reader()).await?)
}

/// Whether a call is the caller's. Who is called by somebody else, or calls through the company's
/// own number, is not forgotten with that number.
fn is_of(call: &call_logs::Model, plan: &ForgetPlan) -> bool {
    let number = Some(plan.number.as_str());
    let takes_part = call.from_number.as_deref() == number || call.to_number.as_deref() == number;
    takes_part && !is_of_another(call, plan)
}

fn is_of_another(call: &call_logs::Model, plan: &ForgetPlan) -> bool {
    call::external_party(call).is_some_and(|party| party != plan.number)
}

fn of_plan(find: Select<call_logs::Entity>, plan: &ForgetPlan) -> Select<call_logs::Entity> {
    match &plan.account {
        Some(account) => find.filter(call_logs::Column::AccountSid.eq(account.as_str())),
        None => find,
    }
}

async fn calls(
    store: &Store,
    plan: &ForgetPlan,
    which: Condition,
) -> Result<Vec<call_logs::Model>, StoreError> {
    Ok(of_plan(call_logs::Entity::find().filter(which), plan).all(store.reader()).await?)
}

async fn event_ids(
    store: &Store,
    which: sea_orm::sea_query::SimpleExpr,
) -> Result<Vec<String>, StoreError> {
    Ok(outbox::Entity::find()
        .select_only()
        .column(outbox::Column::EventId)
        .filter(which)
        .into_tuple()
        .all(store.reader())
        .await?)
}

fn add_recording(
    into: &mut BTreeMap<String, Recording>,
    sid: &str,
    account_sid: &str,
    generation: u32,
) {
    let known = into
        .entry(sid.to_owned())
        .or_insert_with(|| Recording { account_sid: account_sid.to_owned(), generation });
    known.generation = known.generation.max(generation);
}
