//! From `main` to a running service and back.

use std::{future::Future, process::ExitCode};

use serde::de::DeserializeOwned;
use tokio::runtime::Builder;

use crate::{
    EXIT_WRONG_SETTING, Process, config,
    ops::{self, OpsSettings},
    telemetry::{self, TelemetrySettings},
};

/// What the configuration of every process has.
pub trait ProcessConfig: DeserializeOwned {
    /// Logs, metrics and traces.
    fn telemetry(&self) -> &TelemetrySettings;
    /// The ops listener.
    fn ops(&self) -> &OpsSettings;
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// A sentence with the setting's name, its value (unless secret) and what is allowed.
    fn validate(&self) -> Result<(), String>;
}

/// Installs the TLS provider of the process. Two providers can end up compiled in, and then TLS
/// panics unless one was chosen first.
pub fn install_tls() {
    // Fails only where one was chosen before: tests start many things in one process.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Loads and checks a configuration before any port is bound.
///
/// # Errors
/// The sentence to print before exiting with [`EXIT_WRONG_SETTING`].
pub fn load_checked<C: ProcessConfig>() -> Result<C, String> {
    let config: C = config::load().map_err(|error| error.to_string())?;
    config.validate()?;
    Ok(config)
}

/// The `main` of a service: configuration, telemetry, ops listener, then `run` until SIGTERM. `run`
/// says of the check with the service's name when it serves.
pub fn launch<C, F, R>(service: &'static str, run: F) -> ExitCode
where
    C: ProcessConfig,
    F: FnOnce(C, Process) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    start(service, Builder::new_multi_thread(), run)
}

/// As [`launch`], with all tasks on one thread: for a service whose work is in waiting for others.
/// Tasks that need each other for every request cost less there than spread over threads.
pub fn launch_on_one_thread<C, F, R>(service: &'static str, run: F) -> ExitCode
where
    C: ProcessConfig,
    F: FnOnce(C, Process) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    start(service, Builder::new_current_thread(), run)
}

fn start<C, F, R>(service: &'static str, runtime: Builder, run: F) -> ExitCode
where
    C: ProcessConfig,
    F: FnOnce(C, Process) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    install_tls();
    let config: C = match load_checked() {
        Ok(config) => config,
        Err(sentence) => {
            eprintln!("{service}: {sentence}");
            return ExitCode::from(EXIT_WRONG_SETTING);
        }
    };
    let telemetry = match telemetry::start(config.telemetry(), service) {
        Ok(telemetry) => telemetry,
        Err(error) => {
            eprintln!("{service}: {error:#}");
            return ExitCode::from(EXIT_WRONG_SETTING);
        }
    };
    let outcome = on(runtime, async {
        let process = Process::until_signalled()?;
        ops::start(config.ops(), &process, telemetry.metrics.clone(), &[service]).await?;
        run(config, process).await
    });
    telemetry.finish();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "stopped");
            eprintln!("{service}: {error:#}");
            ExitCode::from(exit_code(&error))
        }
    }
}

/// A setting that shows to be wrong only when what it names is opened: a sentence with its name, its
/// value (unless secret) and what is allowed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WrongSetting(pub String);

/// The exit code of a process that ended with this error.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    if error.is::<WrongSetting>() { EXIT_WRONG_SETTING } else { 1 }
}

/// Runs a future on a runtime of its own.
///
/// # Errors
/// The future's, or the operating system's when threads cannot be started.
pub fn on_runtime<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    on(Builder::new_multi_thread(), future)
}

fn on<T>(
    mut runtime: Builder,
    future: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    runtime.enable_all().build()?.block_on(future)
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_setting_that_shows_to_be_wrong_late_ends_a_process_like_any_wrong_setting() {
        let late = || Err::<(), _>(WrongSetting("redis.url is none".into()));
        let late = late().context("transcriber").unwrap_err();
        assert_eq!(exit_code(&late), EXIT_WRONG_SETTING);
        assert_eq!(exit_code(&anyhow::anyhow!("the disk is full")), 1);
    }
}
