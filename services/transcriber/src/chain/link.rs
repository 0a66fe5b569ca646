//! One engine of the chain, with what all slots of the process share of it.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::breaker::{Breaker, LeftAlone};
use crate::engines::{Engine, EngineError, Heard, Piece};

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

    /// Has one piece transcribed, when there is a place and the breaker admits it.
    ///
    /// # Errors
    /// The engine's failure, or that it is left alone.
    pub async fn ask(&self, piece: &Piece, language: Option<&str>) -> Result<Heard, LinkError> {
        // Closed only when the process ends.
        let _place = self.places.acquire().await;
        self.breaker.admit().map_err(LinkError::LeftAlone)?;
        let heard = self.engine.transcribe(piece, language).await;
        let outcome = heard.as_ref().map_or_else(EngineError::code, |_| "ok");
        metrics::counter!(
            "transcriber_engine_requests_total", "engine" => self.name.clone(), "outcome" => outcome
        )
        .increment(1);
        if self.breaker.note(heard.as_ref().map(|_| ())) {
            tracing::error!(engine = %self.name, code = outcome, "engine left alone for now");
        }
        heard.map_err(LinkError::Failed)
    }
}
