//! What a queue holds, and how it is made to forget.

use std::{collections::BTreeSet, time::Duration};

use callscribe_queue::{ConsumerOptions, Delivery, Entry, Failure, Selection, Settlement, Verdict};

use crate::support::{Each, Redis, Running, Seen, eventually, quick};

/// Tells when the work it belongs to is dropped.
struct Dropped(Seen<String>, String);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.push(self.1.clone());
    }
}

/// Settles after the work's body: dead, retried in an hour, or in hand until it is dropped.
async fn by_body(delivery: Delivery, abandoned: Seen<String>) -> Settlement {
    let failure = Failure::new("asked_for", "as the body says");
    match delivery.body.as_str() {
        "dies" => Verdict::Dead { failure }.into(),
        "waits" => {
            let after = Some(Duration::from_secs(3600));
            Verdict::Retry { after, failure, counts: true }.into()
        }
        "stays" => {
            let _dropped = Dropped(abandoned, delivery.key);
            std::future::pending().await
        }
        _ => Settlement::done(),
    }
}

#[tokio::test]
async fn an_erased_key_is_gone_from_everywhere_and_work_in_hand_settles_nothing() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    for body in ["dies", "waits", "stays"] {
        queue.enqueue(Entry::new("meant", body)).await.unwrap();
        queue.enqueue(Entry::new("other", body)).await.unwrap();
    }
    let options = ConsumerOptions { concurrency: 8, ..quick() };
    let abandoned = Seen::new();
    let handler = Each({
        let abandoned = abandoned.clone();
        move |delivery| by_body(delivery, abandoned.clone())
    });
    let running = Running::start(&queue, options, handler);
    eventually("each has found its place", async || {
        let stats = queue.stats().await.unwrap();
        (stats.dead, stats.scheduled, stats.in_flight) == (2, 2, 2)
    })
    .await;
    let fresh = redis.queue("fresh").await;
    for (key, bulk) in [("meant", true), ("meant", false), ("other", true), ("other", false)] {
        let entry = Entry::new(key, "waiting");
        fresh.enqueue(if bulk { entry.bulk() } else { entry }).await.unwrap();
    }
    assert_eq!(fresh.erase(|kept| kept.key == "meant").await.unwrap(), 2);
    assert_eq!(fresh.stats().await.unwrap().waiting_live, 1);
    assert_eq!(fresh.stats().await.unwrap().waiting_bulk, 1);

    assert_eq!(queue.erase(|kept| kept.key == "meant").await.unwrap(), 3);
    let stats = queue.stats().await.unwrap();
    assert_eq!((stats.dead, stats.scheduled, stats.in_flight), (1, 1, 1));
    assert_eq!(abandoned.reaches(1).await, ["meant"]);
    let mut left = Vec::new();
    queue.look_through(|kept| left.push(kept.key.clone())).await.unwrap();
    assert_eq!(BTreeSet::from_iter(left), BTreeSet::from(["other".to_owned()]));
    running.crash().await;
}

#[tokio::test]
async fn every_entry_is_shown_with_its_key_and_body_wherever_it_stands() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    for n in 0..1200 {
        queue.enqueue(Entry::new(format!("live{n}"), "{}")).await.unwrap();
    }
    queue.enqueue(Entry::new("bulk", "{}").bulk()).await.unwrap();
    for n in 0..700 {
        let entry = Entry::new(format!("later{n}"), "{}").delayed(Duration::from_secs(3600));
        queue.enqueue(entry).await.unwrap();
    }
    redis.raw::<()>(&["XADD", "{test}:calls", "*", "what", "ever"]).await;
    redis.raw::<()>(&["ZADD", "{test}:calls:retry", "9e15", "not json"]).await;
    let (mut keys, mut odd) = (BTreeSet::new(), BTreeSet::new());
    let see = |kept: &callscribe_queue::Kept| {
        if kept.key.is_empty() {
            odd.insert(kept.body.clone());
        } else {
            keys.insert(kept.key.clone());
        }
    };
    queue.look_through(see).await.unwrap();
    assert_eq!(keys.len(), 1200 + 1 + 700);
    let expected = [r#"{"what":"ever"}"#, "not json"].map(str::to_owned);
    assert_eq!(odd, BTreeSet::from(expected));
    assert_eq!(queue.erase(|kept| kept.body.contains("ever")).await.unwrap(), 1);
}

#[tokio::test]
async fn what_others_keep_under_the_prefix_is_deleted_by_name() {
    let redis = Redis::start().await;
    redis.raw::<()>(&["SET", "{test}:heard:RE1:0", "words"]).await;
    redis.raw::<()>(&["SET", "{test}:heard:RE2:0", "words"]).await;
    let link = redis.link().await;
    let names = ["heard:RE1:0".to_owned(), "heard:RE3:0".to_owned()];
    assert_eq!(link.delete_beside(&names).await.unwrap(), 1);
    assert_eq!(redis.raw::<u64>(&["EXISTS", "{test}:heard:RE2:0"]).await, 1);
}

#[tokio::test]
async fn what_moves_or_erases_can_be_awaited_in_a_task() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    let moving = tokio::spawn(async move {
        let moved = queue.redrive(&Selection::All).await.unwrap();
        let gone = queue.discard(&Selection::All).await.unwrap();
        moved + gone + queue.erase(|_| true).await.unwrap()
    });
    assert_eq!(moving.await.unwrap(), 0);
}
