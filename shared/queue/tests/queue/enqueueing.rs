//! Entries going in.

use std::time::Duration;

use callscribe_queue::{Enqueued, Entry, Settlement};

use crate::support::{Each, Redis, Running, Seen, quick};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn an_entry_stands_in_the_stream_with_readable_fields() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;

    let added = queue.enqueue(Entry::new("CA1", "{\"a\":1}").traced(Some("00-ab".into()))).await;

    assert!(matches!(added.unwrap(), Enqueued::Added(_)));
    let entries = redis.entries("{test}:calls").await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["key"], "CA1");
    assert_eq!(entries[0]["body"], "{\"a\":1}");
    assert_eq!(entries[0]["traceparent"], "00-ab");
    assert_eq!(entries[0].len(), 3, "what every entry has from the start is not written");
}

#[tokio::test]
async fn a_key_of_de_duplication_does_not_outlive_an_entry_that_was_not_added() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    redis.raw::<()>(&["SET", "{test}:calls", "no stream"]).await;

    let entry = || Entry::new("CA1", "x").once("k", HOUR);
    let error = queue.enqueue(entry()).await.unwrap_err();

    assert!(error.to_string().contains("WRONGTYPE"), "{error}");
    redis.raw::<()>(&["DEL", "{test}:calls"]).await;
    assert!(matches!(queue.enqueue(entry()).await.unwrap(), Enqueued::Added(_)));
}

#[tokio::test]
async fn a_duplicate_adds_neither_itself_nor_what_it_emits() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    let entry =
        || Entry::new("CA1", "x").once("RE1:0", HOUR).emit("results", Entry::new("CA1", "e"));

    assert!(matches!(queue.enqueue(entry()).await.unwrap(), Enqueued::Added(_)));
    assert_eq!(queue.enqueue(entry()).await.unwrap(), Enqueued::Duplicate);

    assert_eq!(redis.entries("{test}:calls").await.len(), 1);
    assert_eq!(redis.entries("{test}:results").await.len(), 1);
    let ttl: i64 = redis.raw(&["TTL", "{test}:calls:once:RE1:0"]).await;
    assert!((3500..=3600).contains(&ttl));
}

#[tokio::test]
async fn emissions_nest_and_each_minds_its_own_once_lane_and_delay() {
    let redis = Redis::start().await;
    let queue = redis.queue("a").await;
    let entry = |key: &str| {
        Entry::new(key, "parent")
            .emit(
                "b",
                Entry::new(key, "child")
                    .bulk()
                    .once("b-once", HOUR)
                    .emit("c", Entry::new(key, "leaf")),
            )
            .emit("b", Entry::new(key, "later").delayed(HOUR))
    };

    let results = queue.enqueue_batch(vec![entry("1"), entry("2")]).await.unwrap();

    assert!(matches!(results[..], [Enqueued::Added(_), Enqueued::InPart(_)]), "{results:?}");
    assert_eq!(redis.entries("{test}:a").await.len(), 2);
    let children = redis.entries("{test}:b:bulk").await;
    assert_eq!(children.len(), 1, "the second child is a duplicate");
    assert_eq!(redis.entries("{test}:c").await.len(), 1, "and so its leaf is not added");
    let scheduled: u64 = redis.raw(&["ZCARD", "{test}:b:retry"]).await;
    assert_eq!(scheduled, 2);
}

#[tokio::test]
async fn a_batch_larger_than_one_script_call_arrives_in_order() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;

    let entries = (0..1203).map(|n| Entry::new(n.to_string(), "x")).collect();
    let results = queue.enqueue_batch(entries).await.unwrap();

    assert_eq!(results.len(), 1203);
    let keys: Vec<_> =
        redis.entries("{test}:calls").await.iter().map(|e| e["key"].clone()).collect();
    assert_eq!(keys, (0..1203).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_delayed_entry_is_scheduled_first_and_handled_when_due() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    let text = "שלום \"quoted\" / \\ \u{0} \u{1F600}";
    let entry = Entry::new("CA1", text).delayed(Duration::from_millis(50)).bulk();
    assert_eq!(queue.enqueue(entry).await.unwrap(), Enqueued::Scheduled);
    assert_eq!(queue.stats().await.unwrap().scheduled, 1);

    let seen = Seen::new();
    let sink = seen.clone();
    let running = Running::start(
        &queue,
        quick(),
        Each(move |delivery| {
            sink.push(delivery);
            async { Settlement::done() }
        }),
    );
    let seen = seen.reaches(1).await;
    running.stop().await;

    assert_eq!(seen[0].body, text);
    assert_eq!(seen[0].lane, callscribe_queue::Lane::Bulk);
    assert_eq!((seen[0].attempt, seen[0].deliveries, seen[0].redrive), (1, 1, 0));
}

#[tokio::test]
async fn a_full_redis_refuses_new_work_and_leaves_no_key_behind() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    redis.raw::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;

    let entry = || Entry::new("CA1", "x").once("k", HOUR);
    let error = queue.enqueue(entry()).await.unwrap_err();

    assert!(matches!(error, callscribe_queue::QueueError::Refused(_)), "{error}");
    assert!(!queue.link().is_ready());
    redis.raw::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    assert!(matches!(queue.enqueue(entry()).await.unwrap(), Enqueued::Added(_)));
    assert!(queue.link().is_ready());
}
