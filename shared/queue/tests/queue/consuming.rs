//! Work being done.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use callscribe_queue::{
    ConsumerOptions, Delivery, Enqueued, Entry, Failure, Lane, Once, Queue, QueueOptions,
    Settlement, Stats, Verdict,
};

use crate::support::{Batch, Each, Redis, Running, Seen, eventually, quick};

fn retry(code: &str) -> Settlement {
    Verdict::Retry { after: None, failure: Failure::new(code, "again"), counts: true }.into()
}

#[tokio::test]
async fn work_is_handled_settled_and_its_emissions_added() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    let entries = (0..300).map(|n| Entry::new(format!("CA{n}"), "x")).collect();
    queue.enqueue_batch(entries).await.unwrap();

    let running = Running::start(
        &queue,
        quick(),
        Each(|delivery: Delivery| async move {
            Settlement::done().emit("results", Entry::new(delivery.key, "done"))
        }),
    );
    eventually("all done", async || redis.raw::<u64>(&["XLEN", "{test}:results"]).await == 300)
        .await;
    running.stop().await;

    let stats = queue.stats().await.unwrap();
    assert_eq!((stats.waiting_live, stats.in_flight, stats.scheduled, stats.dead), (0, 0, 0, 0));
    let left: u64 = redis.raw(&["EXISTS", "{test}:calls:born"]).await;
    assert_eq!(left, 0);
}

#[tokio::test]
async fn work_that_took_longer_than_its_key_was_remembered_is_a_duplicate_still_once_it_is_done() {
    let redis = Redis::start().await;
    let window = Duration::from_secs(3600);
    let options = QueueOptions {
        on_done: Some(Arc::new(move |delivery: &Delivery| {
            let key = delivery.key.clone();
            (key == "late").then_some(Once { key, window })
        })),
        ..QueueOptions::default()
    };
    let queue = Queue::new(redis.link().await, "calls", options);
    let entry = |key: &str| Entry::new(key, "x").once(key, Duration::from_millis(1));
    queue.enqueue_batch(vec![entry("late"), entry("soon")]).await.unwrap();
    eventually("both keys forgotten", async || {
        redis.raw::<u64>(&["EXISTS", "{test}:calls:once:late", "{test}:calls:once:soon"]).await == 0
    })
    .await;

    let running = Running::start(&queue, quick(), Each(async |_| Settlement::done()));
    eventually("all done", async || redis.raw::<u64>(&["XLEN", "{test}:calls"]).await == 0).await;
    running.stop().await;

    assert_eq!(queue.enqueue(entry("late")).await.unwrap(), Enqueued::Duplicate);
    assert!(matches!(queue.enqueue(entry("soon")).await.unwrap(), Enqueued::Added(_)));
}

#[tokio::test]
async fn batches_are_handled_together_up_to_the_limit() {
    let redis = Redis::start().await;
    let queue = redis.queue("results").await;
    queue.enqueue_batch((0..120).map(|n| Entry::new(n.to_string(), "x")).collect()).await.unwrap();

    let sizes = Seen::new();
    let sink = sizes.clone();
    let options = ConsumerOptions { concurrency: 50, ..quick() };
    let running = Running::batches(
        &queue,
        options,
        Batch(move |deliveries: Vec<Delivery>| {
            sink.push(deliveries.len());
            async move { deliveries.iter().map(|_| Settlement::done()).collect() }
        }),
    );
    eventually("all done", async || sizes.all().iter().sum::<usize>() == 120).await;
    running.stop().await;

    assert_eq!(sizes.all(), [50, 50, 20]);
    assert_eq!(redis.raw::<u64>(&["XLEN", "{test}:results"]).await, 0);
}

#[tokio::test]
async fn one_panic_in_a_batch_fails_only_the_delivery_that_caused_it() {
    let redis = Redis::start().await;
    let queue = redis.queue("results").await;
    queue.enqueue_batch((0..10).map(|n| Entry::new(n.to_string(), "x")).collect()).await.unwrap();

    let options = ConsumerOptions { concurrency: 10, max_attempts: 1, ..quick() };
    let running = Running::batches(
        &queue,
        options,
        Batch(|deliveries: Vec<Delivery>| async move {
            assert!(deliveries.iter().all(|delivery| delivery.key != "7"), "seven");
            deliveries.iter().map(|_| Settlement::done()).collect()
        }),
    );
    eventually("one dead", async || queue.stats().await.unwrap().dead == 1).await;
    eventually("none left", async || redis.raw::<u64>(&["XLEN", "{test}:results"]).await == 0)
        .await;
    running.stop().await;

    let dead = redis.entries("{test}:results:dead").await;
    assert_eq!((dead[0]["key"].as_str(), dead[0]["code"].as_str()), ("7", "panic"));
}

#[tokio::test]
async fn a_failure_is_retried_with_its_history_until_it_succeeds() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    queue.enqueue(Entry::new("CA1", "x").traced(Some("00-t".into())).bulk()).await.unwrap();
    let stream: Vec<(String, redis::Value)> =
        redis.raw(&["XRANGE", "{test}:calls:bulk", "-", "+"]).await;
    let (born, _) = stream[0].0.split_once('-').unwrap();

    let seen = Seen::new();
    let sink = seen.clone();
    let running = Running::start(
        &queue,
        quick(),
        Each(move |delivery: Delivery| {
            sink.push(delivery.clone());
            async move { if delivery.attempt < 3 { retry("engine_down") } else { Settlement::done() } }
        }),
    );
    let seen = seen.reaches(3).await;
    running.stop().await;

    let attempts: Vec<_> = seen.iter().map(|delivery| delivery.attempt).collect();
    assert_eq!(attempts, [1, 2, 3]);
    for delivery in seen {
        assert_eq!(delivery.born_ms.to_string(), born);
        assert_eq!(delivery.lane, Lane::Bulk);
        assert_eq!(delivery.traceparent.as_deref(), Some("00-t"));
        assert_eq!(delivery.deliveries, 1);
    }
    assert_eq!(queue.stats().await.unwrap(), Stats { consumers: 0, ..Stats::default() });
}

#[tokio::test]
async fn a_retry_that_does_not_count_never_exhausts() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    queue.enqueue(Entry::new("CA1", "x")).await.unwrap();

    let tries = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&tries);
    let options = ConsumerOptions { max_attempts: 1, ..quick() };
    let running = Running::start(
        &queue,
        options,
        Each(move |delivery: Delivery| {
            let tries = counter.fetch_add(1, Ordering::SeqCst) + 1;
            async move {
                assert_eq!(delivery.attempt, 1);
                if tries == 5 {
                    return Settlement::done();
                }
                let failure = Failure::new("not_ready", "the recording is being made");
                Verdict::Retry { after: Some(Duration::ZERO), failure, counts: false }.into()
            }
        }),
    );
    eventually("five tries", async || tries.load(Ordering::SeqCst) == 5).await;
    running.stop().await;

    assert_eq!(queue.stats().await.unwrap(), Stats::default());
}

#[tokio::test]
async fn parked_work_waits_for_the_end_of_its_pause_without_counting_an_attempt() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    queue.enqueue_batch(vec![Entry::new("parked", "x"), Entry::new("other", "x")]).await.unwrap();

    let seen = Seen::new();
    let sink = seen.clone();
    let running = Running::start(
        &queue,
        quick(),
        Each(move |delivery: Delivery| {
            let first = sink.all().iter().all(|seen: &Delivery| seen.key != delivery.key);
            sink.push(delivery.clone());
            async move {
                if delivery.key == "parked" && first {
                    let failure = Failure::new("rate_limited", "429 from the engine");
                    let wait = Duration::from_millis(400);
                    return Verdict::Park { by: "engine:a".into(), wait, failure }.into();
                }
                Settlement::done()
            }
        }),
    );
    eventually("a pause", async || queue.pauses().await.unwrap().contains_key("engine:a")).await;
    let pause = queue.pauses().await.unwrap().remove("engine:a").unwrap();
    assert_eq!(pause.reason, "429 from the engine");
    let some = queue.pauses_of(&["engine:b", "engine:a"]).await.unwrap();
    assert_eq!(some, std::slice::from_ref(&pause));
    assert_eq!(queue.pauses_of(&["engine:b"]).await.unwrap(), []);
    assert!(pause.until_ms.is_some());

    let seen = seen.reaches(3).await;
    running.stop().await;

    assert_eq!(seen[2].key, "parked");
    assert_eq!(seen[2].attempt, 1);
    assert!(queue.pauses().await.unwrap().is_empty(), "the record ends with its time");
}

#[tokio::test]
async fn no_more_than_the_limit_runs_and_nothing_is_fetched_beyond_it() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    queue.enqueue_batch((0..20).map(|n| Entry::new(n.to_string(), "x")).collect()).await.unwrap();

    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let running_now = Arc::new(AtomicUsize::new(0));
    let options = ConsumerOptions { concurrency: 3, ..quick() };
    let handler = {
        let (gate, running_now) = (Arc::clone(&gate), Arc::clone(&running_now));
        Each(move |_| {
            let (gate, running_now) = (Arc::clone(&gate), Arc::clone(&running_now));
            async move {
                assert!(running_now.fetch_add(1, Ordering::SeqCst) < 3);
                gate.acquire().await.unwrap().forget();
                running_now.fetch_sub(1, Ordering::SeqCst);
                Settlement::done()
            }
        })
    };
    let running = Running::start(&queue, options, handler);
    for done in 0..20_usize {
        let expected = 3.min(20 - done) as u64;
        eventually("slots are full", async || {
            let stats = queue.stats().await.unwrap();
            assert!(stats.in_flight <= 4, "three running, at most one being settled");
            stats.in_flight == expected && running_now.load(Ordering::SeqCst) as u64 == expected
        })
        .await;
        gate.add_permits(1);
    }
    eventually("done", async || queue.stats().await.unwrap().in_flight == 0).await;
    running.stop().await;
    assert_eq!(queue.stats().await.unwrap().dead, 0);
}

#[tokio::test]
async fn bulk_work_neither_delays_live_work_nor_starves() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    let entries = (0..100).map(|n| Entry::new(format!("bulk{n}"), "x").bulk());
    queue.enqueue_batch(entries.collect()).await.unwrap();
    let live = (0..100).map(|n| Entry::new(format!("live{n}"), "x"));
    queue.enqueue_batch(live.collect()).await.unwrap();

    let seen = Seen::new();
    let sink = seen.clone();
    let options = ConsumerOptions { concurrency: 1, ..quick() };
    let running = Running::start(
        &queue,
        options,
        Each(move |delivery: Delivery| {
            sink.push(delivery.lane);
            async { Settlement::done() }
        }),
    );
    let seen = seen.reaches(200).await;
    running.stop().await;

    let first = &seen[..100];
    let bulk = first.iter().filter(|lane| **lane == Lane::Bulk).count();
    assert_eq!(bulk, 20, "one slot in five while live work waits");
}

#[tokio::test]
async fn a_slot_stays_free_for_live_work_during_a_back_fill() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    queue
        .enqueue_batch((0..50).map(|n| Entry::new(n.to_string(), "x").bulk()).collect())
        .await
        .unwrap();

    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let seen = Seen::new();
    let sink = seen.clone();
    let bulk_gate = Arc::clone(&gate);
    let running = Running::start(
        &queue,
        quick(),
        Each(move |delivery: Delivery| {
            sink.push(delivery.key);
            let gate = Arc::clone(&bulk_gate);
            async move {
                if delivery.lane == Lane::Bulk {
                    gate.acquire().await.unwrap().forget();
                }
                Settlement::done()
            }
        }),
    );
    seen.reaches(3).await;
    queue.enqueue(Entry::new("live", "x")).await.unwrap();
    let seen = seen.reaches(4).await;
    assert_eq!(seen[3], "live", "handled while all bulk work is still running");
    gate.add_permits(50);
    eventually("done", async || queue.stats().await.unwrap().waiting_bulk == 0).await;
    running.stop().await;
}

#[tokio::test]
async fn a_handler_beyond_the_time_limit_is_ended_and_retried() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    queue.enqueue(Entry::new("CA1", "x")).await.unwrap();

    let options =
        ConsumerOptions { timeout: Duration::from_millis(30), max_attempts: 2, ..quick() };
    let running = Running::start(&queue, options, Each(|_| std::future::pending()));
    eventually("dead", async || queue.stats().await.unwrap().dead == 1).await;
    running.stop().await;

    let dead = redis.entries("{test}:calls:dead").await;
    assert_eq!(dead[0]["reason"], "exhausted");
    assert_eq!(dead[0]["code"], "timeout");
}

#[tokio::test]
async fn a_paused_queue_hands_out_nothing_until_it_is_resumed() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    queue.pause("operator", None, "maintenance").await.unwrap();
    let seen = Seen::new();
    let sink = seen.clone();
    let running = Running::start(
        &queue,
        quick(),
        Each(move |delivery: Delivery| {
            sink.push(delivery.key);
            async { Settlement::done() }
        }),
    );
    queue.enqueue(Entry::new("CA1", "x")).await.unwrap();
    let due = Entry::new("CA2", "x").delayed(Duration::from_millis(1));
    queue.enqueue(due).await.unwrap();
    eventually("the consumer is at work", async || queue.stats().await.unwrap().waiting_live == 2)
        .await;
    let groups: Vec<redis::Value> = redis.raw(&["XINFO", "GROUPS", "{test}:calls"]).await;
    assert!(groups.is_empty(), "nobody has read yet");
    assert_eq!(queue.stats().await.unwrap().pauses[0].by, "operator");

    assert!(queue.resume("operator").await.unwrap());
    assert!(!queue.resume("operator").await.unwrap());
    seen.reaches(2).await;
    running.stop().await;
}

#[tokio::test]
async fn statistics_tell_ages_by_first_enqueue_and_what_is_in_hand() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    assert_eq!(queue.stats().await.unwrap(), Stats::default());
    // Born an hour ago, promoted now: its id is young.
    let hour_ago: i64 = redis.raw::<(i64, i64)>(&["TIME"]).await.0 * 1000 - 3_600_000;
    let member = format!(
        r#"{{"id":"1","lane":"live","key":"old","body":"x","attempt":"2","redrive":"0","born":"{hour_ago}"}}"#
    );
    redis.raw::<()>(&["ZADD", "{test}:calls:retry", "1", &member]).await;
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let handler_gate = Arc::clone(&gate);
    let options = ConsumerOptions { concurrency: 1, ..quick() };
    let running = Running::start(
        &queue,
        options,
        Each(move |_| {
            let gate = Arc::clone(&handler_gate);
            async move {
                gate.acquire().await.unwrap().forget();
                Settlement::done()
            }
        }),
    );
    eventually("one in hand", async || queue.stats().await.unwrap().in_flight == 1).await;
    redis.raw::<()>(&["ZADD", "{test}:calls:retry", "1", &member.replace("old", "older")]).await;
    queue.enqueue(Entry::new("young", "x")).await.unwrap();
    eventually("promoted", async || queue.stats().await.unwrap().waiting_live == 2).await;

    let stats = queue.stats().await.unwrap();
    assert_eq!(
        (stats.in_flight, stats.scheduled, stats.consumers, stats.max_deliveries),
        (1, 0, 1, 1)
    );
    assert!(stats.oldest_waiting_ms.unwrap() >= 3_600_000);
    assert!(stats.oldest_in_flight_ms.unwrap() >= 3_600_000);
    gate.add_permits(3);
    eventually("done", async || queue.stats().await.unwrap().oldest_waiting_ms.is_none()).await;
    running.stop().await;
    assert_eq!(queue.stats().await.unwrap(), Stats::default());
}
