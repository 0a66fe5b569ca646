//! Redis is away, stuck or full, and comes back.

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
async fn a_stop_ends_the_service() {
    let running = Running::start().await;
    running.add_call(1);
    assert_eq!(running.post_recording(1).await, 204);
    running.stop().await;
}
