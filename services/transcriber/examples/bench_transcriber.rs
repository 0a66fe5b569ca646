//! What Callscribe itself costs a call, and whether its slots are kept busy.
//!
//! A private Redis, a Twilio double and an engine double, all on loopback. Prints a JSON list of
//! rows: the overhead of a call of a minute with an engine that answers at once, against reading the
//! same audio alone; and the share of an engine's 64 places that is in use while it takes exactly a
//! second for a call and calls wait.

use std::{
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context;
use callscribe_transcriber::{
    Config,
    audio::{AudioLimits, CutRule, SpeechDetector, read},
    engines::{Engine, EngineError, Heard, Piece},
    run_with,
};
use chassis::{
    Process,
    queues::{self, job_entry},
};
use domain::{AccountSid, CallEvent, CallJob, EventKind, JobSource, StageTimings};
use futures_util::future::BoxFuture;
use queue::{ConsumerOptions, Delivery, Handler, Link, Queue, RedisSettings, Settlement};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use twilio::double::{Double, DoubleCall, DoubleRecording};

const SLOTS: usize = 64;
/// Calls in the busy run: ten seconds of work for every slot.
const BUSY_CALLS: u32 = 64 * 10;
/// Calls, one after the other, in the overhead run.
const SINGLE_CALLS: u32 = 30;
/// Samples for which somebody speaks, from one beginning to the next, and after which the other
/// answers.
const SPURT: usize = 8_000;
const CYCLE: usize = 20_800;
const ANSWER: usize = CYCLE / 2;
/// The noise of a quiet line, 66 dB below full scale, and of a street, 47 dB.
const QUIET: i16 = 30;
const STREET: i16 = 250;
const OVERHEAD_GOAL_MS: f64 = 30.0;
const BUSY_GOAL: f64 = 0.98;

/// Takes as long as it is told and always hears the same.
struct Exactly {
    work: Duration,
    begun: Arc<Mutex<Vec<Instant>>>,
}

impl Exactly {
    fn new(work: Duration) -> Self {
        Self { work, begun: Arc::default() }
    }
}

impl Engine for Exactly {
    fn identity(&self) -> domain::Engine {
        domain::Engine { name: "double".into(), model: None, version: None }
    }

    fn cut_rule(&self) -> CutRule {
        CutRule { longest_ms: 300_000, at_silence_ms: None }
    }

    fn microusd_per_minute(&self) -> Option<u64> {
        None
    }

    fn places(&self) -> usize {
        SLOTS
    }

    fn transcribe<'a>(
        &'a self,
        piece: &'a Piece,
        _: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Heard, EngineError>> {
        Box::pin(async move {
            self.begun.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
            // Even a sleep of no length lasts until the timer's next millisecond.
            if !self.work.is_zero() {
                tokio::time::sleep(self.work).await;
            }
            let text = "hello i need a locksmith in austin my door is locked and it is cold";
            Ok(Heard::whole(piece, text, None))
        })
    }
}

struct Redis {
    folder: TempDir,
    child: Child,
}

impl Redis {
    fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "yes", "--unixsocket"])
            .arg(folder.path().join("redis.sock"))
            .arg("--dir")
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .context("redis-server")?;
        Ok(Self { folder, child })
    }

    fn settings(&self) -> RedisSettings {
        let socket = self.folder.path().join("redis.sock");
        let url = format!("redis+unix://{}", socket.display());
        RedisSettings { url: url.into(), prefix: "bench".into(), ..Default::default() }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Listening(mpsc::UnboundedSender<(Instant, StageTimings)>);

impl Handler for Listening {
    async fn handle(&self, delivery: Delivery) -> Settlement {
        let event = serde_json::from_str::<CallEvent>(&delivery.body).map(|event| event.kind);
        if let Ok(EventKind::Transcribed(done)) = event {
            let _ = self.0.send((Instant::now(), done.timings));
        }
        Settlement::done()
    }
}

/// A running transcriber with everything around it.
struct Stage {
    twilio: Double,
    calls: Queue,
    done: mpsc::UnboundedReceiver<(Instant, StageTimings)>,
    stop: CancellationToken,
    media: Vec<u8>,
    _redis: Redis,
}

impl Stage {
    async fn start(slots: usize, engine: Exactly, media: Vec<u8>) -> anyhow::Result<Self> {
        let redis = Redis::start()?;
        let account: AccountSid = format!("AC{:032x}", 1).parse()?;
        let twilio = Double::start(account, "token").await?;
        let mut config =
            Config { redis: redis.settings(), twilio: twilio.settings(), ..Default::default() };
        config.twilio.max_requests_per_second = 100_000;
        config.transcriber.slots = slots;
        let link = Link::open(&config.redis).await?;
        while link.ping().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let stop = CancellationToken::new();
        let (sender, done) = mpsc::unbounded_channel();
        let results = queues::results(link.clone());
        let options = ConsumerOptions { concurrency: 64, ..Default::default() };
        tokio::spawn(queue::consume(results, options, Listening(sender), stop.clone()));
        tokio::spawn(run_with(config, Process::new(stop.clone()), vec![Arc::new(engine)]));
        Ok(Self { twilio, calls: queues::calls(link), done, stop, media, _redis: redis })
    }

    /// Makes calls at Twilio; the entries that say so.
    fn record(&self, numbers: std::ops::Range<u32>) -> anyhow::Result<Vec<queue::Entry>> {
        let mut entries = Vec::new();
        for number in numbers {
            let call_sid: domain::CallSid = format!("CA{number:032x}").parse()?;
            let recording_sid: domain::RecordingSid = format!("RE{number:032x}").parse()?;
            self.twilio.add_call(DoubleCall::inbound(call_sid.clone(), "+15125550123", "+1512555"));
            self.twilio.add_recording(DoubleRecording::new(
                recording_sid.clone(),
                call_sid.clone(),
                self.media.clone(),
            ));
            let job = CallJob::Transcribe {
                account_sid: self.twilio.account_sid().clone(),
                call_sid,
                recording_sid,
                generation: 0,
                source: JobSource::Callback,
            };
            entries.push(job_entry(&job, None)?);
        }
        Ok(entries)
    }

    async fn enqueue(&self, entries: Vec<queue::Entry>) -> anyhow::Result<()> {
        self.calls.enqueue_batch(entries).await?;
        Ok(())
    }

    async fn next(&mut self) -> anyhow::Result<(Instant, StageTimings)> {
        self.done.recv().await.context("the transcriber stopped")
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    chassis::install_tls();
    let mut rows = Vec::new();
    for (name, media) in [
        ("transcriber.overhead_ms", two_channels(60, QUIET)),
        ("transcriber.overhead_street_ms", two_channels(60, STREET)),
        ("transcriber.overhead_monologue_ms", one_channel(60)),
    ] {
        let (overhead, baseline) = overhead_ms(media).await.with_context(|| name)?;
        rows.push(json!({
            "name": name, "value": overhead, "unit": "ms",
            "baseline": baseline, "ratio": overhead / baseline, "goal": OVERHEAD_GOAL_MS,
            "holds": overhead <= OVERHEAD_GOAL_MS,
        }));
    }
    let busy = slots_busy().await?;
    rows.push(json!({
        "name": "transcriber.slots_busy", "value": busy, "unit": "share", "baseline": 1.0,
        "ratio": busy, "goal": BUSY_GOAL, "holds": busy >= BUSY_GOAL,
    }));
    println!("{}", json!(rows));
    Ok(())
}

/// Median time from a call's job to its event, and that of reading its audio alone.
async fn overhead_ms(media: Vec<u8>) -> anyhow::Result<(f64, f64)> {
    let mut stage = Stage::start(1, Exactly::new(Duration::ZERO), media.clone()).await?;
    stage.enqueue(stage.record(0..1)?).await?;
    stage.next().await?;
    let mut all = Vec::new();
    let mut stages = [const { Vec::new() }; 4];
    for number in 1..=SINGLE_CALLS {
        let entries = stage.record(number..number + 1)?;
        let start = Instant::now();
        stage.enqueue(entries).await?;
        let (end, timings) = stage.next().await?;
        all.push((end - start).as_secs_f64() * 1000.0);
        let StageTimings { fetch_ms, audio_ms, transcribe_ms, extract_ms, .. } = timings;
        for (stage, took) in stages.iter_mut().zip([fetch_ms, audio_ms, transcribe_ms, extract_ms])
        {
            stage.push(took as f64);
        }
    }
    let [fetch, audio, transcribe, extract] = stages.map(median);
    eprintln!(
        "fetch {fetch} ms, audio {audio} ms, transcribe {transcribe} ms, extract {extract} ms"
    );
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("minute.wav");
    std::fs::write(&path, &media)?;
    let mut alone = Vec::new();
    for _ in 0..SINGLE_CALLS {
        let start = Instant::now();
        let limits = AudioLimits { max_seconds: 100, speech: SpeechDetector::default() };
        read(&path, folder.path(), limits)?;
        alone.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    Ok((median(all), median(alone)))
}

/// The share of the engine's places at which it works, while calls wait for them: from the moment
/// in which all were taken for the first time until the last call has got its own.
async fn slots_busy() -> anyhow::Result<f64> {
    const WORK: Duration = Duration::from_secs(1);
    let engine = Exactly::new(WORK);
    let begun = engine.begun.clone();
    let mut stage = Stage::start(SLOTS, engine, two_channels(6, QUIET)).await?;
    stage.enqueue(stage.record(0..BUSY_CALLS)?).await?;
    for _ in 0..BUSY_CALLS {
        stage.next().await?;
    }
    let begun = begun.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let (from, to) = (begun[SLOTS - 1], begun[begun.len() - 1]);
    let at_work: Duration = begun
        .iter()
        .map(|start| (*start + WORK).min(to).saturating_duration_since((*start).max(from)))
        .sum();
    Ok(at_work.as_secs_f64() / ((to - from).as_secs_f64() * SLOTS as f64))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A call of so many seconds as Twilio records it: two channels at 8 kHz, on which two people speak
/// in turn over noise of this amplitude, each for a second in 2.6 (ITU-T P.59: talk spurts of 1.004 s,
/// pauses of 1.587 s, both silent for 22 % of the time).
fn two_channels(seconds: usize, noise: i16) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(1);
    let sound = |n: usize| {
        let said = voice(n as f32 / 8_000.0);
        [0, ANSWER].map(|late| {
            let speaks = (n + CYCLE - late) % CYCLE < SPURT;
            (if speaks { said } else { 0 }) + random.i16(-noise..=noise)
        })
    };
    wave(8_000, 2, (0..seconds * 8_000).flat_map(sound))
}

/// So many seconds at 16 kHz in which somebody never stops.
fn one_channel(seconds: usize) -> Vec<u8> {
    wave(16_000, 1, (0..seconds * 16_000).map(|n| voice(n as f32 / 16_000.0)))
}

/// Something that the detector takes for speech.
fn voice(t: f32) -> i16 {
    let pitch = 120.0 + 30.0 * (t * 2.0).sin();
    let open = 0.6 + 0.4 * (t * 9.0).sin();
    let voice: f32 =
        (1..20).map(|k| (t * pitch * k as f32 * std::f32::consts::TAU).sin() / k as f32).sum();
    (voice * open * 6_000.0) as i16
}

fn wave(rate_hz: u32, channels: u16, samples: impl Iterator<Item = i16>) -> Vec<u8> {
    let data: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
    let bytes = data.len() as u32;
    let mut file = Vec::with_capacity(44 + data.len());
    file.extend(b"RIFF");
    file.extend((bytes + 36).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0");
    file.extend(channels.to_le_bytes());
    file.extend(rate_hz.to_le_bytes());
    file.extend((rate_hz * 2 * u32::from(channels)).to_le_bytes());
    file.extend((2 * channels).to_le_bytes());
    file.extend(b"\x10\0data");
    file.extend(bytes.to_le_bytes());
    file.extend(data);
    file
}
