//! `callscribe doctor`, the real binary.

use std::path::Path;

use callscribe_tests::CallscribeProcess;
use serde_json::Value;

use crate::CALLSCRIBE;

/// What it says: the exit code, and for each thing it looked at `about state`.
pub async fn doctor(data: &Path, variables: &[(&str, String)]) -> (Option<i32>, Vec<String>) {
    let mut command = CallscribeProcess::command(CALLSCRIBE, data);
    let variables = variables.iter().map(|(name, value)| (name, value));
    command.args(["doctor", "--json"]).envs(variables);
    // What it asks may be answered by this process.
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(&[output.stdout, output.stderr].concat()))
    });
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    let found = findings.map(|one| word(&one["about"]) + " " + &word(&one["state"]));
    (output.status.code(), found.collect())
}

#[tokio::test]
async fn where_nothing_runs_the_doctor_says_what_is_missing_and_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("no.sock");
    let database = folder.path().join("none.db");
    let variables = [
        ("CALLSCRIBE_REDIS__URL", format!("redis+unix://{}", socket.display())),
        ("CALLSCRIBE_RESULTS__DATABASE__URL", format!("sqlite://{}", database.display())),
        ("CALLSCRIBE_TRANSCRIBER__ENGINES__COMMAND__TEMPLATE", "cat {audio}".to_owned()),
    ];
    let (code, found) = doctor(folder.path(), &variables).await;
    assert_eq!(code, Some(1));
    let expected = [
        "redis wrong",
        "database doubtful",
        "twilio doubtful",
        "callbacks fine",
        "engines fine",
        "extraction fine",
    ];
    assert_eq!(found, expected);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it made something");
}
