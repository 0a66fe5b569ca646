//! How long the API's reads take with a million calls in the table, on SQLite and on a private
//! Postgres: the list, filtered lists, searches and one call, each at its 99th percentile. Beside
//! them stands `SELECT 1` on the same connections. Prints JSON rows, one for each database and kind
//! and one for the slowest of all. Then every call is exported over HTTP: what the process holds more
//! meanwhile, beside the megabytes that were sent.
//!
//! `cargo run --release -p callscribe-results --example bench_queries [CALLS] [FOLDER] [URL]`
//!
//! The folder keeps the SQLite database for the next run, and the URL of an empty Postgres database
//! the other one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a bench ends by panicking"
)]

#[path = "bench_queries/export.rs"]
mod export;
#[path = "bench_queries/million.rs"]
mod million;
#[path = "../tests/it/support/postgres.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod postgres;

use std::{path::PathBuf, time::Instant};

use callscribe_results::{
    DatabaseSettings,
    store::{Store, calls::CallQuery},
};
use fastrand::Rng;
use million::call_sid;

/// Requests of each kind.
const REQUESTS: usize = 400;
/// The goal of the 99th percentile.
const GOAL_MS: f64 = 50.0;
/// What an export may hold, whatever its size: some pages of rows, and a connection's cache.
const GOAL_MB: f64 = 24.0;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let calls: u32 = arguments.next().map_or(1_000_000, |calls| calls.parse().unwrap());
    let temporary = tempfile::tempdir().unwrap();
    let folder = arguments.next().map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    let kept = arguments.next();
    let mut worst: f64 = 0.0;
    let mut base: f64 = 0.0;
    let mut exports = Vec::new();

    let sqlite = format!("sqlite://{}/queries-{calls}.db", folder.display());
    let server = kept.is_none().then(postgres::Postgres::start);
    let private = server.as_ref().map(|server| server.url("postgres"));
    for (name, url) in [("sqlite", sqlite), ("postgres", kept.or(private).unwrap())] {
        let store = Store::open(&DatabaseSettings::at(url.clone())).await.unwrap();
        million::fill(&store, calls).await;
        let (slowest, ping) = measure(name, &store, calls).await;
        worst = worst.max(slowest);
        base = base.max(ping);
        store.close().await.unwrap();
        exports.push((name, export::take(url).await));
    }
    print("results.query_1m_p99_ms", worst, base);
    for (database, export) in exports {
        print_export(database, &export, calls);
    }
}

/// Measures every kind of read; returns the slowest, and `SELECT 1`.
async fn measure(database: &str, store: &Store, calls: u32) -> (f64, f64) {
    let mut rng = Rng::with_seed(7);
    let mut ping = Vec::new();
    for _ in 0..REQUESTS {
        let begun = Instant::now();
        store.ping().await.unwrap();
        ping.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    let ping = p99(ping);
    let mut worst: f64 = 0.0;
    for kind in ["list", "filtered", "search", "call"] {
        let mut took = Vec::new();
        let mut slowest = (0.0, String::new());
        for _ in 0..REQUESTS {
            let (what, ms) = ask(kind, store, calls, &mut rng).await;
            took.push(ms);
            if ms > slowest.0 {
                slowest = (ms, what);
            }
        }
        let p99 = p99(took);
        eprintln!("{database} {kind}: slowest {:.1} ms: {}", slowest.0, slowest.1);
        print(&format!("results.query_1m_p99_ms.{database}.{kind}"), p99, ping);
        worst = worst.max(p99);
    }
    (worst, ping)
}

/// One request, as the API asks the store, with the answer written as JSON; what it was, and how
/// many milliseconds it took.
async fn ask(kind: &str, store: &Store, calls: u32, rng: &mut Rng) -> (String, f64) {
    if kind == "call" {
        let sid = call_sid(rng.u32(0..calls));
        let begun = Instant::now();
        let call = store.call(&sid).await.unwrap().unwrap();
        serde_json::to_vec(&call).unwrap();
        return (sid, begun.elapsed().as_secs_f64() * 1000.0);
    }
    let mut query = CallQuery { limit: 50, ..CallQuery::default() };
    if rng.bool() {
        query.after = Some(million::place(rng.u32(0..calls)));
    }
    query.oldest_first = rng.u8(0..4) == 0;
    match kind {
        "filtered" => million::narrow(&mut query, rng),
        "search" => {
            let text = million::search_words(rng);
            if rng.bool() {
                million::narrow(&mut query, rng);
            }
            let what = format!("{text:?} {query:?}");
            let begun = Instant::now();
            let found = store.search(&text.parse().unwrap(), &query).await.unwrap();
            serde_json::to_vec(&found.rows).unwrap();
            return (what, begun.elapsed().as_secs_f64() * 1000.0);
        }
        _ => {}
    }
    let begun = Instant::now();
    let page = store.calls(&query).await.unwrap();
    serde_json::to_vec(&page.rows).unwrap();
    (format!("{query:?}"), begun.elapsed().as_secs_f64() * 1000.0)
}

fn p99(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() * 99).div_ceil(100) - 1]
}

fn print_export(database: &str, export: &export::Export, calls: u32) {
    let sent_mb = export.bytes as f64 / 1024.0 / 1024.0;
    eprintln!("{database}: {} rows exported in {:.1} s", export.rows, export.seconds);
    let Some(grown_mb) = export.grown_mb else { return };
    let round = |value: f64| (value * 100.0).round() / 100.0;
    let row = serde_json::json!({
        "name": format!("results.export_mb.{database}"), "value": round(grown_mb), "unit": "MB",
        "baseline": round(sent_mb), "ratio": round(grown_mb / sent_mb),
        "goal": format!("value <= {GOAL_MB}"),
        "holds": grown_mb <= GOAL_MB && export.rows == u64::from(calls),
    });
    println!("{row}");
}

fn print(name: &str, ms: f64, baseline: f64) {
    let round = |value: f64| (value * 100.0).round() / 100.0;
    let row = serde_json::json!({
        "name": name, "value": round(ms), "unit": "ms", "baseline": round(baseline),
        "ratio": round(ms / baseline), "goal": "value <= 50", "holds": ms <= GOAL_MS,
    });
    println!("{row}");
}
