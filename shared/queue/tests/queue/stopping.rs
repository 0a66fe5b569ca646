//! Stopping, crashing, taking over.

use std::{sync::Arc, time::Duration};

use callscribe_queue::{ConsumerOptions, Delivery, Entry, Settlement};

use crate::support::{Each, Redis, Running, Seen, eventually, quick};

#[tokio::test]
async fn a_stop_waits_for_work_in_hand_and_takes_no_more() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    queue.enqueue_batch((0..10).map(|n| Entry::new(n.to_string(), "x")).collect()).await.unwrap();

    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let seen = Seen::new();
    let handler = {
        let (gate, seen) = (Arc::clone(&gate), seen.clone());
        Each(move |delivery: Delivery| {
            let gate = Arc::clone(&gate);
            seen.push(delivery.key);
            async move {
                gate.acquire().await.unwrap().forget();
                Settlement::done()
            }
        })
    };
    let running = Running::start(&queue, quick(), handler);
    seen.reaches(4).await;
    running.stop.cancel();
    gate.add_permits(10);
    running.stop().await;

    let stats = queue.stats().await.unwrap();
    assert_eq!((seen.len(), stats.waiting_live, stats.in_flight, stats.consumers), (4, 6, 0, 0));
}

#[tokio::test]
async fn what_outlasts_the_grace_period_is_handed_back_and_taken_at_once_without_a_penalty() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    queue.enqueue(Entry::new("CA1", "x")).await.unwrap();
    // A lease far longer than the test: only a hand-back can bring the entry to somebody else.
    let options = ConsumerOptions {
        lease: Duration::from_secs(600),
        grace: Duration::from_millis(10),
        ..quick()
    };
    for _ in 0..5 {
        let seen = Seen::new();
        let sink = seen.clone();
        let running = Running::start(
            &queue,
            options.clone(),
            Each(move |delivery: Delivery| {
                let sink = sink.clone();
                async move {
                    sink.push((delivery.deliveries, delivery.abandoned.clone()));
                    std::future::pending().await
                }
            }),
        );
        let seen = seen.reaches(1).await;
        running.stop().await;
        assert_eq!(seen[0].0, 1, "a deploy is no crash");
        assert!(seen[0].1.is_cancelled(), "the handler is told");
        let stats = queue.stats().await.unwrap();
        assert_eq!((stats.waiting_live, stats.in_flight), (1, 0));
    }
}

#[tokio::test]
async fn the_work_of_a_crashed_worker_is_taken_over_when_its_lease_ends() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    queue.enqueue_batch((0..3).map(|n| Entry::new(n.to_string(), "x")).collect()).await.unwrap();
    let seen = Seen::new();
    let sink = seen.clone();
    let crashing = Running::start(
        &queue,
        quick(),
        Each(move |delivery: Delivery| {
            sink.push(delivery.key);
            std::future::pending()
        }),
    );
    seen.reaches(3).await;
    crashing.crash().await;
    assert_eq!(queue.stats().await.unwrap().in_flight, 3);

    let seen = Seen::new();
    let sink = seen.clone();
    let running = Running::start(
        &queue,
        quick(),
        Each(move |delivery: Delivery| {
            sink.push(delivery.deliveries);
            async { Settlement::done() }
        }),
    );
    assert_eq!(seen.reaches(3).await, [2, 2, 2]);
    eventually("dead consumer gone", async || queue.stats().await.unwrap().consumers == 1).await;
    running.stop().await;
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_abandons_the_work_and_settles_nothing() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    queue.enqueue(Entry::new("CA1", "x")).await.unwrap();
    let seen = Seen::new();
    let sink = seen.clone();
    let running = Running::start(
        &queue,
        quick(),
        Each(move |delivery: Delivery| {
            sink.push(delivery.abandoned.clone());
            std::future::pending()
        }),
    );
    let token = seen.reaches(1).await.remove(0);
    // Somebody else takes it over.
    let id = redis.raw::<Vec<(String, Vec<String>)>>(&["XRANGE", "{test}:calls", "-", "+"]).await;
    redis.raw::<()>(&["XCLAIM", "{test}:calls", "workers", "thief", "0", &id[0].0]).await;
    token.cancelled().await;
    eventually("its slot is free", async || queue.stats().await.unwrap().in_flight == 1).await;
    running.stop().await;

    let pending: Vec<(String, String, u64, u64)> =
        redis.raw(&["XPENDING", "{test}:calls", "workers", "-", "+", "10"]).await;
    assert_eq!((pending[0].1.as_str(), pending[0].3), ("thief", 2));
}
