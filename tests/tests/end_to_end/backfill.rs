//! `callscribe backfill`, the real binary.

use std::path::Path;

use callscribe_tests::{CallscribeProcess, RedisServer};
use chrono::{Days, Utc};
use serde_json::Value;
use twilio::double::{Double, DoubleRecording};

use crate::{CALLSCRIBE, TOKEN, account};

const DAY_MS: i64 = 24 * 3600 * 1000;

/// Its exit code and what it prints to both outputs.
async fn backfill(
    data: &Path,
    variables: &[(&str, String)],
    arguments: &[&str],
) -> (Option<i32>, String, String) {
    let mut command = CallscribeProcess::command(CALLSCRIBE, data);
    let since = (Utc::now().date_naive() - Days::new(5)).to_string();
    command.args(["backfill", "--json", "--since", &since]).args(arguments);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    // This process is the Twilio that is asked.
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn a_back_fill_from_the_command_line_enqueues_once_and_tells_what_became_of_each() {
    chassis::install_tls();
    let redis = RedisServer::start();
    let twilio = Double::start(account(), TOKEN).await.unwrap();
    for n in 1..=3_u32 {
        let sid = format!("RE{n:032x}").parse().unwrap();
        let call = format!("CA{n:032x}").parse().unwrap();
        let mut made = DoubleRecording::new(sid, call, "RIFF");
        made.start_time_ms = Utc::now().timestamp_millis() - i64::from(n) * DAY_MS;
        twilio.add_recording(made);
    }
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}/backfill.db", folder.path().display());
    let mut variables = vec![
        ("CALLSCRIBE_REDIS__URL", redis.url()),
        ("CALLSCRIBE_RESULTS__DATABASE__URL", database),
        ("CALLSCRIBE_TWILIO__ACCOUNT_SID", account().to_string()),
        ("CALLSCRIBE_TWILIO__AUTH_TOKEN", TOKEN.to_owned()),
        ("CALLSCRIBE_TWILIO__API_BASE", twilio.api_base()),
    ];
    for (arguments, enqueued, under_way) in
        [(&["--dry-run"][..], 3, 0), (&[][..], 3, 0), (&["--dry-run"][..], 0, 3), (&[][..], 0, 3)]
    {
        let (code, printed, complaint) = backfill(folder.path(), &variables, arguments).await;
        assert_eq!(code, Some(0), "{complaint}");
        let counts: Value = serde_json::from_str(&printed).unwrap();
        let count = |cause: &str| counts[cause].as_i64().unwrap();
        assert_eq!(
            [count("listed"), count("enqueued"), count("under_way")],
            [3, enqueued, under_way],
            "{arguments:?}"
        );
    }

    variables[3].1 = "f".repeat(32);
    let (code, printed, complaint) = backfill(folder.path(), &variables, &[]).await;
    assert_eq!((code, printed.as_str()), (Some(1), ""));
    assert!(complaint.contains(account().as_str()), "{complaint}");
    assert!(complaint.contains("check twilio.auth_token"), "{complaint}");
}
