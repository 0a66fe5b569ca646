//! What another system knew, taken over.

use std::{io::Cursor, sync::Arc};

use callscribe_results::{
    ResultsSettings,
    erasure::{ForgetPlan, Forgetting},
    import::{Format, ImportError, ImportPlan, Imported, Problem, import},
    reconcile::{ReconcileSettings, Reconciler},
    retention::{Ages, Retention, RetentionSettings},
    store::entities::leads,
};
use chassis::queues;
use domain::{AccountSid, RedactSettings, Redactor};
use queue::Link;
use sea_orm::{EntityTrait, QueryOrder};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use twilio::{
    Client,
    double::{Double, DoubleRecording},
};

use crate::support::{
    Db,
    events::{account, call_sid, no_recording, of_recording, queued, recording_sid, usual},
    on_both,
    service::{Redis, Service, problem},
};

const T: i64 = 1_790_000_000_000;
const CALLER: &str = "+972541234567";
const OTHER: &str = "+15125550124";

async fn take(db: &Db, format: Format, text: &str) -> (Imported, Vec<Problem>) {
    take_with(db, &plan(format), text).await
}

fn plan(format: Format) -> ImportPlan {
    let cards = RedactSettings { cards: true, ..RedactSettings::default() };
    let redactor = Redactor::new(&cards).unwrap();
    ImportPlan { format, account: None, dry_run: false, redactor }
}

async fn take_with(db: &Db, plan: &ImportPlan, text: &str) -> (Imported, Vec<Problem>) {
    let mut problems = Vec::new();
    let settings = Arc::new(ResultsSettings::default());
    let file = Cursor::new(text.to_owned());
    let imported = import(&db.store, &settings, file, plan, |problem| problems.push(problem)).await;
    (imported.unwrap(), problems)
}

/// Three calls: done, without an outcome, and failed.
fn calls() -> String {
    let header = "\u{feff}id,call_sid,account_sid,from_number,to_number,direction,status,\
                  final_transcript,transcript_language,extracted_service,extracted_city,\
                  service_confidence,city_confidence,transcribed_at,created_at,updated_at,notes";
    let account = account();
    let (one, two, three) = (call_sid(1), call_sid(2), call_sid(3));
    format!(
        "{header}\n\
         7,{one},{account},{CALLER},+97230000000,inbound,completed,\"שלום, אני צריך מנעולן\nבעפולה 4242 4242 4242 4242\",\
         he,מנעולן,עפולה,0.95,0.9,2026-01-02 10:00:30,2026-01-02 10:00:00,2026-01-02 10:00:30+00,x\n\
         8,{two},{account},{OTHER},+97230000000,inbound,queued,,,,,,,,2026-01-03T10:00:00Z,,\n\
         9,{three},{account},anonymous,+97230000000,inbound,failed,,,,,,,,2026-01-04T10:00:00Z,,\n"
    )
}

on_both! {
    async fn calls_of_an_export_stand_here_as_they_did_there_and_the_same_again_changes_nothing(db: Db) {
        let dry = ImportPlan { dry_run: true, ..plan(Format::Csv) };
        let (tried, _) = take_with(&db, &dry, &calls()).await;
        assert_eq!((tried.imported, db.rows().await.calls.len()), (3, 0));

        let (imported, problems) = take(&db, Format::Csv, &calls()).await;
        assert_eq!(problems, []);
        assert_eq!((imported.table, imported.lines, imported.imported), ("calls", 3, 3));
        assert_eq!(imported.ignored_columns, ["id", "notes"].map(str::to_owned).into());
        let rows = db.rows().await;
        let done = &rows.calls[0];
        assert_eq!(done.status, "completed");
        assert_eq!(done.final_transcript.as_deref(), Some("שלום, אני צריך מנעולן\nבעפולה **** **** **** ****"));
        assert_eq!((done.extracted_city.as_deref(), done.city_confidence), (Some("עפולה"), Some(0.9)));
        assert_eq!(done.extraction_confidence, Some(0.9));
        assert_eq!(done.created_at.to_rfc3339(), "2026-01-02T10:00:00+00:00");
        assert_eq!(done.updated_at.to_rfc3339(), "2026-01-02T10:00:30+00:00");
        assert_eq!((rows.calls[1].status.as_str(), rows.calls[2].status.as_str()), ("observed", "failed"));
        assert_eq!(rows.leads.len(), 2);
        assert_eq!(rows.leads[1].city.as_deref(), Some("עפולה"));
        assert!(db.outbox().await.is_empty(), "it is no news");

        let (again, _) = take(&db, Format::Csv, &calls()).await;
        assert_eq!((again.imported, again.kept), (0, 3));
        assert_eq!(db.rows().await, rows);
        // What Twilio says of it late adds to it.
        let late = usual(1, T, CALLER, "Austin");
        db.persist(&late[..1]).await.unwrap();
        let call = db.rows().await.calls.remove(0);
        assert_eq!((call.duration_seconds, call.status.as_str()), (Some(42), "completed"));
        assert_eq!(call.final_transcript, rows.calls[0].final_transcript);
    }
}

on_both! {
    async fn a_transcription_here_replaces_what_was_imported_and_a_vain_one_does_not(db: Db) {
        take(&db, Format::Csv, &calls()).await;
        let before = db.rows().await.calls.remove(0);
        db.persist(&[of_recording(1, 1, (0, 0, 0), T, queued())]).await.unwrap();
        assert_eq!(db.rows().await.calls[0].status, "queued");
        assert_eq!(db.rows().await.calls[0].final_transcript, before.final_transcript);
        db.persist(&[of_recording(1, 1, (0, 0, 1), T, no_recording())]).await.unwrap();
        let after = db.rows().await.calls.remove(0);
        assert_eq!((after.status, after.final_transcript), (before.status, before.final_transcript));
        db.persist(&usual(1, T, CALLER, "Austin")).await.unwrap();
        assert_eq!(db.rows().await.calls[0].extracted_city.as_deref(), Some("Austin"));
        let (again, _) = take(&db, Format::Csv, &calls()).await;
        assert_eq!((again.imported, again.kept), (0, 3));
        assert_eq!(db.rows().await.calls[0].extracted_city.as_deref(), Some("Austin"));
    }
}

on_both! {
    async fn a_lead_that_was_imported_and_forgotten_does_not_come_back_with_the_old_file(db: Db) {
        let line = |id: i64, phone: &str| {
            json!({ "id": id, "account_sid": account(), "phone": phone, "name": "דנה" }).to_string()
        };
        let file = format!("{}\n{}\n", line(17, CALLER), line(18, OTHER));
        take(&db, Format::JsonLines, &file).await;
        let ids: Vec<_> = db.changes().await.iter().map(|change| change.lead_id).collect();
        assert_eq!(ids, [17, 18]);
        let redis = Redis::start().await;
        let link = Link::open(&redis.settings()).await.unwrap();
        let number = CALLER.parse().unwrap();
        let plan = ForgetPlan { number, account: None, recordings: false, dry_run: false };
        Forgetting::new(db.store.clone(), link, None).forget(&plan).await.unwrap();
        let (again, problems) = take(&db, Format::JsonLines, &file).await;
        assert_eq!((again.erased, again.kept, again.imported, problems), (1, 1, 0, vec![]));
        assert_eq!(db.rows().await.leads.len(), 1);
        assert_eq!(db.changes().await.len(), 1, "the forgotten one's name is gone from the history");
        // Under another id nothing tells the line from a new lead's.
        let (new, _) = take(&db, Format::JsonLines, &line(19, CALLER)).await;
        assert_eq!(new.imported, 1);
    }
}

on_both! {
    async fn leads_keep_their_ids_and_what_they_say_is_locked(db: Db) {
        let lead = |id: i64, phone: &str, city: Option<&str>| {
            let account = account();
            json!({ "id": id, "account_sid": account, "phone": phone, "name": "דנה", "city": city,
                "updated_at": "2026-01-05T00:00:00Z" }).to_string()
        };
        let file = format!("{}\n\n{}\n", lead(17, CALLER, Some("חיפה")), lead(4000, OTHER, None));
        let (imported, problems) = take(&db, Format::JsonLines, &file).await;
        assert_eq!((imported.table, imported.imported, problems), ("leads", 2, vec![]));
        take(&db, Format::Csv, &calls()).await;
        let found = db.store.lead(17).await.unwrap().unwrap();
        assert_eq!((found.phone_e164.as_str(), found.name.as_deref()), (CALLER, Some("דנה")));
        assert_eq!((found.city.as_deref(), found.city_locked), (Some("חיפה"), true));
        assert_eq!(found.service_type.as_deref(), Some("מנעולן"), "what it left open, calls fill in");
        // The next lead does not stumble over the ids that were given by hand.
        db.persist(&usual(30, T, "+15125550999", "Austin")).await.unwrap();
        let (again, _) = take(&db, Format::JsonLines, &file).await;
        assert_eq!((again.imported, again.kept), (0, 2));
        // Another caller has the id, and the caller has another id.
        let (_, problems) = take(&db, Format::JsonLines, &lead(17, "+15125550777", None)).await;
        assert!(problems[0].to_string().starts_with("line 1: id: allowed is one that is free"));
        let (_, problems) = take(&db, Format::JsonLines, &lead(5, CALLER, None)).await;
        assert!(problems[0].to_string().starts_with("line 1: id: allowed is 17"), "{problems:?}");
        // Behind the highest number there is no room for a lead.
        let highest = lead((1 << 53) - 1, "+15125550777", None);
        let beyond = lead(1 << 53, "+15125550778", None);
        let (imported, problems) = take(&db, Format::JsonLines, &format!("{highest}\n{beyond}")).await;
        assert_eq!((imported.imported, problems.len(), problems[0].line), (1, 1, 2));
        db.persist(&usual(31, T, "+15125550779", "Austin")).await.unwrap();
    }
}

on_both! {
    async fn an_import_does_not_give_out_the_number_of_a_lead_that_is_gone(db: Db) {
        for n in 1..=3 {
            db.persist(&usual(n, T, &format!("+1512555010{n}"), "Austin")).await.unwrap();
        }
        let find = || leads::Entity::find().order_by_asc(leads::Column::Id);
        let all = find().all(db.store.reader()).await.unwrap();
        let (first, second, last) = (all[0].id, all[1].id, all[2].id);
        db.execute("UPDATE call_logs SET lead_id = NULL").await;
        db.execute(&format!("DELETE FROM leads WHERE id > {first}")).await;
        let lead = json!({ "id": second, "account_sid": account(), "phone": CALLER });
        take(&db, Format::JsonLines, &lead.to_string()).await;
        db.persist(&usual(9, T, OTHER, "Austin")).await.unwrap();
        let ids: Vec<_> =
            find().all(db.store.reader()).await.unwrap().iter().map(|lead| lead.id).collect();
        assert_eq!(ids[..2], [first, second]);
        assert!(ids[2] > last, "{ids:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_imported_transcript_is_read_as_text_and_has_no_subtitles() {
    let db = Db::sqlite().await;
    take(&db, Format::Csv, &calls()).await;
    let service = Service::start(db).await;
    let path = format!("/v1/calls/{}/transcript", call_sid(1));
    let words = "שלום, אני צריך מנעולן\nבעפולה **** **** **** ****\n";
    assert_eq!(service.get(&path).await.text().await.unwrap(), words);
    let json = service.json(&format!("{path}?format=json")).await;
    let expected = json!({
        "call_sid": call_sid(1), "language": "he", "text": words, "segments": [],
    });
    assert_eq!(json, expected);
    for format in ["srt", "vtt"] {
        let answer = service.get(&format!("{path}?format={format}")).await;
        assert!(problem(answer, 404).await.contains("no times"));
    }
    service.stop().await;
}

#[tokio::test]
async fn what_calls_here_say_later_than_the_export_stays() {
    let db = Db::sqlite().await;
    db.persist(&usual(1, T, CALLER, "Austin")).await.unwrap();
    let lead = |at: &str| {
        let account = account();
        json!({ "account_sid": account, "phone_e164": CALLER, "city": "Waco", "updated_at": at })
            .to_string()
    };
    let (older, _) = take(&db, Format::JsonLines, &lead("2026-01-01T00:00:00Z")).await;
    assert_eq!((older.kept, db.rows().await.leads[0].city.as_deref()), (1, Some("Austin")));
    let (newer, _) = take(&db, Format::JsonLines, &lead("2026-12-01T00:00:00Z")).await;
    assert_eq!((newer.imported, db.rows().await.leads[0].city.as_deref()), (1, Some("Waco")));
}

#[tokio::test]
async fn a_wrong_line_is_told_of_by_line_and_column_and_the_others_go_in() {
    let db = Db::sqlite().await;
    let line = |n: u32, rest: &str| {
        format!(r#"{{"call_sid":"{}","account_sid":"{}",{rest}}}"#, call_sid(n), account())
    };
    let at = r#""created_at":"2026-01-02T10:00:00Z""#;
    let lines = [
        line(1, at),
        "no json".to_owned(),
        line(2, r#""created_at":"yesterday""#),
        line(3, &format!(r#"{at},"city_confidence":1.5,"extracted_city":"Waco""#)),
        line(4, &format!(r#"{at},"status":"done""#)),
        line(5, &format!(r#"{at},"status":"completed""#)),
        line(6, &format!(r#"{at},"extra":{{"a":1}}"#)),
        format!(r#"{{"call_sid":"CA12",{at}}}"#),
        format!(r#"{{"call_sid":"{}",{at}}}"#, call_sid(7)),
        line(8, &format!(r#"{at},"final_transcript":"a\u0000b""#)),
        line(9, at),
    ];
    let (imported, problems) = take(&db, Format::JsonLines, &lines.join("\n")).await;
    assert_eq!((imported.lines, imported.imported, imported.refused), (11, 2, 9));
    let mut told: Vec<_> =
        problems.iter().map(|p| (p.line, p.column.clone().unwrap_or_default())).collect();
    told.sort();
    let expected = [
        (2, ""),
        (3, "created_at"),
        (4, "city_confidence"),
        (5, "status"),
        (6, "final_transcript"),
        (7, "extra"),
        (8, "call_sid"),
        (9, "account_sid"),
        (10, "final_transcript"),
    ];
    assert_eq!(told, expected.map(|(line, column)| (line, column.to_owned())));
    let neither = Cursor::new("a,b\n1,2\n");
    let plan = plan(Format::Csv);
    let settings = Arc::new(ResultsSettings::default());
    let error = import(&db.store, &settings, neither, &plan, |_| ()).await.unwrap_err();
    assert!(matches!(error, ImportError::Table(_)), "{error}");
    let short = format!("call_sid,created_at\n{}\n", call_sid(1));
    let (_, problems) = take(&db, Format::Csv, &short).await;
    assert_eq!(problems[0].to_string(), "line 2: 1 values are in the line; the header has 2");
}

#[tokio::test]
async fn a_number_is_taken_over_as_twilio_writes_it_or_refused() {
    let db = Db::sqlite().await;
    let line = |n: u32, from: &str| {
        json!({ "call_sid": call_sid(n), "account_sid": account(), "from_number": from,
            "created_at": "2026-01-02T10:00:00Z" })
        .to_string()
    };
    let given =
        ["+972 54-123 (4567)", "054-1234567", "client:dana", "sip:a1@b.example", "anonymous"];
    let lines: Vec<_> = (1..).zip(given).map(|(n, from)| line(n, from)).collect();
    let (_, problems) = take(&db, Format::JsonLines, &lines.join("\n")).await;
    assert_eq!(problems.len(), 1);
    assert_eq!((problems[0].line, problems[0].column.as_deref()), (2, Some("from_number")));
    let calls = db.rows().await.calls;
    let taken: Vec<_> = calls.iter().filter_map(|call| call.from_number.as_deref()).collect();
    assert_eq!(taken, [CALLER, given[2], given[3], given[4]]);
}

#[tokio::test]
async fn reconciliation_leaves_an_imported_call_alone_and_works_on_one_without_an_outcome() {
    chassis::install_tls();
    let db = Db::sqlite().await;
    take(&db, Format::Csv, &calls()).await;
    let redis = Redis::start().await;
    let queue = queues::calls(Link::open(&redis.settings()).await.unwrap());
    let account: AccountSid = account().parse().unwrap();
    let twilio = Double::start(account.clone(), "token").await.unwrap();
    for n in [1, 2] {
        let (sid, call) = (recording_sid(n).parse().unwrap(), call_sid(n).parse().unwrap());
        let mut made = DoubleRecording::new(sid, call, "RIFF");
        made.start_time_ms = queues::now_ms() - 3_600_000;
        twilio.add_recording(made);
    }
    let client = Client::new(&twilio.settings()).unwrap();
    let (settings, stop) = (ReconcileSettings::default(), CancellationToken::new());
    let reconciler = Reconciler::new(db.store.clone(), queue, client, settings, stop);
    let summary = reconciler.pass(&account).await.unwrap().unwrap();
    assert_eq!((summary.known, summary.enqueued), (1, 1));
}

on_both! {
    async fn an_imported_transcript_grows_old_like_any_other(db: Db) {
        take(&db, Format::Csv, &calls()).await;
        let ages = Ages { transcripts_days: Some(5), ..Ages::default() };
        let retention = RetentionSettings { ages, ..RetentionSettings::default() };
        let settings = Arc::new(ResultsSettings { retention, ..ResultsSettings::default() });
        let retention = Retention::new(db.store.clone(), None, settings);
        let now = "2026-03-01T00:00:00Z".parse().unwrap();
        let stop = CancellationToken::new();
        let done = retention.sweep(now, &stop).await.unwrap();
        assert_eq!(done.iter().map(|due| due.count).collect::<Vec<_>>(), [1]);
        let call = db.rows().await.calls.remove(0);
        assert_eq!((call.final_transcript, call.status.as_str()), (None, "completed"));
        assert_eq!(call.extracted_city.as_deref(), Some("עפולה"));
        assert_eq!(retention.sweep(now, &stop).await.unwrap(), []);
    }
}
