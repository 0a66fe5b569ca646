//! The schema and the code must fit: migrations under a lock, and a check.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend};
use sea_orm_migration::MigratorTrait;

use super::{StoreError, migrations::Migrator, transaction};

/// Brings the schema up to what the code expects. Replicas that start at once wait for each other.
///
/// # Errors
/// When the schema is newer than the code.
pub async fn migrate(writer: &DatabaseConnection) -> Result<(), StoreError> {
    let lock = transaction::begin(writer).await?;
    let applied = applied(&lock).await?;
    refuse_newer(&applied)?;
    if applied.len() < known().len() {
        without_limits(&lock).await?;
        Migrator::up(&lock, None).await?;
    }
    Ok(lock.commit().await?)
}

/// A migration of a large table takes as long as it takes; on SQLite nothing limits it.
async fn without_limits(lock: &DatabaseTransaction) -> Result<(), StoreError> {
    if lock.get_database_backend() == DbBackend::Postgres {
        lock.execute_unprepared(
            "SET LOCAL statement_timeout = 0; \
             SET LOCAL idle_in_transaction_session_timeout = 0",
        )
        .await?;
    }
    Ok(())
}

/// Checks that the schema is exactly what the code expects, without changing anything.
///
/// # Errors
/// When it is older or newer.
pub async fn check<C: ConnectionTrait>(connection: &C) -> Result<(), StoreError> {
    let applied = applied(connection).await?;
    refuse_newer(&applied)?;
    match known().into_iter().find(|name| !applied.contains(name)) {
        None => Ok(()),
        Some(missing) => Err(StoreError::Schema(format!(
            "the database's schema is older than this program (it lacks {missing}): start the \
             results service of this version once, which brings it up to date"
        ))),
    }
}

fn refuse_newer(applied: &BTreeSet<String>) -> Result<(), StoreError> {
    let known = known();
    match applied.iter().find(|name| !known.contains(*name)) {
        None => Ok(()),
        Some(newer) => Err(StoreError::Schema(format!(
            "the database's schema is newer than this program (it has {newer}): use the version \
             of Callscribe that wrote it, or a later one"
        ))),
    }
}

fn known() -> BTreeSet<String> {
    Migrator::migrations().iter().map(|migration| migration.name().to_owned()).collect()
}

async fn applied<C: ConnectionTrait>(connection: &C) -> Result<BTreeSet<String>, StoreError> {
    #[derive(sea_orm::FromQueryResult)]
    struct Version {
        version: String,
    }
    if !has_history(connection).await? {
        return Ok(BTreeSet::new());
    }
    let history = sea_orm::Statement::from_string(
        connection.get_database_backend(),
        "SELECT version FROM seaql_migrations",
    );
    let rows = <Version as sea_orm::FromQueryResult>::find_by_statement(history);
    Ok(rows.all(connection).await?.into_iter().map(|row| row.version).collect())
}

async fn has_history<C: ConnectionTrait>(connection: &C) -> Result<bool, StoreError> {
    let question = match connection.get_database_backend() {
        DbBackend::Postgres => "SELECT 1 WHERE to_regclass('seaql_migrations') IS NOT NULL",
        _ => "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'seaql_migrations'",
    };
    Ok(connection
        .query_one_raw(sea_orm::Statement::from_string(connection.get_database_backend(), question))
        .await?
        .is_some())
}
