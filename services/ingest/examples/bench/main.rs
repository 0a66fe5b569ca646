//! How fast callbacks are taken, beside a bare warp handler that only reads the same body; how
//! long one takes; how much memory the service uses.
//!
//! Prints a line of JSON for each figure. Everything runs on this machine and talks to loopback:
//! a redis-server of its own (AOF, everysec), the service and the bare handler in processes of
//! their own, 64 connections. Run it in release:
//! `cargo run --release -p callscribe-ingest --example bench`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a bench that cannot run must say so")]

mod load;
mod process;
mod requests;

use std::time::Duration;

use process::{Bare, Redis, Service};
use requests::Requests;

/// Connections at once.
const CONNECTIONS: usize = 64;
/// Requests in one round of the throughput measurement.
const ROUND: usize = 25_000;
/// Rounds, the two servers in turn, so that both see the same machine.
const ROUNDS: usize = 4;
/// The arrival rate of the latency measurement, and for how long.
const RATE: u32 = 500;
const STEADY: Duration = Duration::from_secs(10);

/// The service's own; the bare handler and the load have it too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("service") => chassis::launch_on_one_thread("ingest", callscribe_ingest::run),
        Some("bare") => process::serve_bare(),
        _ => {
            chassis::on_runtime(async {
                measure().await;
                Ok(())
            })
            .unwrap();
            std::process::ExitCode::SUCCESS
        }
    }
}

async fn measure() {
    let redis = Redis::start().await;
    let service = Service::start(&redis.url()).await;
    let bare = Bare::start().await;
    let mut requests = Requests::new(&service.url);

    // The first connections and allocations belong to the idle state.
    load::closed_loop(service.address, CONNECTIONS, requests.next(200)).await;
    let idle = service.resident_mb();
    let mut warm = idle;

    let before = (service.cpu(), redis.cpu(), bare.cpu());
    let (mut taken, mut read) = (Vec::new(), Vec::new());
    let (mut loading_bare, mut loading_service) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..ROUNDS {
        let round = requests.next(ROUND);
        let own = process::own_cpu();
        read.push(load::closed_loop(bare.address, CONNECTIONS, round.clone()).await);
        let between = process::own_cpu();
        taken.push(load::closed_loop(service.address, CONNECTIONS, round).await);
        loading_bare += between - own;
        loading_service += process::own_cpu() - between;
        if taken.len() == 1 {
            warm = service.resident_mb();
        }
    }
    let after = service.resident_mb();
    let callbacks = (ROUND * ROUNDS) as f64;
    let micros = |spent: Duration| spent.as_secs_f64() * 1e6 / callbacks;
    eprintln!(
        "processor time a callback: service {:.1} µs, redis {:.1} µs, its load {:.1} µs; \
         bare handler {:.1} µs, its load {:.1} µs",
        micros(service.cpu() - before.0),
        micros(redis.cpu() - before.1),
        micros(loading_service),
        micros(bare.cpu() - before.2),
        micros(loading_bare),
    );
    let slowest = load::open_loop(service.address, RATE, requests.next(5000), STEADY).await;

    let (taken, read) = (median(taken), median(read));
    let share = taken / read;
    row("ingest.callback", taken, "callbacks/s", Some(read), "ratio >= 0.5", share >= 0.5);
    row("ingest.callback_p99_ms", slowest, "ms", None, "<= 5", slowest <= 5.0);
    row("memory.ingest_idle_mb", idle, "MB", None, "<= 20", idle <= 20.0);
    // Buffers and the allocator's arenas come with the first thousands; 40 bytes a callback kept
    // for longer would be three more.
    let stays = after <= warm + 3.0;
    row("memory.ingest_after_100k_mb", after, "MB", Some(warm), "<= after 25k + 3", stays);
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { values[middle - 1].midpoint(values[middle]) }
}

fn row(name: &str, value: f64, unit: &str, baseline: Option<f64>, goal: &str, holds: bool) {
    let rounded = |value: f64| (value * 1000.0).round() / 1000.0;
    let row = serde_json::json!({
        "name": name,
        "value": rounded(value),
        "unit": unit,
        "baseline": baseline.map(rounded),
        "ratio": baseline.map(|baseline| rounded(value / baseline)),
        "goal": goal,
        "holds": holds,
    });
    println!("{row}");
}
