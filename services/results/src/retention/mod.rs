//! What is old enough goes: transcripts, the recordings at Twilio, numbers, whole calls, each with
//! an age of its own, by account. Every step is written into the audit table in the transaction
//! that does it.

mod dead;
mod due;
mod erase;
mod settings;

use std::{collections::HashSet, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use domain::{AccountSid, RecordingSid};
use queue::{Queue, QueueError};
use tokio_util::sync::CancellationToken;

pub use due::{Due, Kind, find as due};
pub use settings::{Ages, RetentionSettings};

use crate::{
    settings::ResultsSettings,
    store::{Store, StoreError},
};

/// Calls in one transaction: other writers wait no longer than that.
const STEP: u64 = 200;
/// How often is looked for what has become old.
const LOOK: Duration = Duration::from_secs(3600);

/// Why a sweep ended early; what was done until then stays done, the next sweep goes on.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// The database is away.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Redis is away.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// Twilio did not delete a recording.
    #[error("Twilio did not delete a recording: {0}")]
    Twilio(#[from] twilio::TwilioError),
}

/// Takes away what is old enough.
pub struct Retention {
    store: Store,
    twilio: Option<twilio::Client>,
    settings: Arc<ResultsSettings>,
    webhooks: Option<Queue>,
    /// Jobs and events.
    work: Option<[Queue; 2]>,
}

impl Retention {
    /// Retention after the settings. Without a client, recordings at Twilio stay.
    pub fn new(
        store: Store,
        twilio: Option<twilio::Client>,
        settings: Arc<ResultsSettings>,
    ) -> Self {
        Self { store, twilio, settings, webhooks: None, work: None }
    }

    /// Takes what is on its way out away as well: the queue of [`crate::outbound`].
    pub fn with_webhooks(self, webhooks: Queue) -> Self {
        Self { webhooks: Some(webhooks), ..self }
    }

    /// Takes old dead letters away as well: of the queue of jobs, and of the queue of events.
    pub fn with_dead_letters(self, jobs: Queue, events: Queue) -> Self {
        Self { work: Some([jobs, events]), ..self }
    }

    /// Looks every hour, until `stop` is cancelled.
    pub async fn run(self, stop: CancellationToken) {
        let last_success = metrics::gauge!("results_retention_last_success_timestamp_seconds");
        last_success.set(0.0);
        while !stop.is_cancelled() {
            // Without any age there is nothing that could not go.
            if !self.settings.retention.is_on() || self.round(&stop).await {
                last_success.set(Utc::now().timestamp() as f64);
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Whether everything went that had to.
    async fn round(&self, stop: &CancellationToken) -> bool {
        let (done, failed) = self.every_kind(Utc::now(), stop).await;
        for error in &failed {
            tracing::warn!(%error, "retention goes on at its next round");
        }
        done.iter().for_each(|due| self.log(due));
        failed.is_empty() && !stop.is_cancelled()
    }

    /// Takes away what is old enough at `now`; with `dry_run` set, only says what it would be.
    ///
    /// # Errors
    /// When the database, Redis or Twilio is away: the first of them, after everything was tried.
    pub async fn sweep(
        &self,
        now: DateTime<Utc>,
        stop: &CancellationToken,
    ) -> Result<Vec<Due>, RetentionError> {
        let (done, failed) = self.every_kind(now, stop).await;
        failed.into_iter().next().map_or(Ok(done), Err)
    }

    /// One kind that fails, or one account that Twilio refuses, keeps nothing else from going.
    async fn every_kind(
        &self,
        now: DateTime<Utc>,
        stop: &CancellationToken,
    ) -> (Vec<Due>, Vec<RetentionError>) {
        let found = match due::find(&self.store, &self.settings.retention, now).await {
            Ok(found) => found,
            Err(error) => return (Vec::new(), vec![error.into()]),
        };
        if self.settings.retention.dry_run {
            return (found, Vec::new());
        }
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for due in found {
            let mut count = 0;
            let outcome = match due.kind {
                Kind::Recordings => self.delete_recordings(&due, now, stop, &mut count).await,
                _ => self.erase(&due, now, stop, &mut count).await,
            };
            failed.extend(outcome.err());
            done.push(Due { count, ..due });
        }
        failed.extend(self.discard_dead(now).await.err());
        (done, failed)
    }

    async fn discard_dead(&self, now: DateTime<Utc>) -> Result<(), RetentionError> {
        let Some([jobs, events]) = &self.work else { return Ok(()) };
        let ages = &self.settings.retention;
        let count =
            dead::discard(jobs, ages, now).await? + dead::discard(events, ages, now).await?;
        if count > 0 {
            tracing::info!(count, "retention: dead letters");
        }
        Ok(())
    }

    async fn erase(
        &self,
        due: &Due,
        now: DateTime<Utc>,
        stop: &CancellationToken,
        count: &mut u64,
    ) -> Result<(), RetentionError> {
        // Before the rows: what cannot be erased now is found again by its row at the next round.
        if let Some(webhooks) = &self.webhooks {
            let calls = erase::calls_of(&self.store, due, &self.settings).await?;
            erase::erase_copies(webhooks, &calls).await?;
        }
        let mut gone = HashSet::new();
        let outcome = loop {
            if stop.is_cancelled() {
                break Ok(());
            }
            match erase::step(&self.store, due, &self.settings, now).await {
                Ok(step) if step.is_empty() => break Ok(()),
                Ok(step) => gone.extend(step),
                Err(error) => break Err(error),
            }
        };
        *count = gone.len() as u64;
        // Once more: of what the relay handed on in between.
        if let Some(webhooks) = &self.webhooks {
            erase::erase_copies(webhooks, &gone).await?;
        }
        Ok(outcome?)
    }

    /// Oldest first. One that Twilio refuses for itself is stepped over, and tried again at the next
    /// round.
    async fn delete_recordings(
        &self,
        due: &Due,
        now: DateTime<Utc>,
        stop: &CancellationToken,
        count: &mut u64,
    ) -> Result<(), RetentionError> {
        let Some(twilio) = &self.twilio else { return Ok(()) };
        let account: AccountSid = stored(&due.account_sid)?;
        let (mut refused, mut why) = (0, None);
        while !stop.is_cancelled() {
            let sids = due::recordings(&self.store, due, refused, STEP).await?;
            if sids.is_empty() {
                break;
            }
            let (mut deleted, mut away) = (Vec::new(), None);
            for sid in sids {
                let recording: RecordingSid = stored(&sid)?;
                match twilio.delete_recording(&account, &recording).await {
                    Ok(_) => deleted.push(sid),
                    Err(error) if error.is_transient() || is_of_account(&error) => {
                        away = Some(error);
                        break;
                    }
                    Err(error) => {
                        refused += 1;
                        why = Some(error);
                    }
                }
            }
            erase::mark_deleted(&self.store, due, &deleted, now).await?;
            *count += deleted.len() as u64;
            if let Some(error) = away {
                return Err(error.into());
            }
        }
        why.map_or(Ok(()), |error| Err(error.into()))
    }

    fn log(&self, due: &Due) {
        if due.count > 0 {
            tracing::info!(
                account_sid = due.account_sid,
                kind = due.kind.as_str(),
                count = due.count,
                dry_run = self.settings.retention.dry_run,
                "retention"
            );
        }
    }
}

/// Whether Twilio refuses the account, and with it every further recording.
fn is_of_account(error: &twilio::TwilioError) -> bool {
    use twilio::TwilioError::{Forbidden, UnknownAccount};
    matches!(error, Forbidden { status: 401, .. } | UnknownAccount(_))
}

fn stored<T: std::str::FromStr>(sid: &str) -> Result<T, StoreError> {
    sid.parse().map_err(|_| StoreError::Refused("a stored identifier cannot be read".into()))
}
