#![doc = include_str!("../README.md")]

mod consumer;
mod contents;
mod dead;
mod durable;
mod entry;
mod error;
mod health;
mod keys;
mod memory;
mod metric;
mod pause;
mod queue;
mod redis_link;
mod script;
mod server;
mod settings;
mod settlement;
mod source;
mod stats;
mod wire;

pub use consumer::{
    BatchHandler, ConsumerOptions, Handler, consume, consume_batches, kept_for_live,
};
pub use contents::Kept;
pub use dead::{DeadLetter, Selection};
pub use durable::{Durable, OnDisk};
pub use entry::{Delivery, Entry, Lane, Once, Outgoing};
pub use error::QueueError;
pub use memory::Memory;
pub use queue::{Decision, Enqueued, OnDecision, OnDone, Queue, QueueOptions, Transition};
pub use redis_link::Link;
pub use settings::RedisSettings;
pub use settlement::{Failure, Settlement, Verdict};
pub use stats::{Pause, Stats, export_stats};
pub use wire::PastFailure;
