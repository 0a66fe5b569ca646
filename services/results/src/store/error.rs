//! What can go wrong between the service and its database.

use sea_orm::{DbErr, RuntimeErr, sqlx};

/// Why a database operation did not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database is away, busy, full or read-only: the same may work later.
    #[error("the database cannot be used now: {0}")]
    Unavailable(String),
    /// The database refuses this very row, now and later.
    #[error("the database refuses the row: {0}")]
    Refused(String),
    /// The schema and the code do not fit each other.
    #[error("{0}")]
    Schema(String),
    /// The file is damaged.
    #[error("{0}")]
    Damaged(String),
    /// A setting is wrong.
    #[error("{0}")]
    Settings(String),
}

impl StoreError {
    /// Whether waiting may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// SQLSTATE classes that blame the data. Everything else blames the moment: calling a row bad must
/// never be a guess, since it goes to the dead letters.
/// Source: PostgreSQL, appendix A: 22 data exception, 23 integrity constraint violation, 44 check
/// option, 54 program limit exceeded, P0 raised by a function.
const REFUSALS_POSTGRES: [&str; 5] = ["22", "23", "44", "54", "P0"];
/// Primary result codes likewise.
/// Source: SQLite, result codes: 18 TOOBIG, 19 CONSTRAINT, 20 MISMATCH.
const REFUSALS_SQLITE: [i32; 3] = [18, 19, 20];

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        match &error {
            // A stored row that cannot be read: it concerns one call and stays so.
            DbErr::Type(_) | DbErr::Json(_) | DbErr::TryIntoErr { .. } => {
                Self::Refused(error.to_string())
            }
            DbErr::Conn(RuntimeErr::SqlxError(cause))
            | DbErr::Exec(RuntimeErr::SqlxError(cause))
            | DbErr::Query(RuntimeErr::SqlxError(cause)) => from_sqlx(cause),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

fn from_sqlx(error: &sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(cause) => {
            let code = cause.code().unwrap_or_default();
            let sentence = format!("{} ({code})", shortened(cause.message()));
            if is_refusal(cause.as_ref(), &code) {
                StoreError::Refused(sentence)
            } else {
                StoreError::Unavailable(sentence)
            }
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            StoreError::Refused(error.to_string())
        }
        other => StoreError::Unavailable(other.to_string()),
    }
}

fn is_refusal(error: &dyn sqlx::error::DatabaseError, code: &str) -> bool {
    if error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
        return REFUSALS_POSTGRES.iter().any(|class| code.starts_with(class));
    }
    code.parse::<i32>().is_ok_and(|code| REFUSALS_SQLITE.contains(&(code & 0xff)))
}

fn shortened(message: &str) -> String {
    message.chars().take(300).collect()
}
