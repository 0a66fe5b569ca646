//! A fresh database for each test.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use callscribe_results::{
    DatabaseSettings, ResultsSettings,
    projection::{Effect, Projection},
    store::{
        Store, StoreError,
        entities::{call_logs, lead_changes, leads, outbox, recordings},
    },
};
use domain::CallEvent;
use sea_orm::{ConnectionTrait, Database, EntityTrait, QueryOrder};
use tempfile::TempDir;

use super::postgres::Postgres;

/// A fresh, empty database.
pub struct Db {
    pub settings: DatabaseSettings,
    pub store: Store,
    _folder: Option<TempDir>,
}

impl Db {
    pub async fn sqlite() -> Self {
        let folder = TempDir::with_prefix("results-sqlite-").unwrap();
        let url = format!("sqlite://{}/data/callscribe.db", folder.path().display());
        Self::open(DatabaseSettings::at(url), Some(folder)).await
    }

    pub async fn postgres() -> Self {
        let url = fresh_postgres_url(Postgres::shared()).await;
        let settings = DatabaseSettings { max_connections: 3, ..DatabaseSettings::at(url) };
        Self::open(settings, None).await
    }

    async fn open(settings: DatabaseSettings, folder: Option<TempDir>) -> Self {
        let store = Store::open(&settings).await.unwrap();
        Self { settings, store, _folder: folder }
    }

    /// The file of a SQLite database.
    pub fn file(&self) -> std::path::PathBuf {
        use secrecy::ExposeSecret;
        self.settings.url.expose_secret().strip_prefix("sqlite://").unwrap().into()
    }

    pub fn projection(&self) -> Projection {
        Projection::new(self.store.clone(), Arc::new(ResultsSettings::default()))
    }

    pub async fn persist(&self, events: &[CallEvent]) -> Result<Vec<Effect>, StoreError> {
        self.projection().persist(events).await
    }

    pub async fn execute(&self, sql: &str) {
        let transaction = self.store.begin().await.unwrap();
        transaction.execute_unprepared(sql).await.unwrap();
        transaction.commit().await.unwrap();
    }

    pub async fn rows(&self) -> Rows {
        let db = self.store.reader();
        let mut rows = Rows {
            calls: call_logs::Entity::find()
                .order_by_asc(call_logs::Column::CallSid)
                .all(db)
                .await
                .unwrap(),
            recordings: recordings::Entity::find()
                .order_by_asc(recordings::Column::RecordingSid)
                .all(db)
                .await
                .unwrap(),
            leads: leads::Entity::find()
                .order_by_asc(leads::Column::PhoneE164)
                .all(db)
                .await
                .unwrap(),
        };
        rows.without_row_numbers();
        rows
    }

    pub async fn changes(&self) -> Vec<lead_changes::Model> {
        let all = lead_changes::Entity::find().order_by_asc(lead_changes::Column::Id);
        all.all(self.store.reader()).await.unwrap()
    }

    pub async fn outbox(&self) -> Vec<outbox::Model> {
        let all = outbox::Entity::find().order_by_asc(outbox::Column::Seq);
        all.all(self.store.reader()).await.unwrap()
    }
}

/// Everything that must not depend on the order of arrival.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    pub calls: Vec<call_logs::Model>,
    pub recordings: Vec<recordings::Model>,
    pub leads: Vec<leads::Model>,
}

impl Rows {
    /// Row numbers say who came first; so do a lead's version and the times of its changes. The
    /// lead of a call is compared by its place in the list.
    fn without_row_numbers(&mut self) {
        let place = |id: i64| {
            let at = self.leads.iter().position(|lead| lead.id == id);
            i64::try_from(at.expect("the lead of a call exists")).unwrap()
        };
        for call in &mut self.calls {
            call.id = 0;
            call.lead_id = call.lead_id.map(place);
        }
        for recording in &mut self.recordings {
            recording.id = 0;
        }
        for lead in &mut self.leads {
            lead.id = 0;
            lead.version = 0;
            lead.created_at = Default::default();
            lead.updated_at = Default::default();
        }
    }
}

/// Makes an empty database on a server.
pub async fn fresh_postgres_url(server: &Postgres) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let admin = Database::connect(server.url("postgres")).await.unwrap();
    admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
    admin.close().await.unwrap();
    server.url(&name)
}
