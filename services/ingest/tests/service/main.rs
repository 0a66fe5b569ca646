//! The whole service against a private redis-server.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod deployed;
mod outages;
mod own_process;
mod redis_server;
mod running;
mod storing;
mod tls;
