//! The command line: verbs, their flags, and what they exit with.

mod backfill;
mod dead;
mod doctor;
mod extraction;
mod forget;
mod import;
mod local;
mod queues;

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use self::local::DataArg;
use crate::up;

/// Turns finished phone calls into transcripts and leads, without losing a call.
#[derive(Parser)]
#[command(name = "callscribe", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run everything on this machine: a Redis of its own, all three services, sample calls unless
    /// an account is configured.
    Up(UpArgs),
    /// Run the service that takes Twilio's callbacks.
    Ingest,
    /// Run a transcriber.
    Transcriber,
    /// Run the service that keeps the results.
    Results,
    /// Print the effective configuration, with what `up` takes from its data folder; secrets are
    /// masked.
    Config(ConfigArgs),
    /// Look at everything the services need and at the work, and say what to do about it.
    Doctor(doctor::DoctorArgs),
    /// Look at the queues, pause them, resume them.
    Queue {
        #[command(subcommand)]
        verb: queues::QueueVerb,
    },
    /// Look at what nobody works on any more; put it back to work or throw it away.
    Dead {
        #[command(subcommand)]
        verb: dead::DeadVerb,
    },
    /// Enqueue the recordings that Twilio lists and the database lacks, or what failed and whose dead
    /// letters are lost.
    Backfill(backfill::BackfillArgs),
    /// Show the fields of a transcript with the words they rest on.
    Extract(extraction::ExtractArgs),
    /// Score the extraction on a labelled set.
    Evaluate(extraction::EvaluateArgs),
    /// Erase one caller from everywhere: rows, queues, events out, and at Twilio if asked for.
    Forget(forget::ForgetArgs),
    /// Take over calls or leads that another system exported.
    Import(import::ImportArgs),
    /// Copy the SQLite database to a new file while it is in use.
    Backup(BackupArgs),
    /// Print the version.
    Version(Output),
}

/// Flags of `callscribe up`.
#[derive(Args, Debug, Clone)]
struct UpArgs {
    #[command(flatten)]
    data: DataArg,
    /// Stop when every sample call has reached its end; exit code 0 if all did.
    #[arg(long)]
    once: bool,
}

/// Flags of `callscribe config`.
#[derive(Args)]
struct ConfigArgs {
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    data: DataArg,
}

/// Flags of `callscribe backup`.
#[derive(Args)]
struct BackupArgs {
    /// The new file.
    file: PathBuf,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    data: DataArg,
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
        Verb::Ingest => chassis::launch_on_one_thread("ingest", ingest::run),
        Verb::Transcriber => chassis::launch("transcriber", transcriber::run),
        Verb::Results => chassis::launch("results", results::run),
        Verb::Config(args) => print(|| effective_config(&args)),
        Verb::Doctor(args) => doctor::main(&args),
        Verb::Queue { verb } => print(|| queues::run(&verb)),
        Verb::Dead { verb } => print(|| dead::run(&verb)),
        Verb::Backfill(args) => print(|| backfill::run(&args)),
        Verb::Extract(args) => print(|| extraction::extract(&args)),
        Verb::Evaluate(args) => print(|| extraction::evaluate(&args)),
        Verb::Forget(args) => print(|| forget::run(&args)),
        Verb::Import(args) => print(|| import::run(&args)),
        Verb::Backup(args) => print(|| backup(&args)),
        Verb::Version(output) => print(|| version(output.json)),
    }
}

/// What a verb prints, or why it prints nothing.
type Outcome<T> = Result<T, Refusal>;

/// Why a verb did not do its work.
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

fn print(verb: impl FnOnce() -> Outcome<String>) -> ExitCode {
    chassis::install_tls();
    match verb() {
        Ok(text) => {
            say(&text);
            ExitCode::SUCCESS
        }
        Err(refusal) => refused(refusal),
    }
}

/// Prints what a verb has to say.
fn say(text: &str) {
    say_to(&mut std::io::stdout().lock(), text);
}

fn say_to(terminal: &mut impl Write, text: &str) {
    // Whoever has read enough (`| head`) has closed the pipe; the verb has done its work.
    let _ = writeln!(terminal, "{}", text.trim_end()).and_then(|()| terminal.flush());
}

fn refused(refusal: Refusal) -> ExitCode {
    match refusal {
        Refusal::Setting(sentence) => {
            eprintln!("callscribe: {sentence}");
            ExitCode::from(chassis::EXIT_WRONG_SETTING)
        }
        Refusal::Failed(error) => {
            eprintln!("callscribe: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn version(as_json: bool) -> Outcome<String> {
    let version = env!("CARGO_PKG_VERSION");
    Ok(if as_json {
        serde_json::json!({ "name": "callscribe", "version": version }).to_string()
    } else {
        format!("callscribe {version}")
    })
}

fn effective_config(args: &ConfigArgs) -> Outcome<String> {
    let config = args.data.load()?;
    let text = if args.output.json {
        serde_json::to_string_pretty(&config).map_err(anyhow::Error::from)?
    } else {
        toml::to_string_pretty(&config).map_err(anyhow::Error::from)?
    };
    Ok(text)
}

fn backup(args: &BackupArgs) -> Outcome<String> {
    let config = args.data.load()?;
    let copying = results::store::backup(&config.results.database, &args.file);
    let bytes = chassis::on_runtime(async { Ok(copying.await?) })?;
    let file = args.file.display();
    Ok(if args.output.json {
        serde_json::json!({ "file": file.to_string(), "bytes": bytes }).to_string()
    } else {
        format!("{bytes} bytes in {file}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_has_gone_is_no_reason_to_panic() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        drop(reader);
        say_to(&mut writer, "line\n");
        let mut written = Vec::new();
        say_to(&mut written, "line\n\n");
        assert_eq!(written, b"line\n");
    }
}
