//! `make run`: the sample calls, read by the engine that needs no key.

use std::collections::HashMap;

use callscribe_tests::{CallscribeProcess, Database};
use serde::Deserialize;

use crate::CALLSCRIBE;

#[derive(Deserialize)]
struct Script {
    call: Vec<Sample>,
}

#[derive(Deserialize)]
struct Sample {
    name: String,
    call_sid: String,
    rate: Option<u32>,
    #[serde(default)]
    expected: Expected,
    #[serde(default)]
    silent: bool,
    #[serde(default)]
    empty: bool,
    #[serde(default = "yes")]
    recording: bool,
}

#[derive(Deserialize, Default)]
struct Expected {
    service: Option<String>,
    city: Option<String>,
}

fn yes() -> bool {
    true
}

fn script() -> Vec<Sample> {
    let path =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../services/callscribe/samples/dialogues.toml");
    let text = std::fs::read_to_string(path).unwrap();
    toml::from_str::<Script>(&text).unwrap().call
}

#[tokio::test]
async fn the_sample_calls_become_rows_and_a_second_run_transcribes_nothing_again() {
    let data = tempfile::tempdir().unwrap();
    let first = CallscribeProcess::run_once(CALLSCRIBE, data.path());
    let printed = String::from_utf8_lossy(&first.stdout).into_owned();
    assert!(first.status.success(), "{printed}{}", String::from_utf8_lossy(&first.stderr));
    assert!(printed.contains("0 of them done in an earlier run"), "{printed}");

    let database = Database::of(data.path());
    let columns = "call_sid, status, extracted_service, extracted_city, final_transcript, \
                   transcript_engine, updated_at";
    let query = format!("SELECT {columns} FROM call_logs ORDER BY call_sid");
    let rows = database.rows(&query).await;
    let by_sid: HashMap<_, _> = rows.iter().map(|row| (row[0].clone().unwrap(), row)).collect();
    for sample in script() {
        let row = by_sid.get(&sample.call_sid).unwrap_or_else(|| panic!("no row: {}", sample.name));
        check(&sample, row);
        assert!(printed.contains(&sample.name), "{} is not on the terminal", sample.name);
    }

    let seed = "SELECT call_sid, final_transcript, extracted_service, extracted_city \
                FROM call_logs ORDER BY created_at DESC LIMIT 1;";
    assert_eq!(database.rows(seed).await.len(), 1);

    let second = CallscribeProcess::run_once(CALLSCRIBE, data.path());
    let printed = String::from_utf8_lossy(&second.stdout).into_owned();
    assert!(second.status.success(), "{printed}");
    let all_done = format!("{} of them done in an earlier run", script().len());
    assert!(printed.contains(&all_done), "{printed}");
    assert_eq!(database.rows(&query).await, rows, "a second run changed rows");
}

fn check(sample: &Sample, row: &[Option<String>]) {
    let [_, status, service, city, transcript, engine, _] = row else { panic!("{row:?}") };
    let name = &sample.name;
    let status = status.as_deref().unwrap();
    if !sample.recording {
        assert_eq!(status, "no_recording", "{name}");
        return;
    }
    if sample.silent || sample.empty {
        assert_eq!((status, transcript), ("no_speech", &None), "{name}");
        return;
    }
    assert_eq!((status, engine.as_deref()), ("completed", Some("pocketsphinx")), "{name}");
    assert!(transcript.as_deref().is_some_and(|text| !text.is_empty()), "{name}");
    let said = |field: &Option<String>| field.as_deref().map(str::to_lowercase);
    let expected = [&sample.expected.service, &sample.expected.city].map(said);
    let found = [service, city].map(said);
    if sample.rate == Some(8000) {
        // The engine of last resort hears telephone audio badly: what is missing is missing, and
        // what is there is right.
        for (found, expected) in found.iter().zip(&expected) {
            assert!(found.is_none() || found == expected, "{name}: {found:?}, {transcript:?}");
        }
        return;
    }
    assert_eq!(found, expected, "{name}: {transcript:?}");
}
