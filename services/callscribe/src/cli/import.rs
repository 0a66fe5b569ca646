//! `callscribe import`: what another system knew, from its export.

use std::{fs::File, io::BufReader, path::PathBuf, sync::Arc};

use anyhow::Context;
use clap::Args;
use domain::AccountSid;
use results::{
    import::{Format, ImportPlan, Imported, Problem, import},
    store::Store,
};

use super::{Outcome, Refusal, local::DataArg, say};
use crate::Config;

/// Wrong lines that are shown; the others are counted.
const SHOWN: usize = 100;

/// Flags of `import`.
#[derive(Args)]
pub struct ImportArgs {
    /// The export: CSV with a header (`.csv`) or JSON Lines (`.jsonl`, `.ndjson`); calls if it has a
    /// column `call_sid`, leads if it has `phone_e164`. Import leads before calls to keep their ids.
    file: PathBuf,
    /// The account of lines that name none.
    #[arg(long)]
    account: Option<AccountSid>,
    /// Read and check everything, write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataArg,
}

/// Imports a file, and says on the error output what is wrong with which line.
///
/// # Errors
/// When a setting is wrong, the file cannot be read, the database fails, or lines were refused (the
/// others are in then).
pub fn run(args: &ImportArgs) -> Outcome<String> {
    let config = args.data.load()?;
    let (imported, problems) = chassis::on_runtime(take_over(args, &config))?;
    let text = if args.json {
        serde_json::json!({ "result": imported, "problems": problems }).to_string()
    } else {
        report(&imported, args.dry_run)
    };
    if imported.refused == 0 {
        return Ok(text);
    }
    say(&text);
    let refused = imported.refused;
    Err(Refusal::Failed(anyhow::anyhow!("{refused} lines are wrong and were left out")))
}

async fn take_over(args: &ImportArgs, config: &Config) -> anyhow::Result<(Imported, Vec<Problem>)> {
    let file = File::open(&args.file)
        .with_context(|| format!("{} cannot be read", args.file.display()))?;
    let store = Store::open(&config.results.database).await?;
    let plan = ImportPlan {
        format: format_of(args)?,
        account: args.account.clone(),
        dry_run: args.dry_run,
        redactor: domain::Redactor::new(&config.redact)?,
    };
    let settings = Arc::new(config.results.clone());
    let mut problems = Vec::new();
    let tell = |problem: Problem| {
        if problems.len() < SHOWN {
            if !args.json {
                eprintln!("{problem}");
            }
            problems.push(problem);
        }
    };
    let imported = import(&store, &settings, BufReader::new(file), &plan, tell).await?;
    store.close().await?;
    Ok((imported, problems))
}

fn format_of(args: &ImportArgs) -> anyhow::Result<Format> {
    let ending = args.file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    match ending.to_ascii_lowercase().as_str() {
        "csv" => Ok(Format::Csv),
        "jsonl" | "ndjson" => Ok(Format::JsonLines),
        _ => anyhow::bail!("the file's name must end in .csv, .jsonl or .ndjson"),
    }
}

fn report(imported: &Imported, dry_run: bool) -> String {
    let Imported { table, lines, imported: count, kept, erased, refused, ignored_columns } =
        imported;
    let would = if dry_run { " (nothing was written: a dry run)" } else { "" };
    let mut text = format!("{lines} lines of {table}{would}\n");
    for (what, count) in [
        ("imported", count),
        ("kept as they are", kept),
        ("erased before", erased),
        ("wrong", refused),
    ] {
        text += &format!("  {what:<18} {count}\n");
    }
    if !ignored_columns.is_empty() {
        let names: Vec<&str> = ignored_columns.iter().map(String::as_str).collect();
        text += &format!("  columns left out: {}\n", names.join(", "));
    }
    text
}
