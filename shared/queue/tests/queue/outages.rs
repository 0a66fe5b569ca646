//! Redis failing in every way it has.

use std::{sync::Arc, time::Duration};

use callscribe_queue::{
    ConsumerOptions, Delivery, Entry, Failure, Link, Queue, QueueError, QueueOptions, Settlement,
    Verdict,
};
use tokio::sync::Semaphore;

use crate::{
    handlers::{done, gated, results},
    support::{Each, Redis, Running, Seen, eventually, proxy::Proxy, quick},
};

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
async fn cut_connections_lose_nothing_and_cost_no_delivery() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    let seen = Seen::new();
    let running = Running::start(&queue, quick(), done(&seen));
    for round in 0..20 {
        let entries = (0..10).map(|n| Entry::new(format!("{round}-{n}"), ""));
        eventually("enqueued", async || {
            let entries = entries.clone().map(|e| e.clone().once(e.key, Duration::from_secs(60)));
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
async fn a_reply_lost_with_its_connection_is_found_again_at_once_and_counts_as_no_crash() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    let seen = Seen::new();
    let sink = seen.clone();
    // A lease far beyond the test: its end cannot bring the entry back.
    let options = ConsumerOptions { lease: Duration::from_secs(600), ..quick() };
    let handler = Each(move |delivery: Delivery| {
        sink.push(delivery.deliveries);
        std::future::ready(Settlement::done())
    });
    let running = Running::start(&queue, options, handler);
    eventually("it is there", async || queue.stats().await.unwrap().consumers == 1).await;
    queue.pause("operator", None, "so that only the test reads").await.unwrap();
    eventually("it rests", async || {
        !redis.raw::<String>(&["CLIENT", "LIST"]).await.contains("flags=b")
    })
    .await;
    queue.enqueue(Entry::new("CA1", "")).await.unwrap();
    // The server delivers to the consumer, and the consumer never hears of it.
    let consumers: Vec<std::collections::HashMap<String, redis::Value>> =
        redis.raw(&["XINFO", "CONSUMERS", "{test}:calls", "workers"]).await;
    let name: String = redis::from_redis_value_ref(&consumers[0]["name"]).unwrap();
    let read =
        ["XREADGROUP", "GROUP", "workers", &name, "COUNT", "1", "STREAMS", "{test}:calls", ">"];
    redis.raw::<redis::Value>(&read).await;
    redis.raw::<redis::Value>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
    eventually("resumed", async || queue.resume("operator").await.is_ok()).await;
    assert_eq!(seen.reaches(1).await, [1]);
    running.stop().await;
}

#[tokio::test]
async fn an_outage_longer_than_the_lease_runs_no_work_twice_and_keeps_finished_results() {
    let mut redis = Redis::durable().await;
    let proxy = Proxy::start(&redis.socket().with_file_name("proxy.sock"), &redis.socket());
    let far = callscribe_queue::RedisSettings {
        url: format!("redis+unix://{}", proxy.socket.display()).into(),
        ..redis.settings()
    };
    let far = Queue::new(Link::open(&far).await.unwrap(), "calls", QueueOptions::default());
    let options = ConsumerOptions { lease: Duration::from_millis(2_500), ..quick() };
    let (starts, gate) = (Seen::new(), Arc::new(Semaphore::new(0)));
    far.enqueue_batch(vec![Entry::new("1", ""), Entry::new("2", "")]).await.unwrap();
    let owner = Running::start(&far, options.clone(), gated(&starts, &gate));
    starts.reaches(2).await;
    let near = redis.queue("calls").await;
    let other = Running::start(&near, options.clone(), gated(&starts, &gate));
    eventually("both are there", async || near.stats().await.unwrap().consumers == 2).await;

    redis.kill();
    proxy.hold(true);
    gate.add_permits(1);
    let outage = tokio::time::Instant::now();
    eventually("a lease and more passes", async || outage.elapsed() > options.lease * 5 / 4).await;
    redis.restart().await;
    let back = tokio::time::Instant::now();
    // The other one is back first, and sees that both leases have run out.
    eventually("it is back", async || {
        let stats: String = redis.raw(&["INFO", "commandstats"]).await;
        stats.contains("cmdstat_zrangebyscore:calls=2")
    })
    .await;
    proxy.hold(false);

    eventually("the finished result is handed over", async || results(&redis).await == 1).await;
    eventually("two more leases pass", async || back.elapsed() > options.lease * 2).await;
    assert_eq!(starts.len(), 2, "nothing ran twice");
    gate.add_permits(1);
    eventually("both done", async || results(&redis).await == 2).await;
    owner.stop().await;
    other.stop().await;
    assert_eq!(starts.len(), 2);
    assert_eq!(near.stats().await.unwrap().in_flight, 0);
}

/// Work in hand while Redis refuses writes in the way `begin` makes it and `end` ends it: nothing
/// runs twice, the finished result arrives afterwards, readiness says so meanwhile.
async fn survives_refusal(redis: &Redis, begin: &[&[&str]], end: &[&[&str]]) {
    let queue = redis.queue("calls").await;
    let (starts, gate) = (Seen::new(), Arc::new(Semaphore::new(0)));
    let running = Running::start(&queue, quick(), gated(&starts, &gate));
    queue.enqueue(Entry::new("CA1", "")).await.unwrap();
    starts.reaches(1).await;
    for command in begin {
        let _ = redis.try_raw::<redis::Value>(command).await;
    }
    eventually("it says so", async || !queue.link().is_ready()).await;
    let error = queue.enqueue(Entry::new("CA2", "")).await.unwrap_err();
    assert!(matches!(error, QueueError::Refused(_) | QueueError::Unavailable(_)), "{error}");
    gate.add_permits(2);
    for command in end {
        redis.raw::<redis::Value>(command).await;
    }
    eventually("ready again", async || queue.link().is_ready()).await;
    queue.enqueue(Entry::new("CA2", "")).await.unwrap();
    eventually("both done", async || results(redis).await == 2).await;
    running.stop().await;
    assert_eq!(starts.all(), ["CA1", "CA2"]);
    assert_eq!(queue.stats().await.unwrap().in_flight, 0);
}

#[tokio::test]
async fn a_server_that_turns_read_only_is_survived() {
    let redis = Redis::start().await;
    survives_refusal(&redis, &[&["REPLICAOF", "127.0.0.1", "1"]], &[&["REPLICAOF", "NO", "ONE"]])
        .await;
}

#[tokio::test]
async fn a_server_that_cannot_save_is_survived() {
    let redis = Redis::with(&["--save", "1000000 1000000", "--dbfilename", "obstacle"]).await;
    let nowhere = redis.raw::<Vec<String>>(&["CONFIG", "GET", "dir"]).await.remove(1);
    // A folder where the snapshot should be makes every snapshot fail.
    let obstacle = std::path::Path::new(&nowhere).join("obstacle");
    std::fs::create_dir(&obstacle).unwrap();
    survives_refusal(
        &redis,
        &[&["BGSAVE"]],
        &[&["CONFIG", "SET", "stop-writes-on-bgsave-error", "no"]],
    )
    .await;
}

#[tokio::test]
async fn a_server_that_loads_its_data_is_waited_for() {
    let mut redis =
        Redis::with(&["--save", "1000000 1000000", "--enable-debug-command", "yes"]).await;
    let queue = redis.queue("calls").await;
    let (starts, gate) = (Seen::new(), Arc::new(Semaphore::new(0)));
    let running = Running::start(&queue, quick(), gated(&starts, &gate));
    queue.enqueue(Entry::new("CA1", "")).await.unwrap();
    starts.reaches(1).await;
    redis.raw::<()>(&["DEBUG", "POPULATE", "2000"]).await;
    redis.raw::<()>(&["SAVE"]).await;
    redis.kill();
    gate.add_permits(1);
    // Loading takes seconds at this pace; connections are answered with LOADING meanwhile.
    let slowly = ["--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024"];
    redis.slow_start(&slowly);
    eventually("it loads", async || {
        matches!(queue.link().ping().await, Err(QueueError::Refused(text)) if text.contains("loading"))
    })
    .await;
    assert!(!queue.link().is_ready());
    eventually("the result arrives", async || {
        redis.try_raw::<u64>(&["XLEN", "{test}:results"]).await.is_ok_and(|count| count == 1)
    })
    .await;
    running.stop().await;
    assert_eq!(starts.len(), 1);
}

#[tokio::test]
async fn a_full_redis_drains_results_included() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    queue.enqueue_batch((0..50).map(|n| Entry::new(n.to_string(), "x")).collect()).await.unwrap();
    redis.raw::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let failing = std::sync::atomic::AtomicBool::new(true);
    let running = Running::start(
        &queue,
        quick(),
        Each(move |delivery: Delivery| {
            // Retries, parking and dead letters go through as well.
            let fails = failing.fetch_not(std::sync::atomic::Ordering::SeqCst);
            async move {
                let failure = Failure::new("engine_down", "500");
                let verdict = match delivery.key.parse::<u32>().unwrap() {
                    0 => Verdict::Dead { failure },
                    1 if delivery.attempt == 1 => {
                        Verdict::Retry { after: None, failure, counts: true }
                    }
                    2 if fails => Verdict::Park {
                        by: "engine".into(),
                        wait: Duration::from_millis(5),
                        failure,
                    },
                    _ => Verdict::Done,
                };
                Settlement::from(verdict)
                    .emit("results", Entry::new(delivery.key, "").once("x", Duration::from_secs(9)))
            }
        }),
    );
    eventually("drained", async || {
        let stats = queue.stats().await.unwrap();
        stats.waiting_live + stats.in_flight + stats.scheduled == 0 && stats.dead == 1
    })
    .await;
    running.stop().await;
    assert_eq!(results(&redis).await, 1);
    let refused = queue.enqueue(Entry::new("more", "")).await;
    assert!(matches!(refused, Err(QueueError::Refused(_))));
}

#[tokio::test]
async fn a_settlement_that_cannot_be_written_holds_up_no_other_and_leaves_nothing_behind() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    redis.raw::<()>(&["SET", "{test}:blocked", "no stream"]).await;
    let seen = Seen::new();
    let sink = seen.clone();
    let handler = Each(move |delivery: Delivery| {
        sink.push(delivery.key.clone());
        async move {
            match delivery.key.as_str() {
                "stuck" => {
                    let failure = Failure::new("no_such_call", "404");
                    Settlement::from(Verdict::Dead { failure })
                        .emit("results", Entry::new("stuck", ""))
                        .emit("blocked", Entry::new("stuck", ""))
                }
                key => Settlement::done().emit("results", Entry::new(key, "")),
            }
        }
    });
    let running = Running::start(&queue, quick(), handler);
    queue.enqueue(Entry::new("stuck", "")).await.unwrap();
    seen.reaches(1).await;
    for n in 1..=5 {
        queue.enqueue(Entry::new(n.to_string(), "")).await.unwrap();
        eventually("the next is settled", async || results(&redis).await == n).await;
    }
    let stats = queue.stats().await.unwrap();
    assert_eq!((stats.dead, stats.in_flight), (0, 1), "all of it is written, or nothing");

    redis.raw::<()>(&["DEL", "{test}:blocked"]).await;
    eventually("it is settled", async || queue.stats().await.unwrap().in_flight == 0).await;
    running.stop().await;
    let counts = [queue.stats().await.unwrap().dead, results(&redis).await - 5];
    assert_eq!((counts, redis.raw::<u64>(&["XLEN", "{test}:blocked"]).await), ([1, 1], 1));
    assert_eq!(seen.len(), 6, "nothing is done twice");
}

#[tokio::test]
async fn a_retry_that_cannot_be_written_is_written_once_it_can() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    let seen = Seen::new();
    let sink = seen.clone();
    let handler = Each(move |delivery: Delivery| {
        sink.push((delivery.key.clone(), delivery.attempt));
        async move {
            if delivery.key == "next" || delivery.attempt > 1 {
                return Settlement::done();
            }
            let failure = Failure::new("engine_down", "500");
            Verdict::Retry { after: Some(Duration::ZERO), failure, counts: true }.into()
        }
    });
    let running = Running::start(&queue, quick(), handler);
    eventually("it works", async || queue.stats().await.unwrap().consumers == 1).await;
    redis.raw::<()>(&["SET", "{test}:calls:retry", "no set"]).await;
    queue.enqueue(Entry::new("CA1", "")).await.unwrap();
    queue.enqueue(Entry::new("next", "")).await.unwrap();
    let pending =
        async || redis.raw::<Vec<redis::Value>>(&["XRANGE", "{test}:calls", "-", "+"]).await;
    eventually("the next is done", async || seen.len() == 2 && pending().await.len() == 1).await;
    redis.raw::<()>(&["DEL", "{test}:calls:retry"]).await;
    eventually("all is done", async || pending().await.is_empty() && seen.len() == 3).await;
    running.stop().await;
    assert!(seen.all().contains(&("CA1".to_owned(), 2)));
}
