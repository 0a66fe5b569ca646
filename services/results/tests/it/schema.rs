//! The schema and the code.

use callscribe_results::{
    DatabaseSettings,
    store::{self, Store, StoreError},
};

use sea_orm::ConnectionTrait as _;

use crate::support::{
    Db, database::fresh_postgres_url, events::usual, on_both, postgres::Postgres,
};

const T: i64 = 1_790_000_000_000;

on_both! {
    async fn a_newer_schema_stops_the_start_and_says_so(db: Db) {
        db.execute("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_later', 0)")
            .await;
        for error in [
            Store::open(&db.settings).await.unwrap_err(),
            Store::open_read(&db.settings).await.unwrap_err(),
        ] {
            assert!(matches!(&error, StoreError::Schema(_)), "{error}");
            assert!(error.to_string().contains("newer than this program (it has m9999_later)"));
        }
    }
}

on_both! {
    async fn an_older_schema_is_told_to_whoever_only_reads(db: Db) {
        db.execute("DELETE FROM seaql_migrations").await;
        let error = Store::open_read(&db.settings).await.unwrap_err().to_string();
        assert!(error.contains("older than this program") && error.contains("m0001"), "{error}");
    }
}

on_both! {
    async fn a_reader_sees_the_rows_and_cannot_write(db: Db) {
        db.persist(&usual(1, T, "+15125550123", "Austin")).await.unwrap();
        let reader = Store::open_read(&db.settings).await.unwrap();
        let progress = reader.progress(10).await.unwrap();
        assert_eq!(progress[0].call.status, "completed");
        assert_eq!(progress[0].recorded_ms, Some(12_000));
        assert_eq!(progress[0].timings.transcribe_ms, 400);
        let write = reader.reader().execute_unprepared("DELETE FROM call_logs").await.unwrap_err();
        let sentence = write.to_string();
        assert!(sentence.contains("readonly") || sentence.contains("read-only"), "{sentence}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_may_take_longer_than_any_other_statement() {
    let url = fresh_postgres_url(Postgres::shared()).await;
    // The server itself is slow once, as with a large table.
    let slow = "CREATE FUNCTION slow() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN \
                IF current_setting('test.slow', true) IS DISTINCT FROM 'once' THEN \
                PERFORM set_config('test.slow', 'once', false), pg_sleep(1.2); END IF; END $$; \
                CREATE EVENT TRIGGER slow ON ddl_command_end WHEN TAG IN ('CREATE INDEX') \
                EXECUTE FUNCTION slow()";
    let admin = sea_orm::Database::connect(&url).await.unwrap();
    admin.execute_unprepared(slow).await.unwrap();
    admin.close().await.unwrap();
    let settings = DatabaseSettings { statement_timeout_seconds: 1, ..DatabaseSettings::at(url) };
    let store = Store::open(&settings).await.unwrap();
    let limited = store.reader().execute_unprepared("SELECT pg_sleep(60)").await.unwrap_err();
    assert!(limited.to_string().contains("statement timeout"), "{limited}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_start_at_once_on_an_empty_postgres_all_come_up() {
    let url = fresh_postgres_url(Postgres::shared()).await;
    all_come_up(DatabaseSettings { max_connections: 2, ..DatabaseSettings::at(url) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_at_once_on_an_empty_sqlite_file_all_come_up() {
    // One of them is refused at once where two turn the file to WAL at the same moment: rarely.
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/callscribe.db", folder.path().display());
        all_come_up(DatabaseSettings::at(url)).await;
    }
}

async fn all_come_up(settings: DatabaseSettings) {
    let starts = (0..8).map(|_| {
        let settings = settings.clone();
        tokio::spawn(async move { Store::open(&settings).await })
    });
    for start in starts.collect::<Vec<_>>() {
        start.await.unwrap().unwrap().close().await.unwrap();
    }
}

#[tokio::test]
async fn a_damaged_file_stops_the_start_and_says_what_to_do() {
    let db = Db::sqlite().await;
    let many: Vec<_> = (1..200).flat_map(|call| usual(call, T, "+15125550123", "Austin")).collect();
    db.persist(&many).await.unwrap();
    let path = db.file();
    let settings = db.settings.clone();
    db.store.clone().close().await.unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 16384].fill(0xA5);
    std::fs::write(&path, bytes).unwrap();
    let error = Store::open(&settings).await.unwrap_err();
    assert!(matches!(&error, StoreError::Damaged(_)), "{error}");
    assert!(error.to_string().contains("restore a backup"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_made_during_writes_is_a_whole_database_and_overwrites_nothing() {
    let db = Db::sqlite().await;
    db.persist(&usual(1, T, "+15125550123", "Austin")).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.db");
    let writing = db.store.begin().await.unwrap();
    writing.execute_unprepared("UPDATE call_logs SET status = 'half'").await.unwrap();
    let bytes = store::backup(&db.settings, &file).await.unwrap();
    writing.rollback().await.unwrap();
    assert_eq!(bytes, std::fs::metadata(&file).unwrap().len());

    let url = format!("sqlite://{}", file.display());
    let copy = Store::open(&DatabaseSettings::at(url)).await.unwrap();
    assert_eq!(copy.progress(10).await.unwrap()[0].call.status, "completed");
    let error = store::backup(&db.settings, &file).await.unwrap_err().to_string();
    assert!(error.contains("exists already"), "{error}");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap()).collect();
    assert!(left.iter().all(|entry| !entry.file_name().to_string_lossy().contains("unfinished")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_is_reached_over_tls_and_a_stranger_s_certificate_is_refused() {
    if std::process::Command::new("openssl").arg("version").output().is_err() {
        println!("skipped: openssl is not installed");
        return;
    }
    chassis::install_tls();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let server = Postgres::start_with_tls(port);
    let open = async |options: String| {
        let url = format!("postgres://postgres@localhost:{port}/postgres?{options}");
        Store::open(&DatabaseSettings { acquire_timeout_seconds: 3, ..DatabaseSettings::at(url) })
            .await
    };
    let trusting = |name: &str| {
        format!("sslmode=verify-full&sslrootcert={}", server.folder().join(name).display())
    };
    let store = open(trusting("ca.crt")).await.unwrap();
    let question = "SELECT version FROM pg_stat_ssl WHERE ssl AND pid = pg_backend_pid()";
    let question = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, question);
    let answer = store.reader().query_one_raw(question).await.unwrap().unwrap();
    let version: String = answer.try_get("", "version").unwrap();
    assert!(version.starts_with("TLSv1."), "{version}");
    for refused in [trusting("other.crt"), "sslmode=disable".to_owned()] {
        let error = open(refused.clone()).await.unwrap_err();
        assert!(error.is_transient(), "{refused}: {error}");
    }
}

/// Rows as the first release wrote them.
const ROWS_OF_M0001: [&str; 4] = [
    "INSERT INTO leads (id, account_sid, phone_e164, name_locked, city, service_locked, \
     city_locked, version, created_at, updated_at) VALUES (7, 'AC1', '+15125550123', FALSE, \
     'Waco', FALSE, TRUE, 3, '2026-01-02T10:00:00+00:00', '2026-01-02T10:00:00+00:00')",
    "INSERT INTO call_logs (id, call_sid, account_sid, status, final_transcript, lead_id, \
     attempts, created_at, updated_at, fold) VALUES (3, 'CA1', 'AC1', 'completed', \
     'a locksmith in waco', 7, 1, '2026-01-02T10:00:00+00:00', '2026-01-02T10:00:00+00:00', '{}')",
    "INSERT INTO recordings (recording_sid, call_sid, account_sid, status, transcript, \
     generation, attempts, created_at, updated_at, fold) VALUES ('RE1', 'CA1', 'AC1', \
     'completed', 'a locksmith in waco', 0, 1, '2026-01-02T10:00:00+00:00', \
     '2026-01-02T10:00:00+00:00', '{}')",
    "INSERT INTO outbox (event_id, event_type, account_sid, call_sid, payload, created_at) VALUES \
     ('msg_1', 'call.completed', 'AC1', 'CA1', '{}', '2026-01-02T10:00:00+00:00')",
];

/// What the released migrations make of an empty SQLite file: they are never edited.
const RELEASED: [(&str, &str); 8] = [
    ("m0001_calls_and_leads", "050eae3ef8f6767d"),
    ("m0002_reconcile_marks", "f320c5fe85e243e6"),
    ("m0003_search", "19767652fa19ccbd"),
    ("m0004_deliveries", "e39d5cc1674fb8f1"),
    ("m0005_retention", "b9dde648c955c66c"),
    ("m0007_keeping", "9dc99ae9b66b9cd9"),
    ("m0008_narrow", "9c985a9019c2e33a"),
    ("m0009_facets", "3e7646d65092a4a0"),
];

on_both! {
    async fn a_database_of_every_earlier_schema_is_brought_up_to_date_with_its_rows(db: Db) {
        use sea_orm_migration::MigratorTrait;
        let is_sqlite = db.store.reader().get_database_backend() == sea_orm::DbBackend::Sqlite;
        for count in 1..=store::migrations::Migrator::migrations().len() {
            let folder = tempfile::tempdir().unwrap();
            let url = if is_sqlite {
                format!("sqlite://{}/old.db?mode=rwc", folder.path().display())
            } else {
                fresh_postgres_url(Postgres::shared()).await
            };
            let old = sea_orm::Database::connect(&url).await.unwrap();
            let steps = Some(u32::try_from(count).unwrap());
            store::migrations::Migrator::up(&old, steps).await.unwrap();
            for row in ROWS_OF_M0001 {
                old.execute_unprepared(row).await.unwrap();
            }
            old.close().await.unwrap();

            let settings = DatabaseSettings::at(url.trim_end_matches("?mode=rwc"));
            let store = Store::open(&settings).await.unwrap();
            let call = store.call("CA1").await.unwrap().unwrap();
            assert_eq!(call.call.status, "completed", "from {count} migrations");
            let lead = store.lead(7).await.unwrap().unwrap();
            assert_eq!((lead.city.as_deref(), lead.city_locked), (Some("Waco"), true));
            let query = store::calls::CallQuery { limit: 10, ..Default::default() };
            let found = store.search(&"waco".parse().unwrap(), &query).await.unwrap();
            assert_eq!(found.rows.len(), 1, "from {count} migrations");
            let events = usual(9, T, "+15125550123", "Austin");
            let settings = std::sync::Arc::new(callscribe_results::ResultsSettings::default());
            let projection = callscribe_results::projection::Projection::new(store.clone(), settings);
            projection.persist(&events).await.unwrap();
            store.close().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_released_migration_makes_what_it_made_when_it_was_released() {
    use sea_orm_migration::MigratorTrait;
    let names = store::migrations::Migrator::migrations();
    let mut made = Vec::new();
    for (count, migration) in (1..).zip(&names).take(RELEASED.len()) {
        let database = sea_orm::Database::connect("sqlite::memory:").await.unwrap();
        store::migrations::Migrator::up(&database, Some(count)).await.unwrap();
        made.push((migration.name().to_owned(), schema_digest(&database).await));
    }
    let released = RELEASED.map(|(name, digest)| (name.to_owned(), digest.to_owned()));
    assert_eq!(made, released);
}

async fn schema_digest(connection: &sea_orm::DatabaseConnection) -> String {
    use sha2::{Digest, Sha256};
    let question = "SELECT COALESCE(sql, name) AS sql FROM sqlite_master \
                    WHERE name NOT LIKE 'sqlite_%' AND name <> 'seaql_migrations' ORDER BY name";
    let question = sea_orm::Statement::from_string(sea_orm::DbBackend::Sqlite, question);
    let rows = connection.query_all_raw(question).await.unwrap();
    let all: Vec<String> = rows.iter().map(|row| row.try_get("", "sql").unwrap()).collect();
    hex::encode(&Sha256::digest(all.join("\n"))[..8])
}
