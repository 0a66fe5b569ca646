//! What was paid for is kept, counted and shared: on one server, behind sentinels, in a cluster.

use std::{
    future::pending,
    io::Write,
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use callscribe_transcriber::{
    audio::{AudioLimits, CutRule, SpeechDetector, read},
    chain::{Chain, Task},
    engines::{Engine, EngineError, Heard, Piece},
    ledger::{Ledger, Spending},
};
use domain::{RedactSettings, Redactor, Speaker};
use futures_util::future::{BoxFuture, join_all};
use queue::{Link, RedisSettings, Verdict};
use tempfile::TempDir;

use crate::{
    media::{Coding, voice, wav},
    stage::{PATIENCE, Redis, up},
};

/// A redis-server process of any kind on a port of its own.
struct Node {
    port: u16,
    folder: TempDir,
    child: Child,
}

impl Node {
    fn start(configuration: &str, arguments: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = TempDir::with_prefix("transcriber-node-").unwrap();
        let file = folder.path().join("redis.conf");
        std::fs::write(&file, format!("port {port}\n{configuration}\n")).unwrap();
        let child = Command::new("redis-server")
            .arg(&file)
            .args(arguments)
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        Self { port, folder, child }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    async fn raw<T: redis::FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let client = redis::Client::open(self.url())?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]).query_async(&mut connection).await
    }

    async fn until(&self, words: &[&str], wanted: &str) {
        let answered = async {
            while !self.raw::<String>(words).await.is_ok_and(|answer| answer.contains(wanted)) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, answered).await.expect("the node comes up");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.folder.path();
    }
}

async fn link(settings: RedisSettings) -> Link {
    let link = Link::open(&RedisSettings { prefix: "test".into(), ..settings }).await.unwrap();
    up(&link).await;
    link
}

async fn seconds_left(link: &Link, key: &str) -> i64 {
    let mut command = redis::cmd("TTL");
    command.arg(link.key(key));
    link.query(&command).await.unwrap()
}

fn said(text: &str) -> Heard {
    let at = callscribe_transcriber::audio::Stretch { start_ms: 0, end_ms: 1000 };
    Heard::whole(&Piece::new(at, vec![0; 16_000]), text, Some(0.5))
}

/// Everything the ledger does, on whatever is behind the link.
async fn keeps_books(link: Link) {
    let ledger = Ledger::open(link.clone());
    assert!(ledger.heard("RE1:0").await.is_empty());
    ledger.keep("RE1:0", "one", &said("hello")).await;
    ledger.keep("RE1:0", "two", &said("שלום")).await;
    let heard = ledger.heard("RE1:0").await;
    assert_eq!((heard.len(), &heard["two"]), (2, &said("שלום")));
    assert!((604_000..=604_800).contains(&seconds_left(&link, "heard:RE1:0").await));
    ledger.release("RE1:0").await;
    assert!((1..=600).contains(&seconds_left(&link, "heard:RE1:0").await));
    // Read again: the settlement did not get through, and its call is worked on once more.
    assert_eq!(ledger.heard("RE1:0").await.len(), 2);
    assert!(seconds_left(&link, "heard:RE1:0").await > 600);

    let spends = join_all((0..20).map(|_| ledger.spend("engine:AC1", 100, 1_000))).await;
    assert_eq!(spends.iter().flatten().count(), 10);
    assert!(ledger.spend("engine:AC2", 1_000, 1_000).await.is_some(), "a purse for each account");
    let spent = |microusd| ledger.spend("engine:AC1", microusd, 1_000);
    let spending = spends.into_iter().flatten().next().unwrap();
    ledger.refund(&spending).await;
    assert!(spent(100).await.is_some());
    assert!(spent(1).await.is_none());
}

#[tokio::test]
async fn a_refund_after_midnight_goes_to_the_day_that_was_spent_from_and_makes_no_purse() {
    let redis = Redis::start();
    let link = link(redis.settings()).await;
    let ledger = Ledger::open(link.clone());
    let today = ledger.spend("engine:AC1", 100, 1_000).await.unwrap();
    let key = |spending: &Spending| format!("spent:engine:AC1:{}", spending.day);
    // As it is in Redis when the day has changed since, and when the day's key is gone.
    let yesterday = Spending { day: today.day - 1, ..today.clone() };
    let mut set = redis::cmd("SET");
    set.arg(link.key(&key(&yesterday))).arg(300).arg("EX").arg(5_000);
    link.query::<()>(&set).await.unwrap();
    let long_ago = Spending { day: today.day - 9, ..today.clone() };
    for spending in [&yesterday, &long_ago] {
        ledger.refund(spending).await;
    }
    let mut left = Vec::new();
    for spending in [&today, &yesterday, &long_ago] {
        let mut get = redis::cmd("GET");
        get.arg(link.key(&key(spending)));
        left.push(link.query::<Option<i64>>(&get).await.unwrap());
    }
    assert_eq!(left, [Some(100), Some(200), None]);
    assert!((1..=5_000).contains(&seconds_left(&link, &key(&yesterday)).await));
}

#[tokio::test]
async fn of_a_card_number_that_is_read_out_over_several_pieces_no_part_is_kept() {
    let redis = Redis::start();
    let link = link(redis.settings()).await;
    let settings = RedactSettings { cards: true, ..Default::default() };
    let ledger = Ledger::open(link.clone()).redacting(Redactor::new(&settings).unwrap());
    let pieces = ["i am in austin", "my card is 4242", "4242", "4242 uh", "4242 thank you"];
    for (number, text) in pieces.into_iter().enumerate() {
        ledger.keep("RE1:0", &number.to_string(), &said(text)).await;
    }
    let mut values = redis::cmd("HVALS");
    values.arg(link.key("heard:RE1:0"));
    let kept: Vec<String> = link.query(&values).await.unwrap();
    assert!(kept.len() == 1 && kept[0].contains("austin"), "{kept:?}");
}

#[tokio::test]
async fn the_books_are_kept_on_a_single_server() {
    let redis = Redis::start();
    keeps_books(link(redis.settings()).await).await;
}

#[tokio::test]
async fn the_books_are_kept_on_a_full_server() {
    let redis = Redis::start();
    let link = link(redis.settings()).await;
    for (name, value) in [("maxmemory-policy", "noeviction"), ("maxmemory", "1")] {
        let mut command = redis::cmd("CONFIG");
        command.arg("SET").arg(name).arg(value);
        link.query::<()>(&command).await.unwrap();
    }
    keeps_books(link).await;
}

#[tokio::test]
async fn the_books_are_kept_behind_a_sentinel() {
    let plain = "save \"\"\nappendonly no";
    let master = Node::start(plain, &[]);
    master.until(&["PING"], "PONG").await;
    let watch = format!("sentinel monitor mymaster 127.0.0.1 {} 1", master.port);
    let sentinel = Node::start(&watch, &["--sentinel"]);
    sentinel.until(&["PING"], "PONG").await;
    let sentinels = vec![sentinel.url().into()];
    keeps_books(link(RedisSettings { sentinels, ..Default::default() }).await).await;
}

#[tokio::test]
async fn the_books_are_kept_in_a_cluster() {
    // A node that never met another one does not know its own address.
    let announced = "cluster-enabled yes\ncluster-announce-ip 127.0.0.1";
    let node = Node::start(&format!("save \"\"\n{announced}"), &[]);
    node.until(&["PING"], "PONG").await;
    node.raw::<()>(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await.unwrap();
    node.until(&["CLUSTER", "INFO"], "cluster_state:ok").await;
    let cluster = vec![node.url().into()];
    keeps_books(link(RedisSettings { cluster, ..Default::default() }).await).await;
}

#[tokio::test]
async fn a_redis_that_is_away_costs_no_call() {
    let redis = Redis::start();
    let settings = redis.settings();
    drop(redis);
    let ledger = Ledger::open(Link::open(&settings).await.unwrap());
    assert!(ledger.spend("engine:AC1", 100, 1).await.is_some());
    ledger.keep("RE1:0", "one", &said("hello")).await;
    assert!(ledger.heard("RE1:0").await.is_empty());
}

/// What an account may spend on the engine below in a day, in micro-dollars.
const DAY_LIMIT: u64 = 1_000_000;

/// Hears a phrase in each piece; of pieces from the `hangs_from`th on it never hears the end.
struct Dear {
    asked: AtomicUsize,
    hangs_from: usize,
    fails: Option<EngineError>,
}

impl Dear {
    fn new(hangs_from: usize) -> Arc<Self> {
        Arc::new(Self { asked: AtomicUsize::new(0), hangs_from, fails: None })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Engine for Dear {
    fn identity(&self) -> domain::Engine {
        domain::Engine { name: "dear".into(), model: None, version: None }
    }

    fn cut_rule(&self) -> CutRule {
        CutRule { longest_ms: 60_000, at_silence_ms: None }
    }

    fn microusd_per_minute(&self) -> Option<u64> {
        Some(60_000)
    }

    fn microusd_per_day(&self) -> Option<u64> {
        Some(DAY_LIMIT)
    }

    fn places(&self) -> usize {
        1
    }

    fn transcribe<'a>(
        &'a self,
        piece: &'a Piece,
        _: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Heard, EngineError>> {
        Box::pin(async move {
            let number = self.asked.fetch_add(1, Ordering::SeqCst);
            if number >= self.hangs_from {
                pending::<()>().await;
            }
            match &self.fails {
                Some(error) => Err(error.clone()),
                None => Ok(Heard::whole(piece, "i need a locksmith in austin please", None)),
            }
        })
    }
}

/// Two channels, a piece each.
fn task() -> Task {
    let silence = vec![0.0; 16_000 * 4];
    let voice = voice(4);
    let channels = [[voice.clone(), silence.clone()].concat(), [silence, voice].concat()];
    let folder = tempfile::tempdir().unwrap();
    let mut file = tempfile::NamedTempFile::new_in(&folder).unwrap();
    file.write_all(&wav(Coding::Pcm16, 16_000, &channels)).unwrap();
    let limits = AudioLimits { max_seconds: 60, speech: SpeechDetector::default() };
    let recording = Arc::new(read(file.path(), folder.path(), limits).unwrap());
    assert_eq!(recording.channels.len(), 2);
    Task {
        recording,
        speakers: vec![Speaker::Caller, Speaker::Agent],
        language: None,
        work: "RE1:0".into(),
        account: "AC1".into(),
        waits_until: tokio::time::Instant::now() + PATIENCE,
    }
}

#[tokio::test]
async fn a_worker_that_dies_between_two_pieces_has_only_the_second_paid_again() {
    let redis = Redis::start();
    let link = link(redis.settings()).await;
    let task = task();
    let dying = Dear::new(1);
    {
        let chain = Chain::new(vec![dying.clone()], Ledger::open(link.clone()));
        let ledger = Ledger::open(link.clone());
        let at_the_second = async {
            while dying.asked() < 2 || ledger.heard(&task.work).await.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            never = chain.transcribe(&task) => panic!("{never:?}"),
            reached = tokio::time::timeout(PATIENCE, at_the_second) => reached.unwrap(),
        }
    }
    let heir = Dear::new(usize::MAX);
    let chain = Chain::new(vec![heir.clone()], Ledger::open(link.clone()));
    let done = chain.transcribe(&task).await.unwrap();
    assert_eq!(heir.asked(), 1);
    assert_eq!(done.transcript.segments.len(), 2);

    // It settles, and the settlement does not get through: the next one pays nothing.
    chain.release(&task.work).await;
    let last = Dear::new(0);
    let chain = Chain::new(vec![last.clone()], Ledger::open(link));
    let again = chain.transcribe(&task).await.unwrap();
    assert_eq!((again.transcript, again.cost_microusd), (done.transcript, done.cost_microusd));
    assert_eq!(last.asked(), 0);
}

#[tokio::test]
async fn what_may_have_been_worked_on_is_spent_although_it_failed() {
    let redis = Redis::start();
    let link = link(redis.settings()).await;
    let task = task();
    for (number, (error, left)) in [
        (EngineError::Timeout { seconds: 1 }, 0),
        (EngineError::Unavailable("status 500".into()), 0),
        (EngineError::Malformed("no text".into()), 0),
        (EngineError::Unreachable("connection refused".into()), 1),
        (EngineError::RateLimited { after: None }, 1),
    ]
    .into_iter()
    .enumerate()
    {
        let engine =
            Dear { asked: AtomicUsize::new(0), hangs_from: 99, fails: Some(error.clone()) };
        let chain = Chain::new(vec![Arc::new(engine)], Ledger::open(link.clone()));
        let account = format!("AC{number}");
        let task = Task { account: account.clone(), ..task.clone() };
        chain.transcribe(&task).await.unwrap_err();
        // One of the two pieces was begun, or both; the purse holds two.
        let ledger = Ledger::open(link.clone());
        let all = ledger.spend(&format!("dear:{account}"), DAY_LIMIT, DAY_LIMIT).await;
        assert_eq!(all.iter().count(), left, "{error:?}");
    }
}

#[tokio::test]
async fn what_one_process_parks_every_process_leaves_alone_and_what_was_paid_still_completes() {
    let redis = Redis::start();
    let link = link(redis.settings()).await;
    let calls = chassis::queues::calls(link.clone());
    let parking = callscribe_transcriber::parking::Parking::of(calls.clone());
    let chain = |engine: &Arc<Dear>| {
        Chain::new(vec![engine.clone()], Ledger::open(link.clone())).parked_with(parking.clone())
    };
    let fails = Some(EngineError::QuotaExhausted);
    let spent = Arc::new(Dear { fails, asked: AtomicUsize::new(0), hangs_from: 99 });
    let met_it = chain(&spent);
    let setback = met_it.transcribe(&task()).await.unwrap_err();
    assert_eq!(setback.failure.code, "engine_quota_exhausted");

    let other = Dear::new(99);
    let elsewhere = chain(&other);
    for setback in [
        elsewhere.transcribe(&task()).await.unwrap_err(),
        elsewhere.look("AC1", None).await.unwrap_err(),
    ] {
        assert_eq!(setback.failure.code, "engine_parked");
        assert!(setback.failure.message.contains("quota"), "{setback:?}");
    }
    assert_eq!(other.asked(), 0);

    // A person has paid the bill; who met the quota asks again a little later, and parks nothing.
    assert!(calls.resume("engine:dear").await.unwrap());
    let setback = met_it.transcribe(&task()).await.unwrap_err();
    assert!(matches!(setback.verdict(), Verdict::Retry { counts: false, .. }));
    assert!(calls.stats().await.unwrap().pauses.is_empty());
    elsewhere.look("AC1", None).await.unwrap();
    let done = elsewhere.transcribe(&task()).await.unwrap();
    calls.pause("engine:dear", None, "by hand").await.unwrap();
    let again = elsewhere.transcribe(&task()).await.unwrap();
    assert_eq!((again.transcript, other.asked()), (done.transcript, 2));
}
