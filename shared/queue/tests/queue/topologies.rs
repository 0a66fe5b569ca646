//! TLS, sentinels and clusters, all private and on loopback.

use std::time::Duration;

use callscribe_queue::{
    ConsumerOptions, Delivery, Entry, Link, Queue, QueueError, QueueOptions, RedisSettings,
    Settlement,
};

use crate::support::{
    Each, Redis, Running, Seen, eventually,
    nodes::{Certificates, Cluster, Node, tls_node},
    quick,
};

const HOUR: Duration = Duration::from_secs(3600);

fn settings() -> RedisSettings {
    RedisSettings { prefix: "test".into(), ..RedisSettings::default() }
}

async fn open(settings: &RedisSettings) -> Queue {
    Queue::new(Link::open(settings).await.unwrap(), "calls", QueueOptions::default())
}

fn worker(queue: &Queue, seen: &Seen<String>) -> Running {
    let seen = seen.clone();
    Running::start(
        queue,
        quick(),
        Each(move |delivery: Delivery| {
            seen.push(delivery.key.clone());
            async move { Settlement::done().emit("results", Entry::new(delivery.key, "")) }
        }),
    )
}

/// Enqueues whatever happens meanwhile; the key makes the repetition harmless.
async fn insist(queue: &Queue, key: &str) {
    eventually("it is enqueued", async || {
        queue.enqueue(Entry::new(key, "").once(key, HOUR)).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn tls_with_a_private_authority_a_user_and_a_password() {
    let Some(certificates) = Certificates::make() else {
        println!("skipped: openssl is not installed");
        return;
    };
    let node = tls_node(&certificates);
    let url = format!("rediss://127.0.0.1:{}/3", node.port);
    let right = RedisSettings {
        url: url.clone().into(),
        ca_file: Some(certificates.path("ca.pem")),
        username: Some("worker".into()),
        password: Some("secret".to_owned().into()),
        ..settings()
    };
    let queue = open(&right).await;
    eventually("ready", async || queue.link().is_ready()).await;
    let seen = Seen::new();
    let running = worker(&queue, &seen);
    queue.enqueue(Entry::new("CA1", "")).await.unwrap();
    seen.reaches(1).await;
    running.stop().await;

    let untrusted = open(&RedisSettings { ca_file: None, ..right.clone() }).await;
    assert!(matches!(untrusted.link().ping().await, Err(QueueError::Unavailable(_))));
    let wrong = RedisSettings { password: Some("guess".to_owned().into()), ..right };
    let error = open(&wrong).await.link().ping().await.unwrap_err();
    assert!(!error.to_string().contains("guess"), "{error}");
}

#[tokio::test]
async fn an_address_that_asks_for_another_protocol_is_read_all_the_same() {
    let redis = Redis::start().await;
    let url = format!("{}?protocol=resp3", redis.url());
    let queue = open(&RedisSettings { url: url.into(), ..settings() }).await;
    let seen = Seen::new();
    // A lease that does not end: what was read and not understood would come back with it.
    let options = ConsumerOptions { lease: HOUR, ..quick() };
    let running = Running::start(&queue, options, crate::handlers::done(&seen));
    queue.enqueue(Entry::new("CA1", "")).await.unwrap();
    seen.reaches(1).await;
    running.stop().await;
}

#[tokio::test]
async fn an_authority_that_cannot_be_used_behind_sentinels_is_refused() {
    let settings = RedisSettings {
        sentinels: vec!["redis://127.0.0.1:1".into()],
        tls: true,
        ca_file: Some("ca.pem".into()),
        ..settings()
    };
    let error = Link::open(&settings).await.unwrap_err();
    assert!(matches!(&error, QueueError::Settings(why) if why.contains("ca_file")), "{error}");
}

#[tokio::test]
async fn a_wrong_address_is_named_without_its_password() {
    let wrong = RedisSettings { url: "http://u:hunter2@h".into(), ..settings() };
    let error = Link::open(&wrong).await.unwrap_err().to_string();
    assert!(error.starts_with("url:") && !error.contains("hunter2"), "{error}");
    let missing = RedisSettings {
        url: "rediss://h".into(),
        ca_file: Some("/nowhere/ca.pem".into()),
        ..settings()
    };
    assert!(Link::open(&missing).await.unwrap_err().to_string().contains("/nowhere/ca.pem"));
}

/// A command of one's own, beside the queue.
async fn counted(queue: &Queue) -> i64 {
    let mut command = redis::cmd("INCR");
    command.arg(queue.link().key("beside"));
    queue.link().query(&command).await.unwrap()
}

#[tokio::test]
async fn a_sentinel_failover_is_survived_without_a_restart() {
    let mut master = Node::start(&["--requirepass", "pw", "--masterauth", "pw"]);
    let port = master.port.to_string();
    let auth = ["--requirepass", "pw", "--masterauth", "pw"];
    let replica = Node::start(&[&auth[..], &["--replicaof", "127.0.0.1", &port]].concat());
    let sentinels: Vec<_> =
        (0..3).map(|_| Node::sentinel_with_password(master.port, "pw")).collect();
    for sentinel in &sentinels {
        eventually("the sentinel sees the replica and the others", async || {
            let Ok(state) = sentinel
                .try_raw::<std::collections::HashMap<String, String>>(&[
                    "SENTINEL", "MASTER", "mymaster",
                ])
                .await
            else {
                return false;
            };
            state["num-slaves"] == "1"
                && state["num-other-sentinels"] == "2"
                && state["flags"] == "master"
        })
        .await;
    }
    let settings = RedisSettings {
        sentinels: sentinels.iter().map(|sentinel| sentinel.url().into()).collect(),
        password: Some("pw".to_owned().into()),
        ..settings()
    };
    let queue = open(&settings).await;
    let seen = Seen::new();
    let running = worker(&queue, &seen);
    insist(&queue, "before").await;
    seen.reaches(1).await;
    eventually("settled on both", async || {
        let raw = |node: &Node| node.url().replace("//", "//:pw@");
        let mut replica = redis::Client::open(raw(&replica))
            .unwrap()
            .get_multiplexed_async_connection()
            .await
            .unwrap();
        redis::cmd("XLEN").arg("{test}:results").query_async::<u64>(&mut replica).await.unwrap()
            == 1
    })
    .await;

    master.kill();
    eventually("the outage is noticed", async || !queue.link().is_ready()).await;
    insist(&queue, "after").await;
    seen.reaches(2).await;
    running.stop().await;
    assert_eq!(seen.all(), ["before", "after"]);
    assert_eq!(counted(&queue).await, 1);
}

#[tokio::test]
async fn a_cluster_serves_the_queue_and_a_slot_on_its_way_is_followed() {
    let cluster = Cluster::start().await;
    let settings = RedisSettings {
        cluster: cluster.nodes.iter().map(|node| node.url().into()).collect(),
        ..settings()
    };
    let queue = open(&settings).await;
    let seen = Seen::new();
    let running = worker(&queue, &seen);
    let mut expected = 0;
    for round in 0..3 {
        for n in 0..20 {
            insist(&queue, &format!("{round}-{n}")).await;
        }
        expected += 20;
        if round < 2 {
            // Half of them may still be waiting or in hand.
            cluster.migrate("{test}").await;
        }
    }
    assert_eq!(counted(&queue).await, 1);
    seen.reaches(expected).await;
    let (owner, _) = cluster.owner_and_other("{test}").await;
    eventually("all handed over once", async || {
        owner.raw::<usize>(&["XLEN", "{test}:results"]).await == expected
            && owner.raw::<usize>(&["XLEN", "{test}:calls"]).await == 0
    })
    .await;
    running.stop().await;
}
