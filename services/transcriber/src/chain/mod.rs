//! The engines in their order, and one recording's way through them.

mod breaker;
mod link;
mod pace;
mod pass;
mod task;

use std::{sync::Arc, time::Duration};

use domain::Transcript;
use tracing::debug;

pub use self::task::Task;
use self::{
    link::{Link, LinkError},
    pass::Failed,
};
use crate::{
    engines::{Engine, EngineError},
    ledger::Ledger,
    parking::{Parked, Parking},
    plausibility::Doubt,
    setback::{Setback, Treatment},
};

/// The setback of a call for which an engine had no place.
const ENGINE_BUSY: &str = "engine_busy";

/// How long such a call waits before it takes its turn again.
const BUSY: Duration = Duration::from_secs(10);

/// How soon an engine that failed is asked again while another one only has to be waited for, and
/// how late at last: no attempt is counted then, and what failed may have been paid.
const FAILED: Duration = Duration::from_secs(5);
const FAILED_AGAIN_AND_AGAIN: Duration = Duration::from_secs(300);

/// The engines: the first one first, the others when it fails or is not to be believed.
#[derive(Clone)]
pub struct Chain {
    links: Arc<[Link]>,
    shared: Shared,
}

/// What all engines of a chain share.
#[derive(Clone)]
struct Shared {
    ledger: Ledger,
    parking: Parking,
    languages: Arc<[String]>,
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
        let (parking, languages) = (Parking::default(), Arc::default());
        let shared = Shared { ledger, parking, languages };
        Self { links: engines.into_iter().map(Link::new).collect(), shared }
    }

    /// The same, which leaves alone what any process has parked, and parks for all of them.
    pub fn parked_with(mut self, parking: Parking) -> Self {
        self.shared.parking = parking;
        self
    }

    /// The same for calls in these languages; in any where there are none.
    pub fn in_languages(mut self, languages: &[String]) -> Self {
        self.shared.languages = languages.into();
        self
    }

    /// Whether any engine may be asked for this account, and for this language where it is known, so
    /// that nobody fetches a recording for nothing.
    ///
    /// # Errors
    /// What keeps the one of them that can be asked the soonest. That none knows the language is
    /// none: a recording in which nobody speaks needs no engine.
    pub async fn look(&self, account: &str, language: Option<&str>) -> Result<(), Setback> {
        let mut setbacks = Vec::new();
        for link in self.links.iter() {
            let has_to_wait = link.engine.stands_in() && !setbacks.is_empty();
            if has_to_wait || !self.knows(link, language, None) {
                continue;
            }
            match link.look(account, &self.shared).await {
                Ok(()) => return Ok(()),
                Err(error) => setbacks.push(setback(link, error)),
            }
        }
        soonest(setbacks, FAILED).map_or(Ok(()), Err)
    }

    /// The engines' names, in order.
    pub fn names(&self) -> Vec<String> {
        self.links.iter().map(|link| link.name.clone()).collect()
    }

    /// What is kept of the work in hand.
    pub fn ledger(&self) -> &Ledger {
        &self.shared.ledger
    }

    /// Lets go of what was kept of a work that is about to settle.
    pub async fn release(&self, work: &str) {
        self.shared.ledger.release(work).await;
    }

    /// Transcribes a recording with the first engine that gives something to be believed; failing
    /// that, the least doubtful of what came, with its doubts. An engine that only stands in takes no
    /// other's place whose words there are or that only has to be waited for. None is asked for a
    /// language that it does not know, and none answers in another one than was heard.
    ///
    /// # Errors
    /// When no engine gives a word: of the setbacks that time can heal the one that it heals first,
    /// which costs no attempt while any engine only has to be waited for. When none gives anything:
    /// the first; that of an engine that was passed over only where no other was asked.
    pub async fn transcribe(&self, task: &Task) -> Result<Transcription, Setback> {
        let mut doubtful: Option<Transcription> = None;
        let mut setbacks: Vec<Setback> = Vec::new();
        let mut skipped: Option<Setback> = None;
        let mut paid = Some(0);
        for link in self.links.iter() {
            let has_to_wait = setbacks.iter().any(Setback::is_uncounted);
            if link.engine.stands_in() && (has_to_wait || doubtful.as_ref().is_some_and(has_words))
            {
                continue;
            }
            if !self.knows(link, task.language.as_deref(), doubtful.as_ref()) {
                debug!(engine = %link.name, "passed over: it does not know the language");
                skipped.get_or_insert_with(|| setback(link, unsupported()));
                continue;
            }
            match pass::through(link, task, &self.shared).await {
                Ok(mut given) => {
                    paid = sum(paid, given.cost_microusd);
                    given.cost_microusd = paid;
                    if doubtful
                        .as_ref()
                        .is_some_and(|earlier| self.contradicts(link, &given, earlier))
                    {
                        debug!(engine = %link.name, "another language than was heard before");
                        continue;
                    }
                    if given.flags.is_empty() {
                        return Ok(given);
                    }
                    debug!(engine = %link.name, flags = ?given.flags, "doubtful transcript");
                    let better = doubtful.as_ref().is_none_or(|d| is_better(&given, d));
                    if better {
                        doubtful = Some(given);
                    }
                }
                Err(Failed { error, cost_microusd }) => {
                    debug!(engine = %link.name, ?error, "an engine of the chain failed");
                    paid = sum(paid, cost_microusd);
                    setbacks.push(setback(link, error));
                }
            }
        }
        // No words are no transcript while there is an engine that may still hear some.
        let heals = setbacks.iter().any(Setback::heals);
        if let Some(doubtful) = doubtful.filter(|d| has_words(d) || !heals) {
            return Ok(Transcription { cost_microusd: paid, ..doubtful });
        }
        let again = self.again(task, &setbacks).await;
        Err(soonest(setbacks, again).or(skipped).unwrap_or_else(|| {
            Setback::new(Treatment::GiveUp, "no_engine", "no engine is configured")
        }))
    }

    /// How soon an engine that failed may be asked again where the failure counts no attempt: later
    /// each time.
    async fn again(&self, task: &Task, setbacks: &[Setback]) -> Duration {
        let failed = setbacks.iter().any(|setback| setback.treatment == Treatment::Retry);
        if !failed || !setbacks.iter().any(Setback::is_uncounted) {
            return FAILED;
        }
        let times = self.shared.ledger.look(&task.work, "failed").await.unwrap_or(1);
        FAILED
            .saturating_mul(2_u32.saturating_pow(times.saturating_sub(1)))
            .min(FAILED_AGAIN_AND_AGAIN)
    }

    /// Whether an engine may know the language: the one that is known beforehand, the one that an
    /// earlier engine heard, or any of those that calls are in.
    fn knows(&self, link: &Link, known: Option<&str>, earlier: Option<&Transcription>) -> bool {
        match known.or_else(|| self.heard_in(link, earlier?)) {
            Some(language) => link.engine.knows(language),
            None => {
                let languages = &self.shared.languages;
                languages.is_empty() || languages.iter().any(|one| link.engine.knows(one))
            }
        }
    }

    /// Whether a later transcript is in another language than an earlier one that can be believed
    /// in that.
    fn contradicts(&self, link: &Link, given: &Transcription, earlier: &Transcription) -> bool {
        let heard = self.heard_in(link, earlier);
        heard.is_some()
            && given.transcript.language.is_some()
            && heard != given.transcript.language.as_deref()
    }

    /// The language of an earlier transcript, where the engine that comes next has to believe it. An
    /// engine that heard no word may have the language wrong, but not so wrong that one that only
    /// stands in knows better.
    fn heard_in<'a>(&self, next: &Link, earlier: &'a Transcription) -> Option<&'a str> {
        let is_doubted = |flag: &String| {
            [Doubt::LanguageMismatch, Doubt::LanguageNotAllowed].iter().any(|d| d.as_str() == flag)
        };
        let by = &earlier.transcript.engine.name;
        let stood_in = self.links.iter().any(|link| link.name == *by && link.engine.stands_in());
        let is_believed = !stood_in
            && !earlier.flags.iter().any(is_doubted)
            && (has_words(earlier) || next.engine.stands_in());
        earlier.transcript.language.as_deref().filter(|_| is_believed)
    }
}

/// Of the setbacks that time can heal the one that it heals first, of others the first one. Where
/// any engine only has to be waited for, no attempt is counted, and one that failed is asked `again`
/// after so long: else its failures would use up the attempts before the wait is over.
fn soonest(mut setbacks: Vec<Setback>, again: Duration) -> Option<Setback> {
    if setbacks.iter().any(Setback::heals) {
        setbacks.retain(Setback::heals);
    }
    if setbacks.iter().any(Setback::is_uncounted) {
        for setback in &mut setbacks {
            if setback.treatment == Treatment::Retry {
                setback.treatment = Treatment::Wait(again);
            }
        }
    }
    // Of several that take as long, the first.
    setbacks.into_iter().min_by_key(Setback::wait)
}

fn unsupported() -> LinkError {
    LinkError::Failed(EngineError::UnsupportedLanguage)
}

fn has_words(given: &Transcription) -> bool {
    given.transcript.spoken_chars() > 0
}

/// More text is better than none, and fewer doubts are better than more.
fn is_better(one: &Transcription, other: &Transcription) -> bool {
    let rank = |given: &Transcription| (given.transcript.spoken_chars() == 0, given.flags.len());
    rank(one) < rank(other)
}

fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    Some(one?.saturating_add(other?))
}

/// The setback of a call that waited for a place for too long.
pub fn busy(what: &str) -> Setback {
    let message = format!("{what} is busy with other calls");
    Setback::new(Treatment::Wait(BUSY), ENGINE_BUSY, message)
}

fn setback(link: &Link, error: LinkError) -> Setback {
    let engine = &link.name;
    match error {
        LinkError::SpentForToday { wait } => {
            // Parked for everybody already; parking it again would undo a resume.
            let message = format!("{engine}: the account's daily limit is spent");
            Setback::new(Treatment::Wait(wait), "daily_limit_spent", message)
        }
        LinkError::Parked(Parked { wait, reason }) => {
            let message = format!("{engine} is parked: {reason}");
            Setback::new(Treatment::Wait(wait), "engine_parked", message)
        }
        LinkError::NoPlace => busy(engine),
        LinkError::Failed(error) => Setback::from_engine(engine, &error),
        LinkError::LeftAlone(alone) => {
            // Who met it has parked it for everybody. Parking it again would undo a resume.
            let treatment = Treatment::Wait(alone.wait);
            let message = format!("{engine} is left alone for now: {}", alone.because);
            Setback::new(treatment, alone.because.code(), message)
        }
    }
}

#[cfg(test)]
mod tests;
