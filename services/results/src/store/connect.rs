//! From a URL to connections.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use sea_orm::{
    ConnectOptions, Database, DatabaseConnection,
    sqlx::{
        self,
        sqlite::{SqliteJournalMode, SqliteSynchronous},
    },
};
use secrecy::ExposeSecret;

use super::StoreError;
use crate::settings::DatabaseSettings;

/// How long a refused connection to a file waits before it asks again.
const LOCKED_PAUSE: Duration = Duration::from_millis(10);

/// Which of the two databases a URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A file on this machine.
    Sqlite {
        /// The file.
        path: String,
    },
    /// A server.
    Postgres,
}

/// Reads what kind of database a URL names.
///
/// # Errors
/// When it is neither.
pub fn kind(url: &str) -> Result<Kind, StoreError> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(Kind::Postgres);
    }
    match url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")) {
        Some(path) if !path.is_empty() && !path.starts_with(':') && !path.contains('?') => {
            Ok(Kind::Sqlite { path: path.to_owned() })
        }
        _ => Err(StoreError::Settings(
            "results.database.url is not usable; allowed are sqlite://FOLDER/FILE.db and \
             postgres://USER:PASSWORD@HOST:PORT/DATABASE"
                .into(),
        )),
    }
}

/// The one connection that writes (SQLite), or a pool (Postgres).
pub async fn writer(
    settings: &DatabaseSettings,
    kind: &Kind,
) -> Result<DatabaseConnection, StoreError> {
    match kind {
        Kind::Sqlite { path } => {
            create_folder(path).await?;
            connect_sqlite_writer(settings).await
        }
        Kind::Postgres => connect_postgres(settings, true).await,
    }
}

/// Connections that can only read.
pub async fn readers(
    settings: &DatabaseSettings,
    kind: &Kind,
) -> Result<DatabaseConnection, StoreError> {
    match kind {
        Kind::Sqlite { .. } => {
            connect_sqlite(settings, settings.max_connections, Access::Read).await
        }
        Kind::Postgres => connect_postgres(settings, false).await,
    }
}

/// A connection for `VACUUM INTO`, which a connection that can only read refuses.
pub async fn sqlite_copier(settings: &DatabaseSettings) -> Result<DatabaseConnection, StoreError> {
    connect_sqlite(settings, 1, Access::Copy).await
}

#[derive(Clone, Copy, PartialEq)]
enum Access {
    Write,
    Read,
    Copy,
}

async fn create_folder(path: &str) -> Result<(), StoreError> {
    let Some(folder) = Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty())
    else {
        return Ok(());
    };
    tokio::fs::create_dir_all(folder).await.map_err(|error| {
        StoreError::Unavailable(format!("cannot make the folder {}: {error}", folder.display()))
    })
}

/// Two processes that turn one new file into WAL mode at the same moment would wait for each
/// other; SQLite refuses one of them at once, whatever the busy timeout says
/// (<https://www.sqlite.org/wal.html>, "Sometimes Queries Return SQLITE_BUSY In WAL Mode").
async fn connect_sqlite_writer(
    settings: &DatabaseSettings,
) -> Result<DatabaseConnection, StoreError> {
    let deadline = Instant::now() + Duration::from_millis(settings.busy_timeout_ms);
    loop {
        match connect_sqlite(settings, 1, Access::Write).await {
            Err(StoreError::Unavailable(reason))
                if reason.contains("locked") && Instant::now() < deadline =>
            {
                tokio::time::sleep(LOCKED_PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

async fn connect_sqlite(
    settings: &DatabaseSettings,
    connections: u32,
    access: Access,
) -> Result<DatabaseConnection, StoreError> {
    let busy = Duration::from_millis(settings.busy_timeout_ms);
    let mut options = common(settings, connections);
    options.map_sqlx_sqlite_opts(move |options| {
        let options = options
            .busy_timeout(busy)
            .create_if_missing(access == Access::Write)
            // A batch's rows come over in one go, not in many turns between two threads.
            .row_buffer_size(512);
        match access {
            // FULL: an event is acknowledged after its commit, so a commit must survive a loss of
            // power, which NORMAL does not promise in WAL mode.
            // What is deleted is overwritten: an erased caller must not stand in free pages.
            Access::Write => options
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .pragma("secure_delete", "ON"),
            Access::Read => options.pragma("query_only", "1"),
            Access::Copy => options,
        }
    });
    Ok(Database::connect(options).await?)
}

async fn connect_postgres(
    settings: &DatabaseSettings,
    writes: bool,
) -> Result<DatabaseConnection, StoreError> {
    let statement = format!("{}s", settings.statement_timeout_seconds);
    let mut options = common(settings, settings.max_connections);
    options.map_sqlx_postgres_opts(move |options: sqlx::postgres::PgConnectOptions| {
        let options = options.application_name("callscribe-results").options([
            ("statement_timeout", &statement),
            // A replica that hangs in the middle of its transaction must not hold up the others.
            ("idle_in_transaction_session_timeout", &statement),
        ]);
        if writes { options } else { options.options([("default_transaction_read_only", "on")]) }
    });
    Ok(Database::connect(options).await?)
}

fn common(settings: &DatabaseSettings, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(settings.url.expose_secret());
    options
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(settings.acquire_timeout_seconds))
        // Statements carry transcripts and numbers: neither reaches a log.
        .sqlx_logging(false)
        .record_stmt_in_spans(false);
    options
}
