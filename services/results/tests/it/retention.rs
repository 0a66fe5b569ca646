//! What is old enough goes, and stays away.

mod copies;

use std::sync::Arc;

use callscribe_results::{
    ResultsSettings, outbound,
    retention::{Ages, Kind, Retention, RetentionError, RetentionSettings},
    store::entities::audit,
};
use chassis::queues;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{CallJob, EventKind, Field, JobSource};
use queue::{
    BatchHandler, ConsumerOptions, Delivery, Entry, Failure, Link, Queue, Settlement, Verdict,
};
use sea_orm::EntityTrait;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use twilio::{Client, double::Double};

use crate::support::{
    Db,
    events::{account, call_sid, observed, of_call, recording_sid, usual},
    eventually, on_both,
    service::Redis,
};

const T: i64 = 1_790_000_000_000;
const CALLER: &str = "+15125550123";
const OTHER: &str = "+15125550124";

/// Ten days after the old call, and one after the new one.
fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_millis(T).unwrap() + TimeDelta::days(10)
}

/// An old call of one caller and a new one of another.
async fn two_calls(db: &Db) {
    db.persist(&usual(1, T, CALLER, "Austin")).await.unwrap();
    let new = now() - TimeDelta::days(1);
    db.persist(&usual(2, new.timestamp_millis(), OTHER, "Dallas")).await.unwrap();
}

async fn sweep(db: &Db, retention: RetentionSettings, client: Option<Client>) -> Vec<(Kind, u64)> {
    let settings = Arc::new(ResultsSettings { retention, ..ResultsSettings::default() });
    let retention = Retention::new(db.store.clone(), client, settings);
    let done = retention.sweep(now(), &CancellationToken::new()).await.unwrap();
    done.into_iter().map(|due| (due.kind, due.count)).collect()
}

fn after_5_days(ages: Ages) -> RetentionSettings {
    RetentionSettings { ages, ..RetentionSettings::default() }
}

on_both! {
    async fn an_old_transcript_goes_with_its_quotations_and_the_fields_stay(db: Db) {
        two_calls(&db).await;
        let ages = Ages { transcripts_days: Some(5), ..Ages::default() };
        assert_eq!(sweep(&db, after_5_days(ages), None).await, [(Kind::Transcripts, 1)]);
        let rows = db.rows().await;
        assert_eq!(rows.calls[0].final_transcript, None);
        assert_eq!(rows.calls[0].extracted_city.as_deref(), Some("Austin"));
        assert_eq!((&rows.recordings[0].transcript, &rows.recordings[0].segments), (&None, &None));
        let extraction = rows.recordings[0].extraction.as_ref().unwrap();
        assert_eq!(extraction["city"]["evidence"]["quote"], "");
        assert_eq!(rows.leads[0].city.as_deref(), Some("Austin"));
        assert!(rows.calls[1].final_transcript.is_some());
        // A repetition of the old event does not bring it back, and there is nothing left to do.
        db.persist(&usual(1, T, CALLER, "Austin")).await.unwrap();
        assert_eq!(db.rows().await, rows);
        assert_eq!(sweep(&db, after_5_days(ages), None).await, []);
    }
}

on_both! {
    async fn old_numbers_go_and_with_them_a_lead_that_has_no_call_left(db: Db) {
        two_calls(&db).await;
        let ages = Ages { numbers_days: Some(5), ..Ages::default() };
        assert_eq!(sweep(&db, after_5_days(ages), None).await, [(Kind::Numbers, 1)]);
        let rows = db.rows().await;
        assert_eq!((&rows.calls[0].from_number, &rows.calls[0].to_number), (&None, &None));
        let phones: Vec<_> = rows.leads.iter().map(|lead| lead.phone_e164.as_str()).collect();
        assert_eq!(phones, [OTHER]);
        db.persist(&usual(1, T, CALLER, "Austin")).await.unwrap();
        assert_eq!(db.rows().await, rows);
    }
}

/// The old call of [`two_calls`], with what was read off its words besides service and city.
async fn with_extra_fields(db: &Db) {
    let mut events = usual(1, T, CALLER, "Austin");
    for event in &mut events {
        if let EventKind::Transcribed(told) = &mut event.kind {
            let words = told.extraction.city.clone().unwrap();
            let extra = [
                ("callback_number", "+15125550199", "+15125550199"),
                ("caller_name", "name", "Dana"),
                ("urgency", "urgent", "דחוף"),
                ("gate", "gate", "call 512-555-0198 at the gate"),
                ("appointment", "appointment", "on sunday"),
            ];
            told.extraction.extra = extra
                .map(|(name, id, value)| {
                    let (id, value) = (id.to_owned(), value.to_owned());
                    (name.to_owned(), Field { id, value, ..words.clone() })
                })
                .into();
        }
    }
    db.persist(&events).await.unwrap();
}

async fn extra_fields(db: &Db) -> Vec<String> {
    let rows = db.rows().await;
    let extraction = rows.recordings[0].extraction.clone().unwrap();
    let mut names: Vec<_> = extraction["extra"].as_object().unwrap().keys().cloned().collect();
    names.sort();
    names
}

on_both! {
    async fn with_the_words_go_the_values_that_are_words(db: Db) {
        with_extra_fields(&db).await;
        let ages = Ages { transcripts_days: Some(5), ..Ages::default() };
        assert_eq!(sweep(&db, after_5_days(ages), None).await, [(Kind::Transcripts, 1)]);
        assert_eq!(extra_fields(&db).await, ["urgency"]);
    }
}

on_both! {
    async fn with_the_numbers_go_those_that_were_said(db: Db) {
        with_extra_fields(&db).await;
        let ages = Ages { numbers_days: Some(5), ..Ages::default() };
        assert_eq!(sweep(&db, after_5_days(ages), None).await, [(Kind::Numbers, 1)]);
        assert_eq!(extra_fields(&db).await, ["appointment", "caller_name", "urgency"]);
        assert_eq!(sweep(&db, after_5_days(ages), None).await, []);
    }
}

on_both! {
    async fn old_calls_go_whole_and_leave_a_tombstone_and_an_entry_in_the_audit(db: Db) {
        two_calls(&db).await;
        db.execute("UPDATE outbox SET relayed_at = created_at").await;
        let ages = Ages { calls_days: Some(5), ..Ages::default() };
        let dry = RetentionSettings { dry_run: true, ..after_5_days(ages) };
        assert_eq!(sweep(&db, dry, None).await, [(Kind::Calls, 1)]);
        assert_eq!(db.rows().await.calls.len(), 2, "a dry run takes nothing away");
        assert_eq!(sweep(&db, after_5_days(ages), None).await, [(Kind::Calls, 1)]);
        let rows = db.rows().await;
        assert_eq!(rows.calls.len(), 1);
        assert_eq!(rows.recordings.len(), 1);
        assert_eq!(rows.leads.len(), 1);
        let old = call_sid(1);
        assert!(db.outbox().await.iter().all(|event| event.call_sid.as_ref() != Some(&old)));
        db.persist(&usual(1, T, CALLER, "Austin")).await.unwrap();
        assert_eq!(db.rows().await, rows, "it does not come back");
        let audit = audit::Entity::find().all(db.store.reader()).await.unwrap();
        assert_eq!((audit[0].action.as_str(), audit[0].count), ("retention_calls", 1));
    }
}

on_both! {
    async fn a_lead_that_loses_a_value_with_an_old_call_is_told_of_although_the_call_is_gone(db: Db) {
        db.persist(&usual(1, T, CALLER, "Austin")).await.unwrap();
        let new = (now() - TimeDelta::days(1)).timestamp_millis();
        db.persist(&[of_call(2, new, observed(CALLER, OTHER, "inbound"))]).await.unwrap();
        let ages = Ages { calls_days: Some(5), ..Ages::default() };
        assert_eq!(sweep(&db, after_5_days(ages), None).await, [(Kind::Calls, 1)]);
        assert_eq!(db.rows().await.leads[0].city, None);
        let told = db.outbox().await.pop().unwrap();
        assert_eq!((&told.event_type[..], &told.payload["data"]["lead"]["city"]), ("lead.updated", &json!(null)));
        assert_eq!(told.call_sid, None, "what tells of an erased call is not delivered");
    }
}

on_both! {
    async fn ages_count_from_the_call_not_from_when_a_back_fill_heard_of_it(db: Db) {
        let late = now() - TimeDelta::days(1);
        let mut events = usual(1, late.timestamp_millis(), CALLER, "Austin");
        for event in &mut events {
            if let EventKind::Transcribed(told) = &mut event.kind {
                told.recording.started_at_ms = Some(T);
            }
        }
        db.persist(&events).await.unwrap();
        db.persist(&usual(2, late.timestamp_millis(), OTHER, "Dallas")).await.unwrap();
        chassis::install_tls();
        let twilio = Double::start(account().parse().unwrap(), "token").await.unwrap();
        let client = Client::new(&twilio.settings()).unwrap();
        let ages = Ages {
            recordings_days: Some(5),
            transcripts_days: Some(5),
            numbers_days: Some(5),
            ..Ages::default()
        };
        let done = sweep(&db, after_5_days(ages), Some(client)).await;
        let gone = [(Kind::Recordings, 1), (Kind::Transcripts, 1), (Kind::Numbers, 1)];
        assert_eq!(done, gone);
        assert_eq!(db.rows().await.calls[0].from_number, None);
    }
}

on_both! {
    async fn an_account_can_have_ages_of_its_own(db: Db) {
        two_calls(&db).await;
        let own = Ages { calls_days: Some(30), ..Ages::default() };
        let settings = RetentionSettings {
            ages: Ages { calls_days: Some(5), ..Ages::default() },
            accounts: [(account().parse().unwrap(), own)].into(),
            dry_run: false,
        };
        assert_eq!(sweep(&db, settings, None).await, []);
        assert_eq!(db.rows().await.calls.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_recordings_are_deleted_at_twilio_once_and_one_that_is_gone_counts() {
    chassis::install_tls();
    let db = Db::sqlite().await;
    two_calls(&db).await;
    let account: domain::AccountSid = account().parse().unwrap();
    let twilio = Double::start(account, "token").await.unwrap();
    let client = Client::new(&twilio.settings()).unwrap();
    let ages = Ages { recordings_days: Some(5), ..Ages::default() };
    // The double has no such recording: 404, which is what was wanted.
    let done = sweep(&db, after_5_days(ages), Some(client.clone())).await;
    assert_eq!(done, [(Kind::Recordings, 1)]);
    let rows = db.rows().await;
    assert_eq!(rows.recordings[0].recording_sid, recording_sid(1));
    assert_eq!(rows.recordings[0].media_deleted_at, Some(now()));
    assert_eq!(rows.recordings[1].media_deleted_at, None);
    assert_eq!(sweep(&db, after_5_days(ages), Some(client)).await, []);
}

on_both! {
    async fn what_was_not_told_yet_is_told_without_the_words_and_numbers_that_went(db: Db) {
        two_calls(&db).await;
        let ages = Ages {
            transcripts_days: Some(5),
            numbers_days: Some(5),
            ..Ages::default()
        };
        let mut done = sweep(&db, after_5_days(ages), None).await;
        done.sort_by_key(|(kind, _)| kind.as_str());
        assert_eq!(done, [(Kind::Numbers, 1), (Kind::Transcripts, 1)]);
        let outbox = db.outbox().await;
        let of_old: Vec<_> =
            outbox.iter().filter(|event| event.call_sid == Some(call_sid(1))).collect();
        assert_eq!(of_old.len(), 1, "the lead is gone, and what was to be told of it");
        let call = &of_old[0].payload["data"]["call"];
        assert_eq!(call["extracted_city"], "Austin");
        for field in ["final_transcript", "from_number", "to_number"] {
            assert!(call[field].is_null(), "{field}");
        }
        assert!(!of_old[0].payload.to_string().contains(CALLER));
        let new = outbox.iter().find(|event| event.call_sid == Some(call_sid(2))).unwrap();
        assert!(new.payload.to_string().contains(OTHER));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_twilio_that_refuses_keeps_nothing_from_going_here() {
    chassis::install_tls();
    let db = Db::sqlite().await;
    two_calls(&db).await;
    db.persist(&usual(3, T, CALLER, "Austin")).await.unwrap();
    let twilio = Double::start(account().parse().unwrap(), "token").await.unwrap();
    let wrong = twilio::TwilioSettings { auth_token: Some("wrong".into()), ..twilio.settings() };
    let ages = Ages { recordings_days: Some(5), transcripts_days: Some(5), ..Ages::default() };
    let retention = after_5_days(ages);
    let settings = Arc::new(ResultsSettings { retention, ..ResultsSettings::default() });
    let client = Client::new(&wrong).unwrap();
    let retention = Retention::new(db.store.clone(), Some(client), settings);
    let error = retention.sweep(now(), &CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, RetentionError::Twilio(_)), "{error}");
    let rows = db.rows().await;
    assert_eq!(rows.calls[0].final_transcript, None);
    assert_eq!(rows.recordings[0].media_deleted_at, None, "it is tried again");
    assert_eq!(twilio.api_requests(), 1, "who is refused once is not asked for each recording");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_is_not_configured_any_more_keeps_no_other_account_s_recordings() {
    chassis::install_tls();
    let db = Db::sqlite().await;
    let other = format!("AC{:032x}", 2);
    db.persist(&usual(1, T, CALLER, "Austin")).await.unwrap();
    for mut event in usual(2, T, OTHER, "Dallas") {
        event.account_sid = other.parse().unwrap();
        db.persist(&[event]).await.unwrap();
    }
    let twilio = Double::start(other.parse().unwrap(), "token").await.unwrap();
    let ages = Ages { recordings_days: Some(5), transcripts_days: Some(5), ..Ages::default() };
    let retention = after_5_days(ages);
    let settings = Arc::new(ResultsSettings { retention, ..ResultsSettings::default() });
    let client = Client::new(&twilio.settings()).unwrap();
    let retention = Retention::new(db.store.clone(), Some(client), settings);
    let error = retention.sweep(now(), &CancellationToken::new()).await.unwrap_err();
    let is_unknown = |error: &RetentionError| {
        matches!(error, RetentionError::Twilio(twilio::TwilioError::UnknownAccount(of))
            if of.as_str() == account())
    };
    assert!(is_unknown(&error), "{error}");
    let rows = db.rows().await;
    let deleted: Vec<_> = rows.recordings.iter().map(|row| row.media_deleted_at).collect();
    assert_eq!(deleted, [None, Some(now())]);
    assert!(rows.calls.iter().all(|call| call.final_transcript.is_none()));
}

on_both! {
    async fn work_that_waits_keeps_what_it_needs_however_old_it_is(db: Db) {
        chassis::install_tls();
        // Calls 1 and 2 wait or are in hand, call 3 is a leg that nobody recorded.
        db.persist(&usual(1, T, CALLER, "Austin")[..2]).await.unwrap();
        db.persist(&usual(2, T, CALLER, "Austin")[..3]).await.unwrap();
        db.persist(&[of_call(3, T, observed(OTHER, CALLER, "inbound"))]).await.unwrap();
        let twilio = Double::start(account().parse().unwrap(), "token").await.unwrap();
        let client = Client::new(&twilio.settings()).unwrap();
        let all = Ages {
            recordings_days: Some(5),
            transcripts_days: Some(5),
            numbers_days: Some(5),
            calls_days: Some(5),
        };
        let done = sweep(&db, after_5_days(all), Some(client.clone())).await;
        assert_eq!(done.into_iter().filter(|(_, count)| *count > 0).collect::<Vec<_>>(), [
            (Kind::Calls, 1)
        ]);
        let rows = db.rows().await;
        assert_eq!((&rows.calls[0].status[..], &rows.calls[1].status[..]), ("queued", "transcribing"));
        assert_eq!(rows.calls[0].from_number.as_deref(), Some(CALLER));
        assert!(rows.recordings.iter().all(|recording| recording.media_deleted_at.is_none()));
        // Done, it goes like everything else of its age.
        for n in [1, 2] {
            db.persist(&usual(n, T, CALLER, "Austin")).await.unwrap();
        }
        let done = sweep(&db, after_5_days(all), Some(client)).await;
        assert_eq!(done[..2], [(Kind::Recordings, 2), (Kind::Calls, 2)]);
    }
}

#[tokio::test]
async fn a_kind_that_fails_keeps_no_other_from_going() {
    let db = Db::sqlite().await;
    two_calls(&db).await;
    let refuse = "SELECT RAISE(ABORT, 'refused')";
    db.execute(&format!("CREATE TRIGGER t BEFORE DELETE ON call_logs BEGIN {refuse}; END")).await;
    let ages = Ages { calls_days: Some(5), transcripts_days: Some(5), ..Ages::default() };
    let retention = after_5_days(ages);
    let settings = Arc::new(ResultsSettings { retention, ..ResultsSettings::default() });
    let retention = Retention::new(db.store.clone(), None, settings);
    let error = retention.sweep(now(), &CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, RetentionError::Store(_)), "{error}");
    let rows = db.rows().await;
    assert_eq!((rows.calls.len(), &rows.calls[0].final_transcript), (2, &None));
}

on_both! {
    async fn a_call_stays_until_its_recording_is_deleted_at_twilio(db: Db) {
        chassis::install_tls();
        two_calls(&db).await;
        let twilio = Double::start(account().parse().unwrap(), "token").await.unwrap();
        let wrong = twilio::TwilioSettings { auth_token: Some("wrong".into()), ..twilio.settings() };
        let ages = Ages { recordings_days: Some(5), calls_days: Some(5), ..Ages::default() };
        let retention = after_5_days(ages);
        let settings = Arc::new(ResultsSettings { retention, ..ResultsSettings::default() });
        let refused = Client::new(&wrong).unwrap();
        for client in [Some(refused), None] {
            let retention = Retention::new(db.store.clone(), client, settings.clone());
            let _ = retention.sweep(now(), &CancellationToken::new()).await;
            assert_eq!(db.rows().await.calls.len(), 2, "what knows the recording is still there");
        }
        let client = Client::new(&twilio.settings()).unwrap();
        let done = sweep(&db, after_5_days(ages), Some(client)).await;
        assert_eq!(done, [(Kind::Recordings, 1), (Kind::Calls, 1)]);
        assert_eq!(db.rows().await.calls.len(), 1);
    }
}

#[test]
fn recordings_that_would_outlive_their_calls_are_refused() {
    let ages = Ages { recordings_days: Some(30), calls_days: Some(29), ..Ages::default() };
    let sentence = after_5_days(ages).validate().unwrap_err();
    assert!(sentence.contains("recordings_days is 30 and calls_days is 29"), "{sentence}");
    after_5_days(Ages { calls_days: Some(30), ..ages }).validate().unwrap();
}
