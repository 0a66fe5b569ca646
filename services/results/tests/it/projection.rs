//! Events → rows.

use std::sync::Arc;

use callscribe_results::projection::Effect;
use domain::{CallEvent, EventKind};
use proptest::{prelude::*, test_runner::TestRunner};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::support::{
    Db,
    database::Rows,
    events::{
        call_sid, failed, no_recording, no_speech, observed, of_call, of_recording, queued,
        transcribed, usual,
    },
    on_both,
};

const T: i64 = 1_790_000_000_000;
const CALLER: &str = "+15125550123";

on_both! {
    async fn the_usual_course_of_a_call_ends_in_a_row_that_the_printed_query_finds(db: Db) {
        db.persist(&usual(1, T, CALLER, "Austin")).await.unwrap();
        let printed = "SELECT call_sid, final_transcript, extracted_service, extracted_city \
                       FROM call_logs ORDER BY created_at DESC LIMIT 1;";
        let backend = db.store.reader().get_database_backend();
        let row = db.store.reader()
            .query_one_raw(Statement::from_string(backend, printed))
            .await
            .unwrap()
            .unwrap();
        let column = |name: &str| row.try_get::<String>("", name).unwrap();
        assert_eq!(column("call_sid"), call_sid(1));
        assert_eq!(column("final_transcript"), "caller: hello i need a locksmith in Austin");
        assert_eq!(column("extracted_service"), "locksmith");
        assert_eq!(column("extracted_city"), "Austin");

        let call = db.rows().await.calls.remove(0);
        assert_eq!(call.status, "completed");
        assert_eq!(call.from_number.as_deref(), Some(CALLER));
        assert_eq!(call.service_confidence, Some(0.95));
        assert_eq!(call.extraction_confidence, Some(0.9));
        assert_eq!((call.attempts, call.duration_seconds), (1, Some(42)));
        assert_eq!(call.transcript_engine.as_deref(), Some("test"));
        assert_eq!(call.enqueued_at.unwrap().timestamp_millis(), T + 10);
        assert_eq!(call.transcribed_at.unwrap().timestamp_millis(), T + 30);
        assert_eq!(call.created_at.timestamp_millis(), T);
    }
}

on_both! {
    async fn each_step_shows_in_the_status(db: Db) {
        let steps = [
            (of_call(1, T, observed(CALLER, "+15125550100", "inbound")), "observed"),
            (of_recording(1, 1, (0, 0, 0), T + 1, queued()), "queued"),
            (of_recording(1, 1, (0, 0, 1), T + 2, EventKind::Started), "transcribing"),
            (of_recording(1, 1, (0, 0, 1), T + 3, failed("media_timeout", false)), "retrying"),
            (of_recording(1, 1, (0, 0, 2), T + 4, EventKind::Started), "transcribing"),
            (of_recording(1, 1, (0, 0, 2), T + 5, failed("media_timeout", true)), "failed"),
            (of_recording(1, 1, (0, 1, 0), T + 6, queued()), "queued"),
            (of_recording(1, 1, (0, 1, 1), T + 7, no_speech()), "no_speech"),
        ];
        for (event, status) in steps {
            db.persist(&[event]).await.unwrap();
            assert_eq!(db.rows().await.calls[0].status, status);
        }
        let call = db.rows().await.calls.remove(0);
        assert_eq!((call.last_error_code, call.last_error), (None, None), "it was overcome");
    }
}

on_both! {
    async fn a_later_generation_without_speech_takes_an_invention_away(db: Db) {
        let mut events = usual(1, T, CALLER, "Austin");
        events.push(of_recording(1, 1, (1, 0, 1), T + 99, no_speech()));
        db.persist(&events).await.unwrap();
        let rows = db.rows().await;
        assert_eq!(rows.calls[0].status, "no_speech");
        assert_eq!(rows.calls[0].final_transcript, None);
        assert_eq!(rows.calls[0].extracted_city, None);
        assert_eq!(rows.recordings[0].generation, 1);
        assert_eq!(rows.leads[0].city, None);
        // The old one again changes nothing.
        db.persist(&usual(1, T, CALLER, "Austin")).await.unwrap();
        assert_eq!(db.rows().await, rows);
    }
}

on_both! {
    async fn a_failed_repetition_keeps_the_transcript_there_was(db: Db) {
        let mut events = usual(1, T, CALLER, "Austin");
        events.push(of_recording(1, 1, (1, 0, 1), T + 99, failed("engine_down", true)));
        db.persist(&events).await.unwrap();
        let call = db.rows().await.calls.remove(0);
        assert_eq!(call.status, "failed");
        assert_eq!(call.last_error_code.as_deref(), Some("engine_down"));
        assert_eq!(call.extracted_city.as_deref(), Some("Austin"));
    }
}

on_both! {
    async fn a_call_with_two_recordings_reads_them_in_the_order_of_their_start(db: Db) {
        let second = transcribed("and bring a ladder", None, Some(("Dallas", 0.99)));
        db.persist(&[of_recording(1, 7, (0, 0, 1), T + 500, second)]).await.unwrap();
        db.persist(&usual(1, T, CALLER, "Austin")).await.unwrap();
        let call = db.rows().await.calls.remove(0);
        assert_eq!(
            call.final_transcript.as_deref(),
            Some("caller: hello i need a locksmith in Austin\ncaller: and bring a ladder")
        );
        assert_eq!(call.extracted_city.as_deref(), Some("Dallas"), "the surer one");
        assert_eq!(call.extracted_service.as_deref(), Some("locksmith"));
    }
}

on_both! {
    async fn empty_metadata_never_overwrites_and_a_late_ringing_does_not_unend_a_call(db: Db) {
        let metadata = |from: &str, status: &str| EventKind::Observed(domain::CallMetadata {
            from: Some(from.into()),
            call_status: Some(status.into()),
            ..Default::default()
        });
        db.persist(&[
            of_call(1, T + 5, metadata(CALLER, "completed")),
            of_call(1, T + 9, metadata(" ", "ringing")),
            of_call(1, T + 1, metadata("+15125550999", "")),
        ]).await.unwrap();
        let call = db.rows().await.calls.remove(0);
        assert_eq!(call.from_number.as_deref(), Some(CALLER));
        assert_eq!(call.call_status.as_deref(), Some("completed"));
    }
}

on_both! {
    async fn a_call_without_a_recording_says_so_until_one_comes(db: Db) {
        db.persist(&[of_call(1, T, EventKind::NoRecording { code: "none_listed".into() })])
            .await
            .unwrap();
        let call = db.rows().await.calls.remove(0);
        assert_eq!((call.status.as_str(), call.last_error_code.as_deref()), ("no_recording", Some("none_listed")));
        db.persist(&usual(1, T + 5, CALLER, "Austin")).await.unwrap();
        let call = db.rows().await.calls.remove(0);
        assert_eq!((call.status.as_str(), call.last_error_code), ("completed", None));
    }
}

on_both! {
    async fn an_end_is_told_once_to_the_log_and_the_outside_however_often_it_comes(db: Db) {
        let events = usual(1, T, CALLER, "Austin");
        let effects = db.persist(&events).await.unwrap();
        let ended = Effect::Ended { call_sid: call_sid(1), status: "completed".into() };
        assert!(effects.contains(&ended), "{effects:?}");
        assert!(matches!(&effects[0], Effect::LeadUpdated { fields, .. } if *fields == ["service_type", "city"]));
        assert_eq!(db.persist(&events).await.unwrap(), vec![]);
        let types: Vec<_> = db.outbox().await.into_iter().map(|event| event.event_type).collect();
        assert_eq!(types, ["lead.updated", "call.completed"]);

        let again = transcribed("i need a locksmith in Dallas", None, Some(("Dallas", 0.9)));
        db.persist(&[of_recording(1, 1, (1, 0, 1), T + 99, again)]).await.unwrap();
        db.persist(&[of_recording(1, 1, (2, 0, 1), T + 199, failed("engine_down", true))]).await.unwrap();
        let outbox = db.outbox().await;
        let types: Vec<_> = outbox.iter().map(|event| event.event_type.as_str()).collect();
        assert_eq!(
            types,
            ["lead.updated", "call.completed", "lead.updated", "call.completed", "call.failed"]
        );
        let city = &outbox[3].payload["data"]["call"]["extracted_city"];
        assert_eq!(city, "Dallas");
    }
}

on_both! {
    async fn what_was_erased_is_not_brought_back_by_a_late_event(db: Db) {
        let hash = callscribe_results::erasure::hash(&call_sid(1));
        db.execute(&format!(
            "INSERT INTO tombstones (sid_hash, created_at) VALUES ('{hash}', '2026-01-01 00:00:00+00:00')"
        )).await;
        let mut events = usual(1, T, CALLER, "Austin");
        events.extend(usual(2, T, CALLER, "Dallas"));
        db.persist(&events).await.unwrap();
        let rows = db.rows().await;
        assert_eq!(rows.calls.len(), 1);
        assert_eq!(rows.calls[0].call_sid, call_sid(2));
    }
}

/// One thing that may happen, from few calls, recordings and numbers, so that they meet.
fn any_event() -> impl Strategy<Value = CallEvent> {
    let order = (0..2u32, 0..2u32, 0..3u32);
    let city = prop::option::of((prop::sample::select(vec!["Austin", "Dallas"]), 0.7f32..1.0));
    let kind = prop_oneof![
        (
            prop::sample::select(vec![CALLER, "+15125550777", "anonymous", ""]),
            prop::sample::select(vec!["inbound", "outbound-api", ""]),
            prop::sample::select(vec!["ringing", "completed", "busy"])
        )
            .prop_map(|(from, direction, status)| EventKind::Observed(
                domain::CallMetadata {
                    from: Some(from.into()),
                    to: Some("+15125550100".into()),
                    direction: Some(direction.into()),
                    call_status: Some(status.into()),
                    ..Default::default()
                }
            )),
        Just(queued()),
        Just(EventKind::Started),
        Just(failed("media_timeout", false)),
        Just(failed("media_timeout", true)),
        Just(no_recording()),
        Just(no_speech()),
        ("[a-z]{0,6}", city.clone(), city)
            .prop_map(|(text, service, city)| transcribed(&text, service, city)),
    ];
    (1..4u32, prop::option::of(0..2u32), order, T..T + 50, kind).prop_map(
        |(call, recording, order, at_ms, kind)| match recording {
            None => of_call(call, at_ms, kind),
            Some(recording) => of_recording(call, call * 10 + recording, order, at_ms, kind),
        },
    )
}

/// The same events, some of them twice, shuffled and cut into batches.
fn any_course() -> impl Strategy<Value = (Vec<CallEvent>, Vec<Vec<CallEvent>>)> {
    prop::collection::vec(any_event(), 1..24).prop_flat_map(|events| {
        let doubled = prop::collection::vec(0..events.len(), 0..6);
        let given = events.clone();
        let shuffled = doubled
            .prop_map(move |again| {
                let mut all = given.clone();
                all.extend(again.into_iter().map(|place| given[place].clone()));
                all
            })
            .prop_shuffle();
        let cut = (shuffled, 1..9usize)
            .prop_map(|(all, size)| all.chunks(size).map(<[_]>::to_vec).collect());
        (Just(events), cut)
    })
}

async fn emptied(db: &Db) {
    for table in ["call_logs", "recordings", "leads", "lead_changes", "outbox"] {
        db.execute(&format!("DELETE FROM {table}")).await;
    }
}

async fn rows_after<'a>(db: &Db, batches: impl IntoIterator<Item = &'a [CallEvent]>) -> Rows {
    emptied(db).await;
    for batch in batches {
        db.persist(batch).await.unwrap();
    }
    db.rows().await
}

on_both! {
    async fn any_order_any_repetition_and_any_batches_give_the_same_rows(db: Db) {
        let cases = if db.store.reader().get_database_backend() == DbBackend::Sqlite { 120 } else { 60 };
        let db = Arc::new(db);
        let runtime = tokio::runtime::Handle::current();
        let run = move || {
            let mut runner = TestRunner::new(ProptestConfig {
                cases,
                failure_persistence: None,
                ..ProptestConfig::default()
            });
            runner.run(&any_course(), |(events, batches)| {
                let (one_by_one, shuffled) = runtime.block_on(async {
                    let singles = events.iter().map(std::slice::from_ref);
                    let sequential = rows_after(&db, singles).await;
                    (sequential, rows_after(&db, batches.iter().map(Vec::as_slice)).await)
                });
                prop_assert_eq!(one_by_one, shuffled);
                Ok(())
            })
        };
        tokio::task::spawn_blocking(run).await.unwrap().unwrap();
    }
}
