//! What is old enough goes: transcripts, the recordings at Twilio, numbers, whole calls, each with
//! an age of its own, by account. Every step is written into the audit table in the transaction
//! that does it.

mod due;
mod erase;
mod settings;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use domain::{AccountSid, RecordingSid};
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
    /// Twilio did not delete a recording.
    #[error("Twilio did not delete a recording: {0}")]
    Twilio(#[from] twilio::TwilioError),
}

/// Takes away what is old enough.
pub struct Retention {
    store: Store,
    twilio: Option<twilio::Client>,
    settings: Arc<ResultsSettings>,
}

impl Retention {
    /// Retention after the settings. Without a client, recordings at Twilio stay.
    pub fn new(
        store: Store,
        twilio: Option<twilio::Client>,
        settings: Arc<ResultsSettings>,
    ) -> Self {
        Self { store, twilio, settings }
    }

    /// Looks every hour, until `stop` is cancelled.
    pub async fn run(self, stop: CancellationToken) {
        while self.settings.retention.is_on() && !stop.is_cancelled() {
            match self.sweep(Utc::now(), &stop).await {
                Ok(done) => done.iter().for_each(log),
                Err(error) => tracing::warn!(%error, "retention goes on at its next round"),
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Takes away what is old enough at `now`; with `dry_run` set, only says what it would be.
    ///
    /// # Errors
    /// When the database or Twilio is away.
    pub async fn sweep(
        &self,
        now: DateTime<Utc>,
        stop: &CancellationToken,
    ) -> Result<Vec<Due>, RetentionError> {
        let due = due::find(&self.store, &self.settings.retention, now).await?;
        if self.settings.retention.dry_run {
            return Ok(due);
        }
        let mut done = Vec::new();
        for due in due {
            let mut count = 0;
            while !stop.is_cancelled() {
                let step = self.step(&due, now).await?;
                count += step;
                if step == 0 {
                    break;
                }
            }
            done.push(Due { count, ..due });
        }
        Ok(done)
    }

    async fn step(&self, due: &Due, now: DateTime<Utc>) -> Result<u64, RetentionError> {
        match due.kind {
            Kind::Recordings => self.delete_recordings(due, now).await,
            _ => Ok(erase::step(&self.store, due, &self.settings, now).await?),
        }
    }

    async fn delete_recordings(
        &self,
        due: &Due,
        now: DateTime<Utc>,
    ) -> Result<u64, RetentionError> {
        let Some(twilio) = &self.twilio else { return Ok(0) };
        let account: AccountSid = stored(&due.account_sid)?;
        let mut deleted = Vec::new();
        for sid in due::recordings(&self.store, due, STEP).await? {
            let recording: RecordingSid = stored(&sid)?;
            twilio.delete_recording(&account, &recording).await?;
            deleted.push(sid);
        }
        erase::mark_deleted(&self.store, due, &deleted, now).await?;
        Ok(deleted.len() as u64)
    }
}

fn log(due: &Due) {
    if due.count > 0 {
        tracing::info!(
            account_sid = due.account_sid,
            kind = due.kind.as_str(),
            count = due.count,
            "retention"
        );
    }
}

fn stored<T: std::str::FromStr>(sid: &str) -> Result<T, StoreError> {
    sid.parse().map_err(|_| StoreError::Refused("a stored identifier cannot be read".into()))
}
