//! What a kill and a stop leave behind.

use std::{collections::BTreeSet, path::Path, process::Command};

use callscribe_tests::{CallscribeProcess, Database};

use crate::{CALLSCRIBE, eventually};

/// An engine that takes its time and hears the same in every recording.
const SLOW_ENGINE: &str = "sh -c 'sleep 1; echo i need a plumber in denver; : {audio}'";

fn with_slow_engine(data: &Path) -> Vec<(&'static str, String)> {
    vec![
        ("CALLSCRIBE_TRANSCRIBER__ENGINES__CHAIN", "command".into()),
        ("CALLSCRIBE_TRANSCRIBER__ENGINES__COMMAND__TEMPLATE", SLOW_ENGINE.into()),
        // Somebody else's folder of temporary files may fill up; this one goes with the test.
        ("CALLSCRIBE_TRANSCRIBER__TEMPORARY_FOLDER", data.display().to_string()),
    ]
}

async fn statuses(database: &Database) -> Vec<String> {
    let rows = database.rows("SELECT status FROM call_logs").await;
    rows.into_iter().filter_map(|row| row[0].clone()).collect()
}

const TERMINAL: [&str; 4] = ["completed", "no_speech", "no_recording", "failed"];

#[tokio::test]
async fn killed_in_the_middle_and_started_again_every_call_is_completed_once() {
    let data = tempfile::tempdir().unwrap();
    let variables = with_slow_engine(data.path());
    let database = Database::of(data.path());
    let mut killed = CallscribeProcess::start(CALLSCRIBE, data.path(), &["--once"], &variables);
    eventually("some calls are completed, others are in work", || async {
        let statuses = statuses(&database).await;
        let ended = statuses.iter().filter(|s| TERMINAL.contains(&s.as_str())).count();
        (ended >= 3 && statuses.iter().any(|s| s == "transcribing")).then_some(())
    })
    .await;
    killed.signal("KILL");
    killed.wait();
    let done_before: BTreeSet<_> = transcribed(&database).await;

    let mut again = CallscribeProcess::start(CALLSCRIBE, data.path(), &["--once"], &variables);
    assert!(again.wait().success(), "{}", again.printed());
    let statuses = statuses(&database).await;
    assert_eq!(statuses.len(), 15);
    for status in statuses {
        assert!(["completed", "no_speech", "no_recording"].contains(&status.as_str()), "{status}");
    }
    // What was done before the kill was not done again.
    assert!(done_before.is_subset(&transcribed(&database).await));
    let doubled = "SELECT call_sid, COUNT(*) FROM outbox WHERE event_type = 'call.completed' \
                   GROUP BY call_sid HAVING COUNT(*) > 1";
    assert_eq!(database.rows(doubled).await, Vec::<Vec<_>>::new());
    let counted = database.rows("SELECT COUNT(*), COUNT(DISTINCT recording_sid) FROM recordings");
    let counted = counted.await;
    assert_eq!(counted[0], [Some("14".into()), Some("14".into())]);
}

/// Which recordings have a transcript, and since when.
async fn transcribed(database: &Database) -> BTreeSet<Vec<Option<String>>> {
    let query = "SELECT recording_sid, transcribed_at FROM recordings \
                 WHERE transcribed_at IS NOT NULL";
    database.rows(query).await.into_iter().collect()
}

#[tokio::test]
async fn sigterm_stops_everything_in_order_and_nothing_is_lost() {
    let data = tempfile::tempdir().unwrap();
    let variables = with_slow_engine(data.path());
    let database = Database::of(data.path());
    let mut stopped = CallscribeProcess::start(CALLSCRIBE, data.path(), &[], &variables);
    eventually("a call is in work", || async {
        statuses(&database).await.iter().any(|s| s == "transcribing").then_some(())
    })
    .await;
    stopped.signal("TERM");
    assert!(stopped.wait().success(), "{}", stopped.printed());
    let socket = data.path().join("redis/redis.sock");
    assert!(
        std::os::unix::net::UnixStream::connect(&socket).is_err(),
        "the private Redis outlived its parent"
    );

    let mut again = CallscribeProcess::start(CALLSCRIBE, data.path(), &["--once"], &variables);
    assert!(again.wait().success(), "{}", again.printed());
    assert!(statuses(&database).await.iter().all(|status| TERMINAL.contains(&status.as_str())));
}

#[tokio::test]
async fn two_processes_do_not_share_a_data_folder() {
    let data = tempfile::tempdir().unwrap();
    let variables = with_slow_engine(data.path());
    let first = CallscribeProcess::start(CALLSCRIBE, data.path(), &[], &variables);
    let database = Database::of(data.path());
    eventually("the first one is up", || async {
        (!statuses(&database).await.is_empty()).then_some(())
    })
    .await;
    let mut second = CallscribeProcess::command(CALLSCRIBE, data.path());
    let output = second.args(["up", "--once"]).output().unwrap();
    assert!(!output.status.success());
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("another callscribe runs"), "{message}");
    drop(first);
}

#[test]
fn a_wrong_setting_stops_the_start_with_exit_code_64_and_names_it() {
    let data = tempfile::tempdir().unwrap();
    for (name, value, named) in [
        ("CALLSCRIBE_REDIS__ULR", "redis://127.0.0.1", "ulr"),
        ("CALLSCRIBE_TRANSCRIBER__SLOTS", "0", "transcriber.slots is 0"),
        ("CALLSCRIBE_TRANSCRIBER__SLOTS", "many", "transcriber.slots"),
        ("CALLSCRIBE_RESULTS__API__LISTEN", "0.0.0.0:0", "results.api.listen"),
        ("CALLSCRIBE_TELEMETRY__LOG_FORMAT", "xml", "xml"),
    ] {
        let mut command: Command = CallscribeProcess::command(CALLSCRIBE, data.path());
        let output = command.args(["up", "--once"]).env(name, value).output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(64), "{name}={value}: {message}");
        assert!(message.contains(named), "{name}={value}: {message}");
    }
}
