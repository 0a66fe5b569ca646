//! The command line: verbs, their flags, and what they exit with.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::{Config, data_folder::DataFolder, queue_status, up};

/// Turns finished phone calls into transcripts and leads, without losing a call.
#[derive(Parser)]
#[command(name = "callscribe", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run everything on this machine: Redis of its own, all three services, sample calls unless
    /// an account is configured.
    Up(UpArgs),
    /// Run the service that takes Twilio's callbacks.
    Ingest,
    /// Run a transcriber.
    Transcriber,
    /// Run the service that keeps the results.
    Results,
    /// Print the effective configuration; secrets are masked.
    Config(Output),
    /// Look at the queues.
    Queue {
        #[command(subcommand)]
        verb: QueueVerb,
    },
    /// Print the version.
    Version(Output),
}

#[derive(Subcommand)]
enum QueueVerb {
    /// How much waits, since when, and what is in hand, scheduled, dead or paused.
    Status {
        #[command(flatten)]
        output: Output,
        #[command(flatten)]
        data: DataArg,
    },
}

/// Flags of `callscribe up`.
#[derive(Args, Debug, Clone)]
pub struct UpArgs {
    #[command(flatten)]
    data: DataArg,
    /// Stop when every sample call has reached its end; exit code 0 if all did.
    #[arg(long)]
    once: bool,
}

/// The data folder.
#[derive(Args, Debug, Clone)]
struct DataArg {
    /// Where the database, Redis's files and the log are kept.
    #[arg(long, env = "CALLSCRIBE_DATA", default_value = "./data", value_name = "FOLDER")]
    data: PathBuf,
}

/// How a verb prints.
#[derive(Args, Debug, Clone)]
struct Output {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb the command line names.
pub fn main() -> ExitCode {
    match Cli::parse().verb {
        Verb::Up(args) => up::main(&args.data.data, args.once),
        Verb::Ingest => chassis::launch("ingest", ingest::run),
        Verb::Transcriber => chassis::launch("transcriber", transcriber::run),
        Verb::Results => chassis::launch("results", results::run),
        Verb::Config(output) => print(|| effective_config(output.json)),
        Verb::Queue { verb: QueueVerb::Status { output, data } } => {
            print(|| queue_report(&data, output.json))
        }
        Verb::Version(output) => print(|| version(output.json)),
    }
}

/// Why a verb printed nothing.
enum Refusal {
    /// A setting is wrong: exit code 64.
    Setting(String),
    /// It did not work: exit code 1.
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

fn print(verb: impl FnOnce() -> Result<String, Refusal>) -> ExitCode {
    chassis::install_tls();
    match verb() {
        Ok(text) => {
            println!("{}", text.trim_end());
            ExitCode::SUCCESS
        }
        Err(Refusal::Setting(sentence)) => {
            eprintln!("callscribe: {sentence}");
            ExitCode::from(chassis::EXIT_WRONG_SETTING)
        }
        Err(Refusal::Failed(error)) => {
            eprintln!("callscribe: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn version(as_json: bool) -> Result<String, Refusal> {
    let version = env!("CARGO_PKG_VERSION");
    Ok(if as_json {
        serde_json::json!({ "name": "callscribe", "version": version }).to_string()
    } else {
        format!("callscribe {version}")
    })
}

fn effective_config(as_json: bool) -> Result<String, Refusal> {
    let (config, _) = Config::load().map_err(Refusal::Setting)?;
    let text = if as_json {
        serde_json::to_string_pretty(&config).map_err(anyhow::Error::from)?
    } else {
        toml::to_string_pretty(&config).map_err(anyhow::Error::from)?
    };
    Ok(text)
}

fn queue_report(data: &DataArg, as_json: bool) -> Result<String, Refusal> {
    let (mut config, given) = Config::load().map_err(Refusal::Setting)?;
    if !up::uses_own_address(&given) && data.data.is_dir() {
        let folder = DataFolder::open(&data.data)?;
        if folder.redis_socket().exists() {
            config.redis.url = folder.redis_url().into();
        }
    }
    Ok(chassis::on_runtime(queue_status::report(&config.redis, as_json))?)
}
