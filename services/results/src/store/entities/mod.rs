//! One file a table.

pub mod audit;
pub mod call_logs;
pub mod deliveries;
pub mod lead_changes;
pub mod leads;
pub mod outbox;
pub mod reconcile_marks;
pub mod recordings;
pub mod tombstones;
