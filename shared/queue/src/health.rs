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
    /// When Redis began to answer; `None` while it does not.
    reachable_since: Option<Instant>,
    /// When a write was last taken; `None` when the last one was refused.
    written: Option<Instant>,
    /// Why it is not ready.
    complaint: Option<String>,
    /// What the server last connected to says of itself.
    server: Option<Server>,
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
        state.reachable_since.is_some() && state.written.is_some()
    }

    /// How long ago a write was taken.
    pub fn since_write(&self) -> Option<Duration> {
        self.state().written.map(|at| at.elapsed())
    }

    /// How long Redis has been answering without interruption.
    pub fn reachable_for(&self) -> Option<Duration> {
        self.state().reachable_since.map(|at| at.elapsed())
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
        let mut state = self.state();
        state.reachable_since.get_or_insert_with(Instant::now);
    }

    /// Redis took a write that a full or read-only server refuses.
    pub fn wrote(&self) {
        let mut state = self.state();
        let now = Instant::now();
        state.reachable_since.get_or_insert(now);
        state.written = Some(now);
        if let Some(complaint) = state.complaint.take() {
            tracing::info!(was = %complaint, "Redis is ready again");
        }
    }

    /// A command failed.
    pub fn failed(&self, error: &QueueError) {
        let mut state = self.state();
        match error {
            QueueError::Unavailable(_) => {
                state.reachable_since = None;
                state.written = None;
            }
            QueueError::Refused(_) => {
                state.reachable_since.get_or_insert_with(Instant::now);
                state.written = None;
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
