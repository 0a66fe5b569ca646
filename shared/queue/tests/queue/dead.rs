//! Dead letters: how entries get there, and back.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use callscribe_queue::{
    ConsumerOptions, Delivery, Entry, Failure, Queue, Selection, Settlement, Verdict,
};

use crate::support::{Each, Redis, Running, Seen, eventually, quick};

#[tokio::test]
async fn exhausted_work_goes_with_both_the_handlers_and_the_queues_emissions() {
    let redis = Redis::start().await;
    let queue = redis.reporting_queue("calls").await;
    queue.enqueue(Entry::new("CA1", "{}")).await.unwrap();

    let options = ConsumerOptions { max_attempts: 2, ..quick() };
    let running = Running::start(
        &queue,
        options,
        Each(|delivery: Delivery| async move {
            let failure = Failure::new("engine_down", format!("attempt {}", delivery.attempt));
            let verdict = Verdict::Retry { after: None, failure, counts: true };
            Settlement::from(verdict).emit("attempts", Entry::new(delivery.key, "failed"))
        }),
    );
    eventually("dead", async || queue.stats().await.unwrap().dead == 1).await;
    running.stop().await;

    let dead = redis.entries("{test}:calls:dead").await.remove(0);
    assert_eq!(dead["reason"], "exhausted");
    assert_eq!(dead["code"], "engine_down");
    assert_eq!(dead["message"], "attempt 2");
    assert_eq!(dead["attempt"], "2");
    assert_eq!(dead["key"], "CA1");
    assert_eq!(dead["body"], "{}");
    let history: Vec<callscribe_queue::PastFailure> =
        serde_json::from_str(&dead["history"]).unwrap();
    let messages: Vec<_> = history.iter().map(|past| past.failure.message.as_str()).collect();
    assert_eq!(messages, ["attempt 1", "attempt 2"]);
    assert_eq!(redis.entries("{test}:attempts").await.len(), 2);
    let reports = redis.entries("{test}:reports").await;
    assert_eq!(reports.len(), 1);
    assert_eq!((reports[0]["key"].as_str(), reports[0]["body"].as_str()), ("CA1", "Exhausted"));
}

#[tokio::test]
async fn what_was_waited_for_again_and_again_stands_in_the_history_once() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    queue.enqueue(Entry::new("CA1", "{}")).await.unwrap();

    let looks = Arc::new(AtomicUsize::new(0));
    let running = Running::start(
        &queue,
        quick(),
        Each(move |_: Delivery| {
            let look = looks.fetch_add(1, Ordering::SeqCst) + 1;
            async move {
                let code = if look < 10 { "engine_down" } else { "not_ready" };
                let failure = Failure::new(code, format!("look {look}"));
                match look {
                    20 => Verdict::Dead { failure }.into(),
                    _ => {
                        let after = Some(Duration::ZERO);
                        Verdict::Retry { after, failure, counts: false }.into()
                    }
                }
            }
        }),
    );
    eventually("dead", async || queue.stats().await.unwrap().dead == 1).await;
    running.stop().await;

    let dead = redis.entries("{test}:calls:dead").await.remove(0);
    let history: Vec<callscribe_queue::PastFailure> =
        serde_json::from_str(&dead["history"]).unwrap();
    let messages: Vec<_> = history.iter().map(|past| past.failure.message.as_str()).collect();
    assert_eq!(messages, ["look 9", "look 19", "look 20"]);
}

#[tokio::test]
async fn work_given_up_by_its_handler_is_dead_at_once() {
    let redis = Redis::start().await;
    let queue = redis.reporting_queue("calls").await;
    queue.enqueue(Entry::new("CA1", "{}")).await.unwrap();

    let running = Running::start(
        &queue,
        quick(),
        Each(|_| async { Verdict::Dead { failure: Failure::new("no_such_call", "404") }.into() }),
    );
    eventually("dead", async || queue.stats().await.unwrap().dead == 1).await;
    running.stop().await;

    let dead = redis.entries("{test}:calls:dead").await.remove(0);
    assert_eq!((dead["reason"].as_str(), dead["code"].as_str()), ("permanent", "no_such_call"));
    assert!(redis.entries("{test}:reports").await.is_empty(), "the handler decided, not the queue");
}

#[tokio::test]
async fn an_entry_that_keeps_crashing_its_worker_is_poison() {
    let redis = Redis::start().await;
    let queue = redis.reporting_queue("calls").await;
    queue.enqueue(Entry::new("CA1", "{}")).await.unwrap();
    queue.enqueue(Entry::new("CA2", "{}")).await.unwrap();

    let options = ConsumerOptions { max_deliveries: 2, concurrency: 1, ..quick() };
    for crash in 1..=2 {
        let (started, mut seen) = tokio::sync::mpsc::unbounded_channel();
        let running = Running::start(
            &queue,
            options.clone(),
            Each(move |delivery: Delivery| {
                let started = started.clone();
                async move {
                    if delivery.key == "CA1" {
                        started.send(delivery.deliveries).unwrap();
                        std::future::pending::<()>().await;
                    }
                    Settlement::done()
                }
            }),
        );
        assert_eq!(seen.recv().await, Some(crash));
        running.crash().await;
    }
    let running = Running::start(
        &queue,
        options,
        Each(|delivery: Delivery| async move {
            assert_ne!(delivery.key, "CA1");
            Settlement::done()
        }),
    );
    eventually("dead", async || queue.stats().await.unwrap().dead == 1).await;
    eventually("the other is done", async || {
        redis.raw::<u64>(&["XLEN", "{test}:calls"]).await == 0
    })
    .await;
    running.stop().await;

    let dead = redis.entries("{test}:calls:dead").await.remove(0);
    assert_eq!((dead["key"].as_str(), dead["reason"].as_str()), ("CA1", "poison"));
    assert_eq!(dead["attempt"], "1", "crashes are no attempts");
    assert_eq!(redis.entries("{test}:reports").await[0]["body"], "Poison");
}

#[tokio::test]
async fn a_crash_buries_the_one_that_caused_it_and_no_neighbour() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    let keys = ["a", "b", "killer", "c", "d"];
    queue.enqueue_batch(keys.map(|key| Entry::new(key, "")).to_vec()).await.unwrap();

    let options = ConsumerOptions { concurrency: 5, ..quick() };
    let (under_way, done, crowded) = (Arc::new(AtomicUsize::new(0)), Seen::new(), Seen::new());
    let handler = |starts: &Seen<String>| {
        let (under_way, starts) = (Arc::clone(&under_way), starts.clone());
        let (done, crowded) = (done.clone(), crowded.clone());
        Each(move |delivery: Delivery| {
            let (under_way, done, crowded) =
                (Arc::clone(&under_way), done.clone(), crowded.clone());
            starts.push(delivery.key.clone());
            async move {
                let mut most = under_way.fetch_add(1, Ordering::SeqCst) + 1;
                let is_new = delivery.deliveries == 1 && keys.contains(&delivery.key.as_str());
                if is_new || delivery.key == "killer" {
                    std::future::pending::<()>().await;
                }
                for _ in 0..20 {
                    tokio::task::yield_now().await;
                    most = most.max(under_way.load(Ordering::SeqCst));
                }
                if delivery.deliveries > 1 && most > 1 {
                    crowded.push(delivery.key.clone());
                }
                under_way.fetch_sub(1, Ordering::SeqCst);
                done.push(delivery.key);
                Settlement::done()
            }
        })
    };
    for crash in 1..=3 {
        let starts = Seen::new();
        let running = Running::start(&queue, options.clone(), handler(&starts));
        let others = if crash == 1 { 4 } else { 0 };
        eventually("the killer is in hand", async || {
            let starts = starts.all();
            starts.len() > others && starts.contains(&"killer".to_owned())
        })
        .await;
        running.crash().await;
        under_way.store(0, Ordering::SeqCst);
        let more = (0..50).map(|n| Entry::new(format!("{crash}-{n}"), ""));
        let more = more.map(|entry| if crash == 2 { entry.bulk() } else { entry });
        queue.enqueue_batch(more.collect()).await.unwrap();
    }
    let running = Running::start(&queue, options, handler(&Seen::new()));
    eventually("the killer is dead", async || queue.stats().await.unwrap().dead == 1).await;
    eventually("all others are done", async || done.len() == 154).await;
    running.stop().await;
    let letters = queue.dead_letters(None, 9).await.unwrap();
    let buried: Vec<_> = letters.iter().map(|l| (l.key.as_str(), l.reason.as_str())).collect();
    assert_eq!(buried, [("killer", "poison")]);
    assert_eq!(crowded.all(), Vec::<String>::new(), "suspects are handled alone");
}

#[tokio::test]
async fn a_malformed_entry_is_buried_and_holds_up_no_other() {
    let redis = Redis::start().await;
    let queue = redis.reporting_queue("calls").await;
    redis.raw::<()>(&["XADD", "{test}:calls", "*", "what", "ever"]).await;
    redis
        .raw::<()>(&["XADD", "{test}:calls", "*", "key", "k", "body", "b", "attempt", "many"])
        .await;
    redis.raw::<()>(&["ZADD", "{test}:calls:retry", "1", "not json"]).await;
    queue.enqueue(Entry::new("CA1", "{}").emit("results", Entry::new("e", ""))).await.unwrap();

    let running = Running::start(&queue, quick(), Each(|_| async { Settlement::done() }));
    eventually("three dead", async || queue.stats().await.unwrap().dead == 3).await;
    eventually("none left", async || redis.raw::<u64>(&["XLEN", "{test}:calls"]).await == 0).await;
    running.stop().await;

    let dead = redis.entries("{test}:calls:dead").await;
    assert!(dead.iter().all(|entry| entry["reason"] == "malformed"));
    assert_eq!(dead[0]["fields"], r#"{"what":"ever"}"#);
    let reports = redis.entries("{test}:reports").await;
    assert!(reports.iter().all(|report| report["body"] == "Malformed") && reports.len() == 3);
}

#[tokio::test]
async fn odd_scheduled_entries_are_buried_and_keep_no_other_from_coming_due() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    let odd = [
        r#"{"lane":"live"}"#,
        r#"{"lane":"live","key":7,"body":"b"}"#,
        r#"{"lane":"live","key":"k","body":"b","born":"nan"}"#,
        r#"{"lane":"bulk","key":"k","body":"b","born":null}"#,
        r#"{"lane":"bulk","key":"k","body":"b","born":"long ago"}"#,
        r#"{"lane":["live"],"key":"k","body":"b"}"#,
        "7",
    ];
    for member in odd {
        redis.raw::<()>(&["ZADD", "{test}:calls:retry", "1", member]).await;
    }
    queue.enqueue(Entry::new("CA1", "").delayed(Duration::from_millis(1))).await.unwrap();

    let seen = Seen::new();
    let running = Running::start(&queue, quick(), crate::handlers::done(&seen));
    assert_eq!(seen.reaches(1).await, ["CA1"]);
    eventually("the odd are dead", async || queue.stats().await.unwrap().dead == odd.len() as u64)
        .await;
    running.stop().await;
    let letters = queue.dead_letters(None, 99).await.unwrap();
    assert!(letters.iter().all(|letter| letter.reason == "malformed"), "{letters:?}");
    let buried: BTreeSet<_> = letters.iter().map(|letter| letter.body.as_str()).collect();
    assert_eq!(buried, BTreeSet::from(odd));
}

/// A queue with 250 dead letters, every tenth of them in the bulk lane, every fifth exhausted.
async fn graveyard(redis: &Redis) -> Queue {
    let queue = redis.reporting_queue("calls").await;
    let entries = (0..250).map(|n| Entry::new(n.to_string(), "x"));
    let entries = entries.enumerate().map(|(n, e)| if n % 10 == 0 { e.bulk() } else { e });
    queue.enqueue_batch(entries.collect()).await.unwrap();
    let options = ConsumerOptions { max_attempts: 1, concurrency: 50, ..quick() };
    let handler = Each(|delivery: Delivery| async move {
        let failure = Failure::new("engine_down", "500");
        if delivery.key.parse::<u32>().unwrap() % 5 == 0 {
            return Verdict::Retry { after: None, failure, counts: true }.into();
        }
        Verdict::Dead { failure: Failure::new("no_such_call", "404") }.into()
    });
    let running = Running::start(&queue, options, handler);
    eventually("all dead", async || queue.stats().await.unwrap().dead == 250).await;
    running.stop().await;
    redis.raw::<()>(&["DEL", "{test}:reports"]).await;
    queue
}

#[tokio::test]
async fn dead_letters_are_listed_page_by_page_and_one_by_one() {
    let redis = Redis::start().await;
    let queue = graveyard(&redis).await;

    let mut after = None;
    let mut listed = Vec::new();
    loop {
        let page = queue.dead_letters(after.as_deref(), 60).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        listed.extend(page);
    }
    assert_eq!(listed.len(), 250);

    let one = queue.dead_letter(&listed[7].id).await.unwrap().unwrap();
    assert_eq!(one, listed[7]);
    assert_eq!(one.history.len(), 1);
    assert_eq!(one.history[0].failure, one.failure);
    assert!(one.died_ms >= one.born_ms);
    assert_eq!(queue.dead_letter("1-1").await.unwrap(), None);
}

#[tokio::test]
async fn dead_letters_are_redriven_one_by_reason_or_all_with_an_event_each() {
    let redis = Redis::start().await;
    let queue = graveyard(&redis).await;
    let one = queue.dead_letters(None, 1).await.unwrap().remove(0);

    assert_eq!(queue.redrive(&Selection::One(one.id.clone())).await.unwrap(), 1);
    assert_eq!(
        queue.redrive(&Selection::One(one.id)).await.unwrap(),
        0,
        "it is not there any more"
    );
    let exhausted = u64::from(one.reason == "exhausted");
    let redriven = queue.redrive(&Selection::Reason("exhausted".into())).await.unwrap();
    assert_eq!(redriven, 50 - exhausted);
    assert_eq!(queue.redrive(&Selection::Reason("engine_down".into())).await.unwrap(), 0);
    let rest = queue.redrive(&Selection::All).await.unwrap();
    assert_eq!(rest, 250 - 1 - redriven);

    let stats = queue.stats().await.unwrap();
    assert_eq!((stats.dead, stats.waiting_live, stats.waiting_bulk), (0, 225, 25));
    assert!(stats.oldest_waiting_ms.is_some());
    let reports = redis.entries("{test}:reports").await;
    assert!(reports.len() == 250 && reports.iter().all(|report| report["body"] == "Redriven"));
    let seen = Seen::new();
    let sink = seen.clone();
    let running = Running::start(
        &queue,
        quick(),
        Each(move |delivery: Delivery| {
            sink.push((delivery.attempt, delivery.redrive, delivery.deliveries));
            async { Settlement::done() }
        }),
    );
    assert!(seen.reaches(250).await.iter().all(|seen| *seen == (1, 1, 1)));
    running.stop().await;
    assert_eq!(redis.raw::<u64>(&["EXISTS", "{test}:calls:born"]).await, 0);
}

#[tokio::test]
async fn what_could_not_be_read_is_redriven_as_it_was() {
    let redis = Redis::start().await;
    let queue = redis.reporting_queue("calls").await;
    let fields = ["key", "k", "body", "b", "attempt", "many", "extra", "e"];
    redis.raw::<()>(&[&["XADD", "{test}:calls", "*"], &fields[..]].concat()).await;
    redis.raw::<()>(&["ZADD", "{test}:calls:retry", "1", "not json"]).await;
    let bury = async || {
        let running = Running::start(&queue, quick(), Each(|_| async { Settlement::done() }));
        eventually("both are dead", async || queue.stats().await.unwrap().dead == 2).await;
        running.stop().await;
        let letters = queue.dead_letters(None, 9).await.unwrap();
        letters.into_iter().map(|letter| letter.fields).collect::<BTreeSet<_>>()
    };
    let original = bury().await;
    assert_eq!(queue.redrive(&Selection::All).await.unwrap(), 2);
    assert_eq!(bury().await, original);
    assert_eq!(redis.raw::<u64>(&["EXISTS", "{test}:calls:born"]).await, 0);

    queue.redrive(&Selection::All).await.unwrap();
    let waiting = redis.entries("{test}:calls").await;
    assert!(waiting.iter().any(|entry| entry.get("extra").is_some_and(|extra| extra == "e")));
}

#[tokio::test]
async fn dead_letters_are_discarded_one_by_reason_or_all() {
    let redis = Redis::start().await;
    let queue = graveyard(&redis).await;
    assert_eq!(queue.discard(&Selection::Reason("no_such_call".into())).await.unwrap(), 200);
    let one = queue.dead_letters(None, 1).await.unwrap().remove(0);
    assert_eq!(queue.discard(&Selection::One(one.id.clone())).await.unwrap(), 1);
    assert_eq!(queue.discard(&Selection::One(one.id)).await.unwrap(), 0);
    assert_eq!(queue.discard(&Selection::All).await.unwrap(), 49);
    assert_eq!(queue.discard(&Selection::All).await.unwrap(), 0);
    assert_eq!(queue.stats().await.unwrap(), callscribe_queue::Stats::default());
}
