//! `callscribe up`: everything in one process on one machine.

mod board;
mod guidance;
mod private_redis;
mod samples;

use std::{path::Path, process::ExitCode};

use anyhow::Context;
use chassis::{Process, config::Given, ops, queues, telemetry};
use queue::Link;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    Config,
    data_folder::DataFolder,
    up::{private_redis::PrivateRedis, samples::Samples},
};

pub use guidance::callback_urls;

/// Whether the configuration names a Redis, so that a private one is not wanted.
pub fn uses_own_address(given: &Given) -> bool {
    ["redis.url", "redis.sentinels", "redis.cluster"].iter().any(|name| given.has(name))
}

/// Takes the data folder's newest Whisper model, unless one is configured.
pub fn take_model(config: &mut Config, data: &DataFolder) {
    let model = &mut config.transcriber.engines.whisper.model;
    if transcriber::engines::WHISPER_IS_BUILT_IN && model.is_none() {
        *model = data.newest_model();
    }
}

/// Runs until SIGTERM, Ctrl-C, or, with `once`, the end of the sample calls.
pub fn main(data: &Path, once: bool) -> ExitCode {
    chassis::install_tls();
    let (config, given) = match Config::load() {
        Ok(loaded) => loaded,
        Err(sentence) => {
            eprintln!("callscribe: {sentence}");
            return ExitCode::from(chassis::EXIT_WRONG_SETTING);
        }
    };
    match start(config, &given, data, once) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("callscribe: {error:#}");
            ExitCode::from(chassis::exit_code(&error))
        }
    }
}

fn start(mut config: Config, given: &Given, data: &Path, once: bool) -> anyhow::Result<()> {
    let data = DataFolder::open(data)?;
    let _lock = data.lock()?;
    let plays_samples = !config.twilio.is_configured();
    if once && !plays_samples {
        anyhow::bail!("--once plays the sample calls, but a Twilio account is configured");
    }
    if !given.has("results.database.url") {
        config.results.database.url = data.database_url().into();
    }
    take_model(&mut config, &data);
    if plays_samples {
        give_way(&mut config, given);
        // The terminal belongs to the calls; what the services log stands in a file.
        config.telemetry.log_file.get_or_insert(data.log_file());
    }
    let telemetry = telemetry::start(&config.telemetry, "callscribe")?;
    let metrics = telemetry.metrics.clone();
    let outcome = chassis::on_runtime(async {
        let process = Process::until_signalled()?;
        let redis_stop = CancellationToken::new();
        let redis = if uses_own_address(given) {
            None
        } else {
            config.redis.url = data.redis_url().into();
            let redis = PrivateRedis::start(&data).await?;
            end_leases(&config).await?;
            Some(tokio::spawn(redis.supervise(redis_stop.clone())))
        };
        let samples = if plays_samples { Some(Samples::prepare(&mut config).await?) } else { None };
        let services = ["ingest", "transcriber", "results"];
        ops::start(&config.ops, &process, metrics, &services).await?;
        let served = serve(&config, &data, &process, samples, once).await;
        process.stop().cancel();
        redis_stop.cancel();
        if let Some(redis) = redis {
            redis.await.context("the private Redis was not stopped")??;
        }
        served
    });
    telemetry.finish();
    outcome
}

/// Ends the leases of the process that had the folder before. It is dead, or we would not hold the
/// folder's lock; and nobody but the holder of the lock works on the private Redis.
async fn end_leases(config: &Config) -> anyhow::Result<()> {
    let link = Link::open(&config.redis).await?;
    let queues = [queues::calls, queues::results, results::outbound::queue];
    for queue in queues.map(|open| open(link.clone())) {
        let ended = queue.end_leases().await?;
        if ended > 0 {
            tracing::info!(queue = queue.name(), ended, "work of a process that died goes on");
        }
    }
    Ok(())
}

/// Takes a free port wherever a default one is taken: trying Callscribe out must not fail because
/// something else listens on 8080. A port that was asked for stays.
fn give_way(config: &mut Config, given: &Given) {
    let listeners = [
        ("ingest.http.listen", &mut config.ingest.http.listen),
        ("results.api.listen", &mut config.results.api.listen),
        ("ops.listen", &mut config.ops.listen),
    ];
    for (name, address) in listeners {
        if !given.has(name) && std::net::TcpListener::bind(*address).is_err() {
            address.set_port(0);
        }
    }
}

/// Runs the three services and what the terminal shows, until one of them fails or all are done.
async fn serve(
    config: &Config,
    data: &DataFolder,
    process: &Process,
    samples: Option<Samples>,
    once: bool,
) -> anyhow::Result<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(ingest::run(config.ingest(), process.clone()));
    tasks.spawn(transcriber::run(config.transcriber(), process.clone()));
    tasks.spawn(results::run(config.results(), process.clone()));
    tasks.spawn(show(config.clone(), data.clone(), process.clone(), samples, once));
    let mut first_failure = None;
    while let Some(ended) = tasks.join_next().await {
        let outcome =
            ended.unwrap_or_else(|panic| Err(anyhow::anyhow!("a service ended: {panic}")));
        if let Err(error) = outcome {
            process.stop().cancel();
            first_failure.get_or_insert(error);
        }
    }
    first_failure.map_or(Ok(()), Err)
}

/// What the terminal shows.
async fn show(
    config: Config,
    data: DataFolder,
    process: Process,
    samples: Option<Samples>,
    once: bool,
) -> anyhow::Result<()> {
    let Some(ingest) = process.listener("ingest").await else { return Ok(()) };
    match samples {
        None => guidance::for_an_account(&config, &data, &process, &ingest).await,
        Some(samples) => {
            let finished = board::play(&samples, &config, &process, &ingest).await?;
            if once {
                process.stop().cancel();
                anyhow::ensure!(finished, "stopped before every sample call had reached its end");
            } else if finished {
                guidance::after_samples(&data, &process, &ingest).await;
            }
        }
    }
    Ok(())
}
