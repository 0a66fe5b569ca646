//! The engines in their order, and one recording's way through them.

mod breaker;
mod link;
mod pass;
mod task;

use std::sync::Arc;

use domain::Transcript;
use tracing::debug;

use self::link::{Link, LinkError};
pub use self::task::Task;
use crate::{
    engines::{Engine, EngineError},
    ledger::Ledger,
    setback::{Setback, Treatment},
};

/// The engines: the first one first, the others when it fails or is not to be believed.
#[derive(Clone)]
pub struct Chain {
    links: Arc<[Link]>,
    ledger: Ledger,
}

/// What the chain made of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Transcription {
    /// What was said.
    pub transcript: Transcript,
    /// What it cost, with what engines before it cost, in micro-dollars; `None` where a price is
    /// not known.
    pub cost_microusd: Option<u64>,
    /// Reasons to doubt it.
    pub flags: Vec<String>,
}

impl Chain {
    /// A chain of at least one engine, which keeps what was paid for in the ledger.
    pub fn new(engines: Vec<Arc<dyn Engine>>, ledger: Ledger) -> Self {
        Self { links: engines.into_iter().map(Link::new).collect(), ledger }
    }

    /// The engines' names, in order.
    pub fn names(&self) -> Vec<String> {
        self.links.iter().map(|link| link.name.clone()).collect()
    }

    /// Lets go of what was kept of a work that is about to settle.
    pub async fn release(&self, work: &str) {
        self.ledger.release(work).await;
    }

    /// Transcribes a recording with the first engine that gives something to be believed; failing
    /// that, the least doubtful of what came, with its doubts.
    ///
    /// # Errors
    /// When no engine gives anything: the first setback that time can heal, else the first.
    pub async fn transcribe(&self, task: &Task) -> Result<Transcription, Setback> {
        let mut doubtful: Option<Transcription> = None;
        let mut setbacks: Vec<Setback> = Vec::new();
        let mut paid = Some(0);
        for link in self.links.iter() {
            match pass::through(link, task, &self.ledger).await {
                Ok(mut given) => {
                    paid = sum(paid, given.cost_microusd);
                    given.cost_microusd = paid;
                    if given.flags.is_empty() {
                        return Ok(given);
                    }
                    debug!(engine = %link.name, flags = ?given.flags, "doubtful transcript");
                    let better = doubtful.as_ref().is_none_or(|d| is_better(&given, d));
                    if better {
                        doubtful = Some(given);
                    }
                }
                Err(error) => {
                    debug!(engine = %link.name, ?error, "an engine of the chain failed");
                    setbacks.push(setback(&link.name, &task.account, error));
                }
            }
        }
        if let Some(doubtful) = doubtful {
            return Ok(Transcription { cost_microusd: paid, ..doubtful });
        }
        let heals = |setback: &Setback| setback.treatment != Treatment::GiveUp;
        let first = setbacks.iter().position(heals).unwrap_or(0);
        Err(setbacks.into_iter().nth(first).unwrap_or_else(|| {
            Setback::new(Treatment::GiveUp, "no_engine", "no engine is configured")
        }))
    }
}

/// More text is better than none, and fewer doubts are better than more.
fn is_better(one: &Transcription, other: &Transcription) -> bool {
    let rank = |given: &Transcription| (given.transcript.spoken_chars() == 0, given.flags.len());
    rank(one) < rank(other)
}

fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    Some(one?.saturating_add(other?))
}

fn setback(engine: &str, account: &str, error: LinkError) -> Setback {
    match error {
        LinkError::SpentForToday { wait } => {
            let by = format!("spending:{engine}:{account}");
            let message = format!("{engine}: the account's daily limit is spent");
            Setback::new(Treatment::Park { by, wait }, "daily_limit_spent", message)
        }
        LinkError::Failed(error) => Setback::from_engine(engine, &error),
        LinkError::LeftAlone(alone) => {
            let treatment = match alone.because {
                EngineError::QuotaExhausted | EngineError::Credentials { .. } => {
                    Treatment::Park { by: format!("engine:{engine}"), wait: alone.wait }
                }
                _ => Treatment::Wait(alone.wait),
            };
            let message = format!("{engine} is left alone for now: {}", alone.because);
            Setback::new(treatment, alone.because.code(), message)
        }
    }
}

#[cfg(test)]
mod tests;
