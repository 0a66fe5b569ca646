//! What is erased stays erased: one caller on request, in every place that holds something of them.
//!
//! [`Forgetting`] finds the caller's calls ([`caller`]), in the rows and in the events that are still
//! on their way; writes a tombstone for every call, recording and event out, and takes the rows away,
//! in one transaction ([`rows`]); then takes the entries out of the queues ([`traces`]). It goes round
//! until it finds nothing, since the system runs meanwhile; what is in hand somewhere at that moment
//! meets a tombstone: the projection drops its events, the deliverer its deliveries, the
//! reconciliation its recordings.

mod caller;
mod rows;
mod traces;

use std::collections::BTreeSet;

use chrono::Utc;
use domain::{AccountSid, E164, RecordingSid};
use queue::{Link, QueueError};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect,
    sea_query::OnConflict,
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::store::{Store, StoreError, entities::tombstones};
use caller::Caller;

/// How often it goes round before it says that the system brings up more than it takes away.
const ROUNDS: usize = 20;
/// Hashes in a statement: far below what either database can bind.
const CHUNK: usize = 1000;

/// What a tombstone keeps of a SID: enough to recognise it, too little to learn it.
pub fn hash(sid: &str) -> String {
    hex::encode(Sha256::digest(sid.as_bytes()))
}

/// What stands for a lead that came with an import: the number it has in the other system, which an
/// older file of that system still names.
pub(crate) fn imported_lead(account_sid: &str, id: i64) -> String {
    format!("lead:{account_sid}:{id}")
}

/// Writes tombstones for identifiers.
pub(crate) async fn bury<C: ConnectionTrait>(
    db: &C,
    sids: impl Iterator<Item = &str>,
) -> Result<(), StoreError> {
    let hashes: BTreeSet<String> = sids.map(hash).collect();
    let hashes: Vec<String> = hashes.into_iter().collect();
    let created_at = Utc::now();
    for hashes in hashes.chunks(CHUNK) {
        let rows = hashes.iter().map(|sid_hash| tombstones::ActiveModel {
            sid_hash: Set(sid_hash.clone()),
            created_at: Set(created_at),
        });
        tombstones::Entity::insert_many(rows)
            .on_conflict(OnConflict::column(tombstones::Column::SidHash).do_nothing().to_owned())
            .exec_without_returning(db)
            .await?;
    }
    Ok(())
}

/// The tombstones among these identifiers, as hashes.
pub(crate) async fn buried<C: ConnectionTrait>(
    db: &C,
    sids: impl Iterator<Item = &str>,
) -> Result<BTreeSet<String>, StoreError> {
    let hashes: Vec<String> = sids.map(hash).collect();
    let mut found = BTreeSet::new();
    for hashes in hashes.chunks(CHUNK) {
        let rows: Vec<String> = tombstones::Entity::find()
            .select_only()
            .column(tombstones::Column::SidHash)
            .filter(tombstones::Column::SidHash.is_in(hashes))
            .into_tuple()
            .all(db)
            .await?;
        found.extend(rows);
    }
    Ok(found)
}

/// Why a caller is not, or not wholly, forgotten. What was erased until then stays erased; the same
/// again goes on.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    /// The database is away.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Redis is away.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// Recordings were to go at Twilio as well, and no account is configured.
    #[error(
        "no Twilio account is configured, so the recordings cannot be deleted there: set \
         CALLSCRIBE_TWILIO__ACCOUNT_SID and CALLSCRIBE_TWILIO__AUTH_TOKEN, or leave --recordings out"
    )]
    NoAccount,
    /// Twilio did not delete a recording. The rows of its call are still there.
    #[error("Twilio did not delete a recording, its call is still here: {0}")]
    Twilio(#[from] twilio::TwilioError),
    /// New calls come in faster.
    #[error("new calls of this caller keep coming in: run the same again when they have ended")]
    Restless,
}

/// Who is to be forgotten, and how far.
#[derive(Debug, Clone)]
pub struct ForgetPlan {
    /// The caller.
    pub number: E164,
    /// Of one account only. `None`: of all.
    pub account: Option<AccountSid>,
    /// Delete the recordings at Twilio too.
    pub recordings: bool,
    /// Only count.
    pub dry_run: bool,
}

impl ForgetPlan {
    fn concerns(&self, account_sid: &str) -> bool {
        self.account.as_ref().is_none_or(|account| account.as_str() == account_sid)
    }
}

/// What was erased, or would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Forgotten {
    /// Calls, with their legs.
    pub calls: u64,
    /// Recordings of those calls, as rows.
    pub recordings: u64,
    /// Recordings deleted at Twilio.
    pub recordings_at_twilio: u64,
    /// Leads, with their history.
    pub leads: u64,
    /// Events out, told or not.
    pub events_out: u64,
    /// Entries of the queues: jobs, events, deliveries; waiting, in hand, scheduled or dead.
    pub queue_entries: u64,
    /// Paid pieces of transcripts that were kept in Redis.
    pub checkpoints: u64,
    /// Calls under way of which nobody has said yet whose they are. Not erased: run the same again
    /// when they have ended.
    pub callers_unknown: u64,
}

/// Forgets callers.
pub struct Forgetting {
    store: Store,
    link: Link,
    twilio: Option<twilio::Client>,
}

impl Forgetting {
    /// In a database, in the queues behind a link, and at Twilio.
    pub fn new(store: Store, link: Link, twilio: Option<twilio::Client>) -> Self {
        Self { store, link, twilio }
    }

    /// Forgets a caller, or counts what there is to forget.
    ///
    /// # Errors
    /// When the database, Redis or Twilio is away.
    pub async fn forget(&self, plan: &ForgetPlan) -> Result<Forgotten, ForgetError> {
        if plan.recordings && self.twilio.is_none() {
            return Err(ForgetError::NoAccount);
        }
        let mut total = Forgotten::default();
        for _ in 0..ROUNDS {
            let mut found = Caller::default();
            found.look_into_queues(&self.link, plan).await?;
            found.look_into_rows(&self.store, plan).await?;
            total.callers_unknown = caller::unknown(&self.store, plan).await?;
            if plan.dry_run {
                found.count(&mut total);
                total.queue_entries = traces::count(&self.link, &found, plan).await?;
                return Ok(total);
            }
            if found.is_nobody() {
                // Copies of events outlive the rows they were made of.
                total.queue_entries += traces::erase(&self.link, &found, plan).await?;
                self.store.settle_erasure().await?;
                return Ok(total);
            }
            if plan.recordings {
                total.recordings_at_twilio += self.delete_recordings(&found).await?;
            }
            found.count(&mut total);
            rows::erase(&self.store, &found, plan).await?;
            total.queue_entries += traces::erase(&self.link, &found, plan).await?;
            total.checkpoints += traces::erase_checkpoints(&self.link, &found).await?;
        }
        Err(ForgetError::Restless)
    }

    /// Before the rows: without them nobody would know which recordings are left.
    async fn delete_recordings(&self, found: &Caller) -> Result<u64, ForgetError> {
        let Some(twilio) = &self.twilio else { return Ok(0) };
        let mut deleted = 0;
        for (sid, recording) in &found.recordings {
            let parsed = recording.account_sid.parse::<AccountSid>().ok();
            let Some((account, sid)) = parsed.zip(sid.parse::<RecordingSid>().ok()) else {
                continue;
            };
            twilio.delete_recording(&account, &sid).await?;
            deleted += 1;
        }
        Ok(deleted)
    }
}
