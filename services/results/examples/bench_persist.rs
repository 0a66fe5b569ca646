//! Events persisted per second, against a bare batched upsert of the very same rows through the
//! same crate; on SQLite and on a private Postgres. Prints one JSON row for each database.
//!
//! `cargo run --release -p callscribe-results --example bench_persist [CALLS]`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a bench ends by panicking"
)]

#[path = "../tests/it/support/events.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod events;
#[path = "../tests/it/support/postgres.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod postgres;

use std::{sync::Arc, time::Instant};

use callscribe_results::{
    DatabaseSettings, ResultsSettings,
    projection::Projection,
    store::{
        Store,
        entities::{call_logs, lead_changes, leads, outbox, recordings},
    },
};
use domain::CallEvent;
use sea_orm::{
    ActiveModelTrait, ActiveValue::NotSet, ColumnTrait, ConnectionTrait, Database,
    DatabaseTransaction, EntityTrait, IntoActiveModel, Iterable, QueryFilter, QueryOrder,
    sea_query::OnConflict,
};

/// Events in a transaction, as the service takes them.
const BATCH: usize = 500;
/// Each figure is the best of so many runs on fresh databases: others disturb, nothing helps.
const RUNS: usize = 3;

#[tokio::main]
async fn main() {
    let calls: u32 = std::env::args().nth(1).map_or(5000, |calls| calls.parse().unwrap());
    let batches = batches(calls);
    let count: usize = batches.iter().map(Vec::len).sum();

    let folder = tempfile::tempdir().unwrap();
    let sqlite = |name: &str| format!("sqlite://{}/{name}.db", folder.path().display());
    let mut best = Best::default();
    for run in 0..RUNS {
        let ours = open(sqlite(&format!("ours{run}"))).await;
        let bare = open(sqlite(&format!("bare{run}"))).await;
        best.run(&batches, &ours, &bare).await;
    }
    best.print("results.persist_sqlite", count);

    let server = postgres::Postgres::start();
    let mut best = Best::default();
    for run in 0..RUNS {
        let ours = open(database(&server, &format!("ours{run}")).await).await;
        let bare = open(database(&server, &format!("bare{run}")).await).await;
        best.run(&batches, &ours, &bare).await;
    }
    best.print("results.persist_postgres", count);
}

/// Calls as they come: each group is seen, queued, started and transcribed, one step after the
/// other, so that every event rewrites a row that stands already.
fn batches(calls: u32) -> Vec<Vec<CallEvent>> {
    let courses: Vec<Vec<CallEvent>> = (0..calls)
        .map(|call| {
            let from = format!("+1512{call:07}");
            events::usual(call, 1_790_000_000_000 + i64::from(call), &from, "Austin")
        })
        .collect();
    let mut batches = Vec::new();
    for group in courses.chunks(BATCH) {
        for step in 0..group[0].len() {
            batches.push(group.iter().map(|course| course[step].clone()).collect());
        }
    }
    batches
}

async fn open(url: String) -> Store {
    Store::open(&DatabaseSettings::at(url)).await.unwrap()
}

async fn database(server: &postgres::Postgres, name: &str) -> String {
    let admin = Database::connect(server.url("postgres")).await.unwrap();
    admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
    admin.close().await.unwrap();
    server.url(name)
}

#[derive(Default)]
struct Best {
    ours: Option<f64>,
    bare: Option<f64>,
}

impl Best {
    /// Persists the events; then writes the rows each batch has left behind, in the same batches.
    async fn run(&mut self, batches: &[Vec<CallEvent>], ours: &Store, bare: &Store) {
        let projection = Projection::new(ours.clone(), Arc::new(ResultsSettings::default()));
        let mut seconds = 0.0;
        let mut written = Vec::new();
        let mut seen = Seen::default();
        for batch in batches {
            let begun = Instant::now();
            projection.persist(batch).await.unwrap();
            seconds += begun.elapsed().as_secs_f64();
            written.push(Rows::of(ours, batch, &mut seen).await);
        }
        self.ours = Some(self.ours.map_or(seconds, |best| best.min(seconds)));
        let mut seconds = 0.0;
        for rows in written {
            let begun = Instant::now();
            let transaction = bare.begin().await.unwrap();
            rows.upsert(&transaction).await;
            transaction.commit().await.unwrap();
            seconds += begun.elapsed().as_secs_f64();
        }
        self.bare = Some(self.bare.map_or(seconds, |best| best.min(seconds)));
    }

    fn print(&self, name: &str, events: usize) {
        let (ours, bare) = (events as f64 / self.ours.unwrap(), events as f64 / self.bare.unwrap());
        let ratio = ours / bare;
        let row = serde_json::json!({
            "name": name,
            "value": ours.round(),
            "unit": "events/s",
            "baseline": bare.round(),
            "ratio": (ratio * 1000.0).round() / 1000.0,
            "goal": "ratio >= 0.7",
            "holds": ratio >= 0.7,
        });
        println!("{row}");
    }
}

/// What earlier batches wrote into the tables that only grow.
#[derive(Default)]
struct Seen {
    changes: i64,
    outbox: i64,
}

/// The rows one batch has written.
struct Rows {
    calls: Vec<call_logs::ActiveModel>,
    recordings: Vec<recordings::ActiveModel>,
    leads: Vec<leads::ActiveModel>,
    changes: Vec<lead_changes::ActiveModel>,
    outbox: Vec<outbox::ActiveModel>,
}

impl Rows {
    async fn of(store: &Store, batch: &[CallEvent], seen: &mut Seen) -> Self {
        let db = store.reader();
        let sids: Vec<_> = batch.iter().map(|event| event.call_sid.to_string()).collect();
        let has_recording = batch.iter().any(|event| event.recording_sid.is_some());
        let calls = call_logs::Entity::find()
            .filter(call_logs::Column::CallSid.is_in(&sids))
            .all(db)
            .await
            .unwrap();
        let recordings = recordings::Entity::find()
            .filter(recordings::Column::CallSid.is_in(&sids))
            .all(db)
            .await
            .unwrap();
        let changes = lead_changes::Entity::find()
            .filter(lead_changes::Column::Id.gt(seen.changes))
            .order_by_asc(lead_changes::Column::Id)
            .all(db)
            .await
            .unwrap();
        let outbox = outbox::Entity::find()
            .filter(outbox::Column::Seq.gt(seen.outbox))
            .order_by_asc(outbox::Column::Seq)
            .all(db)
            .await
            .unwrap();
        seen.changes = changes.last().map_or(seen.changes, |last| last.id);
        seen.outbox = outbox.last().map_or(seen.outbox, |last| last.seq);
        // A batch writes leads where it made or changed some, and that always leaves an event.
        let touched = outbox.iter().filter(|event| event.event_type == "lead.updated");
        let leads = leads::Entity::find()
            .filter(leads::Column::Id.is_in(touched.filter_map(|event| event.lead_id)))
            .all(db)
            .await
            .unwrap();
        let recordings = if has_recording { recordings } else { Vec::new() };
        Self {
            calls: calls
                .into_iter()
                .map(|row| call_logs::ActiveModel { id: NotSet, ..row.into_active_model() })
                .collect(),
            recordings: recordings
                .into_iter()
                .map(|row| recordings::ActiveModel { id: NotSet, ..row.into_active_model() })
                .collect(),
            leads: leads.into_iter().map(IntoActiveModel::into_active_model).collect(),
            changes: changes
                .into_iter()
                .map(|row| lead_changes::ActiveModel { id: NotSet, ..row.into_active_model() })
                .collect(),
            outbox: outbox
                .into_iter()
                .map(|row| outbox::ActiveModel { seq: NotSet, ..row.into_active_model() })
                .collect(),
        }
    }

    async fn upsert(self, db: &DatabaseTransaction) {
        upsert(db, self.leads, Some(leads::Column::Id)).await;
        upsert(db, self.recordings, Some(recordings::Column::RecordingSid)).await;
        upsert(db, self.calls, Some(call_logs::Column::CallSid)).await;
        upsert(db, self.changes, None).await;
        upsert(db, self.outbox, Some(outbox::Column::EventId)).await;
    }
}

async fn upsert<A>(
    db: &DatabaseTransaction,
    rows: Vec<A>,
    key: Option<<A::Entity as EntityTrait>::Column>,
) where
    A: ActiveModelTrait,
{
    if rows.is_empty() {
        return;
    }
    let mut statement = A::Entity::insert_many(rows);
    if let Some(key) = key {
        let name = format!("{key:?}");
        let others = <A::Entity as EntityTrait>::Column::iter()
            .filter(|column| format!("{column:?}") != name && !is_row_number(column));
        statement =
            statement.on_conflict(OnConflict::column(key).update_columns(others).to_owned());
    }
    statement.exec_without_returning(db).await.unwrap();
}

fn is_row_number(column: &impl std::fmt::Debug) -> bool {
    matches!(format!("{column:?}").as_str(), "Id" | "Seq")
}
