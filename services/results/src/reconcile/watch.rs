//! The reconciliation as it runs by itself.

use std::time::Duration;

use chassis::queues;
use chrono::DateTime;
use domain::AccountSid;
use queue::Queue;
use tokio_util::sync::CancellationToken;
use twilio::{Client, Days};

use super::{
    ReconcileError, ReconcileSettings, Summary,
    marks::{self, Taken},
    sweep::Sweep,
};
use crate::store::Store;

/// The first comparison comes this long after the start at the latest: callbacks that are on
/// their way anyway come first.
const FIRST_DELAY: Duration = Duration::from_secs(60);
/// How long a stop waits for the lease to be released.
const LETTING_GO: Duration = Duration::from_secs(2);
const HOUR_MS: i64 = 3600 * 1000;

/// Compares Twilio's lists with the database.
#[derive(Clone)]
pub struct Reconciler {
    pub(super) store: Store,
    pub(super) calls: Queue,
    pub(super) twilio: Client,
    pub(super) settings: ReconcileSettings,
    /// Tells this process from the other replicas.
    pub(super) owner: String,
    pub(super) stop: CancellationToken,
}

impl Reconciler {
    /// A reconciler; `stop` ends what it is at.
    pub fn new(
        store: Store,
        calls: Queue,
        twilio: Client,
        settings: ReconcileSettings,
        stop: CancellationToken,
    ) -> Self {
        let owner = format!("{}-{:016x}", std::process::id(), fastrand::u64(..));
        Self { store, calls, twilio, settings, owner, stop }
    }

    /// Compares every account at the interval until the stop. A failure is logged and counted, and
    /// the next comparison covers the same time again.
    pub async fn run(&self) {
        self.run_until_stop().await;
        // Another replica need not wait for the lease to end. Where the database is away, it does.
        let now_ms = queues::now_ms();
        let releasing = marks::release_all(&self.store, &self.owner, now_ms);
        match tokio::time::timeout(LETTING_GO, releasing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the comparison's lease was not released"),
            Err(_) => tracing::debug!("the comparison's lease was not released in time"),
        }
    }

    async fn run_until_stop(&self) {
        let interval = Duration::from_secs(self.settings.interval_seconds);
        let mut wait = FIRST_DELAY.min(interval);
        loop {
            tokio::select! {
                () = tokio::time::sleep(wait) => wait = interval,
                () = self.stop.cancelled() => return,
            }
            for account in self.twilio.accounts() {
                // What a pass has enqueued is remembered, so it may end anywhere.
                tokio::select! {
                    outcome = self.pass(account) => report(account, &outcome),
                    () = self.stop.cancelled() => return,
                }
            }
        }
    }

    /// One comparison of one account; `None` while another replica is at it.
    ///
    /// # Errors
    /// When it ended early; the mark has not moved then.
    pub async fn pass(&self, account: &AccountSid) -> Result<Option<Summary>, ReconcileError> {
        let started_ms = queues::now_ms();
        let start_ms = started_ms - i64::from(self.settings.first_hours) * HOUR_MS;
        let scope = format!("reconcile:{account}");
        let taken = marks::take(&self.store, &scope, &self.owner, start_ms, started_ms).await?;
        let Taken::Held(mut held) = taken else { return Ok(None) };
        tell_mark(account, held.mark_ms);

        let from_ms = held.mark_ms - i64::from(self.settings.overlap_hours) * HOUR_MS;
        let from_ms = from_ms.max(held.floor_ms);
        let since = DateTime::from_timestamp_millis(from_ms).map(|time| time.date_naive());
        let sweep = self.sweep(account, self.settings.max_per_second, false);
        let resuming = Box::pin(self.resume(account, &sweep));
        let resumed = marks::keeping(&held, &self.store, resuming).await?;
        let mut walk = sweep.walk(Days { since, until: None }, held.floor_ms)?;
        walk.found.summary.resumed = resumed;
        let mut has_begun = false;
        while marks::keeping(&held, &self.store, Box::pin(walk.page())).await? {
            if std::mem::replace(&mut has_begun, true) {
                held.renew(&self.store, queues::now_ms()).await?;
            } else {
                // Twilio has answered, so the clock cannot be all wrong: from here on counts.
                let mark_ms = held.mark_ms;
                held.settle(&self.store, mark_ms, queues::now_ms(), marks::LEASE).await?;
            }
        }
        let found = walk.found;

        // What is not finished yet has to be looked at again, however long it takes.
        let mark_ms = found.oldest_pending_ms.map_or(started_ms, |ms| started_ms.min(ms - 1));
        let keep = Duration::from_secs(self.settings.interval_seconds) * 2;
        held.settle(&self.store, mark_ms, queues::now_ms(), keep).await?;
        tell_mark(account, mark_ms);
        Ok(Some(found.summary))
    }

    /// Once an hour, by whichever replica: what is unfinished here and lost elsewhere.
    async fn resume(&self, account: &AccountSid, sweep: &Sweep) -> Result<u64, ReconcileError> {
        let now_ms = queues::now_ms();
        let scope = format!("unfinished:{account}");
        let taken = marks::take(&self.store, &scope, &self.owner, 0, now_ms).await?;
        let Taken::Held(mut held) = taken else { return Ok(0) };
        if held.mark_ms > now_ms - HOUR_MS {
            held.release(&self.store, now_ms).await?;
            return Ok(0);
        }
        let resuming = Box::pin(sweep.resume_unfinished());
        let resumed = marks::keeping(&held, &self.store, resuming).await?;
        held.settle(&self.store, now_ms, queues::now_ms(), Duration::ZERO).await?;
        Ok(resumed)
    }

    pub(super) fn sweep(&self, account: &AccountSid, max_per_second: u32, dry_run: bool) -> Sweep {
        Sweep {
            store: self.store.clone(),
            calls: self.calls.clone(),
            twilio: self.twilio.clone(),
            account: account.clone(),
            max_per_second,
            redis_high_water: self.settings.redis_high_water,
            dry_run,
            stop: self.stop.clone(),
        }
    }
}

/// Up to when everything Twilio lists is known here. Whichever replica was last at it knows the
/// latest time, so `time() - max by (account) (…)` is the age.
fn tell_mark(account: &AccountSid, mark_ms: i64) {
    metrics::gauge!("results_reconcile_mark_timestamp_seconds", "account" => account.to_string())
        .set(mark_ms as f64 / 1000.0);
}

fn report(account: &AccountSid, outcome: &Result<Option<Summary>, ReconcileError>) {
    let name = match outcome {
        Ok(Some(summary)) => {
            for (cause, count) in summary.counts() {
                metrics::counter!("results_reconcile_recordings_total", "cause" => cause)
                    .increment(count);
            }
            tracing::info!(account_sid = %account, listed = summary.listed,
                known = summary.known, erased = summary.erased, pending = summary.pending,
                without_media = summary.without_media, unreadable = summary.unreadable, enqueued = summary.enqueued,
                under_way = summary.under_way, resumed = summary.resumed, "compared with Twilio's list");
            if summary.unreadable > 0 {
                tracing::warn!(account_sid = %account, unreadable = summary.unreadable, "Twilio lists \
                    recordings of no call, which nobody can work on; at the level debug the log names them");
            }
            "done"
        }
        Ok(None) => "elsewhere",
        Err(ReconcileError::Stopped) => return,
        Err(error) => {
            tracing::warn!(account_sid = %account, %error, "the comparison with Twilio's list \
                ended early; the next one covers the same time");
            error.name()
        }
    };
    metrics::counter!("results_reconcile_passes_total", "outcome" => name).increment(1);
}
