//! What was paid for, in Redis: the pieces that engines transcribed, kept until their call has
//! settled, and what was spent today.
//!
//! Keys, with the prefix as their hash tag: `{P}:heard:<work>`, a hash from piece to what was heard
//! (from `looks:<reason>` to how often the work was looked at in vain; `complete` where all pieces are
//! there), which expires a week after it was last touched; `{P}:spent:<purse>:<day>`, a number.
//!
//! Nothing here may fail a call: where Redis does not answer, a piece is transcribed (and paid)
//! once more.

use std::{collections::HashMap, time::Duration};

use chassis::queues::now_ms;
use domain::Redactor;
use queue::Link;
use redis::{Cmd, FromRedisValue};
use tracing::debug;

use crate::engines::Heard;

/// How long heard pieces are kept after they were last touched: longer than the longest time
/// between two attempts, and than it takes a person to put a dead letter back.
const KEPT_SECONDS: i64 = 7 * 24 * 3600;

/// How long heard pieces are kept once their call settles: longer than it takes until another worker
/// takes over the call of one that died in between.
const SETTLING_SECONDS: i64 = 600;

/// How long a day's spending is kept.
const SPENT_SECONDS: i64 = 2 * 24 * 3600;

/// How long a question may take before the answer does not matter.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The field that tells that all pieces are there.
const COMPLETE: &str = "complete";

const DAY_MS: i64 = 24 * 3600 * 1000;

/// What was heard, kept for another while, so that what waits for a quota does not expire meanwhile.
const HEARD: &str = "\
local heard = redis.call('HGETALL', KEYS[1])
if #heard > 0 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return heard";

const LOOK: &str = "#!lua flags=allow-oom
local looks = redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
redis.call('EXPIRE', KEYS[1], ARGV[2])
return looks";

/// A full Redis takes these small writes too: paying again would be dearer.
const KEEP: &str = "#!lua flags=allow-oom
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])";

const SPEND: &str = "#!lua flags=allow-oom
local spent = tonumber(redis.call('GET', KEYS[1]) or '0')
if spent + tonumber(ARGV[1]) > tonumber(ARGV[2]) then return 0 end
redis.call('INCRBY', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1";

/// Leaves the key's expiry as it is, and makes no key anew.
const REFUND: &str = "#!lua flags=allow-oom
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('DECRBY', KEYS[1], ARGV[1]) end";

/// What was spent, so that it can be given back.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Spending {
    /// Whose purse it came from.
    pub purse: String,
    /// On which day (UTC), counted from 1970-01-01: a refund after midnight is not the next day's.
    pub day: i64,
    /// How much, in micro-dollars.
    pub microusd: u64,
}

impl Spending {
    fn key(&self) -> String {
        format!("spent:{}:{}", self.purse, self.day)
    }
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    link: Option<Link>,
    redactor: Redactor,
}

impl Ledger {
    /// A ledger that keeps nothing.
    pub fn off() -> Self {
        Self { link: None, redactor: Redactor::default() }
    }

    /// A ledger in the Redis of the queues, be it one server, behind sentinels or a cluster.
    pub fn open(link: Link) -> Self {
        Self { link: Some(link), ..Self::off() }
    }

    /// Masks what is not to be kept in what it keeps.
    pub fn redacting(self, redactor: Redactor) -> Self {
        Self { redactor, ..self }
    }

    /// What was heard of a work before, by piece.
    pub async fn heard(&self, work: &str) -> HashMap<String, Heard> {
        let asked = self.ask(|link| {
            let mut command = script(HEARD, link.key(&heard_key(work)));
            command.arg(KEPT_SECONDS);
            command
        });
        let found: HashMap<String, String> = asked.await.unwrap_or_default();
        let read =
            |(piece, json): (String, String)| Some((piece, serde_json::from_str(&json).ok()?));
        found.into_iter().filter_map(read).collect()
    }

    /// Keeps what was heard in a piece; not one that begins or ends within a number that may be a
    /// card's, of which no piece alone tells what has to be masked.
    pub async fn keep(&self, work: &str, piece: &str, heard: &Heard) {
        let mut heard = heard.clone();
        self.redactor.texts(heard.segments.iter_mut().map(|segment| &mut segment.text));
        if self.redactor.may_hold_a_part(heard.segments.iter().map(|segment| &*segment.text)) {
            return;
        }
        let Ok(json) = serde_json::to_string(&heard) else { return };
        let kept = self.ask::<()>(|link| {
            let mut command = script(KEEP, link.key(&heard_key(work)));
            command.arg(piece).arg(json).arg(KEPT_SECONDS);
            command
        });
        kept.await;
    }

    /// Notes that all pieces of a work were heard.
    pub async fn complete(&self, work: &str) {
        let noted = self.ask::<()>(|link| {
            let mut command = script(KEEP, link.key(&heard_key(work)));
            command.arg(COMPLETE).arg(1).arg(KEPT_SECONDS);
            command
        });
        noted.await;
    }

    /// Whether all pieces of a work were heard before, so that it needs no engine any more.
    pub async fn is_complete(&self, work: &str) -> bool {
        let asked = self.ask(|link| {
            let mut command = redis::cmd("HEXISTS");
            command.arg(link.key(&heard_key(work))).arg(COMPLETE);
            command
        });
        asked.await.unwrap_or(false)
    }

    /// Counts how often a work was looked at in vain, for one reason, over all its attempts and
    /// waits; `None` where that cannot be told.
    pub async fn look(&self, work: &str, reason: &str) -> Option<u32> {
        let counted = self.ask(|link| {
            let mut command = script(LOOK, link.key(&heard_key(work)));
            command.arg(format!("looks:{reason}")).arg(KEPT_SECONDS);
            command
        });
        counted.await
    }

    /// Lets go of a work that is about to settle: what was heard is kept just long enough for the
    /// settlement to get through.
    pub async fn release(&self, work: &str) {
        let released = self.ask::<()>(|link| {
            let mut command = redis::cmd("EXPIRE");
            command.arg(link.key(&heard_key(work))).arg(SETTLING_SECONDS);
            command
        });
        released.await;
    }

    /// Spends from today's purse; `None` where that would pass the limit.
    pub async fn spend(&self, purse: &str, microusd: u64, limit: u64) -> Option<Spending> {
        let spending = Spending { purse: purse.to_owned(), day: now_ms() / DAY_MS, microusd };
        let spent = self.ask::<bool>(|link| {
            let mut command = script(SPEND, link.key(&spending.key()));
            command.arg(microusd).arg(limit).arg(SPENT_SECONDS);
            command
        });
        spent.await.unwrap_or(true).then_some(spending)
    }

    /// Gives back what was not spent after all, to the purse of the day it came from.
    pub async fn refund(&self, spending: &Spending) {
        let refunded = self.ask::<()>(|link| {
            let mut command = script(REFUND, link.key(&spending.key()));
            command.arg(spending.microusd);
            command
        });
        refunded.await;
    }

    async fn ask<T: FromRedisValue>(&self, question: impl FnOnce(&Link) -> Cmd) -> Option<T> {
        let link = self.link.as_ref()?;
        match tokio::time::timeout(TIMEOUT, link.query(&question(link))).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(error)) => {
                debug!(%error, "the ledger did not answer");
                None
            }
            Err(_) => {
                debug!("the ledger did not answer in time");
                None
            }
        }
    }
}

fn script(text: &str, key: String) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(text).arg(1).arg(key);
    command
}

fn heard_key(work: &str) -> String {
    format!("heard:{work}")
}

/// How long until the next day begins, in UTC.
pub fn until_tomorrow() -> Duration {
    let left = DAY_MS - now_ms().rem_euclid(DAY_MS);
    Duration::from_millis(u64::try_from(left).unwrap_or(0))
}
