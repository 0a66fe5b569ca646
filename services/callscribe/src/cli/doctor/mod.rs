//! `callscribe doctor`: looks at everything the services need, and says what to do about the rest.
//!
//! It asks and never changes anything: no schema is brought up to date, nothing is enqueued, no
//! engine is paid.

mod needs;
mod work;

use std::{fmt::Write, process::ExitCode};

use clap::Args;
use serde::Serialize;

use super::{Outcome, Output, local::DataArg, refused, say};
use crate::Config;

/// Flags of `doctor`.
#[derive(Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    data: DataArg,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// As it should be.
    Fine,
    /// It works, and somebody should know this.
    Doubtful,
    /// Something does not work until this is mended.
    Wrong,
}

/// What was found about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    /// What was looked at.
    about: &'static str,
    state: State,
    /// What was found; and where it is not fine, what to do.
    says: String,
}

impl Finding {
    fn fine(about: &'static str, says: impl Into<String>) -> Self {
        Self { about, state: State::Fine, says: says.into() }
    }

    fn doubtful(about: &'static str, says: impl Into<String>) -> Self {
        Self { about, state: State::Doubtful, says: says.into() }
    }

    fn wrong(about: &'static str, says: impl Into<String>) -> Self {
        Self { about, state: State::Wrong, says: says.into() }
    }
}

/// Looks, prints what was found, and exits with 1 where something is wrong; with 64 where that is a
/// setting which no service would start with.
pub fn main(args: &DoctorArgs) -> ExitCode {
    chassis::install_tls();
    match look(args) {
        Ok((text, is_well)) => {
            say(&text);
            if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(refusal) => refused(refusal),
    }
}

fn look(args: &DoctorArgs) -> Outcome<(String, bool)> {
    let config = args.data.load()?;
    let findings = chassis::on_runtime(async { Ok(examine(&config).await) })?;
    let is_well = findings.iter().all(|finding| finding.state != State::Wrong);
    let text = if args.output.json {
        let report = serde_json::json!({ "well": is_well, "findings": findings });
        serde_json::to_string_pretty(&report).map_err(anyhow::Error::from)?
    } else {
        describe(&findings)
    };
    Ok((text, is_well))
}

async fn examine(config: &Config) -> Vec<Finding> {
    let mut findings = needs::redis(config).await;
    findings.push(needs::database(config).await);
    findings.extend(needs::twilio(config).await);
    findings.push(needs::callbacks(config));
    findings.push(needs::engines(config).await);
    findings.push(needs::extraction(config));
    if findings.iter().all(|finding| finding.about != "redis" || finding.state != State::Wrong) {
        findings.extend(work::queues(config).await);
    }
    findings
}

fn describe(findings: &[Finding]) -> String {
    let mut text = String::new();
    for Finding { about, state, says } in findings {
        let mark = match state {
            State::Fine => "ok  ",
            State::Doubtful => "look",
            State::Wrong => "BAD ",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{mark}  {about:<11}  {says}");
    }
    let count = |wanted| findings.iter().filter(|finding| finding.state == wanted).count();
    let _ = match (count(State::Wrong), count(State::Doubtful)) {
        (0, 0) => writeln!(text, "all is well"),
        (0, doubtful) => writeln!(text, "nothing is wrong; {doubtful} to look at"),
        (wrong, doubtful) => writeln!(text, "{wrong} wrong, {doubtful} to look at"),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_says_how_much_is_wrong() {
        let fine = Finding::fine("redis", "answers");
        let doubtful = Finding::doubtful("twilio", "no account");
        let wrong = Finding::wrong("database", "is away");
        let last = |findings: &[Finding]| describe(findings).lines().last().unwrap().to_owned();
        assert_eq!(last(std::slice::from_ref(&fine)), "all is well");
        assert_eq!(last(&[fine.clone(), doubtful.clone()]), "nothing is wrong; 1 to look at");
        assert_eq!(last(&[fine, doubtful, wrong]), "1 wrong, 1 to look at");
    }
}
