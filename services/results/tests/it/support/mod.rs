//! Databases, events and waiting.

pub mod database;
pub mod events;
pub mod postgres;
pub mod service;

use std::{future::Future, time::Duration};

pub use database::Db;

/// How long a condition may take to come true before a test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for a condition to come true.
pub async fn eventually<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
        panic!("never came true: {what}");
    }
}

/// Makes of one body two tests: on SQLite and on Postgres.
macro_rules! on_both {
    ($(#[$attribute:meta])* async fn $name:ident($db:ident: Db) $body:block) => {
        mod $name {
            #[allow(unused_imports, reason = "each body uses a part of it")]
            use super::*;

            async fn body($db: Db) $body

            $(#[$attribute])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                body(Db::sqlite().await).await;
            }

            $(#[$attribute])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                body(Db::postgres().await).await;
            }
        }
    };
}
pub(crate) use on_both;
