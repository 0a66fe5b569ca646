//! A back-fill: the comparison on demand, for days of one's choice, oldest first.

use chassis::queues;
use chrono::{DateTime, Days as Shift, NaiveDate, NaiveTime, Utc};
use domain::AccountSid;
use futures_util::{FutureExt, future::BoxFuture};
use twilio::Days;

use super::{
    ReconcileError, Reconciler, Summary,
    marks::{self, Held, Taken},
    sweep::Walk,
};
use crate::store::Store;

/// What is to be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backfill {
    /// The account.
    pub account: AccountSid,
    /// The first day (UTC).
    pub since: NaiveDate,
    /// The last day (UTC), included; `None` is today, and the same back-fill another day goes on
    /// until then.
    pub until: Option<NaiveDate>,
    /// Only counts, and enqueues nothing.
    pub dry_run: bool,
    /// Recordings enqueued a second at most.
    pub max_per_second: u32,
}

impl Backfill {
    fn last_day(&self) -> NaiveDate {
        self.until.unwrap_or_else(|| Utc::now().date_naive())
    }
}

/// How far a back-fill is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Days that are done, those of an earlier run included.
    pub days_done: u64,
    /// Days in all.
    pub days: u64,
    /// What was found in this run so far.
    pub summary: Summary,
}

impl Reconciler {
    /// Fills in what is lacking. After a stop the same back-fill, started again, goes on with the
    /// day it was at.
    ///
    /// # Errors
    /// When it ended early; what it enqueued stays enqueued.
    pub async fn backfill(
        &self,
        plan: &Backfill,
        mut progress: impl FnMut(Progress),
    ) -> Result<Summary, ReconcileError> {
        let (since, until) = (plan.since, plan.last_day());
        if since > until {
            return Err(ReconcileError::Days { since, until });
        }
        let mut held = if plan.dry_run { None } else { Some(self.hold(plan).await?) };
        let outcome = self.days(plan, &mut held, &mut progress).await;
        match (held, &outcome) {
            (Some(held), Ok(_)) => held.finish(&self.store).await?,
            // The next run need not wait for the lease to end.
            (Some(held), Err(_)) => held.release(&self.store, queues::now_ms()).await?,
            (None, _) => {}
        }
        outcome
    }

    /// Enqueues what was given up while no queue holds its dead letter any more, since Redis lost it,
    /// in its next generation. Returns how many jobs, or in a dry run how many it would be.
    ///
    /// # Errors
    /// When it ended early; what it enqueued stays enqueued.
    pub async fn resume_failed(
        &self,
        account: &AccountSid,
        max_per_second: u32,
        dry_run: bool,
    ) -> Result<u64, ReconcileError> {
        self.sweep(account, max_per_second.max(1), dry_run).resume_failed().await
    }

    async fn days(
        &self,
        plan: &Backfill,
        held: &mut Option<Held>,
        progress: &mut impl FnMut(Progress),
    ) -> Result<Summary, ReconcileError> {
        let (since, until) = (plan.since, plan.last_day());
        let days = u64::try_from((until - since).num_days()).unwrap_or(0) + 1;
        let mut day = held.as_ref().map_or(since, |held| day_of(held.mark_ms).max(since));
        let sweep = self.sweep(&plan.account, plan.max_per_second.max(1), plan.dry_run);
        let mut total = Summary::default();
        // One look through the queues serves all days.
        let mut on_its_way = None;
        while day <= until {
            let days_done = u64::try_from((day - since).num_days()).unwrap_or(0);
            let only = Days { since: Some(day), until: Some(day) };
            let mut walk = sweep.walk(only, i64::MIN)?;
            walk.held = on_its_way.take();
            while page(&self.store, held.as_ref(), &mut walk).await? {
                let mut summary = total;
                summary += walk.found.summary;
                progress(Progress { days_done, days, summary });
                if let Some(held) = held {
                    held.renew(&self.store, queues::now_ms()).await?;
                }
            }
            total += walk.found.summary;
            on_its_way = walk.held.take();
            day = day + Shift::new(1);
            if let Some(held) = held {
                held.settle(&self.store, start_of(day), queues::now_ms(), marks::LEASE).await?;
            }
            progress(Progress { days_done: days_done + 1, days, summary: total });
        }
        Ok(total)
    }

    async fn hold(&self, plan: &Backfill) -> Result<Held, ReconcileError> {
        let until = plan.until.map_or_else(|| "today".to_owned(), |day| day.to_string());
        let scope = format!("backfill:{}:{}:{until}", plan.account, plan.since);
        let start_ms = start_of(plan.since);
        let now_ms = queues::now_ms();
        match marks::take(&self.store, &scope, &self.owner, start_ms, now_ms).await? {
            Taken::Held(held) => Ok(held),
            Taken::Elsewhere(until_ms) => {
                let until = DateTime::from_timestamp_millis(until_ms).unwrap_or_default();
                Err(ReconcileError::UnderWay { until })
            }
        }
    }
}

/// Boxed: the compiler gives up on a future within so many others.
fn page<'w>(
    store: &'w Store,
    held: Option<&'w Held>,
    walk: &'w mut Walk<'_>,
) -> BoxFuture<'w, Result<bool, ReconcileError>> {
    let page = walk.page().boxed();
    match held {
        Some(held) => marks::keeping(held, store, page).boxed(),
        None => page,
    }
}

fn start_of(day: NaiveDate) -> i64 {
    day.and_time(NaiveTime::MIN).and_utc().timestamp_millis()
}

fn day_of(ms: i64) -> NaiveDate {
    DateTime::from_timestamp_millis(ms).unwrap_or_default().date_naive()
}
