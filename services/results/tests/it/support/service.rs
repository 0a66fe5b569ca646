//! The whole service with a redis-server of its own.

use std::process::{Child, Command, Stdio};

use callscribe_results::{Config, ResultsSettings, settings::ApiSettings};
use chassis::{Process, queues};
use domain::CallEvent;
use queue::{Link, Queue, RedisSettings};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Db, eventually};

/// A redis-server on a unix socket, killed with the value.
pub struct Redis {
    folder: TempDir,
    child: Child,
}

impl Redis {
    pub async fn start() -> Self {
        let folder = TempDir::with_prefix("results-redis-").unwrap();
        let child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(folder.path().join("redis.sock"))
            .arg("--dir")
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("these tests need redis-server: install the package redis-server (or redis)");
        let redis = Self { folder, child };
        let link = Link::open(&redis.settings()).await.unwrap();
        eventually("redis answers", || async { link.ping().await.is_ok() }).await;
        redis
    }

    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.folder.path().join("redis.sock").display())
    }

    pub fn settings(&self) -> RedisSettings {
        RedisSettings { url: self.url().into(), ..RedisSettings::default() }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running service.
pub struct Service {
    _db: Db,
    pub process: Process,
    pub calls: Queue,
    pub results: Queue,
    pub url: String,
    task: JoinHandle<anyhow::Result<()>>,
    client: reqwest::Client,
    _redis: Redis,
}

impl Service {
    pub async fn start(db: Db) -> Self {
        Self::with(db, |_| {}).await
    }

    pub async fn with(db: Db, change: impl FnOnce(&mut ResultsSettings)) -> Self {
        Self::configured(db, |config| change(&mut config.results)).await
    }

    pub async fn configured(db: Db, change: impl FnOnce(&mut Config)) -> Self {
        chassis::install_tls();
        let redis = Redis::start().await;
        let results = ResultsSettings {
            database: db.settings.clone(),
            api: ApiSettings { listen: ([127, 0, 0, 1], 0).into(), ..ApiSettings::default() },
            ..ResultsSettings::default()
        };
        let mut config = Config { redis: redis.settings(), results, ..Config::default() };
        change(&mut config);
        let process = Process::new(CancellationToken::new());
        let link = Link::open(&config.redis).await.unwrap();
        let task = tokio::spawn(callscribe_results::run(config, process.clone()));
        let url = process.listener("results").await.unwrap();
        Self {
            _db: db,
            process,
            calls: queues::calls(link.clone()),
            results: queues::results(link),
            url,
            task,
            client: reqwest::Client::new(),
            _redis: redis,
        }
    }

    /// Puts events onto the queue as the other services do.
    pub async fn publish(&self, events: &[CallEvent]) {
        let entries = events.iter().map(|event| queues::event_entry(event, None).unwrap());
        self.results.enqueue_batch(entries.collect()).await.unwrap();
    }

    /// Waits until everything published was persisted.
    pub async fn is_idle(&self) {
        eventually("the results queue is empty", || async {
            let stats = self.results.stats().await.unwrap();
            stats.waiting_live + stats.in_flight + stats.scheduled == 0
        })
        .await;
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    /// An answer that must be a success.
    pub async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.json().await.unwrap()
    }

    pub async fn stop(self) {
        self.process.stop().cancel();
        self.task.await.unwrap().unwrap();
    }
}

/// Checks that an answer is a problem document, and returns its detail.
pub async fn problem(response: Response, status: u16) -> String {
    assert_eq!(response.status().as_u16(), status);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let document: Value = response.json().await.unwrap();
    assert_eq!(document["status"], status);
    document["detail"].as_str().unwrap().to_owned()
}
