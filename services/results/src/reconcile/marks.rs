//! How far each scope is, and which replica is at it.

use std::time::Duration;

use chassis::queues;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use super::ReconcileError;
use crate::store::{Store, StoreError, entities::reconcile_marks as rows};

/// How long a replica may be silent before another one takes over.
pub(super) const LEASE: Duration = Duration::from_secs(300);
/// No lease is this much longer than the time it is written at: one that is was written by a clock
/// that went ahead, and would keep everybody out until its time comes.
const LONGEST_LEASE: Duration = Duration::from_secs(3 * 24 * 3600);
/// The mark and the floor of a scope at which nobody has got anywhere yet.
const NOT_BEGUN: i64 = i64::MAX;
/// How often a replica says that it is still at it.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// One scope, in the hands of this replica.
#[derive(Debug, Clone)]
pub(super) struct Held {
    scope: String,
    owner: String,
    /// Everything up to here is settled, in milliseconds since 1970 (UTC).
    pub(super) mark_ms: i64,
    /// Nothing before this is looked at, in milliseconds since 1970 (UTC).
    pub(super) floor_ms: i64,
}

/// What became of the wish to take a scope.
pub(super) enum Taken {
    Held(Held),
    /// Another replica has it until this time (milliseconds since 1970) unless it goes on.
    Elsewhere(i64),
}

/// Takes a scope, unless another replica has it. A scope that is new starts at `start_ms`; so does one
/// whose mark or floor lies ahead, written by a clock that went wrong: nothing is listed from there.
/// Where it starts is kept once something is settled.
pub(super) async fn take(
    store: &Store,
    scope: &str,
    owner: &str,
    start_ms: i64,
    now_ms: i64,
) -> Result<Taken, StoreError> {
    let transaction = store.begin().await?;
    let found = rows::Entity::find_by_id(scope).one(&transaction).await?;
    let row = match found {
        Some(row) if row.owner != owner && is_leased(row.leased_until_ms, now_ms) => {
            return Ok(Taken::Elsewhere(row.leased_until_ms));
        }
        Some(row) => {
            let mut changed = row.clone().into_active_model();
            changed.owner = Set(owner.to_owned());
            changed.leased_until_ms = Set(now_ms + millis(LEASE));
            rows::Entity::update(changed).exec(&transaction).await?;
            row
        }
        None => {
            let row = rows::Model {
                scope: scope.to_owned(),
                mark_ms: NOT_BEGUN,
                floor_ms: NOT_BEGUN,
                owner: owner.to_owned(),
                leased_until_ms: now_ms + millis(LEASE),
            };
            rows::Entity::insert(row.clone().into_active_model()).exec(&transaction).await?;
            row
        }
    };
    transaction.commit().await?;
    let or_start = |ms: i64| if ms > now_ms { start_ms } else { ms };
    Ok(Taken::Held(Held {
        scope: row.scope,
        owner: owner.to_owned(),
        mark_ms: or_start(row.mark_ms),
        floor_ms: or_start(row.floor_ms),
    }))
}

/// Does what may take longer than a lease, and says every now and then that this replica is still at
/// it. The work is dropped when another replica has taken over, or the database does not take it.
pub(super) async fn keeping<T>(
    held: &Held,
    store: &Store,
    work: impl Future<Output = Result<T, ReconcileError>> + Unpin,
) -> Result<T, ReconcileError> {
    keeping_every(HEARTBEAT, held, store, work).await
}

async fn keeping_every<T>(
    every: Duration,
    held: &Held,
    store: &Store,
    work: impl Future<Output = Result<T, ReconcileError>> + Unpin,
) -> Result<T, ReconcileError> {
    // Beside the work, never in its stead: work that holds the one writing transaction must be able
    // to end it while the lease waits for its turn to write.
    let beating = async {
        loop {
            tokio::time::sleep(every).await;
            if let Err(lost) = held.renew(store, queues::now_ms()).await {
                break lost;
            }
        }
    };
    tokio::select! {
        done = work => done,
        lost = beating => Err(lost),
    }
}

impl Held {
    /// Says that this replica is still at it.
    pub(super) async fn renew(&self, store: &Store, now_ms: i64) -> Result<(), ReconcileError> {
        self.write(store, None, now_ms + millis(LEASE)).await
    }

    /// Moves the mark, keeps the floor, and keeps the scope for a while (so that the other replicas need
    /// not look).
    pub(super) async fn settle(
        &mut self,
        store: &Store,
        mark_ms: i64,
        now_ms: i64,
        keep: Duration,
    ) -> Result<(), ReconcileError> {
        self.write(store, Some(mark_ms), now_ms + millis(keep)).await?;
        self.mark_ms = mark_ms;
        Ok(())
    }

    /// Lets the next one take the scope at once.
    pub(super) async fn release(self, store: &Store, now_ms: i64) -> Result<(), ReconcileError> {
        self.write(store, None, now_ms).await
    }

    /// Forgets the scope: it is done.
    pub(super) async fn finish(self, store: &Store) -> Result<(), StoreError> {
        let transaction = store.begin().await?;
        rows::Entity::delete_by_id(self.scope).exec(&transaction).await?;
        Ok(transaction.commit().await?)
    }

    /// Writes nothing, and says so, when another replica has taken over.
    async fn write(
        &self,
        store: &Store,
        mark_ms: Option<i64>,
        leased_until_ms: i64,
    ) -> Result<(), ReconcileError> {
        let transaction = store.begin().await?;
        let found = rows::Entity::find_by_id(&self.scope)
            .one(&transaction)
            .await
            .map_err(StoreError::from)?;
        let row = found.filter(|row| row.owner == self.owner).ok_or(ReconcileError::LeaseLost)?;
        let mut changed = row.into_active_model();
        changed.leased_until_ms = Set(leased_until_ms);
        if let Some(mark_ms) = mark_ms {
            changed.mark_ms = Set(mark_ms);
            changed.floor_ms = Set(self.floor_ms);
        }
        rows::Entity::update(changed).exec(&transaction).await.map_err(StoreError::from)?;
        Ok(transaction.commit().await.map_err(StoreError::from)?)
    }
}

/// Lets the next one take every scope of this replica at once.
pub(super) async fn release_all(store: &Store, owner: &str, now_ms: i64) -> Result<(), StoreError> {
    let transaction = store.begin().await?;
    rows::Entity::update_many()
        .col_expr(rows::Column::LeasedUntilMs, now_ms.into())
        .filter(rows::Column::Owner.eq(owner))
        .exec(&transaction)
        .await?;
    Ok(transaction.commit().await?)
}

fn is_leased(until_ms: i64, now_ms: i64) -> bool {
    (now_ms + 1..=now_ms.saturating_add(millis(LONGEST_LEASE))).contains(&until_ms)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DatabaseSettings;

    async fn held(store: &Store, owner: &str, now_ms: i64) -> Held {
        let taken = take(store, "unfinished:AC1", owner, 0, now_ms).await.unwrap();
        let held = if let Taken::Held(held) = taken { Some(held) } else { None };
        held.unwrap()
    }

    #[tokio::test]
    async fn long_work_keeps_its_scope_and_ends_when_another_replica_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/marks.db", folder.path().display());
        let store = Store::open(&DatabaseSettings::at(url)).await.unwrap();
        let often = Duration::from_millis(1);

        // Taken long ago: whoever came now would get it.
        let own = held(&store, "one", 1).await;
        let is_renewed = async {
            loop {
                let row = rows::Entity::find_by_id("unfinished:AC1").one(store.reader()).await;
                if row.unwrap().unwrap().leased_until_ms > queues::now_ms() {
                    return Ok("done");
                }
                tokio::task::yield_now().await;
            }
        };
        assert_eq!(keeping_every(often, &own, &store, Box::pin(is_renewed)).await.unwrap(), "done");

        held(&store, "other", i64::MAX / 2).await;
        // The other one's clock was ahead: its lease keeps nobody out.
        held(&store, "third", queues::now_ms()).await;
        let endless = std::future::pending::<Result<(), _>>();
        let error = keeping_every(often, &own, &store, endless).await.unwrap_err();
        assert!(matches!(error, ReconcileError::LeaseLost), "{error}");
    }
}
