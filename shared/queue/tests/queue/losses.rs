//! Redis losing what it had: streams, groups, scripts; and servers that are known to lose.

use std::sync::Arc;

use callscribe_queue::{Entry, Link, Queue, QueueError, QueueOptions, Settlement};
use tokio::sync::Semaphore;

use crate::{
    handlers::{done, gated, results},
    support::{Each, Redis, Running, Seen, eventually, quick},
};

#[tokio::test]
async fn a_flushed_server_gets_its_group_back_and_work_goes_on() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    let seen = Seen::new();
    let running = Running::start(&queue, quick(), done(&seen));
    for round in 1..=3 {
        queue.enqueue(Entry::new("CA1", "")).await.unwrap();
        seen.reaches(round).await;
        redis.raw::<()>(&["FLUSHALL"]).await;
    }
    running.stop().await;
}

#[tokio::test]
async fn scripts_are_loaded_again_after_a_script_flush() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    let seen = Seen::new();
    let running = Running::start(&queue, quick(), done(&seen));
    for round in 1..=3 {
        redis.raw::<()>(&["SCRIPT", "FLUSH"]).await;
        queue.enqueue(Entry::new("CA1", "")).await.unwrap();
        seen.reaches(round).await;
    }
    running.stop().await;
}

#[tokio::test]
async fn a_stream_deleted_under_a_blocked_reader_comes_back() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    let (starts, gate) = (Seen::new(), Arc::new(Semaphore::new(9)));
    let running = Running::start(&queue, quick(), gated(&starts, &gate));
    for round in 1..=3 {
        queue.enqueue(Entry::new("CA1", "")).await.unwrap();
        starts.reaches(round).await;
        eventually("the reader blocks", async || {
            let clients: String = redis.raw(&["CLIENT", "LIST"]).await;
            clients.contains("cmd=xreadgroup") && clients.contains("flags=b")
        })
        .await;
        redis.raw::<()>(&["DEL", "{test}:calls", "{test}:calls:bulk"]).await;
    }
    running.stop().await;
}

#[tokio::test]
async fn a_result_finished_after_the_server_lost_everything_is_kept() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    let (starts, gate) = (Seen::new(), Arc::new(Semaphore::new(0)));
    let running = Running::start(&queue, quick(), gated(&starts, &gate));
    queue.enqueue_batch(vec![Entry::new("CA1", ""), Entry::new("CA2", "")]).await.unwrap();
    starts.reaches(2).await;
    redis.raw::<()>(&["FLUSHALL"]).await;
    eventually("the group is back", async || {
        redis.raw::<u64>(&["EXISTS", "{test}:calls"]).await == 1
    })
    .await;
    let flushed = tokio::time::Instant::now();
    eventually("two leases pass", async || flushed.elapsed() > quick().lease * 2).await;
    gate.add_permits(2);
    eventually("both results arrive", async || results(&redis).await == 2).await;
    running.stop().await;
    assert_eq!(starts.len(), 2);
}

#[tokio::test]
async fn a_result_is_not_doubled_when_another_worker_settled_it_first() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    let (starts, gate) = (Seen::new(), Arc::new(Semaphore::new(0)));
    let stalled = Running::start(&queue, quick(), gated(&starts, &gate));
    queue.enqueue(Entry::new("CA1", "")).await.unwrap();
    starts.reaches(1).await;
    // As a worker that stalled beyond its lease: another one takes over and settles.
    let id = redis.raw::<Vec<(String, Vec<String>)>>(&["XRANGE", "{test}:calls", "-", "+"]).await;
    redis.raw::<()>(&["XCLAIM", "{test}:calls", "workers", "other", "0", &id[0].0]).await;
    redis.raw::<()>(&["XACK", "{test}:calls", "workers", &id[0].0]).await;
    redis.raw::<()>(&["XDEL", "{test}:calls", &id[0].0]).await;
    gate.add_permits(1);
    eventually("nothing in hand", async || {
        queue.stats().await.unwrap().in_flight == 0 && gate.available_permits() <= 1
    })
    .await;
    stalled.stop().await;
    assert_eq!(results(&redis).await, 0, "the other one handed it over");
}

#[tokio::test]
async fn a_server_that_may_lose_entries_is_a_warning_or_an_error() {
    let redis = Redis::with(&["--save", "", "--maxmemory-policy", "allkeys-lru"]).await;
    let link = redis.link().await;
    assert_eq!(link.risks().len(), 2);
    assert!(link.ping().await.is_ok());

    let strict = callscribe_queue::RedisSettings { require_durable: true, ..redis.settings() };
    let error = Link::open(&strict).await.unwrap_err();
    assert!(matches!(&error, QueueError::Settings(_)));
    assert!(error.to_string().contains("appendonly yes"), "{error}");
    assert!(error.to_string().contains("noeviction"), "{error}");

    let durable = Redis::durable().await;
    let strict = callscribe_queue::RedisSettings { require_durable: true, ..durable.settings() };
    let link = Link::open(&strict).await.unwrap();
    assert!(link.risks().is_empty());
}

#[tokio::test]
async fn a_consumer_that_meets_a_server_it_must_not_use_ends_with_the_reason() {
    let mut redis = Redis::start().await;
    redis.kill();
    let strict = callscribe_queue::RedisSettings { require_durable: true, ..redis.settings() };
    let link = Link::open(&strict).await.unwrap();
    let queue = Queue::new(link, "calls", QueueOptions::default());
    let stop = tokio_util::sync::CancellationToken::new();
    let handler = Each(|_| std::future::ready(Settlement::done()));
    let consuming = tokio::spawn(callscribe_queue::consume(queue.clone(), quick(), handler, stop));
    redis.restart().await;
    let ended = tokio::time::timeout(crate::support::PATIENCE, consuming).await.unwrap().unwrap();
    assert!(matches!(ended, Err(QueueError::Settings(_))), "{ended:?}");
    assert!(!queue.link().is_ready());
}
