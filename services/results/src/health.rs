//! Whether the database works, as far as readiness is concerned.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chassis::Check;
use tokio_util::sync::CancellationToken;

use crate::store::{Store, StoreError};

/// Readiness of the database. A failed write keeps it down until a write succeeds: a full disk
/// still answers pings.
#[derive(Clone)]
pub struct DatabaseHealth {
    check: Check,
    writes_fail: Arc<AtomicBool>,
}

impl DatabaseHealth {
    /// Health shown in a readiness check.
    pub fn new(check: Check) -> Self {
        Self { check, writes_fail: Arc::default() }
    }

    /// A write was committed.
    pub fn works(&self) {
        self.writes_fail.store(false, Ordering::Relaxed);
        self.check.ready();
    }

    /// A write failed for the moment's sake.
    pub fn fails(&self, error: &StoreError) {
        self.writes_fail.store(true, Ordering::Relaxed);
        self.check.not_ready(error.to_string());
    }

    /// Asks the database now and then, so that readiness is true without traffic too.
    pub async fn watch(self, store: Store, every: Duration, stop: CancellationToken) {
        loop {
            match store.ping().await {
                Ok(()) if !self.writes_fail.load(Ordering::Relaxed) => self.check.ready(),
                Ok(()) => {}
                Err(error) => self.check.not_ready(error.to_string()),
            }
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                () = stop.cancelled() => return,
            }
        }
    }
}
