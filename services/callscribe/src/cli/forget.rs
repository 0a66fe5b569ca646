//! `callscribe forget`: one caller, erased from everywhere.

use std::io::{IsTerminal, Write};

use anyhow::Context;
use clap::Args;
use domain::{AccountSid, E164};
use queue::Link;
use results::{
    erasure::{ForgetPlan, Forgetting, Forgotten},
    store::Store,
};

use super::{Outcome, local::DataArg};
use crate::Config;

/// Flags of `forget`.
#[derive(Args)]
pub struct ForgetArgs {
    /// The caller's number, such as +972541234567.
    number: E164,
    /// Of this account only. Default: of all of them.
    #[arg(long)]
    account: Option<AccountSid>,
    /// Delete the recordings at Twilio too.
    #[arg(long)]
    recordings: bool,
    /// Only count, erase nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataArg,
}

/// Counts, asks on a terminal, erases.
///
/// # Errors
/// When a setting is wrong, nobody said yes, or the database, Redis or Twilio fails.
pub fn run(args: &ForgetArgs) -> Outcome<String> {
    let config = args.data.load()?;
    let forgotten = chassis::on_runtime(forget(args, &config))?;
    let Some(forgotten) = forgotten else { return Ok("nothing was erased".into()) };
    if args.json {
        return Ok(serde_json::to_string(&forgotten).map_err(anyhow::Error::from)?);
    }
    let mut text = if args.dry_run { "would be erased:\n" } else { "erased:\n" }.to_owned();
    for (count, what) in counts(&forgotten) {
        text += &format!("  {what:<34} {count}\n");
    }
    if forgotten.callers_unknown > 0 {
        text += &format!(
            "{} calls are under way of which nobody has said yet whose they are: run the same again \
             when they have ended\n",
            forgotten.callers_unknown
        );
    }
    Ok(text)
}

async fn forget(args: &ForgetArgs, config: &Config) -> anyhow::Result<Option<Forgotten>> {
    let client = config.twilio.is_configured().then(|| twilio::Client::new(&config.twilio));
    let store = Store::open(&config.results.database).await?;
    let link = Link::open(&config.redis).await?;
    let forgetting = Forgetting::new(store.clone(), link, client.transpose().context("Twilio")?);
    let plan = ForgetPlan {
        number: args.number.clone(),
        account: args.account.clone(),
        recordings: args.recordings,
        dry_run: args.dry_run,
    };
    let forgotten = if args.dry_run || args.yes || confirmed(&forgetting, &plan).await? {
        Some(forgetting.forget(&plan).await?)
    } else {
        None
    };
    store.close().await?;
    Ok(forgotten)
}

async fn confirmed(forgetting: &Forgetting, plan: &ForgetPlan) -> anyhow::Result<bool> {
    let mut terminal = std::io::stderr();
    anyhow::ensure!(
        std::io::stdin().is_terminal() && terminal.is_terminal(),
        "erasing cannot be undone: say --yes, or look at it with --dry-run first"
    );
    let found = forgetting.forget(&ForgetPlan { dry_run: true, ..plan.clone() }).await?;
    let Forgotten { calls, leads, .. } = found;
    write!(terminal, "Erase {calls} calls and {leads} leads of {} for good? [y/N] ", plan.number)?;
    terminal.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn counts(forgotten: &Forgotten) -> [(u64, &'static str); 7] {
    [
        (forgotten.calls, "calls"),
        (forgotten.recordings, "recordings"),
        (forgotten.recordings_at_twilio, "recordings deleted at Twilio"),
        (forgotten.leads, "leads"),
        (forgotten.events_out, "events out"),
        (forgotten.queue_entries, "entries of the queues"),
        (forgotten.checkpoints, "pieces of unfinished transcripts"),
    ]
}
