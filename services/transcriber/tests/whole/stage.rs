//! A transcriber between a private Redis, a Twilio double and an engine double.

use std::{
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use callscribe_transcriber::{
    Config,
    engines::{Engine, chosen},
    run_with,
};
use chassis::{
    Process,
    queues::{self, job_entry},
};
use domain::{AccountSid, CallEvent, CallJob, CallSid, EventKind, JobSource, RecordingSid};
use queue::{ConsumerOptions, Delivery, Handler, Link, RedisSettings, Settlement};
use tempfile::TempDir;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use twilio::double::{Double, DoubleCall};
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::method};

/// How long something may take to come true before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(40);

pub fn account() -> AccountSid {
    format!("AC{:032x}", 0xa).parse().unwrap()
}

pub fn call(number: u32) -> CallSid {
    format!("CA{number:032x}").parse().unwrap()
}

pub fn recording(number: u32) -> RecordingSid {
    format!("RE{number:032x}").parse().unwrap()
}

/// A redis-server on a unix socket, killed with the value.
pub struct Redis {
    folder: TempDir,
    child: Child,
}

impl Redis {
    pub fn start() -> Self {
        let folder = TempDir::with_prefix("transcriber-redis-").unwrap();
        let child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no"])
            // So that tests can look for words in what is stored.
            .args(["--rdbcompression", "no", "--unixsocket"])
            .arg(folder.path().join("redis.sock"))
            .arg("--dir")
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        Self { folder, child }
    }

    pub fn settings(&self) -> RedisSettings {
        let socket = self.folder.path().join("redis.sock");
        let url = format!("redis+unix://{}", socket.display());
        RedisSettings { url: url.into(), prefix: "test".into(), ..Default::default() }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until Redis answers.
pub async fn up(link: &Link) {
    until_so(async || link.ping().await.is_ok()).await;
}

/// Waits until something is so.
pub async fn until_so(mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it comes true");
}

/// Passes on every event of the `results` queue.
struct Listening(mpsc::UnboundedSender<CallEvent>);

impl Handler for Listening {
    async fn handle(&self, delivery: Delivery) -> Settlement {
        let _ = self.0.send(serde_json::from_str(&delivery.body).unwrap());
        Settlement::done()
    }
}

/// Everything around a running transcriber.
pub struct Stage {
    pub twilio: Double,
    pub engine: MockServer,
    pub calls: queue::Queue,
    events: mpsc::UnboundedReceiver<CallEvent>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
    redis: Redis,
}

impl Stage {
    /// A transcriber whose engine hears `i need a locksmith in austin` in loud audio and `how can i
    /// help you` in quiet audio.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// The same with other settings.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let own = |config: &Config| {
            chosen(&config.transcriber.engines, &config.transcriber.folder()).unwrap()
        };
        Self::build(change, own).await
    }

    /// The same with other settings and engines.
    pub async fn with_engines(
        engines: Vec<Arc<dyn Engine>>,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        Self::build(change, |_| engines).await
    }

    async fn build(
        change: impl FnOnce(&mut Config),
        engines: impl FnOnce(&Config) -> Vec<Arc<dyn Engine>>,
    ) -> Self {
        chassis::install_tls();
        let redis = Redis::start();
        let twilio = Double::start(account(), "token").await.unwrap();
        let engine = MockServer::start().await;
        let mut config =
            Config { redis: redis.settings(), twilio: twilio.settings(), ..Default::default() };
        config.transcriber.engines.openai.base_url = Some(format!("{}/v1", engine.uri()));
        config.transcriber.engines.openai.usd_per_minute = Some(0.006);
        change(&mut config);
        let link = Link::open(&config.redis).await.unwrap();
        up(&link).await;
        let stop = CancellationToken::new();
        let (sender, events) = mpsc::unbounded_channel();
        let results = queues::results(link.clone());
        let listening =
            queue::consume(results, ConsumerOptions::default(), Listening(sender), stop.clone());
        let engines = engines(&config);
        let transcriber = run_with(config, Process::new(stop.clone()), engines);
        let tasks = vec![
            tokio::spawn(async move { listening.await.unwrap() }),
            tokio::spawn(async move { transcriber.await.unwrap() }),
        ];
        Self { twilio, engine, calls: queues::calls(link), events, stop, tasks, redis }
    }

    /// An engine that tells loud from quiet.
    pub async fn engine_hears(&self) {
        let respond = |request: &Request| {
            let loud = is_loud(request);
            let text = if loud { "i need a locksmith in austin" } else { "how can i help you" };
            let segment = serde_json::json!({ "start": 0.3, "end": 2.0, "text": text });
            let answer = serde_json::json!({
                "text": text, "language": "english", "segments": [segment] });
            ResponseTemplate::new(200).set_body_json(answer)
        };
        Mock::given(method("POST")).respond_with(respond).mount(&self.engine).await;
    }

    /// What every key of Redis holds.
    pub async fn everything_in_redis(&self) -> String {
        use redis::AsyncCommands;
        use secrecy::ExposeSecret;
        let url = self.redis.settings().url.expose_secret().to_owned();
        let client = redis::Client::open(url).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let keys: Vec<String> = connection.keys("*").await.unwrap();
        let mut all = String::new();
        for key in keys {
            let dump: Vec<u8> =
                redis::cmd("DUMP").arg(&key).query_async(&mut connection).await.unwrap();
            all += &format!("{key} {}\n", String::from_utf8_lossy(&dump));
        }
        all
    }

    /// A call at Twilio.
    pub fn inbound(&self, number: u32) {
        self.twilio.add_call(DoubleCall::inbound(call(number), "+15125550123", "+15125550100"));
    }

    pub async fn enqueue(&self, job: CallJob) {
        self.add(job_entry(&job, None).unwrap()).await;
    }

    /// Adds an entry, as soon as a busy Redis takes it.
    async fn add(&self, entry: queue::Entry) {
        until_so(async || self.calls.enqueue(entry.clone()).await.is_ok()).await;
    }

    pub async fn transcribe(&self, number: u32) {
        self.enqueue(to_transcribe(number)).await;
    }

    /// The same once more, as when a worker died before it settled.
    pub async fn transcribe_again(&self, number: u32) {
        let entry = job_entry(&to_transcribe(number), None).unwrap();
        self.add(queue::Entry { once: None, ..entry }).await;
    }

    pub async fn resolve(&self, number: u32) {
        self.enqueue(CallJob::Resolve {
            account_sid: account(),
            call_sid: call(number),
            source: JobSource::CallStatus,
        })
        .await;
    }

    /// The events up to and with the first terminal one.
    pub async fn until_terminal(&mut self) -> Vec<CallEvent> {
        self.until(|event| event.kind.is_terminal()).await
    }

    /// The events up to and with the first that is wanted.
    pub async fn until(&mut self, wanted: impl Fn(&CallEvent) -> bool) -> Vec<CallEvent> {
        let mut seen = Vec::new();
        let waiting = async {
            while let Some(event) = self.events.recv().await {
                let found = wanted(&event);
                seen.push(event);
                if found {
                    break;
                }
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            panic!("the event did not come; seen: {seen:?}");
        }
        seen
    }

    /// Tells everything to stop, and does not wait for it.
    pub fn tell_to_stop(&self) {
        self.stop.cancel();
    }

    /// Stops everything and waits for its end.
    pub async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            tokio::time::timeout(PATIENCE, task).await.expect("it stops").unwrap();
        }
    }
}

fn to_transcribe(number: u32) -> CallJob {
    CallJob::Transcribe {
        account_sid: account(),
        call_sid: call(number),
        recording_sid: recording(number),
        generation: 0,
        source: JobSource::Callback,
    }
}

/// The terminal event among those seen.
pub fn outcome(events: &[CallEvent]) -> &EventKind {
    &events.iter().find(|event| event.kind.is_terminal()).unwrap().kind
}

/// Whether the audio of a request is the caller's.
pub fn is_loud(request: &Request) -> bool {
    let file = request.body.windows(4).position(|four| four == b"RIFF").unwrap();
    let size: [u8; 4] = request.body[file + 40..file + 44].try_into().unwrap();
    let data = &request.body[file + 44..][..u32::from_le_bytes(size) as usize];
    let samples = data.chunks_exact(2);
    let loudest = samples.map(|p| i16::from_le_bytes([p[0], p[1]]).unsigned_abs()).max();
    loudest.unwrap_or(0) > 12_000
}
