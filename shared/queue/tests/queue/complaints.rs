//! What users of other queues complain about, each as a test that passes here.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::AtomicUsize, atomic::Ordering},
    time::Duration,
};

use callscribe_queue::{ConsumerOptions, Delivery, Entry, Settlement};

use crate::support::{Each, Redis, Running, Seen, eventually, quick};

fn recording(
    seen: &Seen<String>,
) -> Each<impl Fn(Delivery) -> std::future::Ready<Settlement> + use<>> {
    let seen = seen.clone();
    Each(move |delivery: Delivery| {
        seen.push(delivery.key);
        std::future::ready(Settlement::done())
    })
}

/// A handler that says it began and never ends.
fn stuck(
    seen: &Seen<String>,
) -> Each<impl Fn(Delivery) -> std::future::Pending<Settlement> + use<>> {
    let seen = seen.clone();
    Each(move |delivery: Delivery| {
        seen.push(delivery.key);
        std::future::pending()
    })
}

async fn consumers(redis: &Redis) -> Vec<HashMap<String, redis::Value>> {
    redis.try_raw(&["XINFO", "CONSUMERS", "{test}:calls", "workers"]).await.unwrap_or_default()
}

/// svix-webhooks#1844, bullmq#2466, bullmq#3088.
#[tokio::test]
async fn workers_are_not_in_limbo_after_a_redis_restart() {
    let mut redis = Redis::durable().await;
    let queue = redis.queue("calls").await;
    let seen = Seen::new();
    let workers: Vec<_> =
        (0..3).map(|_| Running::start(&queue, quick(), recording(&seen))).collect();
    for round in 1..=3 {
        eventually("enqueued", async || queue.enqueue(Entry::new("CA", "")).await.is_ok()).await;
        seen.reaches(round).await;
        redis.restart().await;
    }
    eventually("all are back", async || consumers(&redis).await.len() == 3).await;
    for worker in workers {
        worker.stop().await;
    }
}

/// taskiq-redis#130: there is no lock whose holder could die; reclaiming is one script.
#[tokio::test]
async fn crash_recovery_fires_again_after_the_recovering_worker_crashed_too() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    queue.enqueue(Entry::new("CA1", "")).await.unwrap();
    let seen = Seen::new();
    let options = ConsumerOptions { max_deliveries: 9, ..quick() };
    for crash in 1..=3 {
        let worker = Running::start(&queue, options.clone(), stuck(&seen));
        seen.reaches(crash).await;
        worker.crash().await;
    }
    let keys: Vec<String> = redis.raw(&["KEYS", "*lock*"]).await;
    assert!(keys.is_empty());
    let worker = Running::start(&queue, options, recording(&seen));
    seen.reaches(4).await;
    worker.stop().await;
}

/// apalis#504.
#[tokio::test]
async fn every_replica_has_a_consumer_name_of_its_own() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    let workers: Vec<_> =
        (0..4).map(|_| Running::start(&queue, quick(), recording(&Seen::new()))).collect();
    eventually("four names", async || consumers(&redis).await.len() == 4).await;
    assert_eq!(queue.stats().await.unwrap().consumers, 4);
    for worker in workers {
        worker.stop().await;
    }
}

/// bull#308.
#[tokio::test]
async fn long_jobs_do_not_run_twice() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    queue.enqueue(Entry::new("CA1", "x")).await.unwrap();
    let starts = Seen::new();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let (starts, gate) = (starts.clone(), Arc::clone(&gate));
            Running::start(
                &queue,
                quick(),
                Each(move |_| {
                    starts.push(());
                    let gate = Arc::clone(&gate);
                    async move {
                        gate.acquire().await.unwrap().forget();
                        Settlement::done()
                    }
                }),
            )
        })
        .collect();
    starts.reaches(1).await;
    // Ten leases' worth of time on the server's clock, in which everybody looks for lost leases.
    let started = redis.raw::<(u64, u64)>(&["TIME"]).await.0;
    eventually("ten leases", async || redis.raw::<(u64, u64)>(&["TIME"]).await.0 >= started + 4)
        .await;
    assert_eq!(starts.len(), 1);
    assert_eq!(queue.stats().await.unwrap().max_deliveries, 1);
    gate.add_permits(1);
    for worker in workers {
        worker.stop().await;
    }
    assert_eq!((starts.len(), redis.raw::<u64>(&["XLEN", "{test}:calls"]).await), (1, 0));
}

/// pipeshub#2992: redelivered 800 times and more, while dashboards looked healthy.
#[tokio::test]
async fn poison_shows_in_the_statistics_and_ends_among_the_dead() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    queue.enqueue(Entry::new("CA1", "")).await.unwrap();
    let seen = Seen::new();
    for crash in 1..=3 {
        let worker = Running::start(&queue, quick(), stuck(&seen));
        seen.reaches(crash).await;
        assert_eq!(queue.stats().await.unwrap().max_deliveries, crash as u64);
        worker.crash().await;
    }
    let worker = Running::start(&queue, quick(), stuck(&seen));
    eventually("dead", async || queue.stats().await.unwrap().dead == 1).await;
    worker.stop().await;
    assert_eq!(seen.len(), 3);
    assert_eq!(queue.dead_letters(None, 1).await.unwrap()[0].reason, "poison");
}

/// redis#6199, watermill PR#38.
#[tokio::test]
async fn deleted_entries_do_not_haunt_the_pending_list_and_are_counted_as_lost() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    queue.enqueue_batch(vec![Entry::new("gone", ""), Entry::new("kept", "")]).await.unwrap();
    let seen = Seen::new();
    let worker = Running::start(&queue, quick(), stuck(&seen));
    seen.reaches(2).await;
    worker.crash().await;
    let entries: Vec<(String, Vec<String>)> =
        redis.raw(&["XRANGE", "{test}:calls", "-", "+"]).await;
    redis.raw::<()>(&["XDEL", "{test}:calls", &entries[0].0]).await;

    let seen = Seen::new();
    let worker = Running::start(&queue, quick(), recording(&seen));
    assert_eq!(seen.reaches(1).await, ["kept"]);
    eventually("the pending list is clean", async || {
        let pending: Vec<redis::Value> =
            redis.raw(&["XPENDING", "{test}:calls", "workers", "-", "+", "9"]).await;
        pending.is_empty()
    })
    .await;
    worker.stop().await;
    let line = r#"queue_transitions_total{queue="calls",transition="vanished",reason="payload_deleted"} 1"#;
    assert!(metrics.render().contains(line), "{}", metrics.render());
}

/// redis#6199: the same where the worker lives on. What it has in hand is the only copy.
#[tokio::test]
async fn the_result_of_an_entry_that_was_deleted_under_its_worker_is_kept() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    queue.enqueue(Entry::new("CA1", "")).await.unwrap();
    let (starts, gate) = (Seen::new(), Arc::new(tokio::sync::Semaphore::new(0)));
    let worker = Running::start(&queue, quick(), crate::handlers::gated(&starts, &gate));
    starts.reaches(1).await;
    let entries: Vec<(String, Vec<String>)> =
        redis.raw(&["XRANGE", "{test}:calls", "-", "+"]).await;
    redis.raw::<()>(&["XDEL", "{test}:calls", &entries[0].0]).await;
    let line = r#"queue_transitions_total{queue="calls",transition="vanished",reason="payload_deleted"} 1"#;
    eventually("it is counted", async || metrics.render().contains(line)).await;
    // Some more beats, in which it must not be taken for lost.
    let began = tokio::time::Instant::now();
    eventually("a lease passes", async || began.elapsed() > quick().lease).await;
    gate.add_permits(1);
    eventually("its result is there", async || crate::handlers::results(&redis).await == 1).await;
    worker.stop().await;
    assert!(metrics.render().contains(line), "it is counted once");
}

/// redis#13602.
#[tokio::test]
async fn consumers_neither_pile_up_nor_go_with_what_they_hold() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    queue.enqueue(Entry::new("CA1", "")).await.unwrap();
    let options = ConsumerOptions { max_deliveries: 99, ..quick() };
    let seen = Seen::new();
    for crash in 1..=5 {
        let worker = Running::start(&queue, options.clone(), stuck(&seen));
        seen.reaches(crash).await;
        worker.crash().await;
    }
    let worker = Running::start(&queue, options, recording(&seen));
    eventually("the entry outlived its holders", async || {
        seen.len() == 6 && redis.raw::<u64>(&["XLEN", "{test}:calls"]).await == 0
    })
    .await;
    eventually("only the living is left", async || consumers(&redis).await.len() == 1).await;
    worker.stop().await;
    assert!(consumers(&redis).await.is_empty(), "one that stops leaves by itself");
}

/// sidekiq#5540.
#[tokio::test]
async fn deploys_neither_lose_nor_delay_jobs() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    queue.enqueue_batch((0..200).map(|n| Entry::new(n.to_string(), "")).collect()).await.unwrap();
    let done = Seen::new();
    // A lease far beyond the test: nothing may depend on its end.
    let options = ConsumerOptions {
        lease: Duration::from_secs(600),
        grace: Duration::from_millis(1),
        ..quick()
    };
    for _ in 0..10 {
        let begun = Arc::new(AtomicUsize::new(0));
        let (sink, counter) = (done.clone(), Arc::clone(&begun));
        let worker = Running::start(
            &queue,
            options.clone(),
            Each(move |delivery: Delivery| {
                let (sink, nth) = (sink.clone(), counter.fetch_add(1, Ordering::SeqCst));
                async move {
                    assert_eq!((delivery.attempt, delivery.deliveries), (1, 1));
                    if nth >= 12 {
                        // In hand when the deploy comes.
                        std::future::pending::<()>().await;
                    }
                    sink.push(delivery.key);
                    Settlement::done()
                }
            }),
        );
        eventually("at work", async || begun.load(Ordering::SeqCst) >= 16).await;
        worker.stop().await;
    }
    let worker = Running::start(&queue, options, recording(&done));
    eventually("all done", async || redis.raw::<u64>(&["XLEN", "{test}:calls"]).await == 0).await;
    worker.stop().await;
    let mut keys = done.all();
    keys.sort();
    keys.dedup();
    assert_eq!((done.len(), keys.len()), (200, 200));
    assert_eq!(queue.stats().await.unwrap().dead, 0);
}

/// Handlers that ignore cancellation hold their slots for ever.
#[tokio::test]
async fn a_handler_that_ignores_cancellation_does_not_hold_its_slot() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    queue.enqueue_batch(vec![Entry::new("ignores", ""), Entry::new("next", "")]).await.unwrap();
    let seen = Seen::new();
    let sink = seen.clone();
    let options = ConsumerOptions {
        concurrency: 1,
        timeout: Duration::from_millis(50),
        max_attempts: 1,
        ..quick()
    };
    let worker = Running::start(
        &queue,
        options,
        Each(move |delivery: Delivery| {
            let sink = sink.clone();
            async move {
                if delivery.key == "ignores" {
                    loop {
                        tokio::task::yield_now().await;
                    }
                }
                sink.push(delivery.key);
                Settlement::done()
            }
        }),
    );
    assert_eq!(seen.reaches(1).await, ["next"]);
    eventually("the other is dead", async || queue.stats().await.unwrap().dead == 1).await;
    worker.stop().await;
}

/// One panic hanging shutdown.
#[tokio::test]
async fn a_panic_does_not_hang_the_shutdown() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    queue.enqueue_batch((0..8).map(|n| Entry::new(n.to_string(), "")).collect()).await.unwrap();
    let seen = Seen::new();
    let sink = seen.clone();
    let options = ConsumerOptions { max_attempts: 1, ..quick() };
    let worker = Running::start(
        &queue,
        options,
        Each(move |delivery: Delivery| {
            sink.push(delivery.key);
            async { panic!("on purpose") }
        }),
    );
    seen.reaches(4).await;
    worker.stop().await;
    let stats = queue.stats().await.unwrap();
    assert_eq!(stats.in_flight, 0);
    assert_eq!(stats.dead as usize, seen.len());
}
