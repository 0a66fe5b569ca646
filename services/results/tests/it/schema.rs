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
async fn replicas_that_start_at_once_on_an_empty_postgres_all_come_up() {
    let url = fresh_postgres_url(Postgres::shared()).await;
    all_come_up(DatabaseSettings { max_connections: 2, ..DatabaseSettings::at(url) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_at_once_on_an_empty_sqlite_file_all_come_up() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/callscribe.db", folder.path().display());
    all_come_up(DatabaseSettings::at(url)).await;
}

async fn all_come_up(settings: DatabaseSettings) {
    let starts = (0..4).map(|_| {
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
