//! The running transcriber.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::Context;
use chassis::{Process, WrongSetting, queues};
use domain::Redactor;
use queue::{ConsumerOptions, Link};
use tracing::info;
use twilio::Client;

use crate::{
    Config, TranscriberSettings,
    audio::SpeechDetector,
    chain::Chain,
    engines::{self, Engine},
    extract::Extractor,
    ledger::Ledger,
    parking::Parking,
    pipeline::Pipeline,
    temporary,
    worker::Worker,
};

/// How often readiness is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Works until the process stops, then drains.
///
/// # Errors
/// When a setting is wrong or there is no speech engine; Redis being away is no error.
pub async fn run(config: Config, process: Process) -> anyhow::Result<()> {
    let settings = config.transcriber.clone();
    // A model takes seconds to load.
    let chosen =
        tokio::task::spawn_blocking(move || engines::chosen(&settings.engines, &settings.folder()));
    let engines = chosen.await.context("speech engines")?.map_err(WrongSetting)?;
    run_with(config, process, engines).await
}

/// As [`run`], with engines of one's own in place of the configured ones.
///
/// # Errors
/// As [`run`].
pub async fn run_with(
    config: Config,
    process: Process,
    engines: Vec<Arc<dyn Engine>>,
) -> anyhow::Result<()> {
    let settings = &config.transcriber;
    settings.check_engines(&engines).map_err(WrongSetting)?;
    let (folder, system) = (settings.folder(), std::env::temp_dir());
    tokio::task::spawn_blocking(move || {
        for folder in [folder, system] {
            temporary::remove_stale(&folder, SystemTime::now());
        }
    });
    let redactor = Redactor::new(&config.redact)?;
    let link = Link::open(&config.redis).await.context("Redis")?;
    let calls = queues::calls(link.clone());
    let parking = Parking::of(calls.clone());
    let chain = Chain::new(engines, Ledger::open(link.clone()).redacting(redactor.clone()))
        .parked_with(parking.clone())
        .in_languages(&settings.languages);
    let names = chain.names().join(", ");
    let twilio = Client::new(&config.twilio).context("Twilio")?;
    let speech = SpeechDetector::new(&settings.speech).map_err(anyhow::Error::msg)?;
    let extractor = Extractor::from_settings(&settings.extract)?;
    let stop = process.stop().clone();
    let worker = Worker {
        pipeline: Pipeline::new(settings, twilio.clone(), speech, chain, extractor, redactor, stop),
        twilio,
        parking,
        results: queues::results(link.clone()),
        not_ready: Duration::from_secs(settings.not_ready_seconds),
    };
    let (check, stop) = (process.check("redis"), process.stop().clone());
    tokio::spawn(queues::watch_redis(link, check, LOOK, stop));
    process.check("transcriber").ready();
    info!(slots = settings.slots, engines = %names, "worker loop started");
    queue::consume(calls, options(settings), worker, process.stop().clone()).await?;
    Ok(())
}

fn options(settings: &TranscriberSettings) -> ConsumerOptions {
    ConsumerOptions {
        concurrency: settings.slots + settings.ahead(),
        timeout: Duration::from_secs(settings.job_timeout_seconds),
        max_attempts: settings.max_attempts,
        grace: Duration::from_secs(settings.grace_seconds),
        ..Default::default()
    }
}
