//! How entries look in Redis: as arguments of scripts, as fields of streams, as scheduled JSON.

use std::fmt::Write;

use redis::Value;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{Delivery, Entry, Failure, Lane, Outgoing, keys, script::Call};

/// How many failures an entry remembers.
const HISTORY: usize = 10;

/// Appends an entry for the queue that begins with `base`, as `scripts/add.lua` reads it; `parent`
/// is the key of the entry that emits it.
pub(crate) fn push_entry(
    call: &mut Call<'_>,
    base: &str,
    prefix: &str,
    entry: &Entry,
    parent: Option<&str>,
) {
    let own_key = parent != Some(entry.key.as_str());
    let mut head = String::with_capacity(base.len() + 32);
    for (letter, announced) in [
        ('b', entry.lane == Lane::Bulk),
        ('k', own_key),
        ('t', entry.traceparent.is_some()),
        ('o', entry.once.is_some()),
        ('d', !entry.delay.is_zero()),
    ] {
        if announced {
            head.push(letter);
        }
    }
    if head.is_empty() {
        head.push('-');
    }
    let window = entry.once.as_ref().map_or(0, |once| millis(once.window).max(1));
    // Writing to a text cannot fail.
    let _ = write!(head, " {window} {} {} {base}", millis(entry.delay), entry.emit.len());
    call.text(&head);
    if own_key {
        call.text(&entry.key);
    }
    call.text(&entry.body);
    if let Some(traceparent) = &entry.traceparent {
        call.text(traceparent);
    }
    if let Some(once) = &entry.once {
        call.text(&keys::once(base, &once.key));
    }
    if !entry.delay.is_zero() {
        call.text(&format!("{:032x}", fastrand::u128(..)));
    }
    for outgoing in &entry.emit {
        let base = keys::base(prefix, &outgoing.queue);
        push_entry(call, &base, prefix, &outgoing.entry, Some(&entry.key));
    }
}

/// About how many arguments and bytes [`push_entry`] appends.
pub(crate) fn size(entry: &Entry) -> (usize, usize) {
    let own = (6, entry.key.len() + entry.body.len() + 256);
    let emitted = entry.emit.iter().map(|outgoing| size(&outgoing.entry));
    emitted.fold(own, |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

/// Appends how many entries are emitted, and those.
pub(crate) fn push_emissions(call: &mut Call<'_>, prefix: &str, emit: &[Outgoing]) {
    call.count(emit.len());
    for outgoing in emit {
        let base = keys::base(prefix, &outgoing.queue);
        push_entry(call, &base, prefix, &outgoing.entry, None);
    }
}

pub(crate) fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl Lane {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Bulk => "bulk",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "live" => Some(Self::Live),
            "bulk" => Some(Self::Bulk),
            _ => None,
        }
    }
}

/// One failure in the history of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastFailure {
    /// When, in milliseconds since 1970 (UTC), by the clock of the worker.
    pub at_ms: i64,
    /// Which attempt failed.
    pub attempt: u32,
    /// What went wrong.
    #[serde(flatten)]
    pub failure: Failure,
    /// Which consumer had it in hand.
    pub consumer: String,
}

/// An entry as it stands in a stream.
#[derive(Debug, Clone)]
pub(crate) struct StreamEntry {
    pub lane: Lane,
    pub id: String,
    pub fields: Vec<(String, String)>,
}

impl StreamEntry {
    /// Reads `[id, [field, value, …]]`.
    pub fn read(lane: Lane, value: Value) -> Option<Self> {
        let Value::Array(mut pair) = value else { return None };
        let fields = pair.pop()?;
        let id = text(pair.pop()?)?;
        let fields = match fields {
            Value::Array(flat) => {
                let mut flat = flat.into_iter();
                let mut fields = Vec::with_capacity(flat.len() / 2);
                while let (Some(name), Some(value)) = (flat.next(), flat.next()) {
                    fields.push((text(name)?, text(value)?));
                }
                fields
            }
            _ => Vec::new(),
        };
        Some(Self { lane, id, fields })
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn history(&self) -> Vec<PastFailure> {
        self.field("history").and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
    }

    /// Whether it came back from the scheduled ones or the dead: its birth is written, and indexed.
    pub fn came_back(&self) -> bool {
        self.field("born").is_some()
    }

    /// What is wrong with the entry, if it cannot be worked on.
    pub fn flaw(&self) -> Option<String> {
        for name in ["key", "body"] {
            if self.field(name).is_none() {
                return Some(format!("field `{name}` is missing"));
            }
        }
        for name in ["attempt", "redrive", "born"] {
            if self.field(name).is_some_and(|value| value.parse::<i64>().is_err()) {
                return Some(format!("field `{name}` is not a number"));
            }
        }
        None
    }

    /// All fields as one JSON object.
    pub fn fields_json(&self) -> String {
        let fields: std::collections::BTreeMap<_, _> =
            self.fields.iter().map(|(name, value)| (name, value)).collect();
        serde_json::to_string(&fields).unwrap_or_default()
    }

    /// The delivery, with gaps where the entry has some.
    pub fn into_delivery(mut self, deliveries: u32) -> Delivery {
        let number = |name: &str, least: u32| {
            self.field(name).and_then(|value| value.parse().ok()).unwrap_or(least).max(least)
        };
        let (attempt, redrive) = (number("attempt", 1), number("redrive", 0));
        let born_ms = self.field("born").and_then(|value| value.parse().ok());
        let born_ms = born_ms.unwrap_or_else(|| id_ms(&self.id));
        let mut take = |wanted: &str| {
            let found = self.fields.iter_mut().find(|(name, _)| name == wanted);
            found.map(|(_, value)| std::mem::take(value))
        };
        Delivery {
            key: take("key").unwrap_or_default(),
            body: take("body").unwrap_or_default(),
            traceparent: take("traceparent"),
            id: self.id,
            lane: self.lane,
            attempt,
            redrive,
            deliveries,
            born_ms,
            abandoned: CancellationToken::new(),
        }
    }
}

/// Milliseconds of a stream id: when its entry last came to wait.
pub(crate) fn id_ms(id: &str) -> i64 {
    id.split('-').next().and_then(|ms| ms.parse().ok()).unwrap_or_default()
}

/// The reply of XREADGROUP: entries by stream.
pub(crate) fn read_streams(reply: Value, live: &str) -> Vec<StreamEntry> {
    let Value::Array(streams) = reply else { return Vec::new() };
    let mut entries = Vec::new();
    for stream in streams {
        let Value::Array(mut pair) = stream else { continue };
        let (Some(Value::Array(found)), Some(name)) = (pair.pop(), pair.pop()) else { continue };
        let lane = if text(name).as_deref() == Some(live) { Lane::Live } else { Lane::Bulk };
        entries.extend(found.into_iter().filter_map(|entry| StreamEntry::read(lane, entry)));
    }
    entries
}

/// Text as Redis sends it; what is not UTF-8 is replaced, for its entry is malformed anyway.
pub(crate) fn text(value: Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(
            String::from_utf8(bytes)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
        ),
        Value::SimpleString(text) => Some(text),
        Value::Int(number) => Some(number.to_string()),
        _ => None,
    }
}

/// An entry as it waits for its time, read back by `scripts/tend.lua`.
#[derive(Serialize)]
struct Scheduled<'a> {
    id: String,
    lane: &'a str,
    key: &'a str,
    body: &'a str,
    attempt: String,
    redrive: String,
    born: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
    history: String,
}

/// The member of the retry set for the next attempt of a delivery.
pub(crate) fn scheduled(delivery: &Delivery, attempt: u32, history: &[PastFailure]) -> String {
    serde_json::to_string(&Scheduled {
        id: format!("{}:{}", delivery.lane.name(), delivery.id),
        lane: delivery.lane.name(),
        key: &delivery.key,
        body: &delivery.body,
        attempt: attempt.to_string(),
        redrive: delivery.redrive.to_string(),
        born: delivery.born_ms.to_string(),
        traceparent: delivery.traceparent.as_deref(),
        history: history_json(history),
    })
    .unwrap_or_default()
}

pub(crate) fn history_json(history: &[PastFailure]) -> String {
    let recent = &history[history.len().saturating_sub(HISTORY)..];
    serde_json::to_string(recent).unwrap_or_default()
}
