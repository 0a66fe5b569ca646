//! What an export holds at once, measured in a process of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fs;

use callscribe_results::{Config, DatabaseSettings, settings::ApiSettings, store::Store};
use chassis::Process;
use sea_orm::ConnectionTrait;
use tokio_util::sync::CancellationToken;

const ROWS: u64 = 30_000;
/// Characters of a transcript, and what an export of all may add to the process: far less than the
/// 60 MB of the transcripts, and more than two databases' caches.
const TRANSCRIPT: usize = 2_000;
const GROWTH_KB: u64 = 24 * 1024;

/// Peak of the resident memory in kB, where the system tells it.
fn peak_kb() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

/// Lets the peak begin anew at what is held now.
fn forget_peak() -> bool {
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_of_tens_of_thousands_of_calls_holds_a_page_of_them() {
    chassis::install_tls();
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/callscribe.db", folder.path().display());
    let database = DatabaseSettings::at(url);
    fill(&Store::open(&database).await.unwrap()).await;

    let process = Process::new(CancellationToken::new());
    let mut config = Config::default();
    // Nobody listens there: what is exported needs no queue.
    config.redis.url = format!("redis+unix://{}/none.sock", folder.path().display()).into();
    config.results.database = database;
    config.results.api =
        ApiSettings { listen: ([127, 0, 0, 1], 0).into(), ..ApiSettings::default() };
    let service = tokio::spawn(callscribe_results::run(config, process.clone()));
    let api = process.listener("results").await.unwrap();

    for format in ["csv", "jsonl"] {
        let measured = forget_peak();
        let before = peak_kb();
        let mut response =
            reqwest::get(format!("{api}/v1/calls/export?format={format}")).await.unwrap();
        let (mut lines, mut bytes) = (0, 0);
        while let Some(piece) = response.chunk().await.unwrap() {
            lines += piece.iter().filter(|byte| **byte == b'\n').count() as u64;
            bytes += piece.len();
        }
        let head = u64::from(format == "csv");
        assert_eq!(lines, ROWS + head);
        assert!(bytes > 55_000_000, "{bytes}");
        match (measured, before, peak_kb()) {
            (true, Some(before), Some(after)) => {
                let growth = after.saturating_sub(before);
                println!("{format}: {bytes} bytes sent, {growth} kB more held at the peak");
                assert!(growth < GROWTH_KB, "{format}: {growth} kB more held at the peak");
            }
            _ => println!("this system does not tell the peak: only the rows were counted"),
        }
    }
    process.stop().cancel();
    service.await.unwrap().unwrap();
}

async fn fill(store: &Store) {
    let transaction = store.begin().await.unwrap();
    // What is searched for is not what is measured.
    transaction.execute_unprepared("DROP TRIGGER call_search_insert").await.unwrap();
    let row = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS}) \
         INSERT INTO call_logs (call_sid, account_sid, status, final_transcript, attempts, \
         created_at, updated_at, fold) \
         SELECT printf('CA%032x', i), printf('AC%032x', 1), 'completed', \
         hex(randomblob({})), 1, '2026-09-21T14:13:20+00:00', '2026-09-21T14:13:20+00:00', '{{}}' \
         FROM n",
        TRANSCRIPT / 2
    );
    transaction.execute_unprepared(&row).await.unwrap();
    transaction.commit().await.unwrap();
}
