//! A consistent copy of the database while it is in use.

use std::path::{Path, PathBuf};

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use secrecy::ExposeSecret;

use super::{Kind, StoreError, check_integrity, connect, kind};
use crate::settings::DatabaseSettings;

/// Writes a copy of the SQLite database to a new file: consistent, compact, checked, on disk when
/// this returns. The service may go on meanwhile. Returns the copy's size in bytes.
///
/// # Errors
/// When the file exists already, the disk is full, or the database is a Postgres (which has
/// `pg_dump` for this).
pub async fn backup(settings: &DatabaseSettings, to: &Path) -> Result<u64, StoreError> {
    if kind(settings.url.expose_secret())? == Kind::Postgres {
        return Err(StoreError::Settings(
            "a backup of Postgres is pg_dump's work: pg_dump --format=custom --file=FILE DATABASE"
                .into(),
        ));
    }
    let exists = tokio::fs::try_exists(to).await.map_err(|error| at(to, &error))?;
    if exists {
        return Err(StoreError::Settings(format!(
            "{} exists already; a backup overwrites nothing",
            to.display()
        )));
    }
    let unfinished = beside(to);
    remove(&unfinished).await?;
    let outcome = copy(settings, &unfinished, to).await;
    if outcome.is_err() {
        // The error that led here is the one to tell.
        let _ = remove(&unfinished).await;
    }
    outcome
}

async fn copy(
    settings: &DatabaseSettings,
    unfinished: &Path,
    to: &Path,
) -> Result<u64, StoreError> {
    let name = unfinished.to_str().ok_or_else(|| {
        StoreError::Settings(format!("{} is not a name in UTF-8", unfinished.display()))
    })?;
    let source = connect::sqlite_copier(settings).await?;
    let into = Statement::from_sql_and_values(DbBackend::Sqlite, "VACUUM INTO ?", [name.into()]);
    source.execute_raw(into).await?;
    source.close().await?;
    let copy = DatabaseSettings::at(format!("sqlite://{name}"));
    let readable = connect::readers(&copy, &Kind::Sqlite { path: name.to_owned() }).await?;
    check_integrity(&readable).await?;
    readable.close().await?;
    let file = tokio::fs::File::open(unfinished).await.map_err(|error| at(unfinished, &error))?;
    file.sync_all().await.map_err(|error| at(unfinished, &error))?;
    let bytes = file.metadata().await.map_err(|error| at(unfinished, &error))?.len();
    tokio::fs::rename(unfinished, to).await.map_err(|error| at(to, &error))?;
    Ok(bytes)
}

/// A name in the same folder, so that the finished file appears under its own name at once.
fn beside(to: &Path) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    name.push(".unfinished");
    name.into()
}

async fn remove(path: &Path) -> Result<(), StoreError> {
    match tokio::fs::remove_file(path).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(at(path, &error)),
        _ => Ok(()),
    }
}

fn at(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unavailable(format!("{}: {error}", path.display()))
}
