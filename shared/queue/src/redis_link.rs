//! The connection to Redis.
//!
//! One multiplexed connection serves all short commands of all queues; every consumer has another
//! one for its blocking reads. Both are taken from a deadpool-redis pool, which knows how to find
//! the server, and are replaced when they fail.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use crate::{
    QueueError, RedisSettings,
    error::{classify, drops_connection},
    health::Health,
    script::{Script, Scripts},
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
}

struct Inner {
    prefix: String,
    source: Source,
    scripts: Scripts,
    health: Health,
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
    /// Prepares connections; does not wait for Redis, which may come later.
    ///
    /// # Errors
    /// [`QueueError::Settings`] when a setting cannot be used.
    pub async fn open(settings: &RedisSettings) -> Result<Self, QueueError> {
        if settings.prefix.is_empty() || settings.prefix.contains(['{', '}']) {
            return Err(QueueError::Settings(format!(
                "prefix {:?}: must not be empty nor contain braces, which mark the hash tag",
                settings.prefix
            )));
        }
        let inner = Arc::new(Inner {
            prefix: settings.prefix.clone(),
            source: Source::new(settings)?,
            scripts: Scripts::new(),
            health: Health::new(),
            shared: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
        });
        tokio::spawn(probe(Arc::downgrade(&inner)));
        Ok(Self { inner })
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
        let (generation, mut connection) = self.shared_connection().await?;
        let answer = connection.req_packed_command(command).await.and_then(Value::extract_error);
        self.note(generation, answer)
    }

    /// Calls a script over the shared connection, loading it where the server does not know it.
    pub(crate) async fn script(
        &self,
        script: &Script,
        keys: &[&str],
        arguments: &Arguments,
    ) -> Result<Value, QueueError> {
        let (generation, mut connection) = self.shared_connection().await?;
        let call = arguments.call("EVALSHA", &script.sha, keys);
        let mut answer = connection.req_packed_command(&call).await.and_then(Value::extract_error);
        if answer.as_ref().is_err_and(|error| error.code() == Some("NOSCRIPT")) {
            let call = arguments.call("EVAL", &script.code, keys);
            answer = connection.req_packed_command(&call).await.and_then(Value::extract_error);
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
                    let mut shared = self.inner.shared();
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
        if let Some(found) = self.inner.current() {
            return Ok(found);
        }
        let _one_at_a_time = self.inner.connecting.lock().await;
        if let Some(found) = self.inner.current() {
            return Ok(found);
        }
        let connection = self.connect(RESPONSE_TIMEOUT).await?;
        let mut shared = self.inner.shared();
        shared.generation += 1;
        shared.connection = Some(connection.clone());
        Ok((shared.generation, connection))
    }

    async fn connect(&self, response: Duration) -> Result<MultiplexedConnection, QueueError> {
        let connected = self.inner.source.connect(response).await;
        connected.inspect_err(|error| self.inner.health.failed(error))
    }
}

impl Inner {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self) -> Option<(u64, MultiplexedConnection)> {
        let shared = self.shared();
        shared.connection.clone().map(|connection| (shared.generation, connection))
    }
}

/// Keeps readiness true to life while nobody writes. Ends with the last link.
async fn probe(inner: Weak<Inner>) {
    loop {
        let Some(inner) = inner.upgrade() else { return };
        let link = Link { inner };
        if link.health().since_write().is_none_or(|since| since >= FRESH_WRITE) {
            // The outcome is in the state, and so is the log line.
            let _ = link.ping().await;
        }
        drop(link);
        tokio::time::sleep(PROBE_INTERVAL).await;
    }
}

/// The arguments of a script call.
#[derive(Default)]
pub(crate) struct Arguments {
    buffer: Vec<Argument>,
}

enum Argument {
    Text(String),
    Number(i64),
    Fixed(&'static str),
}

impl Arguments {
    pub fn text(&mut self, text: impl Into<String>) -> &mut Self {
        self.buffer.push(Argument::Text(text.into()));
        self
    }

    pub fn fixed(&mut self, text: &'static str) -> &mut Self {
        self.buffer.push(Argument::Fixed(text));
        self
    }

    pub fn number(&mut self, number: i64) -> &mut Self {
        self.buffer.push(Argument::Number(number));
        self
    }

    fn call(&self, verb: &str, script: &str, keys: &[&str]) -> Cmd {
        let mut command = redis::cmd(verb);
        command.arg(script).arg(keys.len()).arg(keys);
        for argument in &self.buffer {
            match argument {
                Argument::Text(text) => command.arg(text),
                Argument::Number(number) => command.arg(number),
                Argument::Fixed(text) => command.arg(text),
            };
        }
        command
    }
}
