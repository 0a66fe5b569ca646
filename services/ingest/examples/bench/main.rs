//! How fast callbacks are taken, beside a bare warp handler that only reads the same body, and
//! beside a prototype that does the least a callback needs; how long one takes; how much memory the
//! service uses.
//!
//! Prints a line of JSON for each figure. Everything runs on this machine and talks to loopback:
//! redis-servers of its own (AOF, everysec; one for the service, one for the prototype), every server
//! in a process of its own, 64 connections. Run it in release:
//! `cargo run --release -p callscribe-ingest --example bench`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a bench that cannot run must say so")]

mod load;
mod process;
mod prototype;
mod requests;

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use process::{Beside, Redis, Service};
use requests::Requests;

/// Connections at once.
const CONNECTIONS: usize = 64;
/// Requests in one round of the throughput measurement.
const ROUND: usize = 25_000;
/// Rounds, the servers in turn, so that all see the same machine.
const ROUNDS: usize = 4;
/// The arrival rate of the latency measurement, and for how long.
const RATE: u32 = 500;
const STEADY: Duration = Duration::from_secs(10);

/// The service's own; the other servers and the load have it too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("service") => chassis::launch_on_one_thread("ingest", callscribe_ingest::run),
        Some("bare") => process::serve_bare(),
        Some("prototype") => prototype::serve(),
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
    let (redis, redis_beside) = (Redis::start().await, Redis::start().await);
    let service = Service::start(&redis.url()).await;
    let mut requests = Requests::new(&service.url);
    let bare = Beside::start("bare", &[]).await;
    let prototype = Beside::start("prototype", &[&redis_beside.url(), &requests.url]).await;

    // The first connections and allocations belong to the idle state.
    load::closed_loop(service.address, CONNECTIONS, requests.next(200)).await;
    let idle = service.resident_mb();
    let mut warm = idle;

    let spent = || [service.cpu(), redis.cpu(), prototype.cpu(), redis_beside.cpu(), bare.cpu()];
    let before = spent();
    let (mut taken, mut least, mut read) =
        (Rounds::default(), Rounds::default(), Rounds::default());
    for _ in 0..ROUNDS {
        let round = requests.next(ROUND);
        read.run(bare.address, &round).await;
        least.run(prototype.address, &round).await;
        taken.run(service.address, &round).await;
        if taken.rates.len() == 1 {
            warm = service.resident_mb();
        }
    }
    let after = service.resident_mb();
    let spent = spent();
    let used = |of: usize| micros(spent[of] - before[of]);
    eprintln!(
        "processor time a callback: service {:.1} µs, redis {:.1} µs, its load {:.1} µs; \
         prototype {:.1} µs, redis {:.1} µs, its load {:.1} µs; \
         bare handler {:.1} µs, its load {:.1} µs",
        used(0),
        used(1),
        micros(taken.loading),
        used(2),
        used(3),
        micros(least.loading),
        used(4),
        micros(read.loading),
    );
    let slowest = load::open_loop(service.address, RATE, requests.next(5000), STEADY).await;

    let (taken, least, read) = (median(taken.rates), median(least.rates), median(read.rates));
    let share = taken / read;
    eprintln!("the service reaches {:.2} of the prototype's rate", taken / least);
    row("ingest.callback", taken, "callbacks/s", Some(read), Some(("ratio >= 0.5", share >= 0.5)));
    row("ingest.prototype", least, "callbacks/s", Some(read), None);
    row("ingest.callback_p99_ms", slowest, "ms", None, Some(("<= 5", slowest <= 5.0)));
    row("memory.ingest_idle_mb", idle, "MB", None, Some(("<= 20", idle <= 20.0)));
    // Buffers and the allocator's arenas come with the first thousands; 40 bytes a callback kept
    // for longer would be three more.
    let stays = ("<= after 25k + 3", after <= warm + 3.0);
    row("memory.ingest_after_100k_mb", after, "MB", Some(warm), Some(stays));
}

/// What the rounds against one server gave.
#[derive(Default)]
struct Rounds {
    /// Requests a second.
    rates: Vec<f64>,
    /// Processor time of the load.
    loading: Duration,
}

impl Rounds {
    async fn run(&mut self, address: SocketAddr, round: &[Bytes]) {
        let before = process::own_cpu();
        self.rates.push(load::closed_loop(address, CONNECTIONS, round.to_vec()).await);
        self.loading += process::own_cpu() - before;
    }
}

/// Of the processor time of all rounds, what one callback took.
fn micros(spent: Duration) -> f64 {
    spent.as_secs_f64() * 1e6 / (ROUND * ROUNDS) as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { values[middle - 1].midpoint(values[middle]) }
}

fn row(name: &str, value: f64, unit: &str, baseline: Option<f64>, goal: Option<(&str, bool)>) {
    let rounded = |value: f64| (value * 1000.0).round() / 1000.0;
    let row = serde_json::json!({
        "name": name,
        "value": rounded(value),
        "unit": unit,
        "baseline": baseline.map(rounded),
        "ratio": baseline.map(|baseline| rounded(value / baseline)),
        "goal": goal.map(|(goal, _)| goal),
        "holds": goal.map(|(_, holds)| holds),
    });
    println!("{row}");
}
