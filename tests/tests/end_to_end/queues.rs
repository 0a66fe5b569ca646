//! `callscribe queue …`, the real binary.

use std::{path::Path, process::Output};

use callscribe_tests::{CallscribeProcess, RedisServer};
use serde_json::Value;

use crate::CALLSCRIBE;

fn queue(data: &Path, redis: &RedisServer, arguments: &[&str]) -> Output {
    let mut command = CallscribeProcess::command(CALLSCRIBE, data);
    command.env("CALLSCRIBE_REDIS__URL", redis.url()).arg("queue").args(arguments);
    command.output().unwrap()
}

fn says(data: &Path, redis: &RedisServer, arguments: &[&str]) -> String {
    let output = queue(data, redis, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_pause_and_resume_print_leads_an_operator_on() {
    let redis = RedisServer::start();
    let folder = tempfile::tempdir().unwrap();
    let says = |arguments: &[&str]| says(folder.path(), &redis, arguments);

    let paused = says(&["pause", "--queue", "webhooks", "--minutes", "5", "--reason", "a test"]);
    let (_, command) = paused.split_once("`callscribe queue ").unwrap();
    let (command, _) = command.split_once('`').unwrap();
    let status: Value = serde_json::from_str(&says(&["status", "--json"])).unwrap();
    assert_eq!(status["webhooks"]["pauses"][0]["reason"], "a test", "{status}");
    assert_eq!(status["calls"]["pauses"].as_array().map(Vec::len), Some(0), "{status}");
    assert!(says(&["status"]).contains("paused     by operator: a test"));

    let elsewhere = says(&["resume", "--queue", "webhooks", "--by", "engine:openai"]);
    assert!(elsewhere.contains("was not paused by engine:openai"), "{elsewhere}");
    assert!(elsewhere.contains("paused     by operator: a test"), "{elsewhere}");
    let resumed = says(&command.split(' ').collect::<Vec<_>>());
    assert_eq!(resumed.trim(), "webhooks goes on");

    for minutes in ["0", "43201", "18446744073709551615"] {
        let refused = queue(folder.path(), &redis, &["pause", "--minutes", minutes]);
        let why = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success() && why.contains("1..=43200"), "{why}");
    }
}
