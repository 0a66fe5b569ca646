//! Dead letters: looking at them, putting them back to work, throwing them away.
//!
//! They are the entries of the stream `{P}:Q:dead`, oldest first; the milliseconds of an id tell
//! when its entry died.

use std::collections::{BTreeMap, HashMap};

use redis::Value;
use serde::Serialize;

use crate::{
    Decision, Delivery, Failure, Lane, Queue, QueueError, Transition, metric,
    script::Call,
    wire::{PastFailure, StreamEntry, history_json, id_ms, push_emissions},
};

/// How many letters are read or moved in one call.
const PAGE: usize = 100;

/// An entry that nobody works on any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// Its id among the dead letters.
    pub id: String,
    /// What the work is about.
    pub key: String,
    /// The work itself.
    pub body: String,
    /// The lane it came from and goes back to.
    pub lane: Lane,
    /// `exhausted`, `permanent`, `poison` or `malformed`.
    pub reason: String,
    /// The last failure.
    pub failure: Failure,
    /// The attempt it died in.
    pub attempt: u32,
    /// How often it was taken out of the dead letters before.
    pub redrive: u32,
    /// How often it had been handed out when it died.
    pub deliveries: u32,
    /// First enqueue, in milliseconds since 1970 (UTC).
    pub born_ms: i64,
    /// When it died, in milliseconds since 1970 (UTC).
    pub died_ms: i64,
    /// The id it had in its stream.
    pub entry_id: String,
    /// The consumer that had it in hand last.
    pub consumer: String,
    /// Its failures, oldest first, the last ten of them.
    pub history: Vec<PastFailure>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// All fields of a malformed entry, as a JSON object.
    pub fields: Option<String>,
}

/// Which dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// The one with this id.
    One(String),
    /// All that are there now.
    All,
    /// Those with this reason (`exhausted`, …) or this failure code.
    Reason(String),
}

/// Where dead letters go. Not a closure: the future of an `AsyncFn` that was passed in cannot be
/// told to be `Send`, and handlers of an HTTP server must be.
#[derive(Debug, Clone, Copy)]
enum Move {
    Redrive,
    Discard,
}

impl Queue {
    /// Up to `limit` dead letters, oldest first, beginning after the id `after`.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn dead_letters(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, QueueError> {
        let start = after.map_or_else(|| "-".to_owned(), |id| format!("({id}"));
        self.range(&start, "+", limit).await
    }

    /// One dead letter.
    ///
    /// # Errors
    /// When Redis does not answer, or `id` is not an id.
    pub async fn dead_letter(&self, id: &str) -> Result<Option<DeadLetter>, QueueError> {
        Ok(self.range(id, id, 1).await?.pop())
    }

    /// Puts dead letters back to work: their attempts begin anew, their birth and history stay. One that
    /// could not be read waits again with the fields it had, for a consumer that can read them.
    /// What [`crate::QueueOptions::on_decision`] builds goes out in the same script. Returns how
    /// many.
    ///
    /// # Errors
    /// When Redis does not take them; some may have been put back.
    pub async fn redrive(&self, which: &Selection) -> Result<u64, QueueError> {
        let moved = self.each_page(which, Move::Redrive).await?;
        metric::transition(self.name(), "redriven", "", moved as usize);
        Ok(moved)
    }

    /// Throws dead letters away. Returns how many.
    ///
    /// # Errors
    /// When Redis does not take it; some may be gone.
    pub async fn discard(&self, which: &Selection) -> Result<u64, QueueError> {
        let gone = self.each_page(which, Move::Discard).await?;
        metric::transition(self.name(), "discarded", "", gone as usize);
        Ok(gone)
    }

    /// Goes through the selected letters that are there now; one that dies anew meanwhile is not
    /// met again.
    async fn each_page(&self, which: &Selection, to: Move) -> Result<u64, QueueError> {
        let wanted: &str = match which {
            Selection::One(id) => {
                let letters = self.range(id, id, 1).await?;
                return self.move_page(&letters, to).await;
            }
            Selection::All => "",
            Selection::Reason(reason) => reason,
        };
        let Some(last) = self.last_id().await? else { return Ok(0) };
        let (mut start, mut count) = ("-".to_owned(), 0);
        loop {
            let page = self.range(&start, &last, PAGE).await?;
            let Some(end) = page.last() else { return Ok(count) };
            start = format!("({}", end.id);
            let chosen: Vec<_> = page
                .into_iter()
                .filter(|letter| {
                    wanted.is_empty() || letter.reason == wanted || letter.failure.code == wanted
                })
                .collect();
            if !chosen.is_empty() {
                count += self.move_page(&chosen, to).await?;
            }
        }
    }

    async fn move_page(&self, letters: &[DeadLetter], to: Move) -> Result<u64, QueueError> {
        match to {
            Move::Redrive => self.redrive_page(letters).await,
            Move::Discard => self.discard_page(letters).await,
        }
    }

    async fn redrive_page(&self, letters: &[DeadLetter]) -> Result<u64, QueueError> {
        let (link, keys) = (self.link(), self.keys());
        let keys = [keys.dead.as_str(), &keys.live, &keys.bulk, &keys.born];
        let mut call = Call::new(&link.scripts().redrive, &keys);
        call.count(letters.len());
        for letter in letters {
            let delivery = letter.redriven();
            call.text(&letter.id).text(letter.lane.name());
            let fields = letter.fields_to_redrive();
            call.count(fields.len() * 2);
            for (name, value) in fields {
                call.text(&name).text(&value);
            }
            let failure = Some(letter.failure.clone());
            let decision = Decision { transition: Transition::Redriven, delivery, failure };
            push_emissions(&mut call, link.prefix(), &self.decided(&decision));
        }
        count(metric::without_emitted(link.prefix(), link.call(&call).await?)?)
    }

    async fn discard_page(&self, letters: &[DeadLetter]) -> Result<u64, QueueError> {
        if letters.is_empty() {
            return Ok(0);
        }
        let mut command = redis::cmd("XDEL");
        command.arg(&self.keys().dead);
        for letter in letters {
            command.arg(&letter.id);
        }
        count(self.link().command(&command).await?)
    }

    async fn range(
        &self,
        start: &str,
        end: &str,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, QueueError> {
        let mut command = redis::cmd("XRANGE");
        command.arg(&self.keys().dead).arg(start).arg(end).arg("COUNT").arg(limit);
        let Value::Array(found) = self.link().command(&command).await? else {
            return Ok(Vec::new());
        };
        let letters = found.into_iter().filter_map(|entry| StreamEntry::read(Lane::Live, entry));
        Ok(letters.map(DeadLetter::read).collect())
    }

    async fn last_id(&self) -> Result<Option<String>, QueueError> {
        let mut command = redis::cmd("XREVRANGE");
        command.arg(&self.keys().dead).arg("+").arg("-").arg("COUNT").arg(1);
        let Value::Array(mut found) = self.link().command(&command).await? else {
            return Ok(None);
        };
        let last = found.pop().and_then(|entry| StreamEntry::read(Lane::Live, entry));
        Ok(last.map(|entry| entry.id))
    }
}

impl DeadLetter {
    fn read(entry: StreamEntry) -> Self {
        let history = entry.history();
        let StreamEntry { id, fields, .. } = entry;
        let mut fields: HashMap<_, _> = fields.into_iter().collect();
        let mut take = |name: &str| fields.remove(name);
        let number = |text: Option<String>| text.and_then(|text| text.parse().ok()).unwrap_or(0);
        Self {
            key: take("key").unwrap_or_default(),
            body: take("body").unwrap_or_default(),
            lane: take("lane").and_then(|lane| Lane::named(&lane)).unwrap_or_default(),
            reason: take("reason").unwrap_or_default(),
            failure: Failure::new(
                take("code").unwrap_or_default(),
                take("message").unwrap_or_default(),
            ),
            attempt: number(take("attempt")),
            redrive: number(take("redrive")),
            deliveries: number(take("deliveries")),
            born_ms: take("born").and_then(|born| born.parse().ok()).unwrap_or_default(),
            died_ms: id_ms(&id),
            entry_id: take("id").unwrap_or_default(),
            consumer: take("consumer").unwrap_or_default(),
            traceparent: take("traceparent"),
            fields: take("fields"),
            history,
            id,
        }
    }

    /// What the entry will hold when it waits again: as it was if it could not be read.
    fn fields_to_redrive(&self) -> Vec<(String, String)> {
        let original: Option<BTreeMap<String, String>> =
            self.fields.as_ref().and_then(|fields| serde_json::from_str(fields).ok());
        if let Some(original) = original.filter(|fields| !fields.is_empty()) {
            return original.into_iter().collect();
        }
        let mut fields = vec![
            ("key", self.key.clone()),
            ("body", self.body.clone()),
            ("attempt", "1".to_owned()),
            ("redrive", (self.redrive + 1).to_string()),
            ("born", self.born_ms.to_string()),
            ("history", history_json(&self.history)),
        ];
        fields.extend(self.traceparent.clone().map(|trace| ("traceparent", trace)));
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The delivery that will come of it next.
    fn redriven(&self) -> Delivery {
        Delivery {
            id: self.entry_id.clone(),
            key: self.key.clone(),
            body: self.body.clone(),
            lane: self.lane,
            attempt: 1,
            redrive: self.redrive + 1,
            deliveries: 0,
            born_ms: self.born_ms,
            traceparent: self.traceparent.clone(),
            abandoned: Default::default(),
        }
    }
}

fn count(answer: Value) -> Result<u64, QueueError> {
    redis::from_redis_value(answer).map_err(|error| QueueError::Redis(error.to_string()))
}
