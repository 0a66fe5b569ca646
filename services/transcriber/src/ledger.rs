//! What was paid for, in Redis: the pieces that engines transcribed, kept until their call has
//! settled, and what was spent today.
//!
//! Keys, with the prefix as their hash tag: `{P}:heard:<work>`, a hash from piece to what was heard,
//! which expires a day after it was last touched; `{P}:spent:<purse>:<day>`, a number.
//!
//! Nothing here may fail a call: where Redis does not answer, a piece is transcribed (and paid)
//! once more.

use std::{collections::HashMap, time::Duration};

use chassis::queues::now_ms;
use domain::Redactor;
use queue::RedisSettings;
use redis::{
    AsyncCommands, Client, IntoConnectionInfo, RedisResult,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use secrecy::ExposeSecret;
use tracing::{debug, warn};

use crate::engines::Heard;

/// How long heard pieces are kept after they were last touched: longer than the longest time
/// between two attempts.
const KEPT_SECONDS: i64 = 24 * 3600;

/// How long heard pieces are kept once their call settles.
const SETTLING_SECONDS: i64 = 600;

/// How long a day's spending is kept.
const SPENT_SECONDS: i64 = 2 * 24 * 3600;

/// How long a question may take before the answer does not matter.
const TIMEOUT: Duration = Duration::from_secs(2);

const DAY_MS: i64 = 24 * 3600 * 1000;

/// Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    connection: Option<ConnectionManager>,
    prefix: String,
    redactor: Redactor,
}

impl Ledger {
    /// A ledger that keeps nothing.
    pub fn off() -> Self {
        Self { connection: None, prefix: String::new(), redactor: Redactor::default() }
    }

    /// A ledger in the Redis of the queues; connects when it is first used.
    ///
    /// Behind sentinels, in a cluster, or with an authority of one's own it stays off, and says so.
    pub fn open(settings: &RedisSettings) -> Self {
        let prefix = settings.prefix.clone();
        let plain = settings.sentinels.is_empty()
            && settings.cluster.is_empty()
            && settings.ca_file.is_none();
        let connection = if plain { connect(settings).ok() } else { None };
        if connection.is_none() {
            warn!(
                "paid pieces are not kept across crashes and daily limits are not counted: that \
                 takes a single Redis server"
            );
        }
        Self { connection, prefix, redactor: Redactor::default() }
    }

    /// Masks what is not to be kept in what it keeps.
    pub fn redacting(self, redactor: Redactor) -> Self {
        Self { redactor, ..self }
    }

    /// What was heard of a work before, by piece.
    pub async fn heard(&self, work: &str) -> HashMap<String, Heard> {
        let key = self.heard_key(work);
        let asked = self.ask(async |mut connection| {
            let found: HashMap<String, String> = connection.hgetall(&key).await?;
            if !found.is_empty() {
                // Another day, so that what waits for a quota does not expire meanwhile.
                let _: () = connection.expire(&key, KEPT_SECONDS).await?;
            }
            Ok(found)
        });
        let found = asked.await.unwrap_or_default().into_iter();
        found.filter_map(|(piece, json)| Some((piece, serde_json::from_str(&json).ok()?))).collect()
    }

    /// Keeps what was heard in a piece.
    pub async fn keep(&self, work: &str, piece: &str, heard: &Heard) {
        let mut heard = heard.clone();
        self.redactor.texts(heard.segments.iter_mut().map(|segment| &mut segment.text));
        let Ok(json) = serde_json::to_string(&heard) else { return };
        let key = self.heard_key(work);
        self.ask(async |mut connection| {
            let mut both = redis::pipe();
            both.atomic().hset(&key, piece, &json).ignore().expire(&key, KEPT_SECONDS).ignore();
            both.query_async::<()>(&mut connection).await
        })
        .await;
    }

    /// Lets go of a work that is about to settle: what was heard is kept just long enough for the
    /// settlement to get through.
    pub async fn release(&self, work: &str) {
        let key = self.heard_key(work);
        self.ask(async |mut connection| connection.expire::<_, ()>(&key, SETTLING_SECONDS).await)
            .await;
    }

    /// Spends from today's purse unless that would pass the limit; returns whether it did.
    pub async fn spend(&self, purse: &str, microusd: u64, limit: u64) -> bool {
        let amount = i64::try_from(microusd).unwrap_or(i64::MAX);
        let key = self.spent_key(purse);
        let spent = self.ask(async |mut connection| {
            let mut both = redis::pipe();
            both.atomic().incr(&key, amount).expire(&key, SPENT_SECONDS).ignore();
            let (spent,): (i64,) = both.query_async(&mut connection).await?;
            Ok(spent)
        });
        let spent = spent.await;
        let passes = spent.is_some_and(|spent| u64::try_from(spent).unwrap_or(0) > limit);
        if passes {
            self.refund(purse, microusd).await;
        }
        !passes
    }

    /// Gives back what was not spent after all.
    pub async fn refund(&self, purse: &str, microusd: u64) {
        let amount = i64::try_from(microusd).unwrap_or(i64::MAX);
        let key = self.spent_key(purse);
        self.ask(async |mut connection| connection.decr::<_, _, ()>(&key, amount).await).await;
    }

    fn heard_key(&self, work: &str) -> String {
        format!("{{{}}}:heard:{work}", self.prefix)
    }

    fn spent_key(&self, purse: &str) -> String {
        format!("{{{}}}:spent:{purse}:{}", self.prefix, now_ms() / DAY_MS)
    }

    async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(ConnectionManager) -> RedisResult<T>,
    ) -> Option<T> {
        let connection = self.connection.clone()?;
        match tokio::time::timeout(TIMEOUT, question(connection)).await {
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

/// How long until the next day begins, in UTC.
pub fn until_tomorrow() -> Duration {
    let left = DAY_MS - now_ms().rem_euclid(DAY_MS);
    Duration::from_millis(u64::try_from(left).unwrap_or(0))
}

fn connect(settings: &RedisSettings) -> RedisResult<ConnectionManager> {
    let info = settings.url.expose_secret().into_connection_info()?;
    let mut access = info.redis_settings().clone();
    if let Some(username) = &settings.username {
        access = access.set_username(username);
    }
    if let Some(password) = &settings.password {
        access = access.set_password(password.expose_secret());
    }
    let client = Client::open(info.set_redis_settings(access))?;
    let config = ConnectionManagerConfig::new().set_number_of_retries(1);
    ConnectionManager::new_lazy_with_config(client, config)
}
