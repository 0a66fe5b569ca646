//! Redis failing in every way it has.

use std::sync::Arc;

use callscribe_queue::{Delivery, Entry, QueueError, Settlement};

use crate::support::{Each, Redis, Running, Seen, eventually, quick};

fn done(seen: &Seen<String>) -> Each<impl Fn(Delivery) -> std::future::Ready<Settlement> + use<>> {
    let seen = seen.clone();
    Each(move |delivery: Delivery| {
        seen.push(delivery.key);
        std::future::ready(Settlement::done())
    })
}

#[tokio::test]
async fn a_consumer_started_before_redis_begins_when_redis_comes() {
    let mut redis = Redis::start().await;
    redis.kill();
    let queue = redis.queue("calls").await;
    let seen = Seen::new();
    let running = Running::start(&queue, quick(), done(&seen));
    assert!(matches!(queue.enqueue(Entry::new("k", "")).await, Err(QueueError::Unavailable(_))));
    assert!(!queue.link().is_ready());

    redis.restart().await;
    eventually("ready", async || queue.link().is_ready()).await;
    queue.enqueue(Entry::new("CA1", "")).await.unwrap();
    seen.reaches(1).await;
    running.stop().await;
}

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
async fn cut_connections_lose_nothing_and_cost_no_delivery() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    let seen = Seen::new();
    let running = Running::start(&queue, quick(), done(&seen));
    for round in 0..20 {
        let entries = (0..10).map(|n| Entry::new(format!("{round}-{n}"), ""));
        eventually("enqueued", async || {
            let entries =
                entries.clone().map(|e| e.clone().once(e.key, std::time::Duration::from_secs(60)));
            queue.enqueue_batch(entries.collect()).await.is_ok()
        })
        .await;
        redis.raw::<()>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
    }
    eventually("all seen", async || {
        let mut keys = seen.all();
        keys.sort();
        keys.dedup();
        keys.len() == 200
    })
    .await;
    eventually("all settled", async || redis.raw::<u64>(&["XLEN", "{test}:calls"]).await == 0)
        .await;
    running.stop().await;
    assert_eq!(queue.stats().await.unwrap().dead, 0);
}

#[tokio::test]
async fn an_outage_longer_than_the_lease_runs_no_work_twice_and_keeps_finished_results() {
    let mut redis = Redis::durable().await;
    let queue = redis.queue("calls").await;
    queue.enqueue(Entry::new("long", "")).await.unwrap();
    queue.enqueue(Entry::new("finishing", "")).await.unwrap();
    let starts = Seen::new();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let finish = Arc::new(tokio::sync::Semaphore::new(0));
    let handler = || {
        let (starts, gate, finish) = (starts.clone(), Arc::clone(&gate), Arc::clone(&finish));
        Each(move |delivery: Delivery| {
            let (starts, gate, finish) = (starts.clone(), Arc::clone(&gate), Arc::clone(&finish));
            async move {
                starts.push(delivery.key.clone());
                let gate = if delivery.key == "long" { gate } else { finish };
                gate.acquire().await.unwrap().forget();
                Settlement::done().emit("results", Entry::new(delivery.key, ""))
            }
        })
    };
    // Two processes, as far as Redis can tell.
    let workers = [
        Running::start(&queue, quick(), handler()),
        Running::start(&redis.queue("calls").await, quick(), handler()),
    ];
    starts.reaches(2).await;
    redis.kill();
    finish.add_permits(1);
    eventually("the outage is noticed", async || !queue.link().is_ready()).await;
    let outage = tokio::time::Instant::now();
    eventually("three leases pass", async || outage.elapsed() > quick().lease * 3).await;
    redis.restart().await;

    eventually("the finished result is handed over", async || {
        redis.raw::<u64>(&["XLEN", "{test}:results"]).await == 1
    })
    .await;
    let back = tokio::time::Instant::now();
    eventually("three more leases pass", async || back.elapsed() > quick().lease * 3).await;
    gate.add_permits(1);
    eventually("both done", async || redis.raw::<u64>(&["XLEN", "{test}:results"]).await == 2)
        .await;
    for worker in workers {
        worker.stop().await;
    }
    assert_eq!(starts.len(), 2, "nothing ran twice");
    assert_eq!(queue.stats().await.unwrap().in_flight, 0);
}
