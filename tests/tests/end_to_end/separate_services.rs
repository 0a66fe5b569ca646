//! The three services as processes of their own, on a shared Redis and Postgres, as in a cluster.

use std::{collections::BTreeSet, path::Path};

use callscribe_tests::{CallscribeProcess, Collector, Database, Postgres, RedisServer, dashboards};
use domain::{CallSid, RecordingSid};
use twilio::double::{Double, DoubleCall, DoubleRecording};

use crate::{CALLSCRIBE, TOKEN, account, doctor::doctor, eventually};

/// A recording in the repository: a caller who needs a locksmith in Austin.
fn locksmith_in_austin() -> Vec<u8> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../services/callscribe/samples");
    std::fs::read(samples.join("locksmith-austin.wav")).unwrap()
}

#[tokio::test]
async fn a_signed_callback_becomes_a_row_in_postgres_and_one_trace_across_the_services() {
    chassis::install_tls();
    let redis = RedisServer::start();
    let postgres = Postgres::start();
    let mut collector = Collector::start().await;
    let call: CallSid = format!("CA{:032x}", 1).parse().unwrap();
    let recording: RecordingSid = format!("RE{:032x}", 1).parse().unwrap();
    let twilio = Double::start(account(), TOKEN).await.unwrap();
    twilio.add_call(DoubleCall::inbound(call.clone(), "+15125550101", "+12125550100"));
    twilio.add_recording(DoubleRecording {
        channels: 2,
        ..DoubleRecording::new(recording.clone(), call.clone(), locksmith_in_austin())
    });

    let folder = tempfile::tempdir().unwrap();
    let variables = [
        ("CALLSCRIBE_REDIS__URL", redis.url()),
        ("CALLSCRIBE_RESULTS__DATABASE__URL", postgres.url()),
        ("CALLSCRIBE_TWILIO__ACCOUNT_SID", account().to_string()),
        ("CALLSCRIBE_TWILIO__AUTH_TOKEN", TOKEN.to_owned()),
        ("CALLSCRIBE_TWILIO__API_BASE", twilio.api_base()),
        ("CALLSCRIBE_RESULTS__RECONCILE__INTERVAL_SECONDS", "1".to_owned()),
        ("CALLSCRIBE_TELEMETRY__OTLP_ENDPOINT", collector.endpoint().to_owned()),
    ];
    let mut services: Vec<_> = ["ingest", "transcriber", "results"]
        .into_iter()
        .map(|verb| {
            let folder = folder.path().join(verb);
            std::fs::create_dir(&folder).unwrap();
            CallscribeProcess::start_verb(CALLSCRIBE, &folder, &[verb], &variables)
        })
        .collect();

    let ingest = services[0].listener("ingest").await;
    let url = format!("{ingest}/webhooks/twilio/recording");
    assert_eq!(twilio.post_recording_callback(&url, &recording).await.unwrap(), 204);
    // Twilio repeats itself; that makes no second transcription.
    assert_eq!(twilio.post_recording_callback(&url, &recording).await.unwrap(), 204);

    let database = Database::at(postgres.url());
    let query = "SELECT call_sid, extracted_service, extracted_city, from_number, attempts, \
                 final_transcript FROM call_logs WHERE status = 'completed'";
    let rows = eventually("the call is completed", || async {
        Some(database.rows(query).await).filter(|rows| !rows.is_empty())
    })
    .await;
    let expected = [call.as_str(), "locksmith", "Austin", "+15125550101", "1"];
    let found: Vec<_> = rows[0].iter().map(|value| value.as_deref().unwrap_or("NULL")).collect();
    assert_eq!(found[..5].to_vec().map_lower(), expected.to_vec().map_lower());
    let transcript = found[5].to_owned();
    assert_eq!(twilio.media_served(&recording), 1);

    the_dashboards_find_their_metrics(&services).await;
    the_doctor_finds_what_is_wrong_and_nothing_else(folder.path(), &variables).await;

    for service in &mut services {
        service.signal("TERM");
        assert!(service.wait().success(), "{}", service.printed());
    }
    let logs = services.iter().map(CallscribeProcess::printed).collect::<String>();
    assert!(logs.contains("/webhooks/twilio/recording#rc=5&rp=all"), "what to enter at Twilio");
    for secret in ["+15125550101", TOKEN, &transcript] {
        assert!(!logs.contains(secret), "{secret} stands in a log");
    }
    let of_all_three = |spans: &[callscribe_tests::Span]| shared_trace(spans).is_some();
    collector.wait_for(of_all_three).await;
}

/// Compares texts without their case.
trait MapLower {
    fn map_lower(self) -> Vec<String>;
}

impl MapLower for Vec<&str> {
    fn map_lower(self) -> Vec<String> {
        self.into_iter().map(str::to_lowercase).collect()
    }
}

/// A trace that has spans of all three services.
fn shared_trace(spans: &[callscribe_tests::Span]) -> Option<String> {
    let traces: BTreeSet<_> = spans.iter().map(|span| span.trace_id.clone()).collect();
    traces.into_iter().find(|trace| {
        let services: BTreeSet<_> = spans
            .iter()
            .filter(|span| span.trace_id == *trace)
            .map(|span| span.service.as_str())
            .collect();
        services.len() == 3
    })
}

async fn the_doctor_finds_what_is_wrong_and_nothing_else(
    data: &Path,
    variables: &[(&str, String)],
) {
    let public = ("CALLSCRIBE_INGEST__PUBLIC_URL", "https://calls.example.com".to_owned());
    let well = [variables, std::slice::from_ref(&public)].concat();
    let wrong = |found: Vec<String>| -> Vec<String> {
        found.into_iter().filter(|finding| finding.ends_with(" wrong")).collect()
    };
    let (code, found) = doctor(data, &well).await;
    for about in ["database", "twilio", "callbacks", "engines", "calls", "results"] {
        assert!(found.contains(&format!("{about} fine")), "{about}: {found:?}");
    }
    assert_eq!((code, wrong(found)), (Some(0), vec![]));

    let token = ("CALLSCRIBE_TWILIO__AUTH_TOKEN", "f".repeat(32));
    let (code, found) = doctor(data, &[variables, &[token]].concat()).await;
    let expected = ["twilio wrong", "callbacks wrong"].map(str::to_owned);
    assert_eq!((code, wrong(found)), (Some(1), expected.to_vec()));
}

async fn the_dashboards_find_their_metrics(services: &[CallscribeProcess]) {
    for service in services {
        let ops = service.listener("ops").await;
        let ready = reqwest::get(format!("{ops}/readyz")).await.unwrap();
        assert!(ready.status().is_success(), "{}", ready.text().await.unwrap());
    }
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |file: &str| std::fs::read_to_string(repository.join(file)).unwrap();
    let mut queries =
        dashboards::of_dashboard(&read("deploy/grafana/dashboards/queue-lag.json")).unwrap();
    queries.extend(dashboards::of_alerts(&read("deploy/prometheus/alerts.yml")).unwrap());
    // Some begin with the first comparison with Twilio's list.
    eventually("everything that dashboards and alerts name is exported", || async {
        let missing = dashboards::missing_from(&exposition(services).await, &queries).unwrap();
        missing.is_empty().then_some(())
    })
    .await;
}

async fn exposition(services: &[CallscribeProcess]) -> String {
    let mut exposition = String::new();
    for service in services {
        let ops = service.listener("ops").await;
        exposition += &reqwest::get(format!("{ops}/metrics")).await.unwrap().text().await.unwrap();
    }
    exposition
}
