//! Whether Redis answers and takes writes, as the last commands found it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{QueueError, server::Server};

/// The state of a link, with one log line for each change rather than one for each attempt.
#[derive(Debug)]
pub(crate) struct Health {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Whether it answered the last time.
    reachable: bool,
    /// When a write was last taken; `None` when the last one was refused.
    written: Option<Instant>,
    /// Why it is not ready.
    complaint: Option<String>,
    /// What the server last connected to says of itself.
    server: Option<Server>,
    /// How often a command failed that would have extended a lease.
    disturbances: u64,
    /// How often the server turned out to be another one, or to have lost a stream.
    incarnation: u64,
}

impl Health {
    pub fn new() -> Self {
        Self { state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn is_ready(&self) -> bool {
        let state = self.state();
        state.reachable && state.written.is_some()
    }

    /// How long ago a write was taken.
    pub fn since_write(&self) -> Option<Duration> {
        self.state().written.map(|at| at.elapsed())
    }

    /// How often leases could not be extended so far.
    pub fn disturbances(&self) -> u64 {
        self.state().disturbances
    }

    pub fn risks(&self) -> Vec<String> {
        self.state().server.as_ref().map(|server| server.risks.clone()).unwrap_or_default()
    }

    pub fn incarnation(&self) -> u64 {
        self.state().incarnation
    }

    /// The server lost data under our eyes.
    pub fn lost_data(&self) {
        self.state().incarnation += 1;
    }

    /// A connection was made to this server.
    pub fn found(&self, server: Server) {
        let mut state = self.state();
        let known = state.server.replace(server.clone());
        if known.as_ref().is_some_and(|known| known.run_id != server.run_id) {
            state.incarnation += 1;
        }
        if known.is_none_or(|known| known.risks != server.risks) {
            metrics::gauge!("queue_redis_durable").set(f64::from(server.risks.is_empty()));
            for risk in &server.risks {
                tracing::warn!(%risk, "Redis may lose entries it acknowledged");
            }
        }
    }

    /// Redis answered a command.
    pub fn answered(&self) {
        self.state().reachable = true;
    }

    /// Redis took a write that a full or read-only server refuses.
    pub fn wrote(&self) {
        let mut state = self.state();
        state.reachable = true;
        state.written = Some(Instant::now());
        if let Some(complaint) = state.complaint.take() {
            tracing::info!(was = %complaint, "Redis is ready again");
        }
    }

    /// A command failed.
    pub fn failed(&self, error: &QueueError) {
        let mut state = self.state();
        match error {
            QueueError::Unavailable(_) => {
                state.reachable = false;
                state.written = None;
                state.disturbances += 1;
            }
            QueueError::Refused(refusal) => {
                state.reachable = true;
                state.written = None;
                // A full Redis goes on extending leases.
                state.disturbances += u64::from(!refusal.contains("OOM"));
            }
            QueueError::Settings(_) => state.written = None,
            QueueError::Redis(_) => return,
        }
        let complaint = error.to_string();
        if state.complaint.is_none() {
            tracing::warn!(error = %complaint, "Redis is not ready; retrying until it is");
        }
        state.complaint = Some(complaint);
    }
}
