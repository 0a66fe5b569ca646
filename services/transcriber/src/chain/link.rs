//! One engine of the chain, with what all slots of the process share of it.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{sync::Semaphore, time::timeout_at};

use super::{
    Shared, Task,
    breaker::{Breaker, LeftAlone},
    pace::Pace,
};
use crate::{
    engines::{Engine, EngineError, Heard, Piece},
    ledger::until_tomorrow,
    parking::Parked,
    price,
    setback::PARKED,
};

/// An engine with its breaker, its places and its pace.
pub struct Link {
    /// The engine.
    pub engine: Arc<dyn Engine>,
    /// Its name.
    pub name: String,
    places: Semaphore,
    pace: Option<Pace>,
    breaker: Breaker,
}

/// Why a piece was not transcribed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkError {
    /// The engine failed.
    Failed(EngineError),
    /// The engine is left alone for now.
    LeftAlone(LeftAlone),
    /// Other calls had all its places for too long.
    NoPlace,
    /// Another process, or a person, parked it for everybody.
    Parked(Parked),
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
            pace: engine.requests_per_minute().map(Pace::per_minute),
            breaker: Breaker::default(),
            engine,
        }
    }

    /// Whether there is any use in asking, as far as this process and all others know.
    ///
    /// # Errors
    /// Why not, and until when.
    pub async fn look(&self, account: &str, shared: &Shared) -> Result<(), LinkError> {
        self.breaker.look().map_err(LinkError::LeftAlone)?;
        self.pace.as_ref().map_or(Ok(()), Pace::look).map_err(too_early)?;
        let (engine, spending) = (self.pause(), self.pause_of_spending(account));
        match shared.parking.look(&[&engine, &spending]).await {
            Some(parked) => Err(LinkError::Parked(parked)),
            None => Ok(()),
        }
    }

    /// Has one piece transcribed, when there is a place, the breaker admits it and it may be paid.
    /// It is read when there is a place: what waits for one takes no memory.
    ///
    /// # Errors
    /// The engine's failure, or why it was not asked.
    pub async fn ask(
        &self,
        read: impl Future<Output = Result<Piece, EngineError>>,
        task: &Task,
        shared: &Shared,
    ) -> Result<Heard, LinkError> {
        let place = timeout_at(task.waits_until, self.places.acquire()).await;
        // Closed only when the process ends.
        let _place = place.map_err(|_| LinkError::NoPlace)?;
        self.breaker.look().map_err(LinkError::LeftAlone)?;
        let piece = read.await.map_err(LinkError::Failed)?;
        if let Some(pace) = &self.pace {
            pace.turn().await.map_err(too_early)?;
        }
        self.breaker.admit().map_err(LinkError::LeftAlone)?;
        let per_minute = self.engine.microusd_per_minute().unwrap_or(0);
        let cost = price::cost_microusd(per_minute, piece.length_ms());
        let purse = format!("{}:{}", self.name, task.account);
        let spending = match self.engine.microusd_per_day().filter(|_| cost > 0) {
            None => None,
            Some(limit) => match shared.ledger.spend(&purse, cost, limit).await {
                Some(spending) => Some(spending),
                None => {
                    self.count("spent_for_today");
                    let wait = until_tomorrow();
                    let by = self.pause_of_spending(&task.account);
                    shared.parking.park(&by, wait, "the account's daily limit is spent").await;
                    return Err(LinkError::SpentForToday { wait });
                }
            },
        };
        let heard = self.engine.transcribe(&piece, task.language.as_deref()).await;
        if let (Err(error), Some(spending)) = (&heard, &spending)
            && error.is_free()
        {
            shared.ledger.refund(spending).await;
        }
        let outcome = heard.as_ref().map_or_else(EngineError::code, |_| "ok");
        self.count(outcome);
        if self.breaker.note(heard.as_ref().map(|_| ())) {
            tracing::error!(engine = %self.name, code = outcome, "engine left alone for now");
        }
        // What only a person can mend, every process would run into.
        if let Err(error) = &heard
            && error.needs_somebody()
        {
            shared.parking.park(&self.pause(), PARKED, &error.to_string()).await;
        }
        heard.map_err(LinkError::Failed)
    }

    /// The name of the pause that parks the engine.
    pub fn pause(&self) -> String {
        format!("engine:{}", self.name)
    }

    /// The name of the pause that parks the engine for one account.
    pub fn pause_of_spending(&self, account: &str) -> String {
        format!("spending:{}:{account}", self.name)
    }

    fn count(&self, outcome: &'static str) {
        metrics::counter!(
            "transcriber_engine_requests_total", "engine" => self.name.clone(), "outcome" => outcome
        )
        .increment(1);
    }
}

fn too_early(wait: Duration) -> LinkError {
    let because = EngineError::RateLimited { after: Some(wait) };
    LinkError::LeftAlone(LeftAlone { wait, because })
}
