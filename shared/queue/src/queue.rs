//! One queue.

use std::{collections::HashMap, fmt, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use crate::{
    Delivery, Entry, Failure, Link, Once, Outgoing, Pause, QueueError, Stats,
    keys::Keys,
    metric, pause,
    script::Call,
    stats,
    wire::{push_entry, size, text},
};

/// How many entries go into one script call: bounds how long the server is busy with it.
const BATCH: usize = 500;

/// A queue by name. Cheap to clone.
#[derive(Clone)]
pub struct Queue {
    inner: Arc<Inner>,
}

struct Inner {
    link: Link,
    name: String,
    options: QueueOptions,
    keys: Keys,
}

/// How a queue behaves, the same for all its users.
#[derive(Clone)]
pub struct QueueOptions {
    /// Builds what a transition the queue decides on its own emits to other queues, so that no
    /// entry ends in `dead`, or leaves it, without an event that says so. When work is exhausted,
    /// this goes out beside what the handler emitted with its last failure.
    pub on_decision: Option<OnDecision>,
    /// Tells of work that is done which de-duplication key is to be remembered from now on, so that
    /// the window of work that took long counts from its end. It is written in the script that
    /// settles the work. Default: none is.
    pub on_done: Option<OnDone>,
    /// How long a consumer may be silent before the statistics no longer count it. Each of them says
    /// every second that it is there. Default 30 s.
    pub silence: Duration,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self { on_decision: None, on_done: None, silence: Duration::from_secs(30) }
    }
}

/// Builds what a decision of the queue emits.
pub type OnDecision = Arc<dyn Fn(&Decision) -> Vec<Outgoing> + Send + Sync>;

/// Tells which de-duplication key is remembered from the end of some work on.
pub type OnDone = Arc<dyn Fn(&Delivery) -> Option<Once> + Send + Sync>;

/// A transition that the queue decides, not a handler.
#[derive(Debug, Clone)]
pub struct Decision {
    /// Which.
    pub transition: Transition,
    /// The entry, as far as it can be read (a malformed one has gaps). For a redriven one: as it
    /// will be delivered next, with its new redrive count and attempt 1.
    pub delivery: Delivery,
    /// Why.
    pub failure: Option<Failure>,
}

/// The transitions a queue decides on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transition {
    /// Failed too often: dead.
    Exhausted,
    /// Crashed its worker too often: dead.
    Poison,
    /// Cannot be read: dead.
    Malformed,
    /// Taken out of the dead letters by an operator.
    Redriven,
}

/// What became of an entry handed to [`Queue::enqueue`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enqueued {
    /// It stands in the stream, under this id.
    Added(String),
    /// It stands in the stream, under this id, but something it brings along was enqueued before and
    /// was not added again.
    InPart(String),
    /// It waits for its time among the scheduled ones.
    Scheduled,
    /// An entry with the same key was enqueued before; nothing was added.
    Duplicate,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Queue").field(&self.inner.keys.live).finish()
    }
}

impl Queue {
    /// The queue `name` behind a link.
    pub fn new(link: Link, name: &str, options: QueueOptions) -> Self {
        let keys = Keys::new(link.prefix(), name);
        Self { inner: Arc::new(Inner { link, name: name.to_owned(), options, keys }) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The link it uses.
    pub fn link(&self) -> &Link {
        &self.inner.link
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.inner.keys
    }

    pub(crate) fn silence(&self) -> Duration {
        self.inner.options.silence
    }

    /// What a decision of the queue emits. A builder that panics costs its event, not the queue.
    pub(crate) fn decided(&self, decision: &Decision) -> Vec<Outgoing> {
        let Some(build) = &self.inner.options.on_decision else { return Vec::new() };
        std::panic::catch_unwind(AssertUnwindSafe(|| build(decision))).unwrap_or_else(|_| {
            tracing::error!(queue = self.name(), key = %decision.delivery.key,
                transition = ?decision.transition, "on_decision panicked: its event is lost");
            Vec::new()
        })
    }

    /// What is remembered of work that is done. A builder that panics costs its memory alone.
    pub(crate) fn remembered(&self, delivery: &Delivery) -> Option<Once> {
        let tell = self.inner.options.on_done.as_ref()?;
        std::panic::catch_unwind(AssertUnwindSafe(|| tell(delivery))).unwrap_or_else(|_| {
            tracing::error!(queue = self.name(), key = %delivery.key,
                "on_done panicked: what is done is remembered no longer than it was");
            None
        })
    }

    /// Adds an entry (and what it emits) in one script; durable as Redis is when this returns.
    ///
    /// # Errors
    /// After [`QueueError::Unavailable`] nothing is known about the outcome: enqueue again, with
    /// [`Entry::once`] where twice would do harm. After the others nothing was added.
    pub async fn enqueue(&self, entry: Entry) -> Result<Enqueued, QueueError> {
        let added = self.add(&[entry]).await?;
        added.into_iter().next().ok_or_else(|| QueueError::Redis("an empty answer".to_owned()))
    }

    /// Adds many entries, each as [`Queue::enqueue`] does, in few round trips.
    ///
    /// # Errors
    /// As [`Queue::enqueue`]; some of the entries may have been added.
    pub async fn enqueue_batch(&self, entries: Vec<Entry>) -> Result<Vec<Enqueued>, QueueError> {
        let mut results = Vec::with_capacity(entries.len());
        for chunk in entries.chunks(BATCH) {
            results.extend(self.add(chunk).await?);
        }
        Ok(results)
    }

    async fn add(&self, entries: &[Entry]) -> Result<Vec<Enqueued>, QueueError> {
        let link = self.link();
        let base = &self.keys().live;
        let (arguments, bytes) =
            entries.iter().map(size).fold((8, 128), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let script = &link.scripts().enqueue;
        let mut call = Call::with_capacity(script, &[base], arguments, bytes);
        call.count(entries.len());
        for entry in entries {
            push_entry(&mut call, base, link.prefix(), entry, None);
        }
        let answer = metric::without_emitted(link.prefix(), link.call(&call).await?)?;
        link.health().wrote();
        let answers = text(answer).unwrap_or_default();
        let results: Vec<_> = answers.split_ascii_whitespace().map(Enqueued::read).collect();
        if results.len() != entries.len() {
            return Err(QueueError::Redis("expected a word for each entry".to_owned()));
        }
        metric::enqueued(self.name(), &results);
        Ok(results)
    }

    /// Ends the leases of all work in hand at once, for whoever knows that nobody has it any more: it
    /// is taken up by the next consumer without waiting, and counts as crashed. Work that is in
    /// somebody's hand after all finds its lease lost, and is done twice. Returns how many.
    ///
    /// # Errors
    /// When Redis does not take it.
    pub async fn end_leases(&self) -> Result<u64, QueueError> {
        let keys = [self.keys().live.as_str(), &self.keys().bulk];
        let call = Call::new(&self.link().scripts().end_leases, &keys);
        let ended: u64 = redis::from_redis_value(self.link().call(&call).await?)
            .map_err(|error| QueueError::Redis(error.to_string()))?;
        metric::transition(self.name(), "lease_ended", "", ended as usize);
        Ok(ended)
    }

    /// How the queue stands, in one round trip.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn stats(&self) -> Result<Stats, QueueError> {
        stats::read(self).await
    }

    /// Pauses by whom a resource or the whole queue (`by` = `operator`) is stopped.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn pauses(&self) -> Result<HashMap<String, Pause>, QueueError> {
        pause::list(self).await
    }

    /// Those of these pauses that hold now; for handlers, which ask before each piece of work
    /// whether another process has paused what it needs.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn pauses_of(&self, by: &[&str]) -> Result<Vec<Pause>, QueueError> {
        pause::some(self, by).await
    }

    /// Writes a pause record: `operator` stops the whole queue within a second, other names are
    /// for handlers to look at. Without a `wait` it lasts until [`Queue::resume`].
    ///
    /// # Errors
    /// When Redis does not take the record.
    pub async fn pause(
        &self,
        by: &str,
        wait: Option<Duration>,
        reason: &str,
    ) -> Result<(), QueueError> {
        pause::write(self, by, wait, reason).await
    }

    /// Ends one pause, and no other. Tells whether there was one.
    ///
    /// # Errors
    /// When Redis does not take it.
    pub async fn resume(&self, by: &str) -> Result<bool, QueueError> {
        pause::end(self, by).await
    }
}

impl Enqueued {
    /// Reads a word of the answer of `scripts/enqueue.lua`.
    fn read(word: &str) -> Self {
        match word {
            "-" => Self::Duplicate,
            "+" => Self::Scheduled,
            word => match word.strip_suffix('!') {
                Some(id) => Self::InPart(id.to_owned()),
                None => Self::Added(word.to_owned()),
            },
        }
    }
}
