//! `callscribe backfill`: what Twilio lists and the database lacks, for days of one's choice; or what
//! was given up and whose dead letters are lost.

use std::io::{IsTerminal, Write};

use anyhow::Context;
use chrono::NaiveDate;
use clap::Args;
use domain::AccountSid;
use queue::Link;
use results::{
    reconcile::{Backfill, Progress, ReconcileError, Reconciler, Summary},
    store::Store,
};

use super::{
    Outcome,
    local::{DataArg, until_interrupted},
};
use crate::Config;

/// Flags of `backfill`.
#[derive(Args)]
pub struct BackfillArgs {
    /// The first day (UTC), such as 2026-01-31.
    #[arg(long, required_unless_present = "failed")]
    since: Option<NaiveDate>,
    /// The last day (UTC), included. Default: today.
    #[arg(long)]
    until: Option<NaiveDate>,
    /// Instead: enqueue what was given up and whose dead letter no queue holds any more, however old
    /// it is. For the day after Redis lost its disk.
    #[arg(long, conflicts_with_all = ["since", "until"])]
    failed: bool,
    /// Only count, enqueue nothing.
    #[arg(long)]
    dry_run: bool,
    /// The account, where several are configured. Default: all of them.
    #[arg(long)]
    account: Option<AccountSid>,
    /// Recordings enqueued a second at most. Default: results.reconcile.max_per_second.
    #[arg(long)]
    max_per_second: Option<u32>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataArg,
}

/// Fills in what is lacking, with a line of progress on a terminal; Ctrl-C stops it, and the same
/// command goes on where it was.
///
/// # Errors
/// When a setting is wrong, no account is configured, or Twilio, Redis or the database fails.
pub fn run(args: &BackfillArgs) -> Outcome<String> {
    let config = args.data.load()?;
    let total = chassis::on_runtime(fill(args, &config))?;
    if args.json {
        let counts: serde_json::Map<_, _> = std::iter::once(("listed", total.listed))
            .chain(total.counts())
            .map(|(cause, count)| (cause.to_owned(), count.into()))
            .collect();
        return Ok(serde_json::Value::from(counts).to_string());
    }
    if args.failed {
        let would = if args.dry_run { "would be " } else { "" };
        return Ok(format!("{} failed recordings and calls {would}enqueued again", total.resumed));
    }
    let would = if args.dry_run { " (nothing was enqueued: a dry run)" } else { "" };
    let mut text = format!("{} recordings listed{would}\n", total.listed);
    for (cause, count) in total.counts() {
        text += &format!("  {:<14} {count}\n", cause.replace('_', " "));
    }
    Ok(text)
}

async fn fill(args: &BackfillArgs, config: &Config) -> anyhow::Result<Summary> {
    let twilio = twilio::Client::new(&config.twilio).context("Twilio")?;
    let accounts: Vec<AccountSid> = match &args.account {
        Some(account) => vec![account.clone()],
        None => twilio.accounts().cloned().collect(),
    };
    anyhow::ensure!(
        !accounts.is_empty(),
        "no Twilio account is configured: set CALLSCRIBE_TWILIO__ACCOUNT_SID and \
         CALLSCRIBE_TWILIO__AUTH_TOKEN"
    );
    let store = Store::open(&config.results.database).await?;
    let calls = chassis::queues::calls(Link::open(&config.redis).await?);
    let settings = config.results.reconcile.clone();
    let max_per_second = args.max_per_second.unwrap_or(settings.max_per_second);
    let reconciler = Reconciler::new(store, calls, twilio, settings, until_interrupted()?);
    let mut total = Summary::default();
    let mut unfinished = Vec::new();
    for account in accounts {
        let Some(since) = args.since else {
            match reconciler.resume_failed(&account, max_per_second, args.dry_run).await {
                Ok(resumed) => total.resumed += resumed,
                Err(error) => unfinished.push(format!("{account}: {error}")),
            }
            continue;
        };
        let plan =
            Backfill { account, since, until: args.until, dry_run: args.dry_run, max_per_second };
        let mut found = Summary::default();
        let tell = |progress: Progress| {
            found = progress.summary;
            bar(progress);
        };
        let outcome = reconciler.backfill(&plan, tell).await;
        total += *outcome.as_ref().unwrap_or(&found);
        match outcome {
            Ok(_) => {}
            Err(error @ ReconcileError::Stopped) => {
                unfinished.push(format!("{}: {error}", plan.account));
                break;
            }
            // The other accounts are none the worse for it.
            Err(error) => unfinished.push(format!("{}: {error}", plan.account)),
        }
    }
    if std::io::stderr().is_terminal() {
        eprintln!();
    }
    anyhow::ensure!(
        unfinished.is_empty(),
        "{}; {} recordings were listed and {} enqueued until then; the same command goes on",
        unfinished.join("; "),
        total.listed,
        total.enqueued + total.resumed
    );
    Ok(total)
}

/// One line that is written over and over.
fn bar(progress: Progress) {
    const WIDTH: u64 = 30;
    let mut terminal = std::io::stderr();
    if !terminal.is_terminal() {
        return;
    }
    let filled = (progress.days_done * WIDTH).checked_div(progress.days).unwrap_or(WIDTH);
    let bar: String = (0..WIDTH).map(|at| if at < filled { '#' } else { '.' }).collect();
    let Progress { days_done, days, summary } = progress;
    // A terminal that is gone is no reason to stop.
    let _ = write!(
        terminal,
        "\r[{bar}] day {days_done}/{days}  {} listed, {} enqueued",
        summary.listed, summary.enqueued
    );
    let _ = terminal.flush();
}
