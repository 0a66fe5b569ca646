//! Thousands of entries through worker processes, while workers are killed, Redis is killed and
//! restarted, and connections are cut and delayed. A ledger tells what was accepted and what
//! arrived.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use callscribe_queue::{
    ConsumerOptions, Delivery, Entry, Failure, Lane, Link, Queue, QueueOptions, RedisSettings,
    Settlement, Verdict, consume,
};
use tokio_util::sync::CancellationToken;

use super::{Each, Redis, proxy::Proxy};

/// How many workers there are at any time.
const WORKERS: usize = 3;
/// How long the rest may take once the faults have ended.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to do, from `CALLS`, `SECONDS` and `SEED`.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub calls: usize,
    pub time: Duration,
    pub seed: u64,
}

impl Plan {
    pub fn from_environment() -> Self {
        let number = |name: &str, default: u64| match std::env::var(name).as_deref() {
            Ok("") | Err(_) => default,
            Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text}: not a number")),
        };
        Self {
            calls: number("CALLS", 3_000) as usize,
            time: Duration::from_secs(number("SECONDS", 20)),
            seed: number("SEED", fastrand::u64(..1_000_000)),
        }
    }
}

/// What came of it.
#[derive(Debug, serde::Serialize)]
pub struct Report {
    pub calls: usize,
    pub seed: u64,
    pub faults: BTreeMap<&'static str, usize>,
    /// Accepted, and neither handed over nor anywhere else.
    pub lost: usize,
    /// Handed over more than once.
    pub duplicated: usize,
    /// Left in a state other than handed over.
    pub left: usize,
    /// The longest time without anything handed over.
    pub longest_gap_s: f64,
    pub seconds: f64,
}

impl Report {
    pub fn holds(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.left == 0
    }
}

fn settings(socket: &Path) -> RedisSettings {
    let url = format!("redis+unix://{}", socket.display());
    RedisSettings { url: url.into(), prefix: "test".into(), ..RedisSettings::default() }
}

/// A worker process: works until its parent is gone, or it is killed.
pub async fn worker(socket: &str) {
    let link = Link::open(&settings(Path::new(socket))).await.unwrap();
    let queue = Queue::new(link, "calls", QueueOptions::default());
    let options = ConsumerOptions {
        concurrency: 8,
        lease: Duration::from_millis(1_500),
        timeout: Duration::from_secs(10),
        // Here the kills are no fault of the entries.
        max_deliveries: 1_000,
        max_attempts: 1_000,
        backoff: Duration::from_millis(20),
        max_backoff: Duration::from_millis(200),
        ..ConsumerOptions::default()
    };
    let stop = CancellationToken::new();
    let parent_gone = stop.clone();
    std::thread::spawn(move || {
        let _ = std::io::Read::read(&mut std::io::stdin(), &mut [0]);
        parent_gone.cancel();
    });
    let handler = Each(|delivery: Delivery| async move {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..20))).await;
        match fastrand::u8(..100) {
            0..=9 => {
                let failure = Failure::new("unlucky", "one in ten");
                Verdict::Retry { after: None, failure, counts: true }.into()
            }
            10..=11 => {
                let failure = Failure::new("busy", "one in fifty");
                let wait = Duration::from_millis(50);
                Verdict::Park { by: "engine".into(), wait, failure }.into()
            }
            _ => Settlement::done().emit("results", Entry::new(delivery.key, "")),
        }
    });
    consume(queue, options, handler, stop).await.unwrap();
}

struct Workers {
    socket: String,
    children: Vec<Child>,
}

impl Workers {
    fn start(socket: &Path) -> Self {
        let mut workers = Self { socket: socket.display().to_string(), children: Vec::new() };
        for _ in 0..WORKERS {
            workers.spawn();
        }
        workers
    }

    fn spawn(&mut self) {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["worker", &self.socket])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        self.children.push(child);
    }

    /// SIGKILL, and another one comes.
    fn replace(&mut self, which: usize) {
        let mut child = self.children.swap_remove(which);
        child.kill().unwrap();
        child.wait().unwrap();
        self.spawn();
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub async fn run(plan: Plan) -> Report {
    println!("chaos: CALLS={} SECONDS={} SEED={}", plan.calls, plan.time.as_secs(), plan.seed);
    let started = Instant::now();
    let mut random = fastrand::Rng::with_seed(plan.seed);
    let mut redis = Redis::durable().await;
    let proxy = Proxy::start(&redis.socket().with_file_name("proxy.sock"), &redis.socket());
    let mut workers = Workers::start(&proxy.socket);

    let link = Link::open(&settings(&proxy.socket)).await.unwrap();
    let queue = Queue::new(link, "calls", QueueOptions::default());
    let accepted = Arc::new(AtomicUsize::new(0));
    let producing = tokio::spawn(produce(queue, plan, Arc::clone(&accepted)));
    let over = Arc::new(AtomicBool::new(false));
    let direct = settings(&redis.socket());
    let watching = tokio::spawn(watch(direct, Arc::clone(&over)));

    let mut faults = BTreeMap::new();
    while started.elapsed() < plan.time || !producing.is_finished() {
        tokio::time::sleep(Duration::from_millis(random.u64(50..500))).await;
        let fault = match random.u8(..10) {
            0..=2 => {
                workers.replace(random.usize(..WORKERS));
                "worker_killed"
            }
            3 => {
                redis.restart().await;
                "redis_killed"
            }
            4..=5 => {
                let kill = ["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"];
                let _ = redis.try_raw::<redis::Value>(&kill).await;
                "clients_killed"
            }
            6..=7 => {
                proxy.cut();
                "connections_cut"
            }
            _ => {
                // Now and then for longer than a lease.
                proxy.delay(Duration::from_millis(random.u64(10..700)));
                let lasting = Duration::from_millis(random.u64(100..1_000));
                tokio::time::sleep(lasting).await;
                proxy.delay(Duration::ZERO);
                "connections_delayed"
            }
        };
        *faults.entry(fault).or_insert(0) += 1;
    }
    producing.await.unwrap();
    let observer = Queue::new(
        Link::open(&settings(&redis.socket())).await.unwrap(),
        "calls",
        QueueOptions::default(),
    );
    let healed = Instant::now();
    let mut left = usize::MAX;
    while left > 0 && healed.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if let Ok(stats) = observer.stats().await {
            left = (stats.waiting_live
                + stats.waiting_bulk
                + stats.in_flight
                + stats.scheduled
                + stats.dead) as usize;
        }
    }
    over.store(true, Ordering::Relaxed);
    let longest_gap_s = watching.await.unwrap();
    drop(workers);

    let mut arrived: HashMap<String, usize> = HashMap::new();
    for result in redis.entries("{test}:results").await {
        *arrived.entry(result["key"].clone()).or_default() += 1;
    }
    let accepted = accepted.load(Ordering::Relaxed);
    Report {
        calls: accepted,
        seed: plan.seed,
        faults,
        lost: accepted.saturating_sub(arrived.len()).saturating_sub(left),
        duplicated: arrived.values().map(|count| count - 1).sum(),
        left,
        longest_gap_s,
        seconds: started.elapsed().as_secs_f64(),
    }
}

/// Enqueues over most of the time; insists, and the key makes insisting harmless.
async fn produce(queue: Queue, plan: Plan, accepted: Arc<AtomicUsize>) {
    let pause = plan.time.mul_f64(0.8) / plan.calls.max(1) as u32;
    let begin = Instant::now();
    for n in 0..plan.calls {
        let mut entry =
            Entry::new(n.to_string(), "{}").once(n.to_string(), Duration::from_secs(86_400));
        if n % 4 == 0 {
            entry.lane = Lane::Bulk;
        }
        if n % 10 == 0 {
            entry.delay = Duration::from_millis(30);
        }
        loop {
            match queue.enqueue(entry.clone()).await {
                Ok(_) => break,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        accepted.fetch_add(1, Ordering::Relaxed);
        let due = begin + pause * n as u32;
        tokio::time::sleep_until(due.into()).await;
    }
}

/// The longest time in which nothing was handed over.
async fn watch(settings: RedisSettings, over: Arc<AtomicBool>) -> f64 {
    let link = Link::open(&settings).await.unwrap();
    let results = Queue::new(link, "results", QueueOptions::default());
    let (mut count, mut since, mut longest) = (0, Instant::now(), Duration::ZERO);
    while !over.load(Ordering::Relaxed) {
        if let Ok(stats) = results.stats().await
            && stats.waiting_live != count
        {
            count = stats.waiting_live;
            longest = longest.max(since.elapsed());
            since = Instant::now();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    longest.as_secs_f64()
}
