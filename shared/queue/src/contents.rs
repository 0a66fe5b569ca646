//! What a queue holds, wherever it stands: looking through it, and erasing from it.

use redis::Value;
use serde::Deserialize;

use crate::{
    Lane, Queue, QueueError, metric,
    script::Call,
    wire::{StreamEntry, text},
};

/// How many entries are read, or erased, in one call.
const PAGE: usize = 500;

/// An entry as it is kept: waiting, in flight, scheduled or dead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What the work is about; empty where the entry cannot be read.
    pub key: String,
    /// The work itself; of an entry that cannot be read, all that it holds.
    pub body: String,
    place: Place,
    id: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Live,
    Bulk,
    Retry,
    Dead,
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Bulk => "bulk",
            Self::Retry => "retry",
            Self::Dead => "dead",
        }
    }
}

/// Where entries wait, in the order in which they are looked through. They move meanwhile, from the
/// streams to the scheduled ones and back: what is in neither at the first look is in one of them at
/// the second.
const COURSE: [Place; 7] =
    [Place::Retry, Place::Live, Place::Bulk, Place::Retry, Place::Live, Place::Bulk, Place::Dead];

/// One walk through the queue.
struct Walk<'a> {
    queue: &'a Queue,
    /// Places that are still to come, the next one last.
    course: Vec<Place>,
    /// Where to go on in the present place, once begun.
    cursor: Option<String>,
    /// The last ids met in live and bulk: a second look begins behind them.
    met: [String; 2],
}

impl Kept {
    /// Whether it stands among the dead letters, where nobody works on it without being asked to.
    pub fn is_dead(&self) -> bool {
        self.place == Place::Dead
    }
}

impl Queue {
    /// Shows every entry the queue holds: waiting, in flight, scheduled and dead. An entry may be
    /// shown twice. Reads page by page, so it costs time in proportion to the backlog, and holds up
    /// nobody.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn look_through(&self, mut see: impl FnMut(&Kept) + Send) -> Result<(), QueueError> {
        let mut walk = Walk::begin(self);
        while let Some(page) = walk.next().await? {
            page.iter().for_each(&mut see);
        }
        Ok(())
    }

    /// Erases the entries that are meant, wherever they stand: waiting, in flight, scheduled or dead.
    /// Work in hand on one of them finds its lease lost: it is abandoned, and settles nothing. Goes
    /// round until a round meets none. Returns how many.
    ///
    /// # Errors
    /// When Redis does not take it; some may be gone.
    pub async fn erase(
        &self,
        mut is_meant: impl FnMut(&Kept) -> bool + Send,
    ) -> Result<u64, QueueError> {
        let mut erased = 0;
        loop {
            let mut of_round = 0;
            let mut walk = Walk::begin(self);
            while let Some(page) = walk.next().await? {
                let meant: Vec<Kept> = page.into_iter().filter(|kept| is_meant(kept)).collect();
                of_round += self.erase_page(&meant).await?;
            }
            erased += of_round;
            if of_round == 0 {
                metric::transition(self.name(), "erased", "", erased as usize);
                return Ok(erased);
            }
        }
    }

    async fn erase_page(&self, meant: &[Kept]) -> Result<u64, QueueError> {
        let Some(first) = meant.first() else { return Ok(0) };
        let (link, keys) = (self.link(), self.keys());
        let keys = [keys.live.as_str(), &keys.bulk, &keys.retry, &keys.dead, &keys.born];
        let mut call = Call::new(&link.scripts().erase, &keys);
        call.text(first.place.name());
        for kept in meant {
            call.text(&kept.id);
        }
        redis::from_redis_value(link.call(&call).await?)
            .map_err(|error| QueueError::Redis(error.to_string()))
    }
}

impl<'a> Walk<'a> {
    fn begin(queue: &'a Queue) -> Self {
        let course = COURSE.into_iter().rev().collect();
        Self { queue, course, cursor: None, met: Default::default() }
    }

    /// The next page, all of one place; `None` after the last.
    async fn next(&mut self) -> Result<Option<Vec<Kept>>, QueueError> {
        while let Some(place) = self.course.last().copied() {
            let page = match place {
                Place::Retry => self.scheduled().await?,
                _ => self.stream(place).await?,
            };
            if self.cursor.is_none() {
                self.course.pop();
            }
            if !page.is_empty() {
                return Ok(Some(page));
            }
        }
        Ok(None)
    }

    async fn stream(&mut self, place: Place) -> Result<Vec<Kept>, QueueError> {
        let keys = self.queue.keys();
        let (key, met) = match place {
            Place::Live => (&keys.live, Some(0)),
            Place::Bulk => (&keys.bulk, Some(1)),
            _ => (&keys.dead, None),
        };
        let begin = met.map(|lane| self.met[lane].clone()).filter(|id| !id.is_empty());
        let after = self.cursor.take().or(begin);
        let start = after.map_or_else(|| "-".to_owned(), |id| format!("({id}"));
        let mut command = redis::cmd("XRANGE");
        command.arg(key).arg(start).arg("+").arg("COUNT").arg(PAGE);
        let Value::Array(found) = self.queue.link().command(&command).await? else {
            return Ok(Vec::new());
        };
        let entries = found.into_iter().filter_map(|entry| StreamEntry::read(Lane::Live, entry));
        let page: Vec<Kept> = entries.map(|entry| Kept::of_stream(place, entry)).collect();
        if let Some(last) = page.last() {
            self.cursor = Some(last.id.clone());
            if let Some(lane) = met {
                self.met[lane] = last.id.clone();
            }
        }
        Ok(page)
    }

    async fn scheduled(&mut self) -> Result<Vec<Kept>, QueueError> {
        let cursor = self.cursor.take().unwrap_or_else(|| "0".to_owned());
        let mut command = redis::cmd("ZSCAN");
        command.arg(&self.queue.keys().retry).arg(cursor).arg("COUNT").arg(PAGE);
        let Value::Array(answer) = self.queue.link().command(&command).await? else {
            return Ok(Vec::new());
        };
        let mut answer = answer.into_iter();
        self.cursor = answer.next().and_then(text).filter(|cursor| cursor != "0");
        let Some(Value::Array(members)) = answer.next() else { return Ok(Vec::new()) };
        let members = members.into_iter().step_by(2).filter_map(text);
        Ok(members.map(Kept::of_scheduled).collect())
    }
}

impl Kept {
    /// Where it stands and as what: tells an entry that is shown twice from two that are alike.
    pub fn standing(&self) -> String {
        format!("{}:{}", self.place.name(), self.id)
    }

    fn of_stream(place: Place, entry: StreamEntry) -> Self {
        let all = entry.fields_json();
        let StreamEntry { id, fields, .. } = entry;
        let mut fields: std::collections::HashMap<_, _> = fields.into_iter().collect();
        let readable = fields.contains_key("body") && !fields.contains_key("fields");
        let body = fields.remove("body").filter(|_| readable).unwrap_or(all);
        Self { key: fields.remove("key").unwrap_or_default(), body, place, id }
    }

    fn of_scheduled(member: String) -> Self {
        #[derive(Deserialize)]
        struct Scheduled {
            key: String,
            body: String,
        }
        let read = serde_json::from_str(&member);
        let Scheduled { key, body } =
            read.unwrap_or_else(|_| Scheduled { key: String::new(), body: member.clone() });
        Self { key, body, place: Place::Retry, id: member }
    }
}
