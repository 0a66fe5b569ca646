//! Redis is away, stuck or full, and comes back.

use callscribe_ingest::{Durability, IngestSettings};

use super::{redis_server::eventually, running::Running};

#[tokio::test]
async fn while_redis_is_away_callbacks_are_refused_and_then_taken_without_a_restart() {
    let mut running = Running::start().await;
    running.add_call(1);
    running.add_call(2);
    assert_eq!(running.post_recording(1).await, 204);
    running.redis.kill();
    assert_eq!(running.post_recording(2).await, 503);
    eventually("readiness says so", async || running.readiness().is_err()).await;
    running.redis.restart().await;
    eventually("callbacks are taken", async || running.post_recording(2).await == 204).await;
    assert_eq!(running.jobs().len(), 2, "what was answered 204 is still there");
    running.ready().await;
}

#[tokio::test]
async fn a_redis_that_does_not_answer_is_given_up_and_a_repetition_does_no_harm() {
    let running = Running::start().await;
    running.add_call(1);
    running.redis.signal("STOP");
    assert_eq!(running.post_recording(1).await, 503);
    running.redis.signal("CONT");
    eventually("callbacks are taken", async || running.post_recording(1).await == 204).await;
    assert_eq!(running.jobs().len(), 1, "the first one may have been stored after all");
}

#[tokio::test]
async fn a_redis_that_takes_no_writes_is_not_ready_and_callbacks_wait_outside() {
    let running = Running::start().await;
    running.add_call(1);
    running.redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(running.post_recording(1).await, 503);
    running.redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    eventually("callbacks are taken", async || running.post_recording(1).await == 204).await;
}

#[tokio::test]
async fn above_the_memory_mark_callbacks_wait_outside_while_the_rest_goes_on() {
    let running = Running::start().await;
    running.add_call(1);
    let memory = running.redis.cli(&["INFO", "memory"]);
    let used = memory.iter().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    let limit = used.trim().parse::<u64>().unwrap() * 100 / 93;
    running.redis.cli(&["CONFIG", "SET", "maxmemory", &limit.to_string()]);
    eventually("callbacks are refused", async || running.post_recording(1).await == 503).await;
    assert!(running.readiness().is_ok(), "there is room for what is in hand");
    running.redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    eventually("callbacks are taken", async || running.post_recording(1).await == 204).await;
}

#[tokio::test]
async fn with_durability_aof_the_answer_waits_for_the_disk() {
    let settings = IngestSettings { durability: Durability::Aof, ..Default::default() };
    let running = Running::with(settings).await;
    running.add_call(1);
    running.add_call(2);
    assert_eq!(running.post_recording(1).await, 204);
    if running.redis.cli(&["COMMAND", "INFO", "WAITAOF"]).concat().is_empty() {
        eprintln!("skipped the rest: this redis-server has no WAITAOF (7.2 and newer have)");
        return;
    }
    running.redis.cli(&["CONFIG", "SET", "appendonly", "no"]);
    assert_eq!(running.post_recording(2).await, 503, "nothing is written to disk any more");
    running.redis.cli(&["CONFIG", "SET", "appendonly", "yes"]);
    running.redis.cli(&["CONFIG", "SET", "appendfsync", "everysec"]);
    eventually("callbacks are taken", async || running.post_recording(2).await == 204).await;
    let posts = (0..50).map(|_| running.post_recording(2));
    let statuses = futures_util::future::join_all(posts).await;
    assert!(statuses.iter().all(|status| *status == 204), "{statuses:?}");
}

#[tokio::test]
async fn a_stop_ends_the_service() {
    let running = Running::start().await;
    running.add_call(1);
    assert_eq!(running.post_recording(1).await, 204);
    running.stop().await;
}
