//! A private redis-server for each test, and handlers made of closures.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

pub mod chaos;
pub mod nodes;
pub mod proxy;

use std::{
    future::Future,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use callscribe_queue::{
    BatchHandler, ConsumerOptions, Decision, Delivery, Entry, Handler, Link, Outgoing, Queue,
    QueueError, QueueOptions, RedisSettings, Settlement, consume,
};
use redis::{FromRedisValue, aio::MultiplexedConnection};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long a condition may take to come true before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A redis-server on a unix socket in a folder of its own, killed with the value.
pub struct Redis {
    folder: TempDir,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl Redis {
    /// A server that keeps nothing on disk.
    pub async fn start() -> Self {
        Self::with(&["--save", "", "--appendonly", "no"]).await
    }

    /// A server that loses nothing it acknowledged.
    pub async fn durable() -> Self {
        Self::with(&["--save", "", "--appendonly", "yes", "--appendfsync", "always"]).await
    }

    pub async fn with(arguments: &[&str]) -> Self {
        let mut redis = Self {
            folder: TempDir::with_prefix("queue-redis-").unwrap(),
            arguments: arguments.iter().map(|a| (*a).to_owned()).collect(),
            child: None,
        };
        redis.restart().await;
        redis
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    pub fn settings(&self) -> RedisSettings {
        RedisSettings { url: self.url().into(), prefix: "test".into(), ..RedisSettings::default() }
    }

    pub async fn link(&self) -> Link {
        Link::open(&self.settings()).await.unwrap()
    }

    pub async fn queue(&self, name: &str) -> Queue {
        Queue::new(self.link().await, name, QueueOptions::default())
    }

    /// A queue that reports each decision to `reports`, with the transition as the body.
    pub async fn reporting_queue(&self, name: &str) -> Queue {
        Queue::new(self.link().await, name, reporting())
    }

    /// SIGKILL: what was not on disk is gone.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Starts it (again), and returns once it has loaded its data.
    pub async fn restart(&mut self) {
        self.slow_start(&[]);
        eventually("redis answers", async || {
            let Ok(mut connection) = self.try_connection().await else { return false };
            redis::cmd("PING").query_async::<String>(&mut connection).await.is_ok()
        })
        .await;
    }

    /// Starts it (again) without waiting for it.
    pub fn slow_start(&mut self, more: &[&str]) {
        self.kill();
        let _ = std::fs::remove_file(self.socket());
        let child = Command::new("redis-server")
            .args(["--port", "0", "--unixsocket"])
            .arg(self.socket())
            .arg("--dir")
            .arg(self.folder.path())
            .args(&self.arguments)
            .args(more)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        self.child = Some(child);
    }

    async fn try_connection(&self) -> redis::RedisResult<MultiplexedConnection> {
        // A busy machine is no failure: the test has its own patience.
        let config = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let client = redis::Client::open(self.url())?;
        client.get_multiplexed_async_connection_with_config(&config).await
    }

    pub async fn connection(&self) -> MultiplexedConnection {
        self.try_connection().await.unwrap()
    }

    pub async fn raw<T: FromRedisValue>(&self, command: &[&str]) -> T {
        self.try_raw(command).await.unwrap()
    }

    pub async fn try_raw<T: FromRedisValue>(&self, command: &[&str]) -> redis::RedisResult<T> {
        let mut connection = self.try_connection().await?;
        let mut raw = redis::cmd(command[0]);
        raw.arg(&command[1..]);
        raw.query_async(&mut connection).await
    }

    /// The fields of every entry of a stream.
    pub async fn entries(&self, stream: &str) -> Vec<std::collections::HashMap<String, String>> {
        let found: Vec<(String, std::collections::HashMap<String, String>)> =
            self.raw(&["XRANGE", stream, "-", "+"]).await;
        found.into_iter().map(|(_, fields)| fields).collect()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

pub fn reporting() -> QueueOptions {
    QueueOptions {
        on_decision: Some(Arc::new(|decision: &Decision| {
            let entry =
                Entry::new(decision.delivery.key.clone(), format!("{:?}", decision.transition));
            vec![Outgoing { queue: "reports".into(), entry }]
        })),
        ..QueueOptions::default()
    }
}

/// Waits for a condition to come true; it is looked at again every few milliseconds.
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
        panic!("never came true: {what}");
    }
}

/// A handler made of a closure.
pub struct Each<F>(pub F);

impl<F, Fut> Handler for Each<F>
where
    F: Fn(Delivery) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Settlement> + Send,
{
    async fn handle(&self, delivery: Delivery) -> Settlement {
        (self.0)(delivery).await
    }
}

/// A batch handler made of a closure.
pub struct Batch<F>(pub F);

impl<F, Fut> BatchHandler for Batch<F>
where
    F: Fn(Vec<Delivery>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Vec<Settlement>> + Send,
{
    async fn handle(&self, deliveries: Vec<Delivery>) -> Vec<Settlement> {
        (self.0)(deliveries).await
    }
}

/// Options that make a test quick.
pub fn quick() -> ConsumerOptions {
    ConsumerOptions {
        lease: Duration::from_millis(300),
        timeout: Duration::from_secs(10),
        backoff: Duration::from_millis(2),
        max_backoff: Duration::from_millis(10),
        grace: Duration::from_secs(10),
        ..ConsumerOptions::default()
    }
}

/// A consumer that runs until it is stopped.
pub struct Running {
    pub stop: CancellationToken,
    task: JoinHandle<Result<(), QueueError>>,
}

impl Running {
    pub fn start(queue: &Queue, options: ConsumerOptions, handler: impl Handler) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(consume(queue.clone(), options, handler, stop.clone()));
        Self { stop, task }
    }

    pub fn batches(queue: &Queue, options: ConsumerOptions, handler: impl BatchHandler) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(callscribe_queue::consume_batches(
            queue.clone(),
            options,
            handler,
            stop.clone(),
        ));
        Self { stop, task }
    }

    pub async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.expect("it stops").unwrap().unwrap();
    }

    /// Ends it as a crash does: nothing is settled or handed back.
    pub async fn crash(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// What a handler saw, in order.
pub struct Seen<T>(Arc<Mutex<Vec<T>>>);

impl<T> Clone for Seen<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Clone> Seen<T> {
    pub fn new() -> Self {
        Self(Arc::default())
    }

    pub fn push(&self, item: T) {
        self.0.lock().unwrap().push(item);
    }

    pub fn all(&self) -> Vec<T> {
        self.0.lock().unwrap().clone()
    }

    pub fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub async fn reaches(&self, count: usize) -> Vec<T> {
        eventually(&format!("{count} seen"), async || self.len() >= count).await;
        self.all()
    }
}
