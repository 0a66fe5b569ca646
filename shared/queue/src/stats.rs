//! How a queue stands.

use serde::Serialize;

/// A consistent reading of one queue, taken in one round trip.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Stats {
    /// Entries that nobody has in hand yet, live lane.
    pub waiting_live: u64,
    /// Entries that nobody has in hand yet, bulk lane.
    pub waiting_bulk: u64,
    /// Entries somebody has in hand.
    pub in_flight: u64,
    /// Entries that wait for a time.
    pub scheduled: u64,
    /// Dead letters.
    pub dead: u64,
    /// Consumers known to the group.
    pub consumers: u64,
    /// Age in milliseconds of the oldest waiting entry, by its first enqueue.
    pub oldest_waiting_ms: Option<u64>,
    /// Age in milliseconds of the oldest entry in hand, by its first enqueue.
    pub oldest_in_flight_ms: Option<u64>,
    /// The highest delivery count among the entries in hand.
    pub max_deliveries: u64,
    /// What is paused, by whom, until when.
    pub pauses: Vec<Pause>,
}

/// One record of something being paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Pause {
    /// Who or what: `operator`, `engine:openai`, `account:AC…`.
    pub by: String,
    /// End in milliseconds since 1970 (UTC); `None` until resumed by hand.
    pub until_ms: Option<i64>,
    /// Why.
    pub reason: String,
}
