//! The running process: what its services share without knowing each other.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Handed to every service of a process. Cheap to clone.
#[derive(Clone)]
pub struct Process {
    stop: CancellationToken,
    shared: Arc<Shared>,
}

struct Shared {
    checks: Mutex<BTreeMap<String, Result<(), String>>>,
    listeners: watch::Sender<BTreeMap<String, String>>,
}

impl Process {
    /// A process that stops when `stop` is cancelled.
    pub fn new(stop: CancellationToken) -> Self {
        let shared =
            Shared { checks: Mutex::default(), listeners: watch::Sender::new(BTreeMap::new()) };
        Self { stop, shared: Arc::new(shared) }
    }

    /// Cancelled when the process is asked to stop: finish what is in hand and return.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// A process that ends by SIGTERM or Ctrl-C.
    ///
    /// # Errors
    /// When the signal handlers cannot be installed.
    pub fn until_signalled() -> std::io::Result<Self> {
        let process = Self::new(CancellationToken::new());
        let stop = process.stop.clone();
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        let mut interrupt =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => tracing::info!("SIGTERM received, stopping"),
                _ = interrupt.recv() => tracing::info!("interrupted, stopping"),
                () = stop.cancelled() => {}
            }
            stop.cancel();
        });
        Ok(process)
    }

    /// Registers something readiness depends on; it counts as not ready until said otherwise.
    pub fn check(&self, name: impl Into<String>) -> Check {
        let check = Check { name: name.into(), shared: self.shared.clone() };
        let mut checks = self.shared.checks.lock().unwrap_or_else(PoisonError::into_inner);
        // Services that share a process share what they depend on.
        checks.entry(check.name.clone()).or_insert_with(|| Err("starting".into()));
        drop(checks);
        check
    }

    /// What readiness depends on, and how each stands (`Err` holds the reason).
    pub fn checks(&self) -> BTreeMap<String, Result<(), String>> {
        self.shared.checks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says that a service listens, and where (`http://127.0.0.1:8080`).
    pub fn announce(&self, name: impl Into<String>, url: impl Into<String>) {
        let (name, url) = (name.into(), url.into());
        tracing::info!(listener = %name, %url, "listening");
        self.shared.listeners.send_modify(|listeners| {
            listeners.insert(name, url);
        });
    }

    /// Waits until the named service listens and returns where; `None` if the process stops first.
    pub async fn listener(&self, name: &str) -> Option<String> {
        let mut listeners = self.shared.listeners.subscribe();
        let announced = listeners.wait_for(|all| all.contains_key(name));
        tokio::select! {
            found = announced => found.ok().and_then(|all| all.get(name).cloned()),
            () = self.stop.cancelled() => None,
        }
    }
}

/// One thing that readiness depends on. Logs its changes, not its repetitions.
#[derive(Clone)]
pub struct Check {
    name: String,
    shared: Arc<Shared>,
}

impl Check {
    /// It works.
    pub fn ready(&self) {
        self.set(Ok(()));
    }

    /// It does not work, for this reason.
    pub fn not_ready(&self, reason: impl Into<String>) {
        self.set(Err(reason.into()));
    }

    fn set(&self, state: Result<(), String>) {
        let mut checks = self.shared.checks.lock().unwrap_or_else(PoisonError::into_inner);
        let before = checks.insert(self.name.clone(), state.clone());
        match (before, state) {
            (Some(Err(_)), Ok(())) => tracing::info!(check = %self.name, "ready"),
            (Some(Ok(())), Err(reason)) => {
                tracing::warn!(check = %self.name, %reason, "not ready");
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_counts_as_not_ready_until_it_says_otherwise() {
        let process = Process::new(CancellationToken::new());
        let check = process.check("redis");
        assert_eq!(process.checks()["redis"], Err("starting".into()));
        check.ready();
        assert_eq!(process.checks()["redis"], Ok(()));
    }

    #[tokio::test]
    async fn whoever_waits_for_a_listener_learns_where_it_is_or_that_the_process_stops() {
        let process = Process::new(CancellationToken::new());
        let waiting = tokio::spawn({
            let process = process.clone();
            async move { process.listener("ingest").await }
        });
        process.announce("ingest", "http://127.0.0.1:1");
        assert_eq!(waiting.await.unwrap().as_deref(), Some("http://127.0.0.1:1"));
        process.stop().cancel();
        assert_eq!(process.listener("results").await, None);
    }
}
