//! Taking over what another system knew: an export of its `call_log` or `leads` table.
//!
//! CSV with a header, or JSON Lines; UTF-8. Lines are read and written in batches, so a file of any
//! size takes the same memory. A line that is wrong is told of and left out; the others go on. The
//! same file again changes nothing, and what this system found out by itself, or a person fixed
//! here, is never overwritten.
//!
//! Columns of calls: `call_sid` and `account_sid` (or the account given for the whole file) must be
//! there; `parent_call_sid`, `from_number`, `to_number`, `direction`, `call_status`,
//! `duration_seconds`, `status`, `final_transcript`, `transcript_language`, `transcript_engine`,
//! `extracted_service`, `service_id`, `service_confidence`, `extracted_city`, `city_id`,
//! `city_confidence`, `last_error_code`, `last_error`, `started_at`, `enqueued_at`,
//! `transcribed_at`, `created_at`, `updated_at` may. A call's identifier is its SID; numbers of rows are
//! this system's own. A call with an outcome counts as done, and the
//! comparison with Twilio leaves it alone; one without is known by its details only, and a back-fill
//! transcribes it.
//!
//! Columns of leads: `phone_e164` (or `phone`) and `account_sid` must be there; `id`, `name`,
//! `service_type`, `service_id`, `service_confidence`, `city`, `city_id`, `city_confidence`,
//! `name_locked`, `service_locked`, `city_locked`, `created_at`, `updated_at` may. A value that is
//! taken over is locked, as if a person had given it, unless its column of the lock says otherwise:
//! no call stands behind it here, so the next one would take it away. Leads keep their `id` if they
//! are imported before the calls.
//!
//! Other columns are left out, and named.

mod call;
mod lead;
mod line;
mod lines;

use std::{collections::BTreeSet, io::BufRead, sync::Arc};

use domain::{AccountSid, Redactor};
use serde::Serialize;

pub use line::Problem;
pub use lines::Format;

use crate::{
    settings::ResultsSettings,
    store::{Store, StoreError},
};
use line::Line;
use lines::Lines;

/// Lines in one transaction: other writers wait no longer than that.
const BATCH: usize = 200;

/// Why an import ended early. What was written until then stays; the same again goes on.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// The file is neither.
    #[error("{0}")]
    Table(String),
    /// The database is away.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How to import.
#[derive(Debug, Clone)]
pub struct ImportPlan {
    /// How the file is written.
    pub format: Format,
    /// The account of lines that name none.
    pub account: Option<AccountSid>,
    /// Read and check everything, write nothing.
    pub dry_run: bool,
    /// Masks what is not to be kept in transcripts.
    pub redactor: Redactor,
}

/// What became of the lines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// `calls` or `leads`.
    pub table: &'static str,
    /// Lines with content, the header not counted.
    pub lines: u64,
    /// Written (or would be, in a dry run).
    pub imported: u64,
    /// Left as they are here: the same, newer, or fixed by a person.
    pub kept: u64,
    /// Erased here before: not taken over.
    pub erased: u64,
    /// Wrong, and left out.
    pub refused: u64,
    /// Columns that nothing here corresponds to.
    pub ignored_columns: BTreeSet<String>,
}

/// Who changed what an import changed, in the history of leads.
pub(crate) const IMPORT: &str = "import";

/// What became of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Imported,
    Kept,
    Erased,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Table {
    Calls,
    Leads,
}

impl Table {
    fn of(line: &Line) -> Result<Self, ImportError> {
        if line.has("call_sid") {
            Ok(Self::Calls)
        } else if line.has("phone_e164") || line.has("phone") {
            Ok(Self::Leads)
        } else {
            Err(ImportError::Table(
                "the file is an export of neither calls nor leads: it has neither a column \
                 call_sid nor a column phone_e164"
                    .into(),
            ))
        }
    }

    fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Calls => &call::COLUMNS,
            Self::Leads => &lead::COLUMNS,
        }
    }
}

/// Imports a file; tells of every line that is wrong.
///
/// # Errors
/// When the file cannot be read, or the database is away.
pub async fn import(
    store: &Store,
    settings: &Arc<ResultsSettings>,
    file: impl BufRead,
    plan: &ImportPlan,
    mut tell: impl FnMut(Problem),
) -> Result<Imported, ImportError> {
    let mut lines = Lines::new(file, plan.format)?;
    let mut done = Imported::default();
    let mut table = None;
    loop {
        let mut batch = Vec::with_capacity(BATCH);
        while batch.len() < BATCH {
            match lines.next()? {
                None => break,
                Some(Ok(line)) => batch.push(line),
                Some(Err(problem)) => {
                    done.lines += 1;
                    done.refused += 1;
                    tell(problem);
                }
            }
        }
        let Some(first) = batch.first() else { return Ok(done) };
        let of = match table {
            Some(of) => of,
            None => *table.insert(Table::of(first)?),
        };
        done.table = if of == Table::Calls { "calls" } else { "leads" };
        done.lines += batch.len() as u64;
        for line in &batch {
            let unknown = line.columns().filter(|name| !of.columns().contains(name));
            done.ignored_columns.extend(unknown.map(str::to_owned));
        }
        let fates = match of {
            Table::Calls => call::import(store, settings, &batch, plan).await?,
            Table::Leads => lead::import(store, &batch, plan).await?,
        };
        for fate in fates {
            match fate {
                Ok(Fate::Imported) => done.imported += 1,
                Ok(Fate::Kept) => done.kept += 1,
                Ok(Fate::Erased) => done.erased += 1,
                Err(problem) => {
                    done.refused += 1;
                    tell(problem);
                }
            }
        }
    }
}
