//! `callscribe extract` and `callscribe evaluate`.

use std::{io::IsTerminal, path::PathBuf};

use clap::Args;
use transcriber::extract::{
    Extractor,
    cli::{self, Output, Printed},
};

use super::{Outcome, Refusal};
use crate::Config;

/// Flags of `extract`.
#[derive(Args)]
pub struct ExtractArgs {
    /// A transcript: JSON with `segments`, or text whose lines may begin with `caller:` or `agent:`; `-` reads the
    /// standard input.
    file: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Flags of `evaluate`.
#[derive(Args)]
pub struct EvaluateArgs {
    /// A labelled set in JSON Lines, or a folder of them.
    path: PathBuf,
    /// Score rules and language model together; each call is sent to the model that is configured.
    #[arg(long)]
    llm: bool,
    /// Also list what was wrong or missed.
    #[arg(long)]
    misses: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The fields of one transcript, with the words they rest on.
///
/// # Errors
/// When a setting is wrong or the file cannot be read.
pub fn extract(args: &ExtractArgs) -> Outcome<String> {
    let extractor = extractor()?;
    let colour = std::io::stdout().is_terminal();
    let output = Output { json: args.json, colour, ..Output::default() };
    let work = async { Ok(cli::extract(&extractor, &args.file, output).await?) };
    Ok(noted(chassis::on_runtime(work)?))
}

/// How good the extraction is on a labelled set.
///
/// # Errors
/// When a setting is wrong or the set cannot be read.
pub fn evaluate(args: &EvaluateArgs) -> Outcome<String> {
    let output = Output { json: args.json, misses: args.misses, ..Output::default() };
    let extractor = extractor()?;
    let work = async { Ok(cli::evaluate(&extractor, &args.path, args.llm, output).await?) };
    Ok(noted(chassis::on_runtime(work)?))
}

/// The result; what else is to be said goes to the standard error, so that JSON stays JSON.
fn noted(printed: Printed) -> String {
    if let Some(note) = printed.note {
        eprintln!("callscribe: {note}");
    }
    printed.text
}

fn extractor() -> Outcome<Extractor> {
    let (config, _) = Config::load().map_err(Refusal::Setting)?;
    let extractor = Extractor::from_settings(&config.transcriber.extract);
    extractor.map_err(|error| Refusal::Setting(error.to_string()))
}
