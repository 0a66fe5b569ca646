//! What the terminal says about where everything is and what to do next.

use chassis::Process;

use crate::{Config, data_folder::DataFolder};

/// The fragment that makes Twilio repeat a callback that was answered with a 5xx or not at all.
const RETRY_FRAGMENT: &str = "#rc=5&rp=all";

/// What to enter at Twilio for recordings and for calls, below the address Twilio reaches us at.
pub fn callback_urls(base: &str) -> [String; 2] {
    let base = base.trim_end_matches('/');
    ["recording", "call"].map(|kind| format!("{base}/webhooks/twilio/{kind}{RETRY_FRAGMENT}"))
}

/// After the sample calls.
pub async fn after_samples(data: &DataFolder, process: &Process, ingest: &str) {
    println!("\n{}", listeners(process, ingest).await);
    println!("Everything is kept in {}. Try next:", data.path().display());
    println!("  {} queue status     how far behind are we, and why", program());
    println!("  {}", seed_query(data));
    println!("  export CALLSCRIBE_TWILIO__ACCOUNT_SID=AC… CALLSCRIBE_TWILIO__AUTH_TOKEN=…");
    println!("                              and start again: the same command serves your account");
    println!("Ctrl-C stops everything.");
}

/// When an account is configured: what to enter at Twilio.
pub async fn for_an_account(config: &Config, data: &DataFolder, process: &Process, ingest: &str) {
    println!("{}", listeners(process, ingest).await);
    println!("Everything is kept in {}.", data.path().display());
    let public = config.ingest.public_url.as_ref().map(ToString::to_string);
    let [recording, call] = callback_urls(public.as_deref().unwrap_or("https://your-public-host"));
    println!("Enter at Twilio (the fragment makes it repeat what was not answered):");
    println!("  recording status callback   {recording}");
    println!("  call status callback        {call}");
    if public.is_none() {
        println!(
            "and set CALLSCRIBE_INGEST__PUBLIC_URL=https://your-public-host, the address under \
             which Twilio reaches {ingest}: signatures are checked against it."
        );
    }
    println!("Ctrl-C stops everything.");
}

async fn listeners(process: &Process, ingest: &str) -> String {
    let results = process.listener("results").await.unwrap_or_default();
    let ops = process.listener("ops").await.unwrap_or_default();
    format!(
        "Listening\n  callbacks   {ingest}/webhooks/twilio/recording, …/call\n  \
         API         {results}/v1/calls\n  health      {ops}/readyz\n  metrics     {ops}/metrics"
    )
}

/// How this program is called from the folder it was started in.
fn program() -> String {
    let program = std::env::current_exe().ok();
    let here = std::env::current_dir().unwrap_or_default();
    let shown = program.as_deref().map(|path| path.strip_prefix(&here).unwrap_or(path));
    shown.map_or_else(|| "callscribe".to_owned(), |path| path.display().to_string())
}

fn seed_query(data: &DataFolder) -> String {
    format!(
        "sqlite3 {}/callscribe.db \"SELECT call_sid, final_transcript, extracted_service, \
         extracted_city FROM call_logs ORDER BY created_at DESC LIMIT 1;\"",
        data.path().display()
    )
}
