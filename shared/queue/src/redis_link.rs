//! The connection to Redis.
//!
//! One multiplexed connection serves all short commands of all queues ([`Link::apart`] gives another
//! one); every consumer has one of its own for its blocking reads. All are taken from a deadpool-redis
//! pool, which knows how to find the server, and are replaced when they fail.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use crate::{
    QueueError, RedisSettings,
    error::{classify, drops_connection},
    health::Health,
    script::{Call, Scripts},
    server::Server,
    source::Source,
};
use redis::{Cmd, Value, aio::ConnectionLike, aio::MultiplexedConnection};

/// How long a command may take before the connection is given up.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(4);
/// How often readiness is looked after.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// A write younger than this spares the probe.
const FRESH_WRITE: Duration = Duration::from_secs(5);

/// A cheap-to-clone link to one Redis (server, sentinel set or cluster), shared by all queues.
#[derive(Clone)]
pub struct Link {
    inner: Arc<Inner>,
    line: Arc<Line>,
}

struct Inner {
    prefix: String,
    require_durable: bool,
    source: Source,
    scripts: Scripts,
    health: Health,
}

/// The connection that all clones of a link share.
#[derive(Default)]
struct Line {
    shared: Mutex<Shared>,
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Shared {
    connection: Option<MultiplexedConnection>,
    generation: u64,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("prefix", &self.inner.prefix).finish_non_exhaustive()
    }
}

impl Link {
    /// Prepares connections, and looks at the server's version and persistence if it answers; does
    /// not wait for it, it may come later.
    ///
    /// # Errors
    /// [`QueueError::Settings`] when a setting cannot be used, when the server is too old, and
    /// when it may lose entries although [`RedisSettings::require_durable`] is set.
    pub async fn open(settings: &RedisSettings) -> Result<Self, QueueError> {
        if settings.prefix.is_empty() || settings.prefix.contains(['{', '}']) {
            return Err(QueueError::Settings(format!(
                "prefix {:?}: must not be empty nor contain braces, which mark the hash tag",
                settings.prefix
            )));
        }
        let inner = Arc::new(Inner {
            prefix: settings.prefix.clone(),
            require_durable: settings.require_durable,
            source: Source::new(settings)?,
            scripts: Scripts::new(),
            health: Health::new(),
        });
        let link = Self { inner, line: Arc::default() };
        // An error now is one that waiting does not cure.
        if let Err(error @ QueueError::Settings(_)) = link.verify().await {
            return Err(error);
        }
        tokio::spawn(probe(Arc::downgrade(&link.inner), Arc::downgrade(&link.line)));
        Ok(link)
    }

    /// The same Redis over a connection of its own, which belongs to the runtime that uses it first:
    /// for a thread that is to wait for no other. What is known of the server stays common.
    pub fn apart(&self) -> Self {
        Self { inner: self.inner.clone(), line: Arc::default() }
    }

    /// Whether Redis answered and takes writes, as of now (readiness).
    pub fn is_ready(&self) -> bool {
        self.inner.health.is_ready()
    }

    /// One round trip to Redis: an error that names what is wrong.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`] when it does not answer, [`QueueError::Refused`] when it does
    /// not take writes.
    pub async fn ping(&self) -> Result<(), QueueError> {
        let key = format!("{{{}}}:probe", self.inner.prefix);
        let mut command = redis::cmd("SET");
        command.arg(key).arg(1).arg("EX").arg(60);
        self.command(&command).await?;
        self.inner.health.wrote();
        Ok(())
    }

    /// Deletes what others keep beside the queues under this prefix, by its name behind the prefix.
    /// Returns how many of the keys there were.
    ///
    /// # Errors
    /// When Redis does not take it.
    pub async fn delete_beside(&self, names: &[String]) -> Result<u64, QueueError> {
        if names.is_empty() {
            return Ok(0);
        }
        let mut command = redis::cmd("DEL");
        for name in names {
            command.arg(format!("{{{}}}:{name}", self.inner.prefix));
        }
        redis::from_redis_value(self.command(&command).await?)
            .map_err(|error| QueueError::Redis(error.to_string()))
    }

    /// Why the server may lose what it acknowledged, each with what to do about it; empty when it
    /// may not, or has not answered yet.
    pub fn risks(&self) -> Vec<String> {
        self.inner.health.risks()
    }

    /// The key `name` of this prefix, on the node that has the queues.
    pub fn key(&self, name: &str) -> String {
        format!("{{{}}}:{name}", self.inner.prefix)
    }

    /// Sends a command of the caller's own about keys made by [`Link::key`], for what lies beside
    /// the queues.
    ///
    /// # Errors
    /// When Redis does not answer, refuses, or answers something else than what is asked for.
    pub async fn query<T: redis::FromRedisValue>(&self, command: &Cmd) -> Result<T, QueueError> {
        let answer = self.command(command).await?;
        redis::from_redis_value(answer).map_err(|error| QueueError::Redis(error.to_string()))
    }

    /// Makes sure that there is a connection to a server that may be used.
    pub(crate) async fn verify(&self) -> Result<(), QueueError> {
        self.shared_connection().await.map(drop)
    }

    /// Changes whenever entries may have been lost: the server was started anew or replaced.
    pub(crate) fn incarnation(&self) -> u64 {
        self.inner.health.incarnation()
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.inner.prefix
    }

    pub(crate) fn scripts(&self) -> &Scripts {
        &self.inner.scripts
    }

    pub(crate) fn health(&self) -> &Health {
        &self.inner.health
    }

    /// A connection of one's own, for blocking commands of up to `blocking`.
    pub(crate) async fn dedicated(
        &self,
        blocking: Duration,
    ) -> Result<MultiplexedConnection, QueueError> {
        self.connect(blocking + RESPONSE_TIMEOUT).await
    }

    /// Sends a command over the shared connection.
    pub(crate) async fn command(&self, command: &Cmd) -> Result<Value, QueueError> {
        let (generation, answer) = self.ask(command).await?;
        self.note(generation, answer)
    }

    /// As [`Link::command`], for what may be forbidden to this user; `None` where it is.
    pub(crate) async fn command_if_allowed(
        &self,
        command: &Cmd,
    ) -> Result<Option<Value>, QueueError> {
        let (generation, answer) = self.ask(command).await?;
        if answer.as_ref().is_err_and(|error| error.code() == Some("NOPERM")) {
            return Ok(None);
        }
        self.note(generation, answer).map(Some)
    }

    /// Over which connection a command went, and what came of it.
    async fn ask(&self, command: &Cmd) -> Result<(u64, redis::RedisResult<Value>), QueueError> {
        let (generation, mut connection) = self.shared_connection().await?;
        let answer = connection.req_packed_command(command).await.and_then(Value::extract_error);
        Ok((generation, answer))
    }

    /// Calls a script over the shared connection, loading it where the server does not know it.
    pub(crate) async fn call(&self, call: &Call<'_>) -> Result<Value, QueueError> {
        let (generation, mut connection) = self.shared_connection().await?;
        let mut answer =
            connection.req_packed_command(call.command()).await.and_then(Value::extract_error);
        if answer.as_ref().is_err_and(|error| error.code() == Some("NOSCRIPT")) {
            // One after the other in a pipeline: nothing can flush in between.
            let mut pipeline = redis::pipe();
            pipeline.add_command(call.load()).add_command(call.command().clone());
            answer = connection
                .req_packed_commands(&pipeline, 1, 1)
                .await
                .and_then(|mut answers| answers.pop().unwrap_or(Value::Nil).extract_error());
        }
        self.note(generation, answer)
    }

    fn note(
        &self,
        generation: u64,
        answer: redis::RedisResult<Value>,
    ) -> Result<Value, QueueError> {
        match answer {
            Ok(value) => {
                self.inner.health.answered();
                Ok(value)
            }
            Err(error) => {
                if drops_connection(&error) {
                    let mut shared = self.line.shared();
                    if shared.generation == generation {
                        shared.connection = None;
                    }
                }
                let error = classify(&error);
                self.inner.health.failed(&error);
                Err(error)
            }
        }
    }

    async fn shared_connection(&self) -> Result<(u64, MultiplexedConnection), QueueError> {
        if let Some(found) = self.line.current() {
            return Ok(found);
        }
        let _one_at_a_time = self.line.connecting.lock().await;
        if let Some(found) = self.line.current() {
            return Ok(found);
        }
        let mut connection = self.connect(RESPONSE_TIMEOUT).await?;
        self.inspect(&mut connection).await?;
        let mut shared = self.line.shared();
        shared.generation += 1;
        shared.connection = Some(connection.clone());
        Ok((shared.generation, connection))
    }

    async fn inspect(&self, connection: &mut MultiplexedConnection) -> Result<(), QueueError> {
        let server = Server::inspect(connection).await;
        let server = server.map_err(|error| classify(&error)).and_then(|server| {
            let risks = server.risks.join("; ");
            match server.unusable.clone() {
                Some(unusable) => Err(QueueError::Settings(unusable)),
                None if self.inner.require_durable && !risks.is_empty() => {
                    Err(QueueError::Settings(format!(
                        "require_durable is set, but Redis may lose entries: {risks}"
                    )))
                }
                None => Ok(server),
            }
        });
        match server {
            Ok(server) => self.inner.health.found(server),
            Err(error) => {
                self.inner.health.failed(&error);
                return Err(error);
            }
        }
        Ok(())
    }

    async fn connect(&self, response: Duration) -> Result<MultiplexedConnection, QueueError> {
        let connected = self.inner.source.connect(response).await;
        connected.inspect_err(|error| self.inner.health.failed(error))
    }
}

impl Line {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self) -> Option<(u64, MultiplexedConnection)> {
        let shared = self.shared();
        shared.connection.clone().map(|connection| (shared.generation, connection))
    }
}

/// Keeps readiness true to life while nobody writes. Ends with the last link.
async fn probe(inner: Weak<Inner>, line: Weak<Line>) {
    loop {
        let (Some(inner), Some(line)) = (inner.upgrade(), line.upgrade()) else { return };
        let link = Link { inner, line };
        if link.health().since_write().is_none_or(|since| since >= FRESH_WRITE) {
            // The outcome is in the state, and so is the log line.
            let _ = link.ping().await;
        }
        drop(link);
        tokio::time::sleep(PROBE_INTERVAL).await;
    }
}
