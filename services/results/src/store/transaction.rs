//! One writer at a time, on both databases.

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, SqliteTransactionMode,
    Statement, TransactionOptions, TransactionTrait,
};

use super::StoreError;

/// The advisory lock that every writing transaction on Postgres takes first ("callscri" in ASCII).
/// It makes Postgres behave as SQLite does: writers queue up, so that what a transaction has read
/// is still true when it writes, whichever calls and leads it touches. Readers never wait.
const WRITER: i64 = 0x6361_6c6c_7363_7269;

/// Begins a writing transaction, after waiting for its turn.
pub async fn begin(writer: &DatabaseConnection) -> Result<DatabaseTransaction, StoreError> {
    let options = TransactionOptions {
        // Immediate: a transaction that reads first and writes later would fail at once when
        // another process has written in between, whatever the busy timeout says.
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..Default::default()
    };
    let transaction = writer.begin_with_options(options).await?;
    if transaction.get_database_backend() == DbBackend::Postgres {
        let lock = format!("SELECT pg_advisory_xact_lock({WRITER})");
        transaction.execute_raw(Statement::from_string(DbBackend::Postgres, lock)).await?;
    }
    Ok(transaction)
}
