//! A service with sample rows, for checks of its API from outside: prints its URL and serves until
//! its standard input ends. Everything it needs runs beside it, on free ports and unix sockets.

use std::{
    io::Read,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use anyhow::Context;
use callscribe_results::{
    Config, DatabaseSettings, ResultsSettings, projection::Projection, store::Store,
};
use chassis::{Process, queues};
use domain::{
    AttemptOrder, CallEvent, CallMetadata, Engine, EventKind, Evidence, Extraction, Field,
    JobSource, RecordingFacts, Segment, Speaker, StageTimings, Transcribed, Transcript,
};
use queue::{Entry, Link};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use twilio::double::{Double, DoubleRecording};

const ACCOUNT: &str = "AC00000000000000000000000000000001";
const TOKEN: &str = "a-token-for-the-check";
const CALLS: u32 = 60;
const T: i64 = 1_790_000_000_000;

/// A redis-server on a unix socket, stopped with the value.
struct Redis(Child);

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    chassis::install_tls();
    let folder = TempDir::with_prefix("api-check-")?;
    let socket = folder.path().join("redis.sock");
    let _redis = Redis(
        Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .context("this needs redis-server: install the package redis-server (or redis)")?,
    );
    let twilio = Double::start(ACCOUNT.parse()?, "token").await?;
    let database =
        DatabaseSettings::at(format!("sqlite://{}/callscribe.db", folder.path().display()));
    let rows = fill(&database, &twilio).await;
    rows.context("the sample rows cannot be written")?;

    let mut config = Config::default();
    config.redis.url = format!("redis+unix://{}", socket.display()).into();
    config.twilio = twilio.settings();
    config.results.database = database;
    config.results.reconcile.enabled = false;
    config.results.api.listen = ([127, 0, 0, 1], 0).into();
    config.results.api.tokens = Some(TOKEN.into());
    config.results.api.requests_per_minute = 0;
    let link = Link::open(&config.redis).await?;
    let process = Process::new(CancellationToken::new());
    let service = tokio::spawn(callscribe_results::run(config, process.clone()));
    let url = process.listener("results").await.context("the service does not listen")?;
    for number in 0..5 {
        queues::results(link.clone()).enqueue(Entry::new(call_sid(number), "no event")).await?;
    }
    println!("{url}");
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    process.stop().cancel();
    service.await?
}

async fn fill(database: &DatabaseSettings, twilio: &Double) -> anyhow::Result<()> {
    let store = Store::open(database).await?;
    let projection = Projection::new(store.clone(), Arc::new(ResultsSettings::default()));
    for number in 1..=CALLS {
        projection.persist(&course(number)?).await?;
        twilio.add_recording(DoubleRecording::new(
            recording_sid(number).parse()?,
            call_sid(number).parse()?,
            vec![0u8; 4096],
        ));
    }
    Ok(store.close().await?)
}

fn call_sid(number: u32) -> String {
    format!("CA{number:032x}")
}

fn recording_sid(number: u32) -> String {
    format!("RE{number:032x}")
}

/// A call that ended well, was given up, or has no recording, each in its turn.
fn course(number: u32) -> anyhow::Result<Vec<CallEvent>> {
    let at_ms = T + i64::from(number) * 3_600_000;
    let recording: domain::RecordingSid = recording_sid(number).parse()?;
    let call: domain::CallSid = call_sid(number).parse()?;
    let account: domain::AccountSid = ACCOUNT.parse()?;
    let event = |recording_sid, attempt, at_ms, kind| CallEvent {
        account_sid: account.clone(),
        call_sid: call.clone(),
        recording_sid,
        order: AttemptOrder { generation: 0, redrive: 0, attempt },
        at_ms,
        kind,
    };
    let metadata = CallMetadata {
        from: Some(format!("+1512555{:04}", number % 20)),
        to: Some("+15125550100".into()),
        direction: Some("inbound".into()),
        call_status: Some("completed".into()),
        duration_seconds: Some(42),
        parent_call_sid: None,
    };
    let mut events = vec![event(None, 0, at_ms, EventKind::Observed(metadata))];
    if number % 5 == 0 {
        let none = EventKind::NoRecording { code: "none_listed".into() };
        events.push(event(None, 1, at_ms + 60_000, none));
        return Ok(events);
    }
    let end = if number % 7 == 0 {
        EventKind::Failed {
            code: "media_timeout".into(),
            message: "no answer within 30 s".into(),
            attempts: 1,
            is_final: true,
        }
    } else {
        EventKind::Transcribed(Box::new(transcribed(if number % 2 == 0 { "עפולה" } else { "Austin" })))
    };
    let queued = EventKind::Queued { source: JobSource::Callback };
    events.push(event(Some(recording.clone()), 0, at_ms + 1_000, queued));
    events.push(event(Some(recording.clone()), 1, at_ms + 2_000, EventKind::Started));
    events.push(event(Some(recording), 1, at_ms + 9_000, end));
    Ok(events)
}

fn transcribed(city: &str) -> Transcribed {
    let text = format!("hello i need a locksmith in {city}");
    Transcribed {
        transcript: Transcript {
            segments: vec![Segment {
                speaker: Speaker::Caller,
                start_ms: 0,
                end_ms: 1_500,
                text,
                confidence: Some(0.9),
            }],
            language: Some(if city == "Austin" { "en" } else { "he" }.into()),
            engine: Engine { name: "sample".into(), model: None, version: None },
        },
        extraction: Extraction {
            service: Some(field("locksmith")),
            city: Some(field(city)),
            ..Extraction::default()
        },
        recording: RecordingFacts {
            channels: 1,
            sample_rate_hz: 8_000,
            duration_ms: 12_000,
            speech_ratio: Some(0.6),
            started_at_ms: None,
        },
        timings: StageTimings::default(),
        cost_microusd: Some(600),
        flags: vec![],
    }
}

fn field(value: &str) -> Field {
    Field {
        id: value.to_lowercase(),
        value: value.into(),
        raw: value.into(),
        confidence: 0.9,
        evidence: Evidence {
            quote: value.into(),
            segment: 0,
            start_char: 0,
            end_char: value.chars().count(),
            speaker: Speaker::Caller,
            start_ms: 0,
        },
    }
}
