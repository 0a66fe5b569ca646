//! Databases that refuse, are away, and come back.

use std::{sync::Arc, time::Duration};

use callscribe_results::{
    Config, DatabaseSettings, ResultsSettings,
    health::DatabaseHealth,
    projection::{Projection, Projector},
    settings::ApiSettings,
    store::{Store, StoreError},
};
use chassis::Process;
use domain::CallEvent;
use queue::{BatchHandler, Delivery, Lane, Settlement, Verdict};
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use tokio_util::sync::CancellationToken;

use crate::support::{
    Db,
    database::fresh_postgres_url,
    events::{call_sid, usual},
    eventually, on_both,
    postgres::Postgres,
    service::Redis,
};

const T: i64 = 1_790_000_000_000;
const CALLER: &str = "+15125550123";

fn delivery(body: String) -> Delivery {
    Delivery {
        id: "1-0".into(),
        key: call_sid(1),
        body,
        lane: Lane::Live,
        attempt: 1,
        redrive: 0,
        deliveries: 1,
        born_ms: T,
        traceparent: None,
        abandoned: CancellationToken::new(),
    }
}

fn deliveries(events: &[CallEvent]) -> Vec<Delivery> {
    events.iter().map(|event| delivery(serde_json::to_string(event).unwrap())).collect()
}

struct Bench {
    process: Process,
    projector: Arc<Projector>,
}

impl Bench {
    fn new(store: Store) -> Self {
        let process = Process::new(CancellationToken::new());
        let health = DatabaseHealth::new(process.check("database"));
        let projection = Projection::new(store, Arc::new(ResultsSettings::default()));
        let projector = Projector::new(projection, health, process.stop().clone());
        Self { process, projector: Arc::new(projector) }
    }

    fn is_ready(&self) -> bool {
        self.process.checks()["database"].is_ok()
    }

    fn start(&self, events: &[CallEvent]) -> tokio::task::JoinHandle<Vec<Settlement>> {
        let (projector, deliveries) = (self.projector.clone(), deliveries(events));
        tokio::spawn(async move { projector.handle(deliveries).await })
    }
}

/// Makes the database refuse one call.
async fn refuse(db: &Db, call: u32) {
    use sea_orm::DbBackend;
    let sid = call_sid(call);
    if db.store.reader().get_database_backend() == DbBackend::Sqlite {
        db.execute(&format!(
            "CREATE TRIGGER refuse BEFORE INSERT ON call_logs WHEN NEW.call_sid = '{sid}' \
             BEGIN SELECT RAISE(ABORT, 'not this one'); END"
        ))
        .await;
    } else {
        db.execute(&format!(
            "CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN \
             IF NEW.call_sid = '{sid}' THEN RAISE EXCEPTION 'not this one'; END IF; \
             RETURN NEW; END $$ LANGUAGE plpgsql; \
             CREATE TRIGGER refuse BEFORE INSERT ON call_logs \
             FOR EACH ROW EXECUTE FUNCTION refuse()"
        ))
        .await;
    }
}

on_both! {
    async fn a_row_the_database_refuses_goes_to_the_dead_letters_and_the_others_go_through(db: Db) {
        refuse(&db, 5).await;
        let events: Vec<_> = (1..=9).flat_map(|call| usual(call, T, CALLER, "Austin")).collect();
        let bench = Bench::new(db.store.clone());
        let settlements = bench.projector.handle(deliveries(&events)).await;
        for (event, settlement) in events.iter().zip(settlements) {
            if event.call_sid.as_str() == call_sid(5) {
                let Verdict::Dead { failure } = settlement.verdict else { panic!("{settlement:?}") };
                assert_eq!(failure.code, "database_refused");
                assert!(failure.message.contains("not this one"), "{}", failure.message);
            } else {
                assert_eq!(settlement, Settlement::done());
            }
        }
        assert_eq!(db.rows().await.calls.len(), 8);
        assert!(bench.is_ready());
    }
}

on_both! {
    async fn a_body_that_is_no_event_is_dead_at_once_and_hinders_nobody(db: Db) {
        let mut batch = deliveries(&usual(1, T, CALLER, "Austin"));
        batch.insert(1, delivery("{\"event\":\"+15125550123\"}".into()));
        let settlements = Bench::new(db.store.clone()).projector.handle(batch).await;
        let Verdict::Dead { failure } = &settlements[1].verdict else { panic!("{settlements:?}") };
        assert_eq!(failure.code, "malformed_event");
        assert!(!failure.message.contains("555"), "{}", failure.message);
        assert!(settlements.iter().enumerate().all(|(place, s)| place == 1 || *s == Settlement::done()));
        assert_eq!(db.rows().await.calls[0].status, "completed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_goes_away_loses_nothing_and_is_found_again_without_a_restart() {
    let server = Postgres::start();
    let url = fresh_postgres_url(&server).await;
    let settings = DatabaseSettings {
        acquire_timeout_seconds: 1,
        max_connections: 2,
        ..DatabaseSettings::at(url)
    };
    let store = Store::open(&settings).await.unwrap();
    let bench = Bench::new(store.clone());
    assert_eq!(bench.start(&usual(1, T, CALLER, "Austin")).await.unwrap()[3], Settlement::done());
    assert!(bench.is_ready());

    server.kill();
    let waiting = bench.start(&usual(2, T, CALLER, "Dallas"));
    eventually("readiness is gone", || async { !bench.is_ready() }).await;
    assert!(!waiting.is_finished(), "nothing is settled while the database is away");
    server.restart();
    let settlements = waiting.await.unwrap();
    assert!(settlements.iter().all(|settlement| *settlement == Settlement::done()));
    assert!(bench.is_ready());
    assert!(store.call(&call_sid(2)).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_during_an_outage_hands_the_events_back_uncounted() {
    let server = Postgres::start();
    let url = fresh_postgres_url(&server).await;
    let settings = DatabaseSettings { acquire_timeout_seconds: 1, ..DatabaseSettings::at(url) };
    let bench = Bench::new(Store::open(&settings).await.unwrap());
    server.kill();
    let waiting = bench.start(&usual(1, T, CALLER, "Austin"));
    eventually("readiness is gone", || async { !bench.is_ready() }).await;
    bench.process.stop().cancel();
    for settlement in waiting.await.unwrap() {
        let Verdict::Retry { counts, failure, .. } = settlement.verdict else {
            panic!("{settlement:?}")
        };
        assert_eq!((counts, failure.code.as_str()), (false, "database_unavailable"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sqlite_file_that_another_process_holds_is_waited_for() {
    let db = Db::sqlite().await;
    let settings = DatabaseSettings { busy_timeout_ms: 20, ..db.settings.clone() };
    let impatient = Store::open(&settings).await.unwrap();
    let held = db.store.begin().await.unwrap();
    let error = impatient.begin().await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable(_)), "{error}");
    let bench = Bench::new(impatient);
    let waiting = bench.start(&usual(1, T, CALLER, "Austin"));
    eventually("readiness is gone", || async {
        bench.process.checks()["database"].clone().is_err_and(|reason| reason.contains("locked"))
    })
    .await;
    held.rollback().await.unwrap();
    assert!(waiting.await.unwrap().iter().all(|s| *s == Settlement::done()));
    assert_eq!(db.rows().await.calls.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_on_postgres_ends_at_its_time_limit() {
    let url = fresh_postgres_url(Postgres::shared()).await;
    let settings = DatabaseSettings { statement_timeout_seconds: 1, ..DatabaseSettings::at(url) };
    let store = Store::open(&settings).await.unwrap();
    let slow = store.reader().execute_unprepared("SELECT pg_sleep(30)");
    let outcome = tokio::time::timeout(Duration::from_secs(20), slow).await.expect("it ends");
    let error = StoreError::from(outcome.unwrap_err());
    assert!(
        matches!(&error, StoreError::Unavailable(reason) if reason.contains("57014")),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_holds_the_events_until_there_is_room() {
    let db = Db::sqlite().await;
    db.execute("PRAGMA max_page_count = 60").await;
    let events: Vec<_> = (1..200).flat_map(|call| usual(call, T, CALLER, "Austin")).collect();
    let bench = Bench::new(db.store.clone());
    let waiting = bench.start(&events);
    eventually("readiness is gone", || async {
        bench.process.checks()["database"].clone().is_err_and(|reason| reason.contains("full"))
    })
    .await;
    db.store.ping().await.unwrap();
    assert!(!waiting.is_finished());
    db.execute("PRAGMA max_page_count = 100000").await;
    assert!(waiting.await.unwrap().iter().all(|s| *s == Settlement::done()));
    assert!(bench.is_ready());
    assert_eq!(db.rows().await.calls.len(), 199);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_turns_read_only_is_waited_for() {
    let server = Postgres::start();
    let url = fresh_postgres_url(&server).await;
    let settings = DatabaseSettings { max_connections: 1, ..DatabaseSettings::at(url) };
    let store = Store::open(&settings).await.unwrap();
    let turn = async |read_only: &str| {
        let db = store.reader();
        let alter = format!("ALTER SYSTEM SET default_transaction_read_only = {read_only}");
        db.execute_unprepared(&alter).await.unwrap();
        db.execute_unprepared("SELECT pg_reload_conf()").await.unwrap();
    };
    let is_read_only = async || {
        let show = Statement::from_string(DbBackend::Postgres, "SHOW transaction_read_only");
        let row = store.reader().query_one_raw(show).await.unwrap().unwrap();
        row.try_get_by_index::<String>(0).unwrap() == "on"
    };
    turn("on").await;
    eventually("the only connection has heard of it", is_read_only).await;
    let projection = Projection::new(store.clone(), Arc::new(ResultsSettings::default()));
    let error = projection.persist(&usual(1, T, CALLER, "Austin")).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("25006"), "{error}");
    let bench = Bench::new(store.clone());
    let waiting = bench.start(&usual(2, T, CALLER, "Dallas"));
    eventually("readiness is gone", || async { !bench.is_ready() }).await;
    turn("off").await;
    assert!(waiting.await.unwrap().iter().all(|s| *s == Settlement::done()));
    assert!(store.call(&call_sid(2)).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_starts_before_its_database_waits_for_it() {
    chassis::install_tls();
    let server = Postgres::start();
    let url = fresh_postgres_url(&server).await;
    let redis = Redis::start().await;
    let results = ResultsSettings {
        database: DatabaseSettings { acquire_timeout_seconds: 1, ..DatabaseSettings::at(url) },
        api: ApiSettings { listen: ([127, 0, 0, 1], 0).into(), ..ApiSettings::default() },
        ..ResultsSettings::default()
    };
    let config = Config { redis: redis.settings(), results, ..Config::default() };
    server.kill();
    let process = Process::new(CancellationToken::new());
    let running = tokio::spawn(callscribe_results::run(config, process.clone()));
    eventually("it says what it waits for", || async {
        let checks = process.checks();
        checks.get("database").is_some_and(|check| check.clone().is_err_and(|e| e != "starting"))
    })
    .await;
    server.restart();
    process.listener("results").await.unwrap();
    eventually("it is ready", || async { process.checks().values().all(Result::is_ok) }).await;
    process.stop().cancel();
    running.await.unwrap().unwrap();
}
