//! One engine of the chain, with what all slots of the process share of it.

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use super::{
    Task,
    breaker::{Breaker, LeftAlone},
};
use crate::{
    engines::{Engine, EngineError, Heard, Piece},
    ledger::{Ledger, until_tomorrow},
    price,
};

/// An engine with its breaker and its places.
pub struct Link {
    /// The engine.
    pub engine: Arc<dyn Engine>,
    /// Its name.
    pub name: String,
    places: Semaphore,
    breaker: Breaker,
}

/// Why a piece was not transcribed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkError {
    /// The engine failed.
    Failed(EngineError),
    /// The engine is left alone for now.
    LeftAlone(LeftAlone),
    /// The account has spent on this engine what it may spend today.
    SpentForToday {
        /// Until tomorrow.
        wait: Duration,
    },
}

impl Link {
    /// A link that was never used.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self {
            name: engine.identity().name,
            places: Semaphore::new(engine.places().max(1)),
            breaker: Breaker::default(),
            engine,
        }
    }

    /// Has one piece transcribed, when there is a place, the breaker admits it and it may be paid.
    ///
    /// # Errors
    /// The engine's failure, or why it was not asked.
    pub async fn ask(
        &self,
        piece: &Piece,
        task: &Task,
        ledger: &Ledger,
    ) -> Result<Heard, LinkError> {
        // Closed only when the process ends.
        let _place = self.places.acquire().await;
        self.breaker.admit().map_err(LinkError::LeftAlone)?;
        let per_minute = self.engine.microusd_per_minute().unwrap_or(0);
        let cost = price::cost_microusd(per_minute, piece.length_ms());
        let purse = format!("{}:{}", self.name, task.account);
        let limit = self.engine.microusd_per_day().filter(|_| cost > 0);
        if let Some(limit) = limit
            && !ledger.spend(&purse, cost, limit).await
        {
            self.count("spent_for_today");
            return Err(LinkError::SpentForToday { wait: until_tomorrow() });
        }
        let heard = self.engine.transcribe(piece, task.language.as_deref()).await;
        if heard.is_err() && limit.is_some() {
            ledger.refund(&purse, cost).await;
        }
        let outcome = heard.as_ref().map_or_else(EngineError::code, |_| "ok");
        self.count(outcome);
        if self.breaker.note(heard.as_ref().map(|_| ())) {
            tracing::error!(engine = %self.name, code = outcome, "engine left alone for now");
        }
        heard.map_err(LinkError::Failed)
    }

    fn count(&self, outcome: &'static str) {
        metrics::counter!(
            "transcriber_engine_requests_total", "engine" => self.name.clone(), "outcome" => outcome
        )
        .increment(1);
    }
}
