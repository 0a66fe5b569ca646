//! The schema's history, forward only. A released migration is never edited: a new one follows.

use sea_orm_migration::prelude::*;

mod m0001_calls_and_leads;
mod m0002_reconcile_marks;
mod m0003_search;
mod m0004_deliveries;
mod m0005_retention;
mod m0007_keeping;
mod m0008_narrow;
pub(super) mod m0009_facets;
mod m0010_indexes;

/// All migrations, in order.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_calls_and_leads::Migration),
            Box::new(m0002_reconcile_marks::Migration),
            Box::new(m0003_search::Migration),
            Box::new(m0004_deliveries::Migration),
            Box::new(m0005_retention::Migration),
            Box::new(m0007_keeping::Migration),
            Box::new(m0008_narrow::Migration),
            Box::new(m0009_facets::Migration),
            Box::new(m0010_indexes::Migration),
        ]
    }
}
