//! The whole system as processes, from a signed callback to a row.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod backfill;
mod crash;
mod doctor;
mod queues;
mod samples;
mod separate_services;

use std::time::Duration;

use domain::AccountSid;

/// The binary under test.
const CALLSCRIBE: &str = env!("CARGO_BIN_EXE_callscribe-under-test");

/// The token of the account at the Twilio double.
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn account() -> AccountSid {
    format!("AC{:032x}", 7).parse().unwrap()
}

/// Longest wait for anything here; a condition that does not come true by then never will.
const PATIENCE: Duration = Duration::from_secs(240);

/// Waits until a question about the outside world is answered with a value.
async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, ask: impl Fn() -> F) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(answer) => answer,
        Err(_) => panic!("waited in vain: {what}"),
    }
}
