//! What an operator sees, and what an idle consumer costs.

use std::{collections::HashMap, time::Duration};

use callscribe_queue::{
    ConsumerOptions, Delivery, Entry, Failure, Queue, QueueOptions, Selection, Settlement, Verdict,
};
use futures_util::StreamExt;

use crate::support::{Each, Redis, Running, Seen, eventually, quick};

#[tokio::test]
async fn an_idle_consumer_sends_no_more_than_two_commands_a_second() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    let running =
        Running::start(&queue, ConsumerOptions::default(), Each(|_| async { Settlement::done() }));
    eventually("it waits", async || {
        redis.raw::<String>(&["CLIENT", "LIST"]).await.contains("cmd=xreadgroup")
    })
    .await;
    let mut monitor = redis::Client::open(redis.url()).unwrap().get_async_monitor().await.unwrap();
    let mut commands = monitor.on_message::<String>();
    let mut sent = Vec::new();
    let seconds = 8;
    let end = tokio::time::Instant::now() + Duration::from_secs(seconds);
    while let Ok(Some(line)) = tokio::time::timeout_at(end, commands.next()).await {
        // What a script does inside is not sent.
        if !line.contains(" lua] ") {
            sent.push(line);
        }
    }
    assert!(!sent.is_empty() && sent.len() as u64 <= 2 * seconds, "{sent:#?}");
    running.stop().await;
}

#[tokio::test]
async fn a_crashed_consumer_is_not_counted_although_nobody_is_left_to_sweep_it_up() {
    let redis = Redis::start().await;
    let options = QueueOptions { silence: Duration::from_secs(3), ..QueueOptions::default() };
    let queue = Queue::new(redis.link().await, "calls", options);
    let running = Running::start(&queue, quick(), Each(|_| async { Settlement::done() }));
    let counted = async || queue.stats().await.unwrap().consumers;
    eventually("it is counted", async || counted().await == 1).await;
    running.crash().await;
    eventually("it no longer is", async || counted().await == 0).await;
    let known: Vec<redis::Value> =
        redis.raw(&["XINFO", "CONSUMERS", "{test}:calls", "workers"]).await;
    assert_eq!(known.len(), 1, "the group still knows it");
}

#[tokio::test]
async fn the_age_of_work_that_is_tried_again_counts_from_its_first_enqueue() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    queue.enqueue(Entry::new("later", "").delayed(Duration::from_secs(3_600))).await.unwrap();
    assert_eq!(queue.stats().await.unwrap().oldest_scheduled_ms, None, "that one is not late");
    let now: i64 = redis.raw::<(i64, i64)>(&["TIME"]).await.0 * 1000;
    for (key, minutes) in [("young", 60), ("old", 120)] {
        let born = (now - minutes * 60_000).to_string();
        redis
            .raw::<()>(&["XADD", "{test}:calls", "*", "key", key, "body", "", "born", &born])
            .await;
    }
    let handler = Each(|delivery: Delivery| async move {
        let failure = Failure::new("engine_down", "500");
        let hour = Duration::from_secs(3_600);
        let after = if delivery.attempt == 1 { Duration::from_millis(1) } else { hour };
        match delivery.key.as_str() {
            "young" => Verdict::Park { by: "engine".into(), wait: hour, failure }.into(),
            _ => Verdict::Retry { after: Some(after), failure, counts: true }.into(),
        }
    });
    let running = Running::start(&queue, quick(), handler);
    let age = async || queue.stats().await.unwrap().oldest_scheduled_ms.unwrap_or_default();
    eventually("both wait", async || queue.stats().await.unwrap().scheduled == 3).await;
    eventually("the old one waits", async || age().await >= 120 * 60_000).await;
    queue.erase(|kept| kept.key == "old").await.unwrap();
    let age = age().await;
    assert!((60 * 60_000..120 * 60_000).contains(&age), "{age}");
    queue.erase(|kept| kept.key == "young").await.unwrap();
    running.stop().await;
    assert_eq!(queue.stats().await.unwrap().oldest_scheduled_ms, None);
    assert_eq!(redis.raw::<u64>(&["EXISTS", "{test}:calls:retry:born"]).await, 0);
}

#[tokio::test]
async fn ages_are_told_by_lane_and_what_was_dead_waits_since_it_was_redriven() {
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    let hour = 3_600_000;
    let hour_ago = redis.raw::<(i64, i64)>(&["TIME"]).await.0 * 1000 - hour as i64;
    let id = format!("{hour_ago}-0");
    redis.raw::<()>(&["XADD", "{test}:calls:bulk", &id, "key", "back-fill", "body", ""]).await;
    queue.enqueue(Entry::new("new", "")).await.unwrap();
    let born = hour_ago.to_string();
    let letter = ["key", "old", "body", "", "lane", "live", "reason", "permanent", "born", &born];
    redis.raw::<()>(&[&["XADD", "{test}:calls:dead", "*"], &letter[..]].concat()).await;
    assert_eq!(queue.redrive(&Selection::All).await.unwrap(), 1);

    let stats = queue.stats().await.unwrap();
    assert_eq!((stats.waiting_live, stats.waiting_bulk), (2, 1));
    assert!(stats.oldest_waiting_live_ms.unwrap() < hour, "{stats:?}");
    assert!(stats.oldest_waiting_bulk_ms.unwrap() >= hour, "{stats:?}");
    assert_eq!(stats.oldest_waiting_ms, stats.oldest_waiting_bulk_ms);
    let seen = Seen::new();
    let running = Running::start(&queue, quick(), crate::handlers::done(&seen));
    seen.reaches(3).await;
    running.stop().await;
    assert_eq!(redis.raw::<u64>(&["EXISTS", "{test}:calls:born"]).await, 0);
}

#[tokio::test]
async fn pauses_are_counted_by_kind_and_those_that_ended_are_not() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    for by in ["operator", "engine:openai", "account:AC1", "account:AC2", "somebody:else"] {
        queue.pause(by, None, "why").await.unwrap();
    }
    let stop = tokio_util::sync::CancellationToken::new();
    let every = Duration::from_millis(10);
    let exports = callscribe_queue::export_stats(queue.clone(), every, stop.clone());
    let counted = async {
        let shows = |counts: [(&str, u32); 5]| {
            let text = metrics.render();
            counts.iter().all(|(kind, count)| {
                text.contains(&format!("queue_pauses{{queue=\"calls\",kind=\"{kind}\"}} {count}\n"))
            })
        };
        let all = [("operator", 1), ("engine", 1), ("account", 2), ("spending", 0), ("other", 1)];
        eventually("all are counted", async || shows(all)).await;
        for by in ["operator", "engine:openai", "account:AC1"] {
            assert!(queue.resume(by).await.unwrap());
        }
        let left = [("operator", 0), ("engine", 0), ("account", 1), ("spending", 0), ("other", 1)];
        eventually("what is left is counted", async || shows(left)).await;
        stop.cancel();
    };
    tokio::join!(exports, counted);
}

#[tokio::test]
async fn every_transition_is_counted_with_its_reason_and_durations_are_measured() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    let once = Duration::from_secs(60);
    for key in ["done", "retry", "dead", "done"] {
        queue.enqueue(Entry::new(key, "").once(key, once)).await.unwrap();
    }
    let running = Running::start(
        &queue,
        quick(),
        Each(move |delivery: Delivery| async move {
            match (delivery.key.as_str(), delivery.attempt) {
                ("retry", 1) => {
                    let failure = Failure::new("engine_down", "500");
                    Verdict::Retry { after: None, failure, counts: true }.into()
                }
                ("dead", _) => {
                    Verdict::Dead { failure: Failure::new("no_such_call", "404") }.into()
                }
                // Both emit the same to another queue, which takes it once.
                _ => Settlement::done()
                    .emit("results", Entry::new("same", "").once("same", once))
                    .emit("results", Entry::new("own", "")),
            }
        }),
    );
    eventually("settled", async || {
        let text = metrics.render();
        text.contains(r#"transition="done",reason=""} 2"#)
    })
    .await;
    running.stop().await;

    let text = metrics.render();
    for line in [
        r#"queue_transitions_total{queue="calls",transition="enqueued",reason="waiting"} 3"#,
        r#"queue_transitions_total{queue="calls",transition="enqueued",reason="duplicate"} 1"#,
        r#"queue_transitions_total{queue="results",transition="enqueued",reason="emitted"} 3"#,
        r#"queue_transitions_total{queue="calls",transition="retry",reason="engine_down"} 1"#,
        r#"queue_transitions_total{queue="calls",transition="promoted",reason=""} 1"#,
        r#"queue_transitions_total{queue="calls",transition="dead",reason="permanent"} 1"#,
        r#"queue_wait_seconds_count{queue="calls"} 4"#,
        r#"queue_handle_seconds_count{queue="calls"} 4"#,
        r#"queue_total_seconds_count{queue="calls"} 3"#,
        r#"queue_redis_durable 0"#,
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
    let gauges: HashMap<&str, &str> =
        text.lines().filter_map(|line| line.rsplit_once(' ')).collect();
    for gauge in [
        r#"queue_entries{queue="calls",state="waiting",lane="live"}"#,
        r#"queue_entries{queue="calls",state="waiting",lane="bulk"}"#,
        r#"queue_entries{queue="calls",state="in_flight",lane=""}"#,
        r#"queue_entries{queue="calls",state="scheduled",lane=""}"#,
        r#"queue_entries{queue="calls",state="dead",lane=""}"#,
        r#"queue_oldest_waiting_seconds{queue="calls",lane="live"}"#,
        r#"queue_oldest_waiting_seconds{queue="calls",lane="bulk"}"#,
        r#"queue_oldest_in_flight_seconds{queue="calls"}"#,
        r#"queue_oldest_scheduled_seconds{queue="calls"}"#,
        r#"queue_longest_handling_seconds{queue="calls"}"#,
        r#"queue_consumers{queue="calls"}"#,
        r#"queue_max_deliveries{queue="calls"}"#,
    ] {
        assert!(gauges.contains_key(gauge), "{gauge} is missing in\n{text}");
    }
}

#[tokio::test]
async fn gauges_that_cannot_be_read_are_not_numbers() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let mut redis = Redis::start().await;
    let queue = redis.queue("calls").await;
    let stop = tokio_util::sync::CancellationToken::new();
    let every = Duration::from_millis(20);
    let exporting =
        tokio::spawn(callscribe_queue::export_stats(queue.clone(), every, stop.clone()));
    queue.enqueue(Entry::new("CA1", "")).await.unwrap();
    let gauge = r#"queue_entries{queue="calls",state="waiting",lane="live"} "#;
    eventually("one waits", async || metrics.render().contains(&format!("{gauge}1"))).await;
    redis.kill();
    eventually("unknown", async || metrics.render().contains(&format!("{gauge}NaN"))).await;
    stop.cancel();
    exporting.await.unwrap();
}
