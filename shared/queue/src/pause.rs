//! Pauses: one record each, so that one ending does not end another.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use redis::Value;

use crate::{
    Pause, Queue, QueueError,
    script::Call,
    wire::{millis, text},
};

pub(crate) async fn list(queue: &Queue) -> Result<HashMap<String, Pause>, QueueError> {
    let pauses = queue.stats().await?.pauses;
    Ok(pauses.into_iter().map(|pause| (pause.by.clone(), pause)).collect())
}

pub(crate) async fn some(queue: &Queue, by: &[&str]) -> Result<Vec<Pause>, QueueError> {
    if by.is_empty() {
        return Ok(Vec::new());
    }
    let mut command = redis::cmd("MGET");
    command.arg(by.iter().map(|by| format!("{}:{by}", queue.keys().pause)).collect::<Vec<_>>());
    let records: Vec<Value> = queue.link().query(&command).await?;
    Ok(records.into_iter().filter_map(read).collect())
}

pub(crate) async fn write(
    queue: &Queue,
    by: &str,
    wait: Option<Duration>,
    reason: &str,
) -> Result<(), QueueError> {
    let wait_ms = wait.map(|wait| millis(wait).max(1));
    let pause = Pause {
        by: by.to_owned(),
        until_ms: wait_ms.map(|wait| now_ms().saturating_add(wait)),
        reason: reason.to_owned(),
    };
    let mut call = call(queue);
    call.text(by).text(&serde_json::to_string(&pause).unwrap_or_default());
    call.number(wait_ms.unwrap_or(0));
    queue.link().call(&call).await.map(drop)
}

pub(crate) async fn end(queue: &Queue, by: &str) -> Result<bool, QueueError> {
    let mut call = call(queue);
    call.text(by);
    Ok(queue.link().call(&call).await? == Value::Int(1))
}

fn call(queue: &Queue) -> Call<'_> {
    Call::new(&queue.link().scripts().pause, &[&queue.keys().pause])
}

/// Reads the record as the scripts write it.
pub(crate) fn read(record: Value) -> Option<Pause> {
    serde_json::from_str(&text(record)?).ok()
}

pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(millis).unwrap_or_default()
}
