//! Reconciliation: what does Twilio list that we lack?
//!
//! It makes "no call is lost" true even when a callback never came or Redis lost its disk. At an
//! interval, one replica at a time, the recordings of each account are listed from a high-water
//! mark minus an overlap, and those without a result or a tombstone are enqueued in the bulk lane.
//! The mark never passes a recording that Twilio has not finished, nor one whose work Redis alone
//! knows of. A back-fill does the same on
//! demand, for days of one's choice. Once an hour it also looks for rows without an end whose work
//! no queue holds any more, however old they are.
//!
//! `reconcile_marks` holds one row a scope (`reconcile:AC…`, `unfinished:AC…`,
//! `backfill:AC…:since:until`): how far
//! it is, and which replica is at it until when.

mod backfill;
mod error;
mod held;
mod marks;
mod need;
mod seen;
mod settings;
mod summary;
mod sweep;
mod unfinished;
mod watch;

pub use backfill::{Backfill, Progress};
pub use error::ReconcileError;
pub use settings::ReconcileSettings;
pub use summary::Summary;
pub use watch::Reconciler;
