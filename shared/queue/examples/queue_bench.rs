//! How fast the queue is, beside what raw Redis commands reach on the same server in the same run.
//!
//! `cargo run --release -p callscribe-queue --example queue_bench -- [--only NAME] [--json FILE]`
//! starts a private redis-server (AOF everysec) and prints a table.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench fails by panicking")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use callscribe_queue::{ConsumerOptions, Delivery, Entry, Queue, Settlement};
use redis::aio::MultiplexedConnection;
use serde::Serialize;
use support::{Each, Redis, Running, eventually};

/// How many entries go into one call, raw and ours.
const BATCH: usize = 100;
/// Rounds of each, taken in turns; the median counts.
const ROUNDS: usize = 5;
const ENTRIES: usize = 100_000;
const BODY: &str = r#"{"type":"transcribe","account_sid":"AC00000000000000000000000000000000","call_sid":"CA00000000000000000000000000000000","recording_sid":"RE00000000000000000000000000000000","generation":0,"source":"callback"}"#;

#[derive(Serialize)]
struct Row {
    name: &'static str,
    value: f64,
    unit: &'static str,
    baseline: f64,
    ratio: f64,
    goal: f64,
    holds: bool,
}

impl Row {
    fn new(name: &'static str, value: f64, baseline: f64, goal: f64) -> Self {
        let ratio = value / baseline;
        Self { name, value, unit: "entries/s", baseline, ratio, goal, holds: ratio >= goal }
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let only = option("--only");
    let wanted = |name: &str| only.as_ref().is_none_or(|only| name.contains(only.as_str()));

    let mut rows = Vec::new();
    if wanted("queue.enqueue") {
        rows.push(enqueue().await);
    }
    if wanted("queue.cycle") {
        rows.push(cycle().await);
    }
    if wanted("queue.backlog_1m") {
        rows.push(backlog().await);
    }
    println!(
        "{:<20} {:>12} {:>12} {:>7} {:>6}  unit",
        "name", "value", "baseline", "ratio", "goal"
    );
    for row in &rows {
        println!(
            "{:<20} {:>12.0} {:>12.0} {:>7.2} {:>6.2}  {} {}",
            row.name,
            row.value,
            row.baseline,
            row.ratio,
            row.goal,
            row.unit,
            if row.holds { "" } else { "(missed)" }
        );
    }
    if let Some(file) = option("--json") {
        std::fs::write(file, serde_json::to_string_pretty(&rows).unwrap()).unwrap();
    }
    if rows.iter().any(|row| !row.holds) {
        std::process::exit(1);
    }
}

async fn server() -> Redis {
    Redis::with(&["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"]).await
}

fn entries() -> Vec<Entry> {
    (0..BATCH).map(|n| Entry::new(format!("CA{n:032}"), BODY)).collect()
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

fn rate(count: usize, since: Instant) -> f64 {
    count as f64 / since.elapsed().as_secs_f64()
}

/// The same entry as ours, as raw commands.
fn raw_adds() -> redis::Pipeline {
    let mut pipeline = redis::pipe();
    for n in 0..BATCH {
        pipeline.cmd("XADD").arg("{raw}:q").arg("*");
        pipeline.arg("key").arg(format!("CA{n:032}")).arg("body").arg(BODY);
        pipeline.ignore();
    }
    pipeline
}

async fn enqueue() -> Row {
    let redis = server().await;
    let queue = redis.queue("calls").await;
    let mut raw = redis.connection().await;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let started = Instant::now();
        for _ in 0..ENTRIES / BATCH {
            raw_adds().exec_async(&mut raw).await.unwrap();
        }
        theirs.push(rate(ENTRIES, started));
        redis.raw::<()>(&["DEL", "{raw}:q"]).await;

        let started = Instant::now();
        for _ in 0..ENTRIES / BATCH {
            queue.enqueue_batch(entries()).await.unwrap();
        }
        ours.push(rate(ENTRIES, started));
        redis.raw::<()>(&["DEL", "{test}:calls"]).await;
    }
    Row::new("queue.enqueue", median(ours), median(theirs), 0.8)
}

async fn raw_cycle(raw: &mut MultiplexedConnection) -> f64 {
    let started = Instant::now();
    for _ in 0..ENTRIES / BATCH {
        raw_adds().exec_async(raw).await.unwrap();
        raw_read_and_ack(raw).await;
    }
    rate(ENTRIES, started)
}

async fn raw_read_and_ack(raw: &mut MultiplexedConnection) {
    let mut read = redis::cmd("XREADGROUP");
    read.arg("GROUP").arg("g").arg("me").arg("COUNT").arg(BATCH).arg("STREAMS").arg("{raw}:q");
    let reply: redis::streams::StreamReadReply = read.arg(">").query_async(raw).await.unwrap();
    let ids: Vec<&str> = reply.keys[0].ids.iter().map(|entry| entry.id.as_str()).collect();
    let mut done = redis::pipe();
    done.cmd("XACK").arg("{raw}:q").arg("g").arg(&ids).ignore();
    done.cmd("XDEL").arg("{raw}:q").arg(&ids).ignore();
    done.exec_async(raw).await.unwrap();
}

fn options() -> ConsumerOptions {
    ConsumerOptions { concurrency: BATCH, ..ConsumerOptions::default() }
}

struct NoOp {
    running: Running,
    count: Arc<AtomicUsize>,
}

impl NoOp {
    fn start(queue: &Queue) -> Self {
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&count);
        let handler = Each(move |_: Delivery| {
            counter.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Settlement::done())
        });
        Self { running: Running::start(queue, options(), handler), count }
    }
}

async fn cycle() -> Row {
    let redis = server().await;
    let queue = redis.queue("calls").await;
    let mut raw = redis.connection().await;
    redis.raw::<()>(&["XGROUP", "CREATE", "{raw}:q", "g", "0", "MKSTREAM"]).await;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        theirs.push(raw_cycle(&mut raw).await);

        let worker = NoOp::start(&queue);
        queue.enqueue(Entry::new("warm", "x")).await.unwrap();
        eventually("warm", async || worker.count.load(Ordering::Relaxed) == 1).await;
        let started = Instant::now();
        for _ in 0..ENTRIES / BATCH {
            queue.enqueue_batch(entries()).await.unwrap();
        }
        eventually("drained", async || redis.raw::<u64>(&["XLEN", "{test}:calls"]).await == 0)
            .await;
        ours.push(rate(ENTRIES, started));
        worker.running.stop().await;
    }
    Row::new("queue.cycle", median(ours), median(theirs), 0.6)
}

/// Resident memory of this process in MiB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: f64 = status.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096.0 / 1_048_576.0
}

/// The rate at which a backlog is worked off, at its beginning.
async fn drain_rate(queue: &Queue, count: usize) -> (f64, f64) {
    let started = Instant::now();
    let worker = NoOp::start(queue);
    while worker.count.load(Ordering::Relaxed) < count {
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    let found = rate(count, started);
    let memory = resident();
    worker.running.stop().await;
    (found, memory)
}

async fn backlog() -> Row {
    const MILLION: usize = 1_000_000;
    const SOME: usize = 5_000;
    let redis = server().await;
    let fill = async |queue: &Queue, count: usize| {
        for _ in 0..count / BATCH {
            queue.enqueue_batch(entries()).await.unwrap();
        }
    };
    let (short, long) = (redis.queue("short").await, redis.queue("long").await);
    fill(&short, SOME).await;
    drain_rate(&short, SOME).await;
    let before = resident();
    fill(&long, MILLION).await;
    // In turns, so that what else the machine does hits both alike.
    let (mut of_few, mut of_many) = (Vec::new(), Vec::new());
    let mut memory = before;
    for _ in 0..15 {
        fill(&short, SOME).await;
        of_few.push(drain_rate(&short, SOME).await.0);
        let (found, used) = drain_rate(&long, SOME).await;
        of_many.push(found);
        memory = memory.max(used);
    }
    println!("memory of the consumer: {before:.1} MiB empty, {memory:.1} MiB before a million");
    let row = Row::new("queue.backlog_1m", median(of_many), median(of_few), 0.8);
    Row { holds: row.holds && memory < before + 16.0, ..row }
}
