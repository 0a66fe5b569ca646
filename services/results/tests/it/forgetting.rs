//! One caller, erased from everywhere while the system runs.

use std::{collections::HashMap, time::Duration};

use callscribe_results::{
    erasure::{ForgetError, ForgetPlan, Forgetting, Forgotten},
    outbound,
    reconcile::{ReconcileSettings, Reconciler},
    store::entities::audit,
};
use chassis::queues;
use domain::{AccountSid, CallEvent, CallJob, CallMetadata, EventKind, JobSource};
use queue::{Entry, Link};
use redis::AsyncCommands;
use sea_orm::EntityTrait;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use twilio::{
    Client, RecordingStatus,
    double::{Double, DoubleRecording},
};

use crate::support::{
    Db,
    events::{account, call_sid, of_call, of_recording, queued, recording_sid, usual},
    on_both,
    service::{Redis, Service},
};

const T: i64 = 1_790_000_000_000;
const CALLER: &str = "+15125550123";
/// Begins with the caller's number, and is another one.
const OTHER: &str = "+151255501234";

fn plan() -> ForgetPlan {
    let number = CALLER.parse().unwrap();
    ForgetPlan { number, account: None, recordings: false, dry_run: false }
}

fn job(n: u32) -> Entry {
    let job = CallJob::Transcribe {
        account_sid: account().parse().unwrap(),
        call_sid: call_sid(n).parse().unwrap(),
        recording_sid: recording_sid(n).parse().unwrap(),
        generation: 1,
        source: JobSource::Manual,
    };
    let entry = queues::job_entry(&job, None).unwrap();
    Entry { emit: vec![], ..entry }
}

fn event(event: &CallEvent) -> Entry {
    queues::event_entry(event, None).unwrap()
}

fn out(event_id: &str, call: Option<u32>, body: serde_json::Value) -> Entry {
    let body = json!({
        "endpoint": "crm", "event_id": event_id, "call_sid": call.map(call_sid),
        "body": body.to_string(),
    });
    Entry::new(event_id, body.to_string())
}

/// Everything the three queues hold.
async fn held(link: &Link) -> Vec<String> {
    let mut bodies = HashMap::new();
    for queue in [queues::calls, queues::results, outbound::queue].map(|open| open(link.clone())) {
        let see = |kept: &queue::Kept| {
            bodies.insert((queue.name().to_owned(), kept.standing()), kept.body.clone());
        };
        queue.look_through(see).await.unwrap();
    }
    bodies.into_values().collect()
}

on_both! {
    async fn a_forgotten_caller_is_gone_from_everywhere_and_does_not_come_back(db: Db) {
        let redis = Redis::start().await;
        let link = Link::open(&redis.settings()).await.unwrap();
        let (calls, results) = (queues::calls(link.clone()), queues::results(link.clone()));
        let webhooks = outbound::queue(link.clone());
        for (n, from) in [(1, CALLER), (2, OTHER), (3, CALLER)] {
            db.persist(&usual(n, T + i64::from(n), from, "Austin")).await.unwrap();
        }
        let leg = CallMetadata {
            from: Some("+15125550100".into()),
            to: Some("+15125550199".into()),
            direction: Some("outbound-dial".into()),
            parent_call_sid: Some(call_sid(1).parse().unwrap()),
            ..CallMetadata::default()
        };
        db.persist(&[of_call(5, T, EventKind::Observed(leg))]).await.unwrap();
        db.execute("UPDATE outbox SET relayed_at = created_at WHERE seq % 2 = 0").await;
        let others = db.rows().await;

        // Call 4 is known to the events only; nobody has said whose call 6 is.
        results.enqueue(event(&usual(4, T, CALLER, "Waco")[0])).await.unwrap();
        results.enqueue(event(&usual(4, T, CALLER, "Waco")[3]).bulk()).await.unwrap();
        results.enqueue(event(&usual(2, T, OTHER, "Waco")[0])).await.unwrap();
        db.persist(&[of_recording(6, 6, (0, 0, 0), T, queued())]).await.unwrap();
        for n in [1, 2] {
            calls.enqueue(Entry { once: None, ..job(n) }).await.unwrap();
            calls.enqueue(Entry { once: None, ..job(n) }.bulk()).await.unwrap();
            let later = Entry { once: None, ..job(n) }.delayed(Duration::from_secs(3600));
            calls.enqueue(later).await.unwrap();
            webhooks.enqueue(out(&format!("msg_{n}"), Some(n), json!({}))).await.unwrap();
        }
        for (id, number) in [("msg_lead", CALLER), ("msg_other", OTHER)] {
            let lead = json!({ "account_sid": account(), "phone_e164": number });
            let body = json!({ "type": "lead.updated", "data": { "lead": lead } });
            webhooks.enqueue(out(id, None, body)).await.unwrap();
        }
        let client = redis::Client::open(redis.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        for n in [1, 2] {
            let key = format!("{{callscribe}}:heard:{}:1", recording_sid(n));
            let _: () = connection.set(key, "words").await.unwrap();
        }
        // The generation is what the job in the queue says.
        db.execute("UPDATE recordings SET generation = 1").await;

        let forgetting = Forgetting::new(db.store.clone(), link.clone(), None);
        let expected = Forgotten {
            calls: 4,
            recordings: 3,
            leads: 1,
            events_out: 3,
            queue_entries: 7,
            callers_unknown: 1,
            ..Forgotten::default()
        };
        let dry = ForgetPlan { dry_run: true, ..plan() };
        assert_eq!(forgetting.forget(&dry).await.unwrap(), expected);
        let before = held(&link).await.len();
        let forgotten = forgetting.forget(&plan()).await.unwrap();
        assert_eq!(forgotten, Forgotten { checkpoints: 1, ..expected });
        assert_eq!(forgetting.forget(&plan()).await.unwrap().calls, 0);

        let rows = db.rows().await;
        let left: Vec<_> = rows.calls.iter().map(|call| call.call_sid.clone()).collect();
        assert_eq!(left, [call_sid(2), call_sid(6)]);
        assert_eq!(rows.leads.len(), 1);
        assert_eq!(rows.calls[0].final_transcript, others.calls[1].final_transcript);
        assert!(db.outbox().await.iter().all(|event| event.call_sid == Some(call_sid(2))));
        let bodies = held(&link).await;
        assert_eq!(bodies.len() + 7, before);
        for gone in [&call_sid(1), &call_sid(4), &format!("{CALLER}\\\"")] {
            assert!(bodies.iter().all(|body| !body.contains(gone.as_str())), "{gone}");
        }
        let audit = audit::Entity::find().all(db.store.reader()).await.unwrap();
        assert_eq!(audit[0].action, "forget");
        assert_eq!((audit[0].count, audit[0].subject.as_deref()), (4, Some("+*********23")));

        // What was in somebody's hands, and what is told again.
        for n in [1, 3, 4] {
            db.persist(&usual(n, T, CALLER, "Austin")).await.unwrap();
        }
        assert_eq!(db.rows().await, rows);
        assert_eq!(forgetting.forget(&plan()).await.unwrap().calls, 0);
        // A new call of the same person is a new call.
        db.persist(&usual(9, T, CALLER, "Austin")).await.unwrap();
        assert_eq!(db.rows().await.leads.len(), 2);
    }
}

#[tokio::test]
async fn nothing_of_a_forgotten_caller_is_left_in_the_files_of_sqlite() {
    let redis = Redis::start().await;
    let link = Link::open(&redis.settings()).await.unwrap();
    let db = Db::sqlite().await;
    for n in 1..=20 {
        db.persist(&usual(n, T, CALLER, "Tarrytown")).await.unwrap();
        db.persist(&usual(100 + n, T, OTHER, "Dallas")).await.unwrap();
    }
    let in_files = |word: &str| {
        let folder = db.file().parent().unwrap().to_owned();
        std::fs::read_dir(folder).unwrap().any(|file| {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            let word = word.as_bytes();
            bytes.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word))
        })
    };
    // The search index holds values that are filtered by in hexadecimal digits.
    let city_in_index: String = "Tarrytown".bytes().map(|byte| format!("{byte:x}")).collect();
    assert!(in_files("tarrytown") && in_files(&format!("{CALLER}\"")));
    assert!(in_files(&city_in_index));
    Forgetting::new(db.store.clone(), link, None).forget(&plan()).await.unwrap();
    assert!(in_files("dallas") && in_files(OTHER));
    assert!(!in_files("tarrytown"), "in rows, events out, or the words of the index");
    assert!(!in_files(&format!("{CALLER}\"")) && !in_files(&city_in_index));
    assert!(!in_files(&call_sid(1)) && !in_files(&recording_sid(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_under_way_in_a_running_system_does_not_bring_a_forgotten_caller_back() {
    let db = Db::sqlite().await;
    let store = db.store.clone();
    let service = Service::start(db).await;
    let link = service.results.link().clone();
    let first: Vec<_> =
        (1..=50).flat_map(|n| usual(n, T, CALLER, "Austin")[..2].to_vec()).collect();
    let rest: Vec<_> = (1..=50).flat_map(|n| usual(n, T, CALLER, "Austin")[2..].to_vec()).collect();
    let other: Vec<_> = (51..=60).flat_map(|n| usual(n, T, OTHER, "Dallas")).collect();
    service.publish(&first).await;
    service.publish(&other).await;
    let forgetting = Forgetting::new(store, link, None);
    // Events are in the stream, in the projector's hands and in rows, each some of them.
    let forgotten = forgetting.forget(&plan()).await.unwrap();
    assert_eq!(forgotten.calls, 50);
    service.publish(&rest).await;
    service.publish(&first).await;
    service.is_idle().await;
    let calls = service.json("/v1/calls?limit=100").await;
    assert_eq!(calls["calls"].as_array().unwrap().len(), 10);
    assert_eq!(service.json("/v1/leads").await["leads"].as_array().unwrap().len(), 1);
    service.stop().await;
}

#[tokio::test]
async fn recordings_at_twilio_go_first_and_reconciliation_does_not_bring_them_back() {
    chassis::install_tls();
    let redis = Redis::start().await;
    let link = Link::open(&redis.settings()).await.unwrap();
    let db = Db::sqlite().await;
    let now_ms = queues::now_ms() - 3_600_000;
    db.persist(&usual(1, now_ms, CALLER, "Austin")).await.unwrap();
    let account: AccountSid = account().parse().unwrap();
    let twilio = Double::start(account.clone(), "token").await.unwrap();
    let (sid, call) = (recording_sid(1).parse().unwrap(), call_sid(1).parse().unwrap());
    let mut made = DoubleRecording::new(sid, call, "RIFF");
    made.start_time_ms = now_ms;
    made.status = RecordingStatus::Completed;
    twilio.add_recording(made.clone());
    let with_recordings = ForgetPlan { recordings: true, ..plan() };

    let nobody = Forgetting::new(db.store.clone(), link.clone(), None);
    let error = nobody.forget(&with_recordings).await.unwrap_err();
    assert!(matches!(error, ForgetError::NoAccount), "{error}");
    let wrong = twilio::TwilioSettings { auth_token: Some("wrong".into()), ..twilio.settings() };
    let refused = Client::new(&wrong).unwrap();
    let refused = Forgetting::new(db.store.clone(), link.clone(), Some(refused));
    let error = refused.forget(&with_recordings).await.unwrap_err();
    assert!(matches!(error, ForgetError::Twilio(_)), "{error}");
    assert_eq!(db.rows().await.calls.len(), 1, "what knows the recording is still there");

    let client = Client::new(&twilio.settings()).unwrap();
    let forgetting = Forgetting::new(db.store.clone(), link.clone(), Some(client.clone()));
    assert_eq!(forgetting.forget(&with_recordings).await.unwrap().recordings_at_twilio, 1);
    // Twilio's list is said to show deleted recordings for a while.
    twilio.add_recording(made);
    let calls = queues::calls(link);
    let (settings, stop) = (ReconcileSettings::default(), CancellationToken::new());
    let reconciler = Reconciler::new(db.store.clone(), calls, client, settings, stop);
    let summary = reconciler.pass(&account).await.unwrap().unwrap();
    assert_eq!((summary.erased, summary.enqueued, summary.resumed), (1, 0, 0));
}

#[tokio::test]
async fn who_is_called_from_a_number_is_not_forgotten_with_it() {
    let redis = Redis::start().await;
    let link = Link::open(&redis.settings()).await.unwrap();
    let db = Db::sqlite().await;
    db.persist(&usual(1, T, CALLER, "Austin")).await.unwrap();
    let number = "+15125550100".parse().unwrap();
    let company = ForgetPlan { number, ..plan() };
    let forgetting = Forgetting::new(db.store.clone(), link, None);
    assert_eq!(forgetting.forget(&company).await.unwrap(), Forgotten::default());
    assert_eq!(db.rows().await.calls.len(), 1);
}

on_both! {
    async fn what_is_still_to_be_told_of_a_caller_without_rows_goes_as_well(db: Db) {
        let redis = Redis::start().await;
        let link = Link::open(&redis.settings()).await.unwrap();
        let webhooks = outbound::queue(link.clone());
        let call = |from: &str, to: &str| {
            json!({ "type": "call.completed", "data": { "call": {
                "account_sid": account(), "call_sid": call_sid(1), "direction": "inbound",
                "from_number": from, "to_number": to, "final_transcript": "words",
            } } })
        };
        webhooks.enqueue(out("msg_theirs", Some(1), call(CALLER, OTHER))).await.unwrap();
        // Somebody else's call to the number: the number's owner was not the caller.
        webhooks.enqueue(out("msg_other", Some(2), call(OTHER, CALLER))).await.unwrap();

        let forgetting = Forgetting::new(db.store.clone(), link.clone(), None);
        let elsewhere = format!("AC{:032x}", 2).parse::<AccountSid>().unwrap();
        let elsewhere = ForgetPlan { account: Some(elsewhere), ..plan() };
        assert_eq!(forgetting.forget(&elsewhere).await.unwrap(), Forgotten::default());
        let expected = Forgotten { queue_entries: 1, ..Forgotten::default() };
        let dry = ForgetPlan { dry_run: true, ..plan() };
        assert_eq!(forgetting.forget(&dry).await.unwrap(), expected);
        assert_eq!(forgetting.forget(&plan()).await.unwrap(), expected);
        let left = held(&link).await;
        assert_eq!(left.len(), 1);
        assert!(left[0].contains("msg_other"));
        assert_eq!(forgetting.forget(&plan()).await.unwrap(), Forgotten::default());
    }
}
