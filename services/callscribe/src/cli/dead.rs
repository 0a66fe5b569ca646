//! `callscribe dead …`: what nobody works on any more, and what to do about it.

use std::fmt::Write;

use clap::{ArgGroup, Args, Subcommand};
use queue::{DeadLetter, Queue, Selection};

use super::{Outcome, local::DataArg, local::queue_named};

/// The verbs.
#[derive(Subcommand)]
pub enum DeadVerb {
    /// List dead letters, oldest first.
    List(Common),
    /// Put dead letters back to work; their attempts begin anew.
    Redrive(Which),
    /// Throw dead letters away.
    Discard(Which),
}

/// What every verb takes.
#[derive(Args)]
pub struct Common {
    /// Which queue: `calls`, `results` or `webhooks`.
    #[arg(long, default_value = "calls")]
    queue: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataArg,
}

/// Which of them.
#[derive(Args)]
#[command(group(ArgGroup::new("which").required(true).args(["id", "reason", "all"])))]
pub struct Which {
    /// The one with this id.
    id: Option<String>,
    /// Those with this reason (`exhausted`, `permanent`, `poison`, `malformed`) or failure code.
    #[arg(long)]
    reason: Option<String>,
    /// All of them.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    common: Common,
}

/// How many letters `list` shows at most.
const SHOWN: usize = 1000;

/// Runs a verb and returns what it prints.
///
/// # Errors
/// When a setting is wrong or Redis cannot be reached.
pub fn run(verb: &DeadVerb) -> Outcome<String> {
    let common = match verb {
        DeadVerb::List(common) => common,
        DeadVerb::Redrive(which) | DeadVerb::Discard(which) => &which.common,
    };
    let config = common.data.load()?;
    Ok(chassis::on_runtime(async {
        let queue = queue_named(&config, &common.queue).await?;
        match verb {
            DeadVerb::List(_) => list(&queue, common.json).await,
            DeadVerb::Redrive(which) => {
                Ok(told("redriven", queue.redrive(&which.selection()).await?, common.json))
            }
            DeadVerb::Discard(which) => {
                Ok(told("discarded", queue.discard(&which.selection()).await?, common.json))
            }
        }
    })?)
}

impl Which {
    fn selection(&self) -> Selection {
        match (&self.id, &self.reason) {
            (Some(id), _) => Selection::One(id.clone()),
            (None, Some(reason)) => Selection::Reason(reason.clone()),
            (None, None) => Selection::All,
        }
    }
}

async fn list(queue: &Queue, as_json: bool) -> anyhow::Result<String> {
    let letters = queue.dead_letters(None, SHOWN).await?;
    if as_json {
        return Ok(serde_json::to_string_pretty(&letters)?);
    }
    if letters.is_empty() {
        return Ok("no dead letters".into());
    }
    Ok(letters.iter().map(line).collect())
}

fn line(letter: &DeadLetter) -> String {
    let mut line = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        line,
        "{}  {}  {} after {} attempts: {}: {}",
        letter.id,
        letter.key,
        letter.reason,
        letter.attempt,
        letter.failure.code,
        letter.failure.message
    );
    line
}

fn told(what: &str, count: u64, as_json: bool) -> String {
    if as_json { serde_json::json!({ what: count }).to_string() } else { format!("{count} {what}") }
}
