//! The whole product on one machine: how many calls a second pass from signed callback to row, how
//! long one takes when the machine is not busy, and what each service keeps in memory when it has
//! nothing to do.
//!
//! The three services run as processes of their own on a private Redis and an SQLite file; Twilio
//! and the speech engine are doubles on loopback, and the engine answers at once: what is measured
//! is Callscribe. Prints one JSON row a figure.
//!
//! `cargo run --release -p callscribe-tests --example bench_whole [CALLS]`

#![expect(clippy::unwrap_used, reason = "a bench ends by panicking")]

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use callscribe_tests::{CallscribeProcess, Database, RedisServer};
use domain::{AccountSid, CallSid, RecordingSid};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use twilio::double::{Double, DoubleCall, DoubleRecording};
use warp::Filter;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const SERVICES: [&str; 3] = ["ingest", "transcriber", "results"];
/// Calls one after the other, for the latency.
const SINGLE_CALLS: u32 = 100;
/// Callbacks under way at a time.
const CONNECTIONS: usize = 32;

#[tokio::main]
async fn main() {
    chassis::install_tls();
    let calls = std::env::args().nth(1).map_or(2000, |calls| calls.parse().unwrap());
    build_services();
    let whole = Whole::start().await;
    for (service, goal) in [("ingest", Some(20.0)), ("transcriber", None), ("results", Some(30.0))]
    {
        let megabytes = whole.resident_megabytes(service);
        row(&format!("memory.{service}_idle_mb"), megabytes, "MB", goal);
    }
    let mut latencies = Vec::new();
    for call in 0..SINGLE_CALLS {
        let begun = Instant::now();
        whole.post(call).await;
        whole.until_completed(call + 1).await;
        latencies.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    latencies.sort_by(f64::total_cmp);
    let at = |share: usize| latencies[(latencies.len() * share).div_ceil(100) - 1];
    row("end_to_end.latency_p50_ms", at(50), "ms", None);
    row("end_to_end.latency_p99_ms", at(99), "ms", None);

    let begun = Instant::now();
    let posts = (SINGLE_CALLS..SINGLE_CALLS + calls).map(|call| whole.post(call));
    stream::iter(posts).buffer_unordered(CONNECTIONS).collect::<Vec<()>>().await;
    whole.until_completed(SINGLE_CALLS + calls).await;
    let per_second = f64::from(calls) / begun.elapsed().as_secs_f64();
    row("end_to_end.calls_per_s", per_second, "calls/s", None);
}

/// The services' own binaries, as they are deployed, beside this program.
fn build_services() {
    let packages = SERVICES.iter().flat_map(|name| ["-p".into(), format!("callscribe-{name}")]);
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--locked", "--bins"])
        .args(packages)
        .status()
        .unwrap();
    assert!(built.success(), "the services cannot be built: {built}");
}

fn row(name: &str, value: f64, unit: &str, goal: Option<f64>) {
    let value = (value * 10.0).round() / 10.0;
    let row = json!({
        "name": name, "value": value, "unit": unit, "baseline": null, "ratio": null,
        "goal": goal.map(|goal| format!("value <= {goal}")),
        "holds": goal.is_none_or(|goal| value <= goal),
    });
    println!("{row}");
}

/// The product with everything around it.
struct Whole {
    services: Vec<(&'static str, CallscribeProcess)>,
    ingest: String,
    twilio: Double,
    database: Database,
    _folder: tempfile::TempDir,
    _redis: RedisServer,
}

impl Whole {
    async fn start() -> Self {
        let redis = RedisServer::start();
        let folder = tempfile::tempdir().unwrap();
        let account: AccountSid = format!("AC{:032x}", 7).parse().unwrap();
        let twilio = Double::start(account.clone(), TOKEN).await.unwrap();
        let database = folder.path().join("callscribe.db");
        let variables = [
            ("CALLSCRIBE_REDIS__URL", redis.url()),
            ("CALLSCRIBE_RESULTS__DATABASE__URL", format!("sqlite://{}", database.display())),
            ("CALLSCRIBE_TWILIO__ACCOUNT_SID", account.to_string()),
            ("CALLSCRIBE_TWILIO__AUTH_TOKEN", TOKEN.to_owned()),
            ("CALLSCRIBE_TWILIO__API_BASE", twilio.api_base()),
            ("CALLSCRIBE_TWILIO__MAX_REQUESTS_PER_SECOND", "100000".to_owned()),
            ("CALLSCRIBE_TRANSCRIBER__SLOTS", "16".to_owned()),
            ("CALLSCRIBE_TRANSCRIBER__ENGINES__OPENAI__BASE_URL", engine().await),
            ("CALLSCRIBE_TRANSCRIBER__ENGINES__OPENAI__MAX_CONCURRENT", "64".to_owned()),
        ];
        let examples = std::env::current_exe().unwrap();
        let release = examples.ancestors().nth(2).unwrap();
        let services = SERVICES.map(|name| {
            let folder = folder.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            let program = release.join(format!("callscribe-{name}"));
            let program = program.to_str().unwrap();
            (name, CallscribeProcess::start_verb(program, &folder, &[], &variables))
        });
        for (_, service) in &services {
            let ops = service.listener("ops").await;
            while !reqwest::get(format!("{ops}/readyz")).await.unwrap().status().is_success() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        let ingest = services[0].1.listener("ingest").await;
        Self {
            services: services.into(),
            ingest: format!("{ingest}/webhooks/twilio/recording"),
            twilio,
            database: Database::of(folder.path()),
            _folder: folder,
            _redis: redis,
        }
    }

    /// One finished call: its recording appears at Twilio, and Twilio says so.
    async fn post(&self, call: u32) {
        let sid: CallSid = format!("CA{call:032x}").parse().unwrap();
        let recording: RecordingSid = format!("RE{call:032x}").parse().unwrap();
        let from = format!("+1512{call:07}");
        self.twilio.add_call(DoubleCall::inbound(sid.clone(), &from, "+12125550100"));
        self.twilio.add_recording(DoubleRecording {
            channels: 2,
            ..DoubleRecording::new(recording.clone(), sid, sample())
        });
        let status = self.twilio.post_recording_callback(&self.ingest, &recording).await.unwrap();
        assert_eq!(status, 204);
    }

    async fn until_completed(&self, calls: u32) {
        let query = "SELECT count(*) AS calls FROM call_logs WHERE status = 'completed'";
        let calls = calls.to_string();
        loop {
            let rows = self.database.rows(query).await;
            let completed = rows.first().and_then(|row| row.first()).and_then(Option::as_deref);
            if completed == Some(&calls) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    fn resident_megabytes(&self, name: &str) -> f64 {
        let (_, service) = self.services.iter().find(|(known, _)| *known == name).unwrap();
        let status = std::fs::read_to_string(format!("/proc/{}/status", service.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        let kilobytes: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kilobytes / 1024.0
    }
}

fn sample() -> Vec<u8> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../services/callscribe/samples");
    std::fs::read(samples.join("locksmith-austin.wav")).unwrap()
}

/// An engine that has heard the call before it was sent.
async fn engine() -> String {
    let answer: Value = json!({
        "text": "hello I need a locksmith in Austin please my door is locked and it is cold outside",
    });
    let routes = warp::path!("v1" / "audio" / "transcriptions")
        .and(warp::body::bytes())
        .map(move |_| warp::reply::json(&answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(warp::serve(routes).incoming(listener).run());
    url
}
