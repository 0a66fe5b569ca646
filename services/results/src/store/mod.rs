//! The database: SQLite in a file, or Postgres.

mod backup;
pub mod calls;
mod changes;
mod connect;
pub mod deliveries;
pub mod entities;
mod error;
pub mod lead_edit;
pub mod leads;
pub mod migrations;
mod narrow;
mod schema;
pub mod search;
pub mod statistics;
mod transaction;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, FromQueryResult, Statement,
};
use secrecy::ExposeSecret;

pub use backup::backup;
pub use connect::{Kind, kind};
pub use error::StoreError;

use crate::settings::DatabaseSettings;

/// The database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    writer: DatabaseConnection,
    reader: DatabaseConnection,
}

impl Store {
    /// Opens the database for reading and writing: makes the SQLite file where it is missing,
    /// checks it, and brings the schema up to date.
    ///
    /// # Errors
    /// When the database is away, damaged, or newer than this program.
    pub async fn open(settings: &DatabaseSettings) -> Result<Self, StoreError> {
        let kind = kind(settings.url.expose_secret())?;
        let writer = connect::writer(settings, &kind).await?;
        if kind != Kind::Postgres && settings.check_integrity {
            check_integrity(&writer).await?;
        }
        schema::migrate(&writer).await?;
        let reader = match kind {
            Kind::Sqlite { .. } => connect::readers(settings, &kind).await?,
            Kind::Postgres => writer.clone(),
        };
        Ok(Self { writer, reader })
    }

    /// Opens an existing database for reading only; changes nothing, the schema included.
    ///
    /// # Errors
    /// When the database is away, or its schema does not fit this program.
    pub async fn open_read(settings: &DatabaseSettings) -> Result<Self, StoreError> {
        let kind = kind(settings.url.expose_secret())?;
        let reader = connect::readers(settings, &kind).await?;
        schema::check(&reader).await?;
        Ok(Self { writer: reader.clone(), reader })
    }

    /// Connections for reads.
    pub fn reader(&self) -> &DatabaseConnection {
        &self.reader
    }

    /// Begins a writing transaction, after waiting for its turn: there is one writer at a time.
    ///
    /// # Errors
    /// When the database is away, or other writers took too long.
    pub async fn begin(&self) -> Result<DatabaseTransaction, StoreError> {
        transaction::begin(&self.writer).await
    }

    /// One round trip: whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        Ok(self.writer.ping().await?)
    }

    /// After an erasure: moves what SQLite's log still holds into the file, and empties the log.
    /// While others read, the log's old content stays until it is written over.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn settle_erasure(&self) -> Result<(), StoreError> {
        if self.writer.get_database_backend() == DbBackend::Sqlite {
            self.writer.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await?;
        }
        Ok(())
    }

    /// Closes the connections; SQLite then writes its log back into the file.
    ///
    /// # Errors
    /// When the database cannot be closed in order.
    pub async fn close(self) -> Result<(), StoreError> {
        self.reader.close_by_ref().await?;
        Ok(self.writer.close_by_ref().await?)
    }
}

async fn check_integrity(writer: &DatabaseConnection) -> Result<(), StoreError> {
    #[derive(FromQueryResult)]
    struct Finding {
        quick_check: String,
    }
    let check = Statement::from_string(DbBackend::Sqlite, "PRAGMA quick_check(1)");
    let finding = Finding::find_by_statement(check).one(writer).await?;
    match finding {
        Some(finding) if finding.quick_check != "ok" => Err(StoreError::Damaged(format!(
            "the database file is damaged ({}): restore a backup, or move the file away and let \
             the reconciliation with Twilio fill a new one",
            finding.quick_check
        ))),
        _ => Ok(()),
    }
}
